"""Published keys beside an event loop: who waits for them, who doesn't, and what becomes of trouble."""

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from jwt.algorithms import ECAlgorithm

from http_support import Received, TestServer, http, serving
from tickctl.adapters.jwks import fetch_jwks
from tickctl.core.secret import Secret
from tickctl.core.tokens import KeySet, Policy, Reason, RemoteKeys, StaticKeys
from tickctl.errors import UnreachableError
from tickctl.gateway.keys import MOST_WAITING, GateVerifier

NOW = 1_800_000_000
SECRET = "an HS256 secret that only these tests know"
POLICY = Policy(issuer=None, require_confirmed=False)
PATIENT = 60.0
"""Seconds that no test waits."""
BRIEF = 0.05
"""Seconds after which a request gives up on keys that don't come."""


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class KeyServer:
    """A project's Auth server as far as it publishes keys; `trouble` answers in its place."""

    def __init__(self, server: TestServer) -> None:
        self._server = server
        self._keys = {kid: generate_private_key(SECP256R1()) for kid in ("first", "second")}
        self.published = ["first"]
        self.trouble: Callable[[], bytes | None] | None = None
        self.asked = threading.Event()
        self.go_on = threading.Event()
        server.script = self._answer

    @property
    def url(self) -> str:
        """Where the keys are."""
        return f"{self._server.url}/auth/v1/.well-known/jwks.json"

    @property
    def requests(self) -> int:
        """How many there were."""
        return len(self._server.received)

    def hang(self) -> bytes | None:
        """Say nothing until the test lets us go on."""
        self.go_on.wait(30)
        return None

    def hesitate(self) -> bytes | None:
        """Answer when the test lets us go on."""
        self.go_on.wait(30)
        return self._keys_published()

    def token(self, key: str = "first", kid: str | None = None) -> str:
        """Return a good token, signed with a key, under its name or another one."""
        claims = {
            "sub": "6f1f1c2e-0d3b-4b57-9d3e-0a4f1c7c9a11",
            "session_id": "c2a7b0de-57f3-4f0e-8a44-5a0d2f7a9b22",
            "aud": "authenticated",
            "role": "authenticated",
            "iat": NOW - 10,
            "exp": NOW + 100_000,
            "is_anonymous": False,
        }
        return jwt.encode(claims, self._keys[key], algorithm="ES256", headers={"kid": kid or key})

    def _answer(self, _server: TestServer, _line: Any, _request: Received) -> bytes | None:
        self.asked.set()
        return self._keys_published() if self.trouble is None else self.trouble()

    def _keys_published(self) -> bytes:
        keys = [
            {**ECAlgorithm.to_jwk(self._keys[kid].public_key(), as_dict=True), "kid": kid} for kid in self.published
        ]
        return http(200, json.dumps({"keys": keys}).encode(), "Connection: close")


@pytest.fixture
def server() -> Iterator[KeyServer]:
    """A server that publishes keys."""
    with serving(lambda *_: None) as raw:
        made = KeyServer(raw)
        yield made
        made.go_on.set()
        for thread in fetches():
            thread.join(10)


@pytest.fixture
def clock() -> Clock:
    """A clock to be moved by hand."""
    return Clock()


@pytest.fixture
def remote(server: KeyServer, clock: Clock) -> RemoteKeys:
    """The server's keys, fetched over real HTTP."""
    return RemoteKeys(partial(fetch_jwks, server.url, timeout=5), clock=clock)


Verify = Callable[..., Awaitable[Reason]]


def judging(keys: Any, clock: Clock, work: Callable[[Verify], Awaitable[None]]) -> None:
    """Run what verifies tokens on an event loop, which must be idle in the end."""

    async def run() -> None:
        verifier = GateVerifier(keys, POLICY)

        async def verify(token: str, patience: float = PATIENT) -> Reason:
            return (await verifier.verify(token, clock, patience)).reason

        async with asyncio.timeout(30):
            await work(verify)
        assert asyncio.all_tasks() == {asyncio.current_task()}, "something was left running"

    asyncio.run(run())


def at_once(answer: Awaitable[Reason]) -> Reason:
    """Return the answer of a coroutine that waits for nothing."""
    try:
        answer.send(None)  # type: ignore[attr-defined]
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise AssertionError("it waits")


def fetches() -> list[threading.Thread]:
    """Return the threads that fetch keys."""
    return [thread for thread in threading.enumerate() if thread.name == "tickctl-keys"]


async def ended(server: KeyServer, requests: int) -> None:
    """Wait until nobody fetches any more; so many requests have been made by then."""
    for thread in fetches():
        await asyncio.to_thread(thread.join, 10)
    await asyncio.sleep(0)  # its last word reaches the event loop
    assert server.requests == requests


