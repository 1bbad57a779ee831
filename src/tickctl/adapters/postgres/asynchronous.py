"""The SQL functions over shared connections to PostgreSQL, for an event loop."""

import asyncio
from types import TracebackType
from typing import Final, Self
from weakref import WeakKeyDictionary

from psycopg.waiting import wait_async

from tickctl.adapters.postgres.connecting import AsyncConnection
from tickctl.adapters.postgres.connections import Connections
from tickctl.adapters.postgres.exchange import INTERVAL, Call, ConnectionLostError, StatementsLostError, exchange
from tickctl.core.json import JsonObject
from tickctl.core.quota import Caller, may_be_repeated
from tickctl.core.secrets import Secret
from tickctl.errors import TickctlError

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
        self._exchanges: set[asyncio.Task[list[JsonObject]]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Hear out what is under way, which the time-out bounds, and close all connections; a call opens others."""
        try:
            await asyncio.gather(*self._exchanges, return_exceptions=True)
        finally:
            await self._connections.aclose()

    async def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Call `public.<name>`; see `tickctl.core.quota.SqlFunctions`."""
        call = Call.of(name, arguments, caller)
        until = asyncio.get_running_loop().time() + self._timeout
        try:
            return await self._once(call, until)
        except ConnectionLostError as lost:
            if lost.late or not may_be_repeated(name, arguments):
                raise lost.error from None
        try:
            return await self._once(call, until)
        except ConnectionLostError as lost:
            raise lost.error from None

    async def _once(self, call: Call, until: float) -> list[JsonObject]:
        # Whoever gives up while waiting for a connection has sent nothing.
        connection = await self._connections.take(until)
        task = asyncio.create_task(self._exchange(connection, call, until))
        self._exchanges.add(task)
        task.add_done_callback(self._leave)
        # Nobody may be left in the middle: it would cost the connection, and the server works on.
        return await asyncio.shield(task)

    async def _exchange(self, connection: AsyncConnection, call: Call, until: float) -> list[JsonObject]:
        try:
            try:
                return await self._converse(connection, call, until)
            except StatementsLostError:
                self._prepared = None
                return await self._converse(connection, call, until)
        except TickctlError:
            raise
        except BaseException:
            # Broken, or the event loop ends: what comes next on this connection is not our answer.
            await connection.close()
            raise
        finally:
            await self._connections.give_back(connection)

    async def _converse(self, connection: AsyncConnection, call: Call, until: float) -> list[JsonObject]:
        clock = asyncio.get_running_loop().time
        share = _SERVERS_SHARE * (until - clock())
        prepared = None if self._prepared is None else self._prepared.setdefault(connection, set())
        steps = exchange(connection.pgconn, call, statement_timeout=share, until=until, clock=clock, prepared=prepared)
        # The connection's own `wait` would answer a cancellation with seconds of asking the server to cancel.
        return await wait_async(steps, connection.pgconn.socket, INTERVAL)

    def _leave(self, exchange: asyncio.Task[list[JsonObject]]) -> None:
        self._exchanges.discard(exchange)
        if not exchange.cancelled():
            exchange.exception()  # seen, even if nobody waits any more
