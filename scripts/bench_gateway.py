"""Measures what the gate adds to a request, and what is left of an application's throughput behind it.

"Adds" is the difference of two medians, of requests that go in turn to the same application with and without the gate
(or the other libraries' limiters), called in this process without a server; the token is remembered and the store
answers at once. The limiters are those that FastAPI applications mostly use; they count by address in the memory of one
process, verify nobody and keep nothing. What they add is the measure for what the gate adds.

Throughput is that of uvicorn in a process of its own, with 64 connections that each send the next request when they
have the answer. The gate's application does nothing more than to answer; the other one does `select 1` over a pool that
is the same as the store's. Both have 8 connections to the same PostgreSQL, and 1000 users take turns, who have had 20
requests each, so that the planner knows tables in use. They are measured in turn for some seconds each; the median of
the rounds' ratios is told.
"""

import asyncio
import multiprocessing
import socket
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import jwt
import psycopg
import uvicorn
from bench_tokens import POLICY, SECRET, claims
from fastapi import Depends, FastAPI, Request
from fastapi_limiter.depends import RateLimiter
from pydantic import BaseModel
from pyrate_limiter import Duration, Limiter, Rate
from slowapi import Limiter as SlowLimiter
from slowapi.util import get_remote_address

from tickctl.adapters.embedded import EmbeddedDatabase, Server
from tickctl.adapters.postgres import AsyncPostgresFunctions
from tickctl.adapters.postgres.connections import Connections
from tickctl.core.json import JsonObject
from tickctl.core.quota import Caller
from tickctl.core.secret import Secret
from tickctl.core.tokens import KeySet, StaticKeys
from tickctl.gateway import Gate, GateOptions, TickGate
from tickctl.gateway.fastapi import Ticks, protect

CALLS = 20_000
TOKENS = 200
USERS = 1_000
CLIENTS = 64
POOL = 8
ROUNDS = 7
SECONDS = 3.0
WARM_UP = 1.0

Message: TypeAlias = MutableMapping[str, Any]
App: TypeAlias = Callable[..., Awaitable[None]]

BODY = b'{"max_ticks": 1, "question": "What is the meaning of all this, and how many ticks does it take to tell?"}'
ROW: JsonObject = {
    "decision": "granted",
    "daily_tick_limit": 1000000,
    "ticks_granted": 0,
    "ticks_used": 1,
    "ticks_remaining": 999999,
    "usage_date": "2026-11-23",
    "resets_at": "2026-11-24T00:00:00+00:00",
    "now": "2026-11-23T12:00:00+00:00",
}
USERS_SETUP = f"""
insert into auth.users (id, instance_id, email, email_confirmed_at)
select ('00000000-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, '00000000-0000-0000-0000-000000000000',
    'user' || i || '@example.com', now()
from generate_series(0, {USERS - 1}) as i;
insert into auth.sessions (id, user_id)
select ('00000000-0000-8000-8000-' || lpad(to_hex(i), 12, '0'))::uuid,
    ('00000000-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid
from generate_series(0, {USERS - 1}) as i;
update public.profiles set daily_tick_limit = 1000000000;
insert into public.user_daily_usage (user_id, usage_date, ticks_used)
select p.user_id, t.usage_date, 20 from public.profiles as p cross join tick.today as t;
insert into tick.charge (id, user_id, usage_date, ticks, created_at, refund_digest)
select gen_random_uuid(), d.user_id, d.usage_date, 1, t.moment, sha256(d.user_id::text::bytea)
from public.user_daily_usage as d cross join tick.today as t cross join generate_series(1, 20);
"""  # noqa: S608 - a constant


def measure() -> Iterator[tuple[str, float, str]]:
    """Yield the measurements."""
    yield from asyncio.run(added())
    for durable in (False, True):
        words = "flushed" if durable else "unflushed"
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tickctl-bench-"))
            server = stack.enter_context(EmbeddedDatabase(Path(folder) / "home", durable=durable).use())
            add_users(server)
            for kind, target in (("ASGI", ">= 0.65"), ("FastAPI", ">= 0.7")):
                ratio, ours, known = _throughput_ratio(server, kind)
                yield f"{kind}, {words}: gate / select 1 ({ours:.0f} / {known:.0f} a second)", ratio, target


# What the gate adds.


