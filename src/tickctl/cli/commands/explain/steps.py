"""What a gate would answer to one request, and which step decides it; no ticks are taken.

Token, body and answer are judged by the functions that the gate runs, and the rest by the database.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from tickctl.core.quota import Consumption, Decision, SignedInUser, SqlFunctions, consume, ratelimit, remaining
from tickctl.core.secret import Secret
from tickctl.core.tokens import KeySource, Policy, Step, Verdict
from tickctl.errors import InvalidInputError, TickctlError
from tickctl.gateway.cost import Field, GateRequest
from tickctl.gateway.credentials import Headers, bearer_token
from tickctl.gateway.keys import GateVerifier
from tickctl.gateway.observation import GRANTED
from tickctl.gateway.options import GateOptions
from tickctl.gateway.problem import Problem, RefusedError
from tickctl.gateway.refusals import decision_problem, error_problem, verdict_problem

KEYS_PATIENCE: Final = 10.0
"""Seconds to wait for published keys: a gateway has had them for long, this process begins without."""


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


_HEADER: Final = frozenset({Step.FORMAT, Step.HEADER})
_SIGNATURE: Final = frozenset({Step.KEY, Step.SIGNATURE})
_OF_TOKEN: Final[Mapping[StepName, frozenset[Step]]] = {
    StepName.HEADER: _HEADER,
    StepName.SIGNATURE: _SIGNATURE,
    StepName.CLAIMS: frozenset(Step) - _HEADER - _SIGNATURE - {Step.EMAIL},
}
# In the order in which the database refuses.
_OF_DATABASE: Final[Mapping[StepName, frozenset[Decision]]] = {
    StepName.ACCOUNT: frozenset({Decision.USER_NOT_FOUND, Decision.USER_DELETED, Decision.USER_BANNED}),
    StepName.SESSION: frozenset({Decision.SESSION_REVOKED}),
    StepName.CONFIRMATION: frozenset({Decision.ANONYMOUS, Decision.EMAIL_NOT_CONFIRMED}),
    StepName.QUOTA: frozenset({Decision.COST_EXCEEDS_LIMIT, Decision.QUOTA_EXHAUSTED}),
}
_UNPROCESSABLE: Final = 422


@dataclass(slots=True)
class Explanation:
    """What the gate would answer, and how it comes to that.

    Attributes:
        steps: how each ends, in the order in which they are taken; those not reached at the end.
        message: about the step that decides; nothing of the token.
        admitted: whether the request would be allowed; `None` where the gate, or whoever explains, can't tell.
        problem: what the gate would answer itself; `None` if it allows the request, or that isn't known.
        verdict: about the token; `None` if it didn't come to one.
        consumption: what the database decides, with the day before the request; `None` where that isn't known.
        headers: the fields of the gate's answer, or those that it adds to the application's.
        hint: what to do about an error that came in the place of an answer.
    """

    steps: dict[StepName, StepResult] = field(default_factory=dict)
    message: str = ""
    admitted: bool | None = None
    problem: Problem | None = None
    verdict: Verdict | None = None
    consumption: Consumption | None = None
    headers: dict[str, str] = field(default_factory=dict)
    hint: str | None = None

    @property
    def code(self) -> str | None:
        """`granted`, the code of the problem, or `None` where that isn't known."""
        if self.problem is not None:
            return self.problem.code
        return GRANTED if self.admitted else None

    def ends(self, name: StepName, result: StepResult, message: str, problem: Problem | None) -> "Explanation":
        """End at a step that doesn't pass."""
        self.steps[name] = result
        for later in StepName:
            self.steps.setdefault(later, StepResult.NOT_REACHED)
        self.admitted = False if result is StepResult.FAIL else None
        self.message, self.problem = message, problem
        self.headers = problem.fields(problem.body()) if problem is not None else {}
        return self


