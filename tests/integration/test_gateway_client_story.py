"""What docs/GATEWAY.md tells clients about sending a request again ("Requests that are sent twice"), row by row."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from asgi_support import PATIENCE, App, Line, Receive, Send, request_bytes
from gateway_support import (
    UNHURRIED,
    Handler,
    LosingStore,
    Scene,
    Where,
    answer,
    database_of,
    gate_over,
    scene,
    store_over,
    until,
)
from quota_support import User
from tickctl.core.json import JsonObject
from tickctl.core.quota import AsyncSqlFunctions, Caller
from tickctl.errors import UnreachableError
from tickctl.gateway import GateOptions, Settler

TICKS = 5
KEY = {"Idempotency-Key": '"8e03978e-40d5"'}


@pytest.fixture
def user(where: Where) -> User:
    """A user of this test's own."""
    return database_of(where).add_user(limit=2 * TICKS)


def check_under_way(reply: httpx.Response) -> None:
    """Check that the client is asked to send the request again."""
    assert (reply.status_code, reply.json()["code"], reply.headers["Retry-After"]) == (409, "already_accepted", "5")


def check_accepted(reply: httpx.Response) -> None:
    """Check that the client is told to look for its task."""
    assert (reply.status_code, reply.json()["code"]) == (409, "already_accepted")
    assert "Retry-After" not in reply.headers


def send(act: Scene, user: User, headers: dict[str, str] = KEY) -> httpx.Response:
    """Send the request."""
    return act.post(user, TICKS, headers=headers)


def a_minute_passes(act: Scene, user: User) -> None:
    """Let the user's charges be a minute older."""
    act.database.run(
        f"update tick.charge set created_at = created_at - interval '1 minute' where user_id = '{user.id}'"
    )


def answering(*statuses: int) -> Handler:
    """Return a handler that gives these answers, one after the other."""
    left = list(statuses)

    async def respond(_scope: Any, _receive: Receive, send: Send) -> None:
        await answer(send, left.pop(0), {})

    return Handler(answer=respond)


def test_a_retry_after_a_503_is_allowed(where: Where, user: User) -> None:
    """And charged once, whatever became of the first attempt."""
    store = store_over(where)
    losing = LosingStore(store, losses=2)
    gate = gate_over(where, store=losing, close=store.aclose, options=GateOptions(timeout=UNHURRIED))
    with scene(where, gate=gate) as act:
        first = send(act, user)
        assert (first.status_code, first.headers["Retry-After"]) == (503, "5")
        assert send(act, user).status_code == 202
        assert (act.used(user), len(act.handler.seen)) == (TICKS, 1)


@pytest.mark.parametrize("failure", [500, 503])
def test_a_retry_after_a_failure_of_the_handler_is_allowed(where: Where, user: User, failure: int) -> None:
    """At once, again and again, until it succeeds; then no more."""
    with scene(where, answering(failure, failure, 202)) as act:
        assert [send(act, user).status_code for _ in range(4)] == [failure, failure, 202, 409]
        assert act.used(user) == TICKS


def test_a_retry_after_a_lost_answer_is_told_that_the_first_was_accepted(where: Where, user: User) -> None:
    """With Retry-After for a minute, then without; a new key is a new request."""
    with scene(where) as act:
        headers = [("Authorization", f"Bearer {act.token(user)}"), ("Content-Type", "application/json"), *KEY.items()]
        body = httpx.Request("POST", act.served.url, json={"max_ticks": TICKS}).content
        with Line(act.served.port) as line:
            line.send(request_bytes("POST", "/tasks", headers, body))
            until(lambda: len(act.handler.seen) == 1, "the handler has the request")
        check_under_way(send(act, user))
        a_minute_passes(act, user)
        check_accepted(send(act, user))
        assert act.used(user) == TICKS
        assert send(act, user, {"Idempotency-Key": '"another"'}).status_code == 202
        assert len(act.handler.seen) == 2


