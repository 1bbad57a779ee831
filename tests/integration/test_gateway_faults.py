"""What a gate does when its store has trouble: nobody is let in, nobody is blamed, and it works again by itself.

The trouble is on the line between the gate and the store, PostgreSQL or a project's API, or in the store itself.
"""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from psycopg.conninfo import conninfo_to_dict

from asgi_support import PATIENCE
from gateway_support import (
    UNHURRIED,
    Handler,
    LosingStore,
    Scene,
    Where,
    database_of,
    gate_over,
    scene,
    store_over,
    token_of,
    until,
)
from postgres_line import Line, line_to
from quota_support import Database, User
from standin import StandIn, standing_in
from standin.faults import Fault
from standin.http import Answer, json_answer
from tickctl.adapters.api import AsyncApiFunctions
from tickctl.adapters.postgres import AsyncPostgresFunctions
from tickctl.core.json import JsonObject
from tickctl.core.quota import AsyncSqlFunctions, Caller
from tickctl.core.secret import Secret
from tickctl.gateway import GateOptions, Settler
from tickctl.gateway.options import STORE_SHARE
from tickctl.gateway.settling import AT_ONCE

TIMEOUT = 0.4
SLACK = 5.0
"""Seconds that a busy machine may add to a time-out."""


@dataclass
class CountingStore:
    """Knows how many calls are under way in a store at once, and how many have been at most."""

    store: AsyncSqlFunctions
    now: int = 0
    most: int = 0

    async def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Count a call."""
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            return await self.store.call(name, arguments, caller=caller)
        finally:
            self.now -= 1


@dataclass
class Troubled:
    """A gate whose line to the store can be troubled."""

    act: Scene
    line: Line
    store: CountingStore

    def refused(self, user: User, **options: Any) -> httpx.Response:
        """Send a request and check that nobody can tell, and says so in time."""
        handled = len(self.act.handler.seen)
        began = time.monotonic()
        reply = self.act.post(user, **options)
        assert time.monotonic() - began < self.act.gate.options.timeout + SLACK
        assert reply.status_code == 503, reply.text
        assert reply.headers["Retry-After"] == "5"
        assert reply.json()["code"] == "unreachable"
        assert len(self.act.handler.seen) == handled
        return reply

    def recovers(self, user: User) -> None:
        """Send requests until one is granted."""
        until(lambda: self.act.post(user).status_code == 202, "recovery")


@contextmanager
def troubled(
    where: Where, *, settling: bool = False, store_timeout: float | None = None, **options: Any
) -> Iterator[Troubled]:
    """Serve a gate over a line to the store; with `settling`, it may give ticks back, by a line of its own.

    The store is given a part of the gate's time, as `build_gate` does, unless its own is said.
    """
    options = {"timeout": TIMEOUT} | options
    handler = Handler()
    with line_to(_address(where)) as line:
        own = [_store(where, line, store_timeout or STORE_SHARE * options["timeout"])]
        settler = None
        if settling:
            own.append(_undisturbed(where))
            settler = Settler(own[-1], timeout=UNHURRIED)

        async def close() -> None:
            for each in own:
                await each.aclose()

        counting = CountingStore(own[0])
        gate = gate_over(where, store=counting, close=close, settler=settler, options=GateOptions(**options))
        with scene(where, handler, gate=gate) as act:
            yield Troubled(act, line, counting)
            line.release()


def _address(where: Where) -> str:
    if isinstance(where, Database):
        return where.authenticator_url
    parts = urlsplit(where.url)
    return f"host={parts.hostname} port={parts.port}"


def _store(where: Where, line: Line, timeout: float) -> AsyncPostgresFunctions | AsyncApiFunctions:
    if isinstance(where, Database):
        return AsyncPostgresFunctions(Secret(line.url), timeout=timeout)
    port = conninfo_to_dict(line.url)["port"]
    return AsyncApiFunctions(f"http://127.0.0.1:{port}", Secret(where.anon_key), timeout=timeout)


def _undisturbed(where: Where) -> AsyncPostgresFunctions | AsyncApiFunctions:
    if isinstance(where, Database):
        return AsyncPostgresFunctions(Secret(where.authenticator_url), timeout=UNHURRIED)
    return AsyncApiFunctions(where.url, Secret(where.anon_key), timeout=UNHURRIED)


@pytest.fixture
def user(where: Where) -> User:
    """A user of this test's own, without a limit."""
    return database_of(where).add_user(limit=None)


