"""The counting functions in memory, for tests of applications: they answer as the database does.

SQL decides; this is its model, and a test runs both and compares every answer.
"""

import hashlib
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from tickctl.core.json import Json, JsonObject
from tickctl.core.quota.arithmetic import Facts, day_ends, day_of, decide, remaining
from tickctl.core.quota.model import Decision, SettleOutcome
from tickctl.core.quota.port import Caller, ServiceRole, SignedInUser
from tickctl.core.quota.rows import Row
from tickctl.errors import ConfigurationError, CredentialsRefusedError, InvalidInputError

LARGEST_COST: Final = 1_000_000
MOST_REFUNDS: Final = 100
"""The defaults of `tick.settings`."""
_RECENT: Final = timedelta(minutes=1)
_NAMING: Final = frozenset({Decision.GRANTED, Decision.KEY_CONFLICT, Decision.UNDER_WAY, Decision.ALREADY_ACCEPTED})
"""Decisions that name the charge they are about."""
_OPTIONAL: Final = ("refund_digest", "request_key", "request_digest")


@dataclass(slots=True)
class MemoryUser:
    """A user with one session; assign to the fields to change it.

    Attributes:
        id: a UUID.
        session_id: of the session, a UUID.
        email: of the account.
        daily_tick_limit: `None` is unlimited, 0 blocks the user.
        email_confirmed: whether the address is confirmed.
        is_banned: whether the user is banned.
        is_deleted: whether the account is deleted.
        is_signed_out: whether the session is revoked.
        used: ticks by day.
        granted: extra ticks by day.
    """

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    session_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    email: str = "user@example.com"
    daily_tick_limit: int | None = 32
    email_confirmed: bool = True
    is_banned: bool = False
    is_deleted: bool = False
    is_signed_out: bool = False
    used: Counter[date] = field(default_factory=Counter)
    granted: Counter[date] = field(default_factory=Counter)
    refunds: Counter[date] = field(default_factory=Counter)


@dataclass(slots=True)
class _Charge:
    id: str
    user: MemoryUser
    day: date
    ticks: int
    refund_digest: str | None
    key: str | None
    digest: str | None
    made_at: datetime
    settled: int | None = None
    settled_at: datetime | None = None

    def is_for(self, ticks: int, key: str | None, digest: str | None) -> bool:
        """Whether a request is the one that the charge was made for; a refunded charge has no key any more."""
        same_key = self.key == key and (key is None or self.digest == digest)
        return self.ticks == ticks and (self.settled == 0 or same_key)


