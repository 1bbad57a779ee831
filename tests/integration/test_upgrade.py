"""Databases that older versions have set up: nothing is lost, and what they did to the project's tables ends."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from psycopg.rows import dict_row

from adoption_support import ADA, GOOD_PROFILES, NOBODY, TUTORIAL, prepare
from check_support import broken
from quota_support import Database, User
from schema_support import apply, apply_over, catalogue, connected
from tickctl.adapters import schema
from tickctl.adapters.schema import StepKind
from tickctl.adapters.schema_check import check
from tickctl.core.quota import Decision, consume
from tickctl.errors import ConfigurationError

DATA = Path(__file__).parents[1] / "data"
VERSIONS = {name: (DATA / f"{name}_schema.sql").read_bytes() for name in ("first", "previous")}
# By operators, with the functions that both versions have.
CHANGES = """
select public.tick_admin_set_limit('limited@example.com', 12, 'paid for it', 'op@host');
select public.tick_admin_set_limit('unlimited@example.com', null, null, 'op@host');
select public.tick_admin_set_limit('blocked@example.com', 0, 'abuse', 'op@host');
select public.tick_admin_grant('limited@example.com', 5, 'sorry', 'op@host');
select public.tick_admin_reset('reset@example.com', null, 'op@host');
"""
RECORDS = {
    "limits": "select user_id, daily_tick_limit from public.profiles order by 1",
    "usage": "select user_id, usage_date, ticks_used, ticks_granted from public.user_daily_usage order by 1, 2",
    "charges": (
        "select to_jsonb(c) - '{request_key, request_digest, refund_digest}'::text[] as charge"
        " from tick.charge as c order by id"
    ),
    "administrators": "select user_id, added_at from tick.admin",
    "audit log": "select to_jsonb(a) as entry from tick.audit as a order by a.id",
    "settings": "select time_zone, default_limit, largest_cost, retention_days from tick.settings",
}
KEYS_BEFORE = """
select user_id, request_key, request_digest, usage_date, id as charge_id from tick.charge
where request_key is not null and ticks_settled is distinct from 0 order by 1, 2
"""
KEYS_AFTER = "select user_id, request_key, request_digest, usage_date, charge_id from tick.request order by 1, 2"
# A project with tables of its own, whose counts need repair.
PROJECT = f"""
{TUTORIAL}
alter table public.profiles enable row level security;
create policy "Own profile" on public.profiles for all using ((select auth.uid()) = id);
create function public.rename_me(username text) returns void language sql security definer as
    'update public.profiles as p set username = rename_me.username where p.id = auth.uid()';
create table public.user_daily_usage (
    id bigint generated always as identity primary key,
    user_id uuid, usage_date date default current_date, ticks_used integer default 0
);
create policy "Own usage" on public.user_daily_usage for all using ((select auth.uid()) = user_id);
insert into public.user_daily_usage (user_id, usage_date, ticks_used) values
    ('{ADA}', '2026-01-01', 3), ('{ADA}', '2026-01-01', 4), ('{NOBODY}', '2026-01-01', 5);
