"""Nobody but its owner gets into the embedded database, and it gets nothing of its owner's."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from tickctl.adapters.embedded import EmbeddedDatabase, Server
from tickctl.adapters.embedded.account import bounding_set, setpriv_options

as_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can become somebody else"
)
BOUNDING_SET = bounding_set(Path("/proc/self/status").read_text()) if Path("/proc/self/status").exists() else 0
READ_ANYWHERE, WRITE_ANYWHERE = 1 << 2, 1 << 1
# Uses the database and prints what /proc says of its server.
REPORT = """
import sys, pathlib, psycopg
from tickctl.adapters.embedded import EmbeddedDatabase
from tickctl.errors import TickctlError
try:
    with EmbeddedDatabase(pathlib.Path(sys.argv[1]), durable=False).use() as server:
        with psycopg.connect(server.url()) as connection:
            print(connection.execute("select count(*) from auth.users").fetchone()[0])
        print(pathlib.Path(f"/proc/{server.pid}/status").read_text())
except TickctlError as error:
    print(type(error).__name__, error.message, error.hint)
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> EmbeddedDatabase:
    """A database of this module's own."""
    return EmbeddedDatabase(tmp_path_factory.mktemp("isolation") / "home", durable=False)


@pytest.fixture(scope="module")
def server(database: EmbeddedDatabase) -> Iterator[Server]:
    """Its server, started with a secret in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SUPABASE_SECRET_KEY", "sb_secret_of_this_test")
        with database.use() as running:
            yield running


@pytest.fixture
def visible(server: Server) -> Server:
    """The server, where we may see what it has open: on Linux, and as root not without CAP_SYS_PTRACE."""
    try:
        Path(f"/proc/{server.pid}/exe").readlink()
    except OSError as error:
        pytest.skip(f"what the server has open is not to be seen: {error.strerror}")
    return server


def processes(server: Server) -> list[int]:
    """Return the ids of the server and its children."""
    found = [server.pid]
    for entry in (entry for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        with suppress(FileNotFoundError, ProcessLookupError):
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            if parent == str(server.pid):
                found.append(int(entry.name))
    return found


def open_files(pid: int) -> set[str]:
    """Return what the file descriptors of a process lead to; nothing if it has just ended."""
    found = set()
    with suppress(FileNotFoundError, ProcessLookupError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            found.add(str(entry.readlink()))
    return found


def test_nothing_listens_on_the_network(visible: Server) -> None:
    """None of the server's sockets is one of TCP."""
    sockets = {name.removeprefix("socket:[").rstrip("]") for pid in processes(visible) for name in open_files(pid)}
    assert sockets
    for table in ("tcp", "tcp6", "udp", "udp6"):
        path = Path("/proc/net") / table
        inodes = {line.split()[9] for line in path.read_text().splitlines()[1:]} if path.exists() else set()
        assert not inodes & sockets
    with psycopg.connect(visible.url()) as connection:
        assert connection.execute("show listen_addresses").fetchone() == ("",)


def test_the_server_holds_its_life_line_and_none_of_our_locks(visible: Server, database: EmbeddedDatabase) -> None:
    """Else our locks would outlive us."""
    life_line = str(database.home / "server.log")
    assert life_line in open_files(visible.pid)
    for pid in processes(visible):
        in_home = {name for name in open_files(pid) if name.startswith(f"{database.home}/") and "/pgdata/" not in name}
        assert in_home <= {life_line, str(database.home / "run" / ".s.PGSQL.5432.lock")}


def test_the_server_gets_nothing_of_our_environment(visible: Server) -> None:
    """The keys in it are none of its business."""
    assert os.environ["SUPABASE_SECRET_KEY"] == "sb_secret_of_this_test"
    assert b"sb_secret" not in Path(f"/proc/{visible.pid}/environ").read_bytes()


@pytest.mark.parametrize("role", ["postgres", "supabase_admin", "authenticator"])
def test_the_owner_may_be_every_role(server: Server, role: str) -> None:
    """Without a password."""
    with psycopg.connect(server.url(role)) as connection:
        assert connection.execute("select session_user").fetchone() == (role,)


