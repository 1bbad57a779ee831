"""What FastAPI does by itself, it does behind the gate as well, for protected routes and for the others."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request, Response, WebSocket
from pydantic import BaseModel
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from websockets.sync.client import connect

from asgi_support import Line, request_bytes
from fastapi_support import gate_with_settler, served
from gateway_support import token_of, until
from quota_support import Database, User
from tickctl.gateway import EXPOSED_HEADERS
from tickctl.gateway.fastapi import Ticks, protect

ORIGIN = "https://app.example.com"


class Task(BaseModel):
    """What a client asks for."""

    prompt: str
    max_ticks: int


@pytest.fixture(scope="module")
def user(shared_database: Database) -> User:
    """A user with plenty of ticks."""
    return shared_database.add_user(limit=10_000)


def test_the_handler_gets_the_body_that_was_sent(shared_database: Database, user: User) -> None:
    """As a model, as JSON and as bytes, as often as it asks."""
    app = FastAPI()

    @app.post("/tasks")
    async def handler(task: Task, request: Request, ticks: Ticks) -> dict[str, Any]:
        assert await request.json() == json.loads(await request.body())
        return {"model": task.model_dump(), "bytes": (await request.body()).decode()}

    sent = '{ "prompt": "Grüße",\t"max_ticks": 3 }'
    with served(shared_database, app) as gateway:
        found = gateway.send(
            user, content=sent.encode(), headers={"Content-Type": "application/json; charset=utf-8"}
        ).json()
    assert found == {"model": {"prompt": "Grüße", "max_ticks": 3}, "bytes": sent}


def test_the_handler_may_read_the_body_as_a_stream(shared_database: Database, user: User) -> None:
    """A handler without a model reads it itself."""
    app = FastAPI()

    @app.post("/tasks")
    async def handler(request: Request, ticks: Ticks) -> int:
        return len(b"".join([chunk async for chunk in request.stream()]))

    with served(shared_database, app) as gateway:
        assert gateway.send(user, json={"max_ticks": 1, "long": "x" * 100_000}).json() > 100_000


def test_handlers_and_dependencies_without_async_run_in_threads(shared_database: Database, user: User) -> None:
    """They may block."""
    app = FastAPI()

    def thread() -> str:
        return threading.current_thread().name

    @app.post("/tasks")
    def handler(ticks: Ticks, before: Annotated[str, Depends(thread)]) -> list[str]:
        return [before, threading.current_thread().name]

    with served(shared_database, app) as gateway:
        assert all("AnyIO worker" in name for name in gateway.send(user).json())


def test_dependencies_with_yield_end_after_the_response(shared_database: Database, user: User) -> None:
    """Also where the handler fails, they see how it ended."""
    app, seen = FastAPI(), []

    def resource() -> Iterator[str]:
        try:
            yield "open"
        except HTTPException as error:
            seen.append(error.status_code)
            raise
        finally:
            seen.append("closed")

    @app.post("/tasks")
    async def handler(ticks: Ticks, opened: Annotated[str, Depends(resource)], fails: bool = False) -> str:
        if fails:
            raise HTTPException(418)
        return opened

    with served(shared_database, app) as gateway:
        assert gateway.send(user).json() == "open"
        assert gateway.send(user, path="/tasks?fails=true").status_code == 418
    assert seen == ["closed", 418, "closed"]


def test_background_tasks_run_after_the_answer(shared_database: Database, user: User) -> None:
    """The client has its answer before they are done."""
    app, answered, done = FastAPI(), threading.Event(), threading.Event()

    def work() -> None:
        assert answered.wait(10)
        done.set()

    @app.post("/tasks", status_code=202)
    async def handler(ticks: Ticks, background: BackgroundTasks) -> str:
        background.add_task(work)
        return "accepted"

    with served(shared_database, app) as gateway:
        assert gateway.send(user).status_code == 202
        answered.set()
        assert done.wait(10)


def test_a_background_task_that_fails_costs_nothing(shared_database: Database) -> None:
    """The work belongs to the request, and it was not done."""
    app, own = FastAPI(), shared_database.add_user()

    def work() -> None:
        raise RuntimeError("too late")

    @app.post("/tasks", status_code=202)
    async def handler(ticks: Ticks, background: BackgroundTasks) -> str:
        background.add_task(work)
        return "accepted"

    with served(shared_database, app) as gateway:
        assert gateway.send(own).status_code == 202
        until(lambda: gateway.used(own) == 0, "the charge was not given back")


def test_streams_are_not_buffered(shared_database: Database, user: User) -> None:
    """The first piece is with the client before the handler makes the second."""
    app, arrived = FastAPI(), threading.Event()

    async def pieces() -> AsyncIterator[str]:
        yield "first"
        assert await asyncio.to_thread(arrived.wait, 10)
        yield "second"

    @app.post("/tasks")
    async def handler(ticks: Ticks) -> StreamingResponse:
        return StreamingResponse(pieces())

    headers = {"Authorization": f"Bearer {token_of(shared_database, user)}"}
    with (
        served(shared_database, app) as gateway,
        gateway.client.stream("POST", "/tasks", headers=headers, json={"max_ticks": 1}) as answer,
    ):
        received = answer.iter_text()
        assert next(received) == "first"
        assert "RateLimit" in answer.headers
        arrived.set()
        assert "".join(received) == "second"


def test_a_handler_learns_that_its_client_has_gone(shared_database: Database, user: User) -> None:
    """`is_disconnected` stays what it is, although the gate has read the body."""
    app, began, learned = FastAPI(), threading.Event(), threading.Event()

    @app.post("/tasks")
    async def handler(request: Request, ticks: Ticks) -> None:
        assert not await request.is_disconnected()
        began.set()
        while not await request.is_disconnected():  # noqa: ASYNC110 - it is what handlers do
            await asyncio.sleep(0)
        learned.set()

    with served(shared_database, app) as gateway:
        head = [("Authorization", f"Bearer {token_of(shared_database, user)}"), ("Content-Type", "application/json")]
        with Line(gateway.running.port) as line:
            line.send(request_bytes("POST", "/tasks", head, b'{"max_ticks": 1}'))
            assert began.wait(10)
        assert learned.wait(10)


def test_exception_handlers_of_the_application_answer(shared_database: Database) -> None:
    """What they make of an exception decides on the charge."""
    app, own = FastAPI(), shared_database.add_user()

    @app.exception_handler(LookupError)
    async def answer(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"own": str(error)}, 502)

    @app.post("/tasks")
    async def handler(ticks: Ticks) -> None:
        raise LookupError("nothing there")

    with served(shared_database, app) as gateway:
        answered = gateway.send(own)
        assert (answered.status_code, answered.json()) == (502, {"own": "nothing there"})
        until(lambda: gateway.used(own) == 0, "the charge was not given back")


@pytest.mark.parametrize("first", ["protect", "cors"])
def test_cors_headers_are_on_refusals_as_well(first: str, shared_database: Database, user: User) -> None:
    """In whichever order the two are added: a page's script can read why it was refused, and how long to wait."""
    app, gate = FastAPI(), gate_with_settler(shared_database)
    if first == "protect":
        protect(app, gate=gate)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=[ORIGIN],
        allow_methods=["POST"],
        allow_headers=["Authorization", "Idempotency-Key"],
        expose_headers=[*EXPOSED_HEADERS, "X-Own"],
    )
    if first == "cors":
        protect(app, gate=gate)

    @app.post("/tasks")
    async def handler(ticks: Ticks) -> None:
        """Do nothing."""

    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    with served(shared_database, app, gated=False) as gateway:
        preflight = gateway.client.options("/tasks", headers={"Origin": ORIGIN, **asking})
        answers = [gateway.send(who, headers={"Origin": ORIGIN}) for who in (None, user)]
    assert preflight.status_code == 200
    assert [answer.status_code for answer in answers] == [401, 200]
    for answer in answers:
        assert answer.headers.get_list("Access-Control-Allow-Origin") == [ORIGIN]
        exposed = answer.headers.get_list("Access-Control-Expose-Headers")
        assert len(exposed) == 1
        assert set(exposed[0].split(", ")) == {*EXPOSED_HEADERS, "X-Own"}


