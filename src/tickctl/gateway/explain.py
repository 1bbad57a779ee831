"""Walks the gate's own steps for one request and takes nothing: what would be answered, and what decides it.

Token, body and answer are judged by the code that the gate runs. In place of `consume_ticks`, the rows are read on
which it decides, and `decide` does so, which a property test holds equal to it.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Final

from tickctl.core.quota import Decision, QuotaState, SignedInUser, SqlFunctions, UserRecord, my_ticks
from tickctl.core.secrets import Secret
from tickctl.core.tokens import KeySource, Policy, Step, UserDirectory, Verdict
from tickctl.errors import InvalidInputError, NotFoundError, TickctlError
from tickctl.gateway.cost import Field, GateRequest
from tickctl.gateway.credentials import Headers, bearer_token
from tickctl.gateway.explained_day import STAGES, Account, answered, possible
from tickctl.gateway.explanation import NOBODY_ASKED, NOBODY_KNOWS, Explanation, StepName, StepResult, Walk
from tickctl.gateway.keys import GateVerifier
from tickctl.gateway.options import GateOptions
from tickctl.gateway.problem import Problem, RefusedError
from tickctl.gateway.refusals import decision_problem, error_problem, verdict_problem

KEYS_PATIENCE: Final = 10.0
"""Seconds to wait for published keys: a gateway has had them for long, this process begins without."""
USUAL_LARGEST_COST: Final = 1_000_000
"""The most ticks that a request may ask for, unless `tick.settings` has another number."""

_HEADER: Final = frozenset({Step.FORMAT, Step.HEADER})
_SIGNATURE: Final = frozenset({Step.KEY, Step.SIGNATURE})
_TOKEN_STEPS: Final[Mapping[StepName, tuple[frozenset[Step], str]]] = {
    StepName.HEADER: (_HEADER, "one Bearer token, in the form that Supabase gives it"),
    StepName.SIGNATURE: (_SIGNATURE, "made with a key of the project"),
    StepName.CLAIMS: (
        frozenset(Step) - _HEADER - _SIGNATURE - {Step.EMAIL},
        "a user's token of this project, and in force",
    ),
}
_PASSED: Final[Mapping[StepName, str]] = {
    StepName.ACCOUNT: "the user exists and is not banned",
    StepName.SESSION: "the session has not ended",
    StepName.CONFIRMATION: "the e-mail address is confirmed",
}
_ASSUMED: Final = "taken for granted, since no token was given"


def _unknown() -> None:
    """Know nothing."""


class Explainer:
    """Tells what a gate over the same project would answer; nothing is written, and what is called only reads.

    Args:
        keys: the project's keys.
        policy: the rules for tokens.
        functions: the gate's store; `None` asks nobody.
        directory: who knows of bans, deletions and sessions; `None` where nobody does.
        largest_cost: reads the most ticks that the database lets a request ask for; `None` where that can't be seen.
        options: the gate's.
        clock: epoch seconds.
    """

    def __init__(
        self,
        keys: KeySource,
        policy: Policy,
        functions: SqlFunctions | None,
        *,
        directory: UserDirectory | None = None,
        largest_cost: Callable[[], int | None] = _unknown,
        options: GateOptions | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._verifier = GateVerifier(keys, policy)
        self._require_confirmed = policy.require_confirmed
        self._functions = functions
        self._directory = directory
        self._largest_cost = largest_cost
        self._options = options or GateOptions()
        self._clock = clock

    def of_token(self, token: str, ticks: int, *, at: float | None = None) -> Explanation:
        """Explain a request with a token; not to be called within an event loop.

        Args:
            token: as it would be sent, with `Bearer` before it or without; whatever it is, this doesn't raise.
            ticks: what the body asks for.
            at: as of when the token is judged (epoch seconds), if not now; account and day are always those of now.
        """
        walk = Walk()
        body = self._body(ticks)
        headers = _headers(body, token)
        try:
            caller = self._verified(walk, headers, at)
            self._check_body(walk, headers, body)
        except RefusedError as refused:
            return self._refused(walk, refused.problem)
        if self._functions is None:
            walk.note(StepName.TICKS, StepResult.PASS, _count(ticks))
            for name in STAGES:
                walk.note(name, StepResult.CANNOT_TELL, NOBODY_ASKED)
            return walk.ended(admitted=None)
        try:
            walk.state = my_ticks(self._functions, caller)
        except NotFoundError:
            pass  # the user is gone
        except TickctlError as error:
            walk.note(StepName.TICKS, StepResult.PASS, _count(ticks))
            walk.note(StepName.ACCOUNT, StepResult.CANNOT_TELL, error.message)
            return walk.ended(error_problem(error, self._options.retry_after), admitted=None, hint=error.hint)
        if self._directory is None:
            account = Account(why=NOBODY_KNOWS)
        else:
            account = Account.looked_up(self._directory, caller, self._clock())
        return self._decided(walk, account, ticks)

    def of_user(self, record: UserRecord, state: QuotaState, ticks: int) -> Explanation:
        """Explain a request of a user who would send a good token of a session that has not ended."""
        walk = Walk(state=state)
        for name in _TOKEN_STEPS:
            walk.note(name, StepResult.ASSUMED, _ASSUMED)
        body = self._body(ticks)
        try:
            self._check_body(walk, _headers(body), body)
        except RefusedError as refused:
            return self._refused(walk, refused.problem)
        return self._decided(walk, Account.of_record(record, self._clock()), ticks, assumed=StepName.SESSION)

    def _body(self, ticks: int) -> bytes:
        return json.dumps({Field().name: ticks}).encode()

    def _verified(self, walk: Walk, headers: Headers, at: float | None) -> SignedInUser:
        try:
            token = bearer_token(headers)
        except RefusedError as refused:
            walk.note(StepName.HEADER, StepResult.FAIL, refused.problem.detail)
            raise
        walk.verdict = verdict = asyncio.run(self._verdict(token, at))
        problem = verdict_problem(verdict, self._options.retry_after)
        result = StepResult.CANNOT_TELL if verdict.cannot_tell else StepResult.FAIL
        for name, (steps, passed) in _TOKEN_STEPS.items():
            if problem is not None and verdict.stopped_at in steps:
                walk.note(name, result, verdict.message)
                raise RefusedError(problem)
            walk.note(name, StepResult.PASS, passed)
        if problem is not None:  # by the claim of the project's access-token hook
            walk.note(StepName.CONFIRMATION, result, verdict.message)
            raise RefusedError(problem)
        return SignedInUser(verdict.claims, Secret(token))

    async def _verdict(self, token: str, at: float | None) -> Verdict:
        return await self._verifier.verify(token, self._clock if at is None else lambda: at, KEYS_PATIENCE)

    def _check_body(self, walk: Walk, headers: Headers, body: bytes) -> None:
        async def read_body() -> bytes:
            return body

        try:
            asyncio.run(Field().ticks(GateRequest("POST", "/", b"", headers, read_body)))
        except RefusedError as refused:
            walk.note(StepName.TICKS, StepResult.FAIL, refused.problem.detail)
            raise

    def _refused(self, walk: Walk, problem: Problem) -> Explanation:
        if walk.steps[-1].result is StepResult.FAIL:
            return walk.ended(problem, admitted=False)
        # Who may ask nobody doesn't know what a gateway would learn.
        return walk.ended(None if self._functions is None else problem, admitted=None)

    def _decided(self, walk: Walk, account: Account, ticks: int, *, assumed: StepName | None = None) -> Explanation:
        """Note what the database would decide; what isn't known of the account may be one way or the other."""
        result, detail = self._range(ticks)
        walk.note(StepName.TICKS, result, detail)
        if result is StepResult.FAIL:
            problem = error_problem(InvalidInputError(detail), self._options.retry_after)
            return walk.ended(problem, admitted=False)
        certain = result is StepResult.PASS
        decisions = left = possible(account, walk.state, ticks, require_confirmed=self._require_confirmed)
        for name, refusals in STAGES.items():
            refused = left & refusals
            if refused == left:
                break
            left -= refusals
            if refused:
                certain = False
                walk.note(name, StepResult.CANNOT_TELL, account.why)
            elif name is assumed:
                walk.note(name, StepResult.ASSUMED, _ASSUMED)
            else:
                walk.note(name, StepResult.PASS, self._passed(name, walk.state, ticks))
        consumption = answered(next(iter(left)), walk.state, ticks, self._clock())
        refusal = decision_problem(consumption)
        if refusal is not None:
            walk.note(name, StepResult.FAIL, f"{refusal.detail}{_numbers(name, walk.state, ticks)}")
        if certain and len(left) == 1:
            return walk.ended(refusal, admitted=refusal is None, consumption=consumption)
        return walk.ended(admitted=None if Decision.GRANTED in decisions else False)

    def _range(self, ticks: int) -> tuple[StepResult, str]:
        """Tell whether the database lets a request ask for so many."""
        largest = self._largest_cost()
        if largest is None and ticks > USUAL_LARGEST_COST:
            detail = f"more than the usual {USUAL_LARGEST_COST}; what this database allows can't be seen from here"
            return StepResult.CANNOT_TELL, detail
        if largest is not None and ticks > largest:
            return StepResult.FAIL, f"ticks must be from 1 to {largest}"  # the database's words
        return StepResult.PASS, _count(ticks)

    def _passed(self, name: StepName, state: QuotaState | None, ticks: int) -> str:
        if name is StepName.CONFIRMATION and not self._require_confirmed:
            return "not asked for: SUPABASE_ALLOW_UNCONFIRMED"
        if name is StepName.QUOTA:
            return f"enough ticks are left{_numbers(name, state, ticks)}"
        return _PASSED[name]


def _headers(body: bytes, token: str | None = None) -> Headers:
    """Return the headers of the request, as ASGI has them."""
    length = str(len(body)).encode("ascii")
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    if token is None:
        return headers
    sent = token if token[:7].lower() == "bearer " else f"Bearer {token}"
    # Whatever is no text is no token either.
    return [(b"authorization", sent.encode("utf-8", "surrogatepass")), *headers]


def _count(ticks: int) -> str:
    return f"{ticks} tick{'' if ticks == 1 else 's'} asked for"


def _numbers(name: StepName, state: QuotaState | None, ticks: int) -> str:
    if name is not StepName.QUOTA or state is None:
        return ""
    if state.daily_tick_limit is None:
        return ": the user is unlimited"
    granted = f" and {state.ticks_granted} granted" if state.ticks_granted else ""
    numbers = f"{state.ticks_used} used of {state.daily_tick_limit}{granted}, {state.ticks_remaining} left"
    return f": {numbers}, {_count(ticks)}"
