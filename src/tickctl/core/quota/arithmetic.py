"""The arithmetic of ticks and days, as the SQL functions do it; a property test holds the two equal."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tickctl.core.quota.model import Decision


def allowance(daily_tick_limit: int | None, ticks_granted: int) -> int | None:
    """Return the ticks that a day allows; a blocked user (limit 0) has none, whatever was granted."""
    if daily_tick_limit is None or daily_tick_limit == 0:
        return daily_tick_limit
    return daily_tick_limit + ticks_granted


def remaining(daily_tick_limit: int | None, ticks_granted: int, ticks_used: int) -> int | None:
    """Return the ticks left, never below 0: a limit may have been lowered below what is used already."""
    total = allowance(daily_tick_limit, ticks_granted)
    return None if total is None else max(total - ticks_used, 0)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a decision rests on: the live rows of the user, the session and the day.

    Attributes:
        key_matches: whether the request key, or the charge id, was used for the same request; `None` if both are new.
        charge_is_open: whether it was the charge id, of a charge that isn't settled: the caller's own lost answer.
        charge_is_recent: whether it was the request key, of a charge that isn't settled and less than a minute old.
    """

    exists: bool
    deleted: bool
    banned: bool
    session_active: bool
    anonymous: bool
    email_confirmed: bool
    key_matches: bool | None
    daily_tick_limit: int | None
    ticks_granted: int
    ticks_used: int
    charge_is_open: bool = False
    charge_is_recent: bool = False


def decide(facts: Facts, ticks: int, *, require_confirmed: bool = True) -> Decision:
    """Return the decision for a request of `ticks` ticks: the first refusal that holds, or a grant."""
    total = allowance(facts.daily_tick_limit, facts.ticks_granted)
    decisions = (
        (Decision.USER_NOT_FOUND, not facts.exists),
        (Decision.USER_DELETED, facts.deleted),
        (Decision.USER_BANNED, facts.banned),
        (Decision.SESSION_REVOKED, not facts.session_active),
        (Decision.ANONYMOUS, facts.anonymous),
        (Decision.EMAIL_NOT_CONFIRMED, require_confirmed and not facts.email_confirmed),
        (Decision.KEY_CONFLICT, facts.key_matches is False),
        (Decision.GRANTED, facts.key_matches is True and facts.charge_is_open),
        (Decision.UNDER_WAY, facts.key_matches is True and facts.charge_is_recent),
        (Decision.ALREADY_ACCEPTED, facts.key_matches is True),
        (Decision.COST_EXCEEDS_LIMIT, total is not None and ticks > total),
        (Decision.QUOTA_EXHAUSTED, total is not None and facts.ticks_used + ticks > total),
    )
    return next((decision for decision, holds in decisions if holds), Decision.GRANTED)


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """Return the date that an instant falls on in a zone."""
    return moment.astimezone(zone).date()


def day_ends(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant (UTC) after `moment` whose date in the zone differs from that of `moment`.

    Midnight is not always there once: clocks go forward over it (America/Havana), back over it (America/St_Johns
    until 2011: the date changes, changes back and changes again), or over a whole day (Pacific/Apia in 2011). At
    most one change of the zone's offset lies before the end; it is found by halving.
    """
    moment = moment.astimezone(UTC)
    today = day_of(moment, zone)
    offset = _offset(moment, zone)
    midnight = datetime.combine(today + timedelta(days=1), time.min, UTC)
    by_old_offset = midnight - offset
    # No later than this: fold=1 is the later of two midnights, and lies beyond the gap when there is none.
    latest = max(by_old_offset, *(_instant(midnight, zone, fold) for fold in (0, 1)))
    if _offset(latest, zone) == offset:
        return by_old_offset
    before, after = int(moment.timestamp()), int(latest.timestamp())
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(datetime.fromtimestamp(middle, UTC), zone) == offset:
            before = middle
        else:
            after = middle
    change = datetime.fromtimestamp(after, UTC)
    if by_old_offset < change:
        return by_old_offset
    if day_of(change, zone) != today:
        return change
    return midnight - _offset(change, zone)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    """Return what a zone's clocks are ahead of UTC by at an instant."""
    return moment.astimezone(zone).replace(tzinfo=UTC) - moment


def _instant(clock_time: datetime, zone: ZoneInfo, fold: int) -> datetime:
    """Return the instant at which a zone's clocks show the given time, or would (PEP 495)."""
    return clock_time.replace(tzinfo=zone, fold=fold).astimezone(UTC)