"""
# What looks like tables of an older version's own making once it has added what it needs.
LIKE_OURS = f"""
insert into public.profiles values ('{ADA}', 'ada@example.com', 5);
create table public.user_daily_usage (
    user_id uuid, usage_date date, ticks_used integer, primary key (user_id, usage_date)
);
insert into public.user_daily_usage values ('{ADA}', '2026-01-01', 3);
"""
TAKEN = (
    "an older tickctl dropped the policies of public.profiles, switched row-level security on, and revoked all rights "
    "on it but to read, and EXECUTE on functions that mention it: give back what the project needs, from its own "
    "migrations. It also kept the column email equal to auth.users.email; nothing does so any more"
)


def records(connection: schema.Connection, queries: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Return all rows that must outlive an upgrade."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return {name: cursor.execute(query.encode()).fetchall() for name, query in queries.items()}


def older_calls(database: Database, user: User, *calls: str) -> None:
    """Call functions of an older version as this user."""
    with database.acting_as("authenticated", user.claims) as connection:
        for call in calls:
            connection.execute(f"select public.{call}".encode())
        connection.commit()


def live(database: Database) -> User:
    """Let users and operators do all that an older version could; return a user who has used two of 17 ticks."""
    users = {name: database.add_user(f"{name}@example.com") for name in ("limited", "unlimited", "blocked", "reset")}
    older_calls(database, users["limited"], "consume_ticks(2, 'kept', 'digest')", "consume_ticks(3, 'given back')")
    older_calls(database, users["unlimited"], "consume_ticks(7)", "consume_ticks(8, 'partly')")
    older_calls(database, users["reset"], "consume_ticks(4, 'reset')")
    with database.owner() as owner:
        charges = {row["request_key"]: row["id"] for row in owner.execute("select request_key, id from tick.charge")}
    with database.acting_as("service_role") as connection:
        settle = "select public.settle_ticks(%s, %s)"
        connection.execute(settle, [charges["given back"], 0])
        connection.execute(settle, [charges["partly"], 5])
        connection.execute(CHANGES.encode())
        connection.commit()
    with database.owner() as owner:
        owner.execute("insert into tick.admin (user_id) values (%s)", [users["unlimited"].id])
        owner.execute("update tick.settings set time_zone = 'Asia/Kathmandu', default_limit = 7, retention_days = 40")
    return users["limited"]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_upgrade_loses_nothing_and_ends_as_a_new_database_and_can_be_removed(
    bare_database: Database, bare_twin: Database, version: str
) -> None:
    """Rows stay as they were, all objects are those of today, and none outlives the removal."""
    with connected(bare_database) as connection, connected(bare_twin) as twin:
        bare = catalogue(connection)
        connection.execute(VERSIONS[version])
        user = live(bare_database)
        before = records(connection, {**RECORDS, "request keys": KEYS_BEFORE})
        assert all(before.values())
        apply_over(connection)
        assert records(connection, {**RECORDS, "request keys": KEYS_AFTER}) == before
        apply_over(twin)
        assert catalogue(connection) == [line.replace(bare_twin.name, bare_database.name) for line in catalogue(twin)]
        functions = bare_database.functions()
        assert consume(functions, user.caller, 15, request_key="given back").decision is Decision.GRANTED
        assert consume(functions, user.caller, 1).decision is Decision.QUOTA_EXHAUSTED
        schema.remove(connection)
        assert catalogue(connection) == bare


def test_a_copy_of_addresses_goes_and_the_plan_says_so(bare_database: Database) -> None:
    """Front ends may have read it."""
    with connected(bare_database) as connection:
        connection.execute(VERSIONS["previous"])
        done = apply_over(connection)
    assert [step.text for step in done.steps if step.kind is StepKind.REMOVE] == [
        "public.profiles.email, a copy of auth.users.email that older versions kept, goes"
    ]


def test_a_copy_of_addresses_that_the_project_uses_stops_the_upgrade(bare_database: Database) -> None:
    """What depends on it is named, and nothing has changed."""
    with connected(bare_database) as connection:
        connection.execute(VERSIONS["previous"])
        connection.execute("create view public.contact as select email from public.profiles")
        before = catalogue(connection)
        with pytest.raises(ConfigurationError, match=r"view public\.contact depends on column email"):
            schema.apply(connection)
        assert catalogue(connection) == before


def test_a_column_that_a_project_has_added_since_outlives_the_next_update(database: Database) -> None:
    """Even in a table that tickctl has made, and under a name that older versions used."""
    user = database.add_user()
    with connected(database) as connection:
        connection.execute("alter table public.profiles add column email text default 'mine'")
        connection.execute("update tick.migration set digest = 'old' where name like '%.sql'")
        apply_over(connection)
        kept = connection.execute("select email from public.profiles where user_id = %s", [user.id])
        assert kept.fetchall() == [("mine",)]


def test_an_installed_hook_is_upgraded_as_well(bare_database: Database, bare_twin: Database) -> None:
    """Supabase Auth goes on calling it, without being asked whether it is wanted."""
    with_hook = VERSIONS["previous"].replace(b"'run', 'installed'", b"'run', 'again'")
    with connected(bare_database) as connection, connected(bare_twin) as twin:
        connection.execute(with_hook)
        apply_over(connection)
        apply_over(twin, hook=True)
        assert catalogue(connection) == [line.replace(bare_twin.name, bare_database.name) for line in catalogue(twin)]


def test_tables_in_an_older_version_s_form_stay_the_project_s(bare_database: Database) -> None:
    """It gave them that form; their rows outlive the removal."""
    prepare(bare_database, GOOD_PROFILES + LIKE_OURS)
    with connected(bare_database) as connection:
        connection.execute(VERSIONS["previous"])
        apply_over(connection)
        schema.remove(connection)
        kept = connection.execute(
            "select p.email, p.daily_tick_limit, d.ticks_used"
            " from public.profiles as p join public.user_daily_usage as d using (user_id)"
        )
        assert kept.fetchall() == [("ada@example.com", 5, 3)]


@pytest.fixture
def taken(bare_database: Database) -> Database:
    """A project whose tables an older version has taken over."""
    prepare(bare_database, PROJECT)
    with connected(bare_database) as connection:
        connection.execute(VERSIONS["previous"])
    return bare_database


def test_what_an_older_version_took_and_added_is_told(taken: Database) -> None:
    """Its columns stay until somebody wants them gone; a key that broke deferred ones goes."""
    assert [(step.kind, step.text) for step in apply(taken).steps] == [
        (StepKind.UPDATE, "tables, functions, triggers and policies of this version"),
        (StepKind.NOTE, "public.profiles.user_id is a copy of id, for an older tickctl"),
        (StepKind.NOTE, "public.profiles.email holds copies of addresses that an older tickctl wrote"),
        (
            StepKind.CHANGE,
            "constraint profiles_user_id_fkey on public.profiles goes: an older tickctl added it beside the key of id",
        ),
        (StepKind.NOTE, TAKEN),
        (StepKind.NOTE, "tick.adopted keeps 1 row of public.user_daily_usage: added to another row of this day"),
        (StepKind.NOTE, "tick.adopted keeps 1 row of public.user_daily_usage: no such user, or no day"),
        (StepKind.CHANGE, "public.user_daily_usage gets the column refunds"),
    ]


def test_the_rows_of_a_table_that_an_older_version_took_stay(taken: Database) -> None:
    """Also those that it put aside; and nothing is broken."""
    rows = {
        "profiles": "select * from public.profiles order by id",
        "usage": "select id, user_id, usage_date, ticks_used, ticks_granted from public.user_daily_usage order by id",
        "put aside": 'select table_name, "row", at from tick.adopted where "row" <> \'{}\' order by id',
    }
    with connected(taken) as connection:
        before = records(connection, rows)
        assert all(before.values())
        apply_over(connection)
        assert records(connection, rows) == before
        assert broken(check(connection)) == set()


def test_the_script_upgrades_what_an_older_version_took(taken: Database) -> None:
    """Nothing but notes is left to do."""
    with connected(taken) as connection:
        connection.execute(schema.as_one_file().encode())
        assert {step.kind for step in schema.plan(connection).steps} == {StepKind.NOTE}


def test_what_an_older_version_added_goes_when_asked(taken: Database) -> None:
    """And users read their own row as before."""
    apply(taken, options=["leftovers"])
    with taken.acting_as("authenticated", {"role": "authenticated", "sub": ADA}) as connection:
        row = connection.execute("select username, to_jsonb(p) ? 'email' as has_email from public.profiles as p")
        assert row.fetchall() == [{"username": "ada", "has_email": False}]


def test_the_removal_tells_what_stays_of_an_older_version(bare_database: Database) -> None:
    """It has recorded nothing, so what it added can't be told from what was there; what is certainly ours goes."""
    prepare(bare_database, PROJECT)
    with connected(bare_database) as connection:
        project = set(catalogue(connection))
        connection.execute(VERSIONS["previous"])
        apply_over(connection)
        done = schema.remove(connection)
        left = [line for line in catalogue(connection) if line not in project and "public.tickctl_adopted" not in line]
        # Sign-ups go on: a column that nobody fills any more may be empty.
        connection.execute("delete from public.post")
        connection.execute("delete from public.profiles")
        connection.execute("insert into public.profiles (id, username) values (%s, 'ada')", [ADA])
    assert [line for line in left if re.search(r"\btick\b|\btick_|zz_tick|user_daily_usage_read_own", line)] == []
    assert [step.text for step in done.steps if step.kind is StepKind.NOTE] == [
        "2 rows that were taken out of tables are kept in public.tickctl_adopted",
        "public.profiles.user_id is a copy of id, for an older tickctl",
        "public.profiles.email holds copies of addresses that an older tickctl wrote",
        "public.profiles.daily_tick_limit stays: whether an older tickctl or the project added it isn't known",
        "public.user_daily_usage.ticks_granted stays: whether an older tickctl or the project added it isn't known",
        "policy profiles_read_own on public.profiles stays: tickctl made it, and users read their own row by it",
    ]
