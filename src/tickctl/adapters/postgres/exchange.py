"""One call of a function as one exchange with PostgreSQL, whoever waits for the socket."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from time import monotonic
from typing import Final, Self

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait

from tickctl.core.json import Json, JsonObject
from tickctl.core.quota import Caller
from tickctl.core.quota.sqlstate import error_for
from tickctl.errors import InvalidInputError, TickctlError, UncertainError

INTERVAL: Final = 0.1
"""Seconds between two looks at the clock while the server says nothing."""

_FIELDS: Final = (
    DiagnosticField.MESSAGE_PRIMARY,
    DiagnosticField.MESSAGE_HINT,
    DiagnosticField.MESSAGE_DETAIL,
    DiagnosticField.CONTEXT,
)
_EXPECTED: Final = frozenset(
    {
        ExecStatus.COMMAND_OK,
        ExecStatus.TUPLES_OK,
        ExecStatus.FATAL_ERROR,
        ExecStatus.PIPELINE_ABORTED,
        ExecStatus.PIPELINE_SYNC,
    }
)
# There is no statement of that name; there is one already.
_STATEMENTS_LOST: Final = frozenset({b"26000", b"42P05"})
_NAME: Final = re.compile(r"[a-z_][a-z0-9_]*")
_LOOK: Final = "whether the call was carried out is not known; look before repeating it"

# As PostgREST does before each call: all of it lasts until the transaction ends.
_CONTEXT: Final = (
    b"select set_config('search_path', '\"public\", \"public\"', true), set_config('role', $1, true),"
    b" set_config('request.jwt.claims', $2, true), set_config('statement_timeout', $3, true)"
)


class ConnectionLostError(Exception):
    """The connection broke or fell silent during a call.

    Attributes:
        error: what to tell, unless the call is repeated.
        late: whether there is no time left to repeat it.
    """

    def __init__(self, error: TickctlError, *, late: bool = False) -> None:
        super().__init__()
        self.error = error
        self.late = late


class StatementsLostError(Exception):
    """The server has other prepared statements than it was given, so nothing was done.

    That is what a pooler in between looks like which gives each transaction another of its own connections.
    """


@dataclass(frozen=True, slots=True)
class Call:
    """A call of `public.<name>` as PostgreSQL wants it: texts without a type, as PostgREST sends them.

    So a number too large for a parameter is out of range (22003) rather than meant for a function that does not
    exist.
    """

    statement: bytes
    values: list[bytes | None]
    role: bytes
    claims: bytes

    @classmethod
    def of(cls, name: str, arguments: JsonObject, caller: Caller) -> Self:
        """Return the call; see `tickctl.core.quota.SqlFunctions`.

        Raises:
            InvalidInputError: a name or a text can't be one in PostgreSQL.
        """
        statement = _statement(name, tuple(arguments))
        try:
            values = [_text(value) for value in arguments.values()]
        except UnicodeEncodeError:
            raise InvalidInputError("a text can't be written as UTF-8") from None
        return cls(statement, values, caller.role.encode(), json.dumps(dict(caller.claims)).encode())


def exchange(
    line: PGconn,
    call: Call,
    *,
    statement_timeout: float,
    until: float,
    clock: Callable[[], float] = monotonic,
    prepared: set[bytes] | None = None,
) -> PQGen[list[JsonObject]]:
    """Send a call and read its answer: one transaction, one round trip, nothing left on the connection.

    What is yielded says what to wait for; `psycopg.waiting` does that, for those who wait and for event loops. This
    takes a third of what cursors in a pipeline of psycopg cost.

    Args:
        line: a connection that is idle.
        call: what to send.
        statement_timeout: seconds after which the server gives up.
        until: when to give up on the server, by the clock.
        clock: seconds.
        prepared: the statements that the connection has prepared, to which this adds; `None` prepares none.

    Raises:
        TickctlError: the server's error, as of `SqlFunctions.call`; the connection is as good as before.
        StatementsLostError: as above; so is the connection.
        ConnectionLostError: the connection is of no more use.
    """
    failed: PGresult | None = None
    last_result: PGresult | None = None
    patience = _Patience(until, clock)
    try:
        # A pipeline without BEGIN is one implicit transaction: it ends, with an error or without, at the pipeline's
        # end, and a failed one needs no ROLLBACK.
        line.enter_pipeline_mode()
        context = [call.role, call.claims, _milliseconds(statement_timeout)]
        new = _send(line, _CONTEXT, context, prepared) + _send(line, call.statement, call.values, prepared)
        line.pipeline_sync()
        while line.flush():
            if (yield from patience.ready(Wait.RW)) & Ready.R:
                line.consume_input()
        while (result := (yield from _next_result(line, patience))).status != ExecStatus.PIPELINE_SYNC:
            if result.status == ExecStatus.TUPLES_OK:
                last_result = result
            elif result.status == ExecStatus.COMMAND_OK and prepared is not None and new:
                prepared.add(new.pop(0))
            elif failed is None:
                failed = result
        line.exit_pipeline_mode()
    except psycopg.Error:
        raise ConnectionLostError(_lost(failed)) from None
    if failed is not None:
        if prepared is not None and failed.error_field(DiagnosticField.SQLSTATE) in _STATEMENTS_LOST:
            raise StatementsLostError
        raise _error_of(failed)
    return _rows(last_result)


@dataclass(frozen=True, slots=True)
class _Patience:
    """Waits for the server, but not for ever."""

    until: float
    clock: Callable[[], float]

    def ready(self, wanted: Wait) -> PQGen[int]:
        """Return what the connection is ready for, at least once in `INTERVAL` and not after the end."""
        events = yield wanted
        if self.clock() >= self.until:
            raise ConnectionLostError(UncertainError("the database did not answer in time", hint=_LOOK), late=True)
        return events or 0


def _next_result(line: PGconn, patience: _Patience) -> PQGen[PGresult]:
    """Return what comes next; `None` ends the results of each statement but never comes twice in a row."""
    for _ in range(2):
        while line.is_busy():
            if (yield from patience.ready(Wait.R)):
                line.consume_input()
        if (result := line.get_result()) is not None:
            if result.status not in _EXPECTED:
                raise psycopg.OperationalError("not an answer to what was asked")
            return result
    raise psycopg.OperationalError("no answer")


def _rows(answer: PGresult | None) -> list[JsonObject]:
    try:
        rows = [answer.get_value(row, 0) for row in range(answer.ntuples)] if answer else []
        return [json.loads(value or b"null") for value in rows]
    except (ValueError, RecursionError):
        raise UncertainError("the database gave no usable answer", hint=_LOOK) from None


@lru_cache(maxsize=256)
def _statement(name: str, arguments: tuple[str, ...]) -> bytes:
    if not all(_NAME.fullmatch(word) for word in (name, *arguments)):
        raise InvalidInputError("not the name of a function and its arguments")
    named = ", ".join(f'"{argument}" => ${position}' for position, argument in enumerate(arguments, start=1))
    return f'select to_jsonb(answer.*) from "public"."{name}"({named}) as answer'.encode()  # noqa: S608 - plain names


def _send(line: PGconn, statement: bytes, values: Sequence[bytes | None], prepared: set[bytes] | None) -> list[bytes]:
    """Send a statement; return it if it is to be prepared by that."""
    if prepared is None:
        line.send_query_params(statement, values)
        return []
    name = _name_of(statement)
    if is_new := statement not in prepared:
        line.send_prepare(name, statement)
    line.send_query_prepared(name, values)
    return [statement] if is_new else []


@lru_cache(maxsize=256)
def _name_of(statement: bytes) -> bytes:
    """Return a name that no other statement has, whoever prepares it on a connection that a pooler shares."""
    return b"tickctl_" + sha256(statement).hexdigest()[:32].encode()


def _text(value: Json) -> bytes | None:
    if value is None:
        return None
    if not isinstance(value, str):
        return b"%d" % value if type(value) is int else json.dumps(value).encode()
    if "\0" in value:
        raise InvalidInputError("a text holds a NUL character, which PostgreSQL can't store")
    return value.encode()


def _milliseconds(seconds: float) -> bytes:
    return b"%dms" % max(1, round(seconds * 1000))  # 0 would mean no limit


def _error_of(failed: PGresult) -> TickctlError:
    sqlstate = failed.error_field(DiagnosticField.SQLSTATE)
    if sqlstate is None:
        return UncertainError("the database gave no usable answer")
    message, hint, detail, context = (
        None if (value := failed.error_field(field)) is None else _decoded(value) for field in _FIELDS
    )
    return error_for(_decoded(sqlstate), message or "", hint, detail=detail, context=context or "")


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _lost(failed: PGresult | None) -> TickctlError:
    """Return what to tell of a broken connection; what the server said last, where it did."""
    reason = "the connection to the database was lost"
    if failed is not None and failed.error_field(DiagnosticField.SQLSTATE) is not None:
        reason = _error_of(failed).message
    return UncertainError(reason, hint=_LOOK)
