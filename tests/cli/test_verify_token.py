"""`tickctl verify-token`: where tokens come from, what is answered, and with which exit code."""

import json
import time
import uuid
from pathlib import Path
from typing import Any

import jwt
import pytest

from cli_support import Tickctl
from tickctl.adapters.embedded import EmbeddedDatabase
from tickctl.adapters.embedded.accounts import sign

SECRET = "a-secret-of-the-tests-that-is-long-enough-for-hs256"
PROJECT = {"SUPABASE_URL": "https://tests.supabase.co", "SUPABASE_JWT_SECRET": SECRET}
CLAIMED = PROJECT | {"SUPABASE_CONFIRMED_CLAIM": "app_metadata.email_confirmed"}
FIELDS = {
    "valid",
    "reason",
    "message",
    "hint",
    "subject",
    "email",
    "email_confirmed",
    "confirmation_source",
    "role",
    "algorithm",
    "key_id",
    "issued_at",
    "expires_at",
    "session_id",
    "checks",
    "not_checked",
    "claims",
}


def mint(secret: str = SECRET, **changes: Any) -> str:
    """Sign a token of the made-up project; `None` leaves a claim out."""
    now = int(time.time())
    claims = {
        "iss": "https://tests.supabase.co/auth/v1",
        "aud": "authenticated",
        "sub": str(uuid.uuid4()),
        "session_id": str(uuid.uuid4()),
        "role": "authenticated",
        "email": "user@example.com",
        "app_metadata": {"email_confirmed": True},
        "iat": now,
        "exp": now + 3600,
    }
    return jwt.encode({n: v for n, v in (claims | changes).items() if v is not None}, secret, algorithm="HS256")


def test_answer_has_the_documented_fields(tickctl: Tickctl) -> None:
    """Other people's scripts read these names."""
    result = tickctl("verify-token", "-", "--json", stdin=mint(), env=CLAIMED)
    assert result.code == 0, result.err
    assert set(result.json) == FIELDS
    assert result.json["valid"] is True
    assert result.json["confirmation_source"] == "claim"
    assert {"session", "ban"} <= set(result.json["not_checked"])
    assert result.json["expires_at"].endswith("Z")


@pytest.mark.parametrize(
    ("changes", "reason", "code"),
    [
        ({}, "valid", 0),
        ({"exp": 1}, "expired", 1),
        ({"iss": "https://other.supabase.co/auth/v1"}, "wrong_issuer", 1),
        ({"role": "service_role", "sub": None}, "not_a_user_token", 1),
        ({"app_metadata": {"email_confirmed": False}}, "email_not_confirmed", 1),
        ({"app_metadata": {}}, "confirmation_unknown", 5),
    ],
)
def test_exit_code_follows_the_verdict(tickctl: Tickctl, changes: dict[str, Any], reason: str, code: int) -> None:
    """Yes is 0, no is 1, and not knowing is neither."""
    result = tickctl("verify-token", "-", "--json", stdin=mint(**changes), env=CLAIMED)
    assert (result.json["reason"], result.code) == (reason, code)


def test_unknown_signing_key_is_a_cannot_tell(tickctl: Tickctl) -> None:
    """Without the network nobody knows the project's published keys."""
    header = "eyJhbGciOiJFUzI1NiIsImtpZCI6IngifQ"  # {"alg":"ES256","kid":"x"}
    token = f"{header}.{mint().split('.')[1]}.{'A' * 86}"
    result = tickctl("verify-token", "-", "--offline", "--json", stdin=token, env=CLAIMED)
    assert result.code == 5
    assert result.json["reason"] == "unreachable"


@pytest.mark.parametrize("way", ["argument", "standard input", "file", "environment"])
def test_token_is_taken_from_wherever_it_is_given(tickctl: Tickctl, tmp_path: Path, way: str) -> None:
    """Four roads, one answer; line ends are not part of a token."""
    token = mint()
    (tmp_path / "token.txt").write_text(f"{token}\r\n")
    result = {
        "argument": lambda: tickctl("verify-token", token, env=CLAIMED),
        "standard input": lambda: tickctl("verify-token", "-", stdin=f"{token}\n", env=CLAIMED),
        "file": lambda: tickctl("verify-token", "--file", "token.txt", env=CLAIMED),
        "environment": lambda: tickctl("verify-token", env=CLAIMED | {"TICKCTL_TOKEN": token}),
    }[way]()
    assert result.code == 0, result.err


