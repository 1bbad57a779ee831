"""The body of a request: bounded, whole, JSON, and what it says about ticks.

It is read here and given on byte for byte. The handler reads it once more with a parser of its own, so a body that two
parsers could read differently where ticks are concerned is refused.
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

_LARGEST_TICKS: Final = 2**31 - 1
_LONGEST_NUMBER: Final = 10
_LONGEST_LENGTH: Final = 18
# RFC 8259 defines no parameters; this one is common, and says what is so anyway.
_JSON_TYPE: Final = re.compile(rb'application/json(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?', re.IGNORECASE)
_NO_LETTER_OR_DIGIT: Final = re.compile(r"[\W_]+")


class ClientGoneError(Exception):
    """The client hung up before its request had come; there is nobody to answer."""


def check_head(headers: Headers, options: GateOptions) -> None:
    """Look at what the headers say of the body, before any of it is read.

    Raises:
        RefusedError: 415 for a foreign type or any content coding, 413 for a length over the limit, 400 for one that is
            no number.
    """
    found: dict[bytes, list[bytes]] = {b"content-encoding": [], b"content-type": []}
    for name, value in headers:
        if name in found:
            found[name].append(value.strip(b" \t"))
    if any(coding.lower() != b"identity" for coding in found[b"content-encoding"]):
        # RFC 9110 section 12.5.3: with 415, this names the codings that would have been taken.
        wanted = (("Accept-Encoding", "identity"),)
        raise RefusedError(Problem(415, "unsupported_coding", "send the body without a content coding", wanted))
    kinds = found[b"content-type"]
    needed = bool(kinds) or options.default_ticks is None
    if needed and not (len(kinds) == 1 and _JSON_TYPE.fullmatch(kinds[0])):
        wanted = (("Accept", "application/json"),)  # RFC 9110 section 15.5.16
        raise RefusedError(Problem(415, "unsupported_media_type", "send the body as application/json", wanted))
    length = declared_length(headers)
    if length is not None and length > options.largest_body:
        raise RefusedError(_too_large(options))


def declared_length(headers: Headers) -> int | None:
    """Return the Content-Length, or `None` if there is none.

    Raises:
        RefusedError: 400, it is there more than once or no number (RFC 9110 section 8.6); servers mostly see to that.
    """
    values = [value for name, value in headers if name == b"content-length"]
    if not values:
        return None
    if len(values) > 1 or not values[0].isdigit():
        raise RefusedError(Problem(400, "wrong_length", "the Content-Length is not one number"))
    # Python does not convert numbers of any length, and a longer one than this is too large whatever it is.
    return int(values[0]) if len(values[0]) <= _LONGEST_LENGTH else sys.maxsize


async def read_body(receive: Receive, headers: Headers, options: GateOptions) -> bytes:
    """Return the whole body; never more of it is kept than may come, and one message.

    Raises:
        RefusedError: 413, 408, or 400 where it is not as long as announced.
        ClientGoneError: the client hung up.
    """
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
    length = declared_length(headers)
    if length is not None and length != len(body):
        raise RefusedError(Problem(400, "wrong_length", "the body is not as long as Content-Length says"))
    return bytes(body)


def ticks_of(body: bytes, options: GateOptions) -> int:
    """Return how many ticks a request may take.

    Only an integer literal from 1 on counts, under a name that no other reader of JSON could take for another one.

    Raises:
        RefusedError: 422.
    """
    if not body and options.default_ticks is not None:
        return options.default_ticks
    document = _decoded(body)
    if not isinstance(document, tuple):
        raise RefusedError(Problem(422, "invalid_json", "the body is not one JSON object in UTF-8"))
    wanted = options.ticks_field
    folded = _folded(wanted)
    found = [(name, value) for name, value in document if _folded(name) == folded]
    if not found and options.default_ticks is not None:
        return options.default_ticks
    if not found:
        raise RefusedError(_invalid(f"{wanted} is missing"))
    if len(found) > 1 or found[0][0] != wanted:
        raise RefusedError(_invalid(f"{wanted} must be there once, and no other name that resembles it"))
    ticks = found[0][1]
    if type(ticks) is not int or not 1 <= ticks <= _LARGEST_TICKS:  # a bool is an int
        raise RefusedError(_invalid(f"{wanted} must be a whole number from 1 to {_LARGEST_TICKS}, written in digits"))
    return ticks


def _folded(name: str) -> str:
    """Return what a name has in common with all that some reader of JSON takes for the same.

    Go reads names in any case, Protocol Buffers take maxTicks for max_ticks, C libraries stop at a NUL, and some drop
    what is no character.
    """
    return _NO_LETTER_OR_DIGIT.sub("", name.partition("\0")[0].casefold())


def _decoded(body: bytes) -> object:
    """Return a JSON object as a tuple of its members, duplicates included, and something else for all other bodies."""
    try:
        return _DECODER.decode(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return None


def _integer(literal: str) -> object:
    return int(literal) if len(literal) <= _LONGEST_NUMBER else None


def _other_number(_literal: str) -> object:
    return None


def _constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


# Nothing else becomes a tuple. Numbers that can't be ticks are not converted: it would take time, and they don't count.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=tuple, parse_int=_integer, parse_float=_other_number, parse_constant=_constant
)


def _invalid(detail: str) -> Problem:
    return Problem(422, "invalid_ticks", detail)


def _too_large(options: GateOptions) -> Problem:
    return Problem(413, "body_too_large", f"the body is longer than {options.largest_body} bytes")
