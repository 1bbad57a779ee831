"""What tables may look like that are there before tickctl, and that nothing in them is lost or touched."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adoption_support import (
    ADA,
    BEN,
    EVE,
    GOOD_PROFILES,
    GOOD_USAGE,
    NOBODY,
    TUTORIAL,
    limits,
    prepare,
    profiles,
    rows_of,
    usage,
)
from check_support import broken
from quota_support import Database, created
from schema_support import apply, apply_over, catalogue, connected
from tickctl.adapters import schema
from tickctl.adapters.embedded import Server
from tickctl.adapters.schema import StepKind
from tickctl.adapters.schema_check import Result, check
from tickctl.core.quota import Decision

RLS = "profiles-row-security"


@dataclass(frozen=True)
class Case:
    """Tables as somebody has made them.

    Attributes:
        made: SQL for tables and rows; users ADA, BEN and EVE exist.
        told: what the plan says, in any of its steps.
        limits: of ADA, BEN and EVE afterwards.
        usage: by user and day afterwards.
        kept: how many rows lie in tick.adopted afterwards.
        default: the limit of a new user.
        broken: what `schema check` finds afterwards, that is for the project to change.
        unknown: what can't be found out, since new users get no profile.
        stuck: why `schema remove` can't undo some step.
    """

    made: str
    told: tuple[str, ...] = ()
    limits: tuple[int | None, int | None, int | None] = (32, 32, 32)
    usage: tuple[tuple[str, str, int], ...] = ()
    kept: int = 0
    default: int | None = 32
    broken: frozenset[str] = frozenset({RLS})
    unknown: frozenset[str] = frozenset()
    stuck: tuple[str, ...] = ()


ENABLE = "alter table public.profiles enable row level security;"
# public.profiles is tickctl's own, strict table.
STRICT: frozenset[str] = frozenset()

CASES = {
    "in order already": Case(
        GOOD_PROFILES + GOOD_USAGE + f"insert into profiles values ('{ADA}', null, 7);" + ENABLE,
        limits=(7, 32, 32),
        broken=frozenset(),
    ),
    "a tutorial's profiles": Case(TUTORIAL, ("public.profiles gets the column daily_tick_limit, 32 in every row",)),
    "user ids without a key to the users": Case(
        f"""
        create table public.profiles (id uuid primary key default gen_random_uuid(), daily_tick_limit bigint);
        insert into public.profiles values ('{ADA}', 100), ('{BEN}', null), ('{NOBODY}', 5);
        """,
        ("is integer from now on, no longer bigint", "1 row with a limit of null, which means unlimited here"),
        (100, None, 32),
    ),
    "a column of another name": Case(
        f"""
        create table public.profiles (
            id bigint generated always as identity primary key, account uuid unique references auth.users (id),
            invited_by uuid references auth.users (id), daily_tick_limit integer default 8
        );
        insert into public.profiles (account, invited_by) values ('{ADA}', '{BEN}'), ('{EVE}', '{BEN}');
        """,
        limits=(8, 8, 8),
        default=8,
    ),
    "an id beside references to others": Case(
        f"""
        create table public.profiles (
            id uuid primary key, invited_by uuid references auth.users (id), daily_tick_limit integer default 8
        );
        insert into public.profiles values ('{ADA}', '{BEN}', 1), ('{EVE}', '{BEN}', 2);
        """,
        limits=(1, 8, 2),
        default=8,
    ),
    "an id of its own": Case(
        f"""
        create table public.profiles (
            id uuid primary key default gen_random_uuid(), owner uuid not null references auth.users (id)
        );
        insert into public.profiles (owner) values ('{ADA}'), ('{BEN}');
        """,
        ("public.profiles: owner is unique", "gets the column daily_tick_limit"),
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
            "public.profiles: user_id is unique",
            "public.profiles.daily_tick_limit may be null: unlimited",
            "public.user_daily_usage.id gets a value by itself",
            "1 row with a limit of 0, which means blocked here",
        ),
        (5, 0, 32),
        ((ADA, "2026-01-02", 9),),
        unknown=frozenset({"throw-away-rows"}),
    ),
    "numbered by the application": Case(
        f"""
        create table public.profiles (id bigint primary key, user_id uuid, daily_tick_limit integer default 50);
        create table public.user_daily_usage (
            id integer primary key, user_id uuid, usage_date date, ticks_used integer);
        insert into public.profiles values (41, '{ADA}', 60);
        insert into public.user_daily_usage values (7, '{ADA}', '2026-01-02', 3);
        """,
        ("public.user_daily_usage.id gets a value by itself",),
        (60, 50, 50),
        ((ADA, "2026-01-02", 3),),
        default=50,
        unknown=frozenset({"throw-away-rows"}),
    ),
    "rows of nobody": Case(
        f"""
        create table public.profiles (user_id uuid, daily_tick_limit integer, note text);
        insert into public.profiles values
            ('{ADA}', 500, 'b'), ('{BEN}', null, 'e'), (null, 5, 'g'), (null, 5, 'g'), ('{NOBODY}', 6, 'h');
        """,
        ("public.profiles: user_id is unique", "public.profiles: 1 row with a limit of null"),
        (500, None, 32),
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
        broken=STRICT,
        stuck=('value "4294967294" is out of range for type integer',),
    ),
    "everything is text": Case(
        f"""
        create table public.profiles (user_id uuid primary key, daily_tick_limit text default '40');
        create table public.user_daily_usage (
            user_id text, usage_date text, ticks_used text default '0', primary key (user_id, usage_date)
        );
        insert into public.profiles values ('{ADA}', ' 64 '), ('{BEN}', null), ('{NOBODY}', '8');
        insert into public.user_daily_usage values
            (E'{ADA}\n', '2026-01-02', '5'), ('{ADA.upper()}', ' 2026-01-02', '6.0'), ('{NOBODY}', '2026-01-02', '5');
        """,
        (
            "daily_tick_limit is integer from now on, no longer text",
            "user_id is uuid from now on, no longer text",
            "usage_date is date from now on, no longer text",
            "ticks_used is bigint from now on, no longer text",
        ),
        (64, None, 40),
        ((ADA, "2026-01-02", 11),),
        kept=2,
        default=40,
    ),
    "a limit of a domain": Case(
        f"""
        create domain public.ticks as integer default 5 check (value >= 0);
        create table public.profiles (id uuid primary key references auth.users (id), daily_tick_limit public.ticks);
        insert into public.profiles values ('{ADA}', 9);
        """,
        ("is integer from now on, no longer public.ticks", "daily_tick_limit is 32 by default"),
        (9, 32, 32),
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
        broken=STRICT,
    ),
    "local times instead of days": Case(
        f"""
        create table public.user_daily_usage (user_id uuid, usage_date timestamp, ticks_used double precision);
        insert into public.user_daily_usage values ('{ADA}', '2026-01-02 00:00', 1), ('{ADA}', '2026-01-02 13:00', 2);
        """,
        usage=((ADA, "2026-01-02", 3),),
        kept=1,
        broken=STRICT,
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
        create unique index one_day on public.user_daily_usage (usage_date) where ticks_used > 0;
        insert into public.profiles values ('{ADA}', 'a', 99, 'paid');
        insert into public.user_daily_usage values ('{ADA}', '2026-01-02', 32);
        """,
        (
            "decides which limits can be set: CHECK (((daily_tick_limit > 0)",
            "user_daily_usage_usage_date_key",
            "CHECK ((ticks_used <= 32))",
            "index public.one_day goes",
            "(user_id, usage_date) is unique",
        ),
        (99, 32, 32),
        ((ADA, "2026-01-02", 32),),
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
    "no default": Case(
        "create table public.profiles (user_id uuid primary key, daily_tick_limit integer)",
        ("daily_tick_limit is 32 by default",),
    ),
    "a default that is computed": Case(
        "create table public.profiles (user_id uuid primary key, daily_tick_limit integer default 4 + 5)",
        ("daily_tick_limit is 32 by default, no longer (4 + 5)",),
    ),
    "blocked by default": Case(
        "create table public.profiles (user_id uuid primary key, daily_tick_limit integer default 0)",
        limits=(0, 0, 0),
        default=0,
    ),
    "unlogged": Case(
        "create unlogged table public.profiles (user_id uuid primary key);"
        + GOOD_USAGE.replace("table", "unlogged table"),
        ("public.user_daily_usage survives a crash from now on: it was unlogged",),
    ),
    "a key that is checked later": Case(
        f"""
        create table public.profiles (
            id uuid references auth.users (id) unique deferrable initially deferred, handle text primary key
        );
        insert into public.profiles values ('{ADA}', 'ada');
        """,
        unknown=frozenset({"throw-away-rows"}),
    ),
    "a key for some rows": Case(
        f"""
        create table public.profiles (id uuid references auth.users (id), deleted_at timestamptz);
        create unique index living on public.profiles (id) where deleted_at is null;
        insert into public.profiles values ('{ADA}', null);
        """,
        ("public.profiles: id is unique",),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_tables_are_adopted_with_all_they_hold(bare_database: Database, name: str) -> None:
    """Limits, usage and rows are as before; users are served; removing gives the tables back as they were."""
    case = CASES[name]
    prepare(bare_database, case.made)
    with connected(bare_database) as connection:
        had_profiles = connection.execute("select to_regclass('public.profiles') is not null").fetchone() == (True,)
        before = profiles(connection) if had_profiles else []
        shape = [line for line in catalogue(connection) if "user_daily_usage" not in line]
    done = apply(bare_database)
    texts = [step.text for step in done.steps]
    assert [told for told in case.told if not any(told in text for text in texts)] == [], texts
    with connected(bare_database) as connection:
        assert (limits(connection), usage(connection)) == (case.limits, case.usage)
        assert not had_profiles or profiles(connection) == before
        kept = connection.execute("select count(*) from tick.adopted where undo is null").fetchone()
        assert kept == (case.kept,)
        found = check(connection)
        assert broken(found) == case.broken
        assert {finding.id for finding in found if finding.result is Result.UNKNOWN} == case.unknown
    late = bare_database.add_user("late@example.com")
    with connected(bare_database) as connection:
        assert limits(connection, [late.id]) == (case.default,)
        bare_database.admin().set_limit(late.id, 3)
        assert limits(connection, [late.id]) == (3,)
    for cost, decision in ((2, Decision.GRANTED), (2, Decision.QUOTA_EXHAUSTED)):
        arguments = {"ticks": cost, "charge_id": str(uuid4())}
        answer = bare_database.functions().call("consume_ticks", arguments, caller=late.caller)
        assert answer[0]["decision"] == decision
    with connected(bare_database) as connection:
        removed = schema.remove(connection)
        stuck = [step.text for step in removed.steps if "can't be undone" in step.text]
        assert len(stuck) == len(case.stuck), stuck
        assert all(why in text for why, text in zip(case.stuck, stuck, strict=True))
        if had_profiles:
            after = [line for line in catalogue(connection) if "user_daily_usage" not in line]
            assert [line for line in after if "tickctl_adopted" not in line] == shape


def test_a_deferred_key_gets_no_stricter_one(bare_database: Database) -> None:
    """Code that relies on a check at the end of the transaction goes on working."""
    prepare(
        bare_database,
        "create table public.profiles (id uuid, user_id uuid references auth.users (id), n integer,"
        " primary key (id), unique (user_id, n) deferrable initially deferred);",
    )
    apply(bare_database)
    with connected(bare_database) as connection:
        key = "select condeferrable from pg_constraint where conname = 'profiles_tickctl_key'"
        assert connection.execute(key).fetchone() == (False,)


# A table of the columns that matter, in all the forms that they may have; rows of known, unknown and no users.
_WHOSE = st.sampled_from([ADA, BEN, EVE, NOBODY, None])
_DAYS = st.sampled_from(["2026-01-02", "2026-01-03", None])
_LIMITS = st.one_of(st.none(), st.integers(0, 30_000))
_TYPES = st.sampled_from(["smallint", "integer", "bigint", "numeric", "real", "text"])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    people=st.lists(st.tuples(_WHOSE, _LIMITS), max_size=6, unique_by=lambda row: row[0] or object()),
    days=st.lists(st.tuples(_WHOSE, _DAYS, _LIMITS), max_size=12),
    limit_type=_TYPES,
    ticks_type=_TYPES,
    user_type=st.sampled_from(["uuid", "text"]),
    date_type=st.sampled_from(["date", "text", "timestamp", "timestamptz"]),
)
def test_whatever_the_rows_nothing_is_lost(
    three_users: Database,
    people: list[tuple[str | None, int | None]],
    days: list[tuple[str | None, str | None, int | None]],
    limit_type: str,
    ticks_type: str,
    user_type: str,
    date_type: str,
) -> None:
    """Profiles stay row by row; each known user keeps the sum of each day; every row is there or in tick.adopted."""
    known = (ADA, BEN, EVE)
    with connected(three_users) as connection, connection.transaction(force_rollback=True):
        connection.execute("set local time zone 'Pacific/Apia'")
        connection.execute(
            f"create table public.profiles (user_id uuid, daily_tick_limit {limit_type});"
            f"create table public.user_daily_usage"
            f" (user_id {user_type}, usage_date {date_type}, ticks_used {ticks_type})".encode()
        )
        with connection.cursor() as cursor:
            cursor.executemany(f"insert into public.profiles values (%s::uuid, %s::{limit_type})".encode(), people)
            utc = [
                (who, day and f"{day} 12:00Z" if date_type == "timestamptz" else day, used) for who, day, used in days
            ]
            values = f"(%s::{user_type}, %s::{date_type}, %s::{ticks_type})"
            cursor.executemany(f"insert into public.user_daily_usage values {values}".encode(), utc)
        done = apply_over(connection)
        assert not any(
            step.kind in {StepKind.MERGE, StepKind.ARCHIVE} and "profiles" in step.text for step in done.steps
        )
        assert limits(connection) == tuple(dict(people).get(user, 32) for user in known)
        stored = connection.execute("select user_id::text, daily_tick_limit from public.profiles").fetchall()
        assert Counter(stored) == Counter(people)
        sums: Counter[tuple[str, str]] = Counter()
        for who, day, used in days:
            if who in known and day:
                sums[who, day] += used or 0
        assert usage(connection) == tuple((who, day, used) for (who, day), used in sorted(sums.items()))
        assert rows_of(connection) == len(people) + len(days)


@pytest.fixture(scope="module")
def three_users(server: Server, bare_template: str) -> Iterator[Database]:
    """A project's database without tables of its own, for tests that roll back."""
    with created(server, bare_template) as made:
        prepare(made, "select")
        yield made