def test_nothing_listens_and_then_something_does(where: Where, user: User) -> None:
    """Down from the beginning, up, down and up again; what an attempt got through late is given back."""
    with troubled(where, settling=True) as at:
        for _ in range(2):
            at.line.close()
            at.refused(user)
            at.refused(user)
            at.line.listen()
            at.recovers(user)
        until(lambda: at.act.used(user) == 2, "nothing else is charged")


def test_a_store_that_says_nothing_is_waited_for_no_longer_than_the_time_out(where: Where, user: User) -> None:
    """What it grants when it comes to is given back, and the gate goes on."""
    with troubled(where, settling=True, store_timeout=UNHURRIED) as at:
        at.recovers(user)
        at.line.hold()
        for _ in range(3):
            at.refused(user, ticks=7)
        at.line.release()
        at.recovers(user)
        until(lambda: at.act.used(user) == 2, "the late charges are given back")


def test_a_silent_store_from_the_beginning(where: Where, user: User) -> None:
    """Even the first connection gets no answer."""
    with troubled(where) as at:
        at.line.hold()
        at.refused(user)
        at.line.release()
        at.recovers(user)


def test_an_answer_that_is_cut_off_is_asked_for_again(where: Where, user: User) -> None:
    """The same charge id makes that safe: one charge, one admission."""
    with troubled(where, timeout=UNHURRIED) as at:
        assert at.act.post(user).status_code == 202
        at.line.cut(after=10)
        reply = at.act.post(user, 3)
        assert reply.status_code == 202
        assert at.line.accepted >= 2
        assert at.act.used(user) == 4
        (_, (admission, _)) = at.act.handler.seen
        assert (admission.charge.ticks, admission.consumption.ticks_used) == (3, 4)


def test_a_cut_answer_takes_no_clients_key(where: Where, user: User) -> None:
    """Asked again with the same charge id, the store says that the first call counted; a second request gets 409."""
    with troubled(where, timeout=UNHURRIED) as at:
        assert at.act.post(user).status_code == 202
        at.line.cut(after=10)
        replies = [at.act.post(user, 3, headers={"Idempotency-Key": '"a"'}) for _ in range(2)]
        assert [reply.status_code for reply in replies] == [202, 409]
        assert replies[1].json()["code"] == "already_accepted"
        assert at.act.used(user) == 4
        assert len(at.act.handler.seen) == 2


def test_connections_that_ended_while_nobody_used_them(where: Where, user: User) -> None:
    """As by a restart of the server: the next request is served as if nothing had been."""
    with troubled(where, timeout=UNHURRIED) as at:
        for _ in range(3):
            assert at.act.post(user).status_code == 202
            at.line.hang_up()
        assert at.act.used(user) == 3


@pytest.mark.parametrize("words", [b"220 mail.example.com ESMTP\r\n", b"\0" * 100, b"E\xff\xff\xff\xff" * 9], ids=repr)
def test_rubbish_is_no_answer(where: Where, user: User, words: bytes) -> None:
    """Whatever it is, nobody is let in for it; the next call has another connection."""
    with troubled(where, timeout=UNHURRIED) as at:
        assert at.act.post(user).status_code == 202
        at.line.say(words + b"\r\n\r\n")
        reply = at.act.post(user, 3)
        # Admitted only by what a repetition was answered.
        assert reply.status_code in {202, 503}, reply.text
        at.recovers(user)
        assert at.act.used(user) == 5
        assert len(at.act.handler.seen) == (3 if reply.status_code == 202 else 2)


