"""Ticks and days, as Python computes them."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quota_support import ODD_DAYS
from tickctl.core.quota import Decision, Facts, allowance, day_ends, day_of, decide, remaining


@pytest.mark.parametrize(
    ("limit", "granted", "used", "total", "left"),
    [
        (32, 0, 0, 32, 32),
        (32, 8, 40, 40, 0),
        (32, 0, 33, 32, 0),
        (0, 100, 0, 0, 0),
        (None, 0, 10**12, None, None),
        (None, 5, 0, None, None),
    ],
)
def test_allowance_and_remainder(
    limit: int | None, granted: int, used: int, total: int | None, left: int | None
) -> None:
    """`None` is unlimited, 0 is blocked, and nothing is left rather than less."""
    assert allowance(limit, granted) == total
    assert remaining(limit, granted, used) == left


GOOD = Facts(
    exists=True,
    deleted=False,
    banned=False,
    session_active=True,
    anonymous=False,
    email_confirmed=True,
    key_matches=None,
    daily_tick_limit=10,
    ticks_granted=0,
    ticks_used=0,
)
# In their order, each with what alone brings it about.
REFUSALS: list[tuple[Decision, dict[str, object]]] = [
    (Decision.USER_NOT_FOUND, {"exists": False}),
    (Decision.USER_DELETED, {"deleted": True}),
    (Decision.USER_BANNED, {"banned": True}),
    (Decision.SESSION_REVOKED, {"session_active": False}),
    (Decision.ANONYMOUS, {"anonymous": True}),
    (Decision.EMAIL_NOT_CONFIRMED, {"email_confirmed": False}),
    (Decision.KEY_CONFLICT, {"key_matches": False}),
    (Decision.COST_EXCEEDS_LIMIT, {"daily_tick_limit": 4}),
    (Decision.QUOTA_EXHAUSTED, {"ticks_used": 6}),
]


def _facts(changes: dict[str, object]) -> Facts:
    fields = {name: getattr(GOOD, name) for name in Facts.__slots__}
    return Facts(**{**fields, **changes})


@pytest.mark.parametrize("index", range(len(REFUSALS)))
def test_the_first_refusal_that_holds_is_the_decision(index: int) -> None:
    """Whatever else holds after it."""
    changes: dict[str, object] = {}
    for _decision, change in reversed(REFUSALS[index:]):
        changes |= change
    assert decide(_facts(changes), 5) is REFUSALS[index][0]
    assert decide(_facts(REFUSALS[index][1]), 5) is REFUSALS[index][0]


def test_what_was_granted_before_is_accepted_even_when_nothing_is_left() -> None:
    """The order puts the key before the count; as long as its charge may be refunded, it is under way."""
    accepted: dict[str, object] = {"key_matches": True, "ticks_used": 10}
    assert decide(_facts(accepted), 5) is Decision.ALREADY_ACCEPTED
    assert decide(_facts(accepted | {"charge_is_recent": True}), 5) is Decision.UNDER_WAY
    assert decide(_facts({"key_matches": False, "charge_is_recent": True}), 5) is Decision.KEY_CONFLICT


def test_a_lost_answer_is_given_again_even_when_nothing_is_left() -> None:
    """The charge stands already, unless what is asked for now is something else."""
    lost: dict[str, object] = {"charge_is_open": True, "ticks_used": 10}
    assert decide(_facts(lost | {"key_matches": True}), 5) is Decision.GRANTED
    assert decide(_facts(lost | {"key_matches": True, "daily_tick_limit": 0}), 5) is Decision.GRANTED
    assert decide(_facts(lost | {"key_matches": False}), 5) is Decision.KEY_CONFLICT
    assert decide(_facts(lost | {"key_matches": True, "banned": True}), 5) is Decision.USER_BANNED


def test_every_decision_stands_in_its_order() -> None:
    """The enum is the table of the order; only the last one counts anything."""
    named = [decision for decision, _ in REFUSALS]
    place = named.index(Decision.COST_EXCEEDS_LIMIT)
    named[place:place] = [Decision.UNDER_WAY, Decision.ALREADY_ACCEPTED]
    assert [*named, Decision.GRANTED] == list(Decision)
    assert decide(GOOD, 10) is Decision.GRANTED
    assert decide(_facts({"email_confirmed": False}), 1, require_confirmed=False) is Decision.GRANTED


@pytest.mark.parametrize(("zone", "moment", "end"), ODD_DAYS)
def test_a_day_ends_when_the_date_changes(zone: str, moment: str, end: str) -> None:
    """Also where midnight is skipped or comes twice."""
    instant = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert day_ends(instant, ZoneInfo(zone)) == datetime.fromisoformat(end).replace(tzinfo=UTC)


@given(
    zone=st.sampled_from(sorted({zone for zone, _, _ in ODD_DAYS})).map(ZoneInfo),
    moment=st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_the_date_holds_until_the_day_ends(zone: ZoneInfo, moment: datetime) -> None:
    """The end is another date, the instant before is not, nor is any minute in between."""
    end, today = day_ends(moment, zone), day_of(moment, zone)
    assert day_of(end, zone) != today
    assert day_of(end - timedelta(microseconds=1), zone) == today
    minutes = int((end - moment).total_seconds() // 60)
    assert all(day_of(moment + timedelta(minutes=m), zone) == today for m in range(0, minutes, 7))


def test_the_zone_decides_the_date() -> None:
    """One instant, two dates."""
    moment = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    assert day_of(moment, ZoneInfo("UTC")) == date(2026, 11, 23)
    assert day_of(moment, ZoneInfo("Europe/Paris")) == date(2026, 11, 24)