class AnsweringStore:
    """A store that grants everything at once."""

    async def call(self, _name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Grant."""
        del caller
        return [{**ROW, "charge_id": arguments["charge_id"]}]


def tokens(number: int) -> list[bytes]:
    """Return the Authorization headers of so many users."""
    made = (jwt.encode(claims(n), SECRET, algorithm="HS256") for n in range(number))
    return [f"Bearer {token}".encode() for token in made]


def new_gate(store: object) -> Gate:
    """Return a gate for these tokens."""
    keys = StaticKeys(KeySet.from_secret(Secret(SECRET)))
    return Gate(keys, POLICY, store, options=GateOptions(timeout=10))  # type: ignore[arg-type]


async def answering(_scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[..., Any]) -> None:
    """Read the body and accept, as little as an application can do."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


class Task(BaseModel):
    """The body, as FastAPI reads it."""

    max_ticks: int
    question: str = ""


def fastapi_plain() -> FastAPI:
    """Return a FastAPI application without anything."""
    app = FastAPI()

    @app.post("/tasks", status_code=202)
    async def create_task(task: Task) -> dict[str, int]:
        return {"ticks": task.max_ticks}

    return app


def fastapi_gated(gate: Gate) -> FastAPI:
    """Return the same behind the gate."""
    app = FastAPI()

    @app.post("/tasks", status_code=202)
    async def create_task(task: Task, _ticks: Ticks) -> dict[str, int]:
        return {"ticks": task.max_ticks}

    protect(app, gate=gate)
    return app


def fastapi_slowapi() -> FastAPI:
    """Return the same behind slowapi, in memory."""
    app = FastAPI()
    limiter = SlowLimiter(key_func=get_remote_address)
    app.state.limiter = limiter

    @app.post("/tasks", status_code=202)
    @limiter.limit("100000000/day")
    async def create_task(request: Request, task: Task) -> dict[str, int]:
        del request
        return {"ticks": task.max_ticks}

    return app


def fastapi_limiter() -> FastAPI:
    """Return the same behind fastapi-limiter, in memory."""
    app = FastAPI()
    limited = Depends(RateLimiter(limiter=Limiter(Rate(100_000_000, Duration.DAY))))

    @app.post("/tasks", status_code=202, dependencies=[limited])
    async def create_task(task: Task) -> dict[str, int]:
        return {"ticks": task.max_ticks}

    return app


async def request(
    app: App,
    authorization: bytes,
    body: bytes = BODY,
    *,
    query: bytes = b"",
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> int:
    """Send one request to an application as uvicorn would; return the status of the answer."""
    scope: Message = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/tasks",
        "raw_path": b"/tasks",
        "query_string": query,
        "root_path": "",
        "headers": [
            (b"host", b"gateway.example.com"),
            (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64)"),
            (b"accept", b"application/json"),
            (b"accept-encoding", b"gzip, br"),
            (b"authorization", authorization),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *headers,
        ],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }
    status = 0

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)

    await app(scope, receive, send)
    return status


async def added() -> list[tuple[str, float, str]]:
    """Return what the gate adds to a request as a ratio to what others add."""
    store = AnsweringStore()
    bare = {"alone": answering, "gate": TickGate(answering, {"POST /tasks"}, gate=new_gate(store))}
    framework = {
        "alone": fastapi_plain(),
        "gate": fastapi_gated(new_gate(store)),
        "slowapi": fastapi_slowapi(),
        "limiter": fastapi_limiter(),
    }
    medians, others = await _medians(bare), await _medians(framework)
    asgi = medians["gate"] - medians["alone"]
    gate, slowapi, limiter = (others[name] - others["alone"] for name in ("gate", "slowapi", "limiter"))
    return [
        (f"added to bare ASGI / slowapi to FastAPI ({asgi:.0f} / {slowapi:.0f} µs)", asgi / slowapi, "<= 1.8"),
        (f"added to FastAPI / slowapi ({gate:.0f} / {slowapi:.0f} µs)", gate / slowapi, "<= 2.5"),
        (f"added to FastAPI / fastapi-limiter ({gate:.0f} / {limiter:.0f} µs)", gate / limiter, "(told)"),
    ]


async def _medians(apps: dict[str, App]) -> dict[str, float]:
    """Return how many microseconds a request takes at the median; the applications take turns."""
    headers = tokens(TOKENS)
    times: dict[str, list[int]] = {name: [] for name in apps}
    for number in range(CALLS):
        authorization = headers[number % TOKENS]
        for name, app in apps.items():
            began = time.perf_counter_ns()
            status = await request(app, authorization)
            times[name].append(time.perf_counter_ns() - began)
            assert status == 202, f"{name} answered {status}"  # noqa: S101, PLR2004
    return {name: statistics.median(values[TOKENS:]) / 1000 for name, values in times.items()}


