"""The embedded database is there while somebody uses it, whoever is killed."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from tickctl.adapters.embedded import EmbeddedDatabase, Server
from tickctl.adapters.embedded.account import find_account
from tickctl.adapters.embedded.binaries import find_binaries
from tickctl.adapters.embedded.database import held
from tickctl.adapters.embedded.home import Home
from tickctl.adapters.embedded.postmaster import is_alive, life_line
from tickctl.adapters.embedded.processes import command_line
from tickctl.adapters.embedded.waiting import wait_until
from tickctl.errors import ConfigurationError, ConflictError, UnreachableError

# A command that uses the database: it says when it has it, and lets go of it at the end of its standard input.
USER = """
import sys, pathlib, psycopg
from tickctl.adapters.embedded import EmbeddedDatabase
with EmbeddedDatabase(pathlib.Path(sys.argv[1]), durable=False).use() as server:
    with psycopg.connect(server.url()) as connection:
        print(connection.execute("select count(*) from auth.users").fetchone()[0], server.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder that is not there yet; whatever runs in it is stopped in the end."""
    folder = tmp_path / "home"
    yield folder
    EmbeddedDatabase(folder).stop()


@pytest.fixture
def database(home: Path) -> EmbeddedDatabase:
    """The database of a fresh folder."""
    return EmbeddedDatabase(home, durable=False)


@contextmanager
def command(home: Path, script: str = USER) -> Iterator["subprocess.Popen[str]"]:
    """Run a script with the folder as its argument."""
    with subprocess.Popen(
        [sys.executable, "-c", script, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: "subprocess.Popen[str]") -> str:
    """Return the first line that a command prints."""
    assert process.stdout is not None
    return process.stdout.readline()


def query(server: Server, text: str, user: str = "postgres") -> object:
    """Run a statement and return the first value of its answer, if any."""
    with psycopg.connect(server.url(user), autocommit=True) as connection:
        cursor = connection.execute(text.encode())
        row = cursor.fetchone() if cursor.description else None
        return row and row[0]


def use_briefly(database: EmbeddedDatabase) -> int:
    """Use the database for a moment and return its process."""
    with database.use() as server:
        assert query(server, "select 1") == 1
        return server.pid


def test_the_server_runs_while_it_is_used_and_no_longer(database: EmbeddedDatabase, home: Path) -> None:
    """Nothing has to be started or stopped by hand."""
    assert not database.status().running
    with database.use() as server:
        status = database.status()
        assert (status.running, status.kept, status.pid, status.home) == (True, False, server.pid, home)
        assert status.version == "18"
        assert status.size_bytes is not None
        assert status.size_bytes > 1_000_000
        assert status.started_at is not None
        assert query(server, "select current_user") == "postgres"
        assert os.getsid(server.pid) == server.pid, "an interrupt at the terminal would reach the server"
    assert not database.status().running
    assert not command_line(server.pid)
    with pytest.raises(ChildProcessError):
        os.waitpid(server.pid, os.WNOHANG)


def test_asking_for_the_status_creates_nothing(database: EmbeddedDatabase, home: Path) -> None:
    """Nor do stop and reset where nothing is."""
    assert database.status().version is None
    assert database.stop() is False
    database.reset()
    assert not home.exists()


def test_data_outlives_the_server(database: EmbeddedDatabase) -> None:
    """What was committed is there at the next use."""
    with database.use() as server:
        query(server, "create table public.note as select 42 as answer")
    with database.use() as server:
        assert query(server, "select answer from public.note") == 42


def test_the_last_user_stops_the_server(database: EmbeddedDatabase) -> None:
    """Uses may overlap, in one process and in several."""
    with database.use() as first:
        with database.use() as second:
            assert second.pid == first.pid
        with command(database.home) as other:
            assert first_line(other).split()[1] == str(first.pid)
            other.communicate()
        assert query(first, "select 1") == 1
    assert not database.status().running


def test_an_error_in_the_block_ends_the_use(database: EmbeddedDatabase) -> None:
    """And reaches the caller as it is, an OSError too."""
    with pytest.raises(FileNotFoundError, match="mine"), database.use():
        raise FileNotFoundError(2, "mine")
    assert not database.status().running


def test_a_server_that_was_started_by_hand_is_kept(database: EmbeddedDatabase) -> None:
    """Until it is stopped by hand."""
    server = database.start()
    assert database.start().pid == server.pid
    with database.use() as used:
        assert used.pid == server.pid
    status = database.status()
    assert (status.running, status.kept) == (True, True)
    assert database.stop() is True
    assert database.stop() is False
    status = database.status()
    assert (status.running, status.kept) == (False, False)


def test_stopping_ends_the_connections_of_others(database: EmbeddedDatabase) -> None:
    """It does not wait for them, and their use ends without another error."""
    with database.use() as server, psycopg.connect(server.url(), autocommit=True) as connection:
        assert database.stop() is True
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")


@pytest.mark.parametrize("commands", [2, 10])
def test_commands_that_start_at_once_on_a_fresh_folder_all_work(home: Path, commands: int) -> None:
    """One makes the database, the others wait for it, and the last one stops it."""

    def run(_number: int) -> str:
        with command(home) as process:
            return process.communicate()[0].split()[0]

    with ThreadPoolExecutor(commands) as pool:
        assert list(pool.map(run, range(commands))) == ["0"] * commands
    assert not EmbeddedDatabase(home).status().running


# Forks while it uses the database; the child ends the block as well, and later.
FORKS = """
import os, sys, pathlib, psycopg
from tickctl.adapters.embedded import EmbeddedDatabase
with EmbeddedDatabase(pathlib.Path(sys.argv[1]), durable=False).use() as server:
    child = os.fork()
    if child == 0:
        sys.exit()
    os.waitpid(child, 0)
    with psycopg.connect(server.url()) as connection:
        print(connection.execute("select 'still here'").fetchone()[0])
"""


def test_a_forked_child_does_not_end_the_use_of_its_parent(home: Path) -> None:
    """It shares the lock, and leaves it alone."""
    with command(home, FORKS) as forking:
        assert forking.communicate()[0] == "still here\n"
    assert not EmbeddedDatabase(home).status().running


def test_a_killed_command_leaves_a_server_that_the_next_one_stops(database: EmbeddedDatabase, home: Path) -> None:
    """Its lock went with it."""
    with command(home) as killed:
        pid = int(first_line(killed).split()[1])
        killed.kill()
        killed.wait()
        assert database.status().running
        with database.use() as server:
            assert server.pid == pid
        assert not database.status().running


# Dies as by SIGKILL at the moment when initdb, and later PostgreSQL itself, has just been started.
KILLED_DURING_INITDB = "import os, subprocess; subprocess.Popen.wait = lambda *_: os.kill(os.getpid(), 9)\n" + USER
KILLED_BEFORE_BOOTSTRAP = (
    "import os, tickctl.adapters.embedded.bootstrap as module\n"
    "module.bootstrap = lambda *_: os.kill(os.getpid(), 9)\n" + USER
)
KILLED_WITHIN_BOOTSTRAP = (
    "import os, tickctl.adapters.embedded.bootstrap as module\n"
    "module._apply_migrations = lambda *_: os.kill(os.getpid(), 9)\n" + USER
)


@pytest.mark.parametrize("script", [KILLED_DURING_INITDB, KILLED_BEFORE_BOOTSTRAP, KILLED_WITHIN_BOOTSTRAP])
def test_a_command_killed_while_it_sets_up_leaves_nothing_to_repair(
    database: EmbeddedDatabase, home: Path, script: str
) -> None:
    """The next one waits for what is still running, and does the rest."""
    with command(home, script) as killed:
        killed.wait()
        assert killed.returncode == -signal.SIGKILL
    with database.use() as server:
        assert query(server, "select count(*) from auth.users") == 0
    assert not (home / "pgdata.new").exists()


def test_a_half_made_data_folder_is_made_anew(database: EmbeddedDatabase, home: Path) -> None:
    """As initdb leaves it when the machine loses power."""
    with database.use():
        pass
    (home / "pgdata").rename(home / "pgdata.new")
    (home / "pgdata.new" / "PG_VERSION").unlink()
    with database.use() as server:
        assert query(server, "select count(*) from auth.users") == 0
    assert not (home / "pgdata.new").exists()


def test_a_killed_server_is_started_again_with_its_data(database: EmbeddedDatabase) -> None:
    """PostgreSQL recovers; the file with the dead process's id is in nobody's way."""
    with database.use() as server:
        query(server, "create table public.note as select 42 as answer")
        os.kill(server.pid, signal.SIGKILL)
        assert wait_until(lambda: not database.status().running, 10)
        with database.use() as again:
            assert again.pid != server.pid
            assert query(again, "select answer from public.note") == 42


def test_a_start_waits_for_the_other_processes_of_a_killed_server(database: EmbeddedDatabase, home: Path) -> None:
    """One of them may be at work for a while before it notices."""
    go = home / "go"
    busy = f"do $$ begin while pg_stat_file('{go}', true) is null loop end loop; end $$"
    watch = "select state = 'active' from pg_stat_activity where pid = %s"
    with ExitStack() as stack:
        server = stack.enter_context(database.use())
        pool = stack.enter_context(ThreadPoolExecutor())
        stack.callback(go.touch)
        connection = stack.enter_context(psycopg.connect(server.url("supabase_admin"), autocommit=True))
        backend = connection.info.backend_pid
        working = pool.submit(connection.execute, busy.encode())
        with psycopg.connect(server.url("supabase_admin"), autocommit=True) as other:
            assert wait_until(lambda: other.execute(watch, [backend]).fetchone() == (True,), 10)
        os.kill(server.pid, signal.SIGKILL)
        assert wait_until(lambda: not command_line(server.pid), 10)
        next_use = pool.submit(use_briefly, database)
        assert command_line(backend)
        assert not next_use.done()
        go.touch()
        assert next_use.result() != server.pid
        assert not command_line(backend)
        assert isinstance(working.exception(), psycopg.OperationalError | None)


def test_a_process_id_that_is_somebody_else_s_now_is_not_believed(database: EmbeddedDatabase, home: Path) -> None:
    """In a container a process id is soon somebody else's; that one is neither waited for nor stopped."""
    with database.use():
        pass
    lines = [str(os.getpid()), str(home / "pgdata"), "1767225600", "5432", str(home / "run"), "", "1 2", "ready"]
    (home / "pgdata" / "postmaster.pid").write_text("\n".join(lines) + "\n")
    assert not database.status().running
    assert database.stop() is False
    with database.use() as server:
        assert server.pid != os.getpid()
        assert query(server, "select 1") == 1


def test_a_process_id_that_is_another_server_s_now_is_not_believed(
    database: EmbeddedDatabase, home: Path, tmp_path: Path
) -> None:
    """Two folders, one id: the other folder's server is left alone."""
    with database.use():
        pass
    with EmbeddedDatabase(tmp_path / "other", durable=False).use() as other:
        lines = [str(other.pid), str(home / "pgdata"), "1767225600", "5432", str(home / "run"), "", "1 2", "ready"]
        (home / "pgdata" / "postmaster.pid").write_text("\n".join(lines) + "\n")
        assert database.stop() is False
        with database.use() as server:
            assert server.pid != other.pid
        assert query(other, "select 1") == 1


def test_a_server_that_somebody_else_started_on_the_data_is_left_alone(database: EmbeddedDatabase, home: Path) -> None:
    """Two servers on one folder would destroy it."""
    with database.use():
        pass
    account, binaries = find_account(), find_binaries()
    with tempfile.TemporaryDirectory() as sockets:
        account.give(Path(sockets))
        command = (*account.prefix, str(binaries.path("postgres")), "-D", str(home / "pgdata"))
        options = ("-c", "listen_addresses=", "-c", f"unix_socket_directories={sockets}")
        server = subprocess.Popen((*command, *options), stderr=subprocess.DEVNULL, cwd="/")
        try:
            pid_file = home / "pgdata" / "postmaster.pid"
            assert wait_until(lambda: pid_file.exists() and "ready" in pid_file.read_text(), 20)
            with pytest.raises(ConfigurationError, match=str(server.pid)), database.use():
                pytest.fail("a second server was started")
            assert server.poll() is None
        finally:
            server.send_signal(signal.SIGINT)
            server.wait()


@pytest.mark.parametrize("running", [True, False])
def test_a_moved_folder_works_where_it_is_now(
    database: EmbeddedDatabase, home: Path, tmp_path: Path, running: bool
) -> None:
    """Its settings are written at each start; a server that runs meanwhile is found and stopped."""
    with database.use() as server:
        query(server, "create table public.note as select 42 as answer")
    if running:
        pid = database.start().pid
    moved = home.rename(tmp_path / "moved")
    there = EmbeddedDatabase(moved, durable=False)
    with there.use() as server:
        assert query(server, "select answer from public.note") == 42
        assert not running or server.pid == pid
    assert there.stop() is running


def test_a_newer_tickctl_brings_the_database_up_to_date(database: EmbeddedDatabase) -> None:
    """What made it is written in it; another text of our SQL runs again, over what is there."""
    with database.use() as server:
        query(server, "comment on schema auth is 'tickctl, an older one'", "supabase_admin")
        query(server, "drop function auth.email()", "supabase_admin")
        query(server, "insert into auth.users (id, email) values (gen_random_uuid(), 'kept@example.com')")
        with database.use():
            assert query(server, "select auth.email()") is None
            assert query(server, "select count(*) from auth.users") == 1


def test_a_reset_leaves_an_empty_home(database: EmbeddedDatabase, home: Path) -> None:
    """Users, usage and the key are gone; the folder, its marker and its locks stay."""
    secret = database.jwt_secret()
    database.start()
    database.reset()
    assert {entry.name for entry in home.iterdir()} == {"tickctl-home", "lock", "users.lock"}
    assert not database.status().running
    assert database.jwt_secret() != secret
    with database.use() as server:
        assert query(server, "select count(*) from auth.users") == 0


def test_what_others_use_is_not_reset(database: EmbeddedDatabase) -> None:
    """Not even a kept server, while somebody works with it."""
    with database.use() as server:
        with pytest.raises(ConflictError):
            database.reset()
        assert query(server, "select 1") == 1


def test_why_a_server_does_not_start_is_told(database: EmbeddedDatabase, home: Path) -> None:
    """The reason is PostgreSQL's, and nothing stays behind."""
    with database.use():
        pass
    (home / "pgdata" / "global" / "pg_control").write_bytes(b"")
    with pytest.raises(UnreachableError, match="pg_control") as caught, database.use():
        pytest.fail("it started")
    assert str(home / "server.log") in str(caught.value.hint)
    assert not database.status().running


def test_data_of_another_version_is_refused(database: EmbeddedDatabase, home: Path) -> None:
    """Without trying."""
    with database.use():
        pass
    (home / "pgdata" / "PG_VERSION").write_text("17\n")
    with pytest.raises(ConfigurationError, match="PostgreSQL '17'"), database.use():
        pytest.fail("it started")


def test_a_link_in_the_place_of_the_data_is_refused(database: EmbeddedDatabase, home: Path, tmp_path: Path) -> None:
    """It could lead into anything."""
    with database.use():
        pass
    (home / "pgdata").rename(tmp_path / "elsewhere")
    (home / "pgdata").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="pgdata is not a folder"), database.use():
        pytest.fail("it started")