def test_the_first_request_waits_for_the_keys_and_the_next_for_nothing(
    server: KeyServer, remote: RemoteKeys, clock: Clock
) -> None:
    """For ten minutes nothing is asked, no thread is begun and the event loop isn't yielded to."""

    async def work(verify: Verify) -> None:
        assert await verify(server.token()) is Reason.VALID
        clock.now += 599
        for _ in range(100):
            assert at_once(verify(server.token())) is Reason.VALID
        assert server.requests == 1

    judging(remote, clock, work)


def test_all_who_come_before_the_keys_wait_for_one_fetch(server: KeyServer, remote: RemoteKeys, clock: Clock) -> None:
    """And the event loop goes on meanwhile."""
    server.trouble = server.hesitate

    async def work(verify: Verify) -> None:
        waiting = [asyncio.create_task(verify(server.token())) for _ in range(100)]
        await asyncio.to_thread(server.asked.wait, 10)
        assert not any(task.done() for task in waiting)
        server.go_on.set()
        assert set(await asyncio.gather(*waiting)) == {Reason.VALID}
        assert server.requests == 1

    judging(remote, clock, work)


def test_old_keys_answer_at_once_while_others_are_fetched(server: KeyServer, remote: RemoteKeys, clock: Clock) -> None:
    """Ten minutes old: used and renewed. What is no longer published counts no more after that."""

    async def work(verify: Verify) -> None:
        assert await verify(server.token()) is Reason.VALID
        await ended(server, 1)
        server.published = ["second"]
        clock.now += 600
        assert at_once(verify(server.token())) is Reason.VALID
        await ended(server, 2)
        assert at_once(verify(server.token())) is Reason.UNKNOWN_KEY
        assert at_once(verify(server.token("second"))) is Reason.VALID

    judging(remote, clock, work)


def test_a_new_key_is_found_by_its_first_token(server: KeyServer, remote: RemoteKeys, clock: Clock) -> None:
    """Which waits for the fetch; those with known keys don't."""

    async def work(verify: Verify) -> None:
        assert await verify(server.token()) is Reason.VALID
        await ended(server, 1)
        server.published = ["first", "second"]
        clock.now += 31
        first = asyncio.create_task(verify(server.token("second")))
        await asyncio.sleep(0)
        assert at_once(verify(server.token())) is Reason.VALID
        assert await first is Reason.VALID
        assert server.requests == 2

    judging(remote, clock, work)


def test_a_flood_of_unknown_keys_costs_one_fetch_in_thirty_seconds(
    server: KeyServer, remote: RemoteKeys, clock: Clock
) -> None:
    """And no thread but the one; after the fetch nobody waits for anything."""

    async def work(verify: Verify) -> None:
        assert await verify(server.token()) is Reason.VALID
        await ended(server, 1)
        for turn in range(1, 4):
            clock.now += 30
            flood = [verify(server.token(kid=f"{turn}-{number}")) for number in range(200)]
            assert set(await asyncio.gather(*flood)) == {Reason.UNKNOWN_KEY}
            for number in range(200):
                assert at_once(verify(server.token(kid=f"{turn}+{number}"))) is Reason.UNKNOWN_KEY
            await ended(server, turn + 1)

    judging(remote, clock, work)


def test_a_hanging_server_costs_a_request_its_patience_and_no_more(
    server: KeyServer, remote: RemoteKeys, clock: Clock
) -> None:
    """It is a cannot-tell, in one thread; when the server speaks again, all is well without a restart."""
    server.trouble = server.hang

    async def work(verify: Verify) -> None:
        for _ in range(3):
            outcomes = await asyncio.gather(*(verify(server.token(), BRIEF) for _ in range(20)))
            assert set(outcomes) == {Reason.UNREACHABLE}
            assert len(fetches()) == 1
            clock.now += 30
        await asyncio.to_thread(server.asked.wait, 10)
        server.trouble = None
        server.go_on.set()
        await ended(server, 1)
        assert await verify(server.token()) is Reason.VALID

    judging(remote, clock, work)


def test_known_keys_go_on_for_an_hour_while_the_server_hangs(
    server: KeyServer, remote: RemoteKeys, clock: Clock
) -> None:
    """Nobody waits for it; after an hour nobody can tell."""

    async def work(verify: Verify) -> None:
        assert await verify(server.token()) is Reason.VALID
        await ended(server, 1)
        server.trouble = server.hang
        clock.now += 3599
        for _ in range(50):
            assert at_once(verify(server.token())) is Reason.VALID
        clock.now += 1
        assert await verify(server.token(), BRIEF) is Reason.UNREACHABLE
        server.go_on.set()
        await ended(server, 2)

    judging(remote, clock, work)