@dataclass
class Working:
    """A handler at work, until it is told the status of its answer."""

    status: int = 0
    is_at_work: threading.Event = field(default_factory=threading.Event)
    is_done: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, _scope: Any, _receive: Receive, send: Send) -> None:
        """Work."""
        self.is_at_work.set()
        while not self.is_done.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.005)
        await answer(send, self.status, {})

    def ends(self, status: int) -> None:
        """Let it answer, the next time at once."""
        self.status = status
        self.is_done.set()


@pytest.mark.parametrize(("status", "then"), [(202, 409), (500, 202)])
def test_of_two_at_once_the_second_waits_for_the_first(where: Where, user: User, status: int, then: int) -> None:
    """And is allowed if that one fails."""
    work = Working()
    with scene(where, Handler(answer=work)) as act, ThreadPoolExecutor(1) as threads:
        first = threads.submit(send, act, user)
        assert work.is_at_work.wait(PATIENCE)
        check_under_way(send(act, user))
        work.ends(status)
        assert first.result(PATIENCE).status_code == status
        work.ends(202)
        assert send(act, user).status_code == then
        assert act.used(user) == TICKS


def settling(actual: int) -> App:
    """Return a handler that finds out what it takes."""

    async def respond(scope: Any, _receive: Receive, send: Send) -> None:
        await scope["state"]["ticks"].charge.settle(actual)
        await answer(send, 202, {})

    return respond


def test_a_request_is_allowed_again_when_its_handler_has_refunded_it(where: Where, user: User) -> None:
    """It was carried out for nothing, so nothing keeps its key."""
    with scene(where, Handler(answer=settling(0))) as act:
        assert [send(act, user).status_code for _ in range(2)] == [202, 202]
        assert act.used(user) == 0


def test_a_request_that_its_handler_has_settled_is_done(where: Where, user: User) -> None:
    """There is nothing to wait for."""
    with scene(where, Handler(answer=settling(2))) as act:
        assert send(act, user).status_code == 202
        check_accepted(send(act, user))
        assert act.used(user) == 2


@dataclass
class Owing:
    """Makes no refunds while there is an outage."""

    store: AsyncSqlFunctions
    is_down: bool = True

    async def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Make the call."""
        if self.is_down and name == "settle_ticks":
            raise UnreachableError("there is an outage")
        return await self.store.call(name, arguments, caller=caller)

    async def pause(self, _seconds: float) -> None:
        """Pause as long as the outage lasts."""
        await asyncio.sleep(0.005)
        while self.is_down:  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.005)


@contextmanager
def owing(where: Where) -> Iterator[tuple[Scene, Owing]]:
    """Serve a gate that can't refund what its failing handler was charged."""
    store = store_over(where)
    debtor = Owing(store)
    settler = Settler(debtor, timeout=UNHURRIED, sleep=debtor.pause)
    options = GateOptions(timeout=UNHURRIED)
    gate = gate_over(where, store=debtor, settler=settler, close=store.aclose, options=options)
    with scene(where, answering(500, 202), gate=gate) as act:
        yield act, debtor


def test_a_retry_through_another_gateway_waits_for_the_refund(where: Where, user: User) -> None:
    """Only the process that has made a charge can refund it."""
    with owing(where) as (first, debtor), scene(where) as second:
        assert send(first, user).status_code == 500
        check_under_way(send(second, user))
        debtor.is_down = False
        until(lambda: first.used(user) == 0, "the refund")
        assert send(second, user).status_code == 202
        assert second.used(user) == TICKS


def test_a_refund_that_takes_longer_than_the_client_waits_is_no_acceptance(where: Where, user: User) -> None:
    """However long it takes: the client is asked to come back."""
    with owing(where) as (act, debtor):
        assert send(act, user).status_code == 500
        a_minute_passes(act, user)
        act.gate.options = GateOptions(timeout=0.5)
        reply = send(act, user)
        while reply.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            reply = send(act, user)
        check_under_way(reply)
        debtor.is_down = False
        act.gate.options = GateOptions(timeout=UNHURRIED)
        assert send(act, user).status_code == 202
        assert act.used(user) == TICKS
