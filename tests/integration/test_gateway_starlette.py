"""What Starlette does by itself, it does behind the gate as well; and what only ASGI applications can do to it."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Host, Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.sync.client import connect

from asgi_support import Line, Reply, ask, request_bytes, running
from fastapi_support import gate_with_settler, served
from gateway_support import token_of
from quota_support import Database, User
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


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[dict[str, str]]:
    """Leave something for all requests."""
    yield {"pool": "shared"}


async def about(request: Request) -> JSONResponse:
    """Answer with what a handler can find out about its request."""
    found = {name: request.scope.get(name) for name in ("method", "path", "root_path", "http_version")}
    parameters = {"path": dict(request.path_params), "query": dict(request.query_params)}
    body = (await request.body()).decode()
    return JSONResponse({**found, **parameters, "body": body, "pool": request.state.pool, "url": str(request.url.path)})


async def stream(_: Request) -> StreamingResponse:
    """Answer in pieces of unknown number."""

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d" % number

    return StreamingResponse(pieces(), headers={"X-Own": "1"})


async def fail(_: Request) -> Response:
    """Answer with an exception's status."""
    raise HTTPException(418, headers={"X-Own": "1"})


async def crash(_: Request) -> Response:
    """Do not answer at all."""
    raise RuntimeError("the handler fails")


class Endpoint(HTTPEndpoint):
    """A class in place of a function."""

    async def get(self, _: Request) -> Response:
        """Answer with two cookies, and do something afterwards."""
        response = PlainTextResponse("from a class", background=BackgroundTask(lambda: None))
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response


async def echo(websocket: WebSocket) -> None:
    """Say what is said."""
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    await websocket.close()


def starlette() -> Starlette:
    """Return an application with something of everything."""
    inner = [Route("/about/{name}", about), Route("/tasks", about, methods=["POST"])]
    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/about/{name}", about, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
            Route("/tasks", about, methods=["POST", "GET"]),
            Route("/stream", stream),
            Route("/fail", fail),
            Route("/crash", crash),
            Route("/class", Endpoint),
            Route("/away", lambda _: RedirectResponse("/about/x")),
            WebSocketRoute("/tasks", echo),
            Mount("/mounted", routes=inner),
            Host("inner.test", Starlette(routes=inner)),
        ],
    )


