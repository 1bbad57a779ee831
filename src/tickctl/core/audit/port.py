"""The port to an account that is looked at: read-only."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from tickctl.core.audit.facts import AccountFacts

Progress: TypeAlias = Callable[[str, int, int], None]
"""Told what is read, how many of it have been read, and how many there are; from one thread."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at; nothing named means all of it."""

    cluster: str | None = None
    """Name or ARN; None is every cluster of the region."""
    services: tuple[str, ...] = ()
    """Names; only together with a cluster."""
    secrets: tuple[str, ...] = ()
    """Names or ARNs of secrets that are looked at even if nothing refers to them."""


class PostureReader(Protocol):
    """What reads an account."""

    def read(self, scope: Scope, *, progress: Progress) -> AccountFacts:
        """Return the facts; what can't be read is `Unread` in its place.

        Raises:
            NotFoundError: the cluster or a service that is named doesn't exist.
            ConfigurationError: services are named without a cluster.
        """
