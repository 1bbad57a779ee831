"""How findings of a check are made."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tickctl.core.doctor.catalogue import Check
from tickctl.core.doctor.facts import Looked, Problem, Unread
from tickctl.core.findings import Finding, Result

T = TypeVar("T")


def passed(check: Check, subject: str, message: str) -> Finding:
    """Return that all is well."""
    return Finding(check, Result.PASS, subject, message)


def failed(check: Check, subject: str, message: str, mend: str | None = None) -> Finding:
    """Return that something has to be mended; as the table says, unless there is better advice."""
    return Finding(check, Result.FAIL, subject, message, mend or check.mend)


def warned(check: Check, subject: str, message: str, mend: str | None = None) -> Finding:
    """Return that something is likely to be a mistake."""
    return Finding(check, Result.WARNING, subject, message, mend or check.mend)


def untold(check: Check, subject: str, message: str, mend: str | None = None) -> Finding:
    """Return that it could not be found out."""
    return Finding(check, Result.CANNOT_TELL, subject, message, mend or check.mend)


def nothing(check: Check, subject: str, message: str, mend: str | None = None) -> Finding:
    """Return that there is nothing here to judge."""
    return Finding(check, Result.NOT_APPLICABLE, subject, message, mend)


def looked(
    check: Check, subject: str, look: "Looked[T]", absent: str, judge: Callable[[T], Iterable[Finding]]
) -> Iterator[Finding]:
    """Judge what a look gave.

    Args:
        check: the check.
        subject: what it is about.
        look: what was found out.
        absent: what to say where there was nothing to look at.
        judge: gives the findings about what there is.
    """
    if look is None:
        yield nothing(check, subject, absent)
    elif isinstance(look, Problem):
        yield failed(check, subject, look.message, look.mend)
    elif isinstance(look, Unread):
        yield untold(check, subject, look.reason, look.mend)
    else:
        yield from judge(look)


def followed(
    check: Check, subject: str, look: "Looked[T]", absent: str, judge: Callable[[T], Iterable[Finding]]
) -> Iterator[Finding]:
    """Judge something that a look gave beside what it was taken for; its failure is told by another check."""
    open_look = Unread("it could not be asked") if isinstance(look, Problem) else look
    yield from looked(check, subject, open_look, absent, judge)