class MemoryFunctions:
    """`consume_ticks` and `settle_ticks` over users in memory; satisfies `SqlFunctions`.

    Args:
        clock: epoch seconds.
        zone: in which days begin; UTC unless given.

    Attributes:
        users: by id.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time, zone: ZoneInfo | None = None) -> None:
        self.users: dict[str, MemoryUser] = {}
        self._clock = clock
        self.zone = zone or ZoneInfo("UTC")
        self._charges: dict[str, _Charge] = {}
        self._keys: dict[tuple[str, str], _Charge] = {}

    @property
    def today(self) -> date:
        """The day into which requests are counted."""
        return day_of(self._now, self.zone)

    def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Call a function; arguments, rows and errors are those of `SqlFunctions.call`."""
        match name:
            case "consume_ticks":
                defaults: JsonObject = {"require_confirmed": True, "carry_out": True, **dict.fromkeys(_OPTIONAL)}
                return [self._consume(caller, Row({**defaults, **arguments}))]
            case "settle_ticks":
                return [self._settle(caller, Row({"refund_secret": None, **arguments}))]
        raise ConfigurationError(f"the store in memory has no function {name}")

    def reset(self, user_id: str) -> None:
        """Set what a user has used today to 0, and settle today's charges to nothing."""
        user = self.users[user_id]
        for charge in self._charges.values():
            if charge.user is user and charge.day == self.today and user.used[self.today]:
                charge.settled, charge.settled_at = 0, charge.settled_at or self._now
                self._free_key(charge)
        user.used[self.today] = 0

    @property
    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _consume(self, caller: Caller, arguments: Row) -> JsonObject:
        ticks, charge_id = arguments.integer("ticks"), arguments.text("charge_id")
        refund_digest, key, digest = (arguments.optional(arguments.text, name) for name in _OPTIONAL)
        if not isinstance(caller, SignedInUser):
            raise CredentialsRefusedError("this needs a signed-in user")
        if not 1 <= ticks <= LARGEST_COST:
            raise InvalidInputError(f"ticks must be from 1 to {LARGEST_COST}")
        account = self.users.get(str(caller.claims["sub"]))
        user = account or MemoryUser(daily_tick_limit=0)
        charge = self._charges.get(charge_id)
        is_taken = charge is not None and charge.user is not user
        if key is not None and (charge is None or is_taken):
            charge = self._keys.get((user.id, key))
        elif is_taken:
            charge = None
        facts = Facts(
            exists=account is not None,
            deleted=user.is_deleted,
            banned=user.is_banned,
            session_active=not user.is_signed_out and caller.claims.get("session_id") == user.session_id,
            anonymous=caller.claims.get("is_anonymous", False) is not False,
            email_confirmed=user.email_confirmed,
            key_matches=None if charge is None else charge.is_for(ticks, key, digest),
            daily_tick_limit=user.daily_tick_limit,
            ticks_granted=user.granted[self.today],
            ticks_used=user.used[self.today],
            charge_is_open=charge is not None and charge.id == charge_id and charge.settled is None,
            charge_is_recent=charge is not None and charge.settled is None and self._now < charge.made_at + _RECENT,
        )
        decision = decide(facts, ticks, require_confirmed=arguments.boolean("require_confirmed"))
        if decision is Decision.GRANTED and charge is None and arguments.boolean("carry_out"):
            if is_taken:
                raise InvalidInputError("this charge_id is in use")
            charge = _Charge(charge_id, user, self.today, ticks, refund_digest, key, digest, self._now)
            self._charges[charge_id] = charge
            if key is not None:
                self._keys[user.id, key] = charge
            user.used[self.today] += ticks
        names_charge = decision in _NAMING
        used = user.used[self.today]
        return {
            "decision": decision.value,
            "charge_id": charge.id if charge is not None and names_charge else None,
            "daily_tick_limit": facts.daily_tick_limit,
            "ticks_granted": facts.ticks_granted,
            "ticks_used": used,
            "ticks_remaining": remaining(facts.daily_tick_limit, facts.ticks_granted, used),
            "usage_date": self.today.isoformat(),
            "resets_at": day_ends(self._now, self.zone).isoformat(),
            "now": self._now.isoformat(),
        }

    def _settle(self, caller: Caller, arguments: Row) -> JsonObject:
        charge, ticks_actual = self._charges.get(arguments.text("charge_id")), arguments.integer("ticks_actual")
        secret = arguments.optional(arguments.text, "refund_secret")
        digest = None if secret is None else hashlib.sha256(secret.encode()).hexdigest()
        is_operator = isinstance(caller, ServiceRole)
        if charge is None or (not is_operator and (digest is None or charge.refund_digest != digest)):
            return _settlement(SettleOutcome.NOT_FOUND)
        if not 0 <= ticks_actual <= charge.ticks:
            raise InvalidInputError("ticks_actual must be from 0 to the ticks charged")
        if charge.settled is not None:
            return _settlement(SettleOutcome.ALREADY_SETTLED, charge)
        if ticks_actual == 0 and not is_operator:
            if charge.user.refunds[charge.day] >= MOST_REFUNDS:
                return _settlement(SettleOutcome.TOO_MANY_REFUNDS)
            charge.user.refunds[charge.day] += 1
        charge.settled, charge.settled_at = ticks_actual, self._now
        charge.user.used[charge.day] -= charge.ticks - ticks_actual
        if ticks_actual == 0:
            self._free_key(charge)
        return _settlement(SettleOutcome.SETTLED, charge)

    def _free_key(self, charge: _Charge) -> None:
        if charge.key is not None and self._keys.get((charge.user.id, charge.key)) is charge:
            del self._keys[charge.user.id, charge.key]


def _settlement(outcome: SettleOutcome, charge: _Charge | None = None) -> JsonObject:
    names = ("charge_id", "user_id", "usage_date", "ticks_charged", "ticks_settled", "settled_at")
    values: list[Json] = [None] * len(names)
    if charge is not None:
        settled_at = charge.settled_at.isoformat() if charge.settled_at else None
        values = [charge.id, charge.user.id, charge.day.isoformat(), charge.ticks, charge.settled, settled_at]
    return {"outcome": outcome.value, **dict(zip(names, values, strict=True))}
