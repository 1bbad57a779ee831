"""The optional access-token hook: what it writes into tokens, and that it stands in nobody's way."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import jwt
import psycopg
import pytest
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from cli_support import COMMAND, environment
from quota_support import Database, User
from tickctl.adapters.embedded import LOCAL_ISSUER, Server, accounts
from tickctl.core.secret import Secret

HOOK = (files("tickctl.sql") / "optional" / "access_token_hook.sql").read_bytes()
SECRET = "a secret of this test, made up of more than 32 bytes"
CLAIMS = {
    "iss": "x",
    "aud": "authenticated",
    "sub": "x",
    "user_metadata": {"email_confirmed_at": "2020-01-01T00:00:00Z"},
}


@pytest.fixture
def hooked(database: Database) -> Database:
    """A database with the hook in it."""
    with database.owner() as connection:
        connection.execute(HOOK)
    return database


@contextmanager
def auth(database: Database) -> Iterator[psycopg.Connection[DictRow]]:
    """Connect as Supabase Auth does."""
    with database.superuser() as connection:
        connection.execute("set role supabase_auth_admin")
        yield connection


def ask(connection: psycopg.Connection[DictRow], event: object) -> Any:
    """Call the hook as Auth does, in a time zone and a style that must not matter."""
    connection.execute("set timezone to 'Asia/Kathmandu'; set datestyle to 'German'; set statement_timeout to '2000'")
    row = connection.execute("select tick.access_token_hook(%s) as answer", [Jsonb(event)]).fetchone()
    assert row is not None
    return row["answer"]


def event_of(user: User, **claims: Any) -> dict[str, Any]:
    """Return the event that Auth sends when this user signs in."""
    return {"user_id": user.id, "claims": CLAIMS | claims, "authentication_method": "password"}


@pytest.mark.parametrize(
    ("confirmed_at", "claim"),
    [
        ("2026-11-23T10:20:30.123456+01:00", "2026-11-23T09:20:30.123456Z"),
        ("2026-11-23T00:00:00Z", "2026-11-23T00:00:00.000000Z"),
        (None, None),
        ("infinity", None),
        ("-infinity", None),
        ("0001-01-01T00:00:00Z", None),
        ("0044-03-15 00:00:00Z BC", None),
    ],
)
def test_the_claim_says_when_the_e_mail_was_confirmed(
    hooked: Database, confirmed_at: str | None, claim: str | None
) -> None:
    """RFC 3339 in UTC, null for every spelling of never, and all other claims as they came."""
    user = hooked.add_user(confirmed=False)
    hooked.change_user(user, email_confirmed_at=confirmed_at)
    with auth(hooked) as connection:
        assert ask(connection, event_of(user)) == {"claims": CLAIMS | {"email_confirmed_at": claim}}


@pytest.mark.parametrize("email", [None, ""])
def test_without_an_address_nothing_is_confirmed(hooked: Database, email: str | None) -> None:
    """Whatever the column says."""
    user = hooked.add_user()
    hooked.change_user(user, email=email)
    with auth(hooked) as connection:
        assert ask(connection, event_of(user)) == {"claims": {**CLAIMS, "email_confirmed_at": None}}


def test_a_claim_that_comes_in_is_not_believed(hooked: Database) -> None:
    """It is replaced by what the table says, or taken away where the table says nothing."""
    user = hooked.add_user(confirmed=False)
    lie = {"email_confirmed_at": "2020-01-01T00:00:00Z"}
    with auth(hooked) as connection:
        assert ask(connection, event_of(user, **lie))["claims"] == CLAIMS | {"email_confirmed_at": None}
        nobody = event_of(user, **lie) | {"user_id": "00000000-0000-4000-8000-000000000000"}
        assert ask(connection, nobody) == {"claims": CLAIMS}


def test_a_confirmation_in_the_same_transaction_counts(hooked: Database) -> None:
    """Following the link in the e-mail confirms and signs in at once."""
    user = hooked.add_user(confirmed=False)
    with auth(hooked) as connection, connection.transaction():
        connection.execute("update auth.users set email_confirmed_at = '2026-01-01Z' where id = %s", [user.id])
        assert ask(connection, event_of(user))["claims"]["email_confirmed_at"] == "2026-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    "event",
    [
        {"user_id": None, "claims": CLAIMS},
        {"user_id": "not a UUID", "claims": CLAIMS},
        {"user_id": {"a": 1}, "claims": CLAIMS},
        {"claims": CLAIMS},
    ],
)
def test_what_it_can_t_find_out_it_leaves_out(hooked: Database, event: object) -> None:
    """A token without the claim confirms nothing."""
    with auth(hooked) as connection:
        assert ask(connection, event) == {"claims": CLAIMS}


@pytest.mark.parametrize("event", [{}, [], "text", None, {"claims": None}, {"claims": ["email_confirmed_at"]}, 1])
def test_no_event_makes_it_fail(hooked: Database, event: object) -> None:
    """What is no event of Auth's comes back as it was."""
    with auth(hooked) as connection:
        assert ask(connection, event) == event


