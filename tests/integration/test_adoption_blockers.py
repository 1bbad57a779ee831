"""What nobody may guess when tables are taken over."""

import pytest

from adoption_support import ADA, BEN, GOOD_PROFILES, NOBODY, prepare, rows_of
from quota_support import Database
from schema_support import catalogue, connected
from tickctl.adapters import schema
from tickctl.errors import ConfigurationError, CredentialsRefusedError

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
    "no user": ("create table public.profiles (name text)", "no uuid column that holds the user's id"),
    "a text id": ("create table public.profiles (id text primary key)", "no uuid column that holds the user's id"),
    "ids of nobody": (
        f"create table public.profiles (id uuid primary key); insert into public.profiles values ('{NOBODY}')",
        "whether its id is the user's id can't be told",
    ),
    "ids as text": (
        f"create table public.profiles (user_id text); insert into public.profiles values ('{ADA}')",
        "change the type of the column that has it",
    ),
    "a negative limit": (
        (
            "create table public.profiles (user_id uuid, daily_tick_limit integer);"
            f"insert into public.profiles values ('{ADA}', -1), ('{BEN}', -5)"
        ),
        "2 values of daily_tick_limit below 0: set them to null (unlimited) or to 0 (blocked)",
    ),
    "a limit beyond all": (
        (
            "create table public.profiles (user_id uuid, daily_tick_limit bigint);"
            f"insert into public.profiles values ('{ADA}', 1000000001)"
        ),
        "1 value of daily_tick_limit above 1000000000",
    ),
    "a broken limit": (
        (
            "create table public.profiles (user_id uuid, daily_tick_limit numeric);"
            f"insert into public.profiles values ('{ADA}', 1.5), ('{BEN}', 'NaN')"
        ),
        'integer from now on, no longer numeric: invalid input syntax for type integer: "1.5"',
    ),
    "a limit in words": (
        (
            "create table public.profiles (user_id uuid, daily_tick_limit text);"
            f"insert into public.profiles values ('{ADA}', 'unlimited'), ('{BEN}', '')"
        ),
        'integer from now on, no longer text: invalid input syntax for type numeric: "unlimited"',
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
        "public.user_daily_usage: 1 row has a count below 0",
    ),
    "no such date": (
        (
            "create table public.user_daily_usage (user_id uuid, usage_date text, ticks_used bigint);"
            f"insert into public.user_daily_usage values ('{ADA}', '2026-02-30', 1), ('{ADA}', 'today', 1)"
        ),
        "is date from now on, no longer text: date/time field value out of range",
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
        "user_id holds ids of public.profiles (user_daily_usage_user_id_fkey), not of users",
    ),
    "a view upon a column": (
        (
            "create table public.profiles (user_id uuid, daily_tick_limit bigint);"
            "create view public.rich as select user_id from public.profiles where daily_tick_limit > 5"
        ),
        "no longer bigint; used by view public.rich",
    ),
    "a policy upon a column": (
        (
            "create table public.profiles (user_id uuid, daily_tick_limit bigint);"
            "create table public.post (a integer);"
            "create policy rich on public.post using (exists (select from public.profiles where daily_tick_limit > 5))"
        ),
        "no longer bigint; used by policy rich on table public.post",
    ),
    "several rows of a user": (
        (
            "create table public.profiles (id serial primary key, user_id uuid, daily_tick_limit integer);"
            f"insert into public.profiles (user_id, daily_tick_limit) values ('{ADA}', 5), ('{ADA}', 6)"
        ),
        "several rows of public.profiles have one user_id: leave one row for each user",
    ),
    "a trigger against summing up": (
        (
            "create table public.user_daily_usage (user_id uuid, usage_date date, ticks_used bigint);"
            f"insert into public.user_daily_usage values ('{ADA}', '2026-01-02', 1), ('{ADA}', '2026-01-02', 2);"
            "create function public.guard() returns trigger language plpgsql as 'begin raise ''days are final''; end';"
            "create trigger guard before delete on public.user_daily_usage for each row execute function guard()"
        ),
        "1 row of public.user_daily_usage into others of the same user and day; the ticks are summed: days are final",
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
    with connected(bare_database) as connection, pytest.raises(CredentialsRefusedError) as caught:
        schema.plan(connection)
    assert caught.value.message == (
        "postgres may not change public.profiles, which belongs to supabase_admin: as supabase_admin, run: "
        "alter table public.profiles owner to postgres"
    )


def test_a_table_that_a_request_can_own_is_left_alone(bare_database: Database) -> None:
    """Row-level security and guard triggers don't bind owners."""
    prepare(bare_database, GOOD_PROFILES)
    with bare_database.superuser() as connection:
        connection.execute("alter table public.profiles owner to authenticated")
    with connected(bare_database) as connection:
        assert schema.plan(connection).blockers == (
            (
                "public.profiles belongs to authenticated, whom authenticated, authenticator can be: "
                "alter table public.profiles owner to postgres"
            ),
        )
