"""A transaction in which everything may be tried and nothing stays."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow, tuple_row

from tickctl.core.json import JsonObject

Connection: TypeAlias = psycopg.Connection[TupleRow]
Row: TypeAlias = tuple[object, ...]
Statement: TypeAlias = sql.Composable

# Whoever has to wait for a lock makes others wait behind him, so a check gives up at once rather than stand in the
# way of the gateway; and a check that hangs is ended by the server.
_LIMITS: Final = (
    "set local lock_timeout = '1s'; set local statement_timeout = '30s';"
    " set local idle_in_transaction_session_timeout = '60s'; set local client_min_messages = 'error';"
    # What this role may not see is an error then, rather than nothing there; requests have it as ever.
    " set local row_security = off;"
    # Names in what the catalogue prints are then complete, whatever this role's search path is.
    " set local search_path = ''; set local timezone = 'UTC'; set local datestyle = 'ISO'"
)
_BEGIN: Final = sql.SQL("savepoint tickctl_trial")
_UNDO: Final = sql.SQL("rollback to savepoint tickctl_trial")
_KEEP: Final = sql.SQL("release savepoint tickctl_trial; savepoint tickctl_trial")

# Each statement is undone whether it succeeds or not: what one of them could do must not help the next.
_EACH: Final = sql.SQL(
    """
    do $tickctl$
    declare
        statement text;
        outcomes text[] := array[]::text[];
    begin
        foreach statement in array {statements}::text[] loop
            begin
                execute statement;
                raise exception using errcode = 'TICK0';
            exception
                when others then outcomes := outcomes || sqlstate::text;
            end;
        end loop;
        perform pg_catalog.set_config('tickctl.outcomes', pg_catalog.array_to_string(outcomes, ' '), true);
    end
    $tickctl$
    """
)
AUTH_ROLE: Final = "supabase_auth_admin"
"""Supabase Auth's own role, which signs users up."""
CARRIED_OUT: Final = "TICK0"
"""What stands for success among SQLSTATEs."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt.

    Attributes:
        sqlstate: of the error that ended it; None where all statements were carried out.
        message: the server's words about that error.
        context: where it arose, as the server tells.
        results: the rows of each statement.
        changed: how many rows the last statement returned or changed.
    """

    sqlstate: str | None = None
    message: str = ""
    context: str = ""
    results: Sequence[Sequence[Row]] = ()
    changed: int = 0

    @property
    def rows(self) -> Sequence[Row]:
        """The rows of the last statement."""
        return self.results[-1] if self.results else ()


class Trial:
    """Runs statements, each from the same beginning: what the one before did is undone first.

    Each call is one round trip.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def connection(self) -> Connection:
        """The connection, for what is only read; nothing that was tried is left on it."""
        self._connection.execute(_UNDO)
        return self._connection

    def ask(self, query: Statement) -> Sequence[Row]:
        """Return the rows of a query by the connection's own role.

        Raises:
            psycopg.Error: the database refused.
        """
        return self._run(query).rows

    def attempt(self, *statements: Statement) -> Outcome:
        """Carry out statements one after the other, and tell what became of them.

        Raises:
            psycopg.Error: the connection is lost; every other error is an outcome.
        """
        try:
            return self._run(*statements)
        except psycopg.Error as error:
            if error.sqlstate is None or self._connection.closed:
                raise
            return Outcome(error.sqlstate, error.diag.message_primary or "", error.diag.context or "")

    def attempt_each(self, caller: Statement, statements: Sequence[str]) -> Sequence[str] | Outcome:
        """Carry out statements independently as a caller, and return an SQLSTATE or CARRIED_OUT for each.

        Returns:
            an Outcome instead where they could not all be tried.
        """
        outcome = self.attempt(
            caller,
            _EACH.format(statements=sql.Literal(list(statements))),
            sql.SQL("select pg_catalog.current_setting('tickctl.outcomes')"),
        )
        return outcome if outcome.sqlstate else str(outcome.rows[0][0]).split()

    def keep(self, *statements: Statement) -> Outcome:
        """Carry out statements as `attempt` does, as the beginning of all that follows; nothing is kept on an error."""
        return self.attempt(*statements, _KEEP)

    def _run(self, *statements: Statement) -> Outcome:
        with self._connection.cursor(row_factory=tuple_row) as cursor:
            # Without parameters psycopg sends all of it as one message, and gets one answer for each statement.
            cursor.execute(sql.SQL("; ").join((_UNDO, *statements)))
            results = []
            while cursor.nextset():
                results.append([] if cursor.description is None else cursor.fetchall())
            return Outcome(results=results, changed=cursor.rowcount)


@contextmanager
def opened(connection: Connection) -> Iterator[Trial]:
    """Give a trial on a connection; the transaction is rolled back at the end, however it ends."""
    with connection.transaction(force_rollback=True):
        connection.execute(_LIMITS)
        connection.execute(_BEGIN)
        yield Trial(connection)


def become(role: str, claims: JsonObject | str | None = None) -> Statement:
    """Return the statement by which PostgREST gives a request its rights and its claims.

    Args:
        role: "none" is the connection's own.
        claims: of the token; those of the role alone where none are given. A text is taken as it is.
    """
    if not isinstance(claims, str):
        claims = json.dumps(claims or {"role": role})
    return sql.SQL(
        "select pg_catalog.set_config('role', {role}, true),"
        " pg_catalog.set_config('row_security', {row_security}, true),"
        # As for the project's own requests: its triggers and policies find names by it.
        " pg_catalog.set_config('search_path', {search_path}, true),"
        " pg_catalog.set_config('request.jwt.claims', {claims}, true)"
    ).format(
        role=sql.Literal(role),
        row_security=sql.Literal("off" if role == "none" else "on"),
        search_path=sql.Literal("auth, public, extensions" if role == AUTH_ROLE else "public, extensions"),
        claims=sql.Literal(claims),
    )
