"""Whether what runs has fetched the secret after it changed last."""

from datetime import datetime
from typing import Protocol


class Made(Protocol):
    """A deployment or task."""

    @property
    def created_at(self) -> datetime | None:
        """When it was made; None if that isn't known."""


def is_fresh(made: Made, changed_at: datetime | None) -> bool | None:
    """Say whether a deployment or task was made after the secret changed; None if that can't be told.

    The time that it was made counts, and not that it was started: in between ECS fetches the secrets. Equal times are
    no proof, so they count as older.
    """
    if changed_at is None or made.created_at is None:
        return None
    return made.created_at > changed_at
