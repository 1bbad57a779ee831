"""What the gate reads of a request's headers: the access token and the Idempotency-Key.

The token is looked for where RFC 6750 section 2.1 has it, and nowhere else. The key is a structured-field string
(draft-ietf-httpapi-idempotency-key-header). Many clients send the bare text, which is taken as well; both forms of a
key are the same key.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Final, TypeAlias

from tickctl.gateway.problem import Problem, RefusedError
from tickctl.gateway.refusals import NO_CREDENTIALS, invalid_token

Headers: TypeAlias = Iterable[tuple[bytes, bytes]]
"""As ASGI has them: names in lower case, in the order in which they came."""

_SCHEME: Final = b"bearer"
LONGEST_KEY: Final = 255
_QUOTED: Final = re.compile(rb'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE: Final = re.compile(rb"[!#-+\--:<-~]+")


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


def request_key(headers: Headers) -> str | None:
    """Return the key, or `None` if there is none.

    Raises:
        RefusedError: 400, several headers or no usable value.
    """
    values = [value.strip(b" \t") for name, value in headers if name == b"idempotency-key"]
    if not values:
        return None
    if len(values) > 1:
        raise RefusedError(_invalid("send one Idempotency-Key header"))
    if quoted := _QUOTED.fullmatch(values[0]):
        key = re.sub(rb"\\(.)", rb"\1", quoted[1])
    elif _BARE.fullmatch(values[0]):
        key = values[0]
    else:
        raise RefusedError(_invalid('write the Idempotency-Key as a string in double quotes, like "8e03978e-40d5"'))
    if not 1 <= len(key) <= LONGEST_KEY:
        raise RefusedError(_invalid(f"the Idempotency-Key must have 1 to {LONGEST_KEY} characters"))
    return key.decode("ascii")


def digest(method: str, path: str, query: bytes, user_id: str, body: bytes) -> str:
    """Return 64 hexadecimal digits that differ when the request does."""
    state = hashlib.sha256()
    for part in (method, path, query, user_id, body):
        data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        # With the lengths, nothing that moves from one part into the next gives the same digits.
        state.update(len(data).to_bytes(8, "big"))
        state.update(data)
    return state.hexdigest()


def _invalid(detail: str) -> Problem:
    return Problem(400, "invalid_idempotency_key", detail)
