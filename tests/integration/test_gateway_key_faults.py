"""What a gate does when the signing keys can't be had, or are others by now: over HTTP, with a real key server."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from asgi_support import PATIENCE
from gateway_support import Scene, claims_of, scene, until
from http_support import Received, TestServer, http, serving
from quota_support import Database, User
from standin.keys import ProjectKeys
from tickctl.adapters.jwks import fetch_jwks
from tickctl.core.tokens import RemoteKeys
from tickctl.gateway import GateOptions

TIMEOUT = 0.4
SLACK = 5.0
PAUSE = 31.0
"""Seconds after which keys are asked for again, whatever was the matter."""


@dataclass
class Published:
    """What the key server says, and the time by which the gate judges the age of keys."""

    keys: ProjectKeys = field(default_factory=lambda: ProjectKeys(signing="ES256"))
    trouble: bytes | str | None = None
    ahead: float = 0.0

    def answer(self, server: TestServer, _line: socket.socket, _request: Received) -> bytes | None:
        """Answer with the key set, or have trouble."""
        if self.trouble == "silence":
            server.over.wait(PATIENCE)
            return None
        if self.trouble == "hang up":
            return None
        if isinstance(self.trouble, bytes):
            return self.trouble
        return http(200, json.dumps(self.keys.public_set).encode())

    def now(self) -> float:
        """Return the time."""
        return time.time() + self.ahead


@contextmanager
def gate_with(published: Published, database: Database) -> Iterator[tuple[Scene, TestServer]]:
    """Serve a gate whose keys come from a server."""
    with serving(published.answer) as server:
        keys = RemoteKeys(lambda: fetch_jwks(f"{server.url}/jwks.json", timeout=3.0), clock=published.now)
        with scene(database, keys=keys, options=GateOptions(timeout=TIMEOUT)) as act:
            yield act, server


def ask(act: Scene, published: Published, user: User) -> tuple[int, str]:
    """Send a request with a token of the keys in use; the status and the code."""
    began = time.monotonic()
    reply = act.post(published.keys.sign(claims_of(act.where, user)))
    assert time.monotonic() - began < TIMEOUT + SLACK
    if reply.status_code == 503:
        assert reply.headers["Retry-After"] == "5"
    return reply.status_code, "granted" if reply.status_code == 202 else reply.json()["code"]


TROUBLES: dict[str, bytes | str] = {
    "silence": "silence",
    "hang up": "hang up",
    "no such page": http(404, b"{}"),
    "an outage": http(500, b""),
    "a page": http(200, b"<html>Welcome</html>", content_type="text/html"),
    "a redirect": http(302, b"", "Location: https://elsewhere.example/"),
    "rubbish": b"220 mail.example.com ESMTP\r\n\r\n",
    "half a document": http(200, b'{"keys": ['),
}
OTHER_KEYS: dict[str, bytes] = {
    "no keys": http(200, b'{"keys": []}'),
    "somebody else's keys": http(200, json.dumps(ProjectKeys(signing="ES256").public_set).encode()),
    "the shared secret": http(200, json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "k": "c2VjcmV0"}]}).encode()),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_without_the_keys_nobody_can_tell(shared_database: Database, trouble: str) -> None:
    """503 in time, and no word against the token; the rest of the application goes on; mended, it works by itself."""
    user = shared_database.add_user(limit=None)
    published = Published(trouble=TROUBLES[trouble])
    with gate_with(published, shared_database) as (act, _), ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(ask, act, published, user)
        assert act.client.get("/health").status_code == 202
        assert waiting.result(PATIENCE) == (503, "unreachable")
        assert ask(act, published, user)[0] == 503
        assert [admission for admission, _ in act.handler.seen] == [None]
        published.trouble = None
        published.ahead += PAUSE
        # A fetch that hangs is given up after 3 seconds, and then the next one begins.
        until(lambda: ask(act, published, user)[0] == 202, "recovery")
        assert act.used(user) == 1


@pytest.mark.parametrize("trouble", TROUBLES)
def test_known_keys_outlive_trouble(shared_database: Database, trouble: str) -> None:
    """Keys that were fetched once serve for an hour, through silence and errors."""
    user = shared_database.add_user(limit=None)
    published = Published()
    with gate_with(published, shared_database) as (act, server):
        assert ask(act, published, user) == (202, "granted")
        asked = len(server.received)
        published.trouble = TROUBLES[trouble]
        published.ahead += 700
        assert ask(act, published, user) == (202, "granted")
        until(lambda: len(server.received) > asked, "the keys are asked for again, in the background")
        assert ask(act, published, user) == (202, "granted")


@pytest.mark.parametrize("others", OTHER_KEYS)
def test_a_key_that_the_project_does_not_publish_counts_no_longer(shared_database: Database, others: str) -> None:
    """401 at the first request and after a change alike: waiting can't help."""
    user = shared_database.add_user(limit=None)
    published = Published(trouble=OTHER_KEYS[others])
    with gate_with(published, shared_database) as (act, _):
        assert ask(act, published, user) == (401, "unknown_key")
        published.trouble = None
        published.ahead += PAUSE
        assert ask(act, published, user) == (202, "granted")
        published.trouble = OTHER_KEYS[others]
        published.ahead += 700
        until(lambda: ask(act, published, user) == (401, "unknown_key"), "the changed set")


def test_a_rotation_needs_no_restart(shared_database: Database) -> None:
    """The first token of a new key is let in; one of a key that was taken back isn't, from ten minutes on."""
    user = shared_database.add_user(limit=None)
    published = Published()
    with gate_with(published, shared_database) as (act, _):
        assert ask(act, published, user) == (202, "granted")
        old, published.keys = published.keys, ProjectKeys(signing="ES256")
        published.ahead += PAUSE
        assert ask(act, published, user) == (202, "granted")
        told = act.post(old.sign(claims_of(act.where, user)))
        assert (told.status_code, told.json()["code"]) == (401, "unknown_key")
        assert act.used(user) == 2


def test_made_up_keys_cause_one_fetch_and_no_server_error(shared_database: Database) -> None:
    """401 for each, whose client then signs in again; 503 would have it repeat the request for ever."""
    user = shared_database.add_user(limit=None)
    published = Published()
    with gate_with(published, shared_database) as (act, server), ThreadPoolExecutor(16) as threads:
        assert ask(act, published, user) == (202, "granted")
        published.ahead += PAUSE
        asked = len(server.received)
        foreign = [Published() for _ in range(8)]
        replies = [threads.submit(ask, act, each, user) for each in foreign for _ in range(6)]
        assert {reply.result(PATIENCE) for reply in replies} == {(401, "unknown_key")}
        assert len(server.received) == asked + 1


def test_a_flood_of_unknown_keys_is_no_trouble_for_others(shared_database: Database) -> None:
    """While the key server is silent: one question to it, and nobody else waits for that."""
    user = shared_database.add_user(limit=None)
    published = Published()
    with gate_with(published, shared_database) as (act, server), ThreadPoolExecutor(16) as threads:
        assert ask(act, published, user) == (202, "granted")
        published.ahead += PAUSE
        published.trouble = "silence"
        asked = len(server.received)
        foreign = [Published() for _ in range(8)]
        waiting = [threads.submit(ask, act, each, user) for each in foreign for _ in range(6)]
        assert ask(act, published, user) == (202, "granted")
        assert {reply.result(PATIENCE) for reply in waiting} == {(503, "unreachable")}
        assert ask(act, published, user) == (202, "granted")
        assert len(server.received) <= asked + 1
