"""`tickctl admin add|remove|list`, and as whom every command acts."""

import json
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import jwt
import pytest

from cli_support import Tickctl
from standin import PASSWORD, Project, StandIn

CHANGE = {"user_id", "email", "administrator", "changed", "dry_run"}
PROJECT = {"SUPABASE_URL": "https://abcdefghijklmnopqrst.supabase.co", "SUPABASE_ANON_KEY": "sb_publishable_0123456789"}


@pytest.fixture
def email(project: Project) -> str:
    """The address of a fresh user of the project."""
    address = f"ada-{uuid.uuid4().hex[:12]}@example.com"
    project.add_user(address)
    return address


def members(tickctl: Tickctl, env: Mapping[str, str] | None = None) -> list[str]:
    """Return the addresses of the administrators."""
    return [each["email"] for each in tickctl("admin", "list", "--json", env=env).json["administrators"]]


@pytest.mark.parametrize("identity", ["connection", "secret-key", "service-role-key"])
def test_administrators_come_and_go(standin: StandIn, tickctl: Tickctl, identity: str) -> None:
    """With each credential that is worth more than a token; the log tells which it was."""
    env = standin.settings_env(identity)
    standin.add_user("ada@example.com")
    added = tickctl("admin", "add", "ADA@example.com", "--reason", "on call", "--json", env=env)
    assert added.code == 0, added.err
    assert set(added.json) == CHANGE
    assert (added.json["email"], added.json["administrator"], added.json["changed"]) == ("ada@example.com", True, True)
    assert members(tickctl, env) == ["ada@example.com"]
    removed = tickctl("admin", "remove", added.json["user_id"], "--yes", "--json", env=env)
    assert (removed.code, removed.json["administrator"], removed.json["changed"]) == (0, False, True)
    assert members(tickctl, env) == []
    entries = tickctl("quota", "audit-log", "--user", "ada@example.com", "--json", env=env).json["entries"]
    assert [(entry["action"], entry["reason"]) for entry in entries] == [
        ("admin_remove", None),
        ("admin_add", "on call"),
    ]
    assert {entry["actor"] for entry in entries} == {"postgres" if identity == "connection" else "service_role"}


def test_embedded_database_has_administrators_too(tickctl: Tickctl, user: str) -> None:
    """The same commands, to try them out."""
    assert tickctl("admin", "add", user, "--json").json["changed"] is True
    assert tickctl("admin", "add", user, "--json").json["changed"] is False
    assert user in members(tickctl)
    assert tickctl("admin", "remove", user, "--yes", "--json").json["changed"] is True
    assert tickctl("admin", "remove", user, "--json").json["changed"] is False


def test_change_says_where_and_as_whom(tickctl: Tickctl, home: Path, project: Project, email: str, user: str) -> None:
    """An operator with two projects must see which one has a new administrator."""
    assert f"embedded database in {home} as postgres" in tickctl("admin", "add", user).err
    over_api = tickctl("admin", "add", email, env=project.settings_env("secret-key"))
    assert f"{project.url} as service_role (secret key)" in over_api.err
    directly = tickctl("admin", "remove", email, "--yes", env=project.settings_env("connection"))
    assert f"{project.url} over a direct connection as postgres" in directly.err


def test_dry_run_changes_nothing(tickctl: Tickctl, user: str) -> None:
    """It shows what the real run would answer."""
    planned = tickctl("admin", "add", user, "--dry-run", "--json").json
    assert (planned["administrator"], planned["changed"], planned["dry_run"]) == (True, True, True)
    assert user not in members(tickctl)
    assert tickctl("admin", "add", user, "--json").json == planned | {"dry_run": False}
    assert tickctl("admin", "remove", user, "--dry-run", "--json").json["changed"] is True
    assert user in members(tickctl)


def test_removing_asks(tickctl: Tickctl, terminal: Tickctl, user: str) -> None:
    """On a terminal; elsewhere it wants a yes."""
    tickctl("admin", "add", user)
    assert tickctl("admin", "remove", user).code == 2
    refused = terminal("admin", "remove", user, typed="n\n")
    assert refused.code == 130
    assert user in members(tickctl)
    assert terminal("admin", "remove", user, typed="y\n").code == 0
    assert user not in members(tickctl)


def test_list_is_told_in_three_forms(tickctl: Tickctl, terminal: Tickctl, user: str) -> None:
    """One document, lines of documents, and a table."""
    added = tickctl("admin", "add", user, "--json").json
    (listed,) = [each for each in tickctl("admin", "list", "--json").json["administrators"] if each["email"] == user]
    assert set(listed) == {"user_id", "email", "added_at"}
    assert listed["user_id"] == added["user_id"]
    assert listed in [json.loads(line) for line in tickctl("admin", "list", "--ndjson").out.splitlines()]
    assert f"{listed['user_id']}\t{user}\t{listed['added_at']}" in tickctl("admin", "list").out
    assert user in terminal("admin", "list").out


