"""The body of a request: bounded, whole, and read as JSON where the cost stands in it.

It is given on byte for byte. The handler reads it once more with a parser of its own, so a body that two parsers could
read differently where ticks are concerned is rejected.
"""

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

from tickctl.gateway.credentials import Headers
from tickctl.gateway.options import GateOptions
from tickctl.gateway.problem import Problem, RefusedError

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]

LARGEST_TICKS: Final = 2**31 - 1
_LONGEST_LENGTH: Final = 18
# RFC 8259 defines no parameters; this one is common, and says what is so anyway.
_JSON_TYPE: Final = re.compile(rb'application/json(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?', re.IGNORECASE)
_BUT_LETTERS_AND_DIGITS: Final = bytes(byte for byte in range(1, 256) if not (byte < 128 and chr(byte).isalnum()))  # noqa: PLR2004 - ASCII


class ClientGoneError(Exception):
    """The client hung up before its request had come; there is nobody to answer."""


def check_type(headers: Headers, *, is_required: bool = True) -> None:
    """Check that the headers announce JSON without a content coding.

    Args:
        headers: of the request.
        is_required: whether a request without a Content-Type is rejected as well.

    Raises:
        RefusedError: 415.
    """
    fields: dict[bytes, list[bytes]] = {b"content-encoding": [], b"content-type": []}
    for name, value in headers:
        if name in fields:
            fields[name].append(value.strip(b" \t"))
    if any(coding.lower() != b"identity" for coding in fields[b"content-encoding"]):
        # RFC 9110 section 12.5.3: with 415, this names the codings that would have been accepted.
        accepted = (("Accept-Encoding", "identity"),)
        raise RefusedError(Problem(415, "unsupported_coding", "send the body without a content coding", accepted))
    types = fields[b"content-type"]
    if (types or is_required) and not (len(types) == 1 and _JSON_TYPE.fullmatch(types[0])):
        accepted = (("Accept", "application/json"),)  # RFC 9110 section 15.5.16
        raise RefusedError(Problem(415, "unsupported_media_type", "send the body as application/json", accepted))


async def read_body(receive: Receive, headers: Headers, options: GateOptions) -> bytes:
    """Return the whole body; never more of it is kept than may come, and one message.

    Raises:
        RefusedError: 413; 408; 400 where it is not as long as announced, or the announced length is no number.
        ClientGoneError: the client hung up.
    """
    length = _declared_length(headers)
    if length is not None and length > options.largest_body:
        raise RefusedError(_too_large(options))
    body = bytearray()
    try:
        async with asyncio.timeout(options.body_timeout):
            more = True
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    raise ClientGoneError
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > options.largest_body:
                    raise RefusedError(_too_large(options))
    except TimeoutError:
        raise RefusedError(Problem(408, "body_timeout", "the body did not come in time")) from None
    if length is not None and length != len(body):
        raise RefusedError(Problem(400, "wrong_length", "the body is not as long as Content-Length says"))
    return bytes(body)


def members(body: bytes) -> tuple[tuple[str, Any], ...]:
    """Return the members of the one JSON object that a body is, in their order, duplicates included.

    Integer literals come as `float`, which holds them exactly up to 2^53; all other numbers as `complex`. Both take
    literals of any length, and take no longer than the numbers themselves would.

    Raises:
        RefusedError: 422.
    """
    try:
        document = _DECODER.decode(body.decode("utf-8"))
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, tuple):  # nothing but an object becomes one
        raise RefusedError(Problem(422, "invalid_json", "the body is not one JSON object in UTF-8"))
    return document


def folded(*names: str) -> bytes:
    """Return what names have in common with all that some reader of JSON takes for the same, each between two NULs.

    Go reads names in any case, Protocol Buffers take maxTicks for max_ticks, C libraries stop at a NUL, and some drop
    what is no character. All names at once, since a body may consist of them.
    """
    text = "\0" + "\0\0".join(names) + "\0"
    return text.casefold().encode("ascii", "ignore").translate(None, _BUT_LETTERS_AND_DIGITS)


def _declared_length(headers: Headers) -> int | None:
    """Return the Content-Length, or `None` if there is none.

    Raises:
        RefusedError: 400, it is there more than once or no number (RFC 9110 section 8.6); servers mostly see to that.
    """
    lengths = [value for name, value in headers if name == b"content-length"]
    if not lengths:
        return None
    if len(lengths) > 1 or not lengths[0].isdigit():
        raise RefusedError(Problem(400, "wrong_length", "the Content-Length is not one number"))
    # Python does not convert numbers of any length, and a longer one than this is too large whatever it is.
    return int(lengths[0]) if len(lengths[0]) <= _LONGEST_LENGTH else sys.maxsize


def _constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=tuple, parse_int=float, parse_float=complex, parse_constant=_constant
)


def _too_large(options: GateOptions) -> Problem:
    return Problem(413, "body_too_large", f"the body is longer than {options.largest_body} bytes")