# What is left of the throughput.


def add_users(server: Server) -> None:
    """Add the users of `user_requests`, who have had requests before."""
    with psycopg.connect(server.url("supabase_admin"), autocommit=True) as connection:
        for statement in (USERS_SETUP, "vacuum analyze", "checkpoint"):
            connection.execute(statement.encode())


def _throughput_ratio(server: Server, kind: str) -> tuple[float, float, float]:
    """Return the median ratio, and the median requests a second behind the gate and without it."""
    url = server.url("authenticator")
    with serving(url, kind, gated=True) as ours, serving(url, kind, gated=False) as known:
        for port in (ours, known):
            _throughput(port, WARM_UP)
        rounds = [(_throughput(ours, SECONDS), _throughput(known, SECONDS)) for _ in range(ROUNDS)]
    columns = list(zip(*rounds, strict=True))
    return statistics.median(a / b for a, b in rounds), statistics.median(columns[0]), statistics.median(columns[1])


@contextmanager
def serving(url: str, kind: str, *, gated: bool) -> Iterator[int]:
    """Serve an application in a process of its own; yields the port."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_serve, args=(theirs, url, kind, gated), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _serve(pipe: Connection, url: str, kind: str, gated: bool) -> None:
    app = _gated_app(url, kind) if gated else _selecting_app(url, kind)
    # asyncio switches Nagle's algorithm off only where a socket names its protocol.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(CLIENTS)
    pipe.send(listening.getsockname()[1])
    # What the extra `gateway` installs, whatever else is there.
    config = uvicorn.Config(app, http="h11", loop="asyncio", log_level="warning", access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[listening])


def _gated_app(url: str, kind: str) -> App:
    gate = new_gate(AsyncPostgresFunctions(Secret(url), connections=POOL, prepare=True))
    return TickGate(answering, {"POST /tasks"}, gate=gate) if kind == "ASGI" else fastapi_gated(gate)


def _selecting_app(url: str, kind: str) -> App:
    connections = Connections(Secret(url), POOL)

    async def select_one() -> None:
        connection = await connections.take(asyncio.get_running_loop().time() + 10)
        await connection.execute("select 1")
        connections.give_back(connection)

    async def selecting(scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[..., Any]) -> None:
        await select_one()
        await answering(scope, receive, send)

    if kind == "ASGI":
        return selecting
    app = FastAPI()

    @app.post("/tasks", status_code=202)
    async def create_task(task: Task, _row: Annotated[None, Depends(select_one)]) -> dict[str, int]:
        return {"ticks": task.max_ticks}

    return app


def _throughput(port: int, seconds: float) -> float:
    return asyncio.run(_load(port, seconds))


async def _load(port: int, seconds: float) -> float:
    """Return answers per second."""
    loop = asyncio.get_running_loop()
    requests = user_requests()
    began = time.perf_counter()
    clients = [_Client(requests[number::CLIENTS], began + seconds, loop.create_future()) for number in range(CLIENTS)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
    answers = sum(await asyncio.gather(*(client.done for client in clients)))
    return answers / (time.perf_counter() - began)


@cache
def user_requests() -> list[bytes]:
    """Return a request of each user, as it is sent."""
    return [
        b"POST /tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: %b\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (authorization, len(BODY), BODY)
        for authorization in tokens(USERS)
    ]


class _Client(asyncio.Protocol):
    """Sends the next request when it has the answer; costs as little as it can, since it shares the processors."""

    def __init__(self, requests: list[bytes], ends: float, done: asyncio.Future[int]) -> None:
        self.done = done
        self._requests = requests
        self._ends = ends
        self._answers = 0
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server hung up"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if end and not head.startswith(b"HTTP/1.1 202 "):
            self.done.set_exception(AssertionError(head.split(b"\r\n", 1)[0]))
            self._transport.close()
            return
        if not end or len(body) < int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]):
            return
        if time.perf_counter() < self._ends:
            self._answers += 1
            self._send()
            return
        self.done.set_result(self._answers)
        self._transport.close()

    def _send(self) -> None:
        self._received = b""
        self._transport.write(self._requests[self._answers % len(self._requests)])
