"""The token verifier and the database have the same rules; the database, which users can call directly, has some more.

One table of cases for both: whatever the verifier refuses, the database serves to nobody. With the live account to look
at, the verifier says what the database says.
"""

import time
import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import pytest

from gateway_support import claims_of, keys_of, policy_of, signed
from quota_support import Database, calling
from tickctl.adapters.users import DatabaseUsers
from tickctl.core.quota import Decision, UserFilter, consume, my_ticks
from tickctl.core.tokens import Reason, TokenVerifier
from tickctl.errors import CredentialsRefusedError, InvalidInputError

OTHER: Final = str(uuid.UUID(int=1))
GONE: Final = ...


class Error(StrEnum):
    """What the database raises in place of a decision."""

    REFUSED = "refused"
    """Who calls may not call at all."""
    INVALID = "invalid"
    """An id that can't be read."""


class Token(StrEnum):
    """What the verifier makes of a token that it doesn't refuse."""

    GOOD = "good"
    NOT_KNOWN = "not known"
    """No token can say it: only the live account does."""


@dataclass(frozen=True)
class Case:
    """A token of a user, in good standing unless it says otherwise.

    Attributes:
        verifier: why the verifier refuses the token, or why it doesn't.
        database: what the database decides.
        claims: what is different in the token; `...` takes a claim away.
        user: columns of auth.users that are different.
        sql: changes to the user `{user}` and the session `{session}`.
    """

    verifier: Token | Reason
    database: Decision | Error
    claims: dict[str, Any] = field(default_factory=dict)
    user: dict[str, Any] = field(default_factory=dict)
    sql: str = ""