class Explainer:
    """Tells what a gate over the same project would answer.

    Args:
        keys: the project's keys.
        policy: the rules for tokens.
        functions: the gate's store; `None` asks nobody.
        clock: epoch seconds.
    """

    def __init__(
        self,
        keys: KeySource,
        policy: Policy,
        functions: SqlFunctions | None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._verifier = GateVerifier(keys, policy)
        self._require_confirmed = policy.require_confirmed
        self._functions = functions
        self._retry_after = GateOptions().retry_after
        self._clock = clock

    def of_token(self, token: str, ticks: int, *, at: float | None = None) -> Explanation:
        """Explain a request with a token; not to be called within an event loop.

        Args:
            token: as it would be sent, with `Bearer` before it or without; whatever it is, this doesn't raise.
            ticks: what the body asks for.
            at: as of when the token is judged (epoch seconds), if not now; account and day are always those of now.
        """
        explanation = Explanation()
        functions = self._functions
        caller = self._verified(explanation, token, at)
        if caller is None or not _fits(explanation, ticks):
            return explanation
        if functions is None:
            return explanation.ends(StepName.ACCOUNT, StepResult.CANNOT_TELL, "the database was not asked", None)
        try:
            day = consume(functions, caller, ticks, require_confirmed=self._require_confirmed, carry_out=False)
        except TickctlError as error:
            problem = error_problem(error, self._retry_after)
            if problem.status == _UNPROCESSABLE:
                return explanation.ends(StepName.TICKS, StepResult.FAIL, problem.detail, problem)
            explanation.hint = error.hint
            return explanation.ends(StepName.ACCOUNT, StepResult.CANNOT_TELL, error.message, problem)
        return _decided(explanation, day, ticks)

    def _verified(self, explanation: Explanation, token: str, at: float | None) -> SignedInUser | None:
        try:
            compact = bearer_token(_headers(token))
        except RefusedError as refused:
            explanation.ends(StepName.HEADER, StepResult.FAIL, refused.problem.detail, refused.problem)
            return None
        clock = self._clock if at is None else lambda: at
        verdict = asyncio.run(self._verifier.verify(compact, clock, KEYS_PATIENCE))
        explanation.verdict = verdict
        problem = verdict_problem(verdict, self._retry_after)
        if problem is None:
            explanation.steps |= dict.fromkeys(_OF_TOKEN, StepResult.PASS)
            return SignedInUser(verdict.claims, Secret(compact))
        result = StepResult.CANNOT_TELL if verdict.cannot_tell else StepResult.FAIL
        if verdict.cannot_tell and self._functions is None:
            problem = None  # who may ask nobody doesn't know what a gateway would learn
        for name, steps in _OF_TOKEN.items():
            if verdict.stopped_at in steps:
                break
            explanation.steps[name] = StepResult.PASS
        else:
            name = StepName.CONFIRMATION  # by the claim of the project's access-token hook
        explanation.ends(name, result, verdict.message, problem)
        return None


def explain_user(ticks: int, decide: Callable[[], Consumption]) -> Explanation:
    """Explain a request of a user who would send a good token of a session that has not ended.

    Args:
        ticks: what the body asks for.
        decide: asks the database as an operator.

    Raises:
        TickctlError: what `decide` raises, but for ticks out of range.
    """
    explanation = Explanation(dict.fromkeys(_OF_TOKEN, StepResult.ASSUMED))
    if not _fits(explanation, ticks):
        return explanation
    try:
        day = decide()
    except InvalidInputError as error:
        problem = error_problem(error, 0)
        if problem.status != _UNPROCESSABLE:
            raise
        return explanation.ends(StepName.TICKS, StepResult.FAIL, problem.detail, problem)
    return _decided(explanation, day, ticks, assumed=StepName.SESSION)


def _fits(explanation: Explanation, ticks: int) -> bool:
    """Whether the gate's look at the body lets a request go on."""
    body = json.dumps({Field().name: ticks}).encode()

    async def read_body() -> bytes:
        return body

    try:
        asyncio.run(Field().ticks(GateRequest("POST", "/", b"", [(b"content-type", b"application/json")], read_body)))
    except RefusedError as refused:
        explanation.ends(StepName.TICKS, StepResult.FAIL, refused.problem.detail, refused.problem)
        return False
    explanation.steps[StepName.TICKS] = StepResult.PASS
    return True


def _decided(explanation: Explanation, day: Consumption, ticks: int, assumed: StepName | None = None) -> Explanation:
    explanation.consumption = day
    problem = decision_problem(day, GateOptions().retry_after)
    for name, refusals in _OF_DATABASE.items():
        if problem is not None and day.decision in refusals:
            return explanation.ends(name, StepResult.FAIL, problem.detail, problem)
        explanation.steps[name] = StepResult.ASSUMED if name is assumed else StepResult.PASS
    explanation.admitted, explanation.message = True, "the request would be allowed"
    used = day.ticks_used + ticks
    left = remaining(day.daily_tick_limit, day.ticks_granted, used)
    explanation.headers = ratelimit.headers(replace(day, ticks_used=used, ticks_remaining=left))
    return explanation


def _headers(token: str) -> Headers:
    sent = token if token[:7].lower() == "bearer " else f"Bearer {token}"
    # Whatever is no text is no token either.
    return [(b"authorization", sent.encode("utf-8", "surrogatepass"))]
