"""The arithmetic stands once in SQL and once in Python; here the two give every answer together."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from quota_support import ODD_DAYS, Clock, Database, User, calling
from tickctl.adapters.postgres import PostgresFunctions
from tickctl.core.quota import (
    Consumption,
    Decision,
    Facts,
    LimitOutcome,
    QuotaAdmin,
    ServiceRole,
    SettleOutcome,
    consume,
    day_ends,
    day_of,
    decide,
    my_ticks,
    remaining,
    settle,
)

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
EARLIER = {Decision.KEY_CONFLICT, Decision.UNDER_WAY, Decision.ALREADY_ACCEPTED}
"""Answers that name the charge of the earlier request."""


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


@dataclass
class Account:
    """What Python believes of the user."""

    limit: int | None = 32
    used: dict[date, int] = field(default_factory=dict)
    granted: dict[date, int] = field(default_factory=dict)
    keys: "dict[str, Charge]" = field(default_factory=dict)


@dataclass
class Charge:
    """What Python believes of a charge."""

    id: str
    day: date
    ticks: int
    key: str | None
    made_at: datetime
    settled: int | None = None

    def is_recent(self, now: datetime) -> bool:
        """Tell whether its request may still be under way."""
        return self.settled is None and now - self.made_at < timedelta(minutes=1)

    def is_for(self, ticks: int, key: str | None) -> bool:
        """Tell whether a request under the charge's id is the one that it was made for."""
        # Whoever gives no key doesn't say what it was, and a charge that was given back has none any more.
        return ticks == self.ticks and (key in (None, self.key) or self.settled == 0)


