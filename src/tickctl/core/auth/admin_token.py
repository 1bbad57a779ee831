"""A token that an administrator brought along: told what is wrong with it before it is sent anywhere."""

from collections.abc import Mapping
from typing import Final

from tickctl.core.secret import Secret
from tickctl.core.tokens.claims import UserClaims, check_claims
from tickctl.core.tokens.encoding import EncodingError, parse_object
from tickctl.core.tokens.jws import parse_compact
from tickctl.core.tokens.policy import Policy
from tickctl.core.tokens.verdict import Reason, Refusal
from tickctl.errors import ConfigurationError, CredentialsRefusedError

_VARIABLE: Final = "TICKCTL_ADMIN_TOKEN"
_RENEW: Final = "take a new one, or leave it out and use 'tickctl login', which renews itself"
_TAKE: Final = "set it to the access_token of a signed-in administrator, or leave it out and use 'tickctl login'"
# The token's own words are never repeated: nobody has looked at its signature.
_PROBLEMS: Final[Mapping[Reason, str]] = {
    Reason.API_KEY: "is an API key, not a user's token",
    Reason.NOT_A_USER_TOKEN: "is not a user's token",
    Reason.WRONG_ISSUER: "comes from another project than SUPABASE_URL",
    Reason.WRONG_AUDIENCE: "is for another audience",
    Reason.ANONYMOUS: "is that of an anonymous sign-in",
}


def read_admin_token(token: Secret, *, issuer: str | None, audience: str, now: float) -> UserClaims:
    """Read what a token says, trusting nothing of it: whether it is genuine is for the server to say.

    Args:
        token: the compact JWS.
        issuer: the project's `iss`, if known. A token without any passes, since a hook may leave it out.
        audience: the project's `aud`.
        now: epoch seconds.

    Raises:
        CredentialsRefusedError: it has expired.
        ConfigurationError: it can't be a user's token of this project.
    """
    try:
        claims = parse_object(parse_compact(token.reveal()).payload)
        policy = Policy(issuer=issuer if "iss" in claims else None, audience=audience)
        return check_claims(claims, policy, now)
    except EncodingError:
        raise ConfigurationError(f"{_VARIABLE} is not an access token", hint=_TAKE) from None
    except Refusal as refusal:
        if refusal.reason is Reason.EXPIRED:
            raise CredentialsRefusedError(f"{_VARIABLE} has expired", hint=_RENEW) from None
        problem = _PROBLEMS.get(refusal.reason, f"is not an access token of this project ({refusal.reason})")
        raise ConfigurationError(f"{_VARIABLE} {problem}", hint=_TAKE) from None
