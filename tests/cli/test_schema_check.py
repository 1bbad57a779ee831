"""`tickctl schema check` as a process: what it answers, in which form, and with which exit code."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from check_support import connected
from cli_support import COMMAND, Tickctl, environment
from quota_support import Database
from schema_support import HAND_MADE
from standin import Project
from tickctl.sql import requirements

CHECK = ("schema", "check", "--backend", "postgres")
HOLE = "grant update (daily_tick_limit) on public.profiles to authenticated"


@pytest.fixture
def env(database: Database) -> dict[str, str]:
    """The environment for a database with our schema."""
    return {"SUPABASE_DB_URL": database.postgres_url}


def break_it(database: Database, statement: str = HOLE) -> None:
    """Do something to the database that the check is to find."""
    with database.superuser() as connection:
        connection.execute(statement.encode())


def test_a_safe_database_is_green(tickctl: Tickctl, env: dict[str, str]) -> None:
    """Exit code 0, one line for each requirement on stdout, and where it looked on stderr."""
    result = tickctl(*CHECK, env=env)
    assert result.code == 0, result.out
    assert result.err.splitlines() == [
        "checking the database of SUPABASE_DB_URL over a direct connection as postgres",
        f"all {result.out.count(chr(9) + 'ok' + chr(9))} requirements are kept",
    ]
    header, *lines = [line.split("\t") for line in result.out.splitlines()]
    assert header == ["id", "part", "title", "result", "detail", "mend"]
    assert {len(line) for line in lines} == {6}
    assert {line[3] for line in lines} == {"ok", "note"}


def test_json_has_the_documented_fields(tickctl: Tickctl, env: dict[str, str]) -> None:
    """Other people's scripts read these names."""
    answer = tickctl(*CHECK, "--json", env=env).json
    assert set(answer) == {"target", "ok", "findings"}
    assert answer["ok"] is True
    assert answer["target"] == "the database of SUPABASE_DB_URL over a direct connection as postgres"
    assert {frozenset(finding) for finding in answer["findings"]} == {
        frozenset({"id", "part", "title", "result", "detail", "mend"})
    }
    first = answer["findings"][0]
    assert first == {
        "id": "installed",
        "part": "catalogue",
        "title": "nothing of tickctl is missing",
        "result": "ok",
        "detail": None,
        "mend": None,
    }


def test_a_hole_is_a_no(tickctl: Tickctl, env: dict[str, str], database: Database) -> None:
    """Exit code 1; the broken one stands last, with the object that breaks it and what mends it."""
    break_it(database)
    result = tickctl(*CHECK, env=env)
    assert result.code == 1
    assert result.out.splitlines()[-1].split("\t") == [
        "as-installed",
        "catalogue",
        "nobody has changed what tickctl installed",
        "broken",
        "column public.profiles.daily_tick_limit was changed",
        "tickctl schema apply",
    ]
    assert "1 of " in result.err
    assert "'tickctl schema apply' mends it" in result.err
    assert tickctl(*CHECK, "--json", env=env).json["ok"] is False


def test_what_can_t_be_told_is_neither(tickctl: Tickctl, env: dict[str, str], database: Database) -> None:
    """Exit code 5, and it says why nothing could be tried."""
    break_it(
        database,
        "create function public.fails() returns trigger language plpgsql as 'begin raise exception ''closed''; end';"
        " create trigger a_fails before insert on auth.users for each row execute function public.fails()",
    )
    result = tickctl(*CHECK, env=env)
    assert result.code == 5
    assert "nothing could be tried: closed (SQLSTATE P0001)" in result.out.splitlines()[-1]
    assert "can't be told" in result.err
    answer = tickctl(*CHECK, "--json", "--quiet", env=env)
    assert (answer.json["ok"], answer.err) == (False, "")
    break_it(database)
    assert tickctl(*CHECK, env=env).code == 1


def test_a_terminal_gets_sentences(terminal: Tickctl, env: dict[str, str], database: Database) -> None:
    """Within 80 columns, words instead of signs, colours only where they are wanted, the sum at the end."""
    plain = {"NO_COLOR": "1", "TERM": "dumb"}
    green = terminal(*CHECK, env=env | plain)
    assert green.code == 0
    assert green.out.splitlines()[-1].startswith("all ")
    break_it(database)
    break_it(database, "grant insert on auth.users to anon")
    red = terminal(*CHECK, env=env | plain)
    assert red.code == 1
    assert "\033" not in red.out
    assert max(map(len, red.out.splitlines())) <= 80
    assert red.out.splitlines()[-7:] == [
        "BROKEN       nobody has changed what tickctl installed",
        "             column public.profiles.daily_tick_limit was changed",
        "BROKEN       nobody may write to accounts and sessions through the API",
        "             anon: INSERT on auth.users",
        "             mend: revoke all on auth.users from anon, as supabase_auth_admin",
        f"2 of {green.out.count('ok  ')} requirements are broken",
        "'tickctl schema apply' mends 1 of them; with --dry-run it shows how",
    ], red.out
    assert "\033[1;31mBROKEN" in terminal(*CHECK, env=env).out


