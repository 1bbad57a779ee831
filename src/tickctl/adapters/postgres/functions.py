"""The SQL functions over one connection to PostgreSQL, for those who wait."""

from contextlib import suppress
from threading import Lock
from time import monotonic
from types import TracebackType
from typing import Final, Self

import psycopg

from tickctl.adapters.postgres.connecting import Connection, connect, is_idle
from tickctl.adapters.postgres.exchange import INTERVAL, Call, ConnectionLostError, exchange
from tickctl.core.json import JsonObject
from tickctl.core.quota import READ_ONLY, REPEATABLE, Caller
from tickctl.core.secret import Secret
from tickctl.errors import TickctlError, UnreachableError

STATEMENT_TIMEOUT: Final = 10.0
"""Seconds that the server may take for one call."""
_SLACK: Final = 5.0
"""Seconds by which a server that lives may be late with saying that the time is over."""


class PostgresFunctions:
    """Calls SQL functions as PostgREST would: the caller's role and claims, JSON in, JSON out.

    Each call is one transaction and one round trip. The connection is opened by the first call, kept, and holds no
    state between calls, so it works through a transaction pooler. Calls from several threads take turns; give each
    thread its own instance to run them at once.

    Args:
        url: a libpq URL or connection string of a user who may switch to the callers' roles, as `postgres` and
            `authenticator` may on Supabase.
        statement_timeout: seconds; a server that is silent for 5 more is given up.
    """

    def __init__(self, url: Secret, *, statement_timeout: float = STATEMENT_TIMEOUT) -> None:
        self._url = url
        self._statement_timeout = statement_timeout
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
        call = Call.of(name, arguments, caller)
        with self._lock:
            is_kept = self._connection is not None
            try:
                return self._run(call)
            except ConnectionLostError as lost:
                # What writes may have been done; a connection that was made just now breaks for a reason.
                if lost.late or not (is_kept and name in REPEATABLE):
                    raise lost.error from None
                unknown = lost.error
            try:
                return self._run(call)
            except ConnectionLostError as lost:
                raise lost.error from None
            except UnreachableError:
                if name in READ_ONLY:
                    raise
                raise unknown from None  # the repetition was not carried out; the first call may have been

    def _run(self, call: Call) -> list[JsonObject]:
        connection = self._connect()
        until = monotonic() + self._statement_timeout + _SLACK
        steps = exchange(connection.pgconn, call, statement_timeout=self._statement_timeout, until=until)
        try:
            return connection.wait(steps, INTERVAL)
        except TickctlError:
            raise
        except BaseException:
            # Broken, or interrupted in the middle: what comes next on this connection is not our answer.
            self._disconnect()
            raise

    def _connect(self) -> Connection:
        if self._connection is not None and is_idle(self._connection):
            return self._connection
        self._disconnect()
        self._connection = connect(self._url)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None