def test_the_environment_leads_nobody_astray(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables for another database don't divert a connection to this one, nor its psql."""
    elsewhere = {"PGHOST": "192.0.2.1", "PGHOSTADDR": "192.0.2.1", "PGPORT": "1", "PGUSER": "x", "PGDATABASE": "y"}
    for name, value in elsewhere.items():
        monkeypatch.setenv(name, value)
    with psycopg.connect(server.url(), connect_timeout=5) as connection:
        assert connection.info.backend_pid
    asked = subprocess.run(
        [str(server.psql_path), "-XAtc", "select session_user"],
        env=os.environ | server.environment(user="authenticator"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout == "authenticator\n"


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "supabase_auth_admin"])
def test_roles_that_stand_for_others_can_t_log_in(server: Server, role: str) -> None:
    """They are taken on by somebody who could."""
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        psycopg.connect(server.url(role))


@as_root
@pytest.mark.parametrize("role", ["postgres", "supabase_admin"])
@pytest.mark.parametrize("user", ["daemon", "nobody"])
def test_another_user_is_refused_even_at_the_socket(server: Server, user: str, role: str) -> None:
    """Who gets past the folders, and even the user that the server runs as, is asked who it is, and that is enough."""
    entry = pwd.getpwnam(user)
    reach_everything = ("--inh-caps", "+dac_override", "--ambient-caps", "+dac_override")
    command = ("setpriv", "--reuid", str(entry.pw_uid), "--regid", str(entry.pw_gid), "--clear-groups")
    refused = subprocess.run(
        (*command, *reach_everything, "--", str(server.psql_path), server.url(role), "-c", "select 1"),
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert refused.returncode == 2
    assert "Peer authentication failed" in refused.stderr


@as_root
def test_another_user_does_not_even_reach_the_socket(server: Server) -> None:
    """The folder is closed."""
    command = ("setpriv", "--reuid", "1", "--regid", "1", "--clear-groups", "--inh-caps", "-all", "--")
    found = subprocess.run((*command, "ls", str(server.socket_dir)), capture_output=True, text=True, check=False)
    assert found.returncode != 0
    assert f"{server.socket_dir}': Permission denied" in found.stderr


def report(home: Path, *prefix: str) -> str:
    """Use the database in a process of its own, and return what that prints."""
    command = (*prefix, sys.executable, "-c", REPORT, str(home))
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd="/").stdout


@as_root
def test_an_ordinary_user_has_a_database_of_its_own(tmp_path: Path) -> None:
    """Nothing in it needs root; the capability is for the test's interpreter, which other users can't always read."""
    daemon = pwd.getpwnam("daemon")
    folder = tmp_path / "daemon's"
    folder.mkdir(mode=0o700)
    os.chown(folder, daemon.pw_uid, daemon.pw_gid)
    options = setpriv_options(daemon.pw_uid, daemon.pw_gid, BOUNDING_SET)
    printed = report(folder / "home", "setpriv", *options, "--")
    assert printed.startswith("0\n")
    assert f"Uid:\t{daemon.pw_uid}\t{daemon.pw_uid}" in printed
    assert {entry.lstat().st_uid for entry in (folder / "home").rglob("*")} == {daemon.pw_uid}


@as_root
def test_a_user_without_a_name_is_told_so(tmp_path: Path) -> None:
    """As in a container that is run with a number."""
    os.chown(tmp_path, 54321, 54321)
    printed = report(tmp_path / "home", "setpriv", *setpriv_options(54321, 54321, BOUNDING_SET), "--")
    assert printed.startswith("ConfigurationError the user id 54321 has no name")


def capabilities(status: str) -> dict[str, int]:
    """Return the capability sets in the text of a process's status."""
    lines = (line.split(":") for line in status.splitlines() if line.startswith("Cap"))
    return {name: int(value, 16) for name, value in lines}


@as_root
def test_root_s_server_is_nobody_with_one_capability(tmp_path: Path) -> None:
    """Reading, and nothing else: not in any set, and no way to more."""
    printed = report(tmp_path / "home")
    nobody = pwd.getpwnam("nobody").pw_uid
    assert f"Uid:\t{nobody}\t{nobody}\t{nobody}\t{nobody}" in printed
    assert set(capabilities(printed).values()) == {BOUNDING_SET & READ_ANYWHERE or WRITE_ANYWHERE}
    assert "NoNewPrivs:\t1" in printed


@as_root
def test_it_works_with_what_a_container_leaves_to_root(tmp_path: Path) -> None:
    """Docker's default: no reading anywhere, no looking into other users' processes."""
    docker = (
        "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,"
        "+sys_chroot,+mknod,+audit_write,+setfcap"
    )
    prefix = ("setpriv", "--bounding-set", docker, "--")
    printed = report(tmp_path / "home", *prefix)
    assert printed.startswith("0\n")
    assert set(capabilities(printed).values()) == {WRITE_ANYWHERE}
    assert report(tmp_path / "home", *prefix).startswith("0\n")


@as_root
def test_where_root_has_no_reach_to_lend_that_is_the_message(tmp_path: Path) -> None:
    """The folder is closed to the server's user then, as its data are to this root."""
    prefix = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--")
    printed = report(tmp_path / "home", *prefix)
    assert printed.startswith("ConfigurationError ")
    assert "DAC_READ_SEARCH" in printed
