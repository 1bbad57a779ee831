"""`tickctl login`: the password prompt on a real terminal, the session between commands, and its end."""

import json
import os
import re
import stat
import subprocess
import uuid
from pathlib import Path
from typing import Any

import jwt
import pytest

from cli_support import Tickctl
from standin import PASSWORD, Answer, Fault, Project, Refused, StandIn, json_answer
from standin.http import Request
from terminal_support import converse
from tickctl.adapters.session_file import SessionFile

FIELDS = {"url", "signed_in", "user_id", "email", "expires_at", "administrator", "second_factor"}


@pytest.fixture
def env(project: Project, tmp_path: Path) -> dict[str, str]:
    """A project and its publishable key, and a home folder where nobody is signed in."""
    return project.settings_env("publishable") | {"HOME": str(tmp_path)}


@pytest.fixture
def email(project: Project) -> str:
    """The address of a fresh user who is no administrator."""
    address = f"login-{uuid.uuid4().hex[:12]}@example.com"
    project.add_user(address)
    return address


@pytest.fixture
def administrator(project: Project) -> str:
    """The address of a fresh administrator."""
    address = f"admin-{uuid.uuid4().hex[:12]}@example.com"
    project.add_admin(address)
    return address


def session_file(home: Path) -> Path:
    """Return the one session that is kept below a home folder."""
    (found,) = (home / ".local/state/tickctl/sessions").glob("*.json")
    return found


def test_password_is_asked_for_and_not_shown(email: str, env: dict[str, str]) -> None:
    """Neither while it is typed nor afterwards; the address is shown, for it may be wrong."""
    result = converse(["login"], {"E-mail: ": email, "Password: ": PASSWORD}, env)
    assert result.code == 0, result.out
    assert f"E-mail: {email}" in result.out
    assert PASSWORD not in result.out
    assert "signed in to" in result.out


def test_password_is_asked_on_the_terminal_whatever_is_piped(email: str, env: dict[str, str]) -> None:
    """`tickctl login --json > file < /dev/null` still asks a person."""
    reading, writing = os.pipe()
    streams = {"stdin": subprocess.DEVNULL, "stdout": writing, "stderr": subprocess.DEVNULL}
    result = converse(["login", email, "--json"], {"Password: ": PASSWORD}, env, **streams)
    os.close(writing)
    with os.fdopen(reading) as answer:
        assert json.load(answer)["email"] == email
    assert result.out.strip() == "Password:"


def test_echo_comes_back_when_the_prompt_is_interrupted(env: dict[str, str], email: str) -> None:
    """A terminal that shows nothing any more is a scare."""
    result = converse(["login", email], {"Password: ": "\x03"}, env)
    assert result.code == 130
    assert "Traceback" not in result.out


@pytest.mark.parametrize("typed", ["", "\x04"], ids=["return", "end of input"])
def test_nothing_typed_is_no_password(env: dict[str, str], email: str, typed: str) -> None:
    """And isn't sent as an empty one."""
    result = converse(["login", email], {"Password: ": typed}, env)
    assert result.code == 2
    assert "\nerror: nothing was typed" in result.out


def test_without_a_terminal_nothing_is_guessed(tickctl: Tickctl, env: dict[str, str], email: str) -> None:
    """A script says where the password comes from."""
    result = tickctl("login", email, env=env, stdin=PASSWORD)
    assert result.code == 2
    assert "--password-stdin" in result.err
    assert tickctl("login", "--password-stdin", env=env, stdin=PASSWORD).code == 2


def test_password_stdin_on_a_terminal_is_refused(terminal: Tickctl, env: dict[str, str], email: str) -> None:
    """What is typed there would be shown."""
    result = terminal("login", email, "--password-stdin", env=env)
    assert result.code == 2


@pytest.mark.parametrize(
    "given",
    [b"", b"\n", b"two\nlines\n", b"\xff\xfe\n", b"x" * 5000, b"nul\0\n"],
    ids=["nothing", "empty line", "two lines", "no text", "endless", "nul"],
)
def test_odd_passwords_on_stdin_are_not_sent(tickctl: Tickctl, env: dict[str, str], email: str, given: bytes) -> None:
    """A whole file or none at all was not meant."""
    assert tickctl("login", email, "--password-stdin", env=env, stdin=given).code == 2