def test_unconfirmed_user_is_no_administrator(tickctl: Tickctl) -> None:
    """The address may be another person's; a dry run says so as well."""
    address = f"new-{uuid.uuid4().hex[:12]}@example.com"
    tickctl("local", "add-user", address, "--unconfirmed")
    for option in ([], ["--dry-run"]):
        result = tickctl("admin", "add", address, *option)
        assert result.code == 2
        assert "not confirmed" in result.err


def test_unknown_user_is_not_found(tickctl: Tickctl, user: str) -> None:
    """With near matches."""
    for command in (["add"], ["remove", "--yes"]):
        result = tickctl("admin", *command, user.replace("user-", "uesr-"))
        assert result.code == 6
        assert user in result.err


def test_signed_in_administrator_makes_no_other(tickctl: Tickctl, project: Project, email: str) -> None:
    """A stolen token ends with its hour; whom it let in would stay."""
    env = project.settings_env("admin")
    assert tickctl("admin", "list", env=env).code == 0
    for command in (["add", email], ["remove", email, "--yes"], ["add", email, "--dry-run"]):
        result = tickctl("admin", *command, env=env)
        assert result.code == 4
        assert "secret-key" in result.err
    assert email not in members(tickctl, env)


def test_right_holds_from_the_next_command_on(tickctl: Tickctl, project: Project, email: str) -> None:
    """Both ways, with one and the same token."""
    signed_in = project.settings_env("publishable") | {"TICKCTL_ADMIN_TOKEN": project.token(email)}
    operator = project.settings_env("connection")
    assert tickctl("quota", "show", email, env=signed_in).code == 4
    tickctl("admin", "add", email, env=operator)
    assert tickctl("quota", "show", email, env=signed_in).code == 0
    tickctl("admin", "remove", email, "--yes", env=operator)
    assert tickctl("quota", "show", email, env=signed_in).code == 4


def test_configured_identities_go_in_order(standin: StandIn, tickctl: Tickctl, tmp_path: Path) -> None:
    """Direct connection, secret key, token, login; --as takes any other of them."""
    standin.add_user("bob@example.com")
    standin.add_admin("ada@example.com")
    everything = {"HOME": str(tmp_path)}
    for identity in ("admin", "secret-key", "connection"):
        everything |= standin.settings_env(identity)
    whose = jwt.decode(everything["TICKCTL_ADMIN_TOKEN"], options={"verify_signature": False})["email"]
    login = tickctl("login", "ada@example.com", "--password-stdin", env=everything, stdin=PASSWORD)
    assert login.code == 0, login.err
    says = {
        "SUPABASE_DB_URL": ("connection", "over a direct connection as postgres"),
        "SUPABASE_SECRET_KEY": ("secret-key", "as service_role (secret key)"),
        "TICKCTL_ADMIN_TOKEN": ("user", f"as {whose} (TICKCTL_ADMIN_TOKEN)"),
        "": ("user", "as ada@example.com"),
    }
    left = dict(everything)
    for variable, (name, target) in says.items():
        for env, option in ((left, []), (left if variable == "" else everything, ["--as", name])):
            result = tickctl("quota", "set", "bob@example.com", "5", "--dry-run", *option, env=env)
            assert result.code == 0, result.err
            assert f"{standin.url} {target}:" in result.err
        left.pop(variable, None)


