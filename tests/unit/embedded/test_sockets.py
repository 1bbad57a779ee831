"""Where the socket lies."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tickctl.adapters.embedded.account import Account
from tickctl.adapters.embedded.home import Home
from tickctl.adapters.embedded.sockets import make_socket_folder, remove_socket_folder, socket_folder

US = Account("us", (), os.geteuid(), os.getegid())


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder with a name short enough for sockets, and the one for short socket paths."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
        yield Path(folder)


def home_named(folder: Path, name: str) -> Home:
    """Return a claimed home."""
    home = Home(folder / name)
    home.claim()
    return home


def test_a_short_path_is_used_as_it_is(temporary: Path) -> None:
    """The socket lies in the home, and goes with the server."""
    home = home_named(temporary, "h")
    assert make_socket_folder(home, US) == home.path / "run" == socket_folder(home)
    assert home.sockets.stat().st_mode & 0o777 == 0o700
    remove_socket_folder(home)
    assert not home.sockets.exists()


@pytest.mark.parametrize("name", ["x" * 100, "a,b"])
def test_paths_that_no_socket_can_have_are_replaced_by_a_short_private_one(temporary: Path, name: str) -> None:
    """Too long for the kernel, or with a comma, which libpq takes for the end of the host."""
    home = home_named(temporary, name)
    folder = make_socket_folder(home, US)
    assert folder.parent.parent == temporary
    assert len(os.fsencode(folder / ".s.PGSQL.5432")) < 104
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    assert socket_folder(home) == folder
    remove_socket_folder(home)
    assert [entry.name for entry in temporary.iterdir()] == [name]
    assert not home.sockets.is_symlink()


def test_the_folder_of_a_killed_server_is_replaced(temporary: Path) -> None:
    """Nothing is left in the temporary folder by the one that was killed."""
    home = home_named(temporary, "x" * 100)
    first = make_socket_folder(home, US)
    (first / ".s.PGSQL.5432").touch()
    second = make_socket_folder(home, US)
    assert first != second
    assert not first.parent.exists()
    remove_socket_folder(home)


def test_somebody_else_s_folder_of_that_name_is_left_alone(temporary: Path) -> None:
    """After a restart of the machine the name may lead to anything."""
    home = home_named(temporary, "h")
    (temporary / "other" / "run").mkdir(parents=True)
    home.sockets.symlink_to(temporary / "other" / "run")
    remove_socket_folder(home)
    assert (temporary / "other" / "run").is_dir()
    home.sockets.symlink_to(temporary / "tickctl-gone" / "run")
    remove_socket_folder(home)
    assert not home.sockets.is_symlink()


def test_the_runtime_folder_comes_first(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It belongs to the user alone and is cleared at the end of the login."""
    runtime = temporary / "runtime"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    home = home_named(temporary, "x" * 100)
    assert make_socket_folder(home, US).parent.parent == runtime
    remove_socket_folder(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_runtime_folder_of_somebody_else_is_not_used(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after sudo: its owner could put another folder in the place of ours."""
    runtime = temporary / "runtime"
    runtime.mkdir()
    os.chown(runtime, 1, 1)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    home = home_named(temporary, "x" * 100)
    assert make_socket_folder(home, US).parent.parent == temporary
    remove_socket_folder(home)
