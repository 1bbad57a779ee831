"""What somebody has done to an installed schema, put right by installing it again."""

import pytest

from quota_support import Database
from schema_support import apply, apply_over, catalogue, connected
from tickctl.adapters.schema import StepKind

# What somebody may do to an installed schema, and what the plan says about it.
DAMAGE = {
    "function text": (
        (
            "create or replace function public.my_ticks() returns tick.quota_state language sql"
            " as 'select null::tick.quota_state'"
        ),
        "function public.my_ticks() was changed",
    ),
    "function runs as its owner": (
        "alter function public.my_ticks security definer",
        "function public.my_ticks() was changed",
    ),
    "function without search_path": (
        "alter function tick.my_ticks reset search_path",
        "function tick.my_ticks() was changed",
    ),
    "function dropped": ("drop function public.my_ticks", "function public.my_ticks() is missing"),
    "function for everybody": (
        "grant execute on function tick.open_day to public",
        "function tick.open_day(uuid,date) was changed",
    ),
    "function for the login role": (
        "grant execute on function tick.open_day to authenticator",
        "function tick.open_day(uuid,date) was changed",
    ),
    "row security off": (
        "alter table public.profiles disable row level security",
        "table public.profiles was changed",
    ),
    "row security off, private": (
        "alter table tick.charge disable row level security",
        "table tick.charge was changed",
    ),
    "policy": (
        "create policy more on public.profiles for all using (true)",
        "policy more on public.profiles, which tickctl did not make",
    ),
    "policy, private": (
        "create policy more on tick.audit for select using (true)",
        "policy more on tick.audit, which tickctl did not make",
    ),
    "own policy altered": (
        "alter policy profiles_read_own on public.profiles using (true)",
        "policy profiles_read_own on public.profiles was changed",
    ),
    "own policy dropped": (
        "drop policy profiles_read_own on public.profiles",
        "policy profiles_read_own on public.profiles is missing",
    ),
    "rule": (
        "create rule double as on update to tick.charge do also delete from tick.audit",
        "rule double on tick.charge, which tickctl did not make",
    ),
    "grant": ("grant update, delete on public.profiles to authenticated", "table public.profiles was changed"),
    "grant on a column": (
        "grant update (daily_tick_limit) on public.profiles to authenticated",
        "column public.profiles.daily_tick_limit was changed",
    ),
    "grant to all": ("grant select on public.profiles to public", "table public.profiles was changed"),
    "grant to the secret key": (
        "grant insert on public.user_daily_usage to service_role",
        "table public.user_daily_usage was changed",
    ),
    "grant passed on": (
        (
            "grant select on public.profiles to service_role with grant option; set local role service_role;"
            "grant select on public.profiles to anon; reset role"
        ),
        "table public.profiles was changed",
    ),
    "private view for its readers": (
        "alter view tick.quota set (security_invoker = false)",
        "view tick.quota was changed",
    ),
    "grant, private": ("grant select on tick.charge to authenticated", "table tick.charge was changed"),
    "grant withdrawn": ("revoke select on public.profiles from authenticated", "table public.profiles was changed"),
    "schema to create in": ("grant create on schema tick to anon", "schema tick was changed"),
    "trigger off": (
        "alter table public.user_daily_usage disable trigger forget_charges",
        "trigger forget_charges on public.user_daily_usage was changed",
    ),
    "trigger dropped": (
        "drop trigger forget_charges on public.user_daily_usage",
        "trigger forget_charges on public.user_daily_usage is missing",
    ),
    "check dropped": (
        "alter table public.profiles drop constraint profiles_daily_tick_limit_in_range",
        "constraint profiles_daily_tick_limit_in_range on public.profiles is missing",
    ),
    "key dropped": (
        "alter table public.user_daily_usage drop constraint user_daily_usage_pkey",
        "constraint user_daily_usage_pkey on public.user_daily_usage is missing",
    ),
    "key, private": (
        "alter table tick.admin drop constraint admin_pkey",
        "constraint admin_pkey on tick.admin is missing",
    ),
    "reference dropped": (
        "alter table public.profiles drop constraint profiles_user_id_fkey",
        "constraint profiles_user_id_fkey on public.profiles is missing",
    ),
    "reference, private": (
        "alter table tick.admin drop constraint admin_user_id_fkey",
        "constraint admin_user_id_fkey on tick.admin is missing",
    ),
    "index dropped": ("drop index tick.charge_user_day", "index tick.charge_user_day is missing"),
    "table dropped": ("drop table public.user_daily_usage cascade", "table public.user_daily_usage"),
    "table dropped, private": ("drop table tick.charge cascade", "table tick.charge is missing"),
    "null allowed": (
        "alter table public.user_daily_usage alter column ticks_used drop not null",
        "column public.user_daily_usage.ticks_used was changed",
    ),
    "default taken away": (
        "alter table public.user_daily_usage alter column ticks_granted drop default",
        "column public.user_daily_usage.ticks_granted was changed",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_apply_mends(shared_database: Database, damage: str) -> None:
    """What was done to an installed schema is named, and undone."""
    statement, told = DAMAGE[damage]
    with connected(shared_database) as connection, connection.transaction(force_rollback=True):
        before = catalogue(connection)
        connection.execute(statement.encode())
        done = apply_over(connection)
        assert told in [step.text for step in done.steps]
        assert catalogue(connection) == before


@pytest.mark.parametrize("addition", ["policy", "rule"])
def test_what_somebody_added_goes_only_with_consent(shared_database: Database, addition: str) -> None:
    """It may be there for a reason that tickctl doesn't know."""
    statement, told = DAMAGE[addition]
    with connected(shared_database) as connection, connection.transaction(force_rollback=True):
        connection.execute(statement.encode())
        done = apply_over(connection)
        assert [step.text for step in done.steps if step.kind is StepKind.REMOVE] == [told]
        assert done.asks


def test_apply_takes_back_what_somebody_gave_away(database: Database) -> None:
    """Owners need no grants, and row-level security does not concern them."""
    with connected(database) as connection:
        before = catalogue(connection)
    with database.superuser() as connection:
        connection.execute("alter table public.profiles owner to authenticated")
        connection.execute("alter table tick.charge owner to service_role")
        connection.execute("alter function tick.open_day owner to service_role")
    texts = [step.text for step in apply(database).steps]
    assert "table public.profiles was changed" in texts
    assert "table tick.charge was changed" in texts
    assert "function tick.open_day(uuid,date) was changed" in texts
    with connected(database) as connection:
        assert catalogue(connection) == before