def test_a_broken_table_blocks_no_sign_in(hooked: Database) -> None:
    """Auth turns an error of the hook into an error of the sign-in."""
    user = hooked.add_user()
    with hooked.superuser() as connection:
        connection.execute("alter table auth.users rename column email_confirmed_at to moved")
    with auth(hooked) as connection:
        assert ask(connection, event_of(user)) == {"claims": CLAIMS}


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "authenticator"])
def test_nobody_else_may_call_it(hooked: Database, role: str) -> None:
    """It tells whether any user is confirmed, so it is for Auth alone."""
    with hooked.superuser() as connection, connection.transaction(force_rollback=True):
        connection.execute(f"set local role {role}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select tick.access_token_hook('{}')")


def test_auth_may_call_it_and_nothing_else_of_ours(hooked: Database) -> None:
    """The schema is opened to Auth for this one function."""
    with auth(hooked) as connection:
        rows = connection.execute(
            "select p.proname from pg_proc as p where p.pronamespace = 'tick'::regnamespace"
            " and has_function_privilege(p.oid, 'execute')"
        ).fetchall()
        assert [row["proname"] for row in rows] == ["access_token_hook"]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select from tick.admin")


def test_it_can_be_installed_again(hooked: Database) -> None:
    """As every file of SQL that changes later."""
    with hooked.owner() as connection:
        connection.execute(HOOK)
        row = connection.execute("select prosecdef, provolatile from pg_proc where proname = 'access_token_hook'")
        assert row.fetchone() == {"prosecdef": False, "provolatile": "s"}


@pytest.mark.parametrize(
    ("confirmed", "code", "reason"), [(True, 0, "valid"), (False, 1, "email_not_confirmed")], ids=["confirmed", "not"]
)
def test_a_token_tells_offline_whether_the_e_mail_is_confirmed(
    server: Server, hooked: Database, tmp_path: Path, confirmed: bool, code: int, reason: str
) -> None:
    """With the claim's name configured, `verify-token --offline` needs neither Auth nor the database."""
    accounts.add_user(server, "hooked@example.com", confirmed=confirmed, database=hooked.name)
    token = accounts.mint_token(server, Secret(SECRET), "hooked@example.com", database=hooked.name)
    assert "email_confirmed_at" in jwt.decode(token.reveal(), options={"verify_signature": False})
    settings = {
        "SUPABASE_URL": "https://tests.supabase.co",
        "SUPABASE_JWT_SECRET": SECRET,
        "SUPABASE_JWT_ISSUER": LOCAL_ISSUER,
        "SUPABASE_CONFIRMED_CLAIM": "email_confirmed_at",
    }
    verified = subprocess.run(
        [*COMMAND, "verify-token", "-", "--offline", "--json"],
        input=token.reveal(),
        env=environment(tmp_path, settings),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert verified.returncode == code, verified.stderr
    answer = json.loads(verified.stdout)
    assert (answer["reason"], answer["confirmation_source"]) == (reason, "claim")


def test_without_the_hook_tokens_are_as_before(server: Server, database: Database) -> None:
    """No claim of that name is made up."""
    user = database.add_user()
    assert user.email is not None
    claims = accounts.open_session(server, user.email, database=database.name).claims
    assert "email_confirmed_at" not in claims
