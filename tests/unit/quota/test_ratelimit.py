"""The header values of the RateLimit draft."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from tickctl.core.quota import Consumption, Decision
from tickctl.core.quota.ratelimit import headers

NOW = datetime(2026, 11, 23, 3, 39, tzinfo=UTC)
GRANTED = Consumption(
    decision=Decision.GRANTED,
    charge_id="00000000-0000-4000-8000-000000000001",
    daily_tick_limit=32,
    ticks_granted=0,
    ticks_used=5,
    ticks_remaining=27,
    usage_date=date(2026, 11, 23),
    resets_at=datetime(2026, 11, 24, tzinfo=UTC),
    now=NOW,
)


def test_a_grant_says_what_is_left_and_until_when() -> None:
    """As in the draft's examples: quota, window, remainder, seconds."""
    assert headers(GRANTED) == {
        "RateLimit-Policy": '"daily-ticks";q=32;w=86400',
        "RateLimit": '"daily-ticks";r=27;t=73260',
    }


def test_ticks_that_were_granted_count_into_the_quota() -> None:
    """The remainder never exceeds the quota."""
    assert headers(replace(GRANTED, ticks_granted=8, ticks_remaining=35))["RateLimit-Policy"].startswith(
        '"daily-ticks";q=40;'
    )


def test_an_exhausted_user_is_told_when_to_come_back() -> None:
    """Rounded up: a second too early would be refused again."""
    refused = replace(GRANTED, decision=Decision.QUOTA_EXHAUSTED, now=NOW + timedelta(microseconds=1))
    assert headers(refused)["Retry-After"] == "73260"
    last = replace(refused, now=GRANTED.resets_at - timedelta(microseconds=1))
    assert headers(last)["Retry-After"] == "1"
    assert headers(last)["RateLimit"].endswith(";t=1")


def test_a_day_that_seems_over_is_told_as_a_second() -> None:
    """Numbers below 0 are no header values, and 0 would invite to come back at once."""
    over = replace(GRANTED, decision=Decision.QUOTA_EXHAUSTED, now=GRANTED.resets_at + timedelta(hours=1))
    assert headers(over)["RateLimit"].endswith(";t=1")
    assert headers(over)["Retry-After"] == "1"


def test_waiting_does_not_help_a_request_that_is_too_large() -> None:
    """There is a remainder to tell, but no time."""
    fields = headers(replace(GRANTED, decision=Decision.COST_EXCEEDS_LIMIT))
    assert "RateLimit" in fields
    assert "Retry-After" not in fields


def test_unlimited_users_have_no_limit_to_tell() -> None:
    """No value of the draft's stands for it."""
    assert headers(replace(GRANTED, daily_tick_limit=None, ticks_remaining=None)) == {}


@pytest.mark.parametrize(
    "decision", sorted(set(Decision) - {Decision.GRANTED, Decision.QUOTA_EXHAUSTED, Decision.COST_EXCEEDS_LIMIT})
)
def test_refusals_for_other_reasons_say_nothing_of_ticks(decision: Decision) -> None:
    """They are not answers to a question of ticks."""
    assert headers(replace(GRANTED, decision=decision)) == {}