def test_a_flood_meets_a_hanging_store(where: Where, user: User, caplog: pytest.LogCaptureFixture) -> None:
    """What may wait is bounded: calls, connections and tasks; the rest is told at once, other paths are served."""
    most, flood = 12, 120
    with troubled(where, most_waiting=most, most_at_once=flood) as at, ThreadPoolExecutor(40) as threads:
        at.recovers(user)
        usual = len(at.act.served.tasks())
        at.line.hold()
        began = time.monotonic()
        replies = [threads.submit(at.act.post, user) for _ in range(flood)]
        # Connections of clients and calls of the store; each has a task or two, the flood itself has none.
        while not all(reply.done() for reply in replies):
            assert len(at.act.served.tasks()) <= usual + 40 + 5 * most
            assert at.act.client.get("/health").status_code == 202
        told = [reply.result().json()["code"] for reply in replies]
        assert time.monotonic() - began < flood / 40 * (TIMEOUT + SLACK)
        assert set(told) == {"unreachable", "overloaded"}
        assert all(reply.result().headers["Retry-After"] == "5" for reply in replies)
        assert at.store.most <= most + AT_ONCE  # and what looks for charges whose answers were lost
        assert at.line.accepted <= 8 * 3  # eight at once; a connection that fell silent is closed, and made anew
        assert not [admission for admission, _ in at.act.handler.seen[1:] if admission is not None]
        at.line.release()
        at.recovers(user)
        until(lambda: at.store.now == 0, "no call is left behind")
        until(lambda: len(at.act.served.tasks()) <= usual + 2, "no task is left behind")


def test_charges_of_calls_that_were_never_sent_are_not_looked_for(database: Database) -> None:
    """Of those that wait for a connection to a database that hangs, the pool knows that."""
    user = database.add_user()
    with troubled(database, most_at_once=24) as at, ThreadPoolExecutor(24) as threads:
        at.recovers(user)
        at.line.hold()
        replies = [threads.submit(at.act.post, user) for _ in range(24)]
        assert {reply.result().status_code for reply in replies} == {503}
        assert at.act.gate.settler.waiting <= 8
        at.line.release()
        at.recovers(user)


def test_a_store_that_is_slow_with_one_user_is_quick_with_others(where: Where, user: User) -> None:
    """Somebody's row is locked: 503 for that one, in time; what comes through in the end is given back."""
    other = database_of(where).add_user(limit=None)
    with troubled(where, settling=True, timeout=1.0) as at:
        for each in (user, other):
            at.recovers(each)
        with at.act.database.owner() as connection, connection.transaction():
            connection.execute("select from public.user_daily_usage where user_id = %s for update", [user.id])
            at.refused(user)
            assert at.act.post(other).status_code == 202
        at.recovers(user)
        until(lambda: at.act.used(user) == 2, "the late charge is given back, or was never made")
        assert at.act.used(other) == 2


_CONSUME = "function public.consume_ticks(integer, uuid, text, text, text, boolean, boolean)"
_FAILING = """
    create function public.fail_on_purpose() returns trigger language plpgsql as $$
        begin raise exception 'no space left on device' using errcode = '53100'; end $$;
    create trigger fail_on_purpose before {} for each row execute function public.fail_on_purpose()
"""
_MENDED = "drop function public.fail_on_purpose() cascade"
BROKEN: dict[str, tuple[str, str]] = {
    "a right taken away": (
        f"revoke execute on {_CONSUME} from authenticated",
        f"grant execute on {_CONSUME} to authenticated",
    ),
    "no room for the charge": (_FAILING.format("insert on tick.charge"), _MENDED),
    "no room for the count": (_FAILING.format("update on public.user_daily_usage"), _MENDED),
}
# The API answers for such things itself; these are the pool's alone.
BROKEN_BELOW = BROKEN | {
    "no such function": (
        f"alter {_CONSUME} rename to gone",
        f"alter {_CONSUME.replace('consume_ticks', 'gone')} rename to consume_ticks",
    ),
    "no schema": ("alter schema tick rename to gone", "alter schema gone rename to tick"),
    "a replica": (
        "alter database {database} set default_transaction_read_only = on",
        "alter database {database} reset default_transaction_read_only",
    ),
    "no connection left": (
        "alter database {database} connection limit 0",
        "alter database {database} connection limit -1",
    ),
}


