"""What the log says about settlements: why they wait, once, and which are given up, each."""

import logging
from typing import Final

from tickctl.errors import TickctlError, UnreachableError

_log: Final = logging.getLogger("tickctl.gateway")


class SettlingLog:
    """Says each cause once until settlements go on, however many wait for it, and nothing that may be secret."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def waits(self, error: Exception) -> None:
        """Say why settlements have to wait; of an error that isn't ours only the kind, as its text may be anything."""
        match error:
            case UnreachableError():
                self._once(logging.WARNING, error.message)
            case TickctlError():
                self._once(logging.ERROR, f"{error.message}; {error.hint}" if error.hint else error.message)
            case _:
                self._once(logging.ERROR, f"an unexpected {type(error).__name__}")

    def goes_on(self) -> None:
        """Say that what kept settlements waiting is over, if anything did."""
        if self._said:
            self._said.clear()
            _log.info("charges are settled again")

    def gone(self, charge_id: str) -> None:
        """Say that there is no such charge any more, which nobody has to do anything about."""
        _log.warning("charge %s is not settled: it exists no longer, as when its user was deleted", charge_id)

    def lost(self, charge_id: str, ticks_actual: int, why: str) -> None:
        """Say that a settlement is given up, and how somebody can make up for it; a second time does no harm."""
        by_hand = f"select public.settle_ticks('{charge_id}', {ticks_actual})"
        _log.error("charge %s may not be settled: %s; to do it by hand: %s", charge_id, why, by_hand)

    def _once(self, level: int, cause: str) -> None:
        if cause not in self._said:
            self._said.add(cause)
            _log.log(level, "charges can't be settled and wait: %s", cause)
