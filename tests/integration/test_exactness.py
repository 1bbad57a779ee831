"""Many clients in several processes at once, and deaths in the middle: never one tick too many or too few."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from quota_support import Clock, Database, User
from tickctl.core.quota import Decision, consume

PROCESSES, CLIENTS, REQUESTS = 4, 8, 400
TESTS = Path(__file__).parents[1]


def storm(
    database: Database,
    user: User,
    *,
    same: Sequence[str] = (),
    largest: int = 9,
    meanwhile: Callable[[], None] = lambda: None,
) -> Counter[str]:
    """Let 4 processes of 8 clients each make their requests at once, and return the sum of what they were told."""
    job = {"url": database.authenticator_url, "claims": user.claims, "same": list(same), "largest": largest}
    job |= {"requests": REQUESTS, "clients": CLIENTS, "seed": database.name}
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    running = []
    for number in range(PROCESSES):
        process = subprocess.Popen(
            [sys.executable, "-m", "quota_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps({**job, "first_client": number * CLIENTS}))
        process.stdin.close()
        running.append(process)
    meanwhile()
    total: Counter[str] = Counter()
    for process in running:
        assert process.stdout is not None
        with process.stdout as output:
            total.update(json.loads(output.read()))
        assert process.wait() == 0
    return total


def test_32_clients_admit_exactly_up_to_the_limit(database: Database) -> None:
    """12 800 requests of 1 to 9 ticks; the last ticks go to the requests for 1, so that nothing is left."""
    user = database.add_user(limit=20_000)
    told = storm(database, user)
    assert sum(told[decision] for decision in Decision) == PROCESSES * CLIENTS * REQUESTS
    assert set(told) - {"ticks"} - {name for name in told if name.startswith("ticks ")} == {
        "granted",
        "quota_exhausted",
    }
    ((used, charged),) = database.ledger(user).values()
    assert used == charged == told["ticks"] == 20_000


def test_each_request_key_is_granted_once_among_32_clients(database: Database) -> None:
    """All clients send the same 400 requests in orders of their own."""
    user = database.add_user(limit=None)
    told = storm(database, user, same=["keys"])
    assert told["granted"] == REQUESTS
    assert told["under_way"] == REQUESTS * (PROCESSES * CLIENTS - 1)
    ((used, charged),) = database.ledger(user).values()
    assert used == charged == told["ticks"]


def test_request_keys_at_the_limit_are_granted_or_refused_whole(database: Database) -> None:
    """A key whose first request was refused is not accepted for the second; nothing of it stays."""
    user = database.add_user(limit=500)
    told = storm(database, user, same=["keys"])
    ((used, charged),) = database.ledger(user).values()
    assert used == charged == told["ticks"] == 500
    with database.owner() as connection:
        row = connection.execute("select count(*) as charges from tick.charge").fetchone()
    assert row == {"charges": told["granted"]}
    assert told["granted"] + told["under_way"] + told["quota_exhausted"] == PROCESSES * CLIENTS * REQUESTS


@pytest.mark.parametrize("same", [["ids"], ["ids", "keys"]], ids="-".join)
def test_each_charge_id_is_counted_once_among_32_clients(database: Database, same: list[str]) -> None:
    """As if each answer had been lost 31 times: everybody is told that it is granted."""
    user = database.add_user(limit=None)
    told = storm(database, user, same=same)
    assert told["granted"] == REQUESTS * PROCESSES * CLIENTS
    ((used, charged),) = database.ledger(user).values()
    assert used == charged == told["ticks"] // (PROCESSES * CLIENTS)


@pytest.mark.parametrize("same", [["ids"], ["ids", "keys"]], ids="-".join)
def test_charge_ids_at_the_limit_are_granted_or_refused_whole(database: Database, same: list[str]) -> None:
    """Whoever is told that a charge is granted finds it counted, and no other is."""
    user = database.add_user(limit=500)
    told = storm(database, user, same=same)
    assert told["granted"] + told["quota_exhausted"] == REQUESTS * PROCESSES * CLIENTS
    ((used, charged),) = database.ledger(user).values()
    assert used == charged == 500
    with database.owner() as connection:
        charges = {f"charge {row['id']}" for row in connection.execute("select id from tick.charge")}
    assert charges == {name for name in told if name.startswith("charge ")}


def test_each_day_has_its_own_limit_when_midnight_passes_amid_requests(database: Database, clock: Clock) -> None:
    """The clock is put past midnight in Kathmandu while the clients are at it."""
    clock.set_zone("Asia/Kathmandu")
    clock.set(datetime(2026, 11, 23, 18, 14, 59, tzinfo=UTC))
    user = database.add_user(limit=3000)

    def midnight() -> None:
        with database.owner() as connection:
            while True:
                row = connection.execute("select sum(ticks_used) as used from public.user_daily_usage").fetchone()
                if row is not None and (row["used"] or 0) > 1000:
                    break
        clock.set(datetime(2026, 11, 23, 18, 15, tzinfo=UTC))

    told = storm(database, user, meanwhile=midnight)
    ledger = database.ledger(user)
    assert set(ledger) == {"2026-11-23", "2026-11-24"}
    assert ledger["2026-11-24"] == (3000, 3000)
    assert 1000 < ledger["2026-11-23"][0] <= 3000
    for day, (used, charged) in ledger.items():
        assert used == charged == told[f"ticks {day}"]


@pytest.mark.parametrize("key", [None, "key"])
@pytest.mark.parametrize("death", ["of the backend", "of the client"])
def test_a_death_in_the_middle_leaves_the_whole_charge_or_nothing(
    database: Database, key: str | None, death: str
) -> None:
    """The request is caught where it waits for the row of the day, after a keyed charge was written."""
    user = database.add_user(limit=None)
    consume(database.functions(), user.caller, 1)
    program = (
        "import json, sys; from quota_support import calling; from tickctl.adapters.postgres import PostgresFunctions;"
        "from tickctl.core.quota import consume; from tickctl.core.secret import Secret; job = json.load(sys.stdin);"
        "consume(PostgresFunctions(Secret(job['url'])), calling(job['claims']), 5, job['key'])"
    )
    job = json.dumps({"url": database.authenticator_url, "claims": user.claims, "key": key})
    with database.superuser() as watcher, database.owner() as holder, holder.transaction():
        holder.execute("update public.user_daily_usage set ticks_used = ticks_used")
        client = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
        )
        assert client.stdin is not None
        client.stdin.write(job)
        client.stdin.close()
        (backend,) = database.wait_for_lock()
        if death == "of the backend":
            watcher.execute("select pg_terminate_backend(%s, 5000)", [backend])
        else:
            client.send_signal(signal.SIGKILL)
        client.wait()
    _wait_for_end(database, backend)
    ((used, charged),) = database.ledger(user).values()
    # A server does not notice that its client has gone while it waits for a lock, and finishes.
    assert used == charged == (1 if death == "of the backend" else 6)
    answer = consume(database.functions(), user.caller, 5, key)
    accepted = key is not None and death == "of the client"
    assert answer.decision is (Decision.UNDER_WAY if accepted else Decision.GRANTED)


def _wait_for_end(database: Database, backend: int) -> None:
    deadline = time.monotonic() + 30
    with database.superuser() as watcher:
        while watcher.execute("select from pg_stat_activity where pid = %s", [backend]).fetchone() is not None:
            assert time.monotonic() < deadline, "the backend did not end"
