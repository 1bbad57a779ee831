"""Tokens that passed, remembered by their whole text: bounded in number and in bytes."""

import random
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from tickctl.core.json import Json
from tickctl.core.tokens.claims import UserClaims
from tickctl.core.tokens.jws import Header
from tickctl.core.tokens.keys import KeySet
from tickctl.core.tokens.verdict import Verdict

DEFAULT_TOKENS: Final = 10_000
DEFAULT_BYTES: Final = 96 * 1024 * 1024
_OVERHEAD: Final = 3000
"""Bytes of what is kept with each token besides its text and its claims."""
_NEWCOMERS: Final = 1 / 8


class Passed(NamedTuple):
    """A token that passed all that its own text decides, the keys that said so, and the verdict so far."""

    keys: KeySet
    header: Header
    user: UserClaims
    verdict: Verdict


class RememberedTokens:
    """Remembers tokens; may be shared by threads.

    Where all room is taken, the oldest makes room if it has expired. Otherwise only one newcomer in eight is let in:
    if the newest always replaced the oldest, one user more than there is room for would leave nobody remembered.

    Args:
        most_tokens: how many to remember; 0 remembers none.
        most_bytes: about how much memory they may take together.
        chance: a number from 0 up to 1.
    """

    def __init__(
        self,
        most_tokens: int = DEFAULT_TOKENS,
        most_bytes: int = DEFAULT_BYTES,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._most_tokens = most_tokens
        self._most_bytes = most_bytes
        self._chance = chance
        self._tokens: OrderedDict[str, tuple[Passed, int]] = OrderedDict()
        self._lock = threading.Lock()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._tokens)

    def get(self, compact: str) -> Passed | None:
        """Return what is remembered of a token."""
        entry = self._tokens.get(compact)
        return None if entry is None else entry[0]

    def add(self, compact: str, passed: Passed, now: float) -> None:
        """Remember a token, if there is room."""
        weight = _OVERHEAD + len(compact) + _size(dict(passed.verdict.claims))
        if weight > self._most_bytes or not self._most_tokens:
            return
        with self._lock:
            if self._is_full(weight):
                oldest, _ = next(iter(self._tokens.values()))
                if now <= oldest.user.expires_at and self._chance() >= _NEWCOMERS:
                    return
            self._discard(compact)
            while self._is_full(weight):
                _, (_, freed) = self._tokens.popitem(last=False)
                self.bytes -= freed
            self._tokens[compact] = passed, weight
            self.bytes += weight

    def discard(self, compact: str) -> None:
        """Forget a token."""
        with self._lock:
            self._discard(compact)

    def _discard(self, compact: str) -> None:
        _, freed = self._tokens.pop(compact, (None, 0))
        self.bytes -= freed

    def _is_full(self, weight: int) -> bool:
        return len(self._tokens) >= self._most_tokens or self.bytes + weight > self._most_bytes


def _size(document: Json) -> int:
    """Return about how many bytes of memory a JSON document takes."""
    size, values = 0, [document]
    while values:
        value = values.pop()
        size += sys.getsizeof(value)
        if isinstance(value, dict):
            values += value
            values += value.values()
        elif isinstance(value, list):
            values += value
    return size
