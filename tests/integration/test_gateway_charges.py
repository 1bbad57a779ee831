"""What becomes of a charge: over real sockets and both stores, whatever the handler, the client and the server do."""

import asyncio
import json
import logging
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from fastapi import BackgroundTasks, FastAPI, HTTPException
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from asgi_support import PATIENCE, App, Line, Receive, Send, request_bytes, running
from gateway_support import (
    SECRET,
    UNHURRIED,
    Handler,
    Scene,
    Where,
    answer,
    database_of,
    gate_over,
    scene,
    store_over,
    token_of,
    until,
)
from quota_support import Database, User
from standin import StandIn
from tickctl.adapters.embedded.server import LOCAL_ISSUER
from tickctl.core.json import JsonObject
from tickctl.core.quota import Anonymous, Caller
from tickctl.errors import ConflictError, InvalidInputError
from tickctl.gateway import GateOptions, Settler, TickGate, build_gate
from tickctl.gateway.fastapi import Ticks, protect
from tickctl.settings import load

CHARGED = 8


@pytest.fixture(params=["pool", "API"])
def where(request: pytest.FixtureRequest) -> Where:
    """Either store: the database, or a project over it."""
    if request.param == "pool":
        database: Database = request.getfixturevalue("database")
        return database
    standin: StandIn = request.getfixturevalue("standin")
    return standin


@contextmanager
def settling(
    where: Where,
    handler: Any = None,
    *,
    drain_seconds: float = 10.0,
    store_timeout: float = UNHURRIED,
    **more: Any,
) -> Iterator[tuple[Scene, Settler]]:
    """Serve a gate that gives back."""
    store = store_over(where, timeout=store_timeout)
    settler = Settler(store, timeout=UNHURRIED, drain_seconds=drain_seconds)
    options = more.pop("options", GateOptions(timeout=UNHURRIED))
    gate = gate_over(where, store=store, settler=settler, close=store.aclose, options=options)
    with scene(where, handler, gate=gate, **more) as served:
        yield served, settler


def settled(where: Where, app: Any, send: Callable[[Scene, User], object], **more: Any) -> int:
    """Let a user send something, wait for the end of the server, and return what the day was charged."""
    with settling(where, app, **more) as (served, settler):
        user = served.database.add_user()
        send(served, user)
    assert settler.waiting == settler.lost == 0
    return served.used(user)


def expecting(status: int) -> Callable[[Scene, User], object]:
    """Send one request and look at the status."""

    def send(served: Scene, user: User) -> None:
        assert served.post(user, CHARGED).status_code == status

    return send


def route(endpoint: Callable[[Request], Awaitable[Response]]) -> Starlette:
    """Return an application with a handler."""
    return Starlette(routes=[Route("/tasks", endpoint, methods=["POST"])])


async def accepts(_request: Request) -> Response:
    """Do all that was asked."""
    return JSONResponse({}, 202)


async def not_found(_request: Request) -> Response:
    """Find that the request can't be fulfilled, which took looking."""
    return JSONResponse({}, 404)


async def says_500(_request: Request) -> Response:
    """Answer that it has failed."""
    return JSONResponse({}, 500)


async def raises(_request: Request) -> Response:
    """Fail."""
    raise RuntimeError("on purpose")


async def settles(request: Request) -> Response:
    """Say how much it took."""
    await request.state.ticks.charge.settle(3)
    return JSONResponse({}, 202)


async def settles_and_says_500(request: Request) -> Response:
    """Say how much it took, and then that the rest failed."""
    await request.state.ticks.charge.settle(3)
    return JSONResponse({}, 500)


async def settles_and_raises(request: Request) -> Response:
    """Say how much it took, and fail."""
    await request.state.ticks.charge.settle(3)
    raise RuntimeError("on purpose")


async def settles_twice(request: Request) -> Response:
    """Get the same wish granted once, and no other."""
    charge = request.state.ticks.charge
    await asyncio.gather(*(charge.settle(3) for _ in range(5)))
    for wrong in (4, 0):
        with pytest.raises(ConflictError):
            await charge.settle(wrong)
    for wrong in (-1, CHARGED + 1, True, "3"):
        with pytest.raises(InvalidInputError):
            await charge.settle(wrong)
    return JSONResponse({}, 202)


async def settles_in_the_background(request: Request) -> Response:
    """Know only later what it took."""
    return JSONResponse({}, 202, background=BackgroundTask(request.state.ticks.charge.settle, 2))


async def fails_in_the_background(_request: Request) -> Response:
    """Accept, and fail at what was accepted."""

    async def fail() -> None:
        raise RuntimeError("on purpose")

    return JSONResponse({}, 202, background=BackgroundTask(fail))