@pytest.mark.parametrize(
    ("arguments", "stdin", "code"),
    [
        ([], "", 2),
        (["--file", "missing"], "", 2),
        (["--file", "."], "", 2),
        (["x", "--file", "x"], "", 2),
        (["x", "--batch"], "", 2),
        (["-", "--batch"], "\n\n", 2),
        (["x", "y"], "", 2),
        (["-", "--at", "yesterday"], "x", 2),
        (["-", "--at", "2026-01-01T00:00:00"], "x", 2),
        (["-", "--leeway", "-1"], "x", 2),
        (["-", "--leeway", "4000"], "x", 2),
    ],
)
def test_wrong_usage_is_told_apart_from_a_bad_token(
    tickctl: Tickctl, arguments: list[str], stdin: str, code: int
) -> None:
    """One line of error, one of hint, nothing on stdout."""
    result = tickctl("verify-token", *arguments, stdin=stdin, env=CLAIMED)
    assert result.code == code
    assert result.out == ""
    assert [line.split(":")[0] for line in result.err.splitlines()] == ["error", "hint"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "\0",
        "Bearer x.y.z",
        "a.b",
        "a.b.c.d.e",
        "\ud800".encode("utf-8", "surrogatepass"),
        b"\xff\xfe",
        "x" * 70000,
    ],
)
def test_anything_at_all_on_standard_input_gets_a_verdict(tickctl: Tickctl, text: str | bytes) -> None:
    """What is no token is refused, not stumbled over."""
    result = tickctl("verify-token", "-", "--json", stdin=text, env=CLAIMED)
    assert (result.code, result.json["reason"]) == (1, "malformed")


@pytest.mark.parametrize("at", ["+00:00", "Z"])
def test_a_token_can_be_examined_as_of_another_time(tickctl: Tickctl, at: str) -> None:
    """Yesterday's token, yesterday."""
    token = mint(iat=1_700_000_000, exp=1_700_003_600)
    then = f"2023-11-14T22:30:00{at}"
    assert tickctl("verify-token", "-", "--at", then, stdin=token, env=CLAIMED).code == 0
    assert tickctl("verify-token", "-", "--at", "1700000500", stdin=token, env=CLAIMED).code == 0
    assert tickctl("verify-token", "-", stdin=token, env=CLAIMED).code == 1


def test_leeway_is_an_option(tickctl: Tickctl) -> None:
    """Clocks differ; how much is the operator's choice."""
    token = mint(iat=1_700_000_000, exp=1_700_003_600)
    at = ["--at", str(1_700_003_600 + 60)]
    assert tickctl("verify-token", "-", *at, stdin=token, env=CLAIMED).code == 1
    assert tickctl("verify-token", "-", *at, "--leeway", "90", stdin=token, env=CLAIMED).code == 0


def test_batch_answers_each_line_and_counts_a_refusal_over_a_cannot_tell(tickctl: Tickctl) -> None:
    """Good, unknown, bad: three answers, exit code 1."""
    tokens = [mint(), mint(app_metadata={}), "rubbish"]
    result = tickctl("verify-token", "--batch", "-", "--json", stdin="\n".join(tokens), env=CLAIMED)
    answers = [json.loads(line) for line in result.out.splitlines()]
    assert [(a["number"], a["reason"]) for a in answers] == [
        (1, "valid"),
        (2, "confirmation_unknown"),
        (3, "malformed"),
    ]
    assert result.code == 1
    assert tickctl("verify-token", "--batch", "-", stdin="\n".join(tokens[:2]), env=CLAIMED).code == 5
    assert tickctl("verify-token", "--batch", "-", stdin=f"\n{tokens[0]}\n\n", env=CLAIMED).code == 0


def test_explain_shows_every_check(tickctl: Tickctl) -> None:
    """Also those that were not made."""
    result = tickctl("verify-token", "-", "--explain", stdin=mint(exp=1), env=CLAIMED)
    rows = {line.split("\t")[0]: line.split("\t")[1] for line in result.out.splitlines() if line.count("\t") == 2}
    assert (rows["signature"], rows["times"], rows["email"]) == ("pass", "fail", "skipped")


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"SUPABASE_JWT_SECRET": SECRET}, "SUPABASE_URL is not"),
        (PROJECT | {"SUPABASE_JWT_SECRET": "short"}, "too short"),
        (
            PROJECT | {"SUPABASE_JWT_SECRET": "super-secret-jwt-token-with-at-least-32-characters-long"},
            "public demo secret",
        ),
        (PROJECT | {"SUPABASE_CONFIRMED_CLAIM": "user_metadata.email_verified"}, "user_metadata"),
        (PROJECT | {"SUPABASE_JWKS": "missing.json"}, "SUPABASE_JWKS"),
        (PROJECT | {"SUPABASE_JWKS": '{"keys": 5}'}, "key"),
        (PROJECT | {"SUPABASE_ALLOW_UNCONFIRMED": "yes"}, "SUPABASE_ALLOW_UNCONFIRMED"),
        ({"SUPABASE_URL": "http://project.example"}, "SUPABASE_URL"),
    ],
)
def test_unsafe_or_half_configuration_is_refused(tickctl: Tickctl, environment: dict[str, str], says: str) -> None:
    """Exit code 3, never the embedded database, never a guess."""
    result = tickctl("verify-token", "-", "--offline", stdin=mint(), env=environment)
    assert result.code == 3, result.err
    assert says in result.err
    assert result.out == ""


