"""Databases that an older version has set up: nothing is lost, and what it did to the project's tables ends."""

from pathlib import Path

import pytest

from adoption_support import ADA, TUTORIAL, prepare
from quota_support import Database
from schema_support import apply, apply_over, catalogue, connected
from tickctl.adapters import schema
from tickctl.adapters.schema import StepKind

FIRST_SCHEMA = Path(__file__).parents[1] / "data" / "first_schema.sql"
# What versions up to the last one added to a table of profiles whose id is the user's, and how they are known.
LEFTOVERS = """
alter table public.profiles add user_id uuid, add email text;
update public.profiles set user_id = id, email = 'ada@example.com';
alter table public.profiles alter user_id set not null,
    add constraint profiles_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade;
create function tick.mirror_profile_id() returns trigger language plpgsql as
    'begin new.user_id := new.id; return new; end';
create trigger tick_mirror_profile_id before insert or update on public.profiles
for each row execute function tick.mirror_profile_id();
alter table public.profiles enable row level security;
create policy profiles_read_own on public.profiles for select using ((select auth.uid()) = user_id);
update tick.migration set digest = 'old' where name like 'functions/%';
"""


def test_the_first_databases_are_brought_up_to_date(bare_database: Database, bare_twin: Database) -> None:
    """Their limits, usage, charges and request keys stay, and they end as those that begin today."""
    with connected(bare_database) as connection:
        connection.execute(FIRST_SCHEMA.read_bytes())
        user = bare_database.add_user("early@example.com", limit=5)
        with bare_database.acting_as("authenticated", user.claims) as acting:
            acting.execute("select public.consume_ticks(2, 'key', 'digest')")
            acting.commit()
        connection.execute("insert into tick.admin (user_id, added_at) values (%s, now())", [user.id])
        apply_over(connection)
        rows = connection.execute(
            "select p.daily_tick_limit, d.ticks_used, c.ticks, r.request_key, r.request_digest"
            " from public.profiles as p join public.user_daily_usage as d using (user_id)"
            " join tick.charge as c using (user_id) join tick.admin as a using (user_id)"
            " join tick.request as r on r.charge_id = c.id"
        )
        assert rows.fetchall() == [(5, 2, 2, "key", "digest")]
    apply(bare_twin)
    with connected(bare_database) as connection, connected(bare_twin) as twin:
        assert catalogue(connection) == [line.replace(bare_twin.name, bare_database.name) for line in catalogue(twin)]


@pytest.fixture
def left_over(bare_database: Database) -> Database:
    """A project whose profiles an older version has taken over."""
    prepare(bare_database, TUTORIAL)
    apply(bare_database)
    with connected(bare_database) as connection:
        connection.execute(LEFTOVERS.encode())
    return bare_database


def test_what_an_older_version_took_and_added_is_told(left_over: Database) -> None:
    """Its columns stay until somebody wants them gone; a key that broke deferred ones goes."""
    done = apply(left_over)
    notes = [step.text for step in done.steps if step.kind is StepKind.NOTE]
    assert "public.profiles.user_id is a copy of id, for an older tickctl" in notes
    assert "public.profiles.email holds copies of addresses that an older tickctl wrote" in notes
    assert [step.text for step in done.steps if step.kind is StepKind.CHANGE] == [
        "constraint profiles_user_id_fkey on public.profiles goes: an older tickctl added it beside the key of id"
    ]


def test_what_an_older_version_added_goes_when_asked(left_over: Database) -> None:
    """And users read their own row as before."""
    apply(left_over, options=["leftovers"])
    with left_over.acting_as("authenticated", {"role": "authenticated", "sub": ADA}) as connection:
        row = connection.execute("select username, to_jsonb(p) ? 'email' as has_email from public.profiles as p")
        assert row.fetchall() == [{"username": "ada", "has_email": False}]


def test_sign_ups_go_on_after_the_removal_of_leftovers(left_over: Database) -> None:
    """A column that nobody fills any more may be empty."""
    apply(left_over)
    with connected(left_over) as connection:
        schema.remove(connection)
        connection.execute("delete from public.post")
        connection.execute("delete from public.profiles")
        connection.execute("insert into public.profiles (id, username) values (%s, 'ada')", [ADA])