@pytest.mark.parametrize("trouble", BROKEN_BELOW)
def test_a_database_that_is_not_in_order_is_nobodys_fault(where: Where, user: User, trouble: str) -> None:
    """503, no statement about the user, and nothing that stays half done; mended, it works without a restart."""
    if isinstance(where, StandIn) and trouble not in BROKEN:
        pytest.skip("that is between PostgREST and PostgreSQL")
    name = database_of(where).name
    breaking, mending = (text.replace("{database}", name) for text in BROKEN_BELOW[trouble])
    with troubled(where, timeout=UNHURRIED) as at, at.act.database.superuser() as connection:
        at.recovers(user)
        connection.execute(breaking)
        try:
            at.line.hang_up()  # so that new connections meet it as well
            at.refused(user)
            at.refused(user, headers={"Idempotency-Key": '"a"'})
        finally:
            connection.execute(mending)
        at.line.hang_up()
        at.recovers(user)
        # The key of what was refused is as good as new.
        assert at.act.post(user, headers={"Idempotency-Key": '"a"'}).status_code == 202
        assert at.act.used(user) == 3


def test_a_server_that_ends_its_connections(where: Where, user: User) -> None:
    """All backends of the database are ended, as by an administrator; the next request is served."""
    if isinstance(where, StandIn):
        pytest.skip("that is between PostgREST and PostgreSQL")
    with troubled(where, timeout=UNHURRIED) as at:
        assert at.act.post(user).status_code == 202
        with at.act.database.superuser() as connection:
            connection.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
        assert at.act.post(user).status_code == 202


def test_limits_take_effect_on_the_next_request(where: Where) -> None:
    """Nothing about a user is remembered by the gate but the token."""
    user = database_of(where).add_user(limit=1)
    with troubled(where, timeout=UNHURRIED) as at:
        told = [at.act.post(user).status_code, at.act.post(user).status_code]
        for limit in (2, 0, None):
            at.act.database.admin().set_limit(user.id, limit)
            told.append(at.act.post(user).status_code)
    assert told == [202, 429, 202, 429, 202]


REFUSING: dict[str, Fault] = {
    "an error": Fault(json_answer(500, {"code": "XX000", "message": "internal", "details": None, "hint": None})),
    "a page": Fault(Answer(502, [("Content-Type", "text/html")], b"<html>Bad gateway</html>")),
    "a page that says 200": Fault(Answer(200, [("Content-Type", "text/html")], b"<html>Welcome</html>")),
    "too many requests": Fault(Answer(429, [("Retry-After", "7")])),
    "a paused project": Fault(Answer(540)),
    "a redirect": Fault(Answer(307, [("Location", "https://elsewhere.example/")])),
    "another key wanted": Fault(json_answer(401, {"message": "Invalid API key"})),
    "a token refused": Fault(json_answer(401, {"code": "PGRST301", "message": "m", "details": None, "hint": None})),
    "forbidden": Fault(json_answer(403, {"code": "42501", "message": "m", "details": None, "hint": None})),
    "an unknown function": Fault(json_answer(404, {"code": "PGRST202", "message": "m", "details": None, "hint": None})),
    "not acceptable": Fault(json_answer(406, {"code": "PGRST106", "message": "m", "details": None, "hint": None})),
    "rows of somebody else": Fault(json_answer(200, [{"decision": "granted"}])),
    "no row": Fault(json_answer(200, [])),
    "a number": Fault(json_answer(200, 42)),
    "null": Fault(json_answer(200, None)),
    "true": Fault(json_answer(200, True)),
    "granted": Fault(json_answer(200, "granted")),
    "half of the JSON": Fault(cut=20),
    "no answer": Fault(hang_up=True),
    "silence": Fault(silent=True),
}


@pytest.fixture(scope="module")
def project(shared_database: Database) -> Iterator[StandIn]:
    """A project."""
    with standing_in(shared_database) as made:
        yield made


