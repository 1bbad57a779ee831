"""What code of the project raises is passed on as its own, with its message, hint and name."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from quota_support import Database
from schema_support import connected
from standin import StandIn
from tickctl.adapters import schema
from tickctl.core.quota import QuotaAdmin
from tickctl.errors import ConfigurationError, ProjectRefusedError

PROJECT = """
create table public.profiles (
    id uuid primary key references auth.users (id) on delete cascade, plan text default 'free',
    daily_tick_limit integer default 32 constraint below_hundred check (daily_tick_limit < 100)
);
create function public.helper() returns text language sql as $$ select 'found without a schema' $$;
create function public.frozen() returns trigger language plpgsql as $$
begin
    if new.daily_tick_limit = 77 then raise exception 'plan is frozen' using hint = 'ask billing'; end if;
    if new.daily_tick_limit = 78 then perform no_such_function(); end if;
    if new.daily_tick_limit = 79 then perform 1 from no_such_table; end if;
    new.plan := helper();
    return new;
end
$$;
create trigger frozen before update on public.profiles for each row execute function public.frozen();
"""


@pytest.fixture(params=["connection", "api"])
def admin(
    request: pytest.FixtureRequest,
    bare_database: Database,
) -> Iterator[QuotaAdmin]:
    """An operator of a project with such triggers, over a connection and over the API."""
    with connected(bare_database) as connection:
        connection.execute(PROJECT.encode())
        schema.apply(connection)
        user = bare_database.add_user("user@example.com")
        connection.execute("insert into public.profiles (id) values (%s)", [user.id])
    if request.param == "connection":
        yield bare_database.admin()
        return
    standing_in: Callable[..., AbstractContextManager[StandIn]] = request.getfixturevalue("standing_in_over")
    with standing_in(bare_database) as project:
        from tickctl.adapters.api import ApiFunctions  # noqa: PLC0415 - only here
        from tickctl.core.secret import Secret  # noqa: PLC0415

        environ = project.settings_env("secret-key")
        with ApiFunctions(environ["SUPABASE_URL"], Secret(environ["SUPABASE_SECRET_KEY"])) as functions:
            yield QuotaAdmin(functions, "tester@host")


@pytest.fixture
def standing_in_over() -> Callable[..., AbstractContextManager[StandIn]]:
    """Make a stand-in over a database that is given."""
    from standin import standing_in  # noqa: PLC0415 - only here

    return standing_in


def test_a_trigger_s_refusal_is_told_with_its_message_and_hint(admin: QuotaAdmin) -> None:
    """Trying again would not help, and running `schema apply` neither."""
    with pytest.raises(ProjectRefusedError) as caught:
        admin.set_limit("user@example.com", 77)
    assert caught.value.message == "public.frozen() refused: plan is frozen"
    assert caught.value.hint == "ask billing"


def test_a_constraint_of_the_project_refuses_as_its_own(admin: QuotaAdmin) -> None:
    """The constraint's name is in the server's words."""
    with pytest.raises(ProjectRefusedError) as caught:
        admin.set_limit("user@example.com", 500)
    assert caught.value.message.startswith("public.profiles refused: ")
    assert "below_hundred" in caught.value.message


@pytest.mark.parametrize(("limit", "missing"), [(78, "no_such_function"), (79, "no_such_table")])
def test_a_broken_trigger_is_not_taken_for_a_missing_schema(admin: QuotaAdmin, limit: int, missing: str) -> None:
    """The project has to fix it."""
    with pytest.raises(ConfigurationError) as caught:
        admin.set_limit("user@example.com", limit)
    assert caught.value.message.startswith("public.frozen() is broken: ")
    assert missing in caught.value.message
    assert "schema apply" not in str(caught.value.hint)


def test_triggers_of_the_project_find_names_as_anywhere_else(admin: QuotaAdmin, bare_database: Database) -> None:
    """They were written for the project's own search path."""
    assert admin.set_limit("user@example.com", 76).changed
    with bare_database.owner() as connection:
        assert connection.execute("select plan from public.profiles").fetchone() == {"plan": "found without a schema"}
