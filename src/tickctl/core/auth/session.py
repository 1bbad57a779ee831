"""The session that signing in or refreshing gives.

https://supabase.com/docs/guides/auth/sessions. An access token lasts for minutes and is sent with each request; a
refresh token is spent by the first use and buys the next pair.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tickctl.core.json import JsonObject
from tickctl.core.secrets import Secret
from tickctl.core.tokens.claims import is_uuid
from tickctl.core.tokens.encoding import EncodingError, parse_object
from tickctl.errors import UnreachableError


@dataclass(frozen=True, slots=True)
class AuthSession:
    """A user's session with one project.

    Attributes:
        user_id: whose, a UUID in lower case.
        email: the user's address; `None` for a user without one.
        access_token: what requests carry.
        refresh_token: what buys the next session, once.
        expires_at: when the access token ends, epoch seconds of this machine's clock.
        second_factor: whether the user has a second factor enrolled, which a password alone does not show.
    """

    user_id: str
    email: str | None
    access_token: Secret
    refresh_token: Secret
    expires_at: float
    second_factor: bool

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
    return AuthSession(
        user_id=user_id.lower(),
        email=email if isinstance(email, str) and email else None,
        access_token=_token(members, "access_token"),
        refresh_token=_token(members, "refresh_token"),
        expires_at=now + lifetime,
        second_factor=_has_second_factor(user),
    )


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


def _has_second_factor(user: JsonObject) -> bool:
    factors = user.get("factors")
    if not isinstance(factors, Sequence):
        return False
    return any(isinstance(factor, Mapping) and factor.get("status") == "verified" for factor in factors)


def _nonsense(problem: str) -> UnreachableError:
    return UnreachableError(f"the answer of the Auth server makes no sense: {problem}", hint="check SUPABASE_URL")
