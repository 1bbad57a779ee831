"""Verification on an event loop: published keys are fetched beside it, and only who can't do without them waits."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from tickctl.core.tokens import Header, KeySet, KeySource, Policy, RememberedTokens, RemoteKeys, TokenVerifier, Verdict
from tickctl.core.tokens.sources import COOLDOWN, LAST_GOOD, MAX_AGE

if TYPE_CHECKING:
    from concurrent.futures import Future

MOST_WAITING: Final = 256
"""Requests that may wait for keys; more are judged by what is there."""
_log: Final = logging.getLogger("tickctl.gateway")


class GateVerifier:
    """Verifies tokens as `TokenVerifier` does, without a directory, for one event loop.

    With keys of less than ten minutes, nothing is asked and nobody waits. Older ones, up to an hour, are still used
    while others are fetched. A request waits only where there are no keys at all, or its token names an unknown one;
    all of them wait for the same fetch, and after it nobody for half a minute.

    Args:
        keys: the project's keys; other than `RemoteKeys`, they must not block.
        policy: the rules for tokens.
        remembered: the tokens that passed.
    """

    def __init__(self, keys: KeySource, policy: Policy, remembered: RememberedTokens | None = None) -> None:
        self._keys = _LoopKeys(keys) if isinstance(keys, RemoteKeys) else None
        self._verifier = TokenVerifier(keys if self._keys is None else self._keys, policy, remembered=remembered)
        self._waiting = 0

    async def verify(self, token: str, clock: Callable[[], float], patience: float) -> Verdict:
        """Return the verdict about a token; no token makes this raise.

        Args:
            token: the compact JWS.
            clock: epoch seconds.
            patience: seconds to wait for keys at most.
        """
        if self._keys is None:
            return self._verifier.verify(token, clock())
        self._keys.start_anew()
        verdict = self._verifier.verify(token, clock())
        fetch = self._keys.awaited
        if fetch is None or self._waiting >= MOST_WAITING:
            return verdict
        self._waiting += 1
        try:
            await asyncio.wait([_arrival(fetch)], timeout=patience)
        finally:
            self._waiting -= 1
        return self._verifier.verify(token, clock()) if fetch.done() else verdict


class _LoopKeys:
    """The keys that are there; others are fetched in the background.

    Attributes:
        awaited: the fetch that could change the last answer.
    """

    def __init__(self, remote: RemoteKeys) -> None:
        self.awaited: Future[str | None] | None = None
        self._remote = remote
        self._reported: Future[str | None] | None = None

    def start_anew(self) -> None:
        """Forget what an earlier answer left to be awaited."""
        self.awaited = None

    def current(self, header: Header) -> KeySet:
        """Return the set that is held; see `KeySource`."""
        return self._held(header, MAX_AGE, LAST_GOOD)

    def refreshed(self, header: Header) -> KeySet:
        """Return the set that is held if it is fresh; see `KeySource`."""
        return self._held(header, COOLDOWN, COOLDOWN)

    def _held(self, header: Header, oldest: float, enough: float) -> KeySet:
        keys = self._remote.at_hand(header, oldest)
        if keys is not None:
            return keys
        fetch = self._remote.fetching(oldest)
        if fetch is not None and fetch is not self._reported:
            self._reported = fetch
            fetch.add_done_callback(_report)
        keys = self._remote.at_hand(header, enough)
        if keys is None:
            self.awaited = fetch
            raise self._remote.unreachable()
        return keys


def _report(fetch: "Future[str | None]") -> None:
    if (problem := fetch.result()) is not None:
        _log.warning("the project's signing keys can't be fetched: %s", problem)


def _arrival(fetch: "Future[str | None]") -> asyncio.Future[None]:
    """Return a future of this event loop that is done when the fetch is."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[None] = loop.create_future()

    def tell(_: "Future[str | None]") -> None:
        with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            loop.call_soon_threadsafe(arrived.set_result, None)

    fetch.add_done_callback(tell)
    return arrived
