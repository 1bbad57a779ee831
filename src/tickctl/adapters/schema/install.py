"""Brings a database to the state of `tickctl/sql`, and says beforehand what that takes.

The work is done in SQL (`tickctl/sql/adoption`), so that what `apply` does and what its text in one file does are the
same: a planner that looks at catalogue and rows and answers with steps, and a loop that carries them out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

import psycopg
from psycopg.rows import TupleRow, tuple_row

from tickctl.adapters.schema.failures import refusal, reported
from tickctl.adapters.schema.script import LOCK, LOCK_TIMEOUT, payload, planner, release
from tickctl.adapters.schema.steps import Plan, Step, StepKind
from tickctl.errors import ConfigurationError, ConflictError

Connection: TypeAlias = psycopg.Connection[TupleRow]

_BLOCKER: Final = "blocker"


def plan(connection: Connection, *, hook: bool = False) -> Plan:
    """Return what `apply` would do, changing nothing and waiting for nobody.

    Args:
        connection: outside a transaction, or in one that may be used and is left as it was.
        hook: whether the optional access-token hook is wanted, too; where it is installed it always is.

    Raises:
        ConfigurationError: this is no Supabase project's database, or a newer version of tickctl has set it up.
        CredentialsRefusedError: this role may not do it.
        UnreachableError: the database could not answer.
    """
    with reported(), _transaction(connection, keep=False) as cursor:
        rows = cursor.execute(
            "select kind, message from pg_temp.tick_plan(%s, %s) with ordinality"
            " as p (phase, kind, message, command, place) order by phase, place",
            [payload(hook=hook), release()],
        ).fetchall()
    return _read(rows)


def apply(connection: Connection, *, hook: bool = False, expected: Plan | None = None) -> Plan:
    """Bring the database to this version's schema, in one transaction, and return what was done.

    Runs as the owner of the schema (`postgres` on Supabase, not a superuser). Idempotent: an up-to-date database is
    only read. Two runs at once wait for each other.

    Args:
        connection: in autocommit mode; otherwise the caller's transaction decides.
        hook: as for `plan`.
        expected: what somebody agreed to; another plan is not carried out.

    Raises:
        ConfigurationError: as for `plan`; or blockers that somebody has to clear away first.
        CredentialsRefusedError: this role may not do it.
        ConflictError: the plan is no longer the expected one.
        UnreachableError: somebody holds the tables, or the database went away.

    Whatever is raised, nothing was changed.
    """
    with reported(), _transaction(connection, keep=True) as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [LOCK])
        # A lock that doesn't come soon is given up: everybody else queues behind whoever waits for one.
        cursor.execute("select set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        rows = cursor.execute(
            "select kind, message from pg_temp.tick_apply(%s, %s)", [payload(hook=hook), release()]
        ).fetchall()
        done = _read(rows)
        if done.blockers:
            raise ConfigurationError("; ".join(done.blockers), hint="nothing was changed; clear this away first")
        if expected is not None and done != expected:
            raise ConflictError(
                "the database has changed since the plan was shown", hint="nothing was changed; run it again"
            )
    return done


@contextmanager
def _transaction(connection: Connection, *, keep: bool) -> Iterator[psycopg.Cursor[TupleRow]]:
    """Be in a transaction that has the planner; it is rolled back at the end unless it is to be kept."""
    with connection.transaction(force_rollback=not keep), connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute("set local client_min_messages = 'error'")
        # Neither a planner in a hurry nor somebody's default may interrupt half of it; waiting has its own limit.
        cursor.execute("set local statement_timeout = 0")
        cursor.execute("set local lock_timeout = 0" if keep else f"set local lock_timeout = '{LOCK_TIMEOUT}'")
        cursor.execute(planner().encode())
        yield cursor
        cursor.execute("select pg_temp.tick_forget()")


def _read(rows: list[TupleRow]) -> Plan:
    for kind, message in rows:
        if error := refusal(kind, message):
            raise error
    return Plan(
        steps=tuple(Step(StepKind(kind), message) for kind, message in rows if kind != _BLOCKER),
        blockers=tuple(message for kind, message in rows if kind == _BLOCKER),
    )
