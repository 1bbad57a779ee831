"""Header values that tell a client of its quota: draft-ietf-httpapi-ratelimit-headers-11 and RFC 9110."""

import math
from typing import Final

from tickctl.core.quota.arithmetic import allowance
from tickctl.core.quota.model import Consumption, Decision

POLICY_NAME: Final = "daily-ticks"
_WINDOW: Final = 86_400
"""Seconds. Nominal: a day on which clocks change is an hour shorter or longer, which `t` accounts for."""
_TELLING: Final = frozenset({Decision.GRANTED, Decision.QUOTA_EXHAUSTED, Decision.COST_EXCEEDS_LIMIT})


def seconds_to_reset(consumption: Consumption) -> int:
    """Return the whole seconds until the day ends, at least 1 and rounded up, so that nobody comes back too early."""
    return max(1, math.ceil((consumption.resets_at - consumption.now).total_seconds()))


def headers(consumption: Consumption) -> dict[str, str]:
    """Return the header fields for an answer; none for unlimited users and for refusals that are not about ticks.

    `Retry-After` is there only where waiting helps.
    """
    quota = allowance(consumption.daily_tick_limit, consumption.ticks_granted)
    if quota is None or consumption.decision not in _TELLING:
        return {}
    seconds = seconds_to_reset(consumption)
    fields = {
        "RateLimit-Policy": f'"{POLICY_NAME}";q={quota};w={_WINDOW}',
        "RateLimit": f'"{POLICY_NAME}";r={consumption.ticks_remaining};t={seconds}',
    }
    if consumption.decision is Decision.QUOTA_EXHAUSTED:
        fields["Retry-After"] = str(seconds)
    return fields
