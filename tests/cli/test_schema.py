"""`tickctl schema show|apply|remove|migration` as a process."""

import re
import signal
import subprocess
from pathlib import Path

import pytest

from cli_support import COMMAND, Tickctl, environment
from quota_support import Database
from schema_support import HAND_MADE, catalogue, connected, held_up


@pytest.fixture
def bare(bare_database: Database) -> dict[str, str]:
    """The environment for a project's database that never heard of tickctl."""
    return {"SUPABASE_DB_URL": bare_database.postgres_url}


@pytest.fixture
def hand_made(bare_database: Database, bare: dict[str, str]) -> dict[str, str]:
    """The environment for a project's database with tables of its own."""
    with connected(bare_database) as connection:
        connection.execute(HAND_MADE.encode())
    bare_database.add_user("early@example.com")
    return bare


def state(database: Database) -> list[str]:
    """Return what the database consists of."""
    with connected(database) as connection:
        return catalogue(connection)


APPLY = ("schema", "apply", "--backend", "postgres")


def test_apply_into_an_empty_project_asks_nobody(tickctl: Tickctl, bare: dict[str, str]) -> None:
    """It says where and as whom, and the second time that there is nothing to do."""
    first = tickctl(*APPLY, env=bare)
    assert (first.code, {line.split("\t")[0] for line in first.out.splitlines()}) == (0, {"create"}), first.err
    assert "on the database of SUPABASE_DB_URL over a direct connection as postgres" in first.err
    again = tickctl(*APPLY, "--json", env=bare)
    assert (again.code, again.json["changed"], again.json["steps"], again.json["blockers"]) == (0, False, [], [])
    assert "nothing to do" in again.err
    assert tickctl("quota", "list", "--backend", "postgres", env=bare).code == 0


def test_apply_shows_its_plan_and_asks(
    tickctl: Tickctl, hand_made: dict[str, str], bare_database: Database, terminal: Tickctl
) -> None:
    """Without a terminal it needs --yes; on one, a no changes nothing and a yes does what was shown."""
    before = state(bare_database)
    tried = tickctl(*APPLY, "--dry-run", "--json", env=hand_made)
    assert (tried.code, tried.json["changed"], tried.json["dry_run"]) == (0, False, True)
    step = "public.user_daily_usage.ticks_used is bigint from now on, no longer integer"
    assert {"kind": "change", "text": step, "fix": None, "dependants": None} in tried.json["steps"]
    assert tickctl(*APPLY, env=hand_made).code == 2
    refused = terminal(*APPLY, typed="n\n", env=hand_made)
    assert refused.code == 130
    assert 'policy "Users manage own usage"' in refused.out
    assert state(bare_database) == before
    agreed = terminal(*APPLY, typed="y\n", env=hand_made)
    assert (agreed.code, agreed.out.count("gets the column ticks_granted")) == (0, 1), agreed.out
    plan = agreed.out[agreed.out.index("create ") : agreed.out.index("change what is there on")]
    assert max(map(len, plan.splitlines())) <= 80
    assert tickctl(*APPLY, "--json", env=hand_made).json["steps"] == []


