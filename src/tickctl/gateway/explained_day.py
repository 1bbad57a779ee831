"""What the database would decide of a request, reckoned from what can be read of account and day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Final

from tickctl.core.quota import (
    Consumption,
    Decision,
    Facts,
    QuotaState,
    SignedInUser,
    UserRecord,
    decide,
    remaining,
)
from tickctl.core.tokens import Denial, UserDirectory
from tickctl.errors import TickctlError
from tickctl.gateway.explanation import StepName

# In the order in which `decide` refuses.
STAGES: Final[Mapping[StepName, frozenset[Decision]]] = {
    StepName.ACCOUNT: frozenset({Decision.USER_NOT_FOUND, Decision.USER_DELETED, Decision.USER_BANNED}),
    StepName.SESSION: frozenset({Decision.SESSION_REVOKED}),
    StepName.CONFIRMATION: frozenset({Decision.ANONYMOUS, Decision.EMAIL_NOT_CONFIRMED}),
    StepName.QUOTA: frozenset({Decision.COST_EXCEEDS_LIMIT, Decision.QUOTA_EXHAUSTED}),
}
_EITHER: Final = (False, True)


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of account and session at this moment; `None` is not known, and `why` says why."""

    deleted: bool | None = None
    banned: bool | None = None
    session_active: bool | None = None
    anonymous: bool | None = None
    why: str = ""

    @classmethod
    def of_record(cls, record: UserRecord, now: float) -> "Account":
        """Return what a row says of a user whose session is taken for granted."""
        banned = record.banned_until is not None and record.banned_until.timestamp() > now
        return cls(record.deleted_at is not None, banned, session_active=True, anonymous=record.is_anonymous)

    @classmethod
    def looked_up(cls, directory: UserDirectory, caller: SignedInUser, now: float) -> "Account":
        """Return what a directory says of the caller."""
        subject, session_id = (str(caller.claims[name]).lower() for name in ("sub", "session_id"))
        try:
            found = directory.lookup(subject, session_id, caller.token)
        except TickctlError as error:
            return cls(why=error.message)
        if isinstance(found, Denial):
            return _DENIED[found]
        if found.user_id != subject:
            return cls(why="the directory answered for another user")
        banned = found.banned_until is not None and found.banned_until > now
        return cls(found.deleted_at is not None, banned, found.session_active, found.is_anonymous)


# A day without a row in the directory: the row is kept, of a user who was deleted.
_DENIED: Final[Mapping[Denial, Account]] = {
    Denial.USER_NOT_FOUND: Account(deleted=True, banned=False),
    Denial.USER_BANNED: Account(deleted=False, banned=True),
    Denial.SESSION_NOT_FOUND: Account(deleted=False, banned=False, session_active=False),
    Denial.BAD_JWT: Account(why="the Auth server does not accept the token"),
}


def possible(account: Account, state: QuotaState | None, ticks: int, *, require_confirmed: bool) -> frozenset[Decision]:
    """Return every decision that agrees with what is known: one, if all is.

    Args:
        account: the live account.
        state: the day before the request; `None` if there is no such user.
        ticks: what is asked for.
        require_confirmed: whether the e-mail must be confirmed.
    """
    known = (account.deleted, account.banned, account.session_active, account.anonymous)
    return frozenset(
        decide(
            Facts(
                exists=state is not None,
                deleted=deleted,
                banned=banned,
                session_active=session_active,
                anonymous=anonymous,
                email_confirmed=state is not None and state.email_confirmed,
                key_matches=None,
                daily_tick_limit=state.daily_tick_limit if state else 0,
                ticks_granted=state.ticks_granted if state else 0,
                ticks_used=state.ticks_used if state else 0,
            ),
            ticks,
            require_confirmed=require_confirmed,
        )
        for deleted, banned, session_active, anonymous in product(
            *(_EITHER if fact is None else (fact,) for fact in known)
        )
    )


def answered(decision: Decision, state: QuotaState | None, ticks: int, now: float) -> Consumption:
    """Return the row that `consume_ticks` would answer with, but for the charge."""
    moment = datetime.fromtimestamp(now, UTC)
    if state is None:
        return Consumption(decision, None, 0, 0, 0, 0, moment.date(), moment, moment)
    used = state.ticks_used + (ticks if decision is Decision.GRANTED else 0)
    return Consumption(
        decision=decision,
        charge_id=None,
        daily_tick_limit=state.daily_tick_limit,
        ticks_granted=state.ticks_granted,
        ticks_used=used,
        ticks_remaining=remaining(state.daily_tick_limit, state.ticks_granted, used),
        usage_date=state.usage_date,
        resets_at=state.resets_at,
        now=moment,
    )
