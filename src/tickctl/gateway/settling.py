"""Giving ticks back behind the requests' backs: bounded, repeated through outages, and reported where it can't be done.

`settle_ticks` counts once for each charge, so a settlement whose answer was lost may be sent again.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from tickctl.core.quota import Anonymous, AsyncSqlFunctions, Settlement, SettleOutcome
from tickctl.core.quota.asynchronous import settle
from tickctl.core.secret import Secret
from tickctl.errors import ConflictError, InvalidInputError, NotFoundError, TickctlError, UnreachableError
from tickctl.gateway.observation import Observer, Settling, Step

_log: Final = logging.getLogger("tickctl.gateway")

AT_ONCE: Final = 4
"""Settlements under way at once, out of the queue."""
KEEP: Final = 24 * 3600.0
"""Seconds that a settlement is tried for: the day into which it would give ticks back is over by then."""
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
FIND_OUT: Final = 30.0
"""Seconds after which a charge that is not there was never made: no call of the gate's is under way for so long."""
FIND_OUT_CLOSING: Final = 5.0
"""The same while shutting down; longer than the store is given to answer."""
REFUSED_PAUSE: Final = 60.0
"""Seconds until credentials that were refused are tried again: somebody has to mend that."""
DRAIN_PAUSE: Final = 0.25
"""Seconds between attempts while shutting down."""