@pytest.mark.parametrize("answer", [http(500), http(200, b"<html>"), http(404), b"rubbish\r\n\r\n", None])
def test_failures_are_a_cannot_tell_and_pass(
    server: KeyServer, remote: RemoteKeys, clock: Clock, answer: bytes | None
) -> None:
    """A status, a page, no HTTP, a connection that ends; the next attempt is five seconds later."""
    server.trouble = lambda: answer

    async def work(verify: Verify) -> None:
        assert await verify(server.token()) is Reason.UNREACHABLE
        assert at_once(verify(server.token())) is Reason.UNREACHABLE
        await ended(server, 1)
        server.trouble = None
        clock.now += 5
        assert await verify(server.token()) is Reason.VALID

    judging(remote, clock, work)


def test_a_fetch_that_breaks_down_lets_nobody_wait_for_ever(clock: Clock, server: KeyServer) -> None:
    """Whatever it raises, which says nothing of what it had in hand."""
    secrets = iter([RuntimeError("hunter2"), UnreachableError("no connection")])

    def fetch() -> bytes:
        raise next(secrets)

    async def work(verify: Verify) -> None:
        assert await verify(server.token()) is Reason.UNREACHABLE
        clock.now += 5
        assert await verify(server.token()) is Reason.UNREACHABLE

    judging(RemoteKeys(fetch, clock=clock), clock, work)


def test_a_process_without_threads_goes_on(
    server: KeyServer, remote: RemoteKeys, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can't tell until it has one again."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def work(verify: Verify) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            assert at_once(verify(server.token())) is Reason.UNREACHABLE
        assert await verify(server.token()) is Reason.VALID

    judging(remote, clock, work)


def test_those_who_wait_are_counted(server: KeyServer, remote: RemoteKeys, clock: Clock) -> None:
    """One too many is told at once that nobody can tell."""
    server.trouble = server.hang

    async def work(verify: Verify) -> None:
        waiting = [asyncio.create_task(verify(server.token())) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        assert at_once(verify(server.token())) is Reason.UNREACHABLE
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert await verify(server.token(), BRIEF) is Reason.UNREACHABLE

    judging(remote, clock, work)


def test_what_configured_keys_decide_asks_for_nothing(server: KeyServer, clock: Clock) -> None:
    """Neither does a token with HS256, even of an unknown key, nor rubbish."""
    remote = RemoteKeys(partial(fetch_jwks, server.url), clock=clock, local=KeySet.from_secret(Secret(SECRET)))
    claims = jwt.decode(server.token(), options={"verify_signature": False})

    async def work(verify: Verify) -> None:
        assert at_once(verify(jwt.encode(claims, SECRET, algorithm="HS256"))) is Reason.VALID
        forged = jwt.encode(claims, SECRET[::-1], algorithm="HS256", headers={"kid": "unknown"})
        assert at_once(verify(forged)) is Reason.BAD_SIGNATURE
        assert at_once(verify("rubbish")) is Reason.MALFORMED
        assert server.requests == 0

    judging(remote, clock, work)


def test_a_token_that_no_published_key_could_verify_waits_for_none(
    server: KeyServer, remote: RemoteKeys, clock: Clock
) -> None:
    """HS256 without a secret, while keys are being fetched."""
    server.trouble = server.hang
    claims = jwt.decode(server.token(), options={"verify_signature": False})

    async def work(verify: Verify) -> None:
        assert await verify(server.token(), BRIEF) is Reason.UNREACHABLE
        assert at_once(verify(jwt.encode(claims, SECRET, algorithm="HS256"))) is Reason.UNKNOWN_KEY

    judging(remote, clock, work)


def test_keys_that_never_change_need_no_event_loop(server: KeyServer, clock: Clock) -> None:
    """They are used as they are."""

    async def work(verify: Verify) -> None:
        assert at_once(verify(server.token())) is Reason.UNKNOWN_KEY
        assert server.requests == 0

    judging(StaticKeys(KeySet.from_secret(Secret(SECRET))), clock, work)


def test_a_fetch_that_outlives_the_event_loop_harms_nothing(
    server: KeyServer, remote: RemoteKeys, clock: Clock
) -> None:
    """The end doesn't wait for it, and it ends in silence."""
    server.trouble = server.hang
    began = time.monotonic()

    async def work(verify: Verify) -> None:
        assert await verify(server.token(), BRIEF) is Reason.UNREACHABLE

    judging(remote, clock, work)
    (thread,) = fetches()
    assert thread.daemon
    assert time.monotonic() - began < 5, "it was waited for"
    server.go_on.set()
    thread.join(10)
    assert not thread.is_alive()
