"""All checks of what env files hold, and those of them that stop a push."""

from collections.abc import Iterator, Sequence
from typing import Final

from tickctl.core.secrets.checks.catalogue import Check
from tickctl.core.secrets.checks.content import missing, refused, repeated, unfilled, unstorable
from tickctl.core.secrets.checks.credentials import judged
from tickctl.core.secrets.checks.expectations import Expectations
from tickctl.core.secrets.checks.finding import Finding, Purpose
from tickctl.core.secrets.env_files import Entry, effective

_STOPS_A_PUSH: Final = frozenset(
    {
        Check.PLACEHOLDER,
        Check.EXAMPLE_VALUE,
        Check.REQUIRED,
        Check.ALLOW_UNCONFIRMED,
        Check.DEMO_SECRET,
        Check.WEAK_SECRET,
        Check.PREVIOUS_SECRET_SAME,
        Check.ADMIN_CREDENTIAL,
        Check.AWS_CREDENTIAL,
    }
)


def check_entries(
    entries: Sequence[Entry], expectations: Expectations, purpose: Purpose = Purpose.PRODUCTION
) -> Iterator[Finding]:
    """Check what the files say together; of keys that are given twice, the one that counts."""
    counting = effective(entries)
    yield from refused(entries, counting)
    yield from repeated(entries)
    yield from unfilled(counting, expectations)
    yield from missing(counting, expectations)
    yield from judged(counting, purpose)
    yield from unstorable(counting)


def unsafe(entries: Sequence[Entry], expectations: Expectations | None = None) -> tuple[Finding, ...]:
    """Return what must not go to production; a push stops at any of it unless it is told otherwise.

    Refused entries aren't among them: `values` refuses those by itself.
    """
    findings = check_entries(entries, expectations or Expectations())
    return tuple(found for found in findings if found.check in _STOPS_A_PUSH)
