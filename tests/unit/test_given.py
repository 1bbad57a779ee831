"""What the variables of a given server or project lead to; the tests that use them are all the others."""

import pytest
from psycopg.conninfo import conninfo_to_dict

from given_postgres import GivenServer
from standin import GivenProject
from standin.given import ANON_KEY, DATABASE_URL, SECRET_KEY, URL

SERVER = GivenServer("postgresql://boss:s%40cret@db.example:6543/postgres?sslmode=require")
PROJECT = {
    URL: "https://abcdefghijklmnopqrst.supabase.co/",
    ANON_KEY: "sb_publishable_0123456789",
    SECRET_KEY: "sb_secret_0123456789",
    DATABASE_URL: "postgresql://postgres:secret@db.example/postgres",
}


def test_superuser_keeps_name_and_password() -> None:
    """Whatever Supabase calls it."""
    parts = conninfo_to_dict(SERVER.url("supabase_admin", "quota_1"))
    assert (parts["user"], parts["password"], parts["dbname"]) == ("boss", "s@cret", "quota_1")
    assert (parts["host"], parts["port"], parts["sslmode"]) == ("db.example", "6543", "require")


def test_roles_have_a_password_of_their_own() -> None:
    """The same in every process of a test run, and not the superuser's."""
    parts = conninfo_to_dict(SERVER.url("authenticator", "quota_1"))
    assert (parts["user"], parts["password"]) == ("authenticator", GivenServer(SERVER.superuser_url).password)
    assert parts["password"] != "s@cret"


def test_user_stands_before_the_host() -> None:
    """Where tests put another one in its place."""
    other = SERVER.url("authenticator").replace("authenticator@", "nobody@")
    assert conninfo_to_dict(other)["user"] == "nobody"


def test_psql_is_led_to_the_same_place() -> None:
    """By variables, so that no password stands in its arguments."""
    environment = SERVER.environment(user="postgres", database="quota_1")
    assert (environment["PGHOST"], environment["PGDATABASE"], environment["PGUSER"]) == (
        "db.example",
        "quota_1",
        "postgres",
    )


@pytest.mark.parametrize("missing", [ANON_KEY, SECRET_KEY, DATABASE_URL])
def test_half_a_project_is_an_error(missing: str) -> None:
    """Rather than a run against something else."""
    with pytest.raises(pytest.UsageError, match=missing):
        GivenProject({**PROJECT, missing: ""})


def test_project_is_what_the_variables_say() -> None:
    """And what commands are given to reach it."""
    project = GivenProject(PROJECT)
    assert project.settings_env("secret-key") == {
        "SUPABASE_URL": "https://abcdefghijklmnopqrst.supabase.co",
        "SUPABASE_ANON_KEY": PROJECT[ANON_KEY],
        "SUPABASE_SECRET_KEY": PROJECT[SECRET_KEY],
    }
    assert project.settings_env("database") == {"SUPABASE_DB_URL": PROJECT[DATABASE_URL]}
    project.close()
