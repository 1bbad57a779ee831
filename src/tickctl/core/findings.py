"""What a look at a system finds, one thing at a time: for `doctor` and `audit`."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """How one check ended."""

    PASS = "pass"  # noqa: S105 - a word
    FAIL = "fail"
    WARNING = "warning"
    CANNOT_TELL = "cannot_tell"
    """It could not be found out: neither a yes nor a no."""
    NOT_APPLICABLE = "not_applicable"
    """There is nothing here that the check is about."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of one thing; names only, never a value.

    Attributes:
        code: of the check; stable.
        result: how it ended.
        subject: what was looked at, such as `task definition gateway:12, container gateway`.
        message: what was found, in one sentence.
        mend: what to do about it; None where there is nothing to do.
    """

    code: str
    result: Result
    subject: str
    message: str
    mend: str | None = None


def verdict(findings: Iterable[Finding]) -> bool | None:
    """Return whether all is well: False if something fails, None if nothing does but something can't be told."""
    results = {finding.result for finding in findings}
    if Result.FAIL in results:
        return False
    return None if Result.CANNOT_TELL in results else True
