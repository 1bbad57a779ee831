"""AWS's own words, as far as they may be repeated: denials, and messages without values of requests."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tickctl.core.secret import MASK

_LONGEST: Final = 400
_SHORTEST: Final = 4
"""Characters of a part that is masked; shorter ones would blank out ordinary words."""
# IAM user guide, "Troubleshoot access denied error messages".
_DENIED: Final = re.compile(
    r"User: (?P<who>arn:\S+) is not authorized to perform: (?P<action>[\w-]+:\w+)"
    r"(?: on resource: (?P<resource>\S+))?"
    r"(?P<why> because no [\w -]+ allows the [\w:-]+ action| with an explicit deny(?: in an? [\w -]+)?)?"
)
# Members of requests that hold, or may hold, secret values: a secret's text, and a container's plain environment.
_VALUES: Final = frozenset({"SecretString", "SecretBinary", "value"})


def access_denied(message: str, *, action: str) -> str:
    """Say which action is denied to whom on what, and why, as far as AWS says it.

    Args:
        message: AWS's.
        action: the IAM action of the request, for a message that names none.
    """
    if not (match := _DENIED.search(message)):
        return f"AWS doesn't allow {action}"
    resource = f" on {match['resource'].rstrip('.')}" if match["resource"] else ""
    return f"AWS doesn't allow {match['action']}{resource} to {match['who']}{match['why'] or ''}"


def aws_words(message: object, parameters: Mapping[str, Any]) -> str:
    """Return AWS's message on one line and not too long, without values of the request."""
    text = " ".join(message.split()) if isinstance(message, str) else ""
    spellings = {spelling for value in _values(parameters) for spelling in _spellings(value)}
    for value in sorted(spellings, key=len, reverse=True):
        text = text.replace(value, MASK)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _values(member: object, *, inside: bool = False) -> Iterator[str]:
    match member:
        case str():
            if inside and member.strip():
                yield member
                yield from (part for part in _parts(member) if len(part) >= _SHORTEST)
        case Mapping():
            for name, part in member.items():
                yield from _values(part, inside=inside or name in _VALUES)
        case Sequence():
            for part in member:
                yield from _values(part, inside=inside)


def _spellings(text: str) -> Iterator[str]:
    """Yield a text, and how it looks within JSON and within JSON that is a text of JSON."""
    for _ in range(3):
        yield text
        text = json.dumps(text)[1:-1]


def _parts(text: str) -> Iterator[str]:
    """Yield the words of a value; of a JSON object, as a secret's text is one, also its values and their words."""
    yield from text.split()
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        return
    for value in members.values() if isinstance(members, dict) else ():
        if isinstance(value, str):
            yield value
            yield from value.split()
