"""What tests of adoption share: users, tables in good order, and looks at what became of the rows."""

from collections.abc import Iterable

from quota_support import Database
from schema_support import connected
from tickctl.adapters import schema

ADA, BEN, EVE, NOBODY = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3, 9))

# A profiles table that lacks nothing.
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
# As in Supabase's own tutorials; and a table of the project that refers to it.
TUTORIAL = f"""
create table public.profiles (
    id uuid references auth.users not null primary key, updated_at timestamptz, username text unique,
    avatar_url text, constraint username_length check (char_length(username) >= 3)
);
create table public.post (author uuid references public.profiles (id), title text);
insert into public.profiles (id, username) values ('{ADA}', 'ada');
insert into public.post values ('{ADA}', 'first');
"""


def prepare(database: Database, made: str) -> None:
    """Add the users, the tables and their rows."""
    with connected(database) as connection:
        for user, email in ((ADA, "ada@example.com"), (BEN, "ben@example.com"), (EVE, "eve@example.com")):
            connection.execute(
                "insert into auth.users (id, email, email_confirmed_at) values (%s, %s, now())", [user, email]
            )
        connection.execute(made.encode())


def limits(connection: schema.Connection, users: Iterable[str] = (ADA, BEN, EVE)) -> tuple[int | None, ...]:
    """Return the limits that the users have, with a profile or without."""
    found = dict(connection.execute("select user_id::text, daily_tick_limit from tick.account").fetchall())
    return tuple(found[user] for user in users)


def profiles(connection: schema.Connection) -> list[str]:
    """Return the rows of public.profiles as they are, but for the limit."""
    query = "select (to_jsonb(p) - 'daily_tick_limit')::text from public.profiles as p order by 1"
    return [row for (row,) in connection.execute(query)]


def usage(connection: schema.Connection) -> tuple[tuple[str, str, int], ...]:
    """Return what was used, as a front end reads it."""
    rows = connection.execute(
        "select user_id::text, usage_date::text, ticks_used from public.user_daily_usage order by 1, 2"
    )
    return tuple(rows.fetchall())


def rows_of(connection: schema.Connection) -> int:
    """Return how many rows the tables have, those that were taken out included."""
    total = 0
    for table, taken in (
        ("public.profiles", ""),
        ("public.user_daily_usage", ""),
        ("tick.adopted", "where undo is null"),
    ):
        if connection.execute("select to_regclass(%s)", [table]).fetchone() != (None,):
            found = connection.execute(f"select count(*) from {table} {taken}".encode()).fetchone()
            total += found[0] if found else 0
    return total
