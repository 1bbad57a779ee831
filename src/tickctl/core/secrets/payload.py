"""The value of the secret: one JSON object of strings."""

import json
from collections.abc import Mapping
from typing import Final

from tickctl.core.secret import Secret
from tickctl.errors import ConfigurationError

LARGEST: Final = 65_536
"""Bytes of UTF-8 that Secrets Manager takes as one value (API reference, PutSecretValue)."""
_SHOWN: Final = 20


def encode(values: Mapping[str, Secret]) -> Secret:
    """Return the JSON text, keys sorted; all values are strings, since the ECS agent prints numbers its own way.

    What is the same gives the same text, so that a repeated write is recognized as one.
    """
    plain = {name: value.reveal() for name, value in values.items()}
    return Secret(json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":")))


def decode(text: Secret | None) -> dict[str, Secret]:
    """Return the keys and values of a secret's text.

    Raises:
        ConfigurationError: it isn't a JSON object of strings (bytes, plain text, numbers); says which keys, no value.
    """
    if text is None:
        raise ConfigurationError(
            "the secret holds bytes instead of text", hint="tickctl needs a secret of its own; name another one"
        )
    members = _parsed(text)
    if not isinstance(members, _Members):
        raise ConfigurationError(
            "the secret is no JSON object of names and values",
            hint="tickctl needs a secret of its own; name another one",
        )
    wrong = [name for name, value in members.pairs if not isinstance(value, str)]
    if wrong:
        raise ConfigurationError(
            f"the secret holds values that are no strings: {listed(wrong)}",
            hint="make strings of them in the console; ECS would show numbers in a form of its own",
        )
    values = {name: Secret(value) for name, value in members.pairs if isinstance(value, str)}
    if len(values) < len(members.pairs):
        raise ConfigurationError("the secret holds the same name twice", hint="leave one of them, in the console")
    return values


def listed(names: list[str]) -> str:
    """Return names for a message, not too many of them."""
    text = ", ".join(sorted(names)[:_SHOWN])
    return f"{text} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else text


class _Members:
    """A JSON object as it is written: nothing of it is lost where a name stands twice."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        self.pairs = pairs


def _parsed(text: Secret) -> object:
    """Return what the text says; None if it is no JSON. The parser's errors hold the text, so they end here."""
    try:
        parsed: object = json.loads(text.reveal(), object_pairs_hook=_Members)
    except (ValueError, RecursionError):
        return None
    return parsed
