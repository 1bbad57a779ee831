"""What must never come out: secrets, other people's control characters, tracebacks."""

import base64
import json
import shlex
import subprocess
import urllib.parse
import uuid
from pathlib import Path

import pytest

from cli_support import COMMAND, Tickctl, environment

JWT_SECRET = "jwt-secret-Kd83hfUw92nvLq0xTz64bMsr"
PASSWORD = "p4ssw0rd-Qx7&Zr"
SECRETS = {
    "SUPABASE_ANON_KEY": "sb_publishable_Hd82kfUw92nvLq0xTz64bM",
    "SUPABASE_SECRET_KEY": "sb_secret_Kd83hfUw92nvLq0xTz64bMsr",
    "SUPABASE_JWT_SECRET": JWT_SECRET,
    "SUPABASE_DB_URL": f"postgresql://postgres:{PASSWORD}@127.0.0.1:1/postgres",
    "TICKCTL_ADMIN_TOKEN": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.Kd83hfUw92nvLq0xTz64bMsrKd83hfUw92nvLq0xTz6",
}
PROJECT = SECRETS | {"SUPABASE_URL": "http://127.0.0.1:1"}
USER = "11111111-1111-4111-8111-111111111111"

EVERY_COMMAND = [
    ["verify-token", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA"],
    ["verify-token", "--online", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA"],
    ["explain", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA"],
    ["explain", "--user", USER, "--as", "secret-key"],
    ["quota", "show", USER],
    ["quota", "set", USER, "5"],
    ["quota", "grant", USER, "5"],
    ["quota", "reset", USER, "--yes"],
    ["quota", "list"],
    ["quota", "history", USER],
    ["quota", "top"],
    ["quota", "audit-log"],
    ["quota", "export"],
    ["quota", "import", "-"],
    ["quota", "watch", USER, "--count", "1"],
    ["users", "list"],
    ["users", "show", USER, "--as", "secret-key"],
    ["users", "resend-confirmation", USER, "--as", "user"],
    ["admin", "add", USER, "--as", "secret-key"],
    ["admin", "remove", USER, "--yes"],
    ["admin", "list", "--as", "user"],
    ["login", "ada@example.com", "--password-stdin"],
    ["login", "--status"],
    ["help", "environment"],
    ["local", "status"],
]


def forms(secret: str) -> list[str]:
    """Return a secret as it is and as JSON, URLs and base64 would carry it."""
    return [
        secret,
        json.dumps(secret)[1:-1],
        urllib.parse.quote(secret, safe=""),
        base64.b64encode(secret.encode()).decode().rstrip("=")[:-2],
    ]


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=" ".join)
@pytest.mark.parametrize("debug", ["0", "1"])
def test_no_command_shows_a_configured_secret(tickctl: Tickctl, command: list[str], debug: str) -> None:
    """Neither in answers nor in errors, with a database that can't be reached, and with a trace asked for."""
    result = tickctl(*command, "--json", env=PROJECT | {"TICKCTL_DEBUG": debug}, stdin="user,daily_tick_limit\n")
    shown = result.out + result.err
    for secret in [*SECRETS.values(), PASSWORD]:
        for form in forms(secret):
            assert form not in shown


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://postgres:s3cr3t-PaSs%zz@127.0.0.1:1/postgres",
        "postgresql://postgres:s3cr3t-PaSs@[127.0.0.1/postgres",
        "s3cr3t-PaSs",
        "host=127.0.0.1 password=s3cr3t-PaSs bogus=1",
        "postgresql://postgres:s3cr3t-PaSs@nowhere.invalid/postgres",
    ],
)
def test_malformed_connection_string_is_not_repeated(tickctl: Tickctl, url: str) -> None:
    """The parser's own messages quote what they can't read."""
    result = tickctl("quota", "list", "--backend", "postgres", env={"SUPABASE_DB_URL": url, "TICKCTL_DEBUG": "1"})
    assert result.code in {3, 5}
    assert "s3cr3t" not in result.err
    assert "PaSs" not in result.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify-token", "Bearer", "{}"],
        ["verify-token", "--token", "{}"],
        ["verify-token", "--token={}"],
        ["quota", "show", "{}"],
        ["quota", "set", "user@example.com", "{}"],
        ["quota", "grant", "user@example.com", "{}"],
        ["quota", "{}"],
        ["{}"],
        ["help", "{}"],
        ["local", "add-user", "{}"],
        ["local", "token", "{}"],
        ["quota", "list", "--after", "{}"],
        ["quota", "list", "--backend", "{}"],
        ["quota", "import", "{}"],
        ["quota", "list", "--env-file", "{}"],
        ["quota", "list", "--as", "{}"],
        ["users", "show", "{}"],
        ["admin", "add", "{}"],
        ["login", "{}"],
        ["login", "--password", "{}"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("pasted", [JWT_SECRET, SECRETS["SUPABASE_SECRET_KEY"], SECRETS["TICKCTL_ADMIN_TOKEN"]])
def test_secret_pasted_into_the_wrong_place_is_not_repeated(
    tickctl: Tickctl, arguments: list[str], pasted: str
) -> None:
    """Late at night a key ends up where a name belongs; the message must not carry it into a log."""
    result = tickctl(*(argument.format(pasted) for argument in arguments))
    assert result.code != 0
    assert pasted not in result.out + result.err
    assert pasted[10:40] not in result.out + result.err


def test_secret_of_an_env_file_is_not_repeated_whatever_it_looks_like(tickctl: Tickctl, tmp_path: Path) -> None:
    """A passphrase of plain words is recognised because it is configured, not because of its shape."""
    secret = "only-in-a-file-passphrase-of-words"
    (tmp_path / "mine.env").write_text(f"SUPABASE_JWT_SECRET={secret}\n")
    for command in (["show", secret], ["set", secret, "5"], ["history", secret]):
        result = tickctl("quota", *command, "--backend", "local", "--env-file", "mine.env", "--json")
        assert result.code == 6
        assert secret not in result.out + result.err


def test_emails_cannot_drive_the_terminal(tickctl: Tickctl, terminal: Tickctl) -> None:
    """Sign-up takes nearly anything as an address; the operator's terminal must not obey it."""
    tag = uuid.uuid4().hex[:8]
    email = f"{tag}\033]0;owned\007\x9b2J\u202egnp.exe[red]@example.com"
    sql = f"insert into auth.users (id, email) values (gen_random_uuid(), '{email}')"
    assert tickctl("local", "psql", "--user", "supabase_admin", "--", "-qc", sql).code == 0
    for result in (
        tickctl("quota", "list", "--search", tag),
        terminal("quota", "list", "--search", tag, env={"NO_COLOR": "1"}),
        tickctl("quota", "list", "--search", tag, "--json"),
        tickctl("quota", "show", f"{tag}x{email[8:]}"),
    ):
        shown = result.out + result.err
        assert not [sign for sign in ("\033]", "\x9b", "\u202e", "\007") if sign in shown]
    assert "[red]" in terminal("quota", "list", "--search", tag, env={"NO_COLOR": "1"}).out.replace("\n", "")


def test_bug_is_reported_without_a_traceback(tickctl: Tickctl, home: Path, tmp_path: Path) -> None:
    """Whatever goes wrong inside ends in one line, one hint and code 70; the trace comes on request, without values."""
    program = (
        "import sys; from tickctl.cli import main; from tickctl.cli.commands.quota import quota\n"
        "def broken(*_): raise RuntimeError('holds a secret')\n"
        "quota.open_quotas = broken\n"
        "sys.exit(main.run(['quota', 'show', 'x@example.com']))"
    )

    def run(debug: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND[0], "-c", program],
            env=environment(home, {"TICKCTL_DEBUG": debug}),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    plain, debug = run("0"), run("1")
    assert plain.returncode == debug.returncode == 70
    assert plain.stderr.splitlines()[0] == "error: tickctl has a bug here (RuntimeError)"
    assert len(plain.stderr.splitlines()) == 2
    assert "in broken" in debug.stderr
    assert "holds a secret" not in plain.stderr + debug.stderr


@pytest.mark.parametrize(
    ("redirection", "code"),
    [("<&-", 1), (">&-", 2), ("> /dev/full", 5), (">&- 2>&-", 2), ("<&- >&- 2>&-", 2)],
)
def test_closed_and_full_streams_are_told_not_stumbled_over(home: Path, redirection: str, code: int) -> None:
    """Cron jobs and careless scripts close what they think nobody needs."""
    line = f"{shlex.join(COMMAND)} verify-token - {redirection}"
    stdin = None if "<" in redirection else subprocess.DEVNULL
    result = subprocess.run(
        ["sh", "-c", line], env=environment(home), stdin=stdin, capture_output=True, text=True, check=False
    )
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    assert "bug" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "env", "code"),
    [
        (["nonsense"], {}, 2),
        (["quota", "show"], {}, 2),
        (["quota", "list"], {"SUPABASE_JWT_SECRET": JWT_SECRET}, 3),
        (["quota", "list", "--backend", "postgres"], {}, 3),
        (["quota", "list"], {"SUPABASE_URL": "https://x.supabase.co"}, 3),
        (["quota", "list"], PROJECT, 5),
        (["quota", "list", "--env-file", "missing.env"], {}, 3),
        (["quota", "show", "nobody@nowhere.example"], {}, 6),
    ],
)
def test_errors_are_one_line_and_a_hint_and_a_document_with_json(
    tickctl: Tickctl, arguments: list[str], env: dict[str, str], code: int
) -> None:
    """People read two lines; programs read the last one."""
    result = tickctl(*arguments, env=env)
    assert result.code == code, result.err
    lines = [line for line in result.err.splitlines() if not line.startswith("nothing is configured")]
    assert [line.split(":")[0] for line in lines] == ["error", "hint"]
    error = tickctl(*arguments, "--json", env=env).error
    assert set(error) == {"code", "message", "hint"}
    assert error["message"] == lines[0].removeprefix("error: ")
