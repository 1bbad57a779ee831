"""The two encodings of a JWS, read strictly: base64url and JSON.

Two readers that understand one token differently are how verification is bypassed, so a text that could be
read in more than one way is not read at all.
"""

import json
import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import Final

from tickctl.core.json import Json, JsonObject

MAX_DEPTH: Final = 32

_WHITE_SPACE: Final = " \t\r\n"

# The standard alphabet's own two characters, and padding, become one that the strict decoder refuses.
_TO_STANDARD: Final = bytes.maketrans(b"-_+/=", b"+/!!!")
# By the number of characters beyond whole groups of four: what to add, and which may come last, as the bits
# that no byte needs must be zero. A single one can't be decoded at all.
_PADDING: Final = (b"", b"", b"==", b"=")
_LAST_CHARACTERS: Final = (b"", b"", b"AQgw", b"AEIMQUYcgkosw048")
# A string, or a bracket outside strings. The closing quote is optional and nothing backtracks: linear on any text.
_STRING_OR_BRACKET: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


class EncodingError(ValueError):
    """The text is not canonical base64url, or not one strict JSON object; says which, and never quotes it."""


def decode_base64url(text: bytes) -> bytes:
    """Decode base64url without padding (RFC 7515 section 2).

    Only the one spelling that encoding gives is accepted: no padding, foreign characters or stray trailing bits.

    Raises:
        EncodingError: any other spelling.
    """
    surplus = len(text) % 4
    try:
        data = a2b_base64(text.translate(_TO_STANDARD) + _PADDING[surplus], strict_mode=True)
    except Base64Error:
        raise EncodingError("not base64url") from None
    if surplus and text[-1] not in _LAST_CHARACTERS[surplus]:
        raise EncodingError("not canonical base64url")
    return data


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise EncodingError("a name appears twice in one JSON object")
    return members


def _float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise EncodingError("a number is too large")
    return number


def _constant(_name: str) -> Json:
    raise EncodingError("NaN and Infinity are not JSON")


# Built once: `json.loads` with hooks builds a decoder for every call.
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_constant)


def _depth(text: str) -> int:
    deepest = depth = 0
    for token in _STRING_OR_BRACKET.findall(text):
        if token in ("[", "{"):
            depth += 1
            deepest = max(deepest, depth)
        elif token in ("]", "}"):
            depth -= 1
    return deepest


def parse_object(data: bytes) -> JsonObject:
    """Parse one JSON object (RFC 8259, restricted as RFC 7515 section 4 and RFC 7493 recommend).

    Strict UTF-8 without byte-order mark, unique names at every level, finite numbers (whole ones of no more digits
    than Python converts, 4300), at most `MAX_DEPTH` levels, no lone surrogates.

    Raises:
        EncodingError: anything else.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise EncodingError("not UTF-8") from None
    # Counting is quick and enough for nearly every token; the depth matters because the parser recurses.
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise EncodingError("nested too deeply")
    try:
        text = text.strip(_WHITE_SPACE)
        value: Json
        value, end = _DECODER.raw_decode(text)
    except EncodingError:
        raise
    except ValueError:  # the syntax, or a number of too many digits
        raise EncodingError("not JSON") from None
    if end != len(text):
        raise EncodingError("followed by something else")
    if not isinstance(value, dict):
        raise EncodingError("not a JSON object")
    if "\\" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise EncodingError("a lone surrogate in a JSON string") from None
    return value
