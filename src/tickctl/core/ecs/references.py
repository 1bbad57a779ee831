"""How a task definition refers to a key of a secret."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reference:
    """`valueFrom` of a container's secret, taken apart: `arn:…:secret:name-AbCdEf:key:stage:version`."""

    arn: str
    key: str | None
    stage: str | None = None
    version: str | None = None


def value_from(arn: str, key: str) -> str:
    """Return the `valueFrom` for a key at AWSCURRENT: the secret's full ARN, the key, and two empty fields."""
    raise NotImplementedError


def parse_value_from(text: str) -> Reference | None:
    """Take a `valueFrom` apart; None if it means something else than Secrets Manager (SSM)."""
    raise NotImplementedError
