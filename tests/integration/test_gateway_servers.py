"""The gate in real servers: uvicorn with either of its parsers, hypercorn over HTTP/1.1 and over HTTP/2."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import pytest
from h2.connection import H2Connection
from hypercorn.asyncio import serve
from hypercorn.config import Config

from asgi_support import PATIENCE, App, Line, Receive, Send, request_bytes, running
from gateway_support import UNHURRIED, Handler, answer, gate_over, token_of, until
from quota_support import Database, User
from tickctl.gateway import GateOptions, Handled, Observation, TickGate

CHARGED = 4
BODY = b'{"max_ticks": 4, "question": "why?"}'


@contextmanager
def in_uvicorn(app: App, http: str) -> Iterator[int]:
    """Serve by uvicorn; yields the port."""
    with running(app, http=http) as served:
        yield served.port


@contextmanager
def in_hypercorn(app: App) -> Iterator[int]:
    """Serve by hypercorn, which takes HTTP/1.1 and, from clients that begin with it, HTTP/2; yields the port."""
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.accesslog = config.errorlog = None
    sockets = config.create_sockets()
    listener = sockets.insecure_sockets[0]
    listener.listen()
    started = threading.Event()
    stop: list[Callable[[], object]] = []

    async def work() -> None:
        ends, loop = asyncio.Event(), asyncio.get_running_loop()
        stop.append(partial(loop.call_soon_threadsafe, ends.set))
        started.set()
        config.bind = [f"fd://{listener.detach()}"]
        await serve(app, config, shutdown_trigger=ends.wait, mode="asgi")  # type: ignore[arg-type]

    port = listener.getsockname()[1]
    thread = threading.Thread(target=asyncio.run, args=(work(),), name="hypercorn", daemon=True)
    thread.start()
    assert started.wait(PATIENCE)
    try:
        yield port
    finally:
        stop[0]()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the server did not stop"


@dataclass(frozen=True)
class Server:
    """A server and what is particular about it.

    Attributes:
        serve: serves an application; gives the port.
        http2: whether clients speak HTTP/2.
        asks_at_once: whether `Expect: 100-continue` is answered before the application reads.
    """

    serve: Callable[[App], AbstractContextManager[int]]
    http2: bool = False
    asks_at_once: bool = False


SERVERS = {
    "uvicorn-h11": Server(partial(in_uvicorn, http="h11")),
    "uvicorn-httptools": Server(partial(in_uvicorn, http="httptools")),
    "hypercorn-http1": Server(in_hypercorn, asks_at_once=True),
    "hypercorn-http2": Server(in_hypercorn, http2=True),
}


@dataclass
class Served:
    """A gate before `POST /tasks` in a server."""

    server: Server
    database: Database
    handler: Handler
    port: int = 0
    begun: int = 0
    ended: int = 0
    handled: list[Handled] = field(default_factory=list)

    def observe(self, observation: Observation) -> None:
        """Keep what became of a request."""
        if isinstance(observation, Handled):
            self.handled.append(observation)

    def options(self) -> dict[str, Any]:
        """Return those of a client."""
        versions = {"http1": not self.server.http2, "http2": self.server.http2}
        return {"base_url": f"http://127.0.0.1:{self.port}", "trust_env": False, "timeout": PATIENCE, **versions}

    def headers(self, user: User | None) -> dict[str, str]:
        """Return the headers of a task."""
        token = {"Authorization": f"Bearer {token_of(self.database, user)}"} if user else {}
        return {"Content-Type": "application/json", **token}

    def post(self, user: User | None, content: Any = BODY) -> httpx.Response:
        """Send a task."""
        with httpx.Client(**self.options()) as client:
            return client.post("/tasks", content=content, headers=self.headers(user))

    def wait(self) -> None:
        """Wait until no request is under way."""
        until(lambda: self.begun == self.ended, "all requests end")

    def used(self, user: User) -> int:
        """Return what a user was charged, once no request is under way."""
        self.wait()
        return sum(used for used, _ in self.database.ledger(user).values())


@pytest.fixture(scope="module", params=SERVERS)
def served_once(request: pytest.FixtureRequest, shared_database: Database) -> Iterator[Served]:
    """Each server once for all tests."""
    served = Served(SERVERS[request.param], shared_database, Handler())
    gate = gate_over(shared_database, options=GateOptions(timeout=UNHURRIED), observe=served.observe)
    gated = TickGate(served.handler, {"POST /tasks"}, gate=gate)

    async def counted(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await gated(scope, receive, send)
            return
        served.begun += 1
        try:
            await gated(scope, receive, send)
        finally:
            served.ended += 1

    with served.server.serve(counted) as port:
        served.port = port
        yield served


@pytest.fixture
def served(served_once: Served) -> Served:
    """The server, with the handler that answers 202."""
    served_once.handler.answer = None
    served_once.handler.seen.clear()
    served_once.handled.clear()
    return served_once


@pytest.fixture
def user(shared_database: Database) -> User:
    """Somebody who may."""
    return shared_database.add_user()


def test_a_task_is_charged_and_carried_out(served: Served, user: User) -> None:
    """The handler gets the body, and the response says what is left."""
    response = served.post(user)
    assert response.status_code == 202
    assert response.http_version == ("HTTP/2" if served.server.http2 else "HTTP/1.1")
    assert f"r={32 - CHARGED};" in response.headers["RateLimit"]
    admission, body = served.handler.seen[0]
    assert (admission.user.id, body) == (user.id, BODY)
    assert served.used(user) == CHARGED


def test_without_a_token_nothing_is_carried_out(served: Served) -> None:
    """The problem document arrives in the server's own framing."""
    response = served.post(None)
    assert response.status_code == 401
    assert response.json()["code"] == "no_credentials"
    assert not served.handler.seen


