"""Looks at several systems at once, and waits for none of them longer than the time that there is."""

import threading
import time
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import Final, TypeAlias, TypeVar

from tickctl.core.doctor.facts import Problem, Unread
from tickctl.errors import TickctlError, UnreachableError

AT_ONCE: Final = 4
SECONDS: Final = 15.0
"""For all looks together. Each has a time-out of its own; this is for those that add up, as with several addresses."""

T = TypeVar("T")
Look: TypeAlias = Callable[[], object]


def attempt(look: Callable[[], T]) -> T | Problem | Unread:
    """Return what a look gave, or why it gave nothing."""
    try:
        return look()
    except UnreachableError as error:
        return Unread(error.message, error.hint)
    except TickctlError as error:
        return Problem(error.message, error.hint)
    except OSError as error:
        return Unread(f"the system refused: {error.strerror}")
    except Exception as error:  # noqa: BLE001 - one look that fails leaves the others; its text may hold anything
        return Unread(f"tickctl has a bug here ({type(error).__name__})")


def all_of(
    looks: Mapping[str, Look],
    *,
    at_once: int = AT_ONCE,
    seconds: float = SECONDS,
    advance: Callable[[], object] = lambda: None,
) -> dict[str, object]:
    """Carry out looks beside each other and return what each gave.

    The threads are daemons: one that hangs doesn't keep the process.

    Args:
        looks: by name.
        at_once: how many at the same time.
        seconds: for all of them; what hasn't ended by then is unread.
        advance: called after each, to show progress.
    """
    waiting: SimpleQueue[tuple[str, Look]] = SimpleQueue()
    done: SimpleQueue[tuple[str, object]] = SimpleQueue()
    for item in looks.items():
        waiting.put(item)

    def work() -> None:
        while True:
            try:
                name, look = waiting.get_nowait()
            except Empty:
                return
            done.put((name, attempt(look)))

    for _ in range(min(at_once, len(looks))):
        threading.Thread(target=work, daemon=True).start()
    results: dict[str, object] = dict.fromkeys(looks, Unread(f"no answer within {seconds:g} s", "try again"))
    end = time.monotonic() + seconds
    for _ in looks:
        try:
            name, result = done.get(timeout=max(0.0, end - time.monotonic()))
        except Empty:
            break
        results[name] = result
        advance()
    return results