def test_allowing_unconfirmed_users_is_said_each_time(tickctl: Tickctl) -> None:
    """A development switch that is on must be seen, also with --quiet."""
    environment = PROJECT | {"SUPABASE_ALLOW_UNCONFIRMED": "true"}
    result = tickctl("verify-token", "-", "--quiet", "--json", stdin=mint(app_metadata={}), env=environment)
    assert result.code == 0
    assert "SUPABASE_ALLOW_UNCONFIRMED" in result.err
    assert result.json["email_confirmed"] is None


def test_online_without_a_publishable_key_is_a_configuration_error(tickctl: Tickctl) -> None:
    """The Auth server wants one."""
    assert tickctl("verify-token", "-", "--online", stdin=mint(), env=CLAIMED).code == 3


def test_embedded_database_knows_who_confirmed_the_email(tickctl: Tickctl, user: str, token: str) -> None:
    """With nothing configured, the answer comes from the local database and says so."""
    result = tickctl("verify-token", "-", "--json", stdin=token)
    assert result.code == 0, result.err
    assert (result.json["email"], result.json["confirmation_source"]) == (user, "database")
    assert result.json["not_checked"] == []
    assert "using the embedded database" in result.err


def test_the_hook_s_claim_tells_offline_for_the_embedded_database_too(tickctl: Tickctl, home: Path, token: str) -> None:
    """As for a project: with the claim's name configured, nobody need be asked."""
    claims = jwt.decode(token, options={"verify_signature": False})
    secret = EmbeddedDatabase(home).jwt_secret()
    for confirmed_at, code, reason in (("2026-11-23T00:00:00Z", 0, "valid"), (None, 1, "email_not_confirmed")):
        hooked = sign(claims | {"email_confirmed_at": confirmed_at}, secret).reveal()
        env = {"SUPABASE_CONFIRMED_CLAIM": "email_confirmed_at"}
        result = tickctl("verify-token", "-", "--offline", "--backend", "local", "--json", stdin=hooked, env=env)
        assert (result.code, result.json["reason"]) == (code, reason)
        assert result.json["confirmation_source"] == "claim"


def test_embedded_database_knows_who_did_not(tickctl: Tickctl) -> None:
    """The user may have written email_verified into the own metadata; it doesn't matter."""
    email = f"new-{uuid.uuid4().hex[:8]}@example.com"
    tickctl("local", "add-user", email, "--unconfirmed")
    token = tickctl("local", "token", email).out
    result = tickctl("verify-token", "-", "--json", stdin=token)
    assert (result.code, result.json["reason"]) == (1, "email_not_confirmed")
    assert tickctl("verify-token", "-", "--offline", "--json", stdin=token).json["reason"] == "confirmation_unknown"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("update auth.users set banned_until = now() + interval '1 day' where email = '{}'", "user_banned"),
        ("delete from auth.sessions s using auth.users u where u.id = s.user_id and u.email = '{}'", "session_revoked"),
        ("update auth.users set is_anonymous = true where email = '{}'", "anonymous"),
        ("update auth.users set deleted_at = now() where email = '{}'", "user_deleted"),
        ("delete from auth.users where email = '{}'", "user_deleted"),
    ],
)
def test_embedded_database_is_asked_about_the_live_account(
    tickctl: Tickctl, user: str, token: str, change: str, reason: str
) -> None:
    """Log-out, ban and deletion don't change a token; the account does."""
    done = tickctl("local", "psql", "--user", "supabase_admin", "--", "-qc", change.format(user))
    assert done.code == 0, done.err
    result = tickctl("verify-token", "-", "--json", stdin=token)
    assert (result.code, result.json["reason"]) == (1, reason)


def test_answer_on_a_terminal_begins_with_the_verdict(terminal: Tickctl, token: str) -> None:
    """The first line is what one wants to know; colours can be switched off."""
    plain = [line for line in terminal("verify-token", token, "--no-color").out.splitlines() if line]
    assert "valid" in plain[1]
    assert "\033[" not in "".join(plain)
    coloured = terminal("verify-token", token).out
    assert "\033[1;32mvalid" in coloured