async def streams(_request: Request) -> Response:
    """Answer bit by bit."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"piece"

    return StreamingResponse(pieces())


@pytest.mark.parametrize(
    ("handler", "status", "expected"),
    [
        (accepts, 202, CHARGED),
        (not_found, 404, CHARGED),
        (says_500, 500, 0),
        (raises, 500, 0),
        (settles, 202, 3),
        (settles_and_says_500, 500, 3),
        (settles_and_raises, 500, 3),
        (settles_twice, 202, 3),
        (settles_in_the_background, 202, 2),
        (fails_in_the_background, 202, 0),
        (streams, 200, CHARGED),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_a_charge_follows_what_became_of_the_request(
    where: Where, handler: Callable[[Request], Awaitable[Response]], status: int, expected: int
) -> None:
    """Charged where it was carried out, given back where it failed, and what the handler says goes before both."""
    assert settled(where, route(handler), expecting(status)) == expected


async def breaks_off(scope: Any, _receive: Receive, send: Send) -> None:
    """Fail in the middle of an answer that said 200."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"piece", "more_body": True})
    raise RuntimeError("on purpose")


async def says_nothing(scope: Any, _receive: Receive, send: Send) -> None:
    """Return without an answer."""


def test_an_answer_that_breaks_off_is_a_failure(where: Where) -> None:
    """The status was sent before anybody knew; the client sees the connection end in the middle."""

    def send(served: Scene, user: User) -> None:
        with pytest.raises(httpx.RemoteProtocolError):
            served.post(user, CHARGED)

    assert settled(where, Handler(answer=breaks_off), send) == 0


def test_no_answer_at_all_is_a_failure(where: Where) -> None:
    """The server answers 500 then."""
    assert settled(where, Handler(answer=says_nothing), expecting(500)) == 0


def tasks_api(where: Where, work: Callable[..., Any]) -> FastAPI:
    """Return a FastAPI application that protects itself."""
    store, app = store_over(where), FastAPI()
    settler = Settler(store, timeout=UNHURRIED)
    options = GateOptions(timeout=UNHURRIED)
    protect(app, gate=gate_over(where, store=store, settler=settler, close=store.aclose, options=options))
    app.post("/tasks", status_code=202)(work)
    return app


async def fastapi_settles(ticks: Ticks) -> None:
    """Say how much it took."""
    await ticks.charge.settle(3)


async def fastapi_refuses(ticks: Ticks) -> None:
    """Fail in FastAPI's own way."""
    raise HTTPException(503, "on purpose")


async def fastapi_background(ticks: Ticks, background: BackgroundTasks) -> None:
    """Know only later what it took."""
    background.add_task(ticks.charge.settle, 2)


def fastapi_in_a_thread(ticks: Ticks) -> None:
    """Fail in a thread, as a handler without `async` does."""
    raise RuntimeError("on purpose")


def fastapi_settles_in_a_thread(ticks: Ticks) -> None:
    """Settle once; more, another amount or more than the charge is refused in the thread itself."""
    ticks.charge.settle(3)
    ticks.charge.settle(3)
    ticks.charge.refund()
    with pytest.raises(ConflictError):
        ticks.charge.settle(2)
    with pytest.raises(InvalidInputError):
        ticks.charge.settle(CHARGED + 1)


def fastapi_refunds_in_a_thread(ticks: Ticks) -> None:
    """Answer, and take nothing for it."""
    ticks.charge.refund()


def fastapi_fails_after_settling(ticks: Ticks) -> None:
    """Fail when it has been said what was used."""
    ticks.charge.settle(2)
    raise RuntimeError("on purpose")


async def settles_in_the_pool(ticks: Ticks) -> None:
    """Work in Starlette's pool of threads."""
    await run_in_threadpool(ticks.charge.settle, 1)


@pytest.mark.parametrize(
    ("work", "status", "expected"),
    [
        (fastapi_settles, 202, 3),
        (fastapi_refuses, 503, 0),
        (fastapi_background, 202, 2),
        (fastapi_in_a_thread, 500, 0),
        (fastapi_settles_in_a_thread, 202, 3),
        (fastapi_refunds_in_a_thread, 202, 0),
        (fastapi_fails_after_settling, 500, 2),
        (settles_in_the_pool, 202, 1),
    ],
)
def test_fastapi_handlers_settle_too(where: Where, work: Callable[..., Any], status: int, expected: int) -> None:
    """Through the dependency, in background tasks and in threads."""
    user = database_of(where).add_user()
    app = tasks_api(where, work)
    with running(app) as served:
        headers = {"Authorization": f"Bearer {token_of(where, user)}"}
        sent = served.client().post("/tasks", json={"max_ticks": CHARGED}, headers=headers)
        assert sent.status_code == status, sent.text
    assert list(database_of(where).ledger(user).values()) == [(expected, expected)]


