"""The queue of settlements: what is repeated, what is given up, and what is said of it."""

import asyncio
import logging
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from async_support import run, until
from tickctl.core.json import JsonObject
from tickctl.core.quota import Anonymous, Caller
from tickctl.core.secret import Secret
from tickctl.errors import (
    ConfigurationError,
    ConflictError,
    CredentialsRefusedError,
    InvalidInputError,
    TickctlError,
    UnreachableError,
)
from tickctl.gateway.admission import Charge
from tickctl.gateway.settling import AT_ONCE, DRAIN_PAUSE, FIND_OUT, KEEP, LONGEST_PAUSE, REFUSED_PAUSE, Settler, pause

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

DOWN = UnreachableError("the database is starting or stopping")
REFUSED = CredentialsRefusedError("the project refused the API key")
SECRET = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0.c2VjcmV0"
REFUND = Secret(SECRET)


def charge_id(number: int) -> str:
    """Return the id of a charge."""
    return str(uuid.UUID(int=number))


@dataclass
class Books:
    """A store that settles, or raises what stands in line; `hold` makes calls wait."""

    troubles: list[Exception | str] = field(default_factory=list)
    calls: list[tuple[str, int]] = field(default_factory=list)
    settled: dict[str, int] = field(default_factory=dict)
    unheard: set[str] = field(default_factory=set)
    hold: asyncio.Event | None = None
    begun: int = 0
    at_once: int = 0
    most_at_once: int = 0

    async def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Settle, as the database does."""
        assert name == "settle_ticks"
        assert isinstance(caller, Anonymous)
        assert arguments["refund_secret"] == SECRET
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._settle(str(arguments["charge_id"]), int(str(arguments["ticks_actual"])))
        finally:
            self.at_once -= 1

    async def _settle(self, which: str, actual: int) -> list[JsonObject]:
        self.begun += 1
        if self.hold is not None:
            await self.hold.wait()
        self.calls.append((which, actual))
        trouble = self.troubles.pop(0) if self.troubles else ""
        if which in self.settled and (
            trouble in {"not_found", "too_many_refunds"} or isinstance(trouble, InvalidInputError)
        ):
            trouble = ""  # no database says both of one charge
        if isinstance(trouble, Exception):
            raise trouble
        if trouble == "answer lost":
            self.settled.setdefault(which, actual)
            self.unheard.add(which)
            raise UnreachableError("the connection broke")
        if trouble in {"not_found", "too_many_refunds"}:
            return [dict.fromkeys(ROW, None) | {"outcome": trouble}]
        outcome = "already_settled" if which in self.settled else "settled"
        self.settled.setdefault(which, actual)
        return [ROW | {"outcome": outcome, "charge_id": which, "ticks_settled": self.settled[which]}]


ROW: dict[str, Any] = {
    "outcome": "settled",
    "charge_id": charge_id(1),
    "user_id": charge_id(2),
    "usage_date": "2026-11-23",
    "ticks_charged": 10,
    "ticks_settled": 0,
    "settled_at": "2026-11-23T12:00:00+00:00",
}


@dataclass
class Time:
    """Passes when somebody sleeps."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        """Return the time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


async def for_ever(_seconds: float) -> None:
    """Sleep as if the pause had no end."""
    await asyncio.Event().wait()


def settler(books: Books, time: Time | None = None, **options: Any) -> Settler:
    """Return a settler whose pauses take no time, and are the longest that they may be."""
    time = time or Time()
    sleep: Callable[[float], Awaitable[None]] = options.pop("sleep", time.sleep)
    return Settler(books, clock=time.clock, sleep=sleep, jitter=lambda: 0.0, **options)


def test_submitted_charges_are_settled_in_the_background() -> None:
    """The request goes on at once; closing waits for what is left."""
    books = Books()

    async def scene() -> None:
        giving_back = settler(books)
        for number in range(10):
            giving_back.submit(charge_id(number), number, REFUND)
        assert books.calls == []
        assert giving_back.waiting == 10
        assert await giving_back.aclose() == ()
        assert (giving_back.settled, giving_back.retried, giving_back.lost, giving_back.waiting) == (10, 0, 0, 0)

    run(scene)
    assert books.settled == {charge_id(number): number for number in range(10)}
    assert books.most_at_once <= AT_ONCE


