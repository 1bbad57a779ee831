"""The gate itself: whether one request may go on, decided in one order, whatever the web framework."""

import asyncio
import logging
import secrets
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from tickctl.core.quota import AsyncSqlFunctions, Consumption, Decision, SignedInUser, refund_digest
from tickctl.core.quota.asynchronous import consume
from tickctl.core.secret import Secret
from tickctl.core.tokens import KeySource, Policy, Reason, RememberedTokens, Verdict
from tickctl.errors import TickctlError, UncertainError, UnreachableError
from tickctl.gateway.admission import Admission, Charge, User
from tickctl.gateway.body import ClientGoneError
from tickctl.gateway.cost import GateRequest, ticks_of
from tickctl.gateway.credentials import bearer_token, digest, request_key
from tickctl.gateway.keys import GateVerifier
from tickctl.gateway.observation import FAILED, Decided, Observation, Observer
from tickctl.gateway.options import GateOptions
from tickctl.gateway.problem import RefusedError
from tickctl.gateway.refusals import cannot_tell, decision_problem, error_problem, too_many_at_once, verdict_problem
from tickctl.gateway.settling import Settler

SHORTEST_WAIT: Final = 0.25
"""Seconds that a call of the store needs: with less left of the time-out none is made."""
_log: Final = logging.getLogger("tickctl.gateway")


@dataclass(slots=True)
class _Asked:
    """What a request is found to ask for, and the charge that is to be made for it.

    The same charge id again is the same charge, so a call may be repeated when its connection breaks; the secret is
    what the charge can be settled with.
    """

    user: User
    caller: SignedInUser
    ticks: int
    key: str | None
    digest: str | None
    charge_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    secret: Secret = field(default_factory=lambda: Secret(secrets.token_urlsafe(32)))


