"""What a push would do: names only, and one payload to write."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tickctl.core.secrets.masked import Secret
from tickctl.core.secrets.store import SecretState


class Action(StrEnum):
    """What happens to the secret itself."""

    CREATE = "create"
    PUT = "put"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class KeyChanges:
    """The names of keys, sorted, by what becomes of them."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    """Only in AWS, and left there."""
    removed: tuple[str, ...] = ()
    """Only in AWS, and pruned."""

    @property
    def any(self) -> bool:
        """Whether a new version is needed."""
        return bool(self.added or self.changed or self.removed)


@dataclass(frozen=True, slots=True)
class PushPlan:
    """What a push does to the secret, decided from `base`; `values` is the whole new set."""

    base: SecretState
    action: Action
    changes: KeyChanges
    values: Mapping[str, Secret]


def compare(wanted: Mapping[str, Secret], current: Mapping[str, Secret], *, prune: bool) -> KeyChanges:
    """Return what becomes of each key."""
    raise NotImplementedError


def plan_push(
    state: SecretState, current: Mapping[str, Secret], wanted: Mapping[str, Secret], *, prune: bool
) -> PushPlan:
    """Plan a push onto a secret that is live or absent.

    Raises:
        ConfigurationError: a key or value that can't be written or referred to; all of them are named, by key.
        ConflictError: the secret is scheduled for deletion.
    """
    raise NotImplementedError


def client_token(base: SecretState) -> str:
    """Return the ClientRequestToken for the one write that may follow this state.

    Two pushes that were planned on the same state have the same token, so that AWS lets only one of them through: a
    second write with this token and another value is refused (ResourceExistsException), one with the same value is
    the same write. It is made of the ARN, the versions' ids and stages and the time of the last change; never of a
    value.
    """
    raise NotImplementedError
