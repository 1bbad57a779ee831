"""The session that signing in or refreshing gives.

https://supabase.com/docs/guides/auth/sessions. An access token lasts for minutes and is sent with each request; a
refresh token is spent by the first use and buys the next pair.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tickctl.core.json import JsonObject
from tickctl.core.secret import Secret
from tickctl.core.tokens.claims import is_uuid
from tickctl.core.tokens.encoding import EncodingError, parse_object
from tickctl.core.tokens.jws import parse_compact
from tickctl.core.tokens.verdict import Refusal
from tickctl.errors import UnreachableError


class SecondFactor(StrEnum):
    """Whether a session stands on more than a password (https://supabase.com/docs/guides/auth/auth-mfa)."""

    NONE = "none"
    """The user has none enrolled."""
    MISSING = "missing"
    """The user has one enrolled, and this session has not shown it: assurance level aal1."""
    SHOWN = "shown"
    """Assurance level aal2."""


@dataclass(frozen=True, slots=True)
class AuthSession:
    """A user's session with one project.

    Attributes:
        user_id: whose, a UUID in lower case.
        email: the user's address; `None` for a user without one.
        access_token: what requests carry.
        refresh_token: what buys the next session, once.
        expires_at: when the access token ends, epoch seconds of this machine's clock.
        second_factor: whether it was shown.
        authenticator: id of the factor whose codes an app makes (TOTP), where the user has such a one.
    """

    user_id: str
    email: str | None
    access_token: Secret
    refresh_token: Secret
    expires_at: float
    second_factor: SecondFactor
    authenticator: str | None = None

    def ends_before(self, moment: float) -> bool:
        """Whether the access token is no good any more at a time in epoch seconds."""
        return self.expires_at < moment


def read_session(body: bytes, *, now: float) -> AuthSession:
    """Read the body of a successful answer to `POST /auth/v1/token`.

    The end is reckoned from the lifetime that the server tells, so that a clock that is wrong here does no harm.

    Args:
        body: the body.
        now: epoch seconds.

    Raises:
        UnreachableError: it is not a session.
    """
    members = read_object(body)
    lifetime, user = members.get("expires_in"), members.get("user")
    if not isinstance(lifetime, int) or lifetime < 1 or not isinstance(user, Mapping):
        raise _nonsense("it is not a session")
    user_id, email = user.get("id"), user.get("email")
    if not isinstance(user_id, str) or not is_uuid(user_id):
        raise _nonsense("it has no user id")
    access_token = _token(members, "access_token")
    factors = tuple(_verified_factors(user))
    return AuthSession(
        user_id=user_id.lower(),
        email=email if isinstance(email, str) and email else None,
        access_token=access_token,
        refresh_token=_token(members, "refresh_token"),
        expires_at=now + lifetime,
        second_factor=_second_factor(access_token, enrolled=bool(factors)),
        authenticator=next((factor_id for kind, factor_id in factors if kind == "totp"), None),
    )


def read_challenge(body: bytes) -> str:
    """Read the body of a successful answer to `POST /auth/v1/factors/<id>/challenge`: the challenge's id.

    Raises:
        UnreachableError: it is not a challenge.
    """
    challenge_id = read_object(body).get("id")
    if not isinstance(challenge_id, str) or not is_uuid(challenge_id):
        raise _nonsense("it is not a challenge")
    return challenge_id


def read_object(body: bytes) -> JsonObject:
    """Read the body of any successful answer: a web page in its place is no success.

    Raises:
        UnreachableError: it is not one strict JSON object.
    """
    try:
        return parse_object(body)
    except EncodingError as error:
        raise _nonsense(str(error)) from None


def _token(members: JsonObject, name: str) -> Secret:
    value = members.get(name)
    # It goes into a header, where a line break would begin another one.
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or not value or " " in value:
        raise _nonsense(f"its {name} is not a token")
    return Secret(value)


def _verified_factors(user: JsonObject) -> Iterator[tuple[str, str]]:
    """Yield kind and id of the user's second factors; one that was only begun to be set up protects nothing."""
    factors = user.get("factors")
    for factor in factors if isinstance(factors, Sequence) else ():
        if isinstance(factor, Mapping) and factor.get("status") == "verified":
            kind, factor_id = factor.get("factor_type"), factor.get("id")
            # The id becomes a part of an address.
            if isinstance(kind, str) and isinstance(factor_id, str) and is_uuid(factor_id):
                yield kind, factor_id


def _second_factor(access_token: Secret, *, enrolled: bool) -> SecondFactor:
    try:
        level = parse_object(parse_compact(access_token.reveal()).payload).get("aal")
    except (EncodingError, Refusal):
        level = None
    if level == "aal2":
        return SecondFactor.SHOWN
    return SecondFactor.MISSING if enrolled else SecondFactor.NONE


def _nonsense(problem: str) -> UnreachableError:
    return UnreachableError(f"the answer of the Auth server makes no sense: {problem}", hint="check SUPABASE_URL")
