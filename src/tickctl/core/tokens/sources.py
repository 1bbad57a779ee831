"""Where the keys come from: a fixed set, or a published one that is fetched, aged and bounded."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, Protocol

from tickctl.core.tokens.algorithms import Algorithm
from tickctl.core.tokens.jws import Header
from tickctl.core.tokens.keys import KeySet
from tickctl.errors import ConfigurationError, UnreachableError

# Supabase's edge keeps a published set for 10 minutes, so asking more often brings nothing new.
MAX_AGE: Final = 600.0
# An unknown `kid` is unauthenticated input; it buys one request in this time.
COOLDOWN: Final = 30.0
# While nothing at all is held, a failed request is repeated sooner.
RETRY: Final = 5.0
# How long an outage of the key server may go unnoticed; a revoked key is trusted no longer than this.
LAST_GOOD: Final = 3600.0
_HINT: Final = "check SUPABASE_URL and the network, or configure the keys by hand"


class KeySource(Protocol):
    """Gives the set of keys by which to judge a token with a given (unverified) header."""

    def current(self, header: Header) -> KeySet:
        """Return the set in force, the same object as long as its keys are the same.

        Raises:
            UnreachableError: there is none, and none could be had.
        """
        ...

    def refreshed(self, header: Header) -> KeySet:
        """Return a set that is fresh enough to say that a key is unknown, after at most one attempt to renew it.

        Raises:
            UnreachableError: there is none.
        """
        ...


@dataclass(frozen=True, slots=True)
class StaticKeys:
    """A set that never changes: a configured secret, or a JWK set from a file."""

    keys: KeySet

    def current(self, header: Header) -> KeySet:  # noqa: ARG002 - the protocol has it
        """Return the set."""
        return self.keys

    def refreshed(self, header: Header) -> KeySet:  # noqa: ARG002 - the protocol has it
        """Return the set: there is nothing to renew."""
        return self.keys


class KeyCopy(Protocol):
    """A copy of the published document that outlives the process, with the time at which it was fetched."""

    def load(self) -> tuple[bytes, float] | None:
        """Return the document and its epoch seconds, or `None` if there is no copy that can be trusted."""
        ...

    def save(self, document: bytes, fetched_at: float) -> None:
        """Keep the document; failing to is not an error."""
        ...


@dataclass(frozen=True, slots=True)
class _Held:
    """The published keys with the configured ones, and when they were fetched (seconds of the source's clock)."""

    published: KeySet
    merged: KeySet
    fetched_at: float


class RemoteKeys:
    """The set that a project publishes, together with keys that were configured by hand.

    What the configured keys decide causes no request. HS256 never does: published sets hold no symmetric keys, and
    one that is found there is not used. A set is used for 10 minutes, after that until it could be renewed, and for
    an hour at most. One thread fetches, beside those who verify. Nobody waits for it but who has no keys, an unknown
    key, or only the copy of an earlier process that is older than 10 minutes.

    Args:
        fetch: gets the JWK set document from its URL, or raises `UnreachableError`.
        clock: seconds; wall-clock time where `copy` is given, since that is the time which a copy is labelled with.
        local: the configured keys.
        copy: keeps the document for the next process.
    """

    def __init__(
        self,
        fetch: Callable[[], bytes],
        *,
        clock: Callable[[], float] = time.time,
        local: KeySet | None = None,
        copy: KeyCopy | None = None,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._local = KeySet() if local is None else local
        self._copy = copy
        self._lock = threading.Lock()
        self._held: _Held | None = None
        self._attempted_at: float | None = None
        self._problem, self._hint = "the last attempt failed a moment ago", _HINT
        self._fetching: Future[str | None] | None = None
        self._has_fetched = False
        self._unread_copy = copy

    def current(self, header: Header) -> KeySet:
        """Return the configured keys if they decide, else the published ones too, however old within their hour."""
        keys = self.at_hand(header, MAX_AGE)
        return self._waited_for(header, MAX_AGE, LAST_GOOD) if keys is None else keys

    def refreshed(self, header: Header) -> KeySet:
        """Return keys that were fetched no longer than 30 s ago, by at most one request."""
        keys = self.at_hand(header, COOLDOWN)
        return self._waited_for(header, COOLDOWN, COOLDOWN) if keys is None else keys

    def at_hand(self, header: Header, oldest: float) -> KeySet | None:
        """Return the set for this header if it is younger than `oldest` seconds; never waits."""
        if self._is_local(header):
            return self._local
        key_set = self._held
        return key_set.merged if key_set is not None and _younger(key_set.fetched_at, oldest, self._clock()) else None

    def fetching(self, oldest: float) -> "Future[str | None] | None":
        """Return the fetch that is under way, begun now if the set is `oldest` seconds old; never waits.

        Its result is what went wrong. There is none where the set is younger, or the pause after the last attempt is
        not over yet.
        """
        with self._lock:
            self._read_copy()
            key_set, now = self._held, self._clock()
            if key_set is not None and _younger(key_set.fetched_at, oldest, now):
                return None
            if self._fetching is None and self._may_ask(key_set, now):
                self._begin(now)
            return self._fetching

    def unreachable(self) -> UnreachableError:
        """Return the error of there being no keys that are young enough."""
        return UnreachableError(f"the project's signing keys can't be fetched: {self._problem}", hint=self._hint)

    def _is_local(self, header: Header) -> bool:
        """Tell whether the configured keys decide alone, so that nothing published could change the verdict."""
        if header.algorithm is Algorithm.HS256:
            return True
        return header.key_id is not None and bool(self._local.candidates(header.key_id, header.algorithm))

    def _waited_for(self, header: Header, oldest: float, enough: float) -> KeySet:
        fetch = self.fetching(oldest)
        keys = self.at_hand(header, enough)
        if fetch is not None and (keys is None or not self._has_fetched):
            fetch.result()
            keys = self.at_hand(header, enough)
        if keys is None:
            raise self.unreachable()
        return keys

    def _begin(self, now: float) -> None:
        fetch: Future[str | None] = Future()
        fetch.set_running_or_notify_cancel()  # nobody who waits may cancel it for the others
        # A thread that the end of the process doesn't wait for.
        thread = threading.Thread(target=self._work, args=(fetch, now), name="tickctl-keys", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._problem, self._hint = "there is no thread left for it", "end other programs, and try again"
        else:
            self._fetching, self._attempted_at = fetch, now

    def _work(self, fetch: "Future[str | None]", now: float) -> None:
        problem, hint = None, _HINT
        try:
            self._take(self._fetch(), now, save=True)
        except (UnreachableError, ConfigurationError) as error:
            problem, hint = error.message, error.hint or _HINT
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            problem = f"an unexpected {type(error).__name__}"
        with self._lock:
            if problem is not None:
                self._problem, self._hint = problem, hint
            self._has_fetched, self._fetching = True, None
        fetch.set_result(problem)

    def _may_ask(self, held: _Held | None, now: float) -> bool:
        """Tell whether the pause after the last attempt is over; it is shorter while there is nothing to judge by."""
        usable = held is not None and _younger(held.fetched_at, LAST_GOOD, now)
        pause = COOLDOWN if usable else RETRY
        return self._attempted_at is None or not _younger(self._attempted_at, pause, now)

    def _read_copy(self) -> None:
        copy, self._unread_copy = self._unread_copy, None
        copied = copy.load() if copy is not None else None
        if copied is None:
            return
        document, fetched_at = copied
        try:
            self._take(document, fetched_at, save=False)
        except ConfigurationError:
            return
        # The process that wrote the copy made this attempt; the pause after it holds for all of them.
        self._attempted_at = fetched_at

    def _take(self, document: bytes, fetched_at: float, *, save: bool) -> _Held:
        published = KeySet.from_jwks(document, allow_symmetric=False)
        previous = self._held
        # The same keys stay the same object: caches of verified tokens are bound to it.
        if previous is not None and previous.published == published:
            self._held = _Held(previous.published, previous.merged, fetched_at)
        else:
            self._held = _Held(published, self._local.merge(published), fetched_at)
        if save and self._copy is not None:
            self._copy.save(document, fetched_at)
        return self._held


def _younger(then: float, seconds: float, now: float) -> bool:
    # A time in the future is no time to rely on: the clock was set back, or a copy was labelled wrongly.
    return 0 <= now - then < seconds
