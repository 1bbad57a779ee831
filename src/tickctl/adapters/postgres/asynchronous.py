"""The SQL functions over shared connections to PostgreSQL, for an event loop."""

import asyncio
from types import TracebackType
from typing import Final, Self
from weakref import WeakKeyDictionary

from psycopg.abc import PQGen
from psycopg.waiting import wait_async

from tickctl.adapters.postgres.connecting import AsyncConnection
from tickctl.adapters.postgres.connections import Connections, hang_up
from tickctl.adapters.postgres.exchange import INTERVAL, Call, ConnectionLostError, StatementsLostError, exchange
from tickctl.core.json import JsonObject
from tickctl.core.quota import READ_ONLY, REPEATABLE, Caller
from tickctl.core.secret import Secret
from tickctl.errors import TickctlError, UnreachableError

TIMEOUT: Final = 2.0
"""Seconds for one call, waiting for a connection and a repetition included."""
CONNECTIONS: Final = 8
"""Connections at once."""
_SERVERS_SHARE: Final = 0.9
"""The part of the time after which the server gives up: its word is better than silence, which says nothing."""


class AsyncPostgresFunctions:
    """Calls SQL functions as `PostgresFunctions` does, over a few connections that all calls share.

    A call raises within its time-out whatever the server does, and within moments where nothing listens; the next
    one tries anew. Once sent, it is heard out even if its caller has gone. One whose connection breaks is repeated
    once, if it only reads or carries a request key. Calls leave nothing on a connection, so a transaction pooler may
    stand in between.

    For one event loop of asyncio. Close it with `aclose` or `async with`.

    Args:
        url: a libpq URL or connection string of a user who may switch to the callers' roles, as `postgres` and
            `authenticator` may on Supabase.
        timeout: seconds for one call.
        connections: how many at once at most.
        prepare: whether each connection prepares statements when it first sends them, which spares the server a third
            of its work. For direct connections, and poolers that know of it; with others, which don't find the
            statements again, it is given up at the first error, before anything is done.
    """

    def __init__(
        self, url: Secret, *, timeout: float = TIMEOUT, connections: int = CONNECTIONS, prepare: bool = False
    ) -> None:
        self._timeout = timeout
        self._prepared: WeakKeyDictionary[AsyncConnection, set[bytes]] | None = WeakKeyDictionary() if prepare else None
        self._connections = Connections(url, connections)
        self._unheard: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Hear out whose callers have gone, within the time-out, and close all connections; a call opens others."""
        try:
            await asyncio.gather(*self._unheard, return_exceptions=True)
        finally:
            self._connections.close()

    async def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Call `public.<name>`; see `tickctl.core.quota.SqlFunctions`."""
        call = Call.of(name, arguments, caller)
        until = asyncio.get_running_loop().time() + self._timeout
        unknown: TickctlError | None = None
        try:
            return await self._once(call, until)
        except StatementsLostError:
            self._prepared = None
        except ConnectionLostError as lost:
            if lost.late or name not in REPEATABLE:
                raise lost.error from None
            unknown = lost.error
        try:
            return await self._once(call, until)
        except ConnectionLostError as lost:
            raise lost.error from None
        except UnreachableError:
            if unknown is None or name in READ_ONLY:
                raise
            raise unknown from None  # the repetition was not carried out; the first call may have been

    async def _once(self, call: Call, until: float) -> list[JsonObject]:
        # Whoever gives up while waiting for a connection has sent nothing.
        connection = await self._connections.take(until)
        clock = asyncio.get_running_loop().time
        share = _SERVERS_SHARE * (until - clock())
        prepared = None if self._prepared is None else self._prepared.setdefault(connection, set())
        steps = exchange(connection.pgconn, call, statement_timeout=share, until=until, clock=clock, prepared=prepared)
        try:
            return await self._heard(connection, steps)
        except asyncio.CancelledError:
            # Leaving in the middle would cost the connection, and the server works on. The steps go on where they are.
            task = asyncio.create_task(self._hear_out(connection, steps))
            self._unheard.add(task)
            task.add_done_callback(self._unheard.discard)
            raise

    async def _heard(self, connection: AsyncConnection, steps: PQGen[list[JsonObject]]) -> list[JsonObject]:
        """Return the answer, with the connection given back, unless this is cancelled."""
        try:
            # The connection's own `wait` would answer a cancellation with seconds of asking the server to cancel.
            rows = await wait_async(steps, connection.pgconn.socket, INTERVAL)
        except asyncio.CancelledError:
            raise
        except (TickctlError, StatementsLostError):
            self._connections.give_back(connection)
            raise
        except BaseException:
            # Broken: what comes next on this connection, if anything, is not our answer.
            hang_up(connection)
            self._connections.give_back(connection)
            raise
        self._connections.give_back(connection)
        return rows

    async def _hear_out(self, connection: AsyncConnection, steps: PQGen[list[JsonObject]]) -> None:
        try:
            await self._heard(connection, steps)
        except (TickctlError, StatementsLostError, ConnectionLostError):
            pass  # nobody is left to be told
        except asyncio.CancelledError:
            hang_up(connection)  # the event loop ends
            self._connections.give_back(connection)
            raise
