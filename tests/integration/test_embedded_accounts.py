"""Users and tokens of the embedded database."""

from datetime import UTC, datetime, timedelta

import jwt
import psycopg
import pytest

from tickctl.adapters.embedded import LOCAL_ISSUER, Server, accounts
from tickctl.core.secret import Secret
from tickctl.errors import ConflictError, InvalidInputError, NotFoundError

SECRET = Secret("a secret of this test, made up of more than 32 bytes")


@pytest.fixture(scope="module")
def server(embedded_server: Server) -> Server:
    """The embedded one always: it is what these tests are about."""
    return embedded_server


def test_a_user_is_stored_in_lower_case_and_found_in_any(server: Server) -> None:
    """Supabase Auth stores addresses in lower case; people write them as they like."""
    user_id = accounts.add_user(server, " Ada.Lovelace@Example.COM ")
    assert accounts.open_session(server, "ADA.lovelace@example.com").user_id == user_id
    with psycopg.connect(server.url()) as connection:
        row = connection.execute("select email, confirmed_at from auth.users where id = %s", [user_id]).fetchone()
    assert row is not None
    assert row[0] == "ada.lovelace@example.com"
    assert row[1] is not None


def test_an_address_belongs_to_one_user(server: Server) -> None:
    """A second user with the same address, in whatever case, is a conflict."""
    accounts.add_user(server, "once@example.com")
    with pytest.raises(ConflictError):
        accounts.add_user(server, "Once@Example.com")


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ada",
        "ada@",
        "@example.com",
        "ada@localhost",
        "a da@example.com",
        "ada@example.com\nx@y.zz",
        "a" * 65 + "@b.co",
        "ada@example..com",
        "ada@-example.com",
        "ада@example.com",
        "a@" + "b" * 64 + ".co",
        "ada@example.com'--",
        "a\0@b.co",
        "a@" + "b." * 130 + "co",
    ],
)
def test_what_is_no_address_is_refused(server: Server, email: str) -> None:
    """Implausible addresses are wrong input, not users."""
    with pytest.raises(InvalidInputError):
        accounts.add_user(server, email)


def test_an_unknown_user_is_not_found(server: Server) -> None:
    """No session is opened for an address that nobody has."""
    with pytest.raises(NotFoundError):
        accounts.open_session(server, "nobody@example.com")


def test_an_unconfirmed_user_has_no_confirmation_time(server: Server) -> None:
    """Both ways of saying it in `auth.users` say so."""
    user_id = accounts.add_user(server, "unconfirmed@example.com", confirmed=False)
    with psycopg.connect(server.url()) as connection:
        row = connection.execute(
            "select email_confirmed_at, confirmed_at from auth.users where id = %s", [user_id]
        ).fetchone()
    assert row == (None, None)


def test_a_token_has_supabase_s_claims(server: Server) -> None:
    """Names and types are those of a hosted project's access token, and the session exists."""
    user_id = accounts.add_user(server, "claims@example.com")
    before = int(datetime.now(UTC).timestamp()) - 1
    token = accounts.mint_token(server, SECRET, "claims@example.com")
    assert jwt.get_unverified_header(token.reveal()) == {"alg": "HS256", "typ": "JWT"}
    claims = jwt.decode(token.reveal(), SECRET.reveal(), ["HS256"], audience="authenticated", issuer=LOCAL_ISSUER)
    assert set(claims) == {
        "iss", "sub", "aud", "exp", "iat", "email", "phone", "app_metadata", "user_metadata", "role", "aal", "amr",
        "session_id", "is_anonymous",
    }  # fmt: skip
    assert before <= claims["iat"] <= before + 60
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["sub"] == str(user_id)
    assert (claims["email"], claims["phone"], claims["role"]) == ("claims@example.com", "", "authenticated")
    assert claims["is_anonymous"] is False
    with psycopg.connect(server.url()) as connection:
        row = connection.execute("select user_id from auth.sessions where id = %s", [claims["session_id"]]).fetchone()
    assert row == (user_id,)


def test_an_expired_token_can_be_made(server: Server) -> None:
    """The time of issue can be chosen."""
    accounts.add_user(server, "expired@example.com")
    issued = datetime(2026, 1, 1, tzinfo=UTC)
    session = accounts.open_session(server, "expired@example.com", issued_at=issued, lifetime=timedelta(minutes=5))
    assert (session.claims["iat"], session.claims["exp"]) == (1767225600, 1767225900)


def test_an_address_that_was_stored_otherwise_is_found_too(server: Server) -> None:
    """Older projects have rows in mixed case."""
    with psycopg.connect(server.url()) as connection:
        connection.execute("insert into auth.users (id, email) values (gen_random_uuid(), 'Mixed@Example.com')")
    assert accounts.open_session(server, "mixed@example.com").claims["email"] == "mixed@example.com"