class _Outcome(Enum):
    DONE = "done"
    """The database has it, or never will."""
    NOT_THERE = "not there"
    """There is no such charge yet."""
    OUTAGE = "outage"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    charge_id: str
    ticks_actual: int
    secret: Secret
    since: float
    is_certain: bool
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Settler:
    """Settles charges, at once or in the background, for one event loop of asyncio; close it with `aclose`.

    What can't be settled now waits in a bounded queue and is tried again, with growing pauses. What can't be settled
    at all is logged at ERROR with charge and amount, for somebody to do it by hand.

    Args:
        store: the database.
        timeout: seconds for one attempt.
        largest_queue: settlements that may wait or be under way; the newest is refused beyond that.
        drain_seconds: how long `aclose` goes on trying.
        clock: seconds, of which differences are taken.
        sleep: waits for so many seconds.
        jitter: a number from 0 up to 1, so that several gateways don't all come back at once.
        observe: called with each step of a settlement.

    Attributes:
        settled: settlements that the database has.
        retried: attempts that have to be repeated.
        lost: settlements that were given up; each is in the log.
    """

    def __init__(
        self,
        store: AsyncSqlFunctions,
        *,
        timeout: float = 2.0,
        largest_queue: int = 1000,
        drain_seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        observe: Observer | None = None,
    ) -> None:
        self._store = store
        self._timeout = timeout
        self._largest_queue = largest_queue
        self._drain_seconds = drain_seconds
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._observe = observe
        self._jobs: dict[str, _Job] = {}  # all that aren't done
        self._waiting: deque[_Job] = deque()  # those of them that the worker is to take
        self._attempts: set[asyncio.Task[None]] = set()
        self._worker: asyncio.Task[None] | None = None
        self._pausing: asyncio.Future[None] | None = None
        self._closing = False
        self._log = SettlingLog()
        self.settled = self.retried = self.lost = 0

    @property
    def waiting(self) -> int:
        """Settlements that aren't in the database yet."""
        return len(self._jobs)

    def submit(self, charge_id: str, ticks_actual: int, secret: Secret, *, is_certain: bool = True) -> None:
        """Settle a charge in the background, from within the event loop; never waits and never raises.

        Of several settlements of one charge the first counts. Where the queue is full, the log says so. A charge that
        is not certain, since no answer came to the call that was to make it, is looked for until it can't come any
        more.
        """
        with suppress(UnreachableError):
            job = self._enter(charge_id, ticks_actual, secret, is_certain=is_certain)
            if job is not None:
                self._leave_to_worker(job)

    def settle(self, charge_id: str, ticks_actual: int, secret: Secret) -> asyncio.Future[None]:
        """Settle a charge now, or leave it to the queue where the database can't be reached.

        What is returned may be awaited, and is done where the charge is being settled already. The attempt goes on
        when whoever awaits it is cancelled.

        Raises:
            UnreachableError: the queue is full, or the gateway is shutting down; nothing was settled.
        """
        job = self._enter(charge_id, ticks_actual, secret)
        return done() if job is None else asyncio.shield(self._go_on_with(self._settle_now(job)))

    def is_refunding(self, charge_id: str) -> bool:
        """Whether a refund of this charge is not in the database yet."""
        job = self._jobs.get(charge_id)
        return job is not None and job.ticks_actual == 0

    async def hasten(self, charge_id: str, seconds: float) -> None:
        """Settle a charge before all others that wait; return when it is done, after so many seconds at the latest."""
        job = self._jobs[charge_id]
        if job in self._waiting:
            self._waiting.remove(job)
            self._go_on_with(self._settle_now(job))
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await job.done.wait()

    async def aclose(self) -> tuple[str, ...]:
        """Settle what is left within `drain_seconds`, and return the charges of which that isn't known.

        What comes in the meantime is refused; what comes after that begins anew.
        """
        self._closing = True
        if self._pausing is not None:
            self._pausing.cancel()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._drain_seconds):
                    while busy := self._busy():
                        await asyncio.wait(busy)
        finally:
            busy = self._busy()
            for task in busy:
                task.cancel()
            left = tuple(self._jobs)
            self._lose_all("the gateway has shut down")
        await asyncio.gather(*busy, return_exceptions=True)
        self._closing = False
        return left

    def _go_on_with(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        attempt = asyncio.create_task(work, name="tickctl settlement")
        self._attempts.add(attempt)
        attempt.add_done_callback(self._attempts.discard)
        return attempt

    def _busy(self) -> set[asyncio.Task[None]]:
        worker = set() if self._worker is None or self._worker.done() else {self._worker}
        return self._attempts | worker

    def _enter(self, charge_id: str, ticks_actual: int, secret: Secret, *, is_certain: bool = True) -> _Job | None:
        """Take on a settlement; `None` if there is one of this charge already."""
        if charge_id in self._jobs:
            return None
        job = _Job(charge_id, ticks_actual, secret, self._clock(), is_certain)
        if self._closing or len(self._jobs) >= self._largest_queue:
            why = "the gateway is shutting down" if self._closing else f"{len(self._jobs)} settlements wait already"
            self._lose(job, why)
            raise UnreachableError(f"the charge can't be settled: {why}", hint="the log says how to do it by hand")
        self._jobs[charge_id] = job
        self._report(Step.SUBMITTED, job)
        return job

    def _leave_to_worker(self, job: _Job) -> None:
        self._waiting.append(job)
        if self._worker is None or self._worker.done():
            # In a context of its own: what belongs to the request that happened to be the first must not stay with it.
            self._worker = asyncio.create_task(self._work(), name="tickctl settlements", context=Context())

    async def _settle_now(self, job: _Job) -> None:
        try:
            outcome = await self._attempt(job)
        except asyncio.CancelledError:
            if not self._closing and self._is_ended(job):
                self._lose(job, "the event loop has ended")
            raise
        if self._is_left(job, outcome):
            self._leave_to_worker(job)

    async def _work(self) -> None:
        failures = 0
        try:
            while self._waiting:
                jobs = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
                outcomes = await asyncio.gather(*map(self._attempt, jobs))
                left = [job for job, outcome in zip(jobs, outcomes, strict=True) if self._is_left(job, outcome)]
                self._waiting.extend(left)
                if len(left) < len(jobs):
                    failures = 0
                    continue
                failures += 1
                refused = _Outcome.REFUSED in outcomes
                if self._closing and refused:
                    return  # nobody will mend that now
                await self._pause(failures, refused=refused)
        except asyncio.CancelledError:
            if not self._closing:
                self._lose_all("the event loop has ended")
            raise

    async def _pause(self, failures: int, *, refused: bool) -> None:
        seconds = pause(failures, self._jitter())
        if self._closing:
            seconds = min(seconds, DRAIN_PAUSE)
        elif refused:
            seconds = max(seconds, REFUSED_PAUSE)
        self._pausing = asyncio.ensure_future(self._sleep(seconds))
        try:
            await asyncio.wait({self._pausing})  # `aclose` cuts it short
        finally:
            self._pausing.cancel()
            self._pausing = None

    async def _attempt(self, job: _Job) -> _Outcome:
        try:
            async with asyncio.timeout(self._timeout):
                # Nobody's rights are needed: the charge's secret is enough.
                settlement = await settle(self._store, Anonymous(), job.charge_id, job.ticks_actual, job.secret)
        except TickctlError as error:
            return self._judge(job, error)
        except TimeoutError:
            self._log.waits(UnreachableError(f"no answer within {self._timeout:g} s"))
            return _Outcome.OUTAGE
        except Exception as error:  # noqa: BLE001 - the worker must outlive a mistake
            self._log.waits(error)
            return _Outcome.REFUSED
        self._log.goes_on()
        return self._count(job, settlement)

    def _judge(self, job: _Job, error: TickctlError) -> _Outcome:
        if isinstance(error, InvalidInputError | NotFoundError | ConflictError):
            self._lose(job, error.message)
            return _Outcome.DONE
        self._log.waits(error)
        if isinstance(error, UnreachableError):
            return _Outcome.OUTAGE
        return _Outcome.REFUSED

    def _count(self, job: _Job, settlement: Settlement) -> _Outcome:
        if settlement.outcome is SettleOutcome.NOT_FOUND and not job.is_certain:
            is_over = self._clock() - job.since >= (FIND_OUT_CLOSING if self._closing else FIND_OUT)
            return _Outcome.DONE if is_over else _Outcome.NOT_THERE
        if settlement.outcome is SettleOutcome.NOT_FOUND:
            self._report(Step.LOST, job)
            self._log.gone(job.charge_id)
        elif settlement.outcome is SettleOutcome.TOO_MANY_REFUNDS:
            self._lose(job, "the user's refunds of the day are used up (tick.settings.most_refunds)")
        else:
            self._report(Step.SETTLED, job)
        return _Outcome.DONE

    def _is_left(self, job: _Job, outcome: _Outcome) -> bool:
        """Tell whether there must be another attempt."""
        if outcome is not _Outcome.DONE and self._clock() - job.since < KEEP:
            self._report(Step.RETRIED, job)
            return True
        if self._is_ended(job) and outcome is not _Outcome.DONE:
            self._lose(job, "it could not be done for a day")
        return False

    def _is_ended(self, job: _Job) -> bool:
        """End a job; `False` if it has ended before."""
        job.done.set()
        return self._jobs.pop(job.charge_id, None) is not None

    def _lose_all(self, why: str) -> None:
        for job in tuple(self._jobs.values()):
            self._lose(job, why)
        self._waiting.clear()

    def _lose(self, job: _Job, why: str) -> None:
        self._report(Step.LOST, job)
        self._log.lost(job.charge_id, job.ticks_actual, why)

    def _report(self, step: Step, job: _Job) -> None:
        self.settled += step is Step.SETTLED
        self.retried += step is Step.RETRIED
        self.lost += step is Step.LOST
        if step in {Step.SETTLED, Step.LOST}:
            self._is_ended(job)
        if self._observe is not None:
            self._observe(Settling(step, job.charge_id, len(self._jobs)))


def done() -> asyncio.Future[None]:
    """Return a future with nothing left to wait for."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future


def pause(failures: int, jitter: float) -> float:
    """Return the seconds to wait after so many failures in a row: doubled each time up to a limit, less up to half."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 16)) * (1 - jitter / 2)


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
