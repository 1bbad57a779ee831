"""Calls of SQL functions over PostgREST: for an event loop, and for those who wait."""

import asyncio
import re
from dataclasses import replace
from threading import Lock
from types import TracebackType
from typing import Final, Self

from tickctl.adapters.api.address import host_of, rest_url
from tickctl.adapters.api.keys import ApiKey
from tickctl.adapters.api.shared_http import Failure, SharedHttp
from tickctl.adapters.http.reasons import Reason, late
from tickctl.core.json import JsonObject
from tickctl.core.quota import READ_ONLY, REPEATABLE, Caller
from tickctl.core.quota.postgrest import ApiAnswer, read_answer, tells_the_outcome
from tickctl.core.secret import MASK, Secret
from tickctl.errors import InvalidInputError, TickctlError, UncertainError, UnreachableError

TIMEOUT: Final = 10.0
"""Seconds for one call, from its beginning to the end of its answer, a repetition included."""
CONNECTIONS: Final = 8
"""Connections at once, where the server speaks HTTP/1.1; measured by `scripts/bench api`."""

AT_ONCE: Final = 100
"""Calls under way at once; as many as an HTTP/2 server should take on one connection (RFC 9113 section 6.5.2)."""

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]*")
_UNKNOWN: Final = "whether the call was carried out is not known; look before repeating it"


class AsyncApiFunctions:
    """Calls SQL functions through a project's API, as each caller's token or key allows.

    All calls share connections and nothing else. A call whose connection breaks is repeated once, if it only reads or
    counts once for each charge id. Any other call that broke may have been carried out or not.

    For one event loop of asyncio. Close it with `aclose` or `async with`.

    Args:
        url: the project's address, as in `https://<ref>.supabase.co`.
        api_key: the publishable (or anon) key for users, the secret (or service_role) key for operators.
        timeout: seconds for one call; half of them for getting a connection.
        connections: how many at once at most, with HTTP/1.1; with HTTP/2 there is one.

    Raises:
        ConfigurationError: the address or the key is none, or not of the same project.
    """

    def __init__(self, url: str, api_key: Secret, *, timeout: float = TIMEOUT, connections: int = CONNECTIONS) -> None:
        address = rest_url(url)
        self._host = host_of(url)
        self._key = ApiKey.of(api_key, self._host)
        self._timeout = timeout
        self._http = SharedHttp(address, connections=connections, patience=timeout / 2)
        self._places = asyncio.Semaphore(AT_ONCE)
        self._exchanges: set[asyncio.Task[ApiAnswer | Failure]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections, ending calls that are under way; a later call makes others."""
        for exchange in (exchanges := list(self._exchanges)):
            exchange.cancel()
        await asyncio.gather(*exchanges, return_exceptions=True)
        await self._http.aclose()

    async def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Call `public.<name>`; see `tickctl.core.quota.SqlFunctions`.

        Raises:
            ConfigurationError: the key isn't one for this caller; the schema is not set up as it should be.
        """
        if not all(_NAME.fullmatch(word) for word in (name, *arguments)):
            raise InvalidInputError("not the name of a function and its arguments")
        credentials = self._key.headers(caller)
        outcome = await self._outcome(name, arguments, credentials | _preferences(name))
        if isinstance(outcome, Failure):
            raise _looked_at(outcome.error) if outcome.sent and name not in READ_ONLY else outcome.error
        try:
            return read_answer(_without(outcome, credentials))
        except UnreachableError as error:
            if name in READ_ONLY or tells_the_outcome(outcome):
                raise
            raise _looked_at(error) from None

    async def _outcome(self, name: str, arguments: JsonObject, headers: dict[str, str]) -> ApiAnswer | Failure:
        try:
            async with asyncio.timeout(self._timeout):
                # Whoever gives up while waiting for a place has sent nothing.
                await self._places.acquire()
                exchange = asyncio.create_task(self._exchange(name, arguments, headers))
                self._exchanges.add(exchange)
                exchange.add_done_callback(self._leave)
                # An exchange that nobody waits for any more is heard out. Giving it up in the middle would cost the
                # connection, or with HTTP/2 bring it out of step for everybody.
                return await asyncio.shield(exchange)
        except TimeoutError:
            reason = late(self._timeout)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # By aclose, which means the exchange and not the caller.
            reason = Reason("closed during the call", "try again in a while")
        return Failure(reason.error(self._host), sent=True)

    async def _exchange(self, name: str, arguments: JsonObject, headers: dict[str, str]) -> ApiAnswer | Failure:
        clock = asyncio.get_running_loop().time
        given_up = clock() + self._timeout
        async with asyncio.timeout(2 * self._timeout):
            outcome = await self._http.post(name, arguments, headers)
            broken = isinstance(outcome, Failure) and outcome.broken
            if broken and name in REPEATABLE and clock() < given_up:
                repeated = await self._http.post(name, arguments, headers)
                if name in READ_ONLY or _tells_of_both(repeated):
                    return repeated
            return outcome

    def _leave(self, exchange: asyncio.Task[ApiAnswer | Failure]) -> None:
        self._places.release()
        self._exchanges.discard(exchange)
        if not exchange.cancelled():
            exchange.exception()  # seen, even if nobody waits any more


class ApiFunctions:
    """`AsyncApiFunctions` for those who have no event loop: each call is waited for; the arguments are the same.

    It has a loop of its own, so it can't be used within another. Calls from several threads take turns.
    """

    def __init__(self, url: str, api_key: Secret, *, timeout: float = TIMEOUT) -> None:
        self._functions = AsyncApiFunctions(url, api_key, timeout=timeout)
        self._lock = Lock()
        self._runner: asyncio.Runner | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; a later call opens another."""
        with self._lock:
            runner, self._runner = self._runner, None
            if runner is not None:
                with runner:
                    runner.run(self._functions.aclose())

    def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Call `public.<name>`; see `tickctl.core.quota.SqlFunctions`."""
        with self._lock:
            if self._runner is None:
                self._runner = asyncio.Runner()
            return self._runner.run(self._functions.call(name, arguments, caller=caller))


def _preferences(name: str) -> dict[str, str]:
    """Return what is asked of PostgREST beyond the call.

    It gives no more rows than the setting Max rows, without a word about the rest unless it has to count them.
    """
    return {"Prefer": "count=exact"} if name.startswith("tick_admin_") else {}


def _tells_of_both(outcome: ApiAnswer | Failure) -> bool:
    """Whether what a repeated call led to says what became of the first one as well; an outage of its own doesn't."""
    if isinstance(outcome, Failure):
        return False
    try:
        read_answer(outcome)
    except TickctlError as error:
        return not isinstance(error, UnreachableError)
    return True


def _looked_at(error: TickctlError) -> TickctlError:
    """Return an error after which somebody must see what was done, and what wasn't."""
    return UncertainError(error.message, hint=_UNKNOWN)


def _without(answer: ApiAnswer, credentials: dict[str, str]) -> ApiAnswer:
    """Return an error without what was sent in confidence, should the server have repeated it."""
    if answer.status < 300:  # noqa: PLR2004 - RFC 9110 section 15.3
        return answer
    body = answer.body
    for value in credentials.values():
        body = body.replace(value.removeprefix("Bearer ").encode("ascii"), MASK.encode("ascii"))
    return replace(answer, body=body)