def test_login_answers_with_the_documented_fields(
    tickctl: Tickctl, env: dict[str, str], project: Project, administrator: str
) -> None:
    """Who, where, until when, and whether that is of any use."""
    result = tickctl("login", administrator, "--password-stdin", "--json", env=env, stdin=f"{PASSWORD}\r\n")
    assert result.code == 0, result.err
    assert set(result.json) == FIELDS
    assert (result.json["url"], result.json["email"]) == (project.url, administrator)
    assert (result.json["signed_in"], result.json["administrator"]) == (True, True)
    assert result.json["expires_at"].endswith("Z")
    status = tickctl("login", "--status", "--json", env=env)
    assert (status.code, status.json) == (0, result.json)


def test_session_administers(tickctl: Tickctl, env: dict[str, str], administrator: str, email: str) -> None:
    """Commands act as who has signed in, and say so; the log knows it better than a label."""
    tickctl("login", administrator, "--password-stdin", env=env, stdin=PASSWORD)
    changed = tickctl("quota", "set", email, "77", env=env)
    assert changed.code == 0, changed.err
    assert f"as {administrator}" in changed.err
    entry = tickctl("quota", "audit-log", "--user", email, "--json", env=env).json["entries"][0]
    assert entry["actor"] == entry["actor_id"] == tickctl("login", "--status", "--json", env=env).json["user_id"]


@pytest.mark.parametrize(
    ("identity", "says"),
    [
        ("publishable", None),
        ("secret-key", "the secret key is set and goes before"),
        ("connection", "SUPABASE_DB_URL is set and goes before"),
        ("admin", "TICKCTL_ADMIN_TOKEN is set and goes before"),
    ],
)
def test_login_tells_what_goes_before_it(
    tickctl: Tickctl, env: dict[str, str], project: Project, administrator: str, identity: str, says: str | None
) -> None:
    """Else somebody acts as the owner of the database and believes to be themselves."""
    env = project.settings_env(identity) | {"HOME": env["HOME"]}
    result = tickctl("login", administrator, "--password-stdin", env=env, stdin=PASSWORD)
    assert result.code == 0
    assert says in result.err if says else "goes before" not in result.err


def test_login_of_no_administrator_says_so(tickctl: Tickctl, env: dict[str, str], email: str) -> None:
    """It succeeds nevertheless: the right may come later."""
    result = tickctl("login", email, "--password-stdin", "--json", env=env, stdin=PASSWORD)
    assert (result.code, result.json["administrator"]) == (0, False)
    assert "tickctl admin add" in result.err
    refused = tickctl("quota", "list", env=env)
    assert refused.code == 4


