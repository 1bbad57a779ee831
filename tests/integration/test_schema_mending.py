"""What somebody has done to an installed schema, put right by installing it again."""

import pytest

from quota_support import Database
from schema_support import apply, apply_over, catalogue, connected

REPAIRED = "functions, views, triggers, rights and policies as they were: they were altered since"


# What somebody may do to an installed schema, and what the plan says about it.
DAMAGE = {
    "function text": (
        (
            "create or replace function public.my_ticks() returns tick.quota_state language sql"
            " as 'select null::tick.quota_state'"
        ),
        REPAIRED,
    ),
    "function runs as its owner": ("alter function public.my_ticks security definer", REPAIRED),
    "function without search_path": ("alter function tick.my_ticks reset search_path", REPAIRED),
    "function dropped": ("drop function public.my_ticks", REPAIRED),
    "function for everybody": ("grant execute on function tick.settle_ticks to public", REPAIRED),
    "function for the login role": (
        "grant execute on function tick.settle_ticks to authenticator",
        "EXECUTE on function tick.settle_ticks",
    ),
    "overload": (
        "create function public.my_ticks(a integer) returns integer language sql as 'select 1'",
        "function public.my_ticks(integer)",
    ),
    "row security off": ("alter table public.profiles disable row level security", "row-level security is on"),
    "row security off, private": ("alter table tick.charge disable row level security", REPAIRED),
    "policy": ("create policy more on public.profiles for all using (true)", "policy more on public.profiles"),
    "policy, private": ("create policy more on tick.audit for select using (true)", "policy more on tick.audit"),
    "own policy altered": ("alter policy profiles_read_own on public.profiles using (true)", REPAIRED),
    "own policy dropped": ("drop policy profiles_read_own on public.profiles", REPAIRED),
    "rule": (
        "create rule double as on update to tick.charge do also delete from tick.audit",
        "rule double on tick.charge",
    ),
    "grant": (
        "grant update, delete on public.profiles to authenticated",
        "DELETE, UPDATE on public.profiles from authenticated",
    ),
    "grant on a column": (
        "grant update (email) on public.profiles to authenticated",
        "UPDATE (email) on public.profiles from authenticated",
    ),
    "grant to all": ("grant select on public.profiles to public", "SELECT on public.profiles from public"),
    "grant to the secret key": (
        "grant insert on public.user_daily_usage to service_role",
        "INSERT on public.user_daily_usage from service_role",
    ),
    "grant passed on": (
        (
            "grant select on public.profiles to service_role with grant option; set local role service_role;"
            "grant select on public.profiles to anon; reset role"
        ),
        "SELECT on public.profiles from anon, service_role",
    ),
    "private view for its readers": ("alter view tick.quota set (security_invoker = false)", REPAIRED),
    "grant, private": ("grant select on tick.charge to authenticated", "SELECT on tick.charge from authenticated"),
    "grant withdrawn": ("revoke select on public.profiles from authenticated", REPAIRED),
    "schema for anon": ("grant usage on schema tick to anon", "USAGE on schema tick from anon"),
    "schema to create in": ("grant create on schema public to authenticated", "CREATE on schema public"),
    "database to create in": ("grant create on database {database} to anon", "CREATE on database"),
    "default privileges": (
        "alter default privileges in schema tick grant all on tables to anon",
        "what new tables of postgres in schema tick grant to anon",
    ),
    "default privileges everywhere": (
        "alter default privileges grant select on tables to authenticated",
        "what new tables of postgres grant to authenticated",
    ),
    "trigger off": ("alter table public.user_daily_usage disable trigger forget_charges", REPAIRED),
    "trigger dropped": ("drop trigger forget_charges on public.user_daily_usage", REPAIRED),
    "view of all": (
        "create view public.everybody as select * from public.profiles; grant select on public.everybody to anon",
        "view public.everybody shows",
    ),
    "view of a view": (
        (
            "create view public.everybody_first with (security_invoker = on) as select * from public.profiles;"
            "create view public.everybody as select * from public.everybody_first;"
            "grant select on public.everybody to anon"
        ),
        "view public.everybody shows",
    ),
    "copy of all": (
        (
            "create materialized view public.everybody as select * from public.profiles;"
            "grant select on public.everybody to authenticated"
        ),
        "everything on public.everybody",
    ),
    "function around": (
        (
            "create function public.bump() returns void language sql security definer"
            " as 'update public.profiles set daily_tick_limit = 9'"
        ),
        "EXECUTE on public.bump()",
    ),
    "check dropped": (
        "alter table public.profiles drop constraint profiles_daily_tick_limit_in_range",
        "limits are from 0 to 1000000000",
    ),
    "check, private": ("alter table tick.charge drop constraint charge_ticks_in_range", "charge_ticks_in_range"),
    "key dropped": ("alter table public.user_daily_usage drop constraint user_daily_usage_pkey", "is unique"),
    "key, private": ("alter table tick.admin drop constraint admin_pkey", "tick.admin"),
    "reference dropped": ("alter table public.profiles drop constraint profiles_user_id_fkey", "go with their user"),
    "reference, private": ("alter table tick.admin drop constraint admin_user_id_fkey", "tick.admin"),
    "index dropped": ("drop index tick.charge_user_day", "charge_user_day"),
    "table dropped": ("drop table public.user_daily_usage cascade", "public.user_daily_usage anew"),
    "table dropped, private": ("drop table tick.charge cascade", "tick.charge anew"),
    "null allowed": ("alter table public.user_daily_usage alter column ticks_used drop not null", "never null"),
    "default taken away": (
        "alter table public.user_daily_usage alter column ticks_granted drop default",
        "0 by default",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_apply_mends(shared_database: Database, damage: str) -> None:
    """What was done to an installed schema is named, and undone; people's own views and functions stay."""
    statement, told = DAMAGE[damage]
    theirs = ("everybody", "bump")
    with connected(shared_database) as connection, connection.transaction(force_rollback=True):
        before = catalogue(connection)
        connection.execute(statement.replace("{database}", shared_database.name).encode())
        done = apply_over(connection)
        assert any(told in step.text for step in done.steps), done.steps
        assert done.asks or damage.startswith(("index", "table"))
        assert [line for line in catalogue(connection) if not any(name in line for name in theirs)] == before


def test_apply_takes_back_what_somebody_gave_away(database: Database) -> None:
    """Owners need no grants, and row-level security does not concern them."""
    with connected(database) as connection:
        before = catalogue(connection)
    with database.superuser() as connection:
        connection.execute("alter table public.profiles owner to authenticated")
        connection.execute("alter table tick.charge owner to service_role")
        connection.execute("alter function tick.open_day owner to service_role")
    texts = [step.text for step in apply(database).steps]
    assert "public.profiles belongs to postgres from now on, no longer to authenticated" in texts
    assert "table tick.charge belongs to postgres again, no longer to service_role" in texts
    assert "function tick.open_day(uuid,date) belongs to postgres again, no longer to service_role" in texts
    with connected(database) as connection:
        assert catalogue(connection) == before
