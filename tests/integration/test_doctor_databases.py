"""What doctor looks at in databases: it changes nothing there, and starts none."""

import re
from pathlib import Path

import pytest

from quota_support import Database as OwnDatabase
from tickctl.adapters.doctor.looks import attempt
from tickctl.adapters.doctor.systems import read_database, read_embedded, url_of_running
from tickctl.adapters.embedded import EmbeddedDatabase, Server
from tickctl.adapters.schema import Plan, Step, StepKind
from tickctl.core.doctor.facts import Database, Embedded, Problem, Schema, Unread
from tickctl.core.secret import Secret

EVERYTHING = """
select string_agg(c.oid::text || c.relname || c.xmin::text, ',' order by c.oid) from pg_catalog.pg_class as c
where c.relnamespace <> 'pg_catalog'::regnamespace
"""


def looked(database: OwnDatabase) -> Database:
    """Look at a test's database as its owner."""
    return read_database(Secret(database.postgres_url), "the database")


def test_current_schema(shared_database: OwnDatabase) -> None:
    """Nothing is to be done."""
    found = looked(shared_database)
    assert found.schema == Schema()
    assert found.hook is False
    assert found.place == "the database as postgres"


def test_schema_that_isn_t_there(bare_database: OwnDatabase) -> None:
    """The plan says what is missing, and stays a plan."""
    with bare_database.superuser() as connection:
        before = connection.execute(EVERYTHING).fetchone()
    found = looked(bare_database)
    assert isinstance(found.schema, Schema)
    assert found.schema.steps
    with bare_database.superuser() as connection:
        assert connection.execute(EVERYTHING).fetchone() == before


def test_notes_of_a_plan_are_nothing_to_do(shared_database: OwnDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are only worth knowing."""
    noted = Plan(steps=(Step(StepKind.NOTE, "an index of yours is left alone"),))
    monkeypatch.setattr("tickctl.adapters.schema.plan", lambda _connection: noted)
    assert looked(shared_database).schema == Schema()


def test_installed_hook(database: OwnDatabase) -> None:
    """By its name, wherever it is switched on."""
    with database.superuser() as connection:
        connection.execute(
            "create function tick.access_token_hook(event jsonb) returns jsonb language sql as 'select event'"
        )
    assert looked(database).hook is True


def test_database_that_doesn_t_say_leaves_the_hook_open(
    shared_database: OwnDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found out besides stays found out."""
    monkeypatch.setattr("tickctl.adapters.doctor.systems._HOOK", "select 1 / 0")
    found = looked(shared_database)
    assert found.hook == Unread("the database didn't say whether the hook is installed (SQLSTATE 22012)")
    assert found.schema == Schema()


def test_role_that_may_not_look_leaves_the_schema_open(shared_database: OwnDatabase) -> None:
    """It is no proof of anything."""
    found = read_database(Secret(shared_database.authenticator_url), "the database")
    assert isinstance(found.schema, Unread)


def test_database_of_no_supabase_project(database: OwnDatabase) -> None:
    """The schema can't be installed there, and why is said."""
    with database.superuser() as connection:
        connection.execute("drop schema auth cascade")
    assert isinstance(looked(database).schema, Problem)


def test_database_that_isn_t_there(shared_database: OwnDatabase) -> None:
    """A name that doesn't exist is wrong; a port where nobody listens is open."""
    missing = re.sub(rf"/{shared_database.name}\b", "/nowhere", shared_database.postgres_url)
    assert isinstance(attempt(lambda: read_database(Secret(missing), "x")), Problem)
    assert isinstance(attempt(lambda: read_database(Secret("postgresql://127.0.0.1:1/x"), "x")), Unread)


def test_folder_without_an_embedded_database_stays_as_it_is(tmp_path: Path) -> None:
    """Looking makes nothing."""
    home = tmp_path / "home"
    assert read_embedded(home) is None
    assert url_of_running(home) is None
    assert not home.exists()


def test_running_embedded_database(embedded_database: EmbeddedDatabase, embedded_server: Server) -> None:
    """It is looked at through its socket."""
    found = read_embedded(embedded_database.home)
    assert found == Embedded(str(embedded_database.home), True, "18", "18")
    url = url_of_running(embedded_database.home)
    assert url is not None
    assert isinstance(read_database(url, "the embedded database").schema, Schema)


def test_embedded_database_that_doesn_t_run_is_not_started(tmp_path: Path) -> None:
    """Its folder tells enough."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "tickctl-home").write_text("1\n")
    (home / "pgdata").mkdir()
    (home / "pgdata" / "PG_VERSION").write_text("17\n")
    before = sorted(path.name for path in home.rglob("*"))
    assert read_embedded(home) == Embedded(str(home), False, "17", "18")
    assert url_of_running(home) is None
    assert sorted(path.name for path in home.rglob("*")) == before


def test_folder_of_another_format(tmp_path: Path) -> None:
    """A newer tickctl made it."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "tickctl-home").write_text("2\n")
    found = attempt(lambda: read_embedded(home))
    assert isinstance(found, Problem)
    assert "format '2'" in found.message


def test_folder_of_something_else(tmp_path: Path) -> None:
    """It is not touched, and said."""
    (tmp_path / "letter.txt").write_text("dear")
    assert isinstance(attempt(lambda: read_embedded(tmp_path)), Problem)


def test_programs_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without PostgreSQL is of no use."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "tickctl-home").write_text("1\n")
    monkeypatch.setattr("tickctl.adapters.embedded.binaries.find_spec", lambda _name: None)
    assert isinstance(attempt(lambda: read_embedded(home)), Problem)
