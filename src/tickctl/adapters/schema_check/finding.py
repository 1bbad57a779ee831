"""What the check says of one requirement."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

APPLY: Final = "tickctl schema apply"


class Part(StrEnum):
    """Where a finding comes from."""

    CATALOGUE = "catalogue"
    """What the database says about itself."""
    BEHAVIOUR = "behaviour"
    """What happened when it was tried."""
    HOOK = "hook"
    """The optional access-token hook."""


class Result(StrEnum):
    """What was found."""

    OK = "ok"
    BROKEN = "broken"
    UNKNOWN = "unknown"
    """It could not be found out: neither a yes nor a no."""
    NOTE = "note"
    """Nothing is wrong with it; it is only worth knowing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One requirement, and whether the database keeps it.

    Attributes:
        id: a stable name for scripts.
        part: where it comes from.
        title: the requirement, as a sentence that is true where it is kept.
        result: what was found.
        detail: the objects or attempts that break it, or why it can't be told; empty where all is well.
        mend: what to do about it: a command, or a sentence. None where there is nothing to do.
    """

    id: str
    part: Part
    title: str
    result: Result
    detail: str = ""
    mend: str | None = None


def joined(items: list[str], *, most: int = 5) -> str:
    """Return the items as one line, and how many are not in it where there are many."""
    more = f"; and {len(items) - most} more" if len(items) > most else ""
    return "; ".join(items[:most]) + more
