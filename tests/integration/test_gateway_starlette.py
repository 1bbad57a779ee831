"""What Starlette does by itself, it does behind the gate as well; and what only ASGI applications can do to it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from fastapi_support import gate_with_settler, served
from quota_support import Database
from tickctl.gateway import Gate, TickGate
from tickctl.gateway.fastapi import Ticks, protect


@pytest.fixture
def gate(shared_database: Database) -> Gate:
    """A gate over PostgreSQL."""
    return gate_with_settler(shared_database)


async def who(request: Request) -> JSONResponse:
    """Answer whose request it is."""
    return JSONResponse(request.state.ticks.user.id)


def test_two_gates_never_charge_one_request_twice(shared_database: Database, gate: Gate) -> None:
    """Whoever puts a gate around an application that has one finds out at the first request."""
    app, user = FastAPI(), shared_database.add_user()

    @app.post("/tasks")
    async def handler(ticks: Ticks) -> None:
        """Do nothing."""

    protect(app, gate=gate)
    with served(shared_database, TickGate(app, {"POST /tasks"}, gate=gate), gated=False) as gateway:
        assert gateway.send(None).status_code == 401
        assert gateway.send(user).status_code == 500


def test_a_gate_around_fastapi_gives_ticks_as_well(shared_database: Database, gate: Gate) -> None:
    """`Ticks` asks for an admission, whichever gate has given it."""
    app, user = FastAPI(), shared_database.add_user()

    @app.post("/tasks")
    async def handler(ticks: Ticks) -> str:
        return ticks.user.id

    with served(shared_database, TickGate(app, {"POST /tasks"}, gate=gate), gated=False) as gateway:
        assert gateway.send(user).json() == user.id


def test_servers_that_share_one_state_mix_nobody_up(shared_database: Database, gate: Gate) -> None:
    """Some servers hand one state to all requests of a connection, and so to those that are under way together."""
    shared: dict[str, Any] = {}
    both = asyncio.Barrier(2)

    async def meet(request: Request) -> JSONResponse:
        await both.wait()
        return await who(request)

    inner = TickGate(Starlette(routes=[Route("/tasks", meet, methods=["POST"])]), {"POST /tasks"}, gate=gate)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await inner(scope | {"state": shared} if scope["type"] == "http" else scope, receive, send)

    users = [shared_database.add_user() for _ in range(2)]
    with served(shared_database, app, gated=False) as gateway, ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(gateway.send, users))
    assert [answer.json() for answer in answers] == [user.id for user in users]


def test_what_a_handler_leaves_in_the_state_is_seen_outside(shared_database: Database, gate: Gate) -> None:
    """Middleware around the gate reads it, and finds gone what the handler takes away; but no admission."""
    found = {}

    async def handler(request: Request) -> JSONResponse:
        request.state.left = "by the handler"
        del request.state.taken
        return JSONResponse(request.state.ticks.user.id)

    inner = TickGate(Starlette(routes=[Route("/tasks", handler, methods=["POST"])]), {"POST /tasks"}, gate=gate)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope["state"] = outside = {"taken": 1}
            await inner(scope, receive, send)
            found.update(outside)
        else:
            await inner(scope, receive, send)

    with served(shared_database, app, gated=False) as gateway:
        assert gateway.send(shared_database.add_user()).status_code == 200
    assert found == {"left": "by the handler"}