def test_apply_makes_hand_made_tables_green(tickctl: Tickctl, bare_database: Database) -> None:
    """The way of an operator: see the holes, let them be mended, see that they are gone."""
    env = {"SUPABASE_DB_URL": bare_database.postgres_url}
    with connected(bare_database.postgres_url) as connection:
        connection.execute(HAND_MADE.encode())
    before = tickctl(*CHECK, "--json", env=env)
    assert before.code == 1
    holes = {finding["id"] for finding in before.json["findings"] if finding["result"] == "broken"}
    assert holes >= {"installed", "raise-own-limit", "lower-own-usage", "write-others-rows", "visitors"}
    assert tickctl("schema", "apply", "--backend", "postgres", "--yes", env=env).code == 0
    after = tickctl(*CHECK, env=env)
    assert after.code == 0, after.out


def test_a_project_is_checked_over_its_connection(tickctl: Tickctl, project: Project) -> None:
    """With a project's URL and connection string; the target is the project, not the database's address."""
    result = tickctl("schema", "check", "--json", env=project.settings_env("connection"))
    assert result.code == 0, result.out
    assert result.json["target"] == f"{project.url} over a direct connection as postgres"


def test_the_embedded_database_keeps_its_promise(tickctl: Tickctl) -> None:
    """Where nothing is configured, that is what is checked, and it is said."""
    result = tickctl("schema", "check")
    assert result.code == 0, result.out
    assert "embedded database in" in result.err


def test_an_interrupted_check_leaves_nothing_behind(database: Database, home: Path, tmp_path: Path) -> None:
    """Ctrl-C ends the statement that runs as well, and the exit code says why it ended."""
    break_it(
        database,
        "create function public.sleeps() returns trigger language plpgsql as"
        " 'begin perform pg_sleep(20); return new; end';"
        " create trigger a_sleeps before insert on auth.users for each row execute function public.sleeps()",
    )
    env = environment(home, {"SUPABASE_DB_URL": database.postgres_url})
    asleep = "select count(*) as n from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"
    with database.superuser() as watcher:

        def wait_for(sleepers: int) -> None:
            deadline = time.monotonic() + 30
            while watcher.execute(asleep.encode()).fetchone() != {"n": sleepers}:
                assert time.monotonic() < deadline, "the statement did not begin or end"

        process = subprocess.Popen([*COMMAND, *CHECK], env=env, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        wait_for(1)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=15)
        assert (process.returncode, out) == (130, "")
        wait_for(0)
        assert watcher.execute("select count(*) as n from auth.users").fetchone() == {"n": 0}


def test_a_database_is_needed(tickctl: Tickctl) -> None:
    """The project's API can't look at a catalogue; the hint says where the connection string is."""
    result = tickctl("schema", "check", "--json", env={"SUPABASE_URL": "https://tests.supabase.co"})
    assert result.code == 3
    assert "SUPABASE_DB_URL" in str(result.error["message"])


def test_a_database_without_auth_is_a_wrong_setting(tickctl: Tickctl, database: Database) -> None:
    """Exit code 3: nothing of a Supabase project is in it."""
    break_it(database, "alter schema auth rename to elsewhere")
    result = tickctl(*CHECK, env={"SUPABASE_DB_URL": database.postgres_url})
    assert result.code == 3
    assert "no database of a Supabase project" in result.err


def test_a_database_that_is_away_is_no_answer(tickctl: Tickctl) -> None:
    """Exit code 5, and nothing of the URL in the error."""
    url = "postgresql://postgres:hidden-secret@127.0.0.1:1/postgres"
    result = tickctl(*CHECK, env={"SUPABASE_DB_URL": url})
    assert (result.code, result.out) == (5, "")
    assert "hidden-secret" not in result.err


def test_every_id_is_on_the_page(tickctl: Tickctl, env: dict[str, str], bare_database: Database) -> None:
    """Scripts pick findings by their ids."""
    page = (Path(__file__).parents[2] / "docs" / "CLI.md").read_text()
    bare = {"SUPABASE_DB_URL": bare_database.postgres_url}
    found = [f["id"] for where in (env, bare) for f in tickctl(*CHECK, "--json", env=where).json["findings"]]
    asked = {each.id for each in requirements() if each.kind not in {"refused", "denied"}}
    assert sorted(name for name in {*found, *asked} if f"`{name}`" not in page) == []
