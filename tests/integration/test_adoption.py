"""Taking over tables that were there before: what they may look like, and that nothing in them is lost."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quota_support import Database, created
from schema_support import HAND_MADE, apply, apply_over, catalogue, connected
from tickctl.adapters import schema
from tickctl.adapters.embedded import Server
from tickctl.adapters.schema import StepKind
from tickctl.adapters.schema_check import Result, check
from tickctl.core.quota import Decision
from tickctl.errors import ConfigurationError

ADA, BEN, EVE, NOBODY = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3, 9))

# A table of the other kind that needs nothing done.
GOOD_PROFILES = """
create table public.profiles (
    user_id uuid primary key references auth.users (id) on delete cascade,
    email text, daily_tick_limit integer default 32,
    constraint profiles_daily_tick_limit_in_range check (daily_tick_limit between 0 and 1000000000)
);
"""
GOOD_USAGE = """
create table public.user_daily_usage (
    user_id uuid not null references auth.users (id) on delete cascade, usage_date date not null,
    ticks_used bigint not null default 0, ticks_granted bigint not null default 0, primary key (user_id, usage_date),
    constraint user_daily_usage_ticks_not_negative check (ticks_used >= 0 and ticks_granted >= 0)
) with (fillfactor = 70);
"""


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
        f"""
        create table public.profiles (
            id uuid references auth.users not null primary key, updated_at timestamptz, username text unique,
            avatar_url text, constraint username_length check (char_length(username) >= 3)
        );
        create table public.post (author uuid references public.profiles (id), title text);
        insert into public.profiles (id, username) values ('{ADA}', 'ada');
        insert into public.post values ('{ADA}', 'first');
        """,
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
            ('{ADA}', '2026-01-02', '5'), ('{ADA}', ' 2026-01-02', '6.0'), ('{NOBODY}', '2026-01-02', '5');
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


def prepare(database: Database, made: str) -> None:
    """Add the users, the tables and their rows."""
    with connected(database) as connection:
        for user, email in ((ADA, "ada@example.com"), (BEN, "ben@example.com"), (EVE, "eve@example.com")):
            connection.execute(
                "insert into auth.users (id, email, email_confirmed_at) values (%s, %s, now())", [user, email]
            )
        connection.execute(made.encode())


def limits(connection: schema.Connection, users: Iterable[str] = (ADA, BEN, EVE)) -> tuple[int | None, ...]:
    """Return the users' limits, as a front end reads them."""
    found = dict(connection.execute("select user_id::text, daily_tick_limit from public.profiles").fetchall())
    return tuple(found[user] for user in users)


def usage(connection: schema.Connection) -> tuple[tuple[str, str, int], ...]:
    """Return what was used, as a front end reads it."""
    rows = connection.execute(
        "select user_id::text, usage_date::text, ticks_used from public.user_daily_usage order by 1, 2"
    )
    return tuple(rows.fetchall())


def rows_of(connection: schema.Connection) -> int:
    """Return how many rows the tables have, those that were taken out included."""
    total = 0
    for table in ("public.profiles", "public.user_daily_usage", "tick.adopted"):
        if connection.execute("select to_regclass(%s)", [table]).fetchone() != (None,):
            found = connection.execute(f"select count(*) from {table}".encode()).fetchone()
            total += found[0] if found else 0
    return total


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


