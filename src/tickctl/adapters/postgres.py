"""The SQL functions over a direct connection to PostgreSQL."""

import json
import re
import select
from contextlib import suppress
from threading import Lock
from types import TracebackType
from typing import Final, Self, TypeAlias

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from tickctl.adapters.postgres_failures import connection_failure
from tickctl.core.json import Json, JsonObject
from tickctl.core.quota.port import READ_ONLY, Caller
from tickctl.core.quota.sqlstate import error_for
from tickctl.core.secrets import Secret
from tickctl.errors import ConfigurationError, InvalidInputError, TickctlError, UnreachableError

Connection: TypeAlias = psycopg.Connection[TupleRow]

CONNECT_TIMEOUT: Final = 5
"""Seconds, for each address that the host's name has."""
STATEMENT_TIMEOUT: Final = 10.0
"""Seconds that the server may take for one call."""

# What only reads is asked again when the connection breaks; what writes may have been done.
_READ_ONLY: Final = re.compile(
    r"my_ticks|tick_admin_(show|overview|members|suggest|list|resolve|history|top|audit|user)"
)
_NAME: Final = re.compile(r"[a-z_][a-z0-9_]*")

# As PostgREST does before each call: all of it lasts until the transaction ends.
_CONTEXT: Final = sql.SQL(
    "select set_config('search_path', '\"public\", \"public\"', true), set_config('role', %s, true),"
    " set_config('request.jwt.claims', %s, true), set_config('statement_timeout', %s, true)"
)


class PostgresFunctions:
    """Calls SQL functions as PostgREST would: the caller's role and claims, JSON in, JSON out.

    Each call is one transaction and one round trip. The connection is opened by the first call, kept, and holds no
    state between calls, so it works through a transaction pooler. Calls from several threads take turns; give each
    thread its own instance to run them at once.

    Args:
        url: a libpq URL or connection string of a user who may switch to the callers' roles, as `postgres` and
            `authenticator` may on Supabase.
        statement_timeout: seconds.
    """

    def __init__(self, url: Secret, *, statement_timeout: float = STATEMENT_TIMEOUT) -> None:
        self._url = url
        self._statement_timeout = f"{round(statement_timeout * 1000)}ms"
        self._lock = Lock()
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; a later call opens another."""
        with self._lock:
            self._disconnect()

    def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Call `public.<name>`; see `tickctl.core.quota.SqlFunctions`."""
        statement, values = _statement(name, arguments)
        with self._lock:
            kept = self._connection is not None
            try:
                return self._run(statement, values, caller)
            except _ConnectionLostError as lost:
                # What writes may have been done.
                if not (kept and name in READ_ONLY):
                    raise lost.error from None
            try:
                return self._run(statement, values, caller)
            except _ConnectionLostError as lost:
                raise lost.error from None

    def _run(self, statement: sql.Composed, values: list[str | None], caller: Caller) -> list[JsonObject]:
        context = [caller.role, json.dumps(caller.claims), self._statement_timeout]
        connection = self._connect()
        try:
            # A pipeline without BEGIN is one implicit transaction: it ends, with an error or without, at the
            # pipeline's end, and a failed one needs no ROLLBACK.
            with connection.pipeline():
                connection.execute(_CONTEXT, context)
                answer = connection.execute(statement, values)
            return [row[0] for row in answer]
        except psycopg.Error as error:
            if connection.broken or connection.closed:
                self._disconnect()
                raise _ConnectionLostError(_lost(error)) from None
            raise _error_for(error) from None
        except UnicodeEncodeError:
            self._disconnect()
            raise InvalidInputError("a text can't be written as UTF-8") from None
        except BaseException:
            # Interrupted in the middle of a conversation: what comes next on this connection is not our answer.
            self._disconnect()
            raise

    def _connect(self) -> Connection:
        if self._connection is not None and _is_idle(self._connection):
            return self._connection
        self._disconnect()
        self._connection = connect(self._url)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None


class _ConnectionLostError(Exception):
    """The connection broke during a call; `error` is what to tell if the call isn't repeated."""

    def __init__(self, error: TickctlError) -> None:
        super().__init__()
        self.error = error


def connect(url: Secret) -> Connection:
    """Open a connection in autocommit mode that prepares no statements, as poolers want it.

    Raises:
        ConfigurationError: the URL can't be read, or names a database that does not exist.
        CredentialsRefusedError: the server refused the user or the password.
        UnreachableError: no connection came about.
    """
    # Neither the URL nor what libpq says of it leaves this function: a password with an unescaped "@" or "/" is read
    # as a part of the host's name, and is then quoted in the message.
    try:
        given = conninfo_to_dict(url.reveal())
    except (psycopg.Error, UnicodeEncodeError, ValueError):
        raise ConfigurationError(
            "the database's URL can't be read",
            hint="write postgresql://user:password@host:port/database, with special characters percent-encoded",
        ) from None
    defaults: dict[str, str | int] = {
        "connect_timeout": CONNECT_TIMEOUT,
        "application_name": "tickctl",
        "tcp_user_timeout": 15_000,
    }
    try:
        conninfo = make_conninfo("", **(defaults | given))
        return psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)
    except (psycopg.Error, UnicodeError, ValueError) as error:
        raise connection_failure(str(error)) from None


def login_role(url: Secret) -> str | None:
    """Return the role that a URL names, for telling people as whom we act; `None` where libpq decides."""
    try:
        user = conninfo_to_dict(url.reveal()).get("user")
    except (psycopg.Error, UnicodeEncodeError, ValueError):
        return None
    return str(user) if user else None


def _is_idle(connection: Connection) -> bool:
    """Tell whether a kept connection waits for us; nothing is sent.

    A server or pooler that has hung up has left something to read: its farewell or the end of the stream.
    """
    if connection.closed:
        return False
    waiting = select.poll()  # select() can't watch a descriptor above 1023, as a busy gateway has
    waiting.register(connection.fileno(), select.POLLIN)
    return not waiting.poll(0)


def _statement(name: str, arguments: JsonObject) -> tuple[sql.Composed, list[str | None]]:
    if not all(_NAME.fullmatch(word) for word in (name, *arguments)):
        raise InvalidInputError("not the name of a function and its arguments")
    named = sql.SQL(", ").join(sql.SQL("{} => %s").format(sql.Identifier(argument)) for argument in arguments)
    statement = sql.SQL("select to_jsonb(answer.*) from {}({}) as answer").format(sql.Identifier("public", name), named)
    return statement, [_text(value) for value in arguments.values()]


def _text(value: Json) -> str | None:
    """Return a value as text without a type, which the server reads as the type of the parameter.

    So a number too large for it is out of range (22003), as through PostgREST, rather than meant for a function that
    does not exist.
    """
    if value is None:
        return None
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidInputError("a text holds a NUL character, which PostgreSQL can't store")
        return str(value)
    return json.dumps(value)


def _error_for(error: psycopg.Error) -> TickctlError:
    if error.sqlstate is None:
        return UnreachableError("the database gave no usable answer")
    return error_for(error.sqlstate, error.diag.message_primary or "", error.diag.message_hint)


def _lost(error: psycopg.Error) -> TickctlError:
    """Return what to tell of a broken connection; what the server said last, where it did."""
    reason = _error_for(error).message if error.sqlstate else "the connection to the database was lost"
    return UnreachableError(reason, hint="whether the call was carried out is not known; look before repeating it")