def test_other_middleware_works_around_the_gate(shared_database: Database, user: User) -> None:
    """Compressed answers, and middleware that hands requests on; what handlers leave in the state is seen outside."""
    app = FastAPI()
    app.add_middleware(GZipMiddleware, minimum_size=100)

    async def tell(request: Request, call_next: Any) -> Response:
        request.state.before = "outside"
        response: Response = await call_next(request)
        response.headers["X-Left"] = request.state.left
        return response

    app.add_middleware(BaseHTTPMiddleware, dispatch=tell)

    @app.post("/tasks")
    async def handler(request: Request, ticks: Ticks) -> str:
        request.state.left = f"inside, {request.state.before}"
        return "x" * 1000

    with served(shared_database, app) as gateway:
        answer = gateway.send(user)
    assert answer.json() == "x" * 1000
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["X-Left"] == "inside, outside"
    assert "RateLimit" in answer.headers


def test_the_applications_own_limit_of_bodies_is_kept(shared_database: Database, user: User) -> None:
    """FastAPI's own `max_body_size` refuses before the gate does."""
    app = FastAPI(max_body_size=100)

    @app.post("/tasks")
    async def handler(ticks: Ticks) -> None:
        """Do nothing."""

    def chunks() -> Iterator[bytes]:
        yield b'{"max_ticks": 1, "long": "'
        yield b"x" * 1000

    with served(shared_database, app) as gateway:
        assert gateway.send(user, json={"max_ticks": 1, "long": "x" * 1000}).status_code == 413
        head = {"Content-Type": "application/json"}
        assert gateway.send(user, content=chunks(), headers=head).status_code == 413
        assert gateway.send(user).status_code == 200