class Pausing:
    """A handler that waits in the middle of its work, until the test lets it go on."""

    def __init__(self, then: App) -> None:
        self.then = then
        self.reached = threading.Event()
        self.go_on = threading.Event()
        self.ended = threading.Event()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Wait, and then do what was said."""
        self.reached.set()
        try:
            while not self.go_on.is_set():  # noqa: ASYNC110 - set by another thread
                await asyncio.sleep(0.005)
            await self.then(scope, receive, send)
        finally:
            self.ended.set()


async def accept(_scope: Any, _receive: Receive, send: Send) -> None:
    """Answer that all is done."""
    await answer(send, 202, {})


async def fail(_scope: Any, _receive: Receive, _send: Send) -> None:
    """Fail."""
    raise RuntimeError("on purpose")


async def notice(_scope: Any, receive: Receive, send: Send) -> None:
    """Stream until the client has gone."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"piece", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass
    raise ConnectionError("the client has gone")


@pytest.mark.parametrize(("then", "expected"), [(accept, CHARGED), (fail, 0)])
def test_a_client_that_goes_away_changes_nothing(where: Where, then: App, expected: int) -> None:
    """Work that was done is charged though nobody reads the answer, and a failure is given back all the same."""
    pausing = Pausing(then)

    def send(served: Scene, user: User) -> None:
        with Line(served.served.port) as line:
            line.send(task(served, user))
            assert pausing.reached.wait(PATIENCE)
        pausing.go_on.set()
        assert pausing.ended.wait(PATIENCE)

    assert settled(where, Handler(answer=pausing), send) == expected


def task(served: Scene, user: User, *more: tuple[str, str]) -> bytes:
    """Return a request as bytes."""
    headers = [("Authorization", f"Bearer {served.token(user)}"), ("Content-Type", "application/json"), *more]
    return request_bytes("POST", "/tasks", headers, json.dumps({"max_ticks": CHARGED}).encode())


def test_who_leaves_in_the_middle_of_an_answer_gets_nothing_back(where: Where) -> None:
    """Or everybody would read all but the last byte and hang up."""

    def send(served: Scene, user: User) -> None:
        with Line(served.served.port) as line:
            line.send(task(served, user))
            assert b"piece" in read_until(line, b"piece")

    assert settled(where, Handler(answer=notice), send) == CHARGED


class Passing(BaseHTTPMiddleware):
    """Does what half the middleware of the world does: puts a task and a queue between handler and server."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Pass the request on."""
        return await call_next(request)


