"""Four gateways at once before one user's ticks: never one request too many, and each key once."""

import asyncio
import json
import random
import ssl
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest

from asgi_support import PATIENCE, Line, request_bytes
from gateway_processes import GatewayProcess, gateways
from gateway_support import Where, database_of, token_of
from quota_support import Database, User

PROCESSES, CONNECTIONS = 4, 8
TRUSTING_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # nothing here is encrypted, and this is made in no time


@pytest.fixture(scope="module")
def four(where: Where, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[GatewayProcess]]:
    """Four gateways over it."""
    with gateways(where, tmp_path_factory.mktemp("gateways"), PROCESSES) as running:
        yield running


Sent = tuple[dict[str, Any], str | None]
"""A body and an Idempotency-Key."""


def together(
    where: Where, four: list[GatewayProcess], user: User, requests: Sequence[Sent], paths: Sequence[str] = ("/tasks",)
) -> list[httpx.Response]:
    """Send requests at once, as many as there are connections, spread over the gateways; replies in their order."""
    token = token_of(where, user)

    async def work() -> list[httpx.Response]:
        waiting = list(enumerate(requests))[::-1]
        replies: dict[int, httpx.Response] = {}

        async def be_a_client(client: httpx.AsyncClient) -> None:
            while waiting:
                number, (body, key) = waiting.pop()
                headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"} | (
                    {"Idempotency-Key": key} if key else {}
                )
                replies[number] = await client.post(
                    paths[number % len(paths)], content=json.dumps(body), headers=headers
                )

        clients = [
            httpx.AsyncClient(base_url=gateway.url, trust_env=False, verify=TRUSTING_NOBODY, timeout=PATIENCE)
            for _ in range(CONNECTIONS)
            for gateway in four
        ]
        try:
            await asyncio.gather(*map(be_a_client, clients))
        finally:
            await asyncio.gather(*(client.aclose() for client in clients))
        return [replies[number] for number in range(len(requests))]

    return asyncio.run(work())


def codes(replies: Sequence[httpx.Response]) -> Counter[str]:
    """Count what the replies say."""
    return Counter("granted" if reply.status_code == 202 else reply.json()["code"] for reply in replies)


def used(where: Where, user: User) -> int:
    """Return what was taken, which usage and charges must agree about."""
    ((used, charged),) = database_of(where).ledger(user).values()
    assert used == charged
    return used


def test_the_last_ticks_are_given_out_exactly(where: Where, four: list[GatewayProcess]) -> None:
    """32 connections want far more than there is; what they are told of the remainder fits together without a gap."""
    limit = 200
    user = database_of(where).add_user(limit=limit)
    chance = random.Random(20261123)  # noqa: S311 - not for secrets
    # In the end those for 1 tick take what is left.
    requests: list[Sent] = [({"max_ticks": chance.randint(1, 5)}, None) for _ in range(160)]
    requests += [({"max_ticks": 1}, None)] * 64
    replies = together(where, four, user, requests)
    told = codes(replies)
    assert set(told) == {"granted", "quota_exhausted"}
    granted = [reply for reply in replies if reply.status_code == 202]
    assert sum(reply.json()["ticks"] for reply in granted) == limit == used(where, user)
    assert len({reply.json()["charge"] for reply in granted}) == len(granted)
    # Each grant took its ticks from the remainder that the one before it had left.
    left = sorted(((int(reply.headers["RateLimit"].split("r=")[1].split(";")[0])), reply) for reply in granted)
    remainder = 0
    for rest, reply in left:
        assert rest == remainder
        remainder += reply.json()["ticks"]
    assert remainder == limit


def test_each_key_is_accepted_once(where: Where, four: list[GatewayProcess]) -> None:
    """The same request eight times at once through four gateways, and that for twelve keys."""
    user = database_of(where).add_user(limit=None)
    keys = [f'"{uuid.uuid4()}"' for _ in range(12)]
    replies = together(where, four, user, [({"max_ticks": 3}, key) for key in keys for _ in range(8)])
    for position in range(0, len(replies), 8):
        assert codes(replies[position : position + 8]) == {"granted": 1, "already_accepted": 7}
    assert used(where, user) == 3 * len(keys)


