"""The one way to wait here: ask again and again, for a bounded time."""

import time
from collections.abc import Callable
from typing import Final

PAUSE: Final = 0.01


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Ask until the condition holds, and return whether it did within the given seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(PAUSE)
    return True