def test_the_log_stays_small(database: EmbeddedDatabase, home: Path) -> None:
    """At a start a large one is begun anew."""
    with database.use():
        pass
    (home / "server.log").write_text("x" * 300_000)
    with database.use():
        assert (home / "server.log").stat().st_size < 10_000


def test_people_are_told_what_takes_its_time(home: Path) -> None:
    """Once, when the database is made."""
    notices: list[str] = []
    database = EmbeddedDatabase(home, durable=False, notify=notices.append)
    for _ in range(2):
        with database.use():
            pass
    assert notices == [f"setting up the embedded database in {home}, once"]


@pytest.fixture
def somebody_alive(home: Path) -> Iterator[None]:
    """A process that holds the life line, is no server and does not go away: this one."""
    Home(home).claim()
    with life_line(Home(home)):
        yield


@pytest.mark.usefixtures("somebody_alive")
def test_an_earlier_server_that_does_not_settle_is_named(
    database: EmbeddedDatabase, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a bounded time, and without starting another."""
    monkeypatch.setattr("tickctl.adapters.embedded.startup._START_SECONDS", 0.05)
    monkeypatch.setattr("tickctl.adapters.embedded.postmaster._STOP_SECONDS", 0.05)
    with pytest.raises(UnreachableError, match="neither ready nor gone"), database.use():
        pytest.fail("it started")
    with pytest.raises(UnreachableError, match="does not stop"):
        database.stop()
    assert not (home / "pgdata").exists()


def test_a_server_that_takes_too_long_is_ended(database: EmbeddedDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next attempt works."""
    with monkeypatch.context() as patch:
        patch.setattr("tickctl.adapters.embedded.startup._START_SECONDS", 0)
        with pytest.raises(UnreachableError, match="not ready after"), database.use():
            pytest.fail("it started")
    assert not is_alive(Home(database.home))
    assert use_briefly(database)


def test_a_server_that_is_just_starting_can_be_stopped(
    database: EmbeddedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its command was killed before it was ready."""
    use_briefly(database)
    killed_at_once = "import os, tickctl.adapters.embedded.startup as module\n"
    killed_at_once += "module._ended_on_failure = lambda *_: os.kill(os.getpid(), 9)\n" + USER
    with command(database.home, killed_at_once) as killed:
        killed.wait()
    database.stop()
    assert not is_alive(Home(database.home))


def test_who_can_t_stop_the_server_at_the_end_only_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The work is done by then, and its result counts."""
    monkeypatch.setattr("tickctl.adapters.embedded.database._LEAVING_SECONDS", 0.02)
    notices: list[str] = []
    database = EmbeddedDatabase(home, durable=False, notify=notices.append)
    with ExitStack() as use:
        use.enter_context(database.use())
        with held(home / "lock", notices.append):
            use.close()
    assert database.status().running
    assert f"another tickctl has been busy with {home}" in notices[-1]