MALFORMED, MISSING = Reason.MALFORMED_CLAIM, Reason.MISSING_CLAIM
CASES = {
    "a user": Case(Token.GOOD, Decision.GRANTED),
    # RFC 7519 section 4.1.3 allows both forms; Supabase Auth writes the list into its first token when a hook is on.
    "an audience in a list of one": Case(Token.GOOD, Decision.GRANTED, {"aud": ["authenticated"]}),
    "another audience in a list of one": Case(Reason.WRONG_AUDIENCE, Error.REFUSED, {"aud": ["elsewhere"]}),
    "an audience in a list of two": Case(MALFORMED, Error.REFUSED, {"aud": ["authenticated", "other"]}),
    "an audience twice in a list": Case(MALFORMED, Error.REFUSED, {"aud": ["authenticated", "authenticated"]}),
    "an audience in an empty list": Case(MALFORMED, Error.REFUSED, {"aud": []}),
    "an audience in a list in a list": Case(MALFORMED, Error.REFUSED, {"aud": [["authenticated"]]}),
    "an audience in an object": Case(MALFORMED, Error.REFUSED, {"aud": {"authenticated": True}}),
    "an audience of null": Case(MALFORMED, Error.REFUSED, {"aud": None}),
    "another audience": Case(Reason.WRONG_AUDIENCE, Error.REFUSED, {"aud": "elsewhere"}),
    "an audience in other letters": Case(Reason.WRONG_AUDIENCE, Error.REFUSED, {"aud": "Authenticated"}),
    "an empty audience": Case(Reason.WRONG_AUDIENCE, Error.REFUSED, {"aud": ""}),
    "no audience": Case(MISSING, Error.REFUSED, {"aud": GONE}),
    "a third-party application": Case(Reason.NOT_A_USER_TOKEN, Error.REFUSED, {"client_id": OTHER}),
    "a third-party application without a name": Case(Reason.NOT_A_USER_TOKEN, Error.REFUSED, {"client_id": ""}),
    "a third-party application of null": Case(MALFORMED, Error.REFUSED, {"client_id": None}),
    "a session of a third-party application": Case(
        Token.NOT_KNOWN,
        Decision.SESSION_REVOKED,
        sql="update auth.sessions set oauth_client_id = gen_random_uuid() where id = '{session}'",
    ),
    "an anonymous user": Case(Reason.ANONYMOUS, Decision.ANONYMOUS, {"is_anonymous": True}),
    "anonymity in words": Case(MALFORMED, Decision.ANONYMOUS, {"is_anonymous": "false"}),
    "anonymity of null": Case(MALFORMED, Decision.ANONYMOUS, {"is_anonymous": None}),
    "no word about anonymity": Case(Token.GOOD, Decision.GRANTED, {"is_anonymous": GONE}),
    "a user who is anonymous by now": Case(Token.NOT_KNOWN, Decision.ANONYMOUS, user={"is_anonymous": True}),
    "the publishable key": Case(Reason.NOT_A_USER_TOKEN, Error.REFUSED, {"role": "anon"}),
    "the secret key": Case(Reason.NOT_A_USER_TOKEN, Error.REFUSED, {"role": "service_role"}),
    "another role": Case(Reason.NOT_A_USER_TOKEN, Error.REFUSED, {"role": "editor"}),
    "a role in other letters": Case(Reason.NOT_A_USER_TOKEN, Error.REFUSED, {"role": "Authenticated"}),
    "a role in a list": Case(MALFORMED, Error.REFUSED, {"role": ["authenticated"]}),
    "no role": Case(MISSING, Error.REFUSED, {"role": GONE}),
    "no user": Case(MISSING, Error.REFUSED, {"sub": GONE}),
    "a user of null": Case(MALFORMED, Error.REFUSED, {"sub": None}),
    "a user who never was": Case(Token.NOT_KNOWN, Decision.USER_NOT_FOUND, {"sub": OTHER}),
    "nobody's id": Case(MALFORMED, Decision.USER_NOT_FOUND, {"sub": str(uuid.UUID(int=0))}),
    "no user's id": Case(MALFORMED, Error.INVALID, {"sub": "ada"}),
    "a number for a user": Case(MALFORMED, Error.INVALID, {"sub": 1}),
    "no session": Case(MISSING, Decision.SESSION_REVOKED, {"session_id": GONE}),
    "no session's id": Case(MALFORMED, Error.INVALID, {"session_id": "today"}),
    "a session that never was": Case(Token.NOT_KNOWN, Decision.SESSION_REVOKED, {"session_id": OTHER}),
    "a session that has ended": Case(
        Token.NOT_KNOWN, Decision.SESSION_REVOKED, sql="delete from auth.sessions where id = '{session}'"
    ),
    "a session whose time is over": Case(
        Token.NOT_KNOWN,
        Decision.SESSION_REVOKED,
        sql="update auth.sessions set not_after = '2020-01-01Z' where id = '{session}'",
    ),
    "a session of somebody else": Case(
        Token.NOT_KNOWN,
        Decision.SESSION_REVOKED,
        sql="with other as (insert into auth.users (id) values (gen_random_uuid()) returning id)"
        " update auth.sessions as s set user_id = other.id from other where s.id = '{session}'",
    ),
    "an address that is not confirmed": Case(
        Token.NOT_KNOWN, Decision.EMAIL_NOT_CONFIRMED, user={"email_confirmed_at": None}
    ),
    "no address, but a confirmation": Case(Token.NOT_KNOWN, Decision.EMAIL_NOT_CONFIRMED, user={"email": None}),
    "an empty address, and a confirmation": Case(Token.NOT_KNOWN, Decision.EMAIL_NOT_CONFIRMED, user={"email": ""}),
    "a banned user": Case(Token.NOT_KNOWN, Decision.USER_BANNED, user={"banned_until": "2999-01-01Z"}),
    "a user who is banned for ever": Case(Token.NOT_KNOWN, Decision.USER_BANNED, user={"banned_until": "infinity"}),
    "a ban that is over": Case(Token.GOOD, Decision.GRANTED, user={"banned_until": "2020-01-01Z"}),
    "a deleted user": Case(Token.NOT_KNOWN, Decision.USER_DELETED, user={"deleted_at": "2020-01-01Z"}),
    "a user whose row has gone": Case(
        Token.NOT_KNOWN, Decision.USER_NOT_FOUND, sql="delete from auth.users where id = '{user}'"
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_verifier_and_the_database_agree(shared_database: Database, name: str) -> None:
    """Each says what the table says, and neither serves whom the other refuses."""
    case, database = CASES[name], shared_database
    user = database.add_user()
    if case.user:
        database.change_user(user, **case.user)
    with database.superuser() as connection:
        connection.execute(case.sql.format(user=user.id, session=user.session_id).encode())
    claims = claims_of(database, user, **case.claims)
    token, now = signed(database, claims), time.time()

    # Alone, the verifier leaves the confirmation of the address to the database.
    alone = TokenVerifier(keys_of(database), policy_of(database, require_confirmed=False))
    assert alone.verify(token, now).reason is (Reason.VALID if isinstance(case.verifier, Token) else case.verifier)

    with_account = TokenVerifier(keys_of(database), policy_of(database), DatabaseUsers(database.functions(owner=True)))
    assert with_account.verify(token, now).reason is live_reason(case)

    assert decided(database, claims) is case.database
    is_served = case.database is Decision.GRANTED
    assert is_served is (case.verifier is Token.GOOD)
    assert sum(used for used, _charged in database.ledger(user).values()) == is_served


def decided(database: Database, claims: dict[str, Any]) -> Decision | Error:
    """Return what becomes of a consumption."""
    try:
        return consume(database.functions(), calling(claims), 1).decision
    except CredentialsRefusedError:
        return Error.REFUSED
    except InvalidInputError:
        return Error.INVALID


def live_reason(case: Case) -> Reason:
    """Return what the verifier must say when it has looked at the account: what the database decides."""
    if isinstance(case.verifier, Reason):
        return case.verifier
    match case.database:
        case Decision.GRANTED:
            return Reason.VALID
        case Decision.USER_NOT_FOUND:
            return Reason.USER_DELETED
        case decision:
            return Reason(decision.value)


@pytest.mark.parametrize("email", [None, ""])
def test_without_an_address_nothing_is_confirmed_wherever_it_is_shown(database: Database, email: str | None) -> None:
    """To the user, to administrators, and in their lists."""
    user, admin = database.add_user(), database.admin()
    database.change_user(user, email=email)
    assert my_ticks(database.functions(), user.caller).email_confirmed is False
    assert admin.show(user.id).email_confirmed is False
    assert [listed.quota.user_id for listed in admin.list(UserFilter.UNCONFIRMED).items] == [user.id]