def test_no_identity_names_all_ways(tickctl: Tickctl, tmp_path: Path) -> None:
    """Exit code 3, and nothing is sent."""
    result = tickctl("quota", "list", env=PROJECT | {"HOME": str(tmp_path)})
    assert result.code == 3
    for way in ("SUPABASE_DB_URL", "SUPABASE_SECRET_KEY", "TICKCTL_ADMIN_TOKEN", "tickctl login"):
        assert way in result.err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--backend", "local", "--as", "user"], 2, "--backend local"),
        (["--backend", "local", "--as", "secret-key"], 2, "--backend local"),
        (["--backend", "postgres", "--as", "user"], 2, "--backend postgres"),
        (["--backend", "postgres", "--as", "secret-key"], 2, "--backend postgres"),
        (["--backend", "postgres"], 3, "SUPABASE_DB_URL"),
        (["--as", "connection"], 3, "SUPABASE_DB_URL"),
        (["--as", "secret-key"], 3, "SUPABASE_SECRET_KEY"),
        (["--as", "user"], 3, "nobody is signed in"),
        (["--as", "somebody"], 2, "somebody"),
    ],
    ids=[
        "local user",
        "local key",
        "postgres user",
        "postgres key",
        "postgres without url",
        "connection without url",
        "key without key",
        "user without login",
        "nobody",
    ],
)
def test_identities_that_cannot_be_are_refused(
    tickctl: Tickctl, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    """Before anything is sent, and never for another one instead."""
    result = tickctl("quota", "list", *arguments, env=PROJECT | {"HOME": str(tmp_path)})
    assert result.code == code
    assert says in result.err


def test_embedded_database_is_a_direct_connection(tickctl: Tickctl) -> None:
    """Saying so is no mistake."""
    assert tickctl("quota", "list", "--backend", "local", "--as", "connection").code == 0


def test_project_that_is_asked_for_must_be_named(tickctl: Tickctl) -> None:
    """`--backend supabase` with a connection string alone has no project to speak of."""
    env = {"SUPABASE_DB_URL": "postgresql://postgres@127.0.0.1:1/postgres"}
    result = tickctl("quota", "list", "--backend", "supabase", env=env)
    assert result.code == 3
    assert "SUPABASE_URL" in result.err


def token(**changes: object) -> str:
    """Return a well-formed access token that nobody will recognise."""
    now = int(time.time())
    claims = {
        "iss": f"{PROJECT['SUPABASE_URL']}/auth/v1",
        "sub": "6f1f1c2e-0d3b-4b57-9d3e-0a4f1c7c9a11",
        "aud": "authenticated",
        "role": "authenticated",
        "session_id": "c2a7b0de-57f3-4f0e-8a44-5a0d2f7a9b22",
        "iat": now - 60,
        "exp": now + 3600,
    }
    return jwt.encode(claims | changes, "a secret of another project, long enough", algorithm="HS256")


@pytest.mark.parametrize(
    ("value", "code", "says"),
    [
        ({"exp": 5, "iat": 4}, 4, "has expired"),
        ({"iss": "https://zyxwvutsrqponmlkjihg.supabase.co/auth/v1"}, 3, "another project"),
        ({"aud": "other"}, 3, "another audience"),
        ({"role": "anon"}, 3, "not a user's token"),
        ({"role": "service_role"}, 3, "not a user's token"),
        ({"is_anonymous": True}, 3, "anonymous"),
        ({"sub": "me"}, 3, "not an access token"),
        ("sb_secret_0123456789abcdef", 3, "API key"),
        ("sb_publishable_0123456789abcdef", 3, "API key"),
        ("Bearer head.e30.tail", 3, "not an access token"),
        ("not a token", 3, "not an access token"),
        ("head.e30.tail", 3, "not an access token"),
    ],
    ids=[
        "expired",
        "other project",
        "other audience",
        "anon key",
        "service_role key",
        "anonymous",
        "no user id",
        "secret key",
        "publishable key",
        "with Bearer",
        "words",
        "no json",
    ],
)
def test_token_that_would_be_refused_is_not_sent(
    tickctl: Tickctl, value: str | dict[str, object], code: int, says: str
) -> None:
    """The project of these settings can't be reached, so any request would end with 5; and nothing is repeated."""
    if isinstance(value, dict):
        value = token(**value)
    result = tickctl("quota", "list", env=PROJECT | {"TICKCTL_ADMIN_TOKEN": value})
    assert result.code == code, result.err
    assert says in result.err
    assert "TICKCTL_ADMIN_TOKEN" in result.err
    assert value not in result.err


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SUPABASE_SECRET_KEY", "sb_publishable_0123456789abcdef"),
        ("SUPABASE_SECRET_KEY", "postgresql://postgres:password@host/db"),
        ("SUPABASE_SECRET_KEY", " sb_secret_0123456789abcdef"),
        ("SUPABASE_ANON_KEY", "sb_secret_0123456789abcdef"),
    ],
    ids=["publishable as secret", "url as secret", "space", "secret as publishable"],
)
def test_key_in_the_wrong_place_is_not_sent(tickctl: Tickctl, variable: str, value: str) -> None:
    """Keys get mixed up; the answer is told here, not by the project."""
    env = PROJECT | {"TICKCTL_ADMIN_TOKEN": token()} | {variable: value}
    result = tickctl("quota", "list", env=env)
    assert result.code == 3, result.err
    assert value.strip() not in result.err


def test_session_is_not_made_for_admin_tokens(tickctl: Tickctl, project: Project, tmp_path: Path) -> None:
    """A token from the environment leaves nothing on disk."""
    assert tickctl("quota", "list", env=project.settings_env("admin") | {"HOME": str(tmp_path)}).code == 0
    assert not (tmp_path / ".local").exists()
