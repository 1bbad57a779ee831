"""Connections that calls share: few, made when they are needed, and never waited for in vain."""

import asyncio
from time import monotonic
from typing import Final
from weakref import WeakKeyDictionary

import psycopg

from tickctl.adapters.postgres.connecting import AsyncConnection, connection_parameters, is_idle, keep_quiet
from tickctl.adapters.postgres.failures import connection_failure
from tickctl.core.secret import Secret
from tickctl.errors import TickctlError, UnreachableError

CONNECT_TIMEOUT: Final = 2
"""Seconds, for each address that the host's name has; psycopg takes no fewer."""
LIFETIME: Final = 3600.0
"""Seconds after which a connection makes room for another, so that a database that moves is followed."""
MOST_WAITING: Final = 512
"""Calls that may wait for a connection; more fail at once."""
PAUSE: Final = 0.1
"""Seconds for which a failure to connect is taken for what the next attempt would bring."""
REST: Final = 1.0
"""Seconds for which a place stays empty if the server gives no connection for it, but has given others."""


class Connections:
    """A pool that answers soon: with a connection, or with the reason why there is none.

    Every place is empty, kept or lent. Who comes takes a place, in the order of coming, and with it the connection
    that was used last, or makes one; so whoever wants a connection meets the error that it meets with, and when the
    database is back the next one finds it.

    For one event loop of asyncio.

    Args:
        url: a libpq URL or connection string.
        most: how many connections there may be.
    """

    def __init__(self, url: Secret, most: int) -> None:
        self._url = url
        self._places = asyncio.Semaphore(most)
        self._waiting = 0
        self._making = 0
        self._lent = 0
        self._kept: list[AsyncConnection] = []
        self._made_at: WeakKeyDictionary[AsyncConnection, float] = WeakKeyDictionary()
        self._failure: TickctlError | None = None
        self._failed_at = 0.0

    async def take(self, until: float) -> AsyncConnection:
        """Return a connection that waits for us; it must be given back.

        Args:
            until: when to give up, by the event loop's clock.

        Raises:
            TickctlError: why there is none.
        """
        while True:
            await self._place(until)
            try:
                connection = self._from_kept() or await self._connect(until)
            except TickctlError:
                if self._lent + self._making == 0:
                    self._places.release()
                    raise
                # Perhaps the server has no more connections than it gives to others; one of those will come free.
                asyncio.get_running_loop().call_later(REST, self._places.release)
            except BaseException:
                self._places.release()
                raise
            else:
                self._lent += 1
                return connection

    def give_back(self, connection: AsyncConnection) -> None:
        """Take a connection back; one that isn't as good as new must be closed by now."""
        if not connection.closed:
            # Those that were lent when everything was closed aren't known any more.
            if monotonic() - self._made_at.get(connection, -LIFETIME) < LIFETIME:
                self._kept.append(connection)
            else:
                hang_up(connection)
        self._lent -= 1
        self._places.release()

    def close(self) -> None:
        """Close all connections that are not lent; the others when they are given back."""
        self._made_at.clear()
        while self._kept:
            hang_up(self._kept.pop())

    async def _place(self, until: float) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        if self._waiting >= MOST_WAITING:
            raise UnreachableError("too many calls wait for the database", hint="try again in a while")
        self._waiting += 1
        try:
            async with asyncio.timeout_at(until):
                await self._places.acquire()
        except TimeoutError:
            problem = "no connection to the database came free in time"
            raise UnreachableError(problem, hint="try again in a while") from None
        finally:
            self._waiting -= 1

    def _from_kept(self) -> AsyncConnection | None:
        while self._kept:
            connection = self._kept.pop()
            if is_idle(connection):
                return connection
            hang_up(connection)  # it was ended while it was kept, as by a restart of the server
        return None

    async def _connect(self, until: float) -> AsyncConnection:
        # Those who come in crowds during an outage need not all knock. Each is told by an error of its own.
        if self._failure is not None and monotonic() - self._failed_at < PAUSE:
            raise _again(self._failure)
        self._making += 1
        try:
            async with asyncio.timeout_at(until):
                connection = await _connected(self._url)
        except TimeoutError:
            # That says as much about the time that was left as about the server.
            raise connection_failure("timeout expired") from None
        except TickctlError as error:
            self._failure, self._failed_at = _again(error), monotonic()
            raise
        finally:
            self._making -= 1
        self._failure = None
        self._made_at[connection] = monotonic()
        return connection


def hang_up(connection: AsyncConnection) -> None:
    """Close a connection at once, whatever it is doing; nothing is waited for."""
    connection.pgconn.finish()


async def _connected(url: Secret) -> AsyncConnection:
    parameters = connection_parameters(url, CONNECT_TIMEOUT)
    keep_quiet()
    try:
        return await psycopg.AsyncConnection.connect(parameters.reveal(), autocommit=True, prepare_threshold=None)
    except (psycopg.Error, UnicodeError, ValueError) as error:
        raise connection_failure(str(error)) from None


def _again(error: TickctlError) -> TickctlError:
    return type(error)(error.message, hint=error.hint)