def test_session_is_kept_privately_and_without_the_password(
    tickctl: Tickctl, env: dict[str, str], email: str, tmp_path: Path
) -> None:
    """A copy of the home folder is bad enough without it."""
    tickctl("login", email, "--password-stdin", env=env, stdin=PASSWORD)
    file = session_file(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert PASSWORD not in file.read_text()


def test_session_that_others_can_read_is_refused(
    tickctl: Tickctl, env: dict[str, str], email: str, tmp_path: Path
) -> None:
    """By every command, with the way to mend it."""
    tickctl("login", email, "--password-stdin", env=env, stdin=PASSWORD)
    session_file(tmp_path).chmod(0o644)
    for command in (["quota", "list"], ["login", "--status"]):
        result = tickctl(*command, env=env)
        assert result.code == 3
        assert "chmod 600" in result.err


def test_expired_session_is_renewed_between_commands(
    tickctl: Tickctl, env: dict[str, str], administrator: str, tmp_path: Path
) -> None:
    """Nobody types a password each hour; each refresh token is spent once."""
    tickctl("login", administrator, "--password-stdin", env=env, stdin=PASSWORD)
    file = session_file(tmp_path)
    before = json.loads(file.read_text())
    file.write_text(json.dumps(before | {"expires_at": 5.0}))
    assert tickctl("quota", "list", env=env).code == 0
    after = json.loads(file.read_text())
    assert after["refresh_token"] != before["refresh_token"]
    assert after["expires_at"] > 5.0


def test_expired_session_that_was_ended_elsewhere_says_to_sign_in_again(
    tickctl: Tickctl, env: dict[str, str], project: Project, administrator: str, tmp_path: Path
) -> None:
    """Exit code 4, and the file stays: another command may be just signing in."""
    tickctl("login", administrator, "--password-stdin", env=env, stdin=PASSWORD)
    file = session_file(tmp_path)
    saved = json.loads(file.read_text())
    project.auth("POST", "/logout?scope=local", {}, token=saved["access_token"])
    file.write_text(json.dumps(saved | {"expires_at": 5.0}))
    result = tickctl("quota", "list", env=env)
    assert result.code == 4
    assert "tickctl login" in result.err


def test_session_that_was_ended_elsewhere_is_no_session(
    tickctl: Tickctl, env: dict[str, str], project: Project, administrator: str, tmp_path: Path
) -> None:
    """Also while its token would still be good."""
    tickctl("login", administrator, "--password-stdin", env=env, stdin=PASSWORD)
    saved = json.loads(session_file(tmp_path).read_text())
    project.auth("POST", "/logout?scope=local", {}, token=saved["access_token"])
    status = tickctl("login", "--status", env=env)
    assert status.code == 4
    assert "session_not_found" in status.err
    assert tickctl("quota", "list", env=env).code == 4


def test_logout_ends_the_session_at_the_project(
    tickctl: Tickctl, env: dict[str, str], project: Project, email: str, tmp_path: Path
) -> None:
    """The refresh token of a stolen copy is worth nothing any more."""
    tickctl("login", email, "--password-stdin", env=env, stdin=PASSWORD)
    file = session_file(tmp_path)
    saved = json.loads(file.read_text())
    result = tickctl("login", "--logout", "--json", env=env)
    assert (result.code, result.json) == (0, {"url": project.url, "signed_in": False, "ended": True})
    assert not file.exists()
    with pytest.raises(Refused, match="refresh_token_not_found"):
        project.auth("POST", "/token?grant_type=refresh_token", {"refresh_token": saved["refresh_token"]})


def test_logout_without_the_project_removes_the_file_and_says_the_rest(
    tickctl: Tickctl, env: dict[str, str], email: str, tmp_path: Path
) -> None:
    """Exit code 5: whether the session is over can't be told."""
    tickctl("login", email, "--password-stdin", env=env, stdin=PASSWORD)
    file = session_file(tmp_path)
    away = env | {"SUPABASE_URL": "http://127.0.0.1:1"}
    # As if the same project had gone away.
    elsewhere = SessionFile(file.parent, away["SUPABASE_URL"]).path
    elsewhere.write_text(file.read_text().replace(env["SUPABASE_URL"], away["SUPABASE_URL"]))
    elsewhere.chmod(0o600)
    result = tickctl("login", "--logout", "--json", env=away)
    assert (result.code, result.json["ended"]) == (5, False)
    assert "could not be told" in result.err
    assert not elsewhere.exists()


def test_nobody_signed_in_is_a_no(tickctl: Tickctl, env: dict[str, str]) -> None:
    """For --status; signing nobody out is done at once."""
    status = tickctl("login", "--status", "--json", env=env)
    assert (status.code, status.json["signed_in"]) == (1, False)
    assert set(status.json) == FIELDS
    out = tickctl("login", "--logout", "--json", env=env)
    assert (out.code, out.json["ended"]) == (0, None)


@pytest.mark.parametrize(
    "arguments", [["--status", "--logout"], ["--status", "a@b.co"], ["--logout", "--password-stdin"]]
)
def test_one_thing_at_a_time(tickctl: Tickctl, env: dict[str, str], arguments: list[str]) -> None:
    """Status and logout know no address and no password."""
    assert tickctl("login", *arguments, env=env).code == 2


def test_refusals_are_told_apart(tickctl: Tickctl, env: dict[str, str], project: Project, email: str) -> None:
    """A wrong password, an address that is not confirmed and a ban ask for different remedies."""
    unconfirmed = f"new-{uuid.uuid4().hex[:12]}@example.com"
    project.add_user(unconfirmed, confirmed=False)
    banned = f"banned-{uuid.uuid4().hex[:12]}@example.com"
    project.change_user(project.add_user(banned), ban_duration="24h")
    for address, password, says in (
        (email, "wrong horse", "password is wrong"),
        ("nobody@nowhere.example", PASSWORD, "password is wrong"),
        (unconfirmed, PASSWORD, "not confirmed"),
        (banned, PASSWORD, "banned"),
    ):
        result = tickctl("login", address, "--password-stdin", env=env, stdin=password)
        assert result.code == 4
        assert says in result.err
        assert password not in result.err


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"SUPABASE_URL": ""}, "SUPABASE_URL"),
        ({"SUPABASE_ANON_KEY": ""}, "SUPABASE_ANON_KEY"),
        ({"SUPABASE_ANON_KEY": "sb_secret_0123456789abcdef"}, "publishable"),
        ({"SUPABASE_URL": "https://supabase.com/dashboard/project/abcdefghijklmnopqrst"}, "dashboard"),
        ({"SUPABASE_URL": "http://127.0.0.1:1/rest/v1"}, "services"),
    ],
    ids=["no url", "no key", "secret key", "dashboard", "service"],
)
def test_half_a_configuration_is_told_before_a_password_is_sent(
    tickctl: Tickctl, env: dict[str, str], changes: dict[str, str], says: str
) -> None:
    """Exit code 3; a secret doesn't go to an address that is none."""
    result = tickctl("login", "ada@example.com", "--password-stdin", env=env | changes, stdin=PASSWORD)
    assert result.code == 3
    assert says in result.err


