"""The embedded database works in any folder of ours, and changes nothing that is not."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tickctl.adapters.embedded import EmbeddedDatabase
from tickctl.adapters.embedded.account import find_account
from tickctl.errors import ConfigurationError, UnreachableError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can do that")


def answer(database: EmbeddedDatabase) -> object:
    """Use the database and return what it answers."""
    with database.use() as server, psycopg.connect(server.url()) as connection:
        row = connection.execute("select count(*) from auth.users").fetchone()
        return row and row[0]


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of the test's own, with a short name."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
        yield Path(folder)


@pytest.mark.parametrize(
    "name",
    [
        "with space",
        "it's",
        'a "quoted" one',
        "$HOME",
        "`id`;#",
        "100%d",
        "ünï cödé ✓",
        "back\\slash",
        "a,b",
        "-D",
        "x" * 200,
    ],
)
def test_any_name_will_do(tmp_path: Path, temporary: Path, name: str) -> None:
    """No shell, no configuration file and no connection string takes a name for something else."""
    assert answer(EmbeddedDatabase(tmp_path / name, durable=False)) == 0
    assert list(temporary.iterdir()) == []


def test_a_relative_folder_is_the_same_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is meant from where the command was started."""
    monkeypatch.chdir(tmp_path)
    database = EmbeddedDatabase(Path("home"), durable=False)
    monkeypatch.chdir("/")
    assert answer(database) == 0
    assert database.home == tmp_path / "home"


def test_a_kept_server_with_a_long_name_is_found_again(tmp_path: Path, temporary: Path) -> None:
    """Its socket lies somewhere else, and that is gone when it is stopped."""
    home = tmp_path / ("x" * 200)
    server = EmbeddedDatabase(home, durable=False).start()
    try:
        assert server.socket_dir.parent.parent == temporary
        assert answer(EmbeddedDatabase(home)) == 0
    finally:
        EmbeddedDatabase(home).stop()
    assert list(temporary.iterdir()) == []


def test_everything_has_its_owner_and_mode(temporary: Path) -> None:
    """The server's user gets the data and the socket's folder; the rest is ours and closed to others."""
    database = EmbeddedDatabase(temporary / "home", durable=False)
    us, server_user = os.geteuid(), find_account().uid
    with database.use():
        database.jwt_secret()
        found = {
            entry.name: (entry.lstat().st_uid, stat.S_IMODE(entry.lstat().st_mode)) for entry in database.home.iterdir()
        }
    assert found == {
        "tickctl-home": (us, 0o600),
        "lock": (us, 0o600),
        "users.lock": (us, 0o600),
        "jwt-secret": (us, 0o600),
        "server.log": (us, 0o600),
        "conf": (us, 0o700),
        "pgdata": (server_user, 0o700),
        "run": (server_user, 0o700),
    }
    assert stat.S_IMODE(database.home.stat().st_mode) == 0o700


def test_nothing_that_was_there_is_changed(tmp_path: Path) -> None:
    """Neither the parents, however closed, nor the programs, nor the folder itself."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    home = closed / "home"
    home.mkdir()
    home.chmod(0o755)
    watched = [home, *home.parents, Path(sys.prefix), *Path(sys.prefix).resolve().parents]
    watched += [path for path in Path(sys.prefix).rglob("*pgserver*/**/*") if path.suffix != ".pyc"]
    watched += [Path("/etc/passwd"), Path("/etc/group"), Path(tempfile.gettempdir())]

    def owners_and_modes() -> list[tuple[Path, int, int, int]]:
        return [(path, found.st_uid, found.st_gid, found.st_mode) for path in watched for found in [path.lstat()]]

    before = owners_and_modes()
    assert answer(EmbeddedDatabase(home, durable=False)) == 0
    assert owners_and_modes() == before
    assert any("pginstall18" in str(path) for path in watched)


@as_root
def test_somebody_else_s_folder_is_refused(tmp_path: Path) -> None:
    """And stays empty."""
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 1, 1)
    with pytest.raises(ConfigurationError, match="belongs to another user"), EmbeddedDatabase(home).use():
        pytest.fail("it was used")
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda database: database.start(),
        lambda database: database.stop(),
        lambda database: database.status(),
        lambda database: database.reset(),
        lambda database: database.jwt_secret(),
    ],
)
def test_a_folder_with_other_things_is_refused_by_every_command(
    tmp_path: Path, ask: Callable[[EmbeddedDatabase], object]
) -> None:
    """And stays as it is."""
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(ConfigurationError, match="not empty"):
        ask(EmbeddedDatabase(tmp_path))
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_that_can_t_be_created_is_a_setting(tmp_path: Path) -> None:
    """Its parent is a file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="Not a directory"):
        EmbeddedDatabase(tmp_path / "file" / "home").start()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk that has room for a third of a database."""
    folder = tmp_path / "disk"
    folder.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m,mode=0700", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@as_root
def test_a_full_disk_is_named_and_nothing_half_made_is_believed(small_disk: Path) -> None:
    """The next attempt, with room, starts anew."""
    database = EmbeddedDatabase(small_disk / "home", durable=False)
    with pytest.raises(UnreachableError) as caught:
        answer(database)
    assert caught.value.message == "the disk is full"
    assert str(small_disk) in str(caught.value.hint)
    assert not database.status().running
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    assert answer(database) == 0


@as_root
def test_a_disk_that_fills_up_later_is_named(small_disk: Path) -> None:
    """There is no room for the server's own files, or for ours."""
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    database = EmbeddedDatabase(small_disk / "home", durable=False)
    assert answer(database) == 0
    room = os.statvfs(small_disk)
    (small_disk / "ballast").write_bytes(bytes(room.f_bavail * room.f_frsize))
    with pytest.raises(UnreachableError) as caught:
        answer(database)
    assert caught.value.message == "the disk is full"
    (small_disk / "ballast").unlink()
    assert answer(database) == 0


def test_missing_programs_are_named_by_their_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After which nothing runs, and status and stop still work."""
    monkeypatch.setattr("tickctl.adapters.embedded.binaries.find_spec", lambda _name: None)
    database = EmbeddedDatabase(tmp_path / "home")
    with pytest.raises(ConfigurationError) as caught:
        database.start()
    assert "tickctl[local]" in str(caught.value.hint)
    assert not database.status().running
    assert database.stop() is False


@as_root
def test_without_setpriv_root_is_told_to_be_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container with little in it."""
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(ConfigurationError, match="setpriv"):
        EmbeddedDatabase(tmp_path / "home").start()
