"""The live account behind a token: what no token can say, from the Auth server or the database."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from tickctl.core.secret import Secret
from tickctl.core.tokens.verdict import ConfirmationSource


@dataclass(frozen=True, slots=True)
class UserState:
    """A user's row at this moment; times are epoch seconds, `None` is never.

    `session_active` is `None` where the directory did not look the session up.
    """

    user_id: str
    email: str | None
    email_confirmed_at: float | None
    banned_until: float | None
    deleted_at: float | None
    is_anonymous: bool
    session_active: bool | None

    @property
    def email_confirmed(self) -> bool:
        """Whether there is an address, and it is confirmed."""
        return bool(self.email) and self.email_confirmed_at is not None


class Denial(StrEnum):
    """What a directory answers in place of a user; the codes of Supabase Auth.

    https://supabase.com/docs/guides/auth/debugging/error-codes
    """

    SESSION_NOT_FOUND = "session_not_found"
    USER_BANNED = "user_banned"
    USER_NOT_FOUND = "user_not_found"
    BAD_JWT = "bad_jwt"


class UserDirectory(Protocol):
    """Looks up the user of a token whose signature and claims have passed."""

    @property
    def source(self) -> ConfirmationSource:
        """Which directory this is."""
        ...

    def lookup(self, subject: str, session_id: str, token: Secret) -> UserState | Denial:
        """Return the user's row, or why there is none to be had for this session.

        Args:
            subject: the user's id.
            session_id: the session of the token.
            token: the token itself, as the Auth server wants it.

        Raises:
            UnreachableError: neither could be found out.
        """
        ...
