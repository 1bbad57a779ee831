"""How a task definition refers to a key of a secret."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tickctl.core.secrets.arn import without_suffix
from tickctl.core.secrets.store import CURRENT

_FIELDS_OF_ARN: Final = 7
_PARTS: Final = 10


@dataclass(frozen=True, slots=True)
class Reference:
    """`valueFrom` of a container's secret, taken apart: `arn:…:secret:name-AbCdEf:key:stage:version`."""

    arn: str
    key: str | None
    stage: str | None = None
    version: str | None = None

    @property
    def current(self) -> bool:
        """Whether it follows AWSCURRENT, instead of being pinned to another stage or to a version."""
        return self.version is None and self.stage in {None, CURRENT}

    def is_to(self, arn: str) -> bool:
        """Whether it is to the secret with this full ARN; the six characters at the end may be left out."""
        return self.arn == arn or (self.arn == without_suffix(arn) and self.arn != arn)


def value_from(arn: str, key: str) -> str:
    """Return the `valueFrom` for a key at AWSCURRENT: the secret's full ARN, the key, and two empty fields."""
    return f"{arn}:{key}::"


def parse_value_from(text: str) -> Reference | None:
    """Take a `valueFrom` apart; None if it means something else than Secrets Manager (SSM)."""
    parts = text.split(":")
    if len(parts) < _FIELDS_OF_ARN or parts[0] != "arn" or parts[2] != "secretsmanager" or len(parts) > _PARTS:
        return None
    key, stage, version = (*(part or None for part in parts[_FIELDS_OF_ARN:]), None, None, None)[:3]
    return Reference(":".join(parts[:_FIELDS_OF_ARN]), key, stage, version)


def block(arn: str, keys: Iterable[str]) -> list[dict[str, str]]:
    """Return a container's `secrets` for these keys, sorted; it holds names only."""
    return [{"name": key, "valueFrom": value_from(arn, key)} for key in sorted(set(keys))]
