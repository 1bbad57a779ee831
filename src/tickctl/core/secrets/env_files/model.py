"""What an env file holds: entries with a value, or with the reason why the value is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tickctl.core.secret import Secret
from tickctl.errors import ConfigurationError


class RefusalKind(StrEnum):
    """Why an entry that Docker Compose would take is refused here."""

    NO_VALUE = "no_value"
    """A name without `=`: Compose takes the value of the operator's shell, if there is one."""
    SHELL = "shell"
    """It refers to a variable that the operator's shell has, or the `.env` beside the compose file; Compose takes that
    one, whatever the files say."""
    UNSET = "unset"
    """It refers to a variable that nothing sets before: Compose puts an empty string in its place."""
    REQUIRED = "required"
    """`${NAME:?message}` of a variable that isn't set; Compose refuses the file as well."""
    UNUSABLE = "unusable"
    """The name or the value can't be a container's: an empty name, a NUL byte, no UTF-8 text."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an entry has no value: its kind, and the variable that it refers to.

    `variable` is None unless the shell or a file has a variable of that name: what stands behind a `$` may be a part
    of a password.
    """

    kind: RefusalKind
    variable: str | None = None


@dataclass(frozen=True, slots=True)
class EnvFile:
    """The text of one file, and its name for messages."""

    name: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """One assignment: `value` is there unless it is refused. `line` counts from 1, where the name stands.

    A line without `=` may be a piece of a value that was not quoted: unless it is the name of something else or looks
    like `A_NAME`, `name` is empty.
    """

    name: str
    value: Secret | None
    file: str
    line: int
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What another reader than Compose makes of files: None is a name without a value.

    `refused` is the file and line at which it gives up; then it gives nothing at all.
    """

    values: Mapping[str, Secret | None]
    refused: tuple[str, int] | None = None


def unreadable(file: str, line: int, problem: str, mend: str) -> ConfigurationError:
    """Return the error for a file that can't be read as a whole; it never repeats what the line says."""
    return ConfigurationError(f"{file}:{line}: {problem}", hint=mend)
