"""`tickctl secrets check`: answers, exit codes, and silence about values."""

import base64
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from cli_support import Result, environment, run_tickctl

GOOD = "Zk3vQ9xT7mB2nR8wL5pY1cJ6hD4gF0sA"
Check = Callable[..., Result]
Put = Callable[[str, str], Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Write a private file into the project, which is a git repository that ignores env files."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("*.env\n.env\n")

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Run the command in the project; it needs no database."""

    def run(*arguments: str, **env: str) -> Result:
        return run_tickctl("secrets", "check", *arguments, env=environment(tmp_path, env), cwd=tmp_path)

    return run


@pytest.fixture
def good(put: Put) -> Put:
    """A project in which all is well."""
    put("services/.env.example", "SUPABASE_URL=\n")
    put("services/.env", "SUPABASE_URL=https://project.example\n")
    put("services/keys.env", f"SUPABASE_JWT_SECRET={GOOD}\n")
    return put


def codes(result: Result) -> list[tuple[str, str]]:
    """Return code and result of each finding."""
    return [(finding["code"], finding["result"]) for finding in result.json["findings"]]


def test_files_in_order_pass(check: Check, good: Put) -> None:
    """Exit code 0, and a word that they were looked at."""
    result = check("--json")
    assert result.code == 0, result.out
    assert result.json == {
        "files": ["services/.env", "services/keys.env"],
        "env_name": None,
        "for": "production",
        "ok": True,
        "findings": [],
    }
    shown = check(FORCE_COLOR="1", NO_COLOR="1")
    assert shown.out.splitlines() == [
        "services/.env",
        "  ok           nothing found",
        "services/keys.env",
        "  ok           nothing found",
        "nothing found",
    ]


def test_everything_wrong_is_listed_at_once(check: Check, good: Put, tmp_path: Path) -> None:
    """Whoever mends one thing shouldn't meet the next one only then."""
    good(
        "services/keys.env",
        "SUPABASE_JWT_SECRET=short-hunter2\n"
        "SUPABASE_SERVICE_ROLE_KEY=sb_secret_hunter2hunter2\n"
        "TOKEN\n"
        "REFERS=pa$hunter2\n"
        "PLACE=<hunter>\n"
        "SUPABASE_ALLOW_UNCONFIRMED=true\n"
        "TWICE=1\n"
        "TWICE='hunter2 #1'\n",
    ).chmod(0o644)
    good("services/.env", "OTHER=x\n")
    good("services/Dockerfile", "")
    subprocess.run(["git", "add", "--force", "services/keys.env"], cwd=tmp_path, check=True)
    result = check("--json")
    assert result.code == 1
    assert result.json["ok"] is False
    assert sorted(codes(result)) == [
        ("admin-credential", "fail"),
        ("allow-unconfirmed", "fail"),
        ("build-context", "warning"),
        ("build-context", "warning"),
        ("duplicate", "warning"),
        ("placeholder", "fail"),
        ("read-differently", "warning"),
        ("readable", "warning"),
        ("refused", "fail"),
        ("refused", "fail"),
        ("required", "fail"),
        ("tracked", "fail"),
        ("weak-secret", "fail"),
    ]
    weak = next(finding for finding in result.json["findings"] if finding["code"] == "weak-secret")
    assert weak == {
        "code": "weak-secret",
        "result": "fail",
        "file": "services/keys.env",
        "line": 1,
        "key": "SUPABASE_JWT_SECRET",
        "message": "SUPABASE_JWT_SECRET is too short: 13 bytes, and HS256 needs at least 32",
        "mend": "copy the whole JWT secret from the project's settings",
    }
    assert "hunter2" not in result.out + result.err


def test_no_value_is_shown_in_any_form(check: Check, put: Put, tmp_path: Path) -> None:
    """Not in tables, JSON, debugging output or what git is told."""
    value = "s3cr3t/+ä'value"
    put("services/.env", f'A="{value}"\nA="{value}"\nSUPABASE_JWT_SECRET="{value}"\nB=$(\nC=${{X:?{value}}}\n')
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\nenv >> {tmp_path}/told\necho true\n')
    fake.chmod(0o755)
    path = f"{fake.parent}:{os.environ['PATH']}"
    written = ""
    for text in ("", f'D="{value}\n', f"{value}\n", f"E=${{{value}\n"):
        put("services/keys.env", text)
        for arguments in ([], ["--json"], ["--strict", "--for", "local"]):
            result = check(*arguments, PATH=path, TICKCTL_DEBUG="1", FORCE_COLOR="" if arguments else "1", A=value)
            assert result.code == 1
            written += result.out + result.err
    written += (tmp_path / "told").read_text()
    encoded = base64.b64encode(value.encode()).decode()
    for form in (value, json.dumps(value)[1:-1], quote(value), quote(value, safe=""), encoded, "s3cr3t"):
        assert form not in written


@pytest.mark.parametrize("text", ['A="hunter2\n', "A=1\n'B'=hunter2\n", "A=${hunter2\n"])
def test_a_file_that_compose_would_not_read_is_a_failure(check: Check, good: Put, text: str) -> None:
    """With its place; and where the files lie is looked at all the same."""
    good("services/keys.env", text).chmod(0o640)
    result = check("--json")
    assert (result.code, codes(result)) == (1, [("readable", "warning"), ("unreadable", "fail")])
    finding = result.json["findings"][-1]
    assert (finding["file"], finding["line"]) == ("services/keys.env", text.count("\n"))
    assert "hunter2" not in result.out + result.err


def test_what_cannot_be_told_is_no_pass(check: Check, good: Put, tmp_path: Path) -> None:
    """Exit code 5, and `ok` is unknown; a failure beside it still says 1."""
    (tmp_path / ".git").rename(tmp_path / "elsewhere")
    (tmp_path / ".git").write_text("gitdir: /nonexistent\n")
    result = check("--json")
    assert (result.code, result.json["ok"]) == (5, None)
    assert codes(result) == [("git", "cannot_tell")] * 2
    assert "2 things that can't be told" in check().err
    good("services/.env", "SUPABASE_URL=changeme\n")
    assert check("--json").code == 1


def test_warnings_fail_where_they_are_to(check: Check, good: Put) -> None:
    """For those who want none: --strict."""
    good("services/keys.env", "A=1\nA=1\n")
    relaxed, strict = check("--json"), check("--json", "--strict")
    assert (relaxed.code, relaxed.json["ok"]) == (0, True)
    assert (strict.code, strict.json["ok"]) == (1, False)
    assert relaxed.json["findings"] == strict.json["findings"]
    assert check().err.splitlines()[-1] == "nothing has to be mended; 1 warning"


def test_development_switches_are_fine_where_people_develop(check: Check, good: Put) -> None:
    """--for local notes them."""
    good("services/keys.env", "SUPABASE_ALLOW_UNCONFIRMED=true\n")
    assert codes(check("--json")) == [("allow-unconfirmed", "fail")]
    assert codes(check("--json", "--for", "local")) == [("allow-unconfirmed", "note")]
    assert check("--for", "local").code == 0


def test_a_profile_names_files_and_required_keys(check: Check, good: Put) -> None:
    """Its own list counts instead of the examples."""
    good("config/prod.env", "A=1\nEMPTY=\n")
    good("list.example", "FROM_LIST=\n")
    good(
        "tickctl.toml",
        'default-env = "production"\n[env.production]\nenv-files = ["config/prod.env"]\n'
        'required = ["A", "EMPTY"]\nrequired-from = "list.example"\n[env.staging]\n',
    )
    result = check("--json")
    assert (result.code, result.json["files"], result.json["env_name"]) == (1, ["config/prod.env"], "production")
    assert [(finding["key"], finding["code"]) for finding in result.json["findings"]] == [
        ("EMPTY", "required"),
        ("FROM_LIST", "required"),
    ]
    assert "using profile production, the default of tickctl.toml" in result.err
    assert check("--env-name", "staging").code == 0
    unknown = check("--env-name", "prod")
    assert (unknown.code, "it has production, staging" in unknown.err) == (3, True)


def test_required_keys_come_from_a_named_file(check: Check, good: Put) -> None:
    """Then the examples beside the files don't count."""
    good("services/keys.env.example", "ONLY_IN_THE_EXAMPLE=\n")
    good("other.example", "SUPABASE_URL=\nMISSING=\n#COMMENTED=\n")
    result = check("--required-from", "other.example", "--json")
    assert [finding["key"] for finding in result.json["findings"]] == ["MISSING"]
    assert result.json["findings"][0]["message"] == "MISSING is missing; other.example has it"
    assert check("--required-from", "nope.example").code == 3


def test_the_example_of_the_working_folder_counts_too(check: Check, good: Put) -> None:
    """Where there is none beside the file: keys.env.example at the top."""
    good("keys.env.example", "WANTED=\nSUPABASE_JWT_SECRET=\n")
    assert [finding["key"] for finding in check("--json").json["findings"]] == ["WANTED"]


def test_the_secrets_of_an_example_are_no_secrets(check: Check, good: Put) -> None:
    """Everybody can read them there; other values of it are defaults."""
    good("services/keys.env.example", "API_KEY=s3cr3t\nLOG_LEVEL=info\n")
    good("services/keys.env", "API_KEY=s3cr3t\nLOG_LEVEL=info\nEMPTY=\n")
    result = check("--json")
    assert [(finding["key"], finding["code"]) for finding in result.json["findings"]] == [("API_KEY", "example-value")]
    assert "s3cr3t" not in result.out + result.err


def test_a_note_needs_no_mend(check: Check, good: Put) -> None:
    """It is only worth knowing."""
    good("services/.env", "SUPABASE_URL=\n")
    result = check(FORCE_COLOR="1", NO_COLOR="1")
    assert (result.code, "mend:" in result.out) == (0, False)
    assert "  note         line 1: SUPABASE_URL is empty" in result.out


def test_the_shell_s_values_are_let_through_by_name(check: Check, good: Put) -> None:
    """Compose would take them, so they are refused unless it is meant."""
    good("services/keys.env", "A=$FROM_SHELL\n")
    assert codes(check("--json", FROM_SHELL="x")) == [("refused", "fail")]
    assert check("--allow-shell", "FROM_SHELL", FROM_SHELL="x").code == 0


def test_without_files_there_is_nothing_to_check(check: Check, put: Put) -> None:
    """That is a wrong folder, not a pass."""
    assert check().code == 3
    assert check("--env-file", "nope.env").code == 3


def test_a_pipe_gets_a_line_for_each_finding(check: Check, good: Put) -> None:
    """With a header, untruncated, the worst last."""
    good("services/keys.env", "A=1\nA=1\nB=changeme\n")
    lines = [line.split("\t") for line in check().out.splitlines()]
    assert lines[0] == ["code", "result", "file", "line", "key", "message", "mend"]
    assert [line[:5] for line in lines[1:]] == [
        ["duplicate", "warning", "services/keys.env", "2", "A"],
        ["placeholder", "fail", "services/keys.env", "3", "B"],
    ]


def test_a_person_gets_them_file_by_file(check: Check, good: Put, tmp_path: Path) -> None:
    """Within 80 columns, with the mend below, and what concerns no single file at the end."""
    good("services/.env", "A=changeme\n")
    good("services/keys.env", 'LONG="value with spaces"\n')
    result = check(FORCE_COLOR="1", NO_COLOR="1")
    lines = result.out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert lines[:3] == [
        "services/.env",
        "  FAIL         line 1: A still has a placeholder for its value",
        "               mend: put the real value there, or remove the line",
    ]
    assert "all files together" in lines
    assert lines[-1] == "2 failures, 1 warning"
    assert "\033[1;31m" in check(FORCE_COLOR="1").out


def test_quiet_leaves_the_findings(check: Check, good: Put) -> None:
    """The answer stays, the words around it go."""
    good("services/keys.env", "B=changeme\n")
    result = check("--quiet")
    assert (result.code, result.err) == (1, "")
    assert "placeholder\tfail" in result.out
