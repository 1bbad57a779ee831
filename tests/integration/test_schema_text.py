"""The schema as one SQL text, run in every way that people run it."""

import subprocess
from collections.abc import Callable

import psycopg
import pytest

from quota_support import Database
from schema_support import HAND_MADE, apply, catalogue, connected
from tickctl.adapters import schema
from tickctl.adapters.embedded import Server

SOMEBODY = "00000000-0000-4000-8000-000000000001"


def run_by_psql(server: Server, database: Database, *options: str) -> None:
    """Run the one text as a file, as people do who have no tickctl at hand."""
    done = subprocess.run(
        [server.psql_path, "-X", "-q", "-v", "ON_ERROR_STOP=1", *options, "-f", "-", database.postgres_url],
        input=schema.as_one_file(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def run_by_editor(server: Server, database: Database) -> None:
    """Run the one text as Supabase's SQL editor does: sent as it is."""
    with connected(database) as connection:
        connection.execute(schema.as_one_file().encode())
        # Not even the settings of the session are other than before.
        left = connection.execute("select current_setting('lock_timeout'), current_setting('client_min_messages')")
        assert left.fetchone() == ("0", "notice")


WAYS: dict[str, Callable[[Server, Database], None]] = {
    "psql": run_by_psql,
    "psql in one transaction": lambda server, database: run_by_psql(server, database, "-1"),
    "SQL editor": run_by_editor,
}


@pytest.mark.parametrize("there", ["nothing", "hand-made tables"])
@pytest.mark.parametrize("way", WAYS)
def test_the_text_does_what_apply_does(
    server: Server, bare_database: Database, bare_twin: Database, way: str, there: str
) -> None:
    """The same catalogue, the same rows, the same memory of it; a second run changes nothing."""
    for database in (bare_database, bare_twin):
        with connected(database) as connection:
            if there != "nothing":
                connection.execute(HAND_MADE.encode())
            connection.execute("insert into auth.users (id, email) values (%s, 'early@example.com')", [SOMEBODY])
            if there != "nothing":
                connection.execute(
                    "insert into public.user_daily_usage (user_id, usage_date, ticks_used)"
                    " values (%(id)s, '2026-01-01', 1), (%(id)s, '2026-01-01', 2)",
                    {"id": SOMEBODY},
                )
    apply(bare_twin)
    for _twice in range(2):
        WAYS[way](server, bare_database)
        with connected(bare_database) as connection, connected(bare_twin) as twin:
            assert schema.plan(connection) == schema.Plan()
            assert catalogue(connection) == [
                line.replace(bare_twin.name, bare_database.name) for line in catalogue(twin)
            ]
            for table in ("public.profiles", "public.user_daily_usage", "tick.settings"):
                rows = connection.execute(f"select * from {table}".encode()).fetchall()
                assert rows == twin.execute(f"select * from {table}".encode()).fetchall()
            remembered = "select name, digest from tick.migration order by name"
            assert connection.execute(remembered).fetchall() == twin.execute(remembered).fetchall()


def test_the_text_refuses_as_a_whole(bare_database: Database) -> None:
    """With everything that is in the way in one message, and nothing changed."""
    with connected(bare_database) as connection:
        connection.execute("create table public.user_daily_usage (day date); create table public.profiles (name text)")
        before = catalogue(connection)
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as caught:
            connection.execute(schema.as_one_file().encode())
        assert catalogue(connection) == before
    message = caught.value.diag.message_primary or ""
    assert "public.profiles has no uuid column" in message
    assert "public.user_daily_usage has no column user_id" in message


def test_the_text_says_the_same_each_time() -> None:
    """So that a migration that is there already is recognised."""
    assert schema.as_one_file() == schema.as_one_file()
    assert schema.as_one_file(hook=True) != schema.as_one_file()
