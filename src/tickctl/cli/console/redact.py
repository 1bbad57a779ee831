"""The last sieve: removes what looks like a secret from text that is about to be shown.

Errors are written so that they hold no secret. This catches what people paste into the wrong place, which comes
back in messages such as "no such command" or "no such user".
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote

from tickctl.core.secret import MASK, Secret

_SHAPES: Final = re.compile(
    r"""
      eyJ[\w-]{5,}(?:\.[\w-]*)+            # JWS: a JSON object, base64url-encoded, begins with eyJ
    | \bsb_(?:secret|publishable)_[\w-]+   # Supabase API keys
    | (?<=://)(?!user:password@)[^\s/@]*@(?=[^\s/])   # user and password in a URL, but not in our own hints
    | (?<=:/)(?!/)[^\s/@:]*:[^\s/@]*@(?=[^\s/])      # the same where it was taken for a path
    """,
    re.VERBOSE,
)
_WORD: Final = re.compile(r"""[^\s'"`(),;<>=]{20,}={0,2}""")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ARN: Final = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:[\w/:+=.@*-]+")
_HEX: Final = re.compile(r"[0-9a-fA-F]{32,}")


def redact(text: str, known: Iterable[Secret] = ()) -> str:
    """Mask known secrets, tokens, keys, URL passwords and long random-looking words."""
    for value in (spelling for secret in known for spelling in _spellings(secret.reveal())):
        if len(value) >= 6:  # noqa: PLR2004 - shorter ones would blank out ordinary words
            text = text.replace(value, MASK)
    text = _SHAPES.sub(MASK, text)
    return _WORD.sub(lambda match: MASK if _looks_random(match[0]) else match[0], text)


def _spellings(value: str) -> Iterator[str]:
    """Yield a secret, and the password in it where it is a connection string, as written and as meant."""
    yield value
    scheme, separator, location = value.partition("://")
    credentials, _, _ = location.rpartition("@")
    password = credentials.partition(":")[2]
    if scheme and separator and password:
        yield password
        yield unquote(password)


def _looks_random(word: str) -> bool:
    if word[0] in "/~." or "@" in word or "://" in word or _UUID.fullmatch(word) or _ARN.fullmatch(word):
        return False  # paths, e-mails, addresses, user ids and AWS's names are what messages are about
    if _HEX.fullmatch(word):
        return True
    return any(c.isdigit() for c in word) and any(c.isupper() for c in word) and any(c.islower() for c in word)


def printable(text: str) -> str:
    """Escape control, format and invisible characters, so that a user's e-mail can't drive the operator's terminal.

    Covers C0 and C1 controls (escape sequences), bidirectional overrides and line separators (Unicode categories
    Cc, Cf, Cs, Co, Cn, Zl, Zp).
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if _shows(c) else c.encode("unicode_escape").decode() for c in text)


def _shows(character: str) -> bool:
    return unicodedata.category(character)[0] != "C" and unicodedata.category(character) not in {"Zl", "Zp"}