REQUESTS = [
    *(request_bytes(method, "/about/x?a=1&b=%20") for method in ("GET", "HEAD", "OPTIONS", "DELETE")),
    request_bytes("POST", "/about/x", [("Content-Type", "text/plain")], b"anything"),
    request_bytes("PUT", "/about/x", [("Transfer-Encoding", "chunked")], b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"),
    request_bytes("PATCH", "/about/x", [("Content-Encoding", "gzip"), ("Authorization", "rubbish")], b"\x1f\x8b"[:1]),
    *(
        request_bytes("GET", path)
        for path in ("/stream", "/fail", "/crash", "/class", "/away", "/nowhere", "/about/x/")
    ),
    *(request_bytes("GET", path) for path in ("/mounted/about/y", "/mounted", "/mounted/nowhere", "/tasks", "//tasks")),
    *(request_bytes("HEAD", path) for path in ("/stream", "/tasks", "/class")),
    *(request_bytes(method, "/tasks") for method in ("PUT", "OPTIONS", "BREW")),
    request_bytes("GET", "/about/%C3%BC%2F?q=%FF"),
    request_bytes("POST", "/mounted/tasks", [("Idempotency-Key", "x"), ("Origin", "https://app.example.com")], b"{}"),
]


def replies(app: Any, **config: Any) -> list[tuple[int, list[tuple[str, str]], bytes]]:
    """Return what an application answers to all requests, without what the time is."""
    with running(app, date_header=False, **config) as server:
        found: list[Reply] = [ask(server.port, sent, method=sent.split(b" ")[0].decode()) for sent in REQUESTS]
    return [(reply.status, reply.headers, reply.body) for reply in found]


@pytest.mark.parametrize("root_path", ["", "/api"])
def test_unprotected_requests_are_answered_as_without_a_gate(root_path: str, gate: Gate) -> None:
    """Byte for byte, whatever the method, the path, the body or the failure."""
    guarded = TickGate(starlette(), {"POST /tasks"}, gate=gate)
    bare = replies(starlette(), root_path=root_path)
    assert replies(guarded, root_path=root_path) == bare
    assert {status for status, _, _ in bare} == {200, 307, 404, 405, 418, 500}


def fastapi() -> FastAPI:
    """Return the same as a FastAPI application, with a protected route beside it."""
    app = FastAPI(lifespan=lifespan, routes=starlette().routes)

    @app.post("/paid")
    async def paid(ticks: Ticks) -> None:
        raise NotImplementedError

    return app


@pytest.mark.parametrize("root_path", ["", "/api"])
def test_unprotected_requests_of_fastapi_are_answered_as_without_a_gate(root_path: str, gate: Gate) -> None:
    """The same with `protect`, which stands between FastAPI's own middleware and its router."""
    guarded = fastapi()
    protect(guarded, gate=gate)
    assert replies(guarded, root_path=root_path) == replies(fastapi(), root_path=root_path)


@pytest.mark.parametrize("root_path", ["", "/api"])
def test_a_protected_request_reaches_the_handler_as_it_was_sent(
    root_path: str, shared_database: Database, gate: Gate
) -> None:
    """But for the quota's headers, the answer is the one without a gate."""
    user = shared_database.add_user()
    head = [("Authorization", f"Bearer {token_of(shared_database, user)}"), ("Content-Type", "application/json")]
    sent = request_bytes("POST", "/tasks?a=1", head, b'{ "max_ticks": 1, "prompt": "\xc3\xbc" }')
    answers = []
    for app in (starlette(), TickGate(starlette(), {"POST /tasks"}, gate=gate)):
        with running(app, date_header=False, root_path=root_path) as server:
            answers.append(ask(server.port, sent))
    bare, guarded = answers
    assert (guarded.status, guarded.body) == (bare.status, bare.body) == (200, bare.body)
    added = [header for header in guarded.headers if header not in bare.headers]
    assert {name for name, _ in added} == {"ratelimit", "ratelimit-policy"}
    assert [header for header in guarded.headers if header not in added] == bare.headers


def test_a_gate_may_stand_before_a_mounted_application(shared_database: Database, gate: Gate) -> None:
    """Its patterns are relative to where it stands, paths beside it are free, and the outer lifespan closes it."""
    inner = TickGate(Starlette(routes=[Route("/tasks", who, methods=["POST"])]), {"POST /tasks"}, gate=gate)
    free = Route("/tasks", lambda _: PlainTextResponse("free"), methods=["POST"])

    @asynccontextmanager
    async def closing(_: Starlette) -> AsyncIterator[None]:
        yield
        await gate.aclose()

    app = Starlette(routes=[free, Mount("/v1/{org}", inner)], lifespan=closing)
    user = shared_database.add_user()
    with served(shared_database, app, gated=False) as gateway:
        assert gateway.send(None, path="/v1/acme/tasks").status_code == 401
        assert gateway.send(user, path="/v1/acme/tasks").json() == user.id
        assert gateway.send(None).text == "free"


@pytest.mark.parametrize("path", ["/tasks", "/mounted/tasks"])
def test_a_pattern_names_the_whole_path(path: str, shared_database: Database, gate: Gate) -> None:
    """Also what a mount serves, by the path that clients see."""
    app = TickGate(starlette(), {"POST /tasks", "POST /mounted/tasks"}, gate=gate)
    with served(shared_database, app, gated=False) as gateway:
        assert gateway.send(None, path=path).status_code == 401
        assert gateway.send(shared_database.add_user(), path=path).status_code == 200


def test_websockets_and_the_lifespan_pass(gate: Gate) -> None:
    """On the very path that is protected."""
    app = TickGate(starlette(), {"POST /tasks", "GET /tasks"}, gate=gate)
    with (
        running(app, ws="websockets-sansio") as server,
        connect(f"ws://127.0.0.1:{server.port}/tasks", proxy=None) as line,
    ):
        line.send("hello")
        assert line.recv(10) == "hello"
        assert server.client().get("/about/x").json()["pool"] == "shared"


@pytest.fixture
def user(shared_database: Database) -> User:
    """A user."""
    return shared_database.add_user()


def test_a_stream_of_a_protected_request_is_not_buffered(shared_database: Database, gate: Gate, user: User) -> None:
    """Pieces go out as they are made, also through middleware that hands responses on."""
    arrived = threading.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        assert await asyncio.to_thread(arrived.wait, 10)
        yield b"second"

    async def pass_on(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    route = Route("/tasks", lambda _: StreamingResponse(pieces()), methods=["POST"])
    around = [
        Middleware(BaseHTTPMiddleware, dispatch=pass_on),
        Middleware(TickGate, protect={"POST /tasks"}, gate=gate),
    ]
    headers = {"Authorization": f"Bearer {token_of(shared_database, user)}"}
    with (
        served(shared_database, Starlette(routes=[route], middleware=around), gated=False) as gateway,
        gateway.client.stream("POST", "/tasks", headers=headers, json={"max_ticks": 1}) as answer,
    ):
        received = answer.iter_bytes()
        assert next(received) == b"first"
        arrived.set()
        assert b"".join(received) == b"second"


def test_a_handler_learns_that_its_client_has_gone(shared_database: Database, gate: Gate, user: User) -> None:
    """What it waits for after the body is the end of the connection."""
    began, learned = threading.Event(), threading.Event()

    async def handler(request: Request) -> Response:
        assert await request.body() == b'{"max_ticks": 1}'
        began.set()
        assert (await request.receive())["type"] == "http.disconnect"
        learned.set()
        raise ClientDisconnect

    app = TickGate(Starlette(routes=[Route("/tasks", handler, methods=["POST"])]), {"POST /tasks"}, gate=gate)
    head = [("Authorization", f"Bearer {token_of(shared_database, user)}"), ("Content-Type", "application/json")]
    with served(shared_database, app, gated=False) as gateway:
        with Line(gateway.running.port) as line:
            line.send(request_bytes("POST", "/tasks", head, b'{"max_ticks": 1}'))
            assert began.wait(10)
        assert learned.wait(10)


def test_requests_of_one_connection_are_each_their_own(shared_database: Database, gate: Gate, user: User) -> None:
    """Protected and free ones in turn, sent before the answers have come."""
    token = token_of(shared_database, user)
    head = [("Authorization", f"Bearer {token}"), ("Content-Type", "application/json")]
    protected = request_bytes("POST", "/tasks", head, b'{"max_ticks": 1}')
    free, refused = request_bytes("GET", "/tasks"), request_bytes("POST", "/tasks")
    app = TickGate(starlette(), {"POST /tasks"}, gate=gate)
    with served(shared_database, app, gated=False) as gateway, Line(gateway.running.port) as line:
        line.send(protected + free + protected)
        statuses = [line.reply(method).status for method in ("POST", "GET", "POST")]
        line.send(refused)
        statuses.append(line.reply().status)
    assert statuses == [200, 200, 200, 401]
    assert gateway.used(user) == 2
