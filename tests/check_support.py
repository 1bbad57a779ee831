"""What tests of `schema check` share: a connection as the command has it, and findings by name."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tickctl.adapters.schema_check import Finding, Result


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection]:
    """Connect in autocommit mode, as the command does."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def broken(findings: tuple[Finding, ...]) -> set[str]:
    """Return the ids of what is broken."""
    return {finding.id for finding in findings if finding.result is Result.BROKEN}


def by_id(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    """Return the findings by id, of which each is there once."""
    found = {finding.id: finding for finding in findings}
    assert len(found) == len(findings)
    return found
