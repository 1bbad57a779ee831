"""What tables may look like that tickctl takes over, and that nothing in them is lost."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adoption_support import ADA, BEN, EVE, GOOD_PROFILES, GOOD_USAGE, NOBODY, TUTORIAL, limits, prepare, rows_of, usage
from quota_support import Database, created
from schema_support import apply, apply_over, connected
from tickctl.adapters.embedded import Server
from tickctl.adapters.schema_check import Result, check
from tickctl.core.quota import Decision


@dataclass(frozen=True)
class Case:
    """Tables as somebody has made them.

    Attributes:
        made: SQL for tables and rows; users ADA, BEN and EVE exist.
        told: what the plan says, in any of its steps.
        limits: of ADA, BEN and EVE afterwards.
        usage: by user and day afterwards.
        kept: how many rows lie in tick.adopted afterwards.
        sign_up: whether a new user's profile can be told beforehand to have the default limit of 32.
    """

    made: str
    told: tuple[str, ...] = ()
    limits: tuple[int | None, int | None, int | None] = (32, 32, 32)
    usage: tuple[tuple[str, str, int], ...] = ()
    kept: int = 0
    default: int | None = 32


CASES = {
    "in order already": Case(
        GOOD_PROFILES + GOOD_USAGE + f"insert into profiles values ('{ADA}', null, 7)", (), (7, 32, 32)
    ),
    "a tutorial's profiles": Case(
        TUTORIAL,
        ("gets the column user_id, equal to id", "gets the column daily_tick_limit", "gets the column email"),
    ),
    "user ids without a key to the users": Case(
        f"""
        create table public.profiles (id uuid primary key default gen_random_uuid(), daily_tick_limit bigint);
        insert into public.profiles values ('{ADA}', 100), ('{BEN}', null), ('{NOBODY}', 5);
        """,
        (
            "1 row of public.profiles without a user",
            "is integer from now on, no longer bigint",
            "1 row with a limit of null, which means unlimited here",
        ),
        (100, None, 32),
        kept=1,
    ),
    "numbered rows": Case(
        f"""
        create table public.profiles (
            id serial primary key, user_id uuid not null, email varchar(255) not null,
            daily_tick_limit smallint not null
        );
        create table public.user_daily_usage (
            id uuid primary key, user_id uuid not null, usage_date date not null, ticks_used smallint not null
        );
        insert into public.profiles (user_id, email, daily_tick_limit) values
            ('{ADA}', 'old@example.com', 5), ('{BEN}', 'BEN@example.com', 0);
        insert into public.user_daily_usage values (gen_random_uuid(), '{ADA}', '2026-01-02', 9);
        """,
        (
            "public.profiles: (user_id) is unique",
            "public.user_daily_usage.id gets a value by itself",
            "1 row of public.profiles with another e-mail address",
            "1 row with a limit of 0, which means blocked here",
        ),
        (5, 0, 32),
        ((ADA, "2026-01-02", 9),),
        kept=1,
    ),
    "numbered by the application": Case(
        f"""
        create table public.profiles (id bigint primary key, user_id uuid, daily_tick_limit integer default 50);
        create table public.user_daily_usage (
            id integer primary key, user_id uuid, usage_date date, ticks_used integer);
        insert into public.profiles values (41, '{ADA}', 60);
        insert into public.user_daily_usage values (7, '{ADA}', '2026-01-02', 3);
        """,
        ("public.profiles.id gets a value by itself", "public.user_daily_usage.id gets a value by itself"),
        (60, 50, 50),
        ((ADA, "2026-01-02", 3),),
        default=50,
    ),
    "several rows of one user": Case(
        f"""
        create table public.profiles (user_id uuid, daily_tick_limit integer, note text);
        insert into public.profiles values
            ('{ADA}', 32, 'a'), ('{ADA}', 500, 'b'), ('{ADA}', 0, 'c'), ('{BEN}', 10, 'd'), ('{BEN}', null, 'e'),
            ('{BEN}', 999, 'f'), (null, 5, 'g'), ('{NOBODY}', 6, 'h'), ('{NOBODY}', 7, 'i');
        """,
        ("4 rows of public.profiles into that of the same user", "3 rows of public.profiles without a user"),
        (500, None, 32),
        kept=7,
    ),
    "several rows of one day": Case(
        f"""
        create table public.user_daily_usage (user_id uuid, usage_date date, ticks_used integer);
        insert into public.user_daily_usage values
            ('{ADA}', '2026-01-02', 3), ('{ADA}', '2026-01-02', 4), ('{ADA}', '2026-01-02', null),
            ('{ADA}', '2026-01-03', 1), ('{BEN}', '2026-01-02', 2147483647), ('{BEN}', '2026-01-02', 2147483647),
            (null, '2026-01-02', 5), ('{NOBODY}', '2026-01-02', 6), ('{ADA}', null, 7);
        """,
        ("3 rows of public.user_daily_usage into others", "3 rows of public.user_daily_usage without a user"),
        usage=((ADA, "2026-01-02", 7), (ADA, "2026-01-03", 1), (BEN, "2026-01-02", 4294967294)),
        kept=6,
    ),
    "everything is text": Case(
        f"""
        create table public.profiles (user_id varchar(36) primary key, daily_tick_limit text default '40');
        create table public.user_daily_usage (
            user_id text, usage_date text, ticks_used text default '0', primary key (user_id, usage_date)
        );
        create policy profiles_read_own on public.profiles using (user_id = auth.uid()::text);
        insert into public.profiles values ('{ADA}', ' 64 '), ('{BEN.upper()}', null), ('{NOBODY}', '8');
        insert into public.user_daily_usage values
            (E'{ADA}\n', '2026-01-02', '5'), ('{ADA}', ' 2026-01-02', '6.0'), ('{NOBODY}', '2026-01-02', '5');
        """,
        ("stays 40 by default", "is uuid from now on", "is date from now on"),
        (64, None, 40),
        ((ADA, "2026-01-02", 11),),
        kept=3,
        default=40,
    ),
    "times instead of days": Case(
        f"""
        create table public.user_daily_usage (
            user_id uuid references auth.users (id), usage_date timestamptz not null default now(),
            ticks_used numeric(10, 2)
        );
        set time zone 'Asia/Tokyo';
        insert into public.user_daily_usage values
            ('{ADA}', '2026-01-02T23:59:59Z', 1), ('{ADA}', '2026-01-02T00:00:00Z', 2),
            ('{ADA}', '2026-01-03T00:00:00Z', 4);
        """,
        (
            "is date from now on, no longer timestamp with time zone; the time of day goes",
            "1 row of public.user_daily_usage",
        ),
        usage=((ADA, "2026-01-02", 3), (ADA, "2026-01-03", 4)),
        kept=1,
    ),
    "local times instead of days": Case(
        f"""
        create table public.user_daily_usage (user_id uuid, usage_date timestamp, ticks_used double precision);
        insert into public.user_daily_usage values ('{ADA}', '2026-01-02 00:00', 1), ('{ADA}', '2026-01-02 13:00', 2);
        """,
        usage=((ADA, "2026-01-02", 3),),
        kept=1,
    ),
    "constraints in the way": Case(
        f"""
        create table public.profiles (
            user_id uuid primary key references auth.users (id) on delete restrict, email text unique,
            daily_tick_limit integer default 32 check (daily_tick_limit > 0 and daily_tick_limit < 100),
            plan text default 'free' check (plan in ('free', 'paid')), unique (plan, user_id)
        );
        create unique index one_address on public.profiles (lower(email));
        create table public.user_daily_usage (
            user_id uuid primary key references public.profiles (user_id), usage_date date not null unique,
            ticks_used integer not null default 0 check (ticks_used <= 32)
        );
        insert into public.profiles values ('{ADA}', 'a', 99, 'paid');
        insert into public.user_daily_usage values ('{ADA}', '2026-01-02', 32);
        """,
        (
            "CHECK (((daily_tick_limit > 0)",
            "profiles_email_key",
            "one_address",
            "user_daily_usage_usage_date_key",
            "CHECK ((ticks_used <= 32))",
            "(user_id, usage_date) is unique",
        ),
        (99, 32, 32),
        ((ADA, "2026-01-02", 32),),
        kept=1,
    ),
    "a check that was never asked": Case(
        GOOD_PROFILES.replace(
            ",\n    constraint profiles_daily_tick_limit_in_range check (daily_tick_limit between 0 and 1000000000)", ""
        )
        + "alter table public.profiles add constraint profiles_daily_tick_limit_in_range"
        " check (daily_tick_limit < 5) not valid;"
        f"insert into public.profiles values ('{ADA}', null, 4)",
        ("limits are from 0 to 1000000000",),
        (4, 32, 32),
    ),
    "a default of nothing": Case(
        "create table public.profiles (user_id uuid primary key, daily_tick_limit integer)",
        ("daily_tick_limit is 32 by default",),
    ),
    "blocked by default": Case(
        "create table public.profiles (user_id uuid primary key, daily_tick_limit integer default 0)",
        (),
        (0, 0, 0),
        default=0,
    ),
    "unlogged": Case("create unlogged table public.profiles (user_id uuid primary key)", ("it was unlogged",)),
}


@pytest.mark.parametrize("name", CASES)
def test_tables_are_taken_over_with_all_they_hold(bare_database: Database, name: str) -> None:
    """Limits, usage and rows are as before; afterwards the proof holds, and users are served."""
    case = CASES[name]
    prepare(bare_database, case.made)
    done = apply(bare_database)
    texts = [step.text for step in done.steps]
    assert [told for told in case.told if not any(told in text for text in texts)] == [], texts
    with connected(bare_database) as connection:
        assert (limits(connection), usage(connection)) == (case.limits, case.usage)
        assert connection.execute("select count(*) from tick.adopted where table_name <> 'pg_proc'").fetchone() == (
            case.kept,
        )
        emails = (
            "select count(*) from public.profiles as p join auth.users as u on u.id = p.user_id and u.email = p.email"
        )
        assert connection.execute(emails.encode()).fetchone() == (3,)
        found = check(connection)
        assert [finding for finding in found if finding.result is Result.BROKEN] == []
    late = bare_database.add_user("late@example.com")
    with connected(bare_database) as connection:
        assert limits(connection, [late.id]) == (case.default,)
        connection.execute("update public.profiles set daily_tick_limit = 3 where user_id = %s", [late.id])
        connection.execute("delete from auth.users where id = %s", [BEN])
        left = connection.execute("select count(*) from public.profiles where user_id = %s", [BEN]).fetchone()
        assert left == (0,)
    for cost, decision in ((2, Decision.GRANTED), (2, Decision.QUOTA_EXHAUSTED)):
        answer = bare_database.functions().call("consume_ticks", {"ticks": cost}, caller=late.caller)
        assert answer[0]["decision"] == decision


# Tables of two columns that matter, in all the forms that they may have; rows of known, unknown and no users.
_WHOSE = st.sampled_from([ADA, BEN, EVE, NOBODY, None])
_DAYS = st.sampled_from(["2026-01-02", "2026-01-03", None])
_LIMITS = st.one_of(st.none(), st.integers(0, 30_000))
_TYPES = st.sampled_from(["smallint", "integer", "bigint", "numeric", "real", "text"])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    profiles=st.lists(st.tuples(_WHOSE, _LIMITS), max_size=8),
    days=st.lists(st.tuples(_WHOSE, _DAYS, _LIMITS), max_size=12),
    limit_type=_TYPES,
    ticks_type=_TYPES,
    user_type=st.sampled_from(["uuid", "text"]),
    date_type=st.sampled_from(["date", "text", "timestamp", "timestamptz"]),
)
def test_whatever_the_rows_nothing_is_lost(
    three_users: Database,
    profiles: list[tuple[str | None, int | None]],
    days: list[tuple[str | None, str | None, int | None]],
    limit_type: str,
    ticks_type: str,
    user_type: str,
    date_type: str,
) -> None:
    """Each known user keeps the highest limit and the sum of each day; every row is there or in tick.adopted."""
    known = (ADA, BEN, EVE)
    with connected(three_users) as connection, connection.transaction(force_rollback=True):
        connection.execute("set local time zone 'Pacific/Apia'")
        connection.execute(
            f"create table public.profiles (user_id {user_type}, daily_tick_limit {limit_type});"
            f"create table public.user_daily_usage"
            f" (user_id {user_type}, usage_date {date_type}, ticks_used {ticks_type})".encode()
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                f"insert into public.profiles values (%s::{user_type}, %s::{limit_type})".encode(), profiles
            )
            utc = [
                (who, day and f"{day} 12:00Z" if date_type == "timestamptz" else day, used) for who, day, used in days
            ]
            values = f"(%s::{user_type}, %s::{date_type}, %s::{ticks_type})"
            cursor.executemany(f"insert into public.user_daily_usage values {values}".encode(), utc)
        apply_over(connection)
        expected = tuple(
            (None if None in own else max(own)) if (own := [limit for who, limit in profiles if who == user]) else 32
            for user in known
        )
        assert limits(connection) == expected
        sums: Counter[tuple[str, str]] = Counter()
        for who, day, used in days:
            if who in known and day:
                sums[who, day] += used or 0
        assert usage(connection) == tuple((who, day, used) for (who, day), used in sorted(sums.items()))
        made = len(known) - len({who for who, _ in profiles if who in known})
        assert rows_of(connection) == len(profiles) + len(days) + made


@pytest.fixture(scope="module")
def three_users(server: Server, bare_template: str) -> Iterator[Database]:
    """A project's database without tables of its own, for tests that roll back."""
    with created(server, bare_template) as made:
        prepare(made, "select")
        yield made
