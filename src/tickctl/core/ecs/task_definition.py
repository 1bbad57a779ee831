"""Task definitions that refer to the keys of a secret."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tickctl.core.json import JsonObject


@dataclass(frozen=True, slots=True)
class ContainerChange:
    """What changes for one container: names only."""

    container: str
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """Referred to before, but to another secret, key, stage or version."""
    removed: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    """Stood as plain values in `environment`."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A document fit for registration and what is different in it; nothing to register if `changes` is empty."""

    document: JsonObject
    changes: tuple[ContainerChange, ...]


def rewrite(
    document: JsonObject, *, arn: str, keys: Collection[str], containers: Sequence[str] = (), known: Collection[str]
) -> Rewrite:
    """Let containers refer to the keys of a secret.

    Args:
        document: as registered, or as a file holds it.
        arn: the full ARN of the secret.
        keys: those that each chosen container gets.
        containers: their names; none means those that refer to this secret already, else the only one there is.
        known: all keys that the secret will have; references to others of its keys are removed.

    Raises:
        ConfigurationError: a container or role is missing, names appear twice, or it can't be registered that way.
    """
    raise NotImplementedError


def without_dangling(document: JsonObject, *, arn: str, known: Collection[str]) -> Rewrite:
    """Remove the references to keys that the secret won't have (after a rollback); add none."""
    raise NotImplementedError


def refers_to(document: JsonObject, arn: str) -> dict[str, tuple[str, ...]]:
    """Return, for each container that refers to a secret, the keys that it refers to."""
    raise NotImplementedError
