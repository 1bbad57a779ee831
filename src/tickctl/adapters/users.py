"""The live account behind a token, asked of the project's own database."""

from datetime import datetime

from tickctl.core.quota import Caller, QuotaAdmin, SqlFunctions
from tickctl.core.secret import Secret
from tickctl.core.tokens import ConfirmationSource, Denial, UserState
from tickctl.errors import NotFoundError, TickctlError, UnreachableError


class DatabaseUsers:
    """Looks users up in `auth.users` and `auth.sessions` through `tick_admin_user`, as an operator.

    Args:
        functions: the database.
        caller: the administrator, if not whoever holds the secret key or the connection.
    """

    source = ConfirmationSource.DATABASE

    def __init__(self, functions: SqlFunctions, caller: Caller | None = None) -> None:
        self._admin = QuotaAdmin(functions, operator="verify-token", caller=caller)

    def lookup(self, subject: str, session_id: str, token: Secret) -> UserState | Denial:  # noqa: ARG002 - a port's form
        """Return the user's row and whether the session is open.

        Raises:
            UnreachableError: it could not be found out, whatever the reason.
        """
        try:
            record = self._admin.user(subject, session_id)
        except NotFoundError:
            return Denial.USER_NOT_FOUND
        except UnreachableError:
            raise
        except TickctlError as error:
            raise UnreachableError(error.message, hint=error.hint) from None
        return UserState(
            user_id=record.user_id,
            email=record.email,
            email_confirmed_at=_seconds(record.email_confirmed_at),
            banned_until=_seconds(record.banned_until),
            deleted_at=_seconds(record.deleted_at),
            is_anonymous=record.is_anonymous,
            session_active=record.session_active,
        )


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None
