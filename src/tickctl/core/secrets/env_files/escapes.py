r"""The backslashes of double-quoted values, as compose-go reads them.

It lets Go's `strconv.UnquoteChar` replace what looks like an escape sequence. Where Go refuses one, it stays as it is,
but an octal number has lost its first `0` by then. Escaped quotes have lost their backslashes before.
"""

import re
from typing import Final

_SEQUENCE: Final = re.compile(r"\\(?:[abfnrtv$\\]|0[0-9]{0,3})")
_OCTAL: Final = re.compile(r"[0-3][0-7]{2}")
_SINGLE: Final = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    # Left for the interpolation, which makes one dollar of two.
    "$": "$$",
}


def unescaped(text: str) -> str:
    """Return the text of a double-quoted value with its escape sequences replaced; references are left."""
    return _SEQUENCE.sub(_replacement, text)


def _replacement(match: re.Match[str]) -> str:
    sequence = match[0][1:]
    if sequence[0] != "0":
        return _SINGLE[sequence]
    digits = sequence[1:]
    return chr(int(digits, 8)) if _OCTAL.fullmatch(digits) else f"\\{digits}"
