"""The body of a request: bounded, whole, JSON, and what it says about ticks."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

from tickctl.gateway.credentials import Headers
from tickctl.gateway.options import GateOptions
from tickctl.gateway.problem import Problem, RefusedError

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]

_LARGEST_TICKS: Final = 2**31 - 1
_LONGEST_NUMBER: Final = 10
_CONTENT_TYPES: Final = frozenset({"application/json", "application/json;charset=utf-8"})


class ClientGoneError(Exception):
    """The client hung up before its request had come; there is nobody to answer."""


class _NotAnInteger:
    """Stands for a number that is written as none, or is far too long."""


class _Object(tuple[tuple[str, Any], ...]):
    """The members of a JSON object, duplicates included."""

    __slots__ = ()


def check_head(headers: Headers, options: GateOptions) -> None:
    """Look at what the headers say of the body, before any of it is read.

    Raises:
        RefusedError: 415 for a foreign type or any content coding, 413 for a length over the limit.
    """
    found = {name: [value for other, value in headers if other == name] for name in _LOOKED_AT}
    codings = {coding.strip().lower() for value in found[b"content-encoding"] for coding in value.split(b",")}
    if codings - {b"identity"}:
        detail = "send the body without a content coding"
        raise RefusedError(Problem(415, "unsupported_coding", detail, (("Accept-Encoding", "identity"),)))
    kinds = found[b"content-type"]
    if kinds or options.default_ticks is None:
        kind = b"".join(kinds).decode("latin-1").lower().replace(" ", "").replace('"', "")
        if kind not in _CONTENT_TYPES:
            raise RefusedError(Problem(415, "unsupported_media_type", "send the body as application/json"))
    length = declared_length(headers)
    if length is not None and length > options.largest_body:
        raise RefusedError(_too_large(options))


def declared_length(headers: Headers) -> int | None:
    """Return the Content-Length; servers have checked its form."""
    values = [value for name, value in headers if name == b"content-length"]
    return int(values[0]) if values and values[0].isdigit() and len(values[0]) <= 18 else None  # noqa: PLR2004


async def read_body(receive: Receive, headers: Headers, options: GateOptions) -> bytes:
    """Return the whole body.

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
    try:
        document = _DECODER.decode(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise RefusedError(Problem(422, "invalid_json", "the body is not a JSON document in UTF-8")) from None
    if not isinstance(document, _Object):
        raise RefusedError(Problem(422, "invalid_json", "the body is not a JSON object"))
    wanted = options.ticks_field
    # Some readers of JSON, Go's for one, take names in any case.
    found = [(name, value) for name, value in document if name.casefold() == wanted.casefold()]
    if not found and options.default_ticks is not None:
        return options.default_ticks
    if not found:
        raise RefusedError(_invalid(f"{wanted} is missing"))
    if len(found) > 1 or found[0][0] != wanted:
        raise RefusedError(_invalid(f"{wanted} must be there once, written exactly so"))
    ticks = found[0][1]
    if not isinstance(ticks, int) or isinstance(ticks, bool) or not 1 <= ticks <= _LARGEST_TICKS:
        raise RefusedError(_invalid(f"{wanted} must be a whole number of at least 1"))
    return ticks


def _integer(literal: str) -> object:
    return int(literal) if len(literal) <= _LONGEST_NUMBER and literal != "-0" else _NotAnInteger()


def _other_number(_literal: str) -> object:
    return _NotAnInteger()


def _constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_Object, parse_int=_integer, parse_float=_other_number, parse_constant=_constant
)
_LOOKED_AT: Final = (b"content-encoding", b"content-type")


def _invalid(detail: str) -> Problem:
    return Problem(422, "invalid_ticks", detail)


def _too_large(options: GateOptions) -> Problem:
    return Problem(413, "body_too_large", f"the body is longer than {options.largest_body} bytes")
