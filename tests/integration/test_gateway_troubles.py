"""Each trouble between gate and store, with an Idempotency-Key and without, over both stores: the sums stay equal.

The ticks used in the database are those of the requests that were answered with success, and the retry that a 503 asks
for is allowed at once, although nothing could be refunded as long as the trouble lasted, and the pause after that has
not ended.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from psycopg.conninfo import conninfo_to_dict

from gateway_support import UNHURRIED, Scene, Where, database_of, gate_over, scene, until
from postgres_line import Line, line_to
from quota_support import Database, User
from standin.faults import Fault
from standin.http import Answer
from tickctl.adapters.api import AsyncApiFunctions
from tickctl.adapters.postgres import AsyncPostgresFunctions
from tickctl.core.json import JsonObject
from tickctl.core.quota import AsyncSqlFunctions, Caller
from tickctl.core.secret import Secret
from tickctl.errors import UnreachableError
from tickctl.gateway import GateOptions, Settler
from tickctl.gateway.settling import FIND_OUT

SHORT = 0.3
"""Seconds after which a gate gives up that waits for nothing."""
TICKS = 5
KEYS: dict[str, dict[str, str]] = {"without a key": {}, "with a key": {"Idempotency-Key": '"a"'}}


@dataclass
class Time:
    """The settler's: pauses last until they are ended, and the clock stands still."""

    now: float = 0.0
    may_go_on: threading.Event = field(default_factory=threading.Event)

    async def pause(self, _seconds: float) -> None:
        """Pause."""
        await asyncio.sleep(0.005)
        while not self.may_go_on.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.005)


@dataclass
class Store:
    """Refunds nothing while there is trouble, and never comes back from other calls where it hangs."""

    store: AsyncSqlFunctions
    is_troubled: bool = False
    hangs: bool = False

    async def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Make the call."""
        if self.is_troubled and name == "settle_ticks":
            raise UnreachableError("there is trouble")
        rows = await self.store.call(name, arguments, caller=caller)
        if self.hangs and name == "consume_ticks":
            await asyncio.Event().wait()
        return rows


@dataclass
class Troubled:
    """A gate with a line to its store."""

    act: Scene
    line: Line
    store: Store
    time: Time
    user: User

    def post(self, headers: dict[str, str], *, timeout: float = UNHURRIED) -> httpx.Response:
        """Send a request that the gate decides about within so many seconds."""
        self.act.gate.options = GateOptions(timeout=timeout)
        return self.act.post(self.user, TICKS, headers=headers)

    def post_in_trouble(self, headers: dict[str, str], timeout: float) -> httpx.Response:
        """Send a request, and wait until its charge could not be refunded, if the gate tries that already."""
        self.store.is_troubled = True
        reply = self.post(headers, timeout=timeout)
        settler = self.act.gate.settler
        until(lambda: settler.waiting == 0 or settler.retried > 0, "a refund fails")
        self.store.is_troubled = False
        return reply

    def settles(self) -> None:
        """Let the gate find out what became of all charges, and check that none is lost."""
        self.line.hang_up()  # calls that would get no answer end
        self.time.now += FIND_OUT
        self.time.may_go_on.set()
        settler = self.act.gate.settler
        until(lambda: settler.waiting == 0 and self.act.used(self.user) == 2 * TICKS, "all charges are settled")
        assert settler.lost == 0


@contextmanager
def troubled(where: Where) -> Iterator[Troubled]:
    """Serve a gate over a line to its store."""
    user, time = database_of(where).add_user(limit=None), Time()
    with line_to(_address(where)) as line:
        connected = _store(where, line)
        store = Store(connected)
        settler = Settler(store, timeout=UNHURRIED, clock=lambda: time.now, sleep=time.pause)
        gate = gate_over(where, store=store, close=connected.aclose, settler=settler)
        with scene(where, gate=gate) as act:
            yield Troubled(act, line, store, time, user)
            line.hang_up()


def _address(where: Where) -> str:
    if isinstance(where, Database):
        return where.authenticator_url
    url = httpx.URL(where.url)
    return f"host={url.host} port={url.port}"


def _store(where: Where, line: Line) -> AsyncPostgresFunctions | AsyncApiFunctions:
    if isinstance(where, Database):
        return AsyncPostgresFunctions(Secret(line.url), timeout=UNHURRIED)
    port = conninfo_to_dict(line.url)["port"]
    return AsyncApiFunctions(f"http://127.0.0.1:{port}", Secret(where.anon_key), timeout=UNHURRIED)


def nothing_listens(at: Troubled, send: Callable[[float], None]) -> None:
    """No connection can be made."""
    at.line.close()
    send(UNHURRIED)
    at.line.listen()


def lost_request(at: Troubled, send: Callable[[float], None]) -> None:
    """The connection breaks before the request arrives."""
    at.line.refuse()
    send(UNHURRIED)
    at.line.release()


def lost_answer(at: Troubled, send: Callable[[float], None]) -> None:
    """The connection breaks when the request was carried out."""
    at.line.cut(always=True)
    send(UNHURRIED)
    at.line.release()


def half_an_answer(at: Troubled, send: Callable[[float], None]) -> None:
    """The connection breaks in the middle of the answer."""
    if isinstance(at.act.where, Database):
        at.line.cut(after=10, always=True)
        send(UNHURRIED)
        at.line.release()
    else:
        _answering(Fault(cut=20))(at, send)


def silence(at: Troubled, send: Callable[[float], None]) -> None:
    """The answer never comes, and the connection stays; others work again."""
    at.line.hold()
    send(SHORT)
    at.line.strand()


def late_answer(at: Troubled, send: Callable[[float], None]) -> None:
    """The answer comes when nobody waits for it any more."""
    at.line.hold()
    send(SHORT)
    at.line.release()


def lock(at: Troubled, send: Callable[[float], None]) -> None:
    """Somebody locks the user's row for longer than the gate waits."""
    with at.act.database.owner() as connection, connection.transaction():
        connection.execute("select from public.user_daily_usage where user_id = %s for update", [at.user.id])
        send(SHORT)