def test_a_key_stands_for_one_body(where: Where, four: list[GatewayProcess]) -> None:
    """Of two requests that share a key one is carried out; the copies of it are told so, those of the other refused."""
    user = database_of(where).add_user(limit=None)
    keys = [f'"{uuid.uuid4()}"' for _ in range(12)]
    bodies = [{"max_ticks": 2, "task": task} for task in ("ada", "bob")]
    replies = together(where, four, user, [(body, key) for key in keys for body in bodies for _ in range(4)])
    for position in range(0, len(replies), 8):
        mine, other = codes(replies[position : position + 4]), codes(replies[position + 4 : position + 8])
        if mine["granted"] == 0:
            mine, other = other, mine
        assert mine == {"granted": 1, "already_accepted": 3}
        assert other == {"key_conflict": 4}
    assert used(where, user) == 2 * len(keys)


def test_keys_at_the_limit_are_accepted_or_refused_whole(where: Where, four: list[GatewayProcess]) -> None:
    """A key whose request was refused is not used up by that: it stays good for the day when there are ticks again."""
    database = database_of(where)
    user = database.add_user(limit=10)
    keys = [f'"{uuid.uuid4()}"' for _ in range(8)]
    requests: list[Sent] = [({"max_ticks": 3}, key) for key in keys for _ in range(4)]
    told = codes(together(where, four, user, requests))
    assert told["granted"] == 3
    assert told["granted"] + told["already_accepted"] + told["quota_exhausted"] == len(requests)
    assert used(where, user) == 9
    database.admin().set_limit(user.id, 100)
    told = codes(together(where, four, user, requests))
    assert told == {"granted": 5, "already_accepted": len(requests) - 5}
    assert used(where, user) == 3 * len(keys)


def test_a_client_that_has_lost_the_answer_tries_again_elsewhere(where: Where, four: list[GatewayProcess]) -> None:
    """It hangs up in the middle and repeats the request at another gateway, with its key: carried out once."""
    user = database_of(where).add_user(limit=None)
    token, body = token_of(where, user), json.dumps({"max_ticks": 1}).encode()
    fields = [("Authorization", f"Bearer {token}"), ("Content-Type", "application/json")]
    keys = [f'"{uuid.uuid4()}"' for _ in range(16)]
    for number, key in enumerate(keys):
        with Line(four[number % PROCESSES].port) as line:
            line.send(request_bytes("POST", "/tasks", [*fields, ("Idempotency-Key", key)], body))
            # Whether the gateway reads this first or sees the end of the connection is left to chance.
    replies = together(where, four, user, [(json.loads(body), key) for key in keys])
    assert set(codes(replies)) <= {"granted", "already_accepted"}
    assert used(where, user) == len(keys)


def test_what_failed_is_given_back_and_no_more(
    shared_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every other request fails in the handler: in the end exactly the others are charged, within the limit."""
    limit = 150
    user = shared_database.add_user(limit=limit)
    chance = random.Random(20261124)  # noqa: S311 - not for secrets
    requests: list[Sent] = [({"max_ticks": chance.randint(1, 5)}, None) for _ in range(128)]
    with gateways(shared_database, tmp_path_factory.mktemp("gateways"), PROCESSES) as running:
        replies = together(shared_database, running, user, requests, ["/tasks", "/broken"])
    # By now each gateway has stopped, and before that given back what it had to.
    assert {reply.status_code for reply in replies} <= {202, 429, 500}
    accepted = sum(reply.json()["ticks"] for reply in replies if reply.status_code == 202)
    assert 0 < accepted == used(shared_database, user) <= limit
    assert any(reply.status_code == 500 for reply in replies)
