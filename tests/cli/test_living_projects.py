"""Operators' commands in projects of tests/projects, whose tables and triggers have a mind of their own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cli_support import Result, Tickctl
from quota_support import Database
from schema_support import apply

PROJECTS = Path(__file__).parents[1] / "projects"
USER, NEW_ADDRESS = "user1@example.com", "renamed@example.com"
Operate = Callable[..., Result]


@pytest.fixture
def operate(bare_database: Database, tickctl: Tickctl, request: pytest.FixtureRequest) -> Operate:
    """Run a command in the project that the test is parametrised with, and that has one user."""
    bare_database.run((PROJECTS / f"{request.param}.sql").read_text())
    apply(bare_database)

    def run(*command: str) -> Result:
        return tickctl(*command, "--backend", "postgres", "--json", env={"SUPABASE_DB_URL": bare_database.postgres_url})

    return run


@pytest.mark.parametrize("operate", ["required-column"], indirect=True)
def test_a_user_without_a_profile_has_limits_all_the_same(operate: Operate, bare_database: Database) -> None:
    """Where tickctl can't fill the project's columns, the limit is kept for the user, and the address stays live."""
    bare_database.run("drop function public.handle_new_user() cascade")
    user = bare_database.add_user(USER)
    for limit, shown in (("77", 77), ("0", 0), ("unlimited", None)):
        assert operate("quota", "set", USER, limit).code == 0
        assert operate("quota", "show", USER).json["daily_tick_limit"] == shown
    assert operate("quota", "grant", USER, "5").json["ticks_granted"] == 5
    bare_database.change_user(user, email=NEW_ADDRESS)
    [listed] = operate("quota", "list", "--search", NEW_ADDRESS).json["users"]
    assert (listed["user_id"], listed["daily_tick_limit"], listed["ticks_granted"]) == (user.id, None, 5)


@pytest.mark.parametrize("operate", ["trigger-that-raises"], indirect=True)
@pytest.mark.parametrize(
    ("limit", "code", "error", "words", "hint"),
    [
        ("77", 1, "refused_by_project", ["public.frozen()", "plan is frozen"], "ask billing"),
        ("78", 3, "configuration", ["public.frozen()", "no_such_function"], None),
    ],
    ids=["refuses", "is broken"],
)
def test_what_the_project_s_trigger_raises_is_its_own(
    operate: Operate, bare_database: Database, limit: str, code: int, error: str, words: list[str], hint: str | None
) -> None:
    """Also in a dry run: its message, hint and name, and an exit code that blames neither tickctl nor the network."""
    user = bare_database.add_user(USER)
    bare_database.run(f"insert into public.profiles (id) values ('{user.id}')")
    assert operate("quota", "set", USER, "76").code == 0
    for options in (["--dry-run"], []):
        result = operate("quota", "set", USER, limit, *options)
        assert (result.code, result.out, result.error["code"]) == (code, "", error)
        assert [word for word in words if word not in str(result.error["message"])] == []
        assert "schema apply" not in result.err
        assert hint is None or result.error["hint"] == hint
    assert operate("quota", "show", USER).json["daily_tick_limit"] == 76
