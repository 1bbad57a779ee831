"""The statements of docs/SCALING.md that remove what is old: counting goes on as if nothing had happened."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from quota_support import Clock, Database, User
from tickctl.core.quota import Decision, ServiceRole, SettleOutcome, consume, settle

PAGE = (Path(__file__).parents[2] / "docs" / "SCALING.md").read_text()
CHARGES, DAYS = re.findall(r"```sql\n(delete .*?)\n```", PAGE, re.DOTALL)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEPT = 2
"""Days before today that stay whatever the settings say."""


@pytest.fixture
def short(database: Database, clock: Clock) -> Database:
    """A database that is to keep things for 10 days."""
    database.run("update tick.settings set retention_days = 10")
    return database


def used_on(database: Database, clock: Clock, user: User, *days_ago: int) -> None:
    """Let the user take 2 ticks on each of these days, with a key that says which."""
    functions = database.functions()
    for days in days_ago:
        clock.set(NOON - timedelta(days=days))
        assert consume(functions, user.caller, 2, f"{days} days ago").decision is Decision.GRANTED
    clock.set(NOON)


def removed(database: Database, statement: str) -> int:
    """Run a statement as the tables' owner until it finds nothing more; return how often it named a row."""
    rows = 0
    with database.owner() as connection:
        while (found := connection.execute(statement.encode()).rowcount) > 0:
            rows += found
    return rows


def days_of(database: Database, user: User) -> dict[int, tuple[int, int]]:
    """Return what is used and charged, by the number of days ago."""
    ledger = database.ledger(user)
    return {(NOON.date() - datetime.fromisoformat(day).date()).days: sums for day, sums in ledger.items()}


def test_old_days_go_with_their_charges_and_the_books_stay_balanced(short: Database, clock: Clock) -> None:
    """Only what is older than it is kept for; and what is left today is what was left before."""
    user = short.add_user(limit=5)
    used_on(short, clock, user, 400, 11, 10, 1, 0)
    assert removed(short, DAYS) == 2
    assert days_of(short, user) == {10: (2, 2), 1: (2, 2), 0: (2, 2)}
    functions = short.functions()
    answer = consume(functions, user.caller, 3)
    assert (answer.decision, answer.ticks_remaining) == (Decision.GRANTED, 0)
    assert consume(functions, user.caller, 1).decision is Decision.QUOTA_EXHAUSTED
    assert days_of(short, user)[0] == (5, 5)


def test_keys_hold_as_long_as_their_charges(short: Database, clock: Clock) -> None:
    """A key that is kept still stands for its request; one that is gone can be used, and charged, again."""
    user = short.add_user()
    used_on(short, clock, user, 11, 10)
    removed(short, DAYS)
    functions = short.functions()
    assert consume(functions, user.caller, 2, "10 days ago").decision is Decision.ALREADY_ACCEPTED
    assert consume(functions, user.caller, 2, "11 days ago").decision is Decision.GRANTED
    assert days_of(short, user) == {10: (2, 2), 0: (2, 2)}


def test_charges_can_go_alone_and_leave_the_history(short: Database, clock: Clock) -> None:
    """What was used on a day is still known when its charges no longer are; a late settlement finds nothing."""
    user = short.add_user()
    used_on(short, clock, user, 11)
    functions = short.functions()
    with short.owner() as connection:
        (row,) = connection.execute("select id::text from tick.charge").fetchall()
    used_on(short, clock, user, 10, 0)
    assert removed(short, CHARGES) == 1
    assert days_of(short, user) == {11: (2, 0), 10: (2, 2), 0: (2, 2)}
    assert settle(functions, ServiceRole(), row["id"], 0).outcome is SettleOutcome.NOT_FOUND
    assert days_of(short, user)[11] == (2, 0)


def test_charges_of_a_week_are_caught_up_with(short: Database, clock: Clock) -> None:
    """A job that did not run for some nights leaves nothing behind; what is older still is looked for by nobody."""
    user = short.add_user()
    used_on(short, clock, user, 18, 17, 12)
    assert removed(short, CHARGES) == 2
    assert days_of(short, user) == {18: (2, 2), 17: (2, 0), 12: (2, 0)}


@pytest.mark.parametrize("statement", [CHARGES, DAYS])
def test_today_is_safe_from_the_settings_and_the_time_zone(database: Database, clock: Clock, statement: str) -> None:
    """Today's count must never vanish, and from the world's first zone to its last today falls back by two dates."""
    database.run("update tick.settings set retention_days = 1, time_zone = 'Pacific/Kiritimati'")
    user = database.add_user(limit=2)
    clock.set(NOON.replace(hour=11))  # 01:00 of the next day there, 23:00 of the day before in the other one
    functions = database.functions()
    assert consume(functions, user.caller, 2).decision is Decision.GRANTED
    for days in range(KEPT + 1):
        clock.set(NOON.replace(hour=11) + timedelta(days=days))
        removed(database, statement)
        (sums,) = database.ledger(user).values()
        assert sums == (2, 2)
    clock.set_zone("Etc/GMT+12")
    removed(database, statement)
    assert len(database.ledger(user)) == 1


def test_removal_waits_for_nobody_and_nobody_for_it(short: Database, clock: Clock) -> None:
    """A day that somebody holds is left for the next time; while it runs, requests of the same user are counted."""
    held, other = short.add_user(), short.add_user()
    used_on(short, clock, held, 11)
    used_on(short, clock, other, 11)
    with short.owner() as holder, holder.transaction():
        holder.execute("select from public.user_daily_usage where user_id = %s for no key update", [held.id])
        with short.owner() as remover, remover.transaction():
            remover.execute("set local lock_timeout = '2s'")
            assert remover.execute(DAYS.encode()).rowcount == 1
            for user in (held, other):
                assert consume(short.functions(), user.caller, 1).decision is Decision.GRANTED
    assert days_of(short, held) == {11: (2, 2), 0: (1, 1)}
    assert days_of(short, other) == {0: (1, 1)}


@pytest.mark.parametrize("statement", [CHARGES, DAYS])
def test_nobody_but_the_owner_may_remove(database: Database, clock: Clock, statement: str) -> None:
    """The API's roles, the secret key's among them, can't."""
    for role in ("anon", "authenticated", "service_role"):
        with database.acting_as(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())