def test_apply_with_yes_tells_what_was_done(tickctl: Tickctl, hand_made: dict[str, str]) -> None:
    """The JSON of the real run has the steps of the dry run."""
    tried = tickctl(*APPLY, "--dry-run", "--json", env=hand_made).json
    done = tickctl(*APPLY, "--yes", "--json", env=hand_made).json
    assert (done["changed"], done["dry_run"], done["steps"]) == (True, False, tried["steps"])
    assert done["target"] == "the database of SUPABASE_DB_URL over a direct connection as postgres"
    assert tickctl("quota", "show", "early@example.com", "--backend", "postgres", env=hand_made).code == 0


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)], ids=["Ctrl-C", "kill -9"])
def test_apply_that_is_interrupted_leaves_the_old_state(
    home: Path, bare: dict[str, str], bare_database: Database, how: signal.Signals, code: int
) -> None:
    """In the middle of its work, in whatever way."""
    with held_up(bare_database):
        before = state(bare_database)
        process = subprocess.Popen(
            [*COMMAND, *APPLY, "--yes"],
            env=environment(home, bare),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        (backend,) = bare_database.wait_for_lock(user="postgres")
        process.send_signal(how)
        process.communicate(timeout=30)
        assert process.returncode == code
    bare_database.wait_for_end(backend)
    assert state(bare_database) == before


def test_blockers_are_a_no(tickctl: Tickctl, hand_made: dict[str, str], bare_database: Database) -> None:
    """Exit code 1, every blocker named, nothing changed, asked or not."""
    with connected(bare_database) as connection:
        connection.execute("update public.profiles set daily_tick_limit = -1")
    before = state(bare_database)
    for options in (["--dry-run"], ["--yes"]):
        result = tickctl(*APPLY, "--json", *options, env=hand_made)
        assert (result.code, result.json["changed"]) == (1, False)
        assert result.json["blockers"] == [
            "public.profiles: 1 value of daily_tick_limit below 0: set them to null (unlimited) or to 0 (blocked)"
        ]
    assert state(bare_database) == before
    assert tickctl(*APPLY, env=hand_made).out.startswith("blocked\tpublic.profiles: 1 value of daily_tick_limit")


def test_apply_with_hook_installs_it(tickctl: Tickctl, bare: dict[str, str], bare_database: Database) -> None:
    """And keeps it, also when it isn't asked for again."""
    assert tickctl(*APPLY, "--with-hook", env=bare).code == 0
    with connected(bare_database) as connection:
        found = connection.execute("select to_regprocedure('tick.access_token_hook(jsonb)')::text").fetchone()
        connection.execute(
            "create or replace function tick.access_token_hook(event jsonb) returns jsonb"
            " language sql as 'select event'"
        )
    assert found == ("tick.access_token_hook(jsonb)",)
    assert [step["kind"] for step in tickctl(*APPLY, "--yes", "--json", env=bare).json["steps"]] == ["update"]


def test_options_change_objects_of_the_project(
    tickctl: Tickctl, hand_made: dict[str, str], bare_database: Database
) -> None:
    """Only those that are named; without the option the step is a note with the statement."""
    with connected(bare_database) as connection:
        connection.execute(
            "alter table public.profiles disable row level security;"
            " create function public.set_my_limit(n integer) returns void language sql security definer as"
            " 'update public.profiles set daily_tick_limit = n where id = auth.uid()'"
        )
    options = {"--rls": "row-level security is off", "--revoke-execute": "public.set_my_limit(integer)"}
    for option, subject in options.items():
        steps = tickctl(*APPLY, option, "--dry-run", "--json", env=hand_made).json["steps"]
        assert [step["kind"] for step in steps if subject in step["text"]] == ["option"], steps
        assert [step["kind"] for step in steps if step["fix"]] == ["note"]
    assert tickctl(*APPLY, *options, env=hand_made).code == 2
    assert tickctl(*APPLY, *options, "--yes", env=hand_made).code == 0
    assert tickctl(*APPLY, *options, "--json", env=hand_made).json["steps"] == []


REMOVE = ("schema", "remove", "--backend", "postgres")


def test_remove_undoes_what_apply_did(tickctl: Tickctl, hand_made: dict[str, str], bare_database: Database) -> None:
    """It shows its plan, asks, and leaves the project as it was; then there is nothing to do."""
    before = state(bare_database)
    assert tickctl(*APPLY, "--yes", env=hand_made).code == 0
    installed = state(bare_database)
    tried = tickctl(*REMOVE, "--dry-run", "--json", env=hand_made)
    assert (tried.code, {step["kind"] for step in tried.json["steps"]}) == (0, {"remove", "change"})
    assert tickctl(*REMOVE, env=hand_made).code == 2
    assert state(bare_database) == installed
    removed = tickctl(*REMOVE, "--yes", "--json", env=hand_made)
    assert (removed.code, removed.json["changed"], removed.json["steps"]) == (0, True, tried.json["steps"])
    assert state(bare_database) == before
    again = tickctl(*REMOVE, env=hand_made)
    assert (again.code, again.out, "tickctl is not installed" in again.err) == (0, "", True)


def test_remove_can_leave_the_tables(tickctl: Tickctl, bare: dict[str, str], bare_database: Database) -> None:
    """Also those that tickctl created, with their rows."""
    tickctl(*APPLY, env=bare)
    user = bare_database.add_user("kept@example.com")
    assert tickctl(*REMOVE, "--keep-usage", "--yes", env=bare).code == 0
    with connected(bare_database) as connection:
        rows = connection.execute("select user_id::text, daily_tick_limit from public.profiles").fetchall()
    assert rows == [(user.id, 32)]


def test_remove_waits_for_the_hook_to_be_switched_off(tickctl: Tickctl, bare: dict[str, str]) -> None:
    """Nobody could sign in without it, as long as Supabase Auth calls it."""
    tickctl(*APPLY, "--with-hook", env=bare)
    blocked = tickctl(*REMOVE, "--yes", "--json", env=bare)
    assert (blocked.code, blocked.json["changed"], blocked.json["steps"]) == (1, False, [])
    assert "tick.access_token_hook is installed" in blocked.json["blockers"][0]
    assert tickctl(*REMOVE, "--yes", "--with-hook", env=bare).code == 0


def test_apply_to_the_embedded_database_finds_it_in_order(tickctl: Tickctl) -> None:
    """It sees to its schema by itself."""
    result = tickctl("schema", "apply", "--backend", "local", "--json")
    assert (result.code, result.json["steps"]) == (0, [])
    assert result.json["target"].startswith("embedded database in ")


@pytest.mark.parametrize(
    ("env", "code"),
    [
        ({"SUPABASE_URL": "https://ref.supabase.co", "SUPABASE_SECRET_KEY": "sb_secret_abcdefghijklmnop"}, 3),
        ({"SUPABASE_DB_URL": "postgresql://postgres:pw@127.0.0.1:1/postgres"}, 3),
        ({"SUPABASE_URL": "https://r.supabase.co", "SUPABASE_DB_URL": "postgresql://u:pw@127.0.0.1:1/postgres"}, 5),
    ],
    ids=["only the API", "half a project", "nobody listens"],
)
def test_apply_needs_a_connection(tickctl: Tickctl, env: dict[str, str], code: int) -> None:
    """The API can't install anything, and is not tried."""
    result = tickctl("schema", "apply", "--json", env=env)
    assert (result.code, result.out) == (code, "")
    assert result.error["hint"]
    assert "pw" not in result.err.replace("pwd", "")


def test_apply_refuses_what_is_no_project(tickctl: Tickctl, bare: dict[str, str], bare_database: Database) -> None:
    """A plain PostgreSQL has no auth.users; saying so beats a row of SQL errors."""
    with bare_database.superuser() as connection:
        connection.execute("drop schema auth cascade")
    result = tickctl(*APPLY, "--json", env=bare)
    assert (result.code, result.error["code"]) == (3, "configuration")
    assert "not the database of a Supabase project" in result.err


def test_apply_refuses_a_newer_schema(tickctl: Tickctl, bare: dict[str, str], bare_database: Database) -> None:
    """Exit code 3, and the remedy."""
    tickctl(*APPLY, env=bare)
    with connected(bare_database) as connection:
        connection.execute("insert into tick.migration values ('migrations/9999_later.sql', 'x', now())")
    result = tickctl(*APPLY, "--json", env=bare)
    assert (result.code, result.error["hint"]) == (3, "upgrade tickctl")


def test_show_prints_what_installs_everything(tickctl: Tickctl, bare: dict[str, str], bare_database: Database) -> None:
    """Pasted into an SQL editor it is what `apply` would have done."""
    text = tickctl("schema", "show").out
    with connected(bare_database) as connection:
        connection.execute(text.encode())
    assert tickctl(*APPLY, "--json", env=bare).json["steps"] == []
    assert tickctl("schema", "show", "--json").json == {"sql": text}


def test_migration_writes_a_file_once(tickctl: Tickctl, tmp_path: Path) -> None:
    """Named as the Supabase CLI wants it; nothing is overwritten, and nothing said twice."""
    assert tickctl("schema", "migration").code == 2
    (tmp_path / "supabase").mkdir()
    tried = tickctl("schema", "migration", "--dry-run", "--json")
    assert (tried.code, tried.json["written"], [*(tmp_path / "supabase").iterdir()]) == (0, False, [])
    written = tickctl("schema", "migration", "--json")
    path = tmp_path / written.json["file"]
    assert re.fullmatch(r"supabase/migrations/\d{14}_tickctl\.sql", written.json["file"])
    assert (written.code, written.json["written"]) == (0, True)
    assert path.read_text() == tickctl("schema", "show").out
    again = tickctl("schema", "migration", "--json")
    assert (again.json["written"], again.json["file"]) == (False, written.json["file"])
    named = tickctl("schema", "migration", "--output", str(path))
    assert (named.code, "is there already" in named.err) == (2, True)
    assert tickctl("schema", "migration", "--output", str(tmp_path / "no" / "file.sql")).code == 2
    assert tickctl("schema", "migration", "--output", str(tmp_path / "one.sql")).out == f"{tmp_path / 'one.sql'}\n"


@pytest.mark.parametrize("more", [[], ["--dry-run"]], ids=["real", "dry run"])
def test_a_connection_string_given_as_a_file_is_not_repeated(tickctl: Tickctl, more: list[str]) -> None:
    """The path that is made of it has one slash less, and the password still in it."""
    result = tickctl("schema", "migration", "--output", "postgresql://postgres:hunter22@db.example/postgres", *more)
    assert (result.code, result.out) == (2, "")
    assert "can't write" in result.err
    assert "hunter22" not in result.err
