"""What nobody may guess when tables are taken over."""

import pytest

from adoption_support import ADA, BEN, GOOD_PROFILES, NOBODY, prepare, rows_of
from quota_support import Database
from schema_support import catalogue, connected
from tickctl.adapters import schema
from tickctl.errors import ConfigurationError

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
