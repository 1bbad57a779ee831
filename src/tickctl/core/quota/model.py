"""What the SQL functions answer: codes and values.

Ticks are whole numbers. A limit or a remainder of `None` is unlimited; a limit of 0 is blocked. Instants are in UTC,
dates are days of the time zone stored in the database. User, session and charge ids are UUIDs in lower case.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Generic, TypeVar

from tickctl.core.json import JsonObject

T = TypeVar("T")


class Decision(StrEnum):
    """What `consume_ticks` decided; the first that applies, in this order. Only `GRANTED` has counted anything."""

    USER_NOT_FOUND = "user_not_found"
    USER_DELETED = "user_deleted"
    USER_BANNED = "user_banned"
    SESSION_REVOKED = "session_revoked"
    ANONYMOUS = "anonymous"
    EMAIL_NOT_CONFIRMED = "email_not_confirmed"
    KEY_CONFLICT = "key_conflict"
    """The request key, or the charge id, was used before for another amount or another body."""
    UNDER_WAY = "under_way"
    """The same request was granted less than a minute ago and isn't settled: it may still fail and be refunded."""
    ALREADY_ACCEPTED = "already_accepted"
    """The same request was granted before, and not given back: not to be carried out again."""
    COST_EXCEEDS_LIMIT = "cost_exceeds_limit"
    """More than the whole day allows: waiting will not help."""
    QUOTA_EXHAUSTED = "quota_exhausted"
    GRANTED = "granted"


class SettleOutcome(StrEnum):
    """What `settle_ticks` did."""

    SETTLED = "settled"
    ALREADY_SETTLED = "already_settled"
    NOT_FOUND = "not_found"
    """There is no such charge, or the secret is not that of this charge."""
    TOO_MANY_REFUNDS = "too_many_refunds"
    """The user's charges of that day were settled to 0 as often as `tick.settings.most_refunds` allows."""


class LimitOutcome(StrEnum):
    """What became of a limit that was to be set."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    CONFLICT = "conflict"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True)
class Consumption:
    """The answer of `consume_ticks`: the decision and the caller's day after it.

    Of a user who does not exist, the numbers are all 0. `charge_id` is the caller's own when granted; for
    `UNDER_WAY`, `ALREADY_ACCEPTED` and `KEY_CONFLICT` it is that of the earlier request.
    """

    decision: Decision
    charge_id: str | None
    daily_tick_limit: int | None
    ticks_granted: int
    ticks_used: int
    ticks_remaining: int | None
    usage_date: date
    resets_at: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Settlement:
    """The answer of `settle_ticks`; everything but the outcome is `None` when there is no such charge."""

    outcome: SettleOutcome
    charge_id: str | None
    user_id: str | None
    usage_date: date | None
    ticks_charged: int | None
    ticks_settled: int | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class QuotaState:
    """One user's quota today. `email` is `None` for users who signed up by phone."""

    user_id: str
    email: str | None
    email_confirmed: bool
    daily_tick_limit: int | None
    usage_date: date
    ticks_used: int
    ticks_granted: int
    ticks_remaining: int | None
    resets_at: datetime
    time_zone: str


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list; `next` is the cursor that asks for what follows, and `None` on the last page."""

    items: tuple[T, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class LimitChange:
    """What `set_limit` did, and the user's state after it."""

    outcome: LimitOutcome
    previous_limit: int | None
    state: QuotaState

    @property
    def changed(self) -> bool:
        """Whether the limit is another one now."""
        return self.outcome is LimitOutcome.CHANGED

    @property
    def conflict(self) -> bool:
        """Whether the limit was left alone because it was not the expected one."""
        return self.outcome is LimitOutcome.CONFLICT


@dataclass(frozen=True, slots=True)
class ImportedLimit:
    """What became of one entry of an import."""

    user_id: str
    outcome: LimitOutcome
    previous_limit: int | None

    @property
    def changed(self) -> bool:
        """Whether the limit is another one now."""
        return self.outcome is LimitOutcome.CHANGED


@dataclass(frozen=True, slots=True)
class ResolvedUser:
    """Whom a reference means; `user_id` is `None` when nobody or several users are meant."""

    user_ref: str
    user_id: str | None
    email: str | None
    daily_tick_limit: int | None


@dataclass(frozen=True, slots=True)
class DayUsage:
    """One day of a user's history."""

    usage_date: date
    ticks_used: int
    ticks_granted: int
    charges: int


@dataclass(frozen=True, slots=True)
class TopEntry:
    """A user among those who used most."""

    user_id: str
    email: str | None
    ticks_used: int
    daily_tick_limit: int | None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change, as the log keeps it.

    `actor` is who the database knows it was: `service_role` for the secret key, the login role of a direct connection,
    or a user id, which `actor_id` then holds as well. `operator` is what the caller said. `before` and `after` hold the
    values that changed.
    """

    id: int
    at: datetime
    action: str
    actor: str
    actor_id: str | None
    operator: str | None
    user_id: str
    email: str | None
    before: JsonObject
    after: JsonObject
    reason: str | None
