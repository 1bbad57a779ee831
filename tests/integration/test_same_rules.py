"""The token verifier and the database have the same rules; the database, which users can call directly, has some more.

One table of cases for both: whatever the verifier refuses, the database serves to nobody.
"""

import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from quota_support import Database, User, calling
from tickctl.core.quota import consume
from tickctl.core.tokens import Policy, Reason, Refusal
from tickctl.core.tokens.claims import check_claims
from tickctl.errors import CredentialsRefusedError, InvalidInputError

REFUSED: Final = "refused"
"""By the database, with the error that is told to who may not call."""
GONE: Final = ...


@dataclass(frozen=True)
class Case:
    """A token of a user in good standing, or not.

    Attributes:
        verifier: why the verifier refuses; None where it doesn't, or where only the database can know.
        database: what `consume_ticks` decides, or REFUSED.
        claims: what is different in the token; `...` takes a claim away.
        user: columns of auth.users that are different.
        session: SQL about the session, `{id}`.
    """

    verifier: Reason | None
    database: str
    claims: dict[str, Any] = field(default_factory=dict)
    user: dict[str, Any] = field(default_factory=dict)
    session: str = ""


CASES = {
    "a user": Case(None, "granted"),
    "an audience in a list of one": Case(None, "granted", {"aud": ["authenticated"]}),
    "an audience in a list of two": Case(Reason.MALFORMED_CLAIM, REFUSED, {"aud": ["authenticated", "other"]}),
    "an audience in an empty list": Case(Reason.MALFORMED_CLAIM, REFUSED, {"aud": []}),
    "an audience in a list in a list": Case(Reason.MALFORMED_CLAIM, REFUSED, {"aud": [["authenticated"]]}),
    "an audience in an object": Case(Reason.MALFORMED_CLAIM, REFUSED, {"aud": {"authenticated": True}}),
    "another audience": Case(Reason.WRONG_AUDIENCE, REFUSED, {"aud": "elsewhere"}),
    "an audience in other letters": Case(Reason.WRONG_AUDIENCE, REFUSED, {"aud": "Authenticated"}),
    "no audience": Case(Reason.MISSING_CLAIM, REFUSED, {"aud": GONE}),
    "a third-party application": Case(Reason.NOT_A_USER_TOKEN, REFUSED, {"client_id": str(uuid.UUID(int=1))}),
    "a third-party application without a name": Case(Reason.NOT_A_USER_TOKEN, REFUSED, {"client_id": ""}),
    "a third-party application of null": Case(Reason.MALFORMED_CLAIM, REFUSED, {"client_id": None}),
    "a session of a third-party application": Case(
        None,
        "session_revoked",
        session="update auth.sessions set oauth_client_id = gen_random_uuid() where id = '{id}'",
    ),
    "an anonymous user": Case(Reason.ANONYMOUS, "anonymous", {"is_anonymous": True}),
    "anonymity in words": Case(Reason.MALFORMED_CLAIM, "anonymous", {"is_anonymous": "false"}),
    "anonymity of null": Case(Reason.MALFORMED_CLAIM, "anonymous", {"is_anonymous": None}),
    "no word about anonymity": Case(None, "granted", {"is_anonymous": GONE}),
    "a user who is anonymous by now": Case(None, "anonymous", user={"is_anonymous": True}),
    "the publishable key": Case(Reason.NOT_A_USER_TOKEN, REFUSED, {"role": "anon"}),
    "the secret key": Case(Reason.NOT_A_USER_TOKEN, REFUSED, {"role": "service_role"}),
    "another role": Case(Reason.NOT_A_USER_TOKEN, REFUSED, {"role": "editor"}),
    "no role": Case(Reason.MISSING_CLAIM, REFUSED, {"role": GONE}),
    "no user": Case(Reason.MISSING_CLAIM, REFUSED, {"sub": GONE}),
    "a user of null": Case(Reason.MALFORMED_CLAIM, REFUSED, {"sub": None}),
    "a user who never was": Case(None, "user_not_found", {"sub": str(uuid.UUID(int=1))}),
    "no user's id": Case(Reason.MALFORMED_CLAIM, "invalid", {"sub": "ada"}),
    "no session": Case(Reason.MISSING_CLAIM, "session_revoked", {"session_id": GONE}),
    "a session that never was": Case(None, "session_revoked", {"session_id": str(uuid.UUID(int=1))}),
    "a session that has ended": Case(None, "session_revoked", session="delete from auth.sessions where id = '{id}'"),
    "a session whose time is over": Case(
        None, "session_revoked", session="update auth.sessions set not_after = '2020-01-01Z' where id = '{id}'"
    ),
    "an address that is not confirmed": Case(None, "email_not_confirmed", user={"email_confirmed_at": None}),
    "a banned user": Case(None, "user_banned", user={"banned_until": "2999-01-01Z"}),
    "a ban that is over": Case(None, "granted", user={"banned_until": "2020-01-01Z"}),
    "a deleted user": Case(None, "user_deleted", user={"deleted_at": "2020-01-01Z"}),
}


def token_claims(user: User, changes: dict[str, Any]) -> dict[str, Any]:
    """Return what Supabase Auth would write into a token of this user, changed."""
    now = int(time.time())
    claims = {**user.claims, "exp": now + 3600, "iat": now - 5, "is_anonymous": False, **changes}
    return {name: value for name, value in claims.items() if value is not GONE}


def by_the_verifier(claims: dict[str, Any]) -> Reason | None:
    """Return why the verifier refuses, if it does."""
    try:
        check_claims(claims, Policy(issuer=None), time.time())
    except Refusal as refusal:
        return refusal.reason
    return None


def by_the_database(database: Database, claims: dict[str, Any]) -> str:
    """Return what becomes of a consumption."""
    try:
        return consume(database.functions(), calling(claims), 1).decision.value
    except CredentialsRefusedError:
        return REFUSED
    except InvalidInputError:
        return "invalid"


@pytest.mark.parametrize("name", CASES)
def test_the_verifier_and_the_database_agree(database: Database, name: str) -> None:
    """Each says what the table says, and whom the verifier refuses the database doesn't serve."""
    case = CASES[name]
    user = database.add_user()
    if case.user:
        database.change_user(user, **case.user)
    if case.session:
        with database.superuser() as connection:
            connection.execute(case.session.format(id=user.session_id).encode())
    claims = token_claims(user, case.claims)
    assert (by_the_verifier(claims), by_the_database(database, claims)) == (case.verifier, case.database)
    assert case.verifier is None or case.database != "granted"
    assert sum(used for used, _charged in database.ledger(user).values()) == (case.database == "granted")
