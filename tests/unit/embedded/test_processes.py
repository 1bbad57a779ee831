"""Whether a process id is the server of a folder."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tickctl.adapters.embedded import processes
from tickctl.adapters.embedded.processes import command_line, is_server_of, reap


def test_a_process_that_is_no_postgres_is_not_the_server(tmp_path: Path) -> None:
    """Neither this one nor one that does not exist."""
    assert command_line(os.getpid())
    assert not is_server_of(os.getpid(), tmp_path)
    assert not is_server_of(2**22 + 1, tmp_path)


def test_a_dead_process_that_nobody_waited_for_is_not_the_server(tmp_path: Path) -> None:
    """It has an entry in the process table, and no command line."""
    pid = os.posix_spawn(str(shutil.which("true")), ["postgres"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert not is_server_of(pid, tmp_path)
    reap(pid)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_reaping_what_is_not_ours_is_nothing() -> None:
    """The server may be somebody else's child."""
    reap(os.getppid())
    os.kill(os.getppid(), 0)  # raises if it has gone


@pytest.fixture
def seven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Write what a /proc of our own says of process 7."""

    def write(*command: str, works_in: Path | None) -> None:
        entry = tmp_path / "proc" / "7"
        entry.mkdir(parents=True)
        (entry / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in command))
        if works_in:
            (entry / "cwd").symlink_to(works_in)

    monkeypatch.setattr(processes, "_PROC", tmp_path / "proc")
    return write


@pytest.mark.parametrize("folder", ["pgdata", "other"])
@pytest.mark.parametrize("visible", [True, False])
def test_a_postgres_is_judged_by_its_folder(
    tmp_path: Path, seven: Callable[..., None], folder: str, visible: bool
) -> None:
    """By where it works, or, where that can't be seen, by its command line."""
    for name in ("pgdata", "other"):
        (tmp_path / name).mkdir()
    seven("/x/postgres", "-D", str(tmp_path / folder), works_in=tmp_path / folder if visible else None)
    assert is_server_of(7, tmp_path / "pgdata") is (folder == "pgdata")


def test_a_postgres_that_tells_no_folder_counts_as_the_server(tmp_path: Path, seven: Callable[..., None]) -> None:
    """Two servers on one folder would destroy it."""
    seven("postgres", works_in=None)
    assert is_server_of(7, tmp_path)


def test_a_moved_folder_still_has_its_server(tmp_path: Path, seven: Callable[..., None]) -> None:
    """The command line holds the old name, the process works in the folder."""
    (tmp_path / "moved").mkdir()
    seven("postgres", "-D", str(tmp_path / "old"), works_in=tmp_path / "moved")
    assert is_server_of(7, tmp_path / "moved")


def test_without_proc_ps_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS."""
    monkeypatch.setattr(processes, "_PROC", tmp_path / "none")
    asked: list[list[str]] = []

    def ps(command: list[str], **_options: object) -> "subprocess.CompletedProcess[str]":
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, stdout="/x/bin/postgres\n")

    monkeypatch.setattr(subprocess, "run", ps)
    assert is_server_of(7, tmp_path)
    assert asked == [["/bin/ps", "-o", "comm=", "-p", "7"]]