class Gate:
    """Lets requests through that carry a good token and for which ticks are left; one for each process and event loop.

    Args:
        keys: the project's keys; other than `RemoteKeys`, they must not block.
        policy: the rules for tokens.
        store: the database's functions.
        settler: gives back what failed requests were charged; one over the store unless given.
        options: the rest.
        observe: called with each decision, and again when the handler is done.
        clock: epoch seconds.
        close: closes the store at the end, where it is the gate's own.
    """

    def __init__(
        self,
        keys: KeySource,
        policy: Policy,
        store: AsyncSqlFunctions,
        *,
        settler: Settler | None = None,
        options: GateOptions | None = None,
        observe: Observer | None = None,
        clock: Callable[[], float] = time.time,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.options = options or GateOptions()
        tokens = RememberedTokens(self.options.remembered_tokens, self.options.remembered_bytes)
        self._verifier = GateVerifier(keys, policy, tokens)
        self._require_confirmed = policy.require_confirmed
        self._leeway = policy.leeway
        self._store = store
        self._observe = observe
        self._settler = Settler(store, observe=self.observe) if settler is None else settler
        self._clock = clock
        self._close = close
        self._calls = 0  # under way
        self._inside: Counter[str] = Counter()  # requests by user
        self._warned: set[str | None] = set()

    async def admit(self, request: GateRequest) -> Admission:
        """Take the ticks for a request.

        Raises:
            RefusedError: it must not be carried out; nothing was taken.
            ClientGoneError: nobody waits for an answer; nothing was taken.
            Exception: whatever a function for the cost raises; nothing was taken.
        """
        decided = request.decided
        try:
            admission = await self._admit(request, decided)
        except RefusedError as refused:
            decided.decision, decided.status = refused.problem.code, refused.problem.status
            self._report(decided)
            raise
        except ClientGoneError:
            raise
        except Exception:
            decided.decision, decided.status = FAILED, 500
            self._report(decided)
            raise
        self._report(decided)
        return admission

    def observe(self, observation: Observation) -> None:
        """Pass on what was observed."""
        if self._observe is not None:
            try:
                self._observe(observation)
            except Exception:  # noqa: BLE001 - metrics must not decide
                _log.exception("the observer failed")

    @property
    def settler(self) -> Settler:
        """What gives charges back, with its counters."""
        return self._settler

    async def aclose(self) -> None:
        """Carry out the refunds that wait, and close what is the gate's own."""
        await self._settler.aclose()
        if self._close is not None:
            await self._close()

    async def _admit(self, request: GateRequest, decided: Decided) -> Admission:
        user, caller = await self._verified(request, decided)
        if self._inside[user.id] >= self.options.most_at_once:
            raise RefusedError(too_many_at_once())
        self._inside[user.id] += 1
        try:
            return await self._charged(request, decided, user, caller)
        finally:
            self._inside[user.id] -= 1
            if not self._inside[user.id]:
                del self._inside[user.id]

    async def _charged(self, request: GateRequest, decided: Decided, user: User, caller: SignedInUser) -> Admission:
        began = time.perf_counter()
        try:
            decided.ticks = ticks = await ticks_of(request.cost, request)
        finally:
            decided.body_seconds = time.perf_counter() - began
        key = request_key(request.headers)
        # Without a body where the cost doesn't need it: it may be of any size, and written anew for each attempt.
        fingerprint = digest(request.method, request.path, request.query, user.id, request.body_bytes or b"")
        charging = _Asked(user, caller, ticks, key, fingerprint)
        began = time.perf_counter()
        try:
            consumption = await self._decision(
                charging, time.monotonic() + self.options.timeout - decided.verify_seconds
            )
        finally:
            decided.store_seconds = time.perf_counter() - began
        if (problem := decision_problem(consumption, self.options.retry_after)) is not None:
            raise RefusedError(problem)
        if consumption.charge_id != charging.charge_id:
            self._find_out(charging)
            raise RefusedError(cannot_tell(self.options.retry_after))
        charge = Charge(charging.charge_id, ticks, charging.secret, self._settler)
        if self._is_over(caller, consumption.now):
            charge.refund()
            _log.warning("a token that is in force here is over by the database's clock: check this machine's clock")
            raise RefusedError(cannot_tell(self.options.retry_after))
        return Admission(user, charge, consumption)

    def _is_over(self, caller: SignedInUser, now: datetime) -> bool:
        """Tell whether a token has expired by the clock of the database, which PostgREST would have looked at, too."""
        expires_at = caller.claims["exp"]
        return not (isinstance(expires_at, int) and now.timestamp() < expires_at + self._leeway)

    async def _verified(self, request: GateRequest, decided: Decided) -> tuple[User, SignedInUser]:
        began = time.perf_counter()
        try:
            token = bearer_token(request.headers)
            verdict = await self._verifier.verify(token, self._clock, self.options.timeout)
        finally:
            decided.verify_seconds = time.perf_counter() - began
        if (problem := verdict_problem(verdict, self.options.retry_after)) is not None:
            if verdict.cannot_tell:
                self._warn(verdict)
            raise RefusedError(problem)
        user = _user(verdict)
        decided.user_id = user.id
        return user, SignedInUser(verdict.claims, Secret(token))

    def _warn(self, verdict: Verdict) -> None:
        """Log why a token can't be judged; an unknown key only once, since anybody can make up its name."""
        if verdict.reason is not Reason.UNKNOWN_KEY:
            _log.warning("a token can't be judged: %s", verdict.message)
        elif verdict.hint not in self._warned:
            self._warned.add(verdict.hint)
            # Not the message, which quotes the token.
            _log.warning("a token is signed with an unknown key: %s", verdict.hint)

    async def _decision(self, asked: _Asked, deadline: float) -> Consumption:
        """Ask the database; where an earlier attempt with this key is to be refunded, do that first and ask again."""
        settled = self._settler.settled
        consumption = await self._consumed(asked, deadline)
        earlier = consumption.charge_id
        if earlier is None or earlier == asked.charge_id:
            return consumption
        if self._settler.is_refunding(earlier):
            await self._settler.hasten(earlier, deadline - time.monotonic())
            if self._settler.is_refunding(earlier):
                return replace(consumption, decision=Decision.UNDER_WAY)
        elif self._settler.settled == settled:  # else it may have been refunded since the database looked
            return consumption
        return await self._consumed(asked, deadline)

    async def _consumed(self, asked: _Asked, deadline: float) -> Consumption:
        """Ask the database, for no longer than is left of the time-out; look for the charge if no answer comes."""
        patience = deadline - time.monotonic()
        if patience < min(SHORTEST_WAIT, self.options.timeout / 2):
            _log.warning("too little of the time-out is left for the store to be asked")
            raise RefusedError(cannot_tell(self.options.retry_after))
        if self._calls >= self.options.most_waiting:
            _log.warning("the store has %d calls under way; refusing more", self._calls)
            raise RefusedError(cannot_tell(self.options.retry_after, "overloaded"))
        self._calls += 1
        try:
            async with asyncio.timeout(patience):
                return await self._asked(asked, deadline - SHORTEST_WAIT)
        except TickctlError as error:
            if _is_uncertain(error):
                self._find_out(asked)
            _log.warning("the store could not decide: %s: %s", error.code, error.message)
            raise RefusedError(error_problem(error, self.options.retry_after)) from None
        except TimeoutError:
            self._find_out(asked)
            _log.warning("the store did not answer within %.1f s", patience)
            raise RefusedError(cannot_tell(self.options.retry_after)) from None
        except asyncio.CancelledError:
            self._find_out(asked)
            raise
        except Exception as error:  # noqa: BLE001 - a store of somebody else's; whatever it is, nobody is let through
            self._find_out(asked)
            # Not its message, which may hold what was sent.
            _log.error("the store failed with %s", type(error).__name__)
            raise RefusedError(cannot_tell(self.options.retry_after)) from None
        finally:
            self._calls -= 1

    async def _asked(self, asked: _Asked, until: float) -> Consumption:
        try:
            return await self._called(asked)
        except UncertainError as unknown:
            if time.monotonic() >= until:
                raise
            try:
                # Under the same charge id it tells what became of the first call, and counts nothing twice.
                return await self._called(asked)
            except UnreachableError:
                raise unknown from None  # this call was not carried out; the first may have been

    async def _called(self, asked: _Asked) -> Consumption:
        return await consume(
            self._store,
            asked.caller,
            asked.ticks,
            asked.key,
            asked.digest,
            charge_id=asked.charge_id,
            refund=refund_digest(asked.secret),
            require_confirmed=self._require_confirmed,
        )

    def _find_out(self, asked: _Asked) -> None:
        """Refund what a call has charged in vain, if it has."""
        self._settler.submit(asked.charge_id, 0, asked.secret, is_certain=False)

    def _report(self, decided: Decided) -> None:
        level = logging.WARNING if decided.status == 503 else logging.INFO  # noqa: PLR2004 - RFC 9110 section 15.6.4
        _log.log(level, "%s user=%s ticks=%s", decided.decision, decided.user_id or "-", decided.ticks or "-")
        self.observe(decided)


def _is_uncertain(error: BaseException) -> bool:
    """Whether a call that failed may have been carried out: as far as the store can't rule that out."""
    return isinstance(error, UncertainError) or not isinstance(error, TickctlError)


def _user(verdict: Verdict) -> User:
    return User(verdict.subject or "", verdict.email, verdict.session_id, verdict.claims)