# What nobody may guess, and a part of what is said about it.
BLOCKERS = {
    "a view": ("create view public.profiles as select 1 as user_id", "public.profiles is a view"),
    "a partitioned table": (
        (
            "create table public.user_daily_usage (user_id uuid, usage_date date, ticks_used bigint)"
            " partition by range (usage_date)"
        ),
        "public.user_daily_usage is a partitioned table",
    ),
    "a parent": (
        GOOD_PROFILES + "create table public.more () inherits (public.profiles)",
        "public.profiles is a part or parent of other tables",
    ),
    "no user": ("create table public.profiles (name text)", "no column that holds the user's id"),
    "a text id": ("create table public.profiles (id text primary key)", "or make id a uuid"),
    "ids of nobody": (
        f"create table public.profiles (id uuid primary key); insert into public.profiles values ('{NOBODY}')",
        "whether its id is the user's id can't be told",
    ),
    "two ids": (
        (
            "create table public.profiles (id uuid primary key references auth.users, user_id uuid);"
            f"insert into public.profiles values ('{ADA}', '{BEN}')"
        ),
        "1 row with an id that refers to another user",
    ),
    "ids that are none": (
        f"create table public.profiles (user_id text); insert into public.profiles values ('{ADA}'), ('ada')",
        "public.profiles.user_id: 1 row can't be read as uuid",
    ),
    "numbers as user ids": (
        "create table public.profiles (user_id bigint)",
        "user_id is bigint, which can't become uuid",
    ),
    "a negative limit": (
        (
            "create table public.profiles (user_id uuid, daily_tick_limit integer);"
            f"insert into public.profiles values ('{ADA}', -1), ('{BEN}', -5)"
        ),
        "2 rows below 0: set them to null (unlimited) or to 0 (blocked)",
    ),
    "a limit beyond all": (
        (
            "create table public.profiles (user_id uuid, daily_tick_limit bigint);"
            f"insert into public.profiles values ('{ADA}', 1000000001)"
        ),
        "1 row above 1000000000",
    ),
    "a broken limit": (
        (
            "create table public.profiles (user_id uuid, daily_tick_limit numeric);"
            f"insert into public.profiles values ('{ADA}', 1.5), ('{BEN}', 'NaN')"
        ),
        "daily_tick_limit: 1 row can't be read as a whole number",
    ),
    "a limit in words": (
        (
            "create table public.profiles (user_id uuid, daily_tick_limit text);"
            f"insert into public.profiles values ('{ADA}', 'unlimited'), ('{BEN}', '')"
        ),
        "2 rows can't be read as a whole number",
    ),
    "a limit in JSON": (
        "create table public.profiles (user_id uuid, daily_tick_limit jsonb)",
        "daily_tick_limit is jsonb, which can't become integer",
    ),
    "a computed limit": (
        (
            "create table public.profiles"
            " (user_id uuid, n integer, daily_tick_limit integer generated always as (n) stored)"
        ),
        "public.profiles.daily_tick_limit is a computed column",
    ),
    "a column that days need": (
        "create table public.user_daily_usage (user_id uuid, usage_date date, ticks_used bigint, name text not null)",
        "a new row of public.user_daily_usage needs a value for name",
    ),
    "negative usage": (
        (
            "create table public.user_daily_usage (user_id uuid, usage_date date, ticks_used bigint);"
            f"insert into public.user_daily_usage values ('{ADA}', '2026-01-02', -1)"
        ),
        "public.user_daily_usage.ticks_used: 1 row below 0",
    ),
    "no such date": (
        (
            "create table public.user_daily_usage (user_id uuid, usage_date text, ticks_used bigint);"
            f"insert into public.user_daily_usage values ('{ADA}', '2026-02-30', 1), ('{ADA}', 'today', 1)"
        ),
        "public.user_daily_usage.usage_date: 2 rows can't be read as date",
    ),
    "no usage": (
        "create table public.user_daily_usage (user_id uuid, day date)",
        "public.user_daily_usage has no column ticks_used",
    ),
    "usage of profiles": (
        (
            "create table public.profiles (id uuid primary key default gen_random_uuid(), user_id uuid);"
            "create table public.user_daily_usage (user_id uuid references public.profiles (id), usage_date date,"
            " ticks_used bigint)"
        ),
        "user_id holds ids of public.profiles, not of users",
    ),
    "a view upon a column": (
        (
            "create table public.profiles (user_id uuid, daily_tick_limit bigint);"
            "create view public.rich as select user_id from public.profiles where daily_tick_limit > 5"
        ),
        "is used by public.rich: drop that first",
    ),
    "a policy upon a column": (
        (
            "create table public.profiles (user_id uuid, daily_tick_limit bigint);"
            "create table public.post (a integer);"
            "create policy rich on public.post using (exists (select from public.profiles where daily_tick_limit > 5))"
        ),
        "is used by policy rich on table public.post",
    ),
    "rows that others need": (
        (
            "create table public.profiles (id serial primary key, user_id uuid, daily_tick_limit integer);"
            "create table public.post (profile integer references public.profiles (id));"
            f"insert into public.profiles values (1, '{ADA}', 5), (2, '{ADA}', 6), (3, '{NOBODY}', 5);"
            "insert into public.post values (1), (3), (3)"
        ),
        "1 row of public.post refer (by post_profile_fkey) to rows of public.profiles that have to leave it",
    ),
    "a key that others need": (
        (
            "create table public.profiles (user_id uuid primary key, email text unique);"
            "create table public.mail (address text references public.profiles (email))"
        ),
        "refers to a key of public.profiles that tickctl has to drop",
    ),
    "a function that others need": (
        (
            "create function public.my_ticks() returns integer language sql as 'select 1';"
            "create view public.mine as select public.my_ticks() as mine"
        ),
        "a function of that name is in the way: public.my_ticks()",
    ),
}