def hanging_store(at: Troubled, send: Callable[[float], None]) -> None:
    """The store keeps the answer to itself."""
    at.store.hangs = True
    send(SHORT)


def _answering(fault: Fault) -> Callable[[Troubled, Callable[[float], None]], None]:
    """Put something else in place of the API's answer to what was carried out."""

    def trouble(at: Troubled, send: Callable[[float], None]) -> None:
        assert not isinstance(at.act.where, Database)
        with at.act.where.faults.troubled(fault, "/rest/v1/rpc"):
            send(UNHURRIED)

    return trouble


_PAGE = Answer(502, [("Content-Type", "text/html")], b"<html>Bad gateway</html>")
_BROKEN = Answer(200, [("Content-Type", "application/json")], b'{"decision": "granted", "charge')
_ODD = Answer(200, [("Content-Type", "application/json")], b'{"decision": "granted"}')
TROUBLES: dict[str, Callable[[Troubled, Callable[[float], None]], None]] = {
    "nothing listens": nothing_listens,
    "a lost request": lost_request,
    "a lost answer": lost_answer,
    "half an answer": half_an_answer,
    "silence": silence,
    "a late answer": late_answer,
    "a lock": lock,
}
TROUBLES_OF_APIS = {
    "a proxy's page": _answering(Fault(_PAGE, after=True)),
    "broken JSON": _answering(Fault(_BROKEN, after=True)),
    "half a row": _answering(Fault(_ODD, after=True)),
}


def check(where: Where, trouble: Callable[[Troubled, Callable[[float], None]], None], headers: dict[str, str]) -> None:
    """Send a request in trouble, and its retry when that is over; compare what was answered with what was charged."""
    with troubled(where) as at:
        replies = [at.post({})]

        def send(timeout: float) -> None:
            replies.append(at.post_in_trouble(headers, timeout))

        trouble(at, send)
        while (retry := at.post(headers)).status_code == httpx.codes.SERVICE_UNAVAILABLE:
            pass  # the pool connects anew after a pause
        replies.append(retry)
        assert [reply.status_code for reply in replies] == [202, 503, 202], [reply.text for reply in replies]
        assert replies[1].headers["Retry-After"] == "5"
        at.settles()
        assert len(at.act.handler.seen) == 2


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_nobody_pays_for_trouble_and_the_retry_is_allowed(where: Where, trouble: str, key: str) -> None:
    """The retry comes at once, and the gate refunds the first attempt for it."""
    check(where, TROUBLES[trouble], KEYS[key])


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("trouble", TROUBLES_OF_APIS)
def test_nobody_pays_for_what_a_proxy_answers(where: Where, trouble: str, key: str) -> None:
    """In place of the API, which has carried the request out."""
    if isinstance(where, Database):
        pytest.skip("that is between the gate and PostgREST")
    check(where, TROUBLES_OF_APIS[trouble], KEYS[key])


@pytest.mark.parametrize("trouble", [lost_answer, hanging_store])
def test_the_shutdown_refunds_charges_whose_answers_have_not_come(
    where: Where, trouble: Callable[[Troubled, Callable[[float], None]], None]
) -> None:
    """It waits for calls, but not for ever, and then looks for their charges."""
    with troubled(where) as at:
        assert at.post({}).status_code == 202

        def send(timeout: float) -> None:
            assert at.post_in_trouble({}, timeout).status_code == 503

        trouble(at, send)
        assert at.act.used(at.user) == 2 * TICKS
        at.act.gate.options = GateOptions(timeout=SHORT)
        at.time.may_go_on.set()
        at.act.served.stop()
        assert at.act.gate.settler.lost == 0
        assert at.act.used(at.user) == TICKS
