"""Exit codes, a stable contract, and what leads to each."""

from enum import IntEnum
from typing import Final, Self

from tickctl import errors


class ExitCode(IntEnum):
    """What the process reports to the shell; other people's scripts depend on these numbers."""

    YES = 0, "done, or the answer is yes"
    NO = 1, "the answer is no: token refused, quota exhausted, drift found, a check failed"
    USAGE = 2, "wrong usage"
    CONFIGURATION = 3, "configuration missing or wrong"
    CREDENTIALS = 4, "credentials refused: Supabase, PostgreSQL or AWS says no"
    CANNOT_TELL = 5, "cannot tell or cannot reach: network, database or AWS down, unknown signing key, time-out"
    NOT_FOUND = 6, "no such user, secret, version or service"
    CONFLICT = 7, "conflict: somebody else changed it first"
    BUG = 70, "a bug in tickctl"
    INTERRUPTED = 130, "interrupted"

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        """Make a member of a number and its meaning."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member


BY_ERROR: Final[dict[type[errors.TickctlError], ExitCode]] = {
    errors.InvalidInputError: ExitCode.USAGE,
    errors.ConfigurationError: ExitCode.CONFIGURATION,
    errors.CredentialsRefusedError: ExitCode.CREDENTIALS,
    errors.UnreachableError: ExitCode.CANNOT_TELL,
    errors.NotFoundError: ExitCode.NOT_FOUND,
    errors.ProjectRefusedError: ExitCode.NO,
    errors.ConflictError: ExitCode.CONFLICT,
}
"""Every class of error has its exit code; a test keeps the table complete."""
