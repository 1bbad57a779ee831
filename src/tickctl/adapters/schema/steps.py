"""What bringing a database up to date takes."""

from dataclasses import dataclass
from enum import StrEnum


class StepKind(StrEnum):
    """What a step does; `asks` tells whether somebody should agree to it first."""

    CREATE = "create"
    """Something new."""
    UPDATE = "update"
    """What another version of tickctl installed, or somebody changed since, is installed again."""
    CHANGE = "change"
    """Something that exists gets another form."""
    MERGE = "merge"
    """Several rows become one; the others are kept in tick.adopted."""
    ARCHIVE = "archive"
    """Rows leave their table; they are kept in tick.adopted."""
    OPTION = "option"
    """Something of the project's own is changed because an option asked for it."""
    REMOVE = "remove"
    """Something that tickctl made goes, or that somebody has added to it."""
    NOTE = "note"
    """Nothing is done; it is only worth knowing."""

    @property
    def asks(self) -> bool:
        """Whether the step touches what somebody else has made."""
        return self not in {StepKind.CREATE, StepKind.UPDATE, StepKind.NOTE}


@dataclass(frozen=True, slots=True)
class Step:
    """One step, in the words of a person.

    Attributes:
        kind: what it does.
        text: what is done, or worth knowing.
        fix: for a note, the statement that would change it; the operator decides.
        dependants: what else of the project depends on it, in words.
    """

    kind: StepKind
    text: str
    fix: str | None = None
    dependants: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in their order, and what stands in their way: with any blocker, nothing is carried out."""

    steps: tuple[Step, ...] = ()
    blockers: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether carrying it out changes the database."""
        return any(step.kind is not StepKind.NOTE for step in self.steps)

    @property
    def asks(self) -> bool:
        """Whether it changes what somebody else has made, so that somebody should agree first."""
        return any(step.kind.asks for step in self.steps)
