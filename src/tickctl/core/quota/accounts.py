"""Users as operators see them, and those among them who may administer."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tickctl.core.json import JsonObject
from tickctl.core.quota.model import QuotaState
from tickctl.core.quota.rows import Row


class UserFilter(StrEnum):
    """Which users a list shows."""

    ALL = "all"
    EXHAUSTED = "exhausted"
    """Nothing is left today; the blocked are among them."""
    UNLIMITED = "unlimited"
    BLOCKED = "blocked"
    """The limit is 0."""
    UNCONFIRMED = "unconfirmed"
    """The e-mail is not confirmed, or there is none."""
    BANNED = "banned"
    """Until a time that has not come yet."""


@dataclass(frozen=True, slots=True)
class UserOverview:
    """One user's quota today and what Supabase Auth knows of the account.

    `last_sign_in_at` is `None` for users who never signed in; `sessions` counts those that have not ended.
    """

    quota: QuotaState
    email_confirmed_at: datetime | None
    created_at: datetime | None
    last_sign_in_at: datetime | None
    banned_until: datetime | None
    is_anonymous: bool
    sessions: int

    @classmethod
    def from_row(cls, fields: JsonObject) -> "UserOverview":
        """Read a `tick.user_overview`; rubbish raises `UnreachableError`."""
        row = Row(fields)
        return cls(
            quota=QuotaState.from_row(fields),
            email_confirmed_at=row.optional(row.moment, "email_confirmed_at"),
            created_at=row.optional(row.moment, "created_at"),
            last_sign_in_at=row.optional(row.moment, "last_sign_in_at"),
            banned_until=row.optional(row.moment, "banned_until"),
            is_anonymous=row.boolean("is_anonymous"),
            sessions=row.integer("sessions"),
        )


@dataclass(frozen=True, slots=True)
class UserRecord:
    """The live row of a user in `auth.users`; `session_active` is `None` when no session was asked about."""

    user_id: str
    email: str | None
    email_confirmed_at: datetime | None
    banned_until: datetime | None
    deleted_at: datetime | None
    is_anonymous: bool
    session_active: bool | None

    @classmethod
    def from_row(cls, fields: JsonObject) -> "UserRecord":
        """Read a `tick.user_state`; rubbish raises `UnreachableError`."""
        row = Row(fields)
        return cls(
            user_id=row.text("user_id"),
            email=row.optional(row.text, "email"),
            email_confirmed_at=row.optional(row.moment, "email_confirmed_at"),
            banned_until=row.optional(row.moment, "banned_until"),
            deleted_at=row.optional(row.moment, "deleted_at"),
            is_anonymous=row.boolean("is_anonymous"),
            session_active=row.optional(row.boolean, "session_active"),
        )


@dataclass(frozen=True, slots=True)
class Administrator:
    """A signed-in user who may administer."""

    user_id: str
    email: str | None
    added_at: datetime

    @classmethod
    def from_row(cls, fields: JsonObject) -> "Administrator":
        """Read a `tick.administrator`; rubbish raises `UnreachableError`."""
        row = Row(fields)
        return cls(
            user_id=row.text("user_id"),
            email=row.optional(row.text, "email"),
            added_at=row.moment("added_at"),
        )


@dataclass(frozen=True, slots=True)
class AdminChange:
    """Whom `add_admin` or `remove_admin` meant, and whether anything is different now."""

    user_id: str
    email: str | None
    changed: bool

    @classmethod
    def from_row(cls, fields: JsonObject) -> "AdminChange":
        """Read a `tick.admin_change`; rubbish raises `UnreachableError`."""
        row = Row(fields)
        return cls(
            user_id=row.text("user_id"),
            email=row.optional(row.text, "email"),
            changed=row.boolean("changed"),
        )
