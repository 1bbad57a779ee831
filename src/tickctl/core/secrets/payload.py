"""The value of the secret: one JSON object of strings."""

from collections.abc import Mapping

from tickctl.core.secrets.masked import Secret


def encode(values: Mapping[str, Secret]) -> Secret:
    """Return the JSON text, keys sorted; all values are strings, since the ECS agent prints numbers its own way."""
    raise NotImplementedError


def decode(text: Secret | None) -> dict[str, Secret]:
    """Return the keys and values of a secret's text.

    Raises:
        ConfigurationError: it isn't a JSON object of strings (bytes, plain text, numbers); says which keys, no value.
    """
    raise NotImplementedError
