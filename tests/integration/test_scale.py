"""However many users there are, what is asked about a few looks at a few: counted in rows, not in seconds."""

from collections.abc import Iterator
from typing import Any, Final

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from quota_support import Database
from tickctl.adapters import schema

USERS: Final = 3000
PAGE: Final = 20
A_FEW: Final = 500
"""Rows of any table that a page may look at: about a dozen for each user that it shows."""

# One user in ten of each kind, spread over the alphabet, thirty days of usage, an audit log of some length.
CROWD: Final = f"""
insert into auth.users (id, instance_id, email, email_confirmed_at, banned_until)
select gen_random_uuid(), '00000000-0000-0000-0000-000000000000', to_hex(hashint4(i)) || '@example.com',
    case when i % 10 <> 1 then timestamptz '2020-01-01Z' end, case when i % 10 = 2 then timestamptz '2099-01-01Z' end
from generate_series(1, {USERS}) as i;
create table public.numbered as select id as user_id, email, row_number() over (order by email) as i from auth.users;
update public.profiles as p
set daily_tick_limit = case n.i % 10 when 3 then null when 4 then 0 else 32 end
from public.numbered as n where n.user_id = p.user_id;
insert into public.user_daily_usage (user_id, usage_date, ticks_used)
select n.user_id, t.usage_date - back, case n.i % 10 when 5 then 32 else 1 end
from public.numbered as n cross join tick.today as t cross join generate_series(0, 29) as back;
grant all on public.numbered to postgres;
insert into tick.audit (at, action, actor, user_id, email, before, after)
select now(), 'grant', 'x', n.user_id, n.email, '{{}}', '{{}}'
from public.numbered as n cross join generate_series(1, 5);
"""


@pytest.fixture(scope="module")
def crowd(shared_database: Database) -> Iterator[psycopg.Connection[DictRow]]:
    """A connection of the owner to a database with many users."""
    with shared_database.superuser() as connection:
        connection.execute(CROWD.encode())
        connection.execute("vacuum analyze")
    with shared_database.owner() as connection:
        yield connection


def rows_read(connection: psycopg.Connection[DictRow], query: str, *values: object) -> tuple[list[DictRow], int]:
    """Return the rows that a query gives, and how many rows of tables it looked at."""
    with connection.transaction(force_rollback=True):
        before = _counter(connection, "seq_tup_read + coalesce(idx_tup_fetch, 0)")
        rows = connection.execute(query.encode(), values).fetchall()
        return rows, _counter(connection, "seq_tup_read + coalesce(idx_tup_fetch, 0)") - before


def _counter(connection: psycopg.Connection[Any], what: str) -> int:
    """Return what this session has counted and not yet reported: so it takes differences."""
    query = f"select coalesce(sum({what}), 0)::integer as n from pg_stat_xact_user_tables"
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query.encode()).fetchone()
    assert row is not None
    return int(row["n"])


def email_of(connection: psycopg.Connection[DictRow], number: int) -> Any:
    """Return the e-mail of the user with this number in the order of e-mails."""
    query = "select email from public.numbered where i = %s"
    row = connection.execute(query, [number]).fetchone()
    assert row is not None
    return row["email"]


@pytest.mark.parametrize("start", ["first", "middle"])
def test_a_page_looks_at_no_more_users_than_it_shows(crowd: psycopg.Connection[DictRow], start: str) -> None:
    """Without a filter, at the beginning and in the middle."""
    after = email_of(crowd, USERS // 2) if start == "middle" else None
    rows, read = rows_read(
        crowd,
        "select * from public.tick_admin_list(%s, page_size => %s, after_key => %s, after_id => %s)",
        "all",
        PAGE,
        after,
        after and "ffffffff-ffff-4fff-bfff-ffffffffffff",
    )
    assert len(rows) == PAGE
    assert read < A_FEW


@pytest.mark.parametrize("kind", ["exhausted", "unlimited", "blocked", "unconfirmed", "banned"])
def test_a_filter_looks_at_each_user_a_few_times_at_most(crowd: psycopg.Connection[DictRow], kind: str) -> None:
    """It may grow with the number of users, and not with its square, nor with the days of usage."""
    rows, read = rows_read(crowd, "select * from public.tick_admin_list(%s, page_size => %s)", kind, PAGE)
    assert len(rows) == PAGE
    assert read < 8 * USERS


@pytest.mark.parametrize(
    "query",
    [
        "select * from public.tick_admin_show(%s)",
        "select * from public.tick_admin_overview(%s)",
        "select * from public.tick_admin_user(%s)",
        "select * from public.tick_admin_history(%s, 30)",
        "select * from public.tick_admin_suggest('x' || %s::text)",
        "select * from public.tick_admin_audit(%s)",
        "select * from public.tick_admin_set_limit(%s, 7)",
        "select * from public.tick_admin_grant(%s, 7)",
        "select * from public.tick_admin_reset(%s)",
        "select * from public.tick_admin_resolve(jsonb_build_array(%s::text))",
    ],
)
def test_one_user_s_affairs_look_at_one_user(crowd: psycopg.Connection[DictRow], query: str) -> None:
    """Named by e-mail, which is the longer way."""
    rows, read = rows_read(crowd, query, email_of(crowd, 1234))
    assert rows
    assert read < 2 * A_FEW


def test_an_import_looks_its_users_up_one_by_one(crowd: psycopg.Connection[DictRow]) -> None:
    """Not everybody, for each part of the file."""
    emails = [email_of(crowd, number) for number in range(100, 110)]
    rows, read = rows_read(
        crowd, "select * from public.tick_admin_resolve(to_jsonb(%s::text[])) where user_id is not null", emails
    )
    assert [row["email"] for row in rows] == emails
    assert read < A_FEW


def test_the_whole_log_is_read_from_its_end(crowd: psycopg.Connection[DictRow]) -> None:
    """A page of it, not all of it."""
    rows, read = rows_read(crowd, "select * from public.tick_admin_audit(page_size => %s)", PAGE)
    assert len(rows) == PAGE
    assert read < A_FEW


def test_top_looks_at_the_days_it_was_asked_for(crowd: psycopg.Connection[DictRow]) -> None:
    """The other days' usage may have grown as it likes."""
    rows, read = rows_read(crowd, "select * from public.tick_admin_top(1, 10)")
    assert [row["ticks_used"] for row in rows] == [32] * 10
    assert read < USERS + A_FEW


def test_counting_touches_no_index(crowd: psycopg.Connection[DictRow]) -> None:
    """An update of the day's row stays in its page (heap-only), whatever indexes there are."""
    counters = ("n_tup_upd", "n_tup_hot_upd")
    with crowd.transaction(force_rollback=True):
        before = [_counter(crowd, counter) for counter in counters]
        crowd.execute("update public.user_daily_usage set ticks_used = ticks_used + 1 where ctid = '(0,1)'")
        assert [_counter(crowd, counter) for counter in counters] == [n + 1 for n in before]


def test_an_up_to_date_schema_is_told_without_looking_at_anybody(
    shared_database: Database, crowd: psycopg.Connection[DictRow]
) -> None:
    """`schema apply` with nothing to do reads the catalogue, whatever the tables hold."""
    del crowd  # it is there
    with psycopg.connect(shared_database.postgres_url, autocommit=True) as connection:
        before = _counter(connection, "seq_tup_read + coalesce(idx_tup_fetch, 0)")
        assert not schema.apply(connection).steps
        assert _counter(connection, "seq_tup_read + coalesce(idx_tup_fetch, 0)") - before < USERS
