"""PostgREST's connections: a pool of the login role, and the one that listens for `NOTIFY pgrst`."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from standin.postgrest.config import Config
from standin.postgrest.errors import RestError
from standin.postgrest.schema_cache import SchemaCache, load


class Pool:
    """Connections to the database, opened when they are needed."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._places = threading.Semaphore(config.db_pool)
        self._idle: list[psycopg.Connection] = []
        self._lock = threading.Lock()

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """Lend a connection in autocommit mode.

        Raises:
            RestError: PGRST003 when all are busy for too long, PGRST001 when the database can't be reached.
        """
        if not self._places.acquire(timeout=self._config.db_pool_acquisition_timeout):
            raise RestError("PGRST003", "Timed out acquiring connection from connection pool.")
        try:
            connection = self._take()
            try:
                yield connection
            finally:
                self._give_back(connection)
        finally:
            self._places.release()

    def _take(self) -> psycopg.Connection:
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if not connection.closed:
                    return connection
        try:
            return connect(self._config)
        except psycopg.OperationalError:
            raise lost_connection() from None

    def _give_back(self, connection: psycopg.Connection) -> None:
        with suppress(psycopg.Error):
            connection.rollback()
        with self._lock:
            if not connection.closed:
                self._idle.append(connection)

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()


class Listener:
    """Keeps the schema cache, and loads it anew when somebody says `notify pgrst, 'reload schema'`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._connection: psycopg.Connection | None = None
        self._cache: SchemaCache | None = None

    def cache(self) -> SchemaCache:
        """Return the cache, after all notifications that were committed before this call.

        Raises:
            RestError: PGRST002, the database can't be asked.
        """
        with self._lock:
            try:
                return self._current()
            except psycopg.Error:
                self._disconnect()
            # A connection that broke may stand for a database that was restarted meanwhile.
            try:
                return self._current()
            except psycopg.Error:
                self._disconnect()
                message = "Could not query the database for the schema cache. Retrying."
                raise RestError("PGRST002", message) from None

    def _current(self) -> SchemaCache:
        if self._connection is None:
            self._connection = connect(self._config)
            self._connection.execute("listen pgrst")
            self._cache = None
        # Whatever was notified before is delivered with the answer to a query.
        self._connection.execute("select 1")
        payloads = [notice.payload for notice in self._connection.notifies(timeout=0)]
        if self._cache is None or any(payload in ("", "reload schema") for payload in payloads):
            self._cache = load(self._connection, self._config.db_schemas)
        return self._cache

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._cache = None, None

    def close(self) -> None:
        """Listen no longer."""
        with self._lock:
            self._disconnect()


def connect(config: Config) -> psycopg.Connection:
    """Open a connection of the login role."""
    name = "PostgREST 12.2.12" if config.version < 14 else "PostgREST 14.17"
    # Statements aren't prepared: that would only matter for speed, and breaks when functions are replaced.
    return psycopg.connect(
        config.db_uri, autocommit=True, application_name=name, connect_timeout=5, prepare_threshold=None
    )


def lost_connection() -> RestError:
    """Return what a request is told whose connection broke."""
    message = "Database client error. Retrying the connection."
    return RestError("PGRST001", message, "no connection to the server\n")
