"""The Idempotency-Key of a request, and the digest that tells whether it is the same request.

draft-ietf-httpapi-idempotency-key-header: the value is a structured-field string. Many clients send the bare text,
which is taken as well; both forms of a key are the same key.
"""

import hashlib
import re
from typing import Final

from tickctl.gateway.credentials import Headers
from tickctl.gateway.problem import Problem, RefusedError

LONGEST_KEY: Final = 255
_QUOTED: Final = re.compile(rb'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE: Final = re.compile(rb"[!#-+\--:<-~]+")


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