def test_the_lifespan_begins_and_ends(shared_database: Database, user: User) -> None:
    """Its state is with the handlers, beside the admission, and the gate is closed after it."""
    seen = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        seen.append("begun")
        yield {"pool": "shared"}
        seen.append("ended")

    app = FastAPI(lifespan=lifespan)

    @app.post("/tasks")
    async def handler(request: Request, ticks: Ticks) -> str:
        pool: str = request.state.pool
        return pool

    with served(shared_database, app) as gateway:
        assert gateway.send(user).json() == "shared"
        assert seen == ["begun"]
    assert seen == ["begun", "ended"]


def test_one_requests_admission_is_not_left_for_the_next(shared_database: Database, user: User) -> None:
    """Requests over one connection have a state each."""
    app = FastAPI()

    @app.post("/tasks")
    async def handler(ticks: Ticks) -> None:
        """Do nothing."""

    @app.get("/look")
    async def look(request: Request) -> bool:
        return hasattr(request.state, "ticks")

    with served(shared_database, app) as gateway:
        assert gateway.send(user).status_code == 200
        assert gateway.client.get("/look").json() is False


def test_other_routes_are_left_alone(shared_database: Database) -> None:
    """Bodies of any size and type, HEAD and OPTIONS, and answers without RateLimit."""
    app = FastAPI()

    @app.post("/tasks")
    async def handler(ticks: Ticks) -> None:
        """Do nothing."""

    @app.post("/files")
    async def upload(request: Request) -> int:
        return sum([len(chunk) async for chunk in request.stream()])

    @app.api_route("/plain", methods=["GET", "HEAD", "OPTIONS"])
    async def plain(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.method, headers={"X-Own": "1"})

    with served(shared_database, app) as gateway:
        sent = gateway.client.post("/files", content=b"\0" * 2_000_000, headers={"Content-Type": "image/png"})
        answers = [gateway.client.request(method, "/plain") for method in ("GET", "HEAD", "OPTIONS")]
    assert sent.json() == 2_000_000
    assert [answer.text for answer in answers] == ["GET", "", "OPTIONS"]
    assert all("RateLimit" not in answer.headers and answer.headers["X-Own"] == "1" for answer in answers)


def test_websockets_pass(shared_database: Database) -> None:
    """Also on the path of a protected route."""
    app = FastAPI()

    @app.post("/tasks")
    async def handler(ticks: Ticks) -> None:
        """Do nothing."""

    @app.websocket("/tasks")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    with (
        served(shared_database, app, ws="websockets-sansio") as gateway,
        connect(f"ws://127.0.0.1:{gateway.running.port}/tasks", proxy=None) as line,
    ):
        line.send("hello")
        assert line.recv(10) == "hello"
