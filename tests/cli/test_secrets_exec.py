"""`tickctl secrets exec`: a program with the values in its environment, in tickctl's place, and nothing on disk."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest

from aws_support import SECRET, TO, Operator
from cli_support import COMMAND

HELD = {"GREETING": 'hunter2 "quoted"\nline', "EMPTY": "", "PATH_LIKE": "/x"}
FIRST = "a" * 36
SHOW = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]


@dataclass
class Became:
    """What the process would be now."""

    arguments: list[str] = field(default_factory=list)
    environ: dict[str, str] = field(default_factory=dict)
    signals: list[object] = field(default_factory=list)


@pytest.fixture
def stored(operator: Operator) -> Operator:
    """An operator whose secret has two versions."""
    client = operator.aws.client("secretsmanager")
    client.create_secret(Name=SECRET, SecretString='{"GREETING":"before"}', ClientRequestToken=FIRST)
    client.put_secret_value(SecretId=SECRET, SecretString=json.dumps(HELD))
    return operator


@pytest.fixture
def became(stored: Operator, monkeypatch: pytest.MonkeyPatch) -> Became:
    """What would be run, with which environment; filled in when it is."""
    seen = Became()

    def execve(_file: str, arguments: list[str], environ: Mapping[str, str]) -> NoReturn:
        seen.arguments, seen.environ = arguments, dict(environ)
        seen.signals = [signal.getsignal(number) for number in (signal.SIGPIPE, signal.SIGXFSZ)]
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr("tickctl.cli.commands.secrets.exec.os.execve", execve)
    return seen


def test_program_gets_the_values_over_the_environment(stored: Operator) -> None:
    """Whatever characters they hold; its output is its own, and tickctl's notices go to stderr."""
    result = stored.process("exec", *TO, "--", *SHOW, env={"GREETING": "the shell's", "OTHER": "stays"})
    assert result.code == 0, result.err
    environ = result.json
    assert {name: environ[name] for name in HELD} == HELD
    assert (environ["OTHER"], environ["AWS_REGION"]) == ("stays", "eu-west-1")
    assert "with 3 keys of version" in result.err
    assert "hunter2" not in result.err


def test_program_s_exit_code_and_input_are_its_own(stored: Operator) -> None:
    """As if tickctl weren't there."""
    program = [sys.executable, "-c", "import sys; print(sys.stdin.read().upper(), sys.argv[1:]); sys.exit(42)"]
    result = stored.process("exec", *TO, "-q", "--", *program, "--json", "-x", "--", "--version", stdin="abc")
    assert (result.code, result.out) == (42, "ABC ['--json', '-x', '--', '--version']\n")
    assert result.err == ""


def test_program_takes_the_process(stored: Operator) -> None:
    """The same process id, so that signals reach it."""
    running = subprocess.Popen(
        [*COMMAND, "secrets", "exec", *TO, "--", "sh", "-c", "echo $$; kill $$"],
        env=stored.environ,
        cwd=stored.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    out, _ = running.communicate(timeout=60)
    assert out == f"{running.pid}\n"
    assert running.returncode == -signal.SIGTERM


def test_nothing_is_written_to_disk(stored: Operator, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither in the folder nor at home nor among temporary files."""
    temporary = tmp_path_factory.mktemp("tmp")
    before = sorted(stored.folder.rglob("*"))
    assert stored.process("exec", *TO, "--", "true", env={"TMPDIR": str(temporary)}).code == 0
    assert sorted(stored.folder.rglob("*")) == before
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("version", [FIRST, "previous"])
def test_earlier_version_can_be_tried(became: Became, stored: Operator, version: str) -> None:
    """Before a rollback, for instance."""
    stored.here("exec", *TO, "--version", version, "--", "true", "one")
    assert (became.arguments, became.environ["GREETING"]) == (["true", "one"], "before")
    assert "EMPTY" not in became.environ


def test_values_go_before_the_environment(became: Became, stored: Operator) -> None:
    """What runs is what the secret says; names only are said."""
    result = stored.here("exec", *TO, "--", "true", env={"GREETING": "the shell's"})
    assert {name: became.environ[name] for name in HELD} == HELD
    assert became.signals == [signal.SIG_DFL, signal.SIG_DFL], "Python ignores these, which a program would inherit"
    assert became.environ["HOME"] == str(stored.folder / "home")
    assert "running true with 3 keys of version" in result.err
    assert "hunter2" not in result.err


def test_missing_program_is_127(stored: Operator) -> None:
    """As shells have it."""
    result = stored.here("exec", *TO, "--", "no-such-program-anywhere")
    assert (result.code, result.out) == (127, "")
    assert "error: there is no command no-such-program-anywhere" in result.err


def test_program_that_cannot_be_run_is_126(stored: Operator) -> None:
    """A folder, or a file that isn't executable."""
    file = stored.folder / "not-executable"
    file.write_text("#!/bin/sh\n")
    for program in (file, stored.folder):
        result = stored.here("exec", *TO, "--", str(program))
        assert result.code == 126
        assert "Permission denied" in result.err
    assert signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN


@pytest.mark.parametrize(
    "held",
    [{"A=B": "hunter2"}, {"": "hunter2"}, {"A\0": "hunter2"}, {"A": "hunter2\0"}],
)
def test_what_no_process_can_have_is_refused(operator: Operator, held: dict[str, str]) -> None:
    """By name; nothing is run."""
    operator.aws.client("secretsmanager").create_secret(Name=SECRET, SecretString=json.dumps(held))
    result = operator.here("exec", *TO, "--", "touch", "ran")
    assert result.code == 3
    assert "no process can have these variables" in result.err
    assert "hunter2" not in result.err
    assert not Path(operator.folder, "ran").exists()


@pytest.mark.parametrize("name", ["LD_PRELOAD", "DYLD_INSERT_LIBRARIES"])
def test_what_loads_other_code_is_refused(operator: Operator, name: str) -> None:
    """Whoever may write the secret must not run programs as the operator."""
    held = json.dumps({name: "theirs.so"})
    operator.aws.client("secretsmanager").create_secret(Name=SECRET, SecretString=held)
    refused = operator.process("exec", *TO, "--", "true")
    assert refused.code == 3
    assert name in refused.err


def test_secret_s_path_does_not_choose_the_program(operator: Operator) -> None:
    """It is for the program, which finds others by it."""
    theirs = operator.folder / "theirs"
    theirs.mkdir()
    (theirs / "printenv").write_text("#!/bin/sh\necho theirs\n")
    (theirs / "printenv").chmod(0o755)
    client = operator.aws.client("secretsmanager")
    client.create_secret(Name=SECRET, SecretString=json.dumps({"PATH": str(theirs)}))
    assert operator.process("exec", *TO, "--", "printenv", "PATH").out == f"{theirs}\n"


def test_json_is_refused(operator: Operator) -> None:
    """There is no answer but the program's."""
    result = operator.here("exec", *TO, "--json", "--", "true")
    assert result.code == 2
    assert operator.aws.calls == []


@pytest.mark.parametrize("arguments", [[*TO], [*TO, "ls", "--all"]])
def test_usage(operator: Operator, arguments: list[str]) -> None:
    """A command is needed, and `--` before one with options."""
    assert operator.here("exec", *arguments).code == 2
    assert operator.aws.calls == []


def test_missing_secret_runs_nothing(operator: Operator) -> None:
    """A program without its secrets would do who knows what."""
    result = operator.here("exec", *TO, "--", "touch", str(operator.folder / "ran"))
    assert result.code == 6
    assert not os.path.lexists(operator.folder / "ran")
