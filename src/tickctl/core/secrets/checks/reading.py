"""What the readers of env files say, as findings."""

from collections.abc import Sequence

from tickctl.core.secrets.checks.catalogue import Check
from tickctl.core.secrets.checks.finding import Finding, Result, about
from tickctl.core.secrets.env_files import EnvFile
from tickctl.core.secrets.env_files.differences import Difference
from tickctl.errors import ConfigurationError


def unreadable(error: ConfigurationError, files: Sequence[EnvFile]) -> Finding:
    """Return the finding for files that Compose wouldn't read; the error's words begin with file and line."""
    for file in files:
        line, colon, problem = error.message.removeprefix(f"{file.name}:").partition(": ")
        if colon and line.isdigit():
            return Finding(Check.UNREADABLE, Result.FAIL, problem, error.hint, file.name, int(line))
    return Finding(Check.UNREADABLE, Result.FAIL, error.message, error.hint)


def differing(difference: Difference) -> Finding:
    """Return the finding for a value that other programs read in another way."""
    readers = " and ".join(difference.readers)
    verb = "reads" if len(difference.readers) == 1 else "read"
    message = f"{readers} {verb} {difference.entry.name} in another way than Docker Compose"
    return about(difference.entry, Check.READ_DIFFERENTLY, Result.WARNING, message, difference.mend)
