"""Verification on an event loop: published keys are fetched beside it, and only who can't do without them waits."""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from tickctl.core.tokens import Header, KeySet, KeySource, Policy, RemoteKeys, TokenVerifier, Verdict
from tickctl.core.tokens.sources import MAX_AGE
from tickctl.errors import TickctlError, UnreachableError

MOST_WAITING: Final = 256
"""Requests that may wait for keys; more are judged by what is there."""
_log: Final = logging.getLogger("tickctl.gateway")


class GateVerifier:
    """Verifies tokens as `TokenVerifier` does, without a directory, for one event loop.

    With keys of less than ten minutes, nothing is asked and nobody waits. Older ones, up to an hour, are still used
    while others are fetched. A request waits only where there are no keys at all, or its token names an unknown one;
    all of them wait for the same fetch, and after it nobody for half a minute.

    Args:
        keys: the project's keys.
        policy: the rules for tokens.
    """

    def __init__(self, keys: KeySource, policy: Policy) -> None:
        self._keys = _LoopKeys(keys) if isinstance(keys, RemoteKeys) else None
        self._verifier = TokenVerifier(keys if self._keys is None else self._keys, policy)
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
            await asyncio.wait([fetch], timeout=patience)
        finally:
            self._waiting -= 1
        return self._verifier.verify(token, clock()) if fetch.done() else verdict


class _LoopKeys:
    """The keys that are there. Whoever asks for others makes that they are fetched, in a thread of its own.

    Attributes:
        awaited: the fetch that could change the last answer.
    """

    def __init__(self, remote: RemoteKeys) -> None:
        self.awaited: asyncio.Future[None] | None = None
        self._remote = remote
        self._fetch: asyncio.Future[None] | None = None

    def start_anew(self) -> None:
        """Forget what an earlier answer left to be awaited."""
        self.awaited = None

    def current(self, header: Header) -> KeySet:
        """Return the set that is held; see `KeySource`."""
        if self._remote.would_ask(header, MAX_AGE):
            self._begin(header)
        keys = self._remote.at_hand(header)
        if keys is None:
            self.awaited = self._fetch
            raise UnreachableError(
                "the project's signing keys are not there", hint="check SUPABASE_URL and the network, and try again"
            )
        return keys

    def refreshed(self, header: Header) -> KeySet:
        """Return the set that is held, which may soon be another; see `KeySource`."""
        if self._remote.would_ask(header):
            self._begin(header)
        if not self._remote.is_local(header):
            self.awaited = self._fetch
        return self.current(header)

    def _begin(self, header: Header) -> None:
        if self._fetch is not None:
            return
        fetch = asyncio.get_running_loop().create_future()
        # Neither the loop's executor, which others use, nor a thread that the end of the process would wait for.
        thread = threading.Thread(target=self._work, args=(fetch, header), name="tickctl-keys", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            _log.warning("there is no thread left to fetch the signing keys with")
        else:
            self._fetch = fetch

    def _work(self, fetch: asyncio.Future[None], header: Header) -> None:
        try:
            self._remote.refreshed(header)
        except TickctlError as error:
            _log.warning("%s", error.message)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            _log.error("fetching the signing keys failed with %s", type(error).__name__)
        finally:
            with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
                fetch.get_loop().call_soon_threadsafe(self._end, fetch)

    def _end(self, fetch: asyncio.Future[None]) -> None:
        self._fetch = None
        fetch.set_result(None)
