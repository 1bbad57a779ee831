"""Users as operators see them, and those among them who may administer."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tickctl.core.quota.model import QuotaState


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


@dataclass(frozen=True, slots=True)
class Administrator:
    """A signed-in user who may administer."""

    user_id: str
    email: str | None
    added_at: datetime


@dataclass(frozen=True, slots=True)
class AdminChange:
    """Whom `add_admin` or `remove_admin` meant, and whether anything is different now."""

    user_id: str
    email: str | None
    changed: bool
