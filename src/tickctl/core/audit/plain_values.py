"""What in a task definition looks like a secret that stands there as a plain value; pure, and it repeats no value."""

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from typing import Final

from tickctl.core.secret import Secret
from tickctl.core.secrets.public_keys import is_publishable
from tickctl.core.secrets.shapes import secret_shape

_SECRET_NAME: Final = re.compile(
    r"(?:.*(?:KEY|SECRET|TOKEN|CREDENTIALS?)|(?:.*[_.-])?(?:PWD|DSN)|.*PASS(?:WORD|WD|PHRASE)?)"
    r"(?:_(?:PREVIOUS|OLD|BASE64|B64|[0-9]+))?",
    re.IGNORECASE,
)
# Keys that browsers are given, or that name a place and open nothing.
_PUBLIC_NAME: Final = re.compile(
    r"(?:.*_)?(?:PUBLIC|PUBLISHABLE|ANON|GPG|ROUTING|PARTITION|SORT|PRIMARY|FOREIGN|IDEMPOTENCY|CACHE)_KEY"
    r"|(?:[A-Z]+_)?PUBLIC_.*(?:KEY|TOKEN|DSN)",
    re.IGNORECASE,
)
# Where digits and single words are likely to be the secret itself, and not its size or whether it is wanted.
_PASSWORD_NAME: Final = re.compile(r".*(?:PASS|PWD|SECRET)", re.IGNORECASE)
_SETTING: Final = re.compile(
    r"true|false|yes|no|on|off|none|null|enabled|disabled|[0-9]{1,5}(?:\.[0-9]{1,3})?"
    r"|debug|info|notice|warn|warning|error|critical|production|staging|development|local|test|json|text",
    re.IGNORECASE,
)
_TELLS_NOTHING: Final = re.compile(
    r"""
      \$\w+ | \$\{\w+\} | \$\([^()]*\)                              # a variable of the container's own
    | arn:aws[a-z-]*:[^\s]+                                         # where a secret is, instead of what it is
    | /(?:etc|run|var|usr|opt|home|root|app|mnt|srv|tmp|secrets|certs|data)/[\w./-]+  # a file
    | \.{1,2}/[\w./-]+
    """,
    re.VERBOSE,
)
_BARE_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[\w.-]+(?::[0-9]+)?/?")
# An option or an assignment in a command; a comma or semicolon doesn't end it, since passwords hold them.
_ASSIGNED: Final = re.compile(r"-{0,2}([A-Za-z][\w.-]*)=(.*)", re.DOTALL)
_OPTION: Final = re.compile(r"-{1,2}([A-Za-z][\w.-]*)")
_QUOTES: Final = "\"'"


def why_secret(name: str, value: Secret, known: Collection[str]) -> str | None:
    """Return why a named value must not stand in the clear, as "holds a private key"; None if it may.

    Args:
        name: of the variable, label or option.
        value: what it holds.
        known: names that the secret or the env files have: those are secrets by their owner's own word.
    """
    if (shape := _shape(value)) is not None:
        return f"holds {shape}"
    text = value.reveal().strip().strip(_QUOTES)
    if not text or _TELLS_NOTHING.fullmatch(text):
        return None
    if is_secret_name(name) and not is_publishable(value):
        harmless = _SETTING.fullmatch(text) and not _PASSWORD_NAME.match(name)
        return None if harmless else "has the name of a secret"
    if name in known and not (_SETTING.fullmatch(text) or _BARE_URL.fullmatch(text) or _is_public(name, value)):
        return "has a name that the secret or the env files have"
    return None


def why_secret_in(command: Iterable[Secret]) -> str | None:
    """Return why a command line must not stand in the clear; None if it may.

    Args:
        command: its words; one of them may be a script for a shell.
    """
    parts = list(command)
    if (shape := next(filter(None, map(_shape, parts)), None)) is not None:
        return f"holds {shape}"
    reasons = (name for part in _words(parts) for name, value in part if why_secret(name, Secret(value), ()))
    return "gives a secret to an option or variable" if next(reasons, None) else None


def is_secret_name(name: str) -> bool:
    """Whether a name says that its value is a secret; TOKEN_TTL and KEY_HEADER don't."""
    plain = name.strip().replace("-", "_").replace(".", "_")
    return _SECRET_NAME.fullmatch(plain) is not None and _PUBLIC_NAME.fullmatch(plain) is None


def shown(name: str) -> str:
    """Return a name as it may be shown: somebody may have put anything in its place."""
    return "(a name that looks like a secret)" if secret_shape(name) else name


def _is_public(name: str, value: Secret) -> bool:
    return _PUBLIC_NAME.fullmatch(name) is not None or is_publishable(value)


def _shape(value: Secret) -> str | None:
    shape = secret_shape(value.reveal())
    # The legacy anon key is a token; it is made for browsers.
    return None if shape == "a token" and is_publishable(value) else shape


def _words(parts: Iterable[Secret]) -> Iterator[list[tuple[str, str]]]:
    """Yield what is given to options and variables: within each word, and from one word to the next."""
    words = [word.strip(";&|()") for part in parts for word in part.reveal().split()]
    for word in words:
        if assigned := _ASSIGNED.fullmatch(word.strip(_QUOTES)):
            yield [(assigned[1], assigned[2])]
    for word, following in pairwise(words):
        if (option := _OPTION.fullmatch(word)) and not following.startswith("-"):
            yield [(option[1], following)]
