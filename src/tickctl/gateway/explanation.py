"""What an explanation of the gateway's answer is made of."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from tickctl.core.quota import Consumption, QuotaState, ratelimit
from tickctl.core.tokens import Verdict
from tickctl.gateway.problem import Problem

GRANTED: Final = "granted"
# Details of steps that cannot be told for want of somebody to ask.
NOBODY_ASKED: Final = "nobody was asked"
NOBODY_KNOWS: Final = "neither an administrator's rights nor an Auth server to be asked are configured"


class StepName(StrEnum):
    """What the gate looks at, in its order; but a token that denies the confirmation is refused for it at once."""

    HEADER = "header"
    SIGNATURE = "signature"
    CLAIMS = "claims"
    TICKS = "ticks"
    ACCOUNT = "account"
    SESSION = "session"
    CONFIRMATION = "confirmation"
    QUOTA = "quota"


class StepResult(StrEnum):
    """How a step ends."""

    PASS = "pass"  # noqa: S105 - a word
    FAIL = "fail"
    CANNOT_TELL = "cannot_tell"
    NOT_REACHED = "not_reached"
    ASSUMED = "assumed"
    """Taken for granted, since no token was given."""


@dataclass(frozen=True, slots=True)
class ExplainedStep:
    """One step, how it ends, and why; nothing of the token."""

    name: StepName
    result: StepResult
    detail: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the gate would answer, and how it comes to that.

    Attributes:
        steps: all of them, in the order in which they were taken; those not reached at the end.
        admitted: whether the request would be let through; `None` where the gate, or whoever explains, can't tell.
        problem: what the gate would answer itself; `None` if it lets the request through, or that isn't known.
        verdict: about the token; `None` if it didn't come to one.
        state: the user's day before the request; `None` where it wasn't asked for, or had no answer.
        consumption: what the database would answer; `None` where that isn't known.
        hint: what to do about an error that came in the place of an answer.
    """

    steps: tuple[ExplainedStep, ...]
    admitted: bool | None
    problem: Problem | None = None
    verdict: Verdict | None = None
    state: QuotaState | None = None
    consumption: Consumption | None = None
    hint: str | None = None

    @property
    def code(self) -> str | None:
        """`granted`, the code of the problem, or `None` where that isn't known."""
        if self.problem is not None:
            return self.problem.code
        return GRANTED if self.admitted else None

    @property
    def headers(self) -> dict[str, str]:
        """The fields of the gate's answer, or those that it adds to the application's."""
        if self.problem is not None:
            return self.problem.fields(self.problem.body())
        return ratelimit.headers(self.consumption) if self.consumption is not None else {}


@dataclass(slots=True)
class Walk:
    """The steps so far."""

    steps: list[ExplainedStep] = field(default_factory=list)
    verdict: Verdict | None = None
    state: QuotaState | None = None

    def note(self, name: StepName, result: StepResult, detail: str) -> None:
        """Add a step."""
        self.steps.append(ExplainedStep(name, result, detail))

    def ended(
        self,
        problem: Problem | None = None,
        *,
        admitted: bool | None,
        consumption: Consumption | None = None,
        hint: str | None = None,
    ) -> Explanation:
        """Return what was found; steps that weren't taken were not reached."""
        taken = {step.name for step in self.steps}
        rest = (ExplainedStep(name, StepResult.NOT_REACHED, "") for name in StepName if name not in taken)
        return Explanation((*self.steps, *rest), admitted, problem, self.verdict, self.state, consumption, hint)