@pytest.mark.parametrize("name", BLOCKERS)
def test_what_nobody_may_guess_is_left_alone(bare_database: Database, name: str) -> None:
    """The plan says what to do about it; nothing is written, not even the rest."""
    made, told = BLOCKERS[name]
    prepare(bare_database, made)
    with connected(bare_database) as connection:
        before = catalogue(connection), rows_of(connection)
        blockers = schema.plan(connection).blockers
        assert any(told in blocker for blocker in blockers), blockers
        with pytest.raises(ConfigurationError) as caught:
            schema.apply(connection)
        assert told in caught.value.message
        assert (catalogue(connection), rows_of(connection)) == before


def test_a_table_of_somebody_else_is_left_alone(bare_database: Database) -> None:
    """Who may change it is named, and how to hand it over."""
    with bare_database.superuser() as connection:
        connection.execute("create table public.profiles (user_id uuid)")
    with connected(bare_database) as connection:
        assert schema.plan(connection).blockers == (
            (
                "public.profiles belongs to supabase_admin, and postgres may not change it: as supabase_admin, run: "
                "alter table public.profiles owner to postgres"
            ),
        )


def test_a_table_that_a_request_could_own_changes_hands(bare_database: Database) -> None:
    """Row-level security doesn't concern owners."""
    prepare(bare_database, GOOD_PROFILES)
    with bare_database.superuser() as connection:
        connection.execute("alter table public.profiles owner to authenticated")
    done = apply(bare_database)
    assert "public.profiles belongs to postgres from now on, no longer to authenticated" in [s.text for s in done.steps]


def test_the_unsafe_project_becomes_safe(bare_database: Database) -> None:
    """The whole way: the check names the holes, the plan lists the changes, and afterwards the check finds nothing."""
    prepare(bare_database, HAND_MADE)
    with connected(bare_database) as connection:
        connection.execute(
            f"insert into public.profiles (id, daily_tick_limit) values ('{ADA}', 1000), ('{BEN}', 0);"
            "insert into public.user_daily_usage (user_id, usage_date, ticks_used)"
            f" values ('{ADA}', '2026-01-02', 30), ('{ADA}', '2026-01-02', 30), ('{BEN}', '2026-01-03', null);"
            "create function public.record_usage(who uuid, n integer) returns void language sql security definer as"
            " 'update public.user_daily_usage set ticks_used = n where user_id = who';"
            "create view public.leaders as select email, daily_tick_limit from public.profiles;".encode()
        )
        holes = {finding.id for finding in check(connection) if finding.result is Result.BROKEN}
        assert {"policy-write", "write-grants", "views-readable", "functions-definer"} <= holes
    texts = "\n".join(f"{step.kind} {step.text}" for step in apply(bare_database).steps)
    for told in (
        'drop policy "Users manage own profile" on public.profiles, for all to public using (auth.uid() = id)',
        'drop policy "Public profiles are viewable"',
        "revoke DELETE, INSERT,",
        "merge 1 row of public.user_daily_usage",
        "change view public.leaders",
        "revoke EXECUTE on public.record_usage(uuid,integer)",
        "note public.profiles: 1 row with a limit of 0, which means blocked here",
    ):
        assert told in texts
    with connected(bare_database) as connection:
        assert limits(connection) == (1000, 0, 32)
        assert usage(connection) == ((ADA, "2026-01-02", 60), (BEN, "2026-01-03", 0))
        assert [finding for finding in check(connection) if finding.result is Result.BROKEN] == []
    # Its own code goes on as before: the trigger that knows only `id`, and a front end that reads.
    late = bare_database.add_user("late@example.com")
    with bare_database.acting_as("authenticated", late.claims) as connection:
        mine = connection.execute("select id::text, user_id::text, username, email, daily_tick_limit from profiles")
        assert [*mine.fetchall()] == [
            {"id": late.id, "user_id": late.id, "username": "late", "email": "late@example.com", "daily_tick_limit": 32}
        ]


def test_profiles_that_need_more_than_tickctl_knows_are_left_to_others(bare_database: Database) -> None:
    """It says so, and serves users without a profile by the default."""
    prepare(
        bare_database,
        "create table public.profiles (id uuid primary key references auth.users (id), name text not null);"
        f"insert into public.profiles values ('{ADA}', 'Ada');",
    )
    notes = [step.text for step in apply(bare_database).steps if step.kind is StepKind.NOTE]
    assert any(
        "needs a value for name, which tickctl does not know, so it can make no profiles" in note for note in notes
    )
    late = bare_database.add_user("late@example.com")
    for cost, decision in ((32, Decision.GRANTED), (1, Decision.QUOTA_EXHAUSTED)):
        answer = bare_database.functions().call("consume_ticks", {"ticks": cost}, caller=late.caller)
        assert answer[0]["decision"] == decision
    with connected(bare_database) as connection:
        connection.execute("insert into public.profiles (id, name) values (%s, 'Late')", [late.id])
        assert limits(connection, [ADA, late.id]) == (32, 32)


