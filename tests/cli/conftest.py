"""Runs the real command as a process, in a pipe or on a terminal, against a database of its own."""

import os
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli_support import COMMAND, Result, Tickctl, environment, run_tickctl
from terminal_support import open_terminal, read_terminal

if TYPE_CHECKING:
    from aws_support import Operator
    from strict_aws import StrictAws


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of an embedded database that runs for the whole session."""
    folder = tmp_path_factory.mktemp("cli") / "home"
    folder.mkdir(mode=0o700)
    started = subprocess.run(
        [*COMMAND, "local", "start"], env=environment(folder), capture_output=True, text=True, check=False
    )
    assert started.returncode == 0, started.stderr
    yield folder
    subprocess.run([*COMMAND, "local", "stop"], env=environment(folder), capture_output=True, check=True)


@pytest.fixture
def tickctl(home: Path, tmp_path: Path) -> Tickctl:
    """Run `tickctl` in a pipe, in an empty folder."""

    def run(
        *arguments: str, stdin: str | bytes = b"", env: Mapping[str, str] | None = None, timeout: float = 60
    ) -> Result:
        return run_tickctl(*arguments, stdin=stdin, env=environment(home, env), cwd=tmp_path, timeout=timeout)

    return run


@pytest.fixture
def terminal(home: Path, tmp_path: Path) -> Tickctl:
    """Run `tickctl` on a terminal of 80 columns; stdout and stderr come back as one text."""

    def run(*arguments: str, typed: str = "", env: Mapping[str, str] | None = None, columns: int = 80) -> Result:
        ours, theirs = open_terminal(columns)
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment(home, {"TERM": "xterm-256color", **(env or {})}),
            cwd=tmp_path,
            start_new_session=True,
        )
        os.close(theirs)
        os.write(ours, typed.encode())
        written = b""
        while chunk := read_terminal(ours):
            written += chunk
        os.close(ours)
        return Result(process.wait(timeout=60), written.decode().replace("\r\n", "\n"))

    return run


@pytest.fixture
def user(tickctl: Tickctl) -> str:
    """The e-mail address of a fresh user."""
    email = f"user-{uuid.uuid4().hex[:12]}@example.com"
    added = tickctl("local", "add-user", email)
    assert added.code == 0, added.err
    return email


@pytest.fixture
def token(tickctl: Tickctl, user: str) -> str:
    """An access token of the fresh user."""
    return tickctl("local", "token", user).out.strip()


@pytest.fixture(scope="class")
def running() -> "Iterator[StrictAws]":
    """An account in which every promise holds, for all tests of a class: they only look."""
    # moto takes more than a second to load, which only tests of AWS should pay.
    from posture_support import sound_account  # noqa: PLC0415
    from strict_aws import strict_aws  # noqa: PLC0415

    with strict_aws() as aws:
        sound_account(aws)
        yield aws


@pytest.fixture
def auditor(
    running: "StrictAws", tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> "Operator":
    """Somebody who looks at that account, without env files."""
    from aws_support import Operator  # noqa: PLC0415 - as above

    running.all_well()
    return Operator(running, tmp_path, monkeypatch, capsys)
