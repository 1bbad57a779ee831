"""Names and ARNs of secrets.

Secrets Manager adds a hyphen and six characters to a secret's name in its ARN (API reference, CreateSecret).
"""

import re
from typing import Final

from tickctl.errors import ConfigurationError

_SUFFIX: Final = re.compile(r"-[A-Za-z0-9]{6}\Z")
_FULL_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]{1,512}-[A-Za-z0-9]{6}"
)


def full_arn(text: str) -> str:
    """Return the full ARN of a secret.

    Raises:
        ConfigurationError: it is something else, such as an ARN without the six characters. ECS needs them in a
            reference to a key.
    """
    if _FULL_ARN.fullmatch(text):
        return text
    if _FULL_ARN.fullmatch(f"{text}-AbCdEf"):
        raise ConfigurationError(
            "this ARN lacks the hyphen and the six characters that AWS puts at the end of a secret's name",
            hint="copy all of it: 'tickctl secrets list --json' shows it as \"arn\"; ECS finds no key without them",
        )
    raise ConfigurationError(
        "that is not the ARN of a secret",
        hint="it looks like arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway/production-AbCdEf",
    )


def without_suffix(arn: str) -> str:
    """Return an ARN or a name in it without the six characters."""
    return _SUFFIX.sub("", arn)


def name_of(secret_id: str) -> str:
    """Return the name of a secret that is given by its name or ARN."""
    return without_suffix(secret_id.split(":", 6)[-1]) if secret_id.startswith("arn:") else secret_id


def same_secret(first: str, second: str) -> bool:
    """Whether two ids mean the same secret, as far as the ids tell: an ARN contains the name."""
    if first.startswith("arn:") == second.startswith("arn:"):
        return first == second
    return name_of(first) == name_of(second)


def region_of(arn: str) -> str:
    """Return the region of an ARN; empty if it has none."""
    return _field(arn, 3)


def account_of(arn: str) -> str:
    """Return the account number of an ARN; empty if it has none."""
    return _field(arn, 4)


def _field(arn: str, index: int) -> str:
    fields = arn.split(":")
    return fields[index] if len(fields) > index else ""
