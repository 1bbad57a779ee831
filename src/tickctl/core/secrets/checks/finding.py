"""What a check says of a file or of a key in it: names only, never a value."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tickctl.core.secrets.checks.catalogue import Check
from tickctl.core.secrets.env_files import Entry


class Result(StrEnum):
    """How bad it is."""

    FAIL = "fail"
    """It must be mended, and can be."""
    WARNING = "warning"
    """It is likely to be a mistake, or can't be mended by changing the files."""
    NOTE = "note"
    """Nothing is wrong with it; it is only worth knowing."""
    CANNOT_TELL = "cannot_tell"
    """It could not be found out: neither a yes nor a no."""


class Purpose(StrEnum):
    """What the files are for."""

    PRODUCTION = "production"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        check: its code.
        result: how bad it is.
        message: what is the matter, in one sentence that names the key.
        mend: what to do about it; None where there is nothing to do.
        file: the file that it is about; None if it is about all together.
        line: where the key stands, from 1.
        key: the name of the variable.
    """

    check: Check
    result: Result
    message: str
    mend: str | None = None
    file: str | None = None
    line: int | None = None
    key: str | None = None


def about(entry: Entry, check: Check, result: Result, message: str, mend: str | None = None) -> Finding:
    """Return a finding about one assignment."""
    return Finding(check, result, message, mend, entry.file, entry.line, entry.name)


def verdict(findings: Iterable[Finding], *, strict: bool = False) -> bool | None:
    """Return whether all is well: False if something fails, None if nothing does but something can't be told.

    Args:
        findings: all of them.
        strict: whether warnings count as failures.
    """
    results = {finding.result for finding in findings}
    if Result.FAIL in results or (strict and Result.WARNING in results):
        return False
    return None if Result.CANNOT_TELL in results else True