def test_a_body_of_unknown_length_arrives_whole(served: Served, user: User) -> None:
    """Chunks over HTTP/1.1, frames without Content-Length over HTTP/2."""
    response = served.post(user, (BODY[place : place + 1] for place in range(len(BODY))))
    assert response.status_code == 202
    assert served.handler.seen[0][1] == BODY
    assert served.used(user) == CHARGED


def test_a_client_that_waits_for_100_is_not_waited_for(served: Served, user: User) -> None:
    """It gets the 100 when the gate reads the body, and its 401 without sending the body."""
    if served.server.http2:
        pytest.skip("the client would send the body without waiting")
    asking = [("Expect", "100-continue"), ("Content-Length", str(len(BODY)))]
    with Line(served.port) as line:
        line.send(request_bytes("POST", "/tasks", [*served.headers(None).items(), *asking]))
        if served.server.asks_at_once:
            assert line.head().startswith(b"HTTP/1.1 100 ")
        assert line.reply().status == 401
    with Line(served.port) as line:
        line.send(request_bytes("POST", "/tasks", [*served.headers(user).items(), *asking]))
        assert line.head().startswith(b"HTTP/1.1 100 ")
        line.send(BODY)
        assert line.reply().status == 202
    assert served.used(user) == CHARGED


@contextmanager
def sending(served: Served, user: User, body: bytes, *, is_all: bool) -> Iterator[Callable[[], None]]:
    """Send a request, or its beginning; yields what hangs up, which over HTTP/2 ends the stream alone."""
    length = str(len(BODY))
    with Line(served.port) as line:
        if not served.server.http2:
            line.send(
                request_bytes("POST", "/tasks", [*served.headers(user).items(), ("Content-Length", length)], body)
            )
            yield line.socket.close
            return
        h2 = H2Connection()
        h2.initiate_connection()
        fields = {":method": "POST", ":path": "/tasks", ":scheme": "http", ":authority": "gateway.test"}
        headers = {name.lower(): value for name, value in served.headers(user).items()}
        h2.send_headers(1, list((fields | headers | {"content-length": length}).items()))
        h2.send_data(1, body, end_stream=is_all)
        line.send(h2.data_to_send())

        def reset() -> None:
            h2.reset_stream(1)
            line.send(h2.data_to_send())

        yield reset
        served.wait()


def test_a_client_that_hangs_up_in_the_middle_of_its_body_pays_nothing(served: Served, user: User) -> None:
    """Half a request is none."""
    with sending(served, user, BODY[:10], is_all=False) as hang_up:
        until(lambda: served.begun > served.ended, "the request begins")
        hang_up()
    assert served.used(user) == 0
    assert not served.handler.seen


@pytest.mark.parametrize("then", ["success", "failure", "exception"])
def test_a_client_that_hangs_up_pays_for_the_work(served: Served, user: User, then: str) -> None:
    """Whatever the handler does when it notices."""

    async def notice(_scope: Any, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "http.disconnect"
        if then == "exception":
            raise RuntimeError("nobody is there any more")
        await answer(send, 202 if then == "success" else 503, {})

    served.handler.answer = notice
    with sending(served, user, BODY, is_all=True) as hang_up:
        until(lambda: bool(served.handler.seen), "the handler begins")
        hang_up()
    assert served.used(user) == CHARGED
    assert [handled.lost for handled in served.handled] == [True]


def test_an_answer_that_the_server_can_not_send_is_refunded(served: Served, user: User) -> None:
    """The handler sends more than its Content-Length; nobody has hung up."""
    if served.server.http2:
        pytest.skip("hypercorn sends it over HTTP/2")

    async def overflow(_scope: Any, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        await send({"type": "http.response.body", "body": b"too long"})

    served.handler.answer = overflow
    with pytest.raises(httpx.RemoteProtocolError):
        served.post(user)
    until(lambda: served.used(user) == 0, "the charge is refunded")
    assert [(handled.refunded, handled.lost) for handled in served.handled] == [(True, False)]


def test_streams_of_one_connection_are_each_their_own(served: Served, shared_database: Database) -> None:
    """Two users share a connection over HTTP/2, as behind a proxy; both handlers run before either answers."""
    if not served.server.http2:
        pytest.skip("HTTP/1.1 has one request at a time")
    users = [shared_database.add_user() for _ in range(2)]
    both: list[asyncio.Barrier] = []

    async def meet(scope: Any, _receive: Receive, send: Send) -> None:
        both.append(both[0] if both else asyncio.Barrier(2))
        await both[0].wait()
        await answer(send, 202, {"user": scope["state"]["ticks"].user.id})

    async def send_both() -> list[Any]:
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=1), **served.options()) as client:
            sent: list[Awaitable[httpx.Response]] = [
                client.post("/tasks", content=BODY, headers=served.headers(user)) for user in users
            ]
            return [response.json()["user"] for response in await asyncio.gather(*sent)]

    served.handler.answer = meet
    assert asyncio.run(send_both()) == [user.id for user in users]
    assert [served.used(user) for user in users] == [CHARGED, CHARGED]
