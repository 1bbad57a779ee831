"""Two requests at once, brought to the same point one after the other, so that each race has one outcome to test."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
from psycopg.rows import DictRow

from quota_support import Database, User
from tickctl.core.quota import Consumption, Decision, ServiceRole, consume, settle


@contextmanager
def day_locked(database: Database, user: User) -> Iterator[psycopg.Connection[DictRow]]:
    """Hold the user's row of the day, so that whoever counts on it has looked and waits."""
    consume(database.functions(), user.caller, 1)
    with database.owner() as holder, holder.transaction():
        holder.execute("select from public.user_daily_usage where user_id = %s for update", [user.id])
        yield holder


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads to make requests in."""
    with ThreadPoolExecutor(4) as threads:
        yield threads


def start(
    pool: ThreadPoolExecutor, database: Database, user: User, ticks: int, key: str | None = None
) -> Future[Consumption]:
    """Make a request on a connection of its own."""
    return pool.submit(consume, database.functions(), user.caller, ticks, key)


@pytest.mark.parametrize("key", [None, "key"])
def test_what_others_used_while_waiting_counts(database: Database, pool: ThreadPoolExecutor, key: str | None) -> None:
    """The request looked when there was enough, and is refused by the guard; nothing of it stays."""
    user = database.add_user(limit=10)
    with day_locked(database, user) as holder:
        request = start(pool, database, user, 5, key)
        database.wait_for_lock()
        holder.execute("update public.user_daily_usage set ticks_used = 6")
        holder.execute("update tick.charge set ticks = 6")
    answer = request.result(10)
    assert (answer.decision, answer.ticks_used, answer.charge_id) == (Decision.QUOTA_EXHAUSTED, 6, None)
    with database.owner() as connection:
        assert connection.execute("select count(*) as n from tick.charge").fetchone() == {"n": 1}


def test_what_was_granted_to_the_day_while_waiting_counts_too(database: Database, pool: ThreadPoolExecutor) -> None:
    """The guard reads the grant in the row that it counts on."""
    user = database.add_user(limit=10)
    with day_locked(database, user) as holder:
        request = start(pool, database, user, 9)
        database.wait_for_lock()
        holder.execute("update public.user_daily_usage set ticks_used = 6, ticks_granted = 5")
    answer = request.result(10)
    assert (answer.decision, answer.ticks_granted, answer.ticks_remaining) == (Decision.GRANTED, 5, 0)


def test_of_two_requests_with_one_key_one_is_granted(database: Database, pool: ThreadPoolExecutor) -> None:
    """The second waits for the first, and is told of its charge even though nothing is left for itself."""
    user = database.add_user(limit=6)
    with day_locked(database, user):
        first = start(pool, database, user, 5, "key")
        database.wait_for_lock()
        second = start(pool, database, user, 5, "key")
        database.wait_for_lock(2)
    granted, accepted = first.result(10), second.result(10)
    assert (granted.decision, accepted.decision) == (Decision.GRANTED, Decision.UNDER_WAY)
    assert granted.charge_id == accepted.charge_id
    assert list(database.ledger(user).values()) == [(6, 6)]


def test_a_key_whose_first_request_is_refused_is_free_for_the_second(
    database: Database, pool: ThreadPoolExecutor
) -> None:
    """The second is another request under the same key, which never stood for the first."""
    user = database.add_user(limit=10)
    with day_locked(database, user) as holder:
        first = start(pool, database, user, 9, "key")
        database.wait_for_lock()
        second = start(pool, database, user, 4, "key")
        database.wait_for_lock(2)
        holder.execute("update public.user_daily_usage set ticks_used = 6")
        holder.execute("update tick.charge set ticks = 6")
    assert first.result(10).decision is Decision.QUOTA_EXHAUSTED
    assert second.result(10).decision is Decision.GRANTED
    assert list(database.ledger(user).values()) == [(10, 10)]


@pytest.mark.parametrize("key", [None, "key"])
def test_a_user_deleted_while_the_request_waits_is_not_found(
    database: Database, pool: ThreadPoolExecutor, key: str | None
) -> None:
    """Neither an error nor a charge that belongs to nobody."""
    user = database.add_user()
    consume(database.functions(), user.caller, 1)
    with database.superuser() as holder, holder.transaction():
        holder.execute("delete from auth.users where id = %s", [user.id])
        request = start(pool, database, user, 5, key)
        database.wait_for_lock()
    assert request.result(10).decision is Decision.USER_NOT_FOUND
    with database.owner() as connection:
        assert connection.execute("select from tick.charge").fetchall() == []


def test_a_user_deleted_while_the_first_request_of_the_day_waits_is_not_found(
    database: Database, pool: ThreadPoolExecutor
) -> None:
    """The row of the day can't be made any more; that, too, is an answer and not an error."""
    user = database.add_user()
    with database.superuser() as holder, holder.transaction():
        holder.execute("delete from auth.users where id = %s", [user.id])
        request = start(pool, database, user, 5)
        database.wait_for_lock()
    assert request.result(10).decision is Decision.USER_NOT_FOUND


def test_two_settlements_at_once_give_back_once(database: Database, pool: ThreadPoolExecutor) -> None:
    """Both wait for the day; the second then meets a settled charge."""
    user = database.add_user()
    charge = consume(database.functions(), user.caller, 10).charge_id
    assert charge is not None
    with day_locked(database, user):
        both = [pool.submit(settle, database.functions(), ServiceRole(), charge, actual) for actual in (3, 4)]
        database.wait_for_lock(2)
    outcomes = sorted(settlement.result(10).outcome for settlement in both)
    assert outcomes == ["already_settled", "settled"]
    ((used, charged),) = database.ledger(user).values()
    assert used == charged in (4, 5)


def test_a_reset_and_a_settlement_at_once_forget_once(database: Database, pool: ThreadPoolExecutor) -> None:
    """Whichever comes first, the books stay balanced."""
    user = database.add_user()
    charge = consume(database.functions(), user.caller, 10).charge_id
    assert charge is not None
    with day_locked(database, user):
        reset = pool.submit(database.admin().reset, user.id)
        database.wait_for_lock()
        settlement = pool.submit(settle, database.functions(), ServiceRole(), charge, 4)
        database.wait_for_lock(2)
    assert reset.result(10).ticks_used == 0
    assert settlement.result(10).outcome == "already_settled"
    assert list(database.ledger(user).values()) == [(0, 0)]
