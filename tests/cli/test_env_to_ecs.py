"""`scripts/env-to-ecs.py`: a payload and a block without AWS."""

import json
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli_support import Result, environment
from terminal_support import open_terminal, read_terminal

SCRIPT = Path(__file__).parents[2] / "scripts" / "env-to-ecs.py"
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway/production-AbCdEf"
BLOCK = [{"name": name, "valueFrom": f"{ARN}:{name}::"} for name in ("API_KEY", "GREETING")]
PAYLOAD = {"API_KEY": "'hunter2\"", "GREETING": "grüß dich"}

Script = Callable[..., Result]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Run the script in a folder with env files, in a pipe."""
    services = tmp_path / "services"
    services.mkdir()
    (services / ".env").write_text("GREETING=grüß dich\nAPI_KEY=overridden\n")
    (services / "keys.env").write_text('API_KEY="\'hunter2\\""\n')

    def run(*arguments: str, arn: str = ARN, stdout: int = subprocess.PIPE) -> Result:
        result = subprocess.run(
            [sys.executable, str(SCRIPT), "--secret-arn", arn, *arguments],
            env=environment(tmp_path),
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            check=False,
        )
        return Result(result.returncode, (result.stdout or b"").decode(), result.stderr.decode())

    return run


def test_block_goes_to_stdout(script: Script) -> None:
    """It holds names only."""
    result = script()
    assert (result.code, result.err) == (0, "")
    assert result.json == BLOCK


def test_payload_goes_into_a_private_file(script: Script, tmp_path: Path) -> None:
    """Mode 0600, one JSON object of strings; the block still goes to stdout."""
    result = script("--payload", "payload.json")
    assert result.code == 0
    assert result.json == BLOCK
    assert json.loads((tmp_path / "payload.json").read_text()) == PAYLOAD
    assert stat.S_IMODE((tmp_path / "payload.json").stat().st_mode) == 0o600
    assert "hunter2" not in result.out + result.err


def test_payload_goes_into_a_pipe(script: Script) -> None:
    """Alone: the block would spoil it."""
    result = script("--payload", "-")
    assert result.json == PAYLOAD


def test_both_can_be_had_at_once(script: Script, tmp_path: Path) -> None:
    """One of them in a file."""
    result = script("--payload", "-", "--block", "block.json")
    assert result.json == PAYLOAD
    assert json.loads((tmp_path / "block.json").read_text()) == BLOCK


def test_payload_never_goes_into_a_file_that_the_shell_made(script: Script, tmp_path: Path) -> None:
    """Its mode would be whatever the shell gives."""
    with (tmp_path / "redirected").open("wb") as stream:
        result = script("--payload", "-", stdout=stream.fileno())
    assert result.code == 2
    assert "stdout is no pipe" in result.err
    assert (tmp_path / "redirected").read_bytes() == b""


def test_payload_never_goes_to_a_terminal(script: Script) -> None:
    """It would stay on the screen."""
    ours, theirs = open_terminal()
    with open(ours, "rb", buffering=0), open(theirs, "wb", buffering=0) as terminal:  # noqa: PTH123 - descriptors
        result = script("--payload", "-", stdout=theirs)
        terminal.write(b"end")
        shown = read_terminal(ours)
    assert result.code == 2
    assert shown == b"end"


def test_file_that_is_there_is_left_alone(script: Script, tmp_path: Path) -> None:
    """A link as well: it might lead to where others read."""
    (tmp_path / "elsewhere").write_text("stays")
    (tmp_path / "payload.json").symlink_to(tmp_path / "elsewhere")
    result = script("--payload", "payload.json")
    assert (result.code, "exists already" in result.err) == (2, True)
    assert (tmp_path / "elsewhere").read_text() == "stays"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--payload", "-", "--block", "-"], 2, "can't both go to stdout"),
        (["--env-file", "nowhere"], 3, "nowhere"),
        (["--payload", "no/payload.json"], 2, "can't write no/payload.json"),
    ],
)
def test_what_can_t_be_meant_is_refused(script: Script, arguments: list[str], code: int, message: str) -> None:
    """In one line, with a hint and the command's exit codes."""
    result = script(*arguments)
    assert result.code == code
    assert message in result.err
    assert result.out == ""


def test_arn_must_be_complete(script: Script) -> None:
    """ECS wants all of it."""
    result = script(arn=ARN.removesuffix("-AbCdEf"))
    assert (result.code, "six characters" in result.err) == (3, True)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("SUPABASE_ALLOW_UNCONFIRMED=true", "SUPABASE_ALLOW_UNCONFIRMED"),
        ("LARGE=" + "a1-b" * 20_000, "can't push: "),
        ("FROM_SHELL=$HOME", "services/.env:1"),
    ],
)
def test_what_push_refuses_is_refused_here(script: Script, tmp_path: Path, line: str, message: str) -> None:
    """By the same rules."""
    (tmp_path / "services" / ".env").write_text(line + "\n")
    result = script("--payload", "payload.json")
    assert result.code == 3
    assert message in result.err
    assert not (tmp_path / "payload.json").exists()


def test_what_is_meant_can_be_forced(script: Script, tmp_path: Path) -> None:
    """It is named all the same; a variable of the shell is let through by its name."""
    (tmp_path / "services" / ".env").write_text("SUPABASE_ALLOW_UNCONFIRMED=true\nFROM_SHELL=$HOME\n")
    result = script("--payload", "-", "--force-insecure", "--allow-shell", "HOME")
    assert result.code == 0
    assert result.json["FROM_SHELL"] == str(tmp_path)
    assert "warning: " in result.err


def test_no_aws_library_is_loaded() -> None:
    """It asks AWS nothing."""
    program = (
        f"import runpy, sys; sys.argv = ['x', '--help']\n"
        f"try: runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "except SystemExit: print(sorted({'boto3', 'botocore'} & set(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stderr == "[]\n"