def test_id_and_user_id_stay_equal_whoever_writes_which(bare_database: Database) -> None:
    """Code of before knows `id`, tickctl knows `user_id`; who contradicts himself is refused."""
    prepare(bare_database, HAND_MADE)
    apply(bare_database)
    pairs = "select id::text, user_id::text from public.profiles order by 1"
    with connected(bare_database) as connection:
        connection.execute("delete from public.profiles")
        connection.execute("insert into public.profiles (id) values (%s)", [ADA])
        connection.execute("insert into public.profiles (user_id) values (%s)", [BEN])
        assert connection.execute(pairs).fetchall() == [(ADA, ADA), (BEN, BEN)]
        connection.execute("update public.profiles set id = %s where id = %s", [EVE, ADA])
        connection.execute("update public.profiles set user_id = %s where id = %s", [ADA, BEN])
        assert connection.execute(pairs).fetchall() == [(ADA, ADA), (EVE, EVE)]
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("insert into public.profiles (id, user_id) values (%s, %s)", [BEN, ADA])


def test_other_triggers_see_nothing_of_it(bare_database: Database) -> None:
    """Nobody's `updated_at` moves, nobody's audit fills up, nobody's guard gets in the way; all are on as before."""
    prepare(
        bare_database,
        f"""
        create table public.profiles (
            user_id uuid, daily_tick_limit integer, updated_at timestamptz default '2020-01-01Z');
        insert into public.profiles values ('{ADA}', 5), ('{ADA}', 6), ('{NOBODY}', 7);
        create function public.guard() returns trigger language plpgsql as 'begin raise exception ''not so''; end';
        create trigger a_guard before update or delete on public.profiles for each row execute function public.guard();
        create trigger b_guard before update on public.profiles for each row execute function public.guard();
        create trigger c_guard before update on public.profiles for each row execute function public.guard();
        alter table public.profiles disable trigger b_guard;
        alter table public.profiles enable always trigger c_guard;
        """,
    )
    states = "select tgname, tgenabled::text from pg_trigger where tgname like '_\\_guard' order by 1"
    with connected(bare_database) as connection:
        before = connection.execute(states).fetchall()
        apply(bare_database)
        assert connection.execute(states).fetchall() == before
        ada = connection.execute(
            "select daily_tick_limit, updated_at = '2020-01-01Z' from profiles where user_id = %s", [ADA]
        )
        assert ada.fetchall() == [(6, True)]


def test_what_was_taken_out_is_kept_word_for_word(bare_database: Database) -> None:
    """With all its columns, and why."""
    prepare(
        bare_database,
        f"""
        create table public.profiles (user_id uuid, daily_tick_limit integer, note text);
        insert into public.profiles values ('{NOBODY}', 7, 'who?'), ('{ADA}', 5, 'small'), ('{ADA}', 6, 'large');
        create function public.settle_ticks(n integer) returns integer language sql as 'select n';
        """,
    )
    apply(bare_database)
    with connected(bare_database) as connection:
        kept = connection.execute('select reason, table_name, "row" from tick.adopted order by reason').fetchall()
    (double, function, orphan) = ((reason, table, row.get("note")) for reason, table, row in kept)
    assert double == ("another row of this user had a limit as high", "public.profiles", "small")
    assert function == ("it had the name of a function of tickctl", "pg_proc", None)
    assert orphan == ("no such user", "public.profiles", "who?")
    assert "FUNCTION public.settle_ticks(n integer)" in kept[1][2]["definition"]


def test_keys_of_other_tables_stay(bare_database: Database) -> None:
    """A table that refers to profiles(id) goes on doing so."""
    prepare(bare_database, CASES["a tutorial's profiles"].made)
    apply(bare_database)
    with connected(bare_database) as connection:
        keys = connection.execute(
            "select pg_get_constraintdef(oid) from pg_constraint where conrelid = 'post'::regclass"
        )
        assert keys.fetchall() == [("FOREIGN KEY (author) REFERENCES profiles(id)",)]
        assert connection.execute("select author::text, title from post").fetchall() == [(ADA, "first")]


def test_a_database_in_order_is_not_read_row_by_row(database: Database) -> None:
    """However many users there are, finding out that nothing is to be done takes the same time."""
    database.add_user()
    with connected(database) as connection, connection.transaction():
        assert schema.apply(connection) == schema.Plan()
        read = connection.execute(
            "select relname, seq_scan + idx_scan from pg_stat_xact_user_tables"
            " where relname in ('profiles', 'user_daily_usage', 'users', 'charge')"
        )
        assert {name: number for name, number in read if number} == {}


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