def test_limit_and_outage_are_a_cannot_tell(standin: StandIn, tickctl: Tickctl, tmp_path: Path) -> None:
    """They say nothing about the password; a limit tells how long to wait."""
    env = standin.settings_env("publishable") | {"HOME": str(tmp_path)}
    limit = json_answer(429, {"code": "over_request_rate_limit", "message": "m"}, ("Retry-After", "17"))
    for fault, says in ((Fault(answer=limit), "try again in 17 s"), (Fault(hang_up=True), "try again")):
        with standin.faults.troubled(fault, "/auth/v1/token"):
            result = tickctl("login", "ada@example.com", "--password-stdin", env=env, stdin=PASSWORD)
        assert result.code == 5
        assert says in result.err


def test_trouble_while_renewing_keeps_the_session(standin: StandIn, tickctl: Tickctl, tmp_path: Path) -> None:
    """The next command, when the project is back, goes on."""
    env = standin.settings_env("publishable") | {"HOME": str(tmp_path)}
    standin.add_admin("ada@example.com")
    tickctl("login", "ada@example.com", "--password-stdin", env=env, stdin=PASSWORD)
    file = session_file(tmp_path)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"expires_at": 5.0}))
    with standin.faults.troubled(Fault(hang_up=True), "/auth/v1/token"):
        assert tickctl("quota", "list", env=env).code == 5
    assert tickctl("quota", "list", env=env).code == 0


def test_database_that_cannot_say_who_administers_fails_no_login(
    standin: StandIn, tickctl: Tickctl, tmp_path: Path
) -> None:
    """Null is neither yes nor no."""
    env = standin.settings_env("publishable") | {"HOME": str(tmp_path)}
    standin.add_admin("ada@example.com")
    with standin.faults.troubled(Fault(hang_up=True), "/rest/v1"):
        result = tickctl("login", "ada@example.com", "--password-stdin", "--json", env=env, stdin=PASSWORD)
    assert (result.code, result.json["administrator"]) == (0, None)
    assert "can't tell" in result.err


