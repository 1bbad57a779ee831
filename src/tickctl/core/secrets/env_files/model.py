"""What an env file holds: entries with a value, or with the reason why the value is refused."""

from dataclasses import dataclass
from enum import StrEnum

from tickctl.core.secrets.masked import Secret


class RefusalKind(StrEnum):
    """Why an entry that Docker Compose would take is refused here."""

    NO_VALUE = "no_value"
    """A name without `=`: Compose takes the value of the operator's shell, if there is one."""
    SHELL = "shell"
    """It refers to a variable that no file sets before, and the operator's shell does."""
    UNSET = "unset"
    """It refers to a variable that nothing sets: Compose puts an empty string in its place."""
    REQUIRED = "required"
    """`${NAME:?message}` of a variable that isn't set; Compose refuses the file as well."""
    UNUSABLE = "unusable"
    """The name or the value can't be a container's: an empty name, a NUL byte."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an entry has no value: its kind, and the variable that it refers to."""

    kind: RefusalKind
    variable: str | None = None


@dataclass(frozen=True, slots=True)
class EnvFile:
    """The text of one file, and its name for messages."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One assignment: `value` is there unless it is refused. `line` counts from 1, where the name stands."""

    name: str
    value: Secret | None
    file: str
    line: int
    refusal: Refusal | None = None
