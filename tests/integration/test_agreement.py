"""SQL decides, and the store in memory is its model; here the two give every answer together."""

import hashlib
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import count
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from quota_support import ODD_DAYS, Clock, Database, User, calling
from tickctl.adapters.postgres import PostgresFunctions
from tickctl.core.json import Json, JsonObject
from tickctl.core.quota import (
    Anonymous,
    Caller,
    Consumption,
    LimitOutcome,
    QuotaAdmin,
    ServiceRole,
    Settlement,
    day_ends,
    day_of,
    my_ticks,
    remaining,
)
from tickctl.core.quota.memory import MemoryFunctions, MemoryUser
from tickctl.core.quota.rows import read

ODD_ZONES = [
    "UTC",
    "Europe/Paris",
    "Asia/Kathmandu",
    "America/Havana",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Africa/Cairo",
    "Asia/Beirut",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Australia/Lord_Howe",
    "America/Nuuk",
    "Antarctica/Troll",
]
# Around changes of their clocks, which random instants would hardly ever hit.
CHANGES = [
    datetime(2026, 3, 8, 5, tzinfo=UTC),
    datetime(2026, 11, 1, 5, tzinfo=UTC),
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2017, 10, 15, 3, tzinfo=UTC),
    datetime(2018, 2, 18, 2, tzinfo=UTC),
    datetime(2010, 11, 7, 2, 31, tzinfo=UTC),
    datetime(2011, 3, 13, 3, 31, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC),
    datetime(1993, 8, 21, 12, tzinfo=UTC),
    datetime(2026, 4, 23, 22, tzinfo=UTC),
    datetime(2026, 10, 29, 21, tzinfo=UTC),
]
moments = st.one_of(
    st.datetimes(datetime(1975, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.builds(
        lambda change, seconds, micros: change + timedelta(seconds=seconds, microseconds=micros),
        st.sampled_from(CHANGES),
        st.integers(-100_000, 100_000),
        st.sampled_from([0, 1, 999_999]),
    ),
)
limits = st.one_of(st.none(), st.integers(0, 60))
OWN = "the charge's own"
keys = st.sampled_from([None, None, "a", "b"])
# What a token says; `...` is nothing, as older ones say. Only JSON's false is false.
is_anonymous = st.sampled_from([..., ..., ..., ..., False, False, True, "true", "false", None, 0])
SECRET = "secret"
DIGEST = hashlib.sha256(SECRET.encode()).hexdigest()


class Asked(NamedTuple):
    """A request that was made, granted or not."""

    charge_id: str
    ticks: int
    key: str | None


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moment=moments, zone=st.sampled_from(ODD_ZONES))
def test_both_say_when_a_day_ends(owner: PostgresFunctions, moment: datetime, zone: str) -> None:
    """In zones whose midnight is skipped, comes twice, or lies a day further on."""
    (row,) = owner.call("day_of_and_end", {"moment": moment.isoformat(), "zone": zone}, caller=ServiceRole())
    end = datetime.fromisoformat(str(row["ends"]))
    assert end == day_ends(moment, ZoneInfo(zone))
    assert date.fromisoformat(str(row["day"])) == day_of(moment, ZoneInfo(zone))
    assert day_of(end, ZoneInfo(zone)) != day_of(moment, ZoneInfo(zone))
    assert day_of(end - timedelta(microseconds=1), ZoneInfo(zone)) == day_of(moment, ZoneInfo(zone))


@pytest.mark.parametrize(("zone", "moment", "end"), ODD_DAYS)
def test_sql_knows_the_odd_days(owner: PostgresFunctions, zone: str, moment: str, end: str) -> None:
    """The same as Python's, whose windows of a minute random instants don't hit."""
    (row,) = owner.call("day_of_and_end", {"moment": f"{moment}Z", "zone": zone}, caller=ServiceRole())
    assert datetime.fromisoformat(str(row["ends"])) == datetime.fromisoformat(end).replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def owner(shared_database: Database) -> Iterator[PostgresFunctions]:
    """The functions and one more, which gives what they compute inside."""
    with shared_database.owner() as connection:
        connection.execute(
            """
            create table tick.test_clock (moment timestamptz);
            insert into tick.test_clock values (now());
            create or replace view tick.clock with (security_invoker = true) as select moment from tick.test_clock;
            create function public.day_of_and_end(moment timestamptz, zone text)
            returns table (day date, ends timestamptz) language plpgsql security definer as $$
            begin
                update tick.test_clock as c set moment = day_of_and_end.moment;
                update tick.settings set time_zone = zone where time_zone <> zone;
                return query select t.usage_date, t.resets_at from tick.today as t;
            end
            $$;
            """
        )
    with shared_database.functions(owner=True) as functions:
        yield functions


class Agreement(RuleBasedStateMachine):
    """Does everything with the database and with the store in memory, and compares the answers."""

    database: Database
    clock: Clock
    functions: PostgresFunctions
    numbers = count()

    charges = Bundle("charges")

    @initialize()
    def begin(self) -> None:
        """A new user at noon, UTC."""
        self.user: User = self.database.add_user(f"user{next(self.numbers)}@example.com")
        self.admin = QuotaAdmin(self.functions, "op")
        self.memory = MemoryFunctions(clock=lambda: self.now.timestamp())  # noqa: PLW0108 - the time moves
        self.account = MemoryUser(self.user.id, self.user.session_id)
        self.memory.users[self.user.id] = self.account
        self.set_clock(datetime(2026, 11, 23, 12, tzinfo=UTC))
        self.set_zone("UTC")

    @rule(moment=moments)
    def set_clock(self, moment: datetime) -> None:
        """Any time, forward or back."""
        self.clock.set(moment)
        self.now = moment

    @rule(seconds=st.sampled_from([1, 59, 60]) | st.integers(1, 90_000))
    def pass_time(self, seconds: int) -> None:
        """A little later."""
        self.set_clock(self.now + timedelta(seconds=seconds))

    @rule(zone=st.sampled_from(ODD_ZONES))
    def set_zone(self, zone: str) -> None:
        """Days begin elsewhere."""
        self.clock.set_zone(zone)
        self.memory.zone = ZoneInfo(zone)

    @rule(confirmed=st.booleans())
    def confirm(self, confirmed: bool) -> None:
        """The e-mail becomes confirmed, or the address changes."""
        self.database.change_user(self.user, email_confirmed_at=self.now if confirmed else None)
        self.account.email_confirmed = confirmed

    @rule(banned=st.sampled_from([False, False, False, True]))
    def ban(self, banned: bool) -> None:
        """The user is banned, or no longer."""
        self.database.change_user(self.user, banned_until="2999-01-01Z" if banned else None)
        self.account.is_banned = banned

    @rule(
        target=charges,
        ticks=st.integers(1, 40),
        key=keys,
        claimed=is_anonymous,
        carry_out=st.booleans() | st.just(True),
    )
    def consume(self, ticks: int, key: str | None, claimed: object, carry_out: bool) -> Asked:
        """A request with a charge id of its own, or a question about one."""
        request = Asked(str(uuid.uuid4()), ticks, key)
        self._ask(request, claimed, carry_out=carry_out)
        return request

    @rule(earlier=charges, more=st.sampled_from([0, 0, 0, 1]), key=keys | st.just(OWN), claimed=is_anonymous)
    def repeat(self, earlier: Asked, more: int, key: str | None, claimed: object) -> None:
        """A request under an id that was used, for the same or for something else."""
        self._ask(Asked(earlier.charge_id, earlier.ticks + more, earlier.key if key == OWN else key), claimed)

    def _ask(self, request: Asked, claimed: object, *, carry_out: bool = True) -> None:
        claims = self.user.claims if claimed is ... else {**self.user.claims, "is_anonymous": claimed}
        arguments: dict[str, Json] = {"ticks": request.ticks, "charge_id": request.charge_id, "refund_digest": DIGEST}
        if not carry_out:
            arguments["carry_out"] = False
        if request.key is not None:
            arguments |= {"request_key": request.key, "request_digest": "digest"}
        self._agree("consume_ticks", arguments, calling(claims), partial(read, Consumption))

    @rule(earlier=charges, share=st.floats(0, 1), secret=st.sampled_from([None, "secret", "another"]))
    def settle(self, earlier: Asked, share: float, secret: str | None) -> None:
        """Once, into the day of the charge; by an operator, or by whoever knows the secret."""
        arguments: dict[str, Json] = {
            "charge_id": earlier.charge_id,
            "ticks_actual": round(earlier.ticks * share),
            "refund_secret": secret,
        }
        caller = ServiceRole() if secret is None else Anonymous()
        self._agree("settle_ticks", arguments, caller, partial(read, Settlement))

    def _agree(
        self, name: str, arguments: JsonObject, caller: Caller, read: Callable[[JsonObject], Consumption | Settlement]
    ) -> None:
        (in_memory,) = self.memory.call(name, arguments, caller=caller)
        (in_database,) = self.functions.call(name, arguments, caller=caller)
        assert read(in_database) == read(in_memory)

    @rule(ticks=st.integers(1, 50))
    def grant(self, ticks: int) -> None:
        """For today."""
        self.account.granted[self.memory.today] += ticks
        self.admin.grant(self.user.id, ticks)

    @rule(limit=limits)
    def set_limit(self, limit: int | None) -> None:
        """Any limit."""
        change = self.admin.set_limit(self.user.id, limit)
        assert change.previous_limit == self.account.daily_tick_limit
        changed = limit != self.account.daily_tick_limit
        assert change.outcome is (LimitOutcome.CHANGED if changed else LimitOutcome.UNCHANGED)
        self.account.daily_tick_limit = limit

    @rule()
    def reset(self) -> None:
        """Today's use is forgotten, and its charges are settled to nothing."""
        self.admin.reset(self.user.id)
        self.memory.reset(self.user.id)

    @invariant()
    def states_agree(self) -> None:
        """The user's own view, and every day's books."""
        if not hasattr(self, "user"):
            return
        state, account, today = my_ticks(self.functions, self.user.caller), self.account, self.memory.today
        used, granted = account.used[today], account.granted[today]
        assert (state.daily_tick_limit, state.ticks_used, state.ticks_granted) == (
            account.daily_tick_limit,
            used,
            granted,
        )
        assert state.ticks_remaining == remaining(account.daily_tick_limit, granted, used)
        assert (state.usage_date, state.resets_at) == (today, day_ends(self.now, self.memory.zone))
        assert state.email_confirmed is account.email_confirmed
        for day, (counted, charged) in self.database.ledger(self.user).items():
            assert counted == charged == account.used[date.fromisoformat(day)]


def test_both_give_every_answer(database: Database, clock: Clock) -> None:
    """Over random sequences of everything that moves ticks, limits, clocks and zones."""

    class Run(Agreement):
        pass

    Run.database, Run.clock, Run.functions = database, clock, database.functions()
    run_state_machine_as_test(
        Run,
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, phases=[Phase.generate, Phase.shrink]
        ),
    )