class Agreement(RuleBasedStateMachine):
    """Does everything with the database and with a model in Python, and compares the answers."""

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
        self.account = Account()
        self.made: list[Charge] = []
        self.confirmed = True
        self.set_clock(datetime(2026, 11, 23, 12, tzinfo=UTC))
        self.set_zone("UTC")

    @property
    def today(self) -> date:
        """The date in the stored zone."""
        return day_of(self.now, self.zone)

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
        self.zone = ZoneInfo(zone)

    @rule(confirmed=st.booleans())
    def confirm(self, confirmed: bool) -> None:
        """The e-mail becomes confirmed, or the address changes."""
        self.database.change_user(self.user, email_confirmed_at=self.now if confirmed else None)
        self.confirmed = confirmed

    @rule(target=charges, ticks=st.integers(1, 40), key=keys, claimed=is_anonymous)
    def consume(self, ticks: int, key: str | None, claimed: object) -> Charge | None:
        """A request with a charge id of its own."""
        earlier = self.account.keys.get(key) if key else None
        is_recent = earlier is not None and earlier.is_recent(self.now)
        facts = self._facts(claimed, key_matches=earlier and earlier.ticks == ticks, charge_is_recent=is_recent)
        answer = self._ask(facts, str(uuid.uuid4()), ticks, key, claimed)
        if answer.decision is not Decision.GRANTED:
            assert answer.charge_id == (earlier.id if earlier and answer.decision in EARLIER else None)
            return None
        assert answer.charge_id is not None
        charge = Charge(answer.charge_id, self.today, ticks, key, self.now)
        self.made.append(charge)
        if key is not None:
            self.account.keys[key] = charge
        return charge

    @rule(charge=charges, more=st.sampled_from([0, 0, 0, 1]), key=keys | st.just(OWN), claimed=is_anonymous)
    def repeat(self, charge: Charge | None, more: int, key: str | None, claimed: object) -> None:
        """A request under the id of a charge that was made, for the same or for something else."""
        if charge is None:
            return
        ticks, key = charge.ticks + more, charge.key if key == OWN else key
        facts = self._facts(
            claimed, key_matches=charge.is_for(ticks, key), charge_is_open=charge.settled is None, counts=False
        )
        answer = self._ask(facts, charge.id, ticks, key, claimed)
        assert answer.charge_id == (charge.id if answer.decision in {*EARLIER, Decision.GRANTED} else None)

    def _facts(self, claimed: object, **known: Any) -> tuple[Facts, bool]:
        """Return what Python believes, and whether a grant would be counted."""
        account, counts = self.account, known.pop("counts", True)
        facts = Facts(
            exists=True,
            deleted=False,
            banned=False,
            session_active=True,
            anonymous=claimed is not ... and claimed is not False,
            email_confirmed=self.confirmed,
            daily_tick_limit=account.limit,
            ticks_granted=account.granted.get(self.today, 0),
            ticks_used=account.used.get(self.today, 0),
            **known,
        )
        return facts, counts

    def _ask(
        self, known: tuple[Facts, bool], charge_id: str, ticks: int, key: str | None, claimed: object
    ) -> Consumption:
        """Let the model decide first, then the database, and compare all but the charge."""
        facts, counts = known
        expected, used = decide(facts, ticks), facts.ticks_used
        claims = self.user.claims if claimed is ... else {**self.user.claims, "is_anonymous": claimed}
        answer = consume(self.functions, calling(claims), ticks, key, charge_id=charge_id)
        assert answer.decision is expected
        if expected is Decision.GRANTED and counts:
            used += ticks
            self.account.used[self.today] = used
        limit, granted = facts.daily_tick_limit, facts.ticks_granted
        assert (answer.daily_tick_limit, answer.ticks_granted, answer.ticks_used) == (limit, granted, used)
        assert answer.ticks_remaining == remaining(limit, granted, used)
        assert (answer.usage_date, answer.resets_at) == (self.today, day_ends(self.now, self.zone))
        return answer

    @rule(charge=charges, share=st.floats(0, 1))
    def settle(self, charge: Charge | None, share: float) -> None:
        """Once, into the day of the charge."""
        if charge is None:
            return
        actual = round(charge.ticks * share)
        answer = settle(self.functions, ServiceRole(), charge.id, actual)
        if charge.settled is None:
            assert answer.outcome is SettleOutcome.SETTLED
            charge.settled = actual
            self.account.used[charge.day] -= charge.ticks - actual
            if actual == 0:
                self._free_key(charge)
        else:
            assert answer.outcome is SettleOutcome.ALREADY_SETTLED
        assert answer.ticks_settled == charge.settled

    @rule(ticks=st.integers(1, 50))
    def grant(self, ticks: int) -> None:
        """For today."""
        self.account.granted[self.today] = self.account.granted.get(self.today, 0) + ticks
        self.admin.grant(self.user.id, ticks)

    @rule(limit=limits)
    def set_limit(self, limit: int | None) -> None:
        """Any limit."""
        change = self.admin.set_limit(self.user.id, limit)
        assert change.previous_limit == self.account.limit
        changed = limit != self.account.limit
        assert change.outcome is (LimitOutcome.CHANGED if changed else LimitOutcome.UNCHANGED)
        self.account.limit = limit

    @rule()
    def reset(self) -> None:
        """Today's use is forgotten, and its charges are settled to nothing."""
        self.admin.reset(self.user.id)
        if self.account.used.get(self.today, 0) > 0:
            self.account.used[self.today] = 0
            for charge in self.made:
                if charge.day == self.today:
                    charge.settled = 0
                    self._free_key(charge)

    def _free_key(self, charge: Charge) -> None:
        if charge.key is not None and self.account.keys.get(charge.key) is charge:
            del self.account.keys[charge.key]

    @invariant()
    def states_agree(self) -> None:
        """The user's own view, and every day's books."""
        if not hasattr(self, "user"):
            return
        state, account = my_ticks(self.functions, self.user.caller), self.account
        used, granted = account.used.get(self.today, 0), account.granted.get(self.today, 0)
        assert (state.daily_tick_limit, state.ticks_used, state.ticks_granted) == (account.limit, used, granted)
        assert state.ticks_remaining == remaining(account.limit, granted, used)
        assert (state.usage_date, state.resets_at) == (self.today, day_ends(self.now, self.zone))
        assert state.email_confirmed is self.confirmed
        for day, (counted, charged) in self.database.ledger(self.user).items():
            assert counted == charged == account.used.get(date.fromisoformat(day), 0)


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
