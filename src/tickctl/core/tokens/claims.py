"""Layer 2: the claims of a signed token against the policy of the project, at a given time.

The rules are those of RFC 7519 section 4.1 and of Supabase Auth's access tokens, each claim of exactly the type that
Auth gives it. https://supabase.com/docs/guides/auth/jwt-fields
"""

import re
from typing import Final, NamedTuple

from tickctl.core.json import Json, JsonObject
from tickctl.core.tokens.policy import RESERVED_ROLES, Policy
from tickctl.core.tokens.verdict import Reason, Refusal, Step, quoted

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\Z")
_NIL: Final = "00000000-0000-0000-0000-000000000000"
_LARGEST_TIME: Final = 2**53
_UNUSED_STRINGS: Final = ("phone", "aal", "scope")
_REQUIRED: Final = ("exp", "iat", "sub", "session_id", "role", "aud")


class UserClaims(NamedTuple):  # made for every token; a frozen dataclass takes three times as long to make
    """The claims of an access token that the rules look at, each present and of its type; times are epoch seconds."""

    subject: str
    session_id: str
    role: str
    audience: str
    issuer: str | None
    email: str | None
    issued_at: int
    expires_at: int
    not_before: int | None
    is_anonymous: bool
    client_id: str | None


def check_claims(claims: JsonObject, policy: Policy, now: float) -> UserClaims:
    """Return the claims of a user whom the policy admits at `now`, e-mail confirmation left aside.

    Args:
        claims: the payload of a token whose signature has been verified.
        policy: the rules.
        now: epoch seconds.

    Raises:
        Refusal: with the first check that did not pass.
    """
    user = read_claims(claims, policy)
    check_rules(user, policy, now)
    return user


def read_claims(claims: JsonObject, policy: Policy) -> UserClaims:
    """Take the claims out of a payload, refusing what is not a user's token, a missing claim and a foreign type.

    Raises:
        Refusal: `not_a_user_token`, `missing_claim` or `malformed_claim`.
    """
    _check_kind(claims)
    for name in _REQUIRED:
        if name not in claims:
            raise _missing(name)
    issuer = _optional_string("iss", claims)
    if issuer is None and policy.issuer is not None:
        raise _missing("iss")
    # Nothing is decided by these, but a hook that breaks their type breaks other readers of the token.
    for name in _UNUSED_STRINGS:
        _optional_string(name, claims)
    is_anonymous = claims.get("is_anonymous", False)
    if not isinstance(is_anonymous, bool):
        raise _malformed("is_anonymous", "is not a boolean")
    return UserClaims(
        subject=_uuid("sub", claims["sub"]),
        session_id=_uuid("session_id", claims["session_id"]),
        role=_string("role", claims["role"]),
        audience=_audience(claims["aud"]),
        issuer=issuer,
        # Supabase writes "" for a user without an address.
        email=_optional_string("email", claims) or None,
        issued_at=_time("iat", claims["iat"]),
        expires_at=_time("exp", claims["exp"]),
        not_before=_time("nbf", claims["nbf"]) if "nbf" in claims else None,
        is_anonymous=is_anonymous,
        client_id=_optional_string("client_id", claims),
    )


