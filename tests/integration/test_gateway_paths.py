"""No spelling of a request's target reaches a protected handler past the gate."""

from collections.abc import Iterator
from typing import Any
from warnings import catch_warnings, simplefilter

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from asgi_support import Running, ask, request_bytes, running
from gateway_support import gate_over, token_of
from quota_support import Database
from tickctl.gateway import TickGate

PROTECTED = {"POST /tasks", "POST /v1/tasks", "POST /v1/v1/tasks", "POST /v1/{org}/tasks/{task_id:int}"}
INNER = ("/tasks", "/v1/tasks", "/{org}/tasks/{task_id:int}")
TARGETS = [
    "/tasks",
    "/tasks?x=1",
    "/tasks%0A",
    "/tasks%0a",
    "/%74asks",
    "/tasks%00",
    "/tasks%0D",
    "/tasks%0A%0A",
    "/tasks/",
    "//tasks",
    "/./tasks",
    "/x/../tasks",
    "/tasks;x",
    "/tasks%3Fx",
    "%2Ftasks",
    "/TASKS",
    "/v1/tasks",
    "/v1//tasks",
    "/v1%2Ftasks",
    "/v1/tasks%0A",
    "/v1//tasks%0A",
    "/v1/%2Ftasks%0A",
    "/v1/v1/tasks",
    "/v1//v1/tasks%0A",
    "/v1/acme/tasks/7",
    "/v1/acme%0A/tasks/7%0A",
    "/v1//acme/tasks/7%0A",
    "http://gateway.test/tasks",
    "/api/tasks",
    "/api/tasks%0A",
    "/api/v1/acme/tasks/7",
    "*",
]


class Reached:
    """Handlers that note who came in, and by which path."""

    def __init__(self) -> None:
        self.paths: list[tuple[str, Any]] = []

    async def starlette(self, request: Request) -> PlainTextResponse:
        """Answer 202."""
        self.paths.append((request.url.path, getattr(request.state, "ticks", None)))
        return PlainTextResponse("accepted", 202)

    async def fastapi(self, request: Request) -> None:
        """Answer 202, as the route says."""
        self.paths.append((request.url.path, getattr(request.state, "ticks", None)))


def starlette_app(reached: Reached) -> Any:
    """Return an application with the protected routes, some of them in what is mounted."""
    inner = [Route(path, reached.starlette, methods=["POST"]) for path in INNER]
    return Starlette(routes=[Route("/tasks", reached.starlette, methods=["POST"]), Mount("/v1", routes=inner)])


def fastapi_app(reached: Reached, **options: Any) -> Any:
    """Return the same with FastAPI and an included router."""
    app = FastAPI(**options)
    app.post("/tasks", status_code=202)(reached.fastapi)
    router = APIRouter()
    for path in INNER:
        router.post(path, status_code=202)(reached.fastapi)
    app.include_router(router, prefix="/v1")
    return app


def fastapi_app_with_a_root_path(reached: Reached) -> Any:
    """Return one that serves each path below /api as well, whatever the server says of that."""
    with catch_warnings():
        simplefilter("ignore")  # newer versions would rather have the server say it
        return fastapi_app(reached, root_path="/api")


@pytest.fixture(
    scope="module",
    params=[starlette_app, fastapi_app, fastapi_app_with_a_root_path],
    ids=["starlette", "fastapi", "fastapi-root-path"],
)
def built(request: pytest.FixtureRequest) -> tuple[Reached, Any]:
    """Handlers, and an application with them."""
    reached = Reached()
    return reached, request.param(reached)


@pytest.fixture(scope="module", params=["", "/api", "/v1", "/tasks"])
def served(request: pytest.FixtureRequest, built: tuple[Reached, Any], shared_database: Database) -> Iterator[Running]:
    """The application behind a gate, at the root or where a proxy passes a part of the path on."""
    gated = TickGate(built[1], protect=PROTECTED, gate=gate_over(shared_database))
    with running(gated, root_path=request.param) as server:
        yield server


@pytest.mark.parametrize("target", TARGETS)
def test_no_target_leads_past_the_gate(
    built: tuple[Reached, Any], served: Running, shared_database: Database, target: str
) -> None:
    """Without a token no handler is reached; with one, a handler that is reached finds what was charged."""
    reached, _ = built
    user = shared_database.add_user()
    body = b'{"max_ticks":2}'
    for method in ("POST", "post"):
        reached.paths.clear()
        reply = ask(served.port, request_bytes(method, target, [("Content-Type", "application/json")], body))
        assert reply.status in {401, 404, 405, 307, 400}
        assert reached.paths == []
    headers = [("Content-Type", "application/json"), ("Authorization", f"Bearer {token_of(shared_database, user)}")]
    reply = ask(served.port, request_bytes("POST", target, headers, body))
    assert (reply.status == 202) is bool(reached.paths)
    for _, ticks in reached.paths:
        assert ticks.charge.ticks == 2
        assert ticks.user.id == user.id
        assert [used for used, _ in shared_database.ledger(user).values()] == [2]
