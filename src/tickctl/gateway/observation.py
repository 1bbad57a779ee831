"""What can be observed of protected requests: decisions, what became of them, and the steps of settlements."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

GRANTED: Final = "granted"
FAILED: Final = "failed"


@dataclass(slots=True)
class Decided:
    """What the gate decided about a request; reported before the handler begins.

    Attributes:
        method: of the request.
        route: the path of the pattern that protects it, such as `/v1/{org}/tasks`; "" where a function does.
        decision: `granted`, the code of the problem, or `failed` if a function for the cost did.
        status: of the rejection; `None` if the request was allowed.
        user_id: whose request it was, once the token is known to be good.
        ticks: what it asked for, once that is known.
        verify_seconds: spent on the token, with waiting for signing keys.
        body_seconds: spent on waiting for the body and working out the cost.
        store_seconds: spent on waiting for the database.
    """

    method: str
    route: str
    decision: str = GRANTED
    status: int | None = None
    user_id: str | None = None
    ticks: int | None = None
    verify_seconds: float = 0.0
    body_seconds: float = 0.0
    store_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        """All that was spent on the decision."""
        return self.verify_seconds + self.body_seconds + self.store_seconds


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of an allowed request; reported when its handler is done.

    Attributes:
        decided: what was reported before.
        status: of the handler's answer, 500 if it raised an exception; `None` if there was no answer.
        settled: to how many ticks the charge was settled, 0 if it is refunded; `None` if it stands. Settlements are
            carried out in the background, and `Settler.lost` counts those that could not be.
        lost: whether the client hung up, so that nobody got the answer, or not all of it.
        seconds: from the decision on.
    """

    decided: Decided
    status: int | None
    settled: int | None
    lost: bool
    seconds: float

    @property
    def refunded(self) -> bool:
        """Whether the whole charge is given back."""
        return self.settled == 0


class Step(StrEnum):
    """What happened to a settlement."""

    SUBMITTED = "submitted"
    RETRIED = "retried"
    """An attempt failed, and there will be another."""
    SETTLED = "settled"
    LOST = "lost"
    """It was given up; the log says how to do it by hand."""


@dataclass(frozen=True, slots=True)
class Settling:
    """A step of a settlement that runs in the background; reported when it happens.

    Attributes:
        step: what happened.
        charge_id: which charge is settled.
        waiting: settlements that the database doesn't have yet, after this step.
    """

    step: Step
    charge_id: str
    waiting: int


Observation: TypeAlias = Decided | Handled | Settling
Observer: TypeAlias = Callable[[Observation], None]