def check_rules(user: UserClaims, policy: Policy, now: float) -> None:
    """Check everything about well-formed claims but the confirmation of the e-mail.

    Raises:
        Refusal: with the first rule that is broken.
    """
    check_times(user, policy.leeway, now)
    if policy.issuer is not None and user.issuer != policy.issuer:
        raise Refusal(
            Reason.WRONG_ISSUER,
            Step.ISSUER,
            f"the token comes from {quoted(user.issuer or '')}, not from {quoted(policy.issuer)}",
            "take a token of this project, or correct SUPABASE_JWT_ISSUER",
        )
    if user.audience != policy.audience:
        raise Refusal(
            Reason.WRONG_AUDIENCE,
            Step.AUDIENCE,
            f"the token is for the audience {quoted(user.audience)}, not for {quoted(policy.audience)}",
            "correct SUPABASE_JWT_AUDIENCE if this audience is meant",
        )
    if user.role not in policy.roles:
        raise _not_a_user_token(Step.ROLE, f"the role {quoted(user.role)} is not one that users have here")
    if user.is_anonymous and not policy.allow_anonymous:
        raise Refusal(
            Reason.ANONYMOUS,
            Step.ANONYMITY,
            "the user has signed in anonymously",
            "link an e-mail address to the account and confirm it",
        )
    if user.client_id is not None and not policy.allow_oauth_clients:
        raise _not_a_user_token(Step.CLIENT, "the session belongs to a third-party OAuth client")
    if user.expires_at - user.issued_at > policy.max_lifetime:
        raise Refusal(
            Reason.LIFETIME_TOO_LONG,
            Step.LIFETIME,
            f"the token lives {user.expires_at - user.issued_at} s, longer than the {policy.max_lifetime} s allowed",
            "shorten the JWT expiry in the project's Auth settings",
        )


def check_times(user: UserClaims, leeway: int, now: float) -> None:
    """Check that a token is in force at `now`; to be called again for a token that was accepted before.

    Raises:
        Refusal: `expired` or `not_yet_valid`.
    """
    # Each condition is written so that a `now` that is no number refuses.
    if not now < user.expires_at + leeway:
        raise Refusal(Reason.EXPIRED, Step.TIMES, "the token has expired", "sign in again or refresh the session")
    begins = user.issued_at if user.not_before is None else max(user.issued_at, user.not_before)
    if not begins <= now + leeway:
        raise Refusal(
            Reason.NOT_YET_VALID,
            Step.TIMES,
            "the token is not valid yet",
            "check the clocks of this machine and of the Auth server",
        )


def is_uuid(text: str) -> bool:
    """Return whether a text is a UUID (RFC 9562 section 4) other than the nil UUID."""
    return _UUID.match(text) is not None and text != _NIL


def _check_kind(claims: JsonObject) -> None:
    role = claims.get("role")
    # First of all: a legacy API key lacks nearly every claim, and that is not what is wrong with it.
    if isinstance(role, str) and role in RESERVED_ROLES:
        raise _not_a_user_token(Step.KIND, f"the token carries the role {role}: it is a key of the project")
    if "role" not in claims and "session_id" not in claims:
        raise _not_a_user_token(Step.KIND, "the token has neither role nor session, as OIDC ID tokens have none")


def _uuid(name: str, value: Json) -> str:
    if not isinstance(value, str) or not is_uuid(value):
        raise _malformed(name, "is not a UUID")
    return value.lower()


def _audience(value: Json) -> str:
    # With a hook, the first token that Auth signs after it has started has its audience in a list of one.
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return _string("aud", value)


def _string(name: str, value: Json) -> str:
    if not isinstance(value, str):
        raise _malformed(name, "is not a string")
    return value


def _optional_string(name: str, claims: JsonObject) -> str | None:
    """Return the claim, or `None` if there is none; a claim that is null is not a string."""
    value = claims.get(name)
    if isinstance(value, str):
        return value
    if name in claims:
        raise _malformed(name, "is not a string")
    return None


def _time(name: str, value: Json) -> int:
    # `True` is an int in Python and a boolean in JSON.
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _LARGEST_TIME:
        raise _malformed(name, "is not a time in whole seconds since 1970")
    return value


def _missing(name: str) -> Refusal:
    message = f"the claim {name} is missing"
    return Refusal(Reason.MISSING_CLAIM, Step.CLAIMS, message, "an access-token hook must keep this claim")


def _malformed(name: str, problem: str) -> Refusal:
    message = f"the claim {name} {problem}"
    return Refusal(Reason.MALFORMED_CLAIM, Step.CLAIMS, message, "an access-token hook must keep its type")


def _not_a_user_token(step: Step, message: str) -> Refusal:
    hint = "give the access_token of a signed-in user"
    return Refusal(Reason.NOT_A_USER_TOKEN, step, message, hint)