@pytest.mark.parametrize("trouble", REFUSING)
def test_whatever_the_api_answers_in_place_of_a_decision_is_none(
    project: StandIn, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    """503, nobody is let in, and the next request is served; no log shows the token, the key or the body."""
    caplog.set_level(logging.DEBUG)
    user = project.database.add_user(limit=None)
    timeout = TIMEOUT if trouble == "silence" else UNHURRIED
    marker = "a-task-that-nobody-may-log"
    with troubled(project, timeout=timeout) as at:
        with project.faults.troubled(REFUSING[trouble], "/rest/v1/rpc/consume_ticks"):
            reply = at.refused(user, json={"max_ticks": 1, "task": marker})
        assert "elsewhere" not in reply.text
        at.recovers(user)
        token = reply.request.headers["Authorization"].removeprefix("Bearer ")
    assert not [word for word in (*token.split("."), project.anon_key, marker) if word in caplog.text + reply.text]


@pytest.mark.parametrize(
    ("ahead", "lifetime", "status", "code"),
    [
        pytest.param(0, (-5, 3600), 202, None, id="right"),
        pytest.param(25, (-3600, 1), 202, None, id="a little ahead"),
        pytest.param(-25, (0, 3600), 202, None, id="a little behind"),
        pytest.param(300, (-3600, 60), 401, "expired", id="minutes ahead, token about to expire"),
        pytest.param(7200, (-5, 3600), 401, "expired", id="hours ahead"),
        pytest.param(-300, (-5, 3600), 401, "not_yet_valid", id="minutes behind, fresh token"),
        pytest.param(-300, (-3600, -60), 503, "unreachable", id="minutes behind, token expired"),
    ],
)
def test_a_gate_whose_clock_is_off(
    where: Where, user: User, ahead: int, lifetime: tuple[int, int], status: int, code: str | None
) -> None:
    """It may refuse too many, and never lets in a token that is over for the rest of the world."""
    with scene(where, gate=gate_over(where, clock=lambda: time.time() + ahead)) as act:
        now = int(time.time())
        token = token_of(where, user, iat=now + lifetime[0], exp=now + lifetime[1])
        reply = act.post(token)
        assert reply.status_code == status, reply.text
        if code is not None:
            assert reply.json()["code"] == code
            assert not act.handler.seen


def test_the_application_is_not_held_up_by_a_hanging_store(where: Where, user: User) -> None:
    """While requests wait for the store, an unprotected one is answered; so the gate never blocks the loop."""
    with troubled(where, timeout=UNHURRIED) as at, ThreadPoolExecutor(4) as threads:
        at.line.hold()
        waiting = [threads.submit(at.act.post, user) for _ in range(4)]
        until(lambda: at.store.now == 4, "all four wait for the store")
        assert at.act.client.get("/health").status_code == 202
        assert not any(reply.done() for reply in waiting)
        at.line.release()
        assert {reply.result(PATIENCE).status_code for reply in waiting} == {202}


@contextmanager
def losing(where: Where, **losses: Any) -> Iterator[tuple[Scene, LosingStore]]:
    """Serve a gate that doesn't hear all answers of its store."""
    store = store_over(where, timeout=UNHURRIED)
    lossy = LosingStore(store, **losses)
    settler = Settler(store, timeout=UNHURRIED)
    options = GateOptions(timeout=UNHURRIED)
    gate = gate_over(where, store=lossy, settler=settler, close=store.aclose, options=options)
    with scene(where, gate=gate) as act:
        yield act, lossy


@pytest.mark.parametrize("key", [None, '"a"'])
def test_a_lost_answer_is_asked_for_again_while_the_client_waits(where: Where, user: User, key: str | None) -> None:
    """Under the same charge id, so that the client hears of one charge and pays for one."""
    with losing(where, losses=1) as (act, _store):
        reply = act.post(user, 3, headers={"Idempotency-Key": key} if key else {})
        assert reply.status_code == 202
        assert act.used(user) == 3


def test_what_was_charged_when_a_store_of_somebody_elses_failed_is_refunded(where: Where, user: User) -> None:
    """Whatever it raises, the call may have been carried out."""
    with losing(where, losses=1, error=ValueError) as (act, _store):
        assert act.post(user, 3).status_code == 503
        until(lambda: act.used(user) == 0, "the refund")
        assert not act.handler.seen


def test_one_user_shuts_nobody_else_out(where: Where, user: User) -> None:
    """Eight requests of one user are decided about at once; more are refused without a call, others are served."""
    flooding = database_of(where).add_user(limit=None)
    with troubled(where, timeout=UNHURRIED) as at, ThreadPoolExecutor(60) as threads:
        replies = [threads.submit(at.act.post, flooding) for _ in range(300)]
        assert {at.act.post(user).status_code for _ in range(20)} == {202}
        told = [reply.result() for reply in replies]
        assert {reply.status_code for reply in told} <= {202, 429}
        assert {reply.json()["code"] for reply in told if reply.status_code == 429} <= {"too_many_at_once"}
        assert at.store.most <= 8 + 1
        assert at.act.used(flooding) == sum(reply.status_code == 202 for reply in told)
