"""The access token of a request: RFC 6750 section 2.1, and nowhere else."""

from collections.abc import Iterable
from typing import Final, TypeAlias

from tickctl.gateway.problem import Problem, RefusedError
from tickctl.gateway.refusals import NO_CREDENTIALS, invalid_token

Headers: TypeAlias = Iterable[tuple[bytes, bytes]]
"""As ASGI has them: names in lower case, in the order in which they came."""

_SCHEME: Final = b"bearer"


def bearer_token(headers: Headers) -> str:
    """Return the token of the one Authorization header, unverified.

    Raises:
        RefusedError: 400 if there are several; 401 if there is none, or none with a token.
    """
    values = [value for name, value in headers if name == b"authorization"]
    if len(values) > 1:
        challenge = 'Bearer error="invalid_request"'
        problem = Problem(
            400, "several_credentials", "send one Authorization header", (("WWW-Authenticate", challenge),)
        )
        raise RefusedError(problem)
    scheme, _, token = (values[0] if values else b"").strip(b" \t").partition(b" ")
    if scheme.lower() != _SCHEME:
        detail = "send the access token of a signed-in user as 'Authorization: Bearer <token>'"
        raise RefusedError(Problem(401, "no_credentials", detail, NO_CREDENTIALS))
    token = token.lstrip(b" ")
    if not token:
        raise RefusedError(invalid_token("malformed", "the Authorization header holds no token"))
    # Latin-1 never fails and keeps foreign bytes foreign; the verifier refuses them, as everything but one token.
    return token.decode("latin-1")
