"""The time on AWS's side: milliseconds, and never the same one twice, so that earlier and later are certain."""

import threading
import time


class Clock:
    """Ticks at least one millisecond from one reading to the next."""

    def __init__(self) -> None:
        self._last = 0.0
        self._ahead = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return seconds since 1970, rounded to milliseconds as AWS gives them."""
        with self._lock:
            self._last = round(max(time.time() + self._ahead, self._last + 0.001), 3)
            return self._last

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._ahead += seconds