@pytest.mark.parametrize("place", ["inside", "outside"])
def test_middleware_that_cancels_its_streams_gives_nothing_back(database: Database, place: str) -> None:
    """When the client leaves in the middle of an answer, such middleware ends the handler in ways of its own."""
    ended = threading.Event()

    async def streams_on(_request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"piece"
                    await asyncio.sleep(0.005)
            finally:
                ended.set()

        return StreamingResponse(pieces())

    app = route(streams_on)
    if place == "inside":
        app.add_middleware(Passing)

    def send(served: Scene, user: User) -> None:
        with Line(served.served.port) as line:
            line.send(task(served, user))
            read_until(line, b"piece")
        assert ended.wait(PATIENCE)

    wrap = Passing if place == "outside" else None
    assert settled(database, app, send, **({"wrap": wrap} if wrap else {})) == CHARGED


@pytest.mark.parametrize("place", ["inside", "outside"])
def test_middleware_between_changes_nothing_about_failures(database: Database, place: str) -> None:
    """Exceptions come through, or become answers, and both are failures."""
    app = route(raises)
    if place == "inside":
        app.add_middleware(Passing)
    wrap = {"wrap": Passing} if place == "outside" else {}
    assert settled(database, app, expecting(500), **wrap) == 0


def read_until(line: Line, wanted: bytes) -> bytes:
    """Read from a connection until something has come."""
    seen = b""
    while wanted not in seen:
        seen += line.socket.recv(65536)
    return seen


def test_who_stops_reading_in_the_middle_of_an_answer_gets_nothing_back(database: Database) -> None:
    """The handler's patience ends while its answer waits to be sent; that is the client's doing."""
    ended = threading.Event()

    async def pour(_scope: Any, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            async with asyncio.timeout(0.3):
                while True:
                    await send({"type": "http.response.body", "body": b"x" * 2**16, "more_body": True})
        finally:
            ended.set()

    def send(served: Scene, user: User) -> None:
        with Line(served.served.port) as line:
            line.send(task(served, user))
            assert ended.wait(PATIENCE)

    assert settled(database, Handler(answer=pour), send) == CHARGED


@pytest.mark.parametrize("fails", [True, False])
def test_who_hangs_up_pays_whatever_the_handler_does_then(where: Where, fails: bool) -> None:
    """A handler that notices, and fails or answers that it has, would make its work free."""
    ended = threading.Event()

    async def notice(_scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        ended.set()
        if fails:
            raise RuntimeError("nobody is there any more")
        await answer(send, 503, {})

    def send(served: Scene, user: User) -> None:
        with Line(served.served.port) as line:
            line.send(task(served, user))
            until(lambda: bool(served.handler.seen), "the handler begins")
        assert ended.wait(PATIENCE)

    assert settled(where, Handler(answer=notice), send) == CHARGED


def test_an_answer_that_can_not_be_sent_is_a_failure_of_the_server(where: Where) -> None:
    """A handler's bad header is no hang-up."""

    async def spoil(_scope: Any, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 202, "headers": [(b"x", b"a\nb")]})

    def send(served: Scene, user: User) -> None:
        with pytest.raises(httpx.RemoteProtocolError):
            served.post(user, CHARGED)

    assert settled(where, Handler(answer=spoil), send) == 0


def test_a_handler_that_is_cancelled_keeps_the_charge_and_it_is_said(
    where: Where, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody knows what it has done by then, and clients can bring it about by hanging up."""
    caplog.set_level(logging.INFO, "tickctl.gateway")
    pausing = Pausing(accept)

    def send(served: Scene, user: User) -> None:
        with Line(served.served.port) as line:
            line.send(task(served, user))
            assert pausing.reached.wait(PATIENCE)
            served.served.do(cancel_requests)
            assert pausing.ended.wait(PATIENCE)

    assert settled(where, Handler(answer=pausing), send) == CHARGED
    assert re.search(r"charge [0-9a-f-]{36} stays: its request was cancelled", caplog.text)


async def cancel_requests() -> None:
    """Cancel what serves requests, as servers and middleware do that give up on a client who has gone."""
    for serving in asyncio.all_tasks():
        if "run_asgi" in repr(serving.get_coro()):
            serving.cancel()


@contextmanager
def held(database: Database, user: User) -> Iterator[None]:
    """Keep a user's day from being counted on."""
    with database.superuser() as connection, connection.transaction():
        connection.execute("select from public.user_daily_usage where user_id = %s for update", [user.id])
        yield


@pytest.mark.parametrize("cause", ["the gate's time-out", "a cancellation"])
def test_what_is_granted_too_late_is_given_back(where: Where, cause: str) -> None:
    """The answer was 503, or nobody waited for one; the handler has seen nothing."""
    handler = Handler()
    options = GateOptions(timeout=0.2 if cause == "the gate's time-out" else UNHURRIED)

    def send(served: Scene, user: User) -> None:
        database = served.database
        database.run(f"select tick.open_day('{user.id}', (select usage_date from tick.today))")
        with held(database, user), Line(served.served.port) as line:
            line.send(task(served, user))
            database.wait_for_lock()
            if cause == "a cancellation":
                served.served.do(cancel_requests)
            assert line.reply().status == (503 if cause == "the gate's time-out" else 500)
        until(lambda: charges(database, user) == [0], "the late charge is given back")

    assert settled(where, handler, send, options=options) == 0
    assert handler.seen == []


def charges(database: Database, user: User) -> list[int | None]:
    """Return what the user's charges are settled to."""
    with database.owner() as connection:
        rows = connection.execute("select ticks_settled from tick.charge where user_id = %s", [user.id])
        return [row["ticks_settled"] for row in rows]


@pytest.mark.parametrize(("then", "expected"), [(accept, CHARGED), (fail, 0)])
def test_a_server_that_is_told_to_stop_finishes_requests_and_their_charges(
    where: Where, then: App, expected: int
) -> None:
    """The lifespan ends after the last request, and the gate gives back before it does."""
    pausing = Pausing(then)

    def send(served: Scene, user: User) -> None:
        with Line(served.served.port) as line:
            line.send(task(served, user))
            assert pausing.reached.wait(PATIENCE)
            served.served.begin_stopping()
            pausing.go_on.set()
            assert line.reply().status == (202 if expected else 500)

    assert settled(where, Handler(answer=pausing), send) == expected


def test_a_server_that_can_not_give_back_in_the_end_says_what(where: Where, caplog: pytest.LogCaptureFixture) -> None:
    """The database hangs when the server stops, and for longer than it is waited for."""
    pausing = Pausing(fail)
    with settling(where, Handler(answer=pausing), drain_seconds=0.05, store_timeout=3.0) as (served, settler):
        user = served.database.add_user()
        with Line(served.served.port) as line:
            line.send(task(served, user))
            assert pausing.reached.wait(PATIENCE)
            with held(served.database, user):
                pausing.go_on.set()
                assert line.reply().status == 500
                served.served.stop()
        [charge_id] = re.findall(r"select public.settle_ticks\('(.*)', 0\)", caplog.text)
    assert settler.lost == 1
    with served.database.owner() as connection:
        connection.execute("select public.settle_ticks(%s, 0)", [charge_id])
    assert served.used(user) == 0


def least_environment(where: Where) -> dict[str, str]:
    """Return what a gateway needs at least: the project with the publishable key, or the API's login role."""
    if isinstance(where, StandIn):
        return where.settings_env("publishable") | {"SUPABASE_JWT_SECRET": where.jwt_secret}
    database = {"SUPABASE_DB_URL": where.authenticator_url, "SUPABASE_JWT_ISSUER": LOCAL_ISSUER}
    return database | {"SUPABASE_JWT_SECRET": SECRET}


def test_the_environment_is_enough_to_give_back(where: Where) -> None:
    """No account, no secret key and no more rights than users have."""
    user = database_of(where).add_user()
    app = TickGate(route(says_500), protect={"POST /tasks"}, settings=load(least_environment(where), []))
    with running(app) as served:
        headers = {"Authorization": f"Bearer {token_of(where, user)}"}
        assert served.client().post("/tasks", json={"max_ticks": CHARGED}, headers=headers).status_code == 500
    assert charges(database_of(where), user) == [0]
    assert list(database_of(where).ledger(user).values()) == [(0, 0)]


def test_a_gate_over_a_store_of_somebody_elses_gives_back_as_well(where: Where) -> None:
    """Whatever takes the calls: settlements are calls as well, in nobody's name."""
    callers: list[Caller] = []

    class Store:
        async def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
            if name == "settle_ticks":
                callers.append(caller)
            return await store.call(name, arguments, caller=caller)

    store, user = store_over(where), database_of(where).add_user()
    options = GateOptions(timeout=UNHURRIED)
    gate = build_gate(load(least_environment(where), []), store=Store(), options=options)
    with scene(where, route(says_500), gate=gate) as served:
        assert served.post(user, CHARGED).status_code == 500
        until(lambda: gate.settler.settled == 1, "the ticks are back")
        assert served.used(user) == 0
        served.served.do(store.aclose)
    assert callers == [Anonymous()]


def test_failures_cost_nobody_the_day(where: Where) -> None:
    """However many there were, the whole allowance is left in the end."""
    failing = [True]

    async def unreliable(_request: Request) -> Response:
        return JSONResponse({}, 500 if failing[0] else 202)

    with settling(where, route(unreliable)) as (served, _):
        user = served.database.add_user(limit=CHARGED)
        settler = served.gate.settler
        for number in range(1, 8):
            assert served.post(user, CHARGED).status_code == 500
            until(lambda number=number: settler.settled == number, "the ticks are back")
        failing[0] = False
        assert served.post(user, CHARGED).status_code == 202
        assert served.post(user, 1).status_code == 429
    assert served.used(user) == CHARGED


@pytest.mark.parametrize("breakdown", ["raises", "returns"])
def test_an_application_that_breaks_down_in_its_shutdown_loses_no_charge(database: Database, breakdown: str) -> None:
    """The gate closes though nobody says that the shutdown is complete, and closes once."""
    store, closed = store_over(database), []

    async def close() -> None:
        closed.append(breakdown)
        await store.aclose()

    async def breaks_down(scope: Any, receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan"
        assert (await receive())["type"] == "lifespan.startup"
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        if breakdown == "raises":
            raise RuntimeError("on purpose")

    with scene(database, breaks_down, gate=gate_over(database, store=store, close=close)):
        assert closed == []
    assert closed == [breakdown]


def test_an_application_without_a_lifespan_is_served_all_the_same(database: Database) -> None:
    """Nothing closes the gate then; the end of the event loop reports what would be lost."""

    async def knows_requests_only(scope: Any, _receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await answer(send, 500, {})

    def send(served: Scene, user: User) -> None:
        assert served.post(user, CHARGED).status_code == 500
        until(lambda: charges(database, user) == [0], "the charge is given back")
        served.served.do(served.gate.aclose)

    assert settled(database, knows_requests_only, send) == 0