@pytest.mark.parametrize("debug", ["0", "1"])
def test_neither_password_nor_tokens_are_ever_shown(
    tickctl: Tickctl, env: dict[str, str], administrator: str, tmp_path: Path, debug: str
) -> None:
    """Not in answers, not in errors, not in traces."""
    env = env | {"TICKCTL_DEBUG": debug}
    shown = ""
    for arguments, stdin in (
        (["login", administrator, "--password-stdin", "--json"], PASSWORD),
        (["login", "--status"], ""),
        (["quota", "show", "nobody@nowhere.example"], ""),
        (["login", administrator, "--password-stdin"], "wrong-password-of-mine"),
    ):
        result = tickctl(*arguments, env=env, stdin=stdin)
        shown += result.out + result.err
    saved = json.loads(session_file(tmp_path).read_text())
    for secret in (PASSWORD, "wrong-password-of-mine", saved["access_token"], saved["refresh_token"]):
        assert secret not in shown
    assert not re.search(r"eyJ[\w-]+\.[\w-]+\.", shown)


FACTOR = {"id": "5b1d8a3e-7d2f-4c55-9f3f-0a4f1c7c9a22", "factor_type": "totp", "status": "verified"}


@pytest.fixture
def with_authenticator(standin: StandIn) -> StandIn:
    """A project whose users have enrolled an authenticator app that always says 123456; ada@example.com is one."""
    inner = standin.faults.application
    signed_in: dict[str, Any] = {}

    def application(request: Request) -> Answer:
        if request.path.endswith("/challenge"):
            return json_answer(200, {"id": str(uuid.uuid4()), "type": "totp"})
        if request.path.endswith("/verify"):
            if json.loads(request.body)["code"] != "123456":
                return json_answer(422, {"code": "mfa_verification_failed", "message": "Invalid TOTP code entered"})
            claims = jwt.decode(signed_in["access_token"], options={"verify_signature": False})
            with standin.database.superuser() as connection:
                connection.execute("update auth.sessions set aal = 'aal2' where id = %s", [claims["session_id"]])
            return json_answer(200, signed_in | {"access_token": standin.keys.sign(claims | {"aal": "aal2"})})
        answer = inner(request)
        if request.path == "/auth/v1/token" and answer.status == 200:
            signed_in.update(json.loads(answer.body))
            signed_in["user"] |= {"factors": [FACTOR]}
            return json_answer(200, signed_in)
        return answer

    standin.faults.application = application
    user_id = standin.add_admin("ada@example.com")
    with standin.database.superuser() as connection:
        connection.execute(
            "insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)"
            " values (gen_random_uuid(), %s, 'totp', 'verified', now(), now())",
            [user_id],
        )
    return standin


def test_second_factor_is_asked_for(with_authenticator: StandIn, tickctl: Tickctl, tmp_path: Path) -> None:
    """After the password; the session that is kept has shown both."""
    env = with_authenticator.settings_env("publishable") | {"HOME": str(tmp_path)}
    answers = {"Password: ": PASSWORD, "Code of your authenticator app: ": "123 456"}
    result = converse(["login", "ada@example.com"], answers, env)
    assert result.code == 0, result.out
    status = tickctl("login", "--status", "--json", env=env)
    assert (status.json["second_factor"], status.json["administrator"]) == ("shown", True)


def test_wrong_code_ends_the_session(with_authenticator: StandIn, tmp_path: Path) -> None:
    """Whoever knows the password alone gets nothing to keep."""
    env = with_authenticator.settings_env("publishable") | {"HOME": str(tmp_path)}
    answers = {"Password: ": PASSWORD, "Code of your authenticator app: ": "654321"}
    result = converse(["login", "ada@example.com"], answers, env)
    assert result.code == 4
    assert "code is wrong" in result.out
    assert not list(tmp_path.rglob("*.json"))
    assert with_authenticator.faults.requests[-1].path == "/auth/v1/logout"


def test_second_factor_that_cannot_be_asked_for_is_missing(
    with_authenticator: StandIn, tickctl: Tickctl, tmp_path: Path
) -> None:
    """A script gets a session of the lower level, and is told."""
    env = with_authenticator.settings_env("publishable") | {"HOME": str(tmp_path)}
    result = tickctl("login", "ada@example.com", "--password-stdin", "--json", env=env, stdin=PASSWORD)
    assert (result.code, result.json["second_factor"], result.json["administrator"]) == (0, "missing", None)
    assert "without the second factor" in result.err
    refused = tickctl("quota", "list", env=env)
    assert (refused.code, "second factor" in refused.err) == (4, True)
