"""Connections that calls share: few, made when they are needed, and never waited for in vain."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

import psycopg
from psycopg.rows import TupleRow

from tickctl.adapters.postgres.connecting import AsyncConnection, connection_parameters, is_idle, keep_quiet
from tickctl.adapters.postgres.failures import connection_failure
from tickctl.core.secrets import Secret
from tickctl.errors import TickctlError, UnreachableError

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

CONNECT_TIMEOUT: Final = 2
"""Seconds, for each address that the host's name has; psycopg takes no fewer."""
CONNECT_LIMIT: Final = 10.0
"""Seconds for all addresses together, finding them included."""
MOST_WAITING: Final = 512
"""Calls that may wait for a connection; more fail at once."""
_LONGER: Final = 3600.0  # than any call waits by its own clock
PAUSE: Final = 0.1
"""Seconds for which a failure to connect is taken for what the next attempt would bring."""


class Connections:
    """psycopg's pool, for those who would rather have an error now than a connection later.

    The pool tries again and again, ever more seldom, and lets everybody wait meanwhile, without a word about the
    reason. Here an attempt that fails is told to all who wait, unless there are other connections that will come
    free, and the next call makes the next attempt.

    Args:
        url: a libpq URL or connection string.
        most: how many connections there may be.
    """

    def __init__(self, url: Secret, most: int) -> None:
        self._url = url
        self._most = most
        self._pool: AsyncConnectionPool[AsyncConnection] | None = None
        self._made: WeakSet[AsyncConnection] = WeakSet()
        self._attempts: set[asyncio.Timeout] = set()
        self._waiting: dict[asyncio.Timeout, TickctlError | None] = {}
        self._failure: TickctlError | None = None
        self._failed_at = 0.0

    async def take(self, until: float) -> AsyncConnection:
        """Return a connection that waits for us; it must be given back.

        Args:
            until: when to give up, by the event loop's clock.

        Raises:
            TickctlError: why there is none.
        """
        if self._failure is not None and monotonic() - self._failed_at < PAUSE and not self._lives():
            raise _again(self._failure)
        pool = await self._opened()
        while True:
            connection = await self._next(pool, until)
            if is_idle(connection):
                return connection
            # Ended while it was kept, as by a restart of the server: the pool makes another one for it.
            await connection.close()
            await pool.putconn(connection)

    async def give_back(self, connection: AsyncConnection) -> None:
        """Take a connection back, closed or as good as new; not to be cancelled."""
        if self._pool is None:
            await connection.close()
        else:
            await self._pool.putconn(connection)

    async def aclose(self) -> None:
        """Close all connections that are not taken; the others when they are given back."""
        pool, self._pool = self._pool, None
        if pool is not None:
            for attempt in self._attempts:
                attempt.reschedule(0)
            await pool.close()

    async def _make(self) -> AsyncConnection:
        """Open a connection for the pool.

        Raises:
            psycopg.OperationalError: there was none to be had. The pool's log shows its text, so it is ours.
        """
        try:
            async with asyncio.timeout(CONNECT_LIMIT) as attempt:
                self._attempts.add(attempt)
                try:
                    parameters = connection_parameters(self._url, CONNECT_TIMEOUT)
                    connection = await psycopg.AsyncConnection.connect(
                        parameters.reveal(), autocommit=True, prepare_threshold=None
                    )
                finally:
                    self._attempts.discard(attempt)
        except TickctlError as error:
            failure = error
        except TimeoutError:
            failure = connection_failure("timeout expired")
        except (psycopg.Error, UnicodeError, ValueError) as error:
            failure = connection_failure(str(error))
        else:
            self._made.add(connection)
            self._failure = None
            return connection
        self._fail(failure)
        raise psycopg.OperationalError(failure.message) from None

    async def _opened(self) -> "AsyncConnectionPool[AsyncConnection]":
        if self._pool is None:
            keep_quiet()
            from psycopg_pool import AsyncConnectionPool  # noqa: PLC0415 - the command line has no use for it

            self._pool = AsyncConnectionPool(
                connection_class=_Pooled,
                kwargs={"make": self._make},
                min_size=0,
                max_size=self._most,
                max_waiting=MOST_WAITING,
                open=False,
                # Seconds of trying again before the next call may do so.
                reconnect_timeout=0,
                reconnect_failed=lambda _pool: self._tell_failure(),
                name="tickctl",
            )
            await self._pool.open()
        return self._pool

    async def _next(self, pool: "AsyncConnectionPool[AsyncConnection]", until: float) -> AsyncConnection:
        from psycopg_pool import PoolClosed, TooManyRequests  # noqa: PLC0415 - as above

        patience = asyncio.timeout_at(until)
        self._waiting[patience] = None
        try:
            async with patience:
                return await pool.getconn(timeout=_LONGER)
        except TimeoutError:
            raise (_again(failure) if (failure := self._waiting[patience]) else _late()) from None
        except TooManyRequests:
            raise UnreachableError("too many calls wait for the database", hint="try again in a while") from None
        except PoolClosed:
            raise UnreachableError("the connections to the database were closed") from None
        finally:
            del self._waiting[patience]

    def _fail(self, failure: TickctlError) -> None:
        self._failure, self._failed_at = failure, monotonic()
        self._tell_failure()

    def _tell_failure(self) -> None:
        """Let those who wait have the error, unless connections that others use will come free."""
        if self._failure is None or self._lives():
            return
        for patience in self._waiting:
            if not patience.expired():
                self._waiting[patience] = self._failure
                patience.reschedule(0)

    def _lives(self) -> bool:
        return any(not connection.closed for connection in self._made)


class _Pooled(psycopg.AsyncConnection[TupleRow]):
    """What the pool makes connections with."""

    @classmethod
    async def connect(cls, _conninfo: str = "", *, make: Callable[[], Awaitable[AsyncConnection]]) -> AsyncConnection:  # type: ignore[override]  # the pool gives what it was given
        """Make one."""
        return await make()


def _again(failure: TickctlError) -> TickctlError:
    """Return an error for one more of those whom it is told; each is raised once."""
    return type(failure)(failure.message, hint=failure.hint)


def _late() -> UnreachableError:
    return UnreachableError("no connection to the database came free in time", hint="try again in a while")