def test_an_outage_is_sat_out_with_growing_pauses(caplog: pytest.LogCaptureFixture) -> None:
    """One line when it begins and one when it is over, however many attempts there were."""
    caplog.set_level(logging.INFO)
    books, time = Books([DOWN] * 9), Time()

    async def scene() -> None:
        giving_back = settler(books, time)
        giving_back.submit(charge_id(1), 0, REFUND)
        await until(lambda: giving_back.waiting == 0)
        assert (giving_back.settled, giving_back.retried, giving_back.lost) == (1, 9, 0)
        assert time.slept == [0.5, 1, 2, 4, 8, 16, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
        assert DOWN.message in caplog.text
        books.troubles.append(DOWN)
        giving_back.submit(charge_id(2), 0, REFUND)
        await until(lambda: giving_back.waiting == 0)
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"] * 2

    run(scene)


def test_pauses_are_not_the_same_for_all_gateways() -> None:
    """Or all of them would come back at once."""
    assert [pause(3, jitter) for jitter in (0.0, 0.5, 1.0)] == [2.0, 1.5, 1.0]
    assert pause(10**9, 0.0) == LONGEST_PAUSE


def test_pauses_are_short_again_once_anything_was_settled() -> None:
    """The next trouble is another one."""
    books, time = Books([DOWN, DOWN, DOWN, DOWN, "", DOWN, DOWN]), Time()

    async def scene() -> None:
        giving_back = settler(books, time)
        giving_back.submit(charge_id(1), 0, REFUND)
        giving_back.submit(charge_id(2), 0, REFUND)
        await until(lambda: giving_back.waiting == 0)

    run(scene)
    assert time.slept == [0.5, 1, 0.5]


def test_one_charge_in_trouble_does_not_keep_the_others_waiting() -> None:
    """No pause where anything at all succeeds, and the next round begins with others."""
    time = Time()

    class OneLocked(Books):
        async def _settle(self, which: str, actual: int) -> list[JsonObject]:
            if which == charge_id(0) and len(self.settled) < 20:
                raise DOWN
            return await super()._settle(which, actual)

    books = OneLocked()

    async def scene() -> None:
        giving_back = settler(books, time)
        for number in range(21):
            giving_back.submit(charge_id(number), 0, REFUND)
        await giving_back.aclose()

    run(scene)
    assert len(books.settled) == 21
    assert len(time.slept) <= 1


def test_a_lost_answer_is_asked_for_again() -> None:
    """The database counts a charge once; that it was settled already is as good as settling it."""
    books = Books(["answer lost"])

    async def scene() -> None:
        giving_back = settler(books)
        giving_back.submit(charge_id(1), 3, REFUND)
        await until(lambda: giving_back.waiting == 0)
        assert (giving_back.settled, giving_back.retried) == (1, 1)

    run(scene)
    assert books.calls == [(charge_id(1), 3)] * 2


def test_the_first_of_two_settlements_of_a_charge_counts() -> None:
    """As in the database."""
    books = Books()

    async def scene() -> None:
        giving_back = settler(books)
        giving_back.submit(charge_id(1), 3, REFUND)
        giving_back.submit(charge_id(1), 0, REFUND)
        await giving_back.settle(charge_id(1), 5, REFUND)
        await giving_back.aclose()

    run(scene)
    assert books.calls == [(charge_id(1), 3)]


def test_a_full_queue_refuses_the_newest_and_says_which(caplog: pytest.LogCaptureFixture) -> None:
    """Memory is bounded; an operator finds charge and amount in the log."""
    books = Books([DOWN] * 1000)

    async def scene() -> None:
        giving_back = settler(books, largest_queue=3, sleep=for_ever, drain_seconds=0.001)
        for number in range(1, 5):
            giving_back.submit(charge_id(number), number, REFUND)
        assert (giving_back.waiting, giving_back.lost) == (3, 1)
        with pytest.raises(UnreachableError, match="3 settlements wait"):
            await giving_back.settle(charge_id(5), 5, REFUND)
        by_hand = [f"select public.settle_ticks('{charge_id(number)}', {number})" for number in (4, 5)]
        assert [by_hand[0] in caplog.text, by_hand[1] in caplog.text, charge_id(1) in caplog.text] == [
            True,
            True,
            False,
        ]
        await giving_back.aclose()

    run(scene)


@pytest.mark.parametrize("error", [InvalidInputError("out of range"), ConflictError("somebody else")])
def test_what_the_database_will_never_take_is_dropped_and_reported(
    error: TickctlError, caplog: pytest.LogCaptureFixture
) -> None:
    """Repeating it would be for nothing."""
    books = Books([error])

    async def scene() -> None:
        giving_back = settler(books)
        giving_back.submit(charge_id(1), 11, REFUND)
        await until(lambda: giving_back.waiting == 0)
        assert (giving_back.settled, giving_back.lost) == (0, 1)

    run(scene)
    assert len(books.calls) == 1
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert charge_id(1) in caplog.text


def test_a_charge_that_is_gone_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """Its user was deleted; nobody has to do anything."""
    books = Books(["not_found"])

    async def scene() -> None:
        giving_back = settler(books)
        giving_back.submit(charge_id(1), 0, REFUND)
        await until(lambda: giving_back.waiting == 0)

    run(scene)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert charge_id(1) in caplog.text


def test_a_charge_that_may_still_come_is_looked_for_until_it_is_there(caplog: pytest.LogCaptureFixture) -> None:
    """No answer came to the call that was to make it."""
    books = Books(["not_found", "not_found", "not_found"])
    time = Time()

    async def scene() -> Settler:
        finding_out = settler(books, time)
        finding_out.submit(charge_id(1), 0, REFUND, is_certain=False)
        await until(lambda: finding_out.waiting == 0)
        return finding_out

    found = run(scene)
    assert (found.settled, found.lost, books.settled) == (1, 0, {charge_id(1): 0})
    assert time.now < FIND_OUT
    assert caplog.records == []


def test_a_charge_that_can_not_come_any_more_was_never_made(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is lost then, and nobody is told so."""
    books = Books(["not_found"] * 100)
    time = Time()

    async def scene() -> Settler:
        finding_out = settler(books, time)
        finding_out.submit(charge_id(1), 0, REFUND, is_certain=False)
        await until(lambda: finding_out.waiting == 0)
        return finding_out

    found = run(scene)
    assert (found.settled, found.lost, books.settled) == (0, 0, {})
    assert FIND_OUT <= time.now <= FIND_OUT + LONGEST_PAUSE
    assert caplog.records == []


def test_refunds_beyond_the_most_of_a_day_are_given_up_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    """An operator can still settle the charge by hand."""
    books = Books(["too_many_refunds"])

    async def scene() -> None:
        giving_back = settler(books)
        giving_back.submit(charge_id(1), 0, REFUND)
        await until(lambda: giving_back.waiting == 0)
        assert (giving_back.settled, giving_back.lost) == (0, 1)

    run(scene)
    assert "most_refunds" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("error", [REFUSED, ConfigurationError("the schema is not installed"), ValueError(SECRET)])
def test_refused_credentials_are_said_once_and_tried_rarely(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """Somebody may mend them without a restart; what an unforeseen error says stays unsaid."""
    books, time = Books([error] * 50), Time()

    async def scene() -> None:
        giving_back = settler(books, time)
        giving_back.submit(charge_id(1), 0, REFUND)
        await until(lambda: giving_back.waiting == 0)
        assert (giving_back.settled, giving_back.lost) == (1, 0)

    run(scene)
    assert time.slept == [REFUSED_PAUSE] * 50
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert SECRET not in caplog.text


def test_nothing_is_tried_for_longer_than_its_day_lasts(caplog: pytest.LogCaptureFixture) -> None:
    """After that nobody would get a tick back."""
    books, time = Books([REFUSED] * 10_000), Time()

    async def scene() -> None:
        giving_back = settler(books, time)
        giving_back.submit(charge_id(1), 0, REFUND)
        await until(lambda: giving_back.waiting == 0)
        assert giving_back.lost == 1

    run(scene)
    assert KEEP <= time.now <= KEEP + REFUSED_PAUSE
    assert "could not be done for a day" in caplog.text


def test_a_refund_that_is_wanted_now_goes_before_all_others() -> None:
    """In the middle of a pause, and waited for no longer than said."""
    books = Books([DOWN] * AT_ONCE)

    async def scene() -> None:
        giving_back = settler(books, sleep=for_ever, drain_seconds=0.001)
        for number in range(20):
            giving_back.submit(charge_id(number), 0, REFUND)
        await until(lambda: giving_back.retried == AT_ONCE)
        assert giving_back.is_refunding(charge_id(19))
        await giving_back.hasten(charge_id(19), 60)
        assert (books.settled, giving_back.is_refunding(charge_id(19))) == ({charge_id(19): 0}, False)
        books.hold = asyncio.Event()
        await giving_back.hasten(charge_id(18), 0.001)
        assert giving_back.is_refunding(charge_id(18))
        books.hold.set()
        await giving_back.aclose()

    run(scene)


def test_an_attempt_is_bounded_in_time(caplog: pytest.LogCaptureFixture) -> None:
    """A store that hangs is one that is down."""
    books = Books()

    async def scene() -> None:
        books.hold = asyncio.Event()
        giving_back = settler(books, timeout=0.001)
        giving_back.submit(charge_id(1), 0, REFUND)
        await until(lambda: giving_back.retried > 1)
        books.hold.set()
        await until(lambda: giving_back.waiting == 0)
        assert giving_back.settled == 1

    run(scene)
    assert "no answer within 0.001 s" in caplog.text


def test_closing_cuts_a_pause_short() -> None:
    """A database that is back is not waited for."""
    books = Books([DOWN])

    async def scene() -> None:
        pausing = asyncio.Event()

        async def sleep(_seconds: float) -> None:
            pausing.set()
            await for_ever(0)

        giving_back = settler(books, sleep=sleep)
        giving_back.submit(charge_id(1), 0, REFUND)
        await pausing.wait()
        assert await giving_back.aclose() == ()
        assert giving_back.settled == 1

    run(scene)


def test_what_can_not_be_settled_before_the_end_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """Each charge in a line that an operator can act on, and in the answer."""
    time = Time()

    class Dead(Books):
        async def _settle(self, which: str, actual: int) -> list[JsonObject]:
            raise DOWN

    async def scene() -> None:
        giving_back = settler(Dead(), time, drain_seconds=0.02)
        giving_back.submit(charge_id(1), 0, REFUND)
        giving_back.submit(charge_id(2), 7, REFUND)
        assert await giving_back.aclose() == (charge_id(1), charge_id(2))
        assert (giving_back.lost, giving_back.waiting) == (2, 0)

    run(scene)
    assert max(time.slept) == DRAIN_PAUSE
    lines = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert [f"settle_ticks('{charge_id(number)}', " in line for number, line in enumerate(lines, 1)] == [True] * 2


def test_closing_takes_nothing_more_on_and_what_comes_later_begins_anew(caplog: pytest.LogCaptureFixture) -> None:
    """A request that is in the middle of failing is in the log; a server that starts again has lost nothing."""
    books = Books()

    async def scene() -> None:
        books.hold = asyncio.Event()
        giving_back = settler(books)
        giving_back.submit(charge_id(1), 0, REFUND)
        closing = asyncio.create_task(giving_back.aclose())
        await until(lambda: books.begun == 1)
        giving_back.submit(charge_id(2), 0, REFUND)
        assert (giving_back.lost, giving_back.waiting) == (1, 1)
        assert f"settle_ticks('{charge_id(2)}', 0)" in caplog.text
        books.hold.set()
        assert await closing == ()
        giving_back.submit(charge_id(3), 0, REFUND)
        assert await giving_back.aclose() == ()

    run(scene)
    assert books.settled == {charge_id(1): 0, charge_id(3): 0}


def test_closing_does_not_wait_for_credentials_to_be_mended() -> None:
    """Each deployment would take the whole time for draining, for nothing."""
    books = Books([REFUSED] * 1000)

    async def scene() -> None:
        giving_back = settler(books, drain_seconds=3600)
        giving_back.submit(charge_id(1), 0, REFUND)
        assert await giving_back.aclose() == (charge_id(1),)

    run(scene)
    assert len(books.calls) == 1


def test_an_event_loop_that_just_ends_gets_the_same_report(caplog: pytest.LogCaptureFixture) -> None:
    """Somebody forgot to close, or the server was in a hurry; with a settlement by hand under way, too."""
    books = Books([DOWN])

    async def scene() -> None:
        giving_back = settler(books, sleep=for_ever)
        giving_back.submit(charge_id(1), 0, REFUND)
        await until(lambda: giving_back.retried == 1)
        books.hold = asyncio.Event()
        by_hand = giving_back.settle(charge_id(2), 1, REFUND)
        await until(lambda: books.begun == 2)
        assert not by_hand.done()

    run(scene)
    lines = sorted(record.getMessage() for record in caplog.records if record.levelname == "ERROR")
    assert [charge_id(1) in lines[0], charge_id(2) in lines[1], len(lines)] == [True, True, 2]


def test_settling_by_hand_returns_when_the_database_has_it() -> None:
    """And outlives the request that asked for it."""
    books = Books()

    async def scene() -> None:
        giving_back = settler(books)
        await giving_back.settle(charge_id(1), 4, REFUND)
        assert books.settled == {charge_id(1): 4}
        books.hold = asyncio.Event()
        request = giving_back.settle(charge_id(2), 5, REFUND)
        await until(lambda: books.begun == 2)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        books.hold.set()
        await until(lambda: giving_back.waiting == 0)

    run(scene)
    assert books.settled == {charge_id(1): 4, charge_id(2): 5}


@pytest.mark.parametrize("error", [DOWN, REFUSED])
def test_settling_by_hand_leaves_the_rest_to_the_queue(error: TickctlError) -> None:
    """The handler has done its work; it is not told about the trouble of giving ticks back."""
    books = Books([error])

    async def scene() -> None:
        giving_back = settler(books)
        await giving_back.settle(charge_id(1), 4, REFUND)
        assert giving_back.retried == 1
        await until(lambda: giving_back.waiting == 0)

    run(scene)
    assert books.calls == [(charge_id(1), 4)] * 2


def test_the_worker_begins_anew_on_another_loop() -> None:
    """Test clients run each request on a loop of its own, which ends what is under way."""
    books, kept = Books(), []

    async def scene() -> None:
        giving_back = kept[0] if kept else settler(books)
        kept.append(giving_back)
        giving_back.submit(charge_id(len(kept)), 0, REFUND)
        await until(lambda: giving_back.waiting == 0)

    run(scene)
    run(scene)
    assert len(books.settled) == 2


@pytest.mark.parametrize("actual", [-1, 11, True, False, None, "5", 5.0])
def test_a_charge_is_settled_to_a_whole_number_within_it(actual: Any) -> None:
    """Nothing is taken on top, and a bool is no number of ticks."""

    async def scene() -> None:
        with pytest.raises(InvalidInputError):
            await Charge(charge_id(1), 10, REFUND, settler(Books())).settle(actual)

    run(scene)


def test_a_charge_is_settled_once() -> None:
    """The same again is nothing, another number is a mistake, and a refund does not come on top."""
    books = Books()

    async def scene() -> None:
        giving_back = settler(books)
        charge = Charge(charge_id(1), 10, REFUND, giving_back)
        await asyncio.gather(charge.settle(4), charge.settle(4))
        await charge.settle(4)
        with pytest.raises(ConflictError):
            await charge.settle(5)
        charge.refund()
        charge.refund()
        refunded = Charge(charge_id(2), 10, REFUND, giving_back)
        refunded.refund()
        with pytest.raises(ConflictError):
            await refunded.settle(1)
        await giving_back.aclose()

    run(scene)
    assert books.calls == [(charge_id(1), 4), (charge_id(2), 0)]


def test_a_settlement_that_found_no_place_may_be_tried_again() -> None:
    """With the same number; a refund must not take its place."""
    books = Books([DOWN])

    async def scene() -> None:
        giving_back = settler(books, largest_queue=1)
        giving_back.submit(charge_id(1), 0, REFUND)
        charge = Charge(charge_id(2), 10, REFUND, giving_back)
        with pytest.raises(UnreachableError):
            await charge.settle(4)
        with pytest.raises(ConflictError):
            await charge.settle(5)
        charge.refund()
        await until(lambda: giving_back.waiting == 0)
        await charge.settle(4)

    run(scene)
    assert books.settled == {charge_id(1): 0, charge_id(2): 4}


TROUBLES: list[Exception | str] = [
    "",
    "",
    DOWN,
    "answer lost",
    "not_found",
    REFUSED,
    InvalidInputError("out of range"),
    ValueError(SECRET),
]


@given(
    st.lists(st.sampled_from(["submit", "settle", "cancel", "wait"]), max_size=30),
    st.lists(st.sampled_from(TROUBLES), max_size=30),
    st.integers(1, 12),
)
@settings(deadline=None)
def test_each_charge_is_settled_or_reported_whatever_happens(
    steps: list[str], troubles: list[Exception | str], largest_queue: int
) -> None:
    """None is forgotten, and none is counted twice."""
    books, entered = Books(list(troubles)), 0

    async def scene() -> None:
        nonlocal entered
        giving_back = settler(books, largest_queue=largest_queue)
        requests = []
        for number, step in enumerate(steps):
            if step == "wait":
                await asyncio.sleep(0)
                continue
            entered += 1
            if step == "submit":
                giving_back.submit(charge_id(number), 0, REFUND)
                continue
            try:
                request = giving_back.settle(charge_id(number), 0, REFUND)
            except UnreachableError:
                continue
            requests.append(request)
            await asyncio.sleep(0)
            if step == "cancel":
                request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)
        left = await giving_back.aclose()
        assert giving_back.waiting == 0
        assert giving_back.settled + giving_back.lost == entered
        assert not set(left) & (books.settled.keys() - books.unheard)
        assert giving_back.settled == len(books.settled.keys() - (books.unheard & set(left)))

    run(scene)
