"""What PostgreSQL says while the schema is read or installed, as errors of tickctl."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from tickctl.core.quota.sqlstate import error_for
from tickctl.errors import ConfigurationError, CredentialsRefusedError, TickctlError, UnreachableError

_UNCHANGED: Final = "nothing was changed"
_ADVICE: Final = (
    (
        "not the database of",
        "use the connection string of the project's Connect dialog; the embedded database is --backend local",
    ),
    ("Auth is too old", "upgrade the project: its Auth server brings its tables up to date"),
    ("another text", "use the version of tickctl that set it up, or a newer one"),
    ("did not make", "tickctl needs that name: rename that schema"),
)


@contextmanager
def reported() -> Iterator[None]:
    """Turn psycopg's errors into those of tickctl.

    Raises:
        TickctlError: for every psycopg.Error.
    """
    try:
        yield
    except psycopg.Error as error:
        raise _error(error) from None


def refusal(kind: str, message: str) -> TickctlError | None:
    """Return the error for what the planner says of the database as a whole; None for an ordinary step."""
    match kind:
        case "newer":
            return ConfigurationError(message, hint="upgrade tickctl")
        case "denied":
            return CredentialsRefusedError(
                message, hint=f"{_UNCHANGED}; connect as postgres, as the project's Connect dialog has it"
            )
        case "refused":
            return ConfigurationError(message, hint=next((hint for sign, hint in _ADVICE if sign in message), None))
        case _:
            return None


def _error(error: psycopg.Error) -> TickctlError:  # noqa: PLR0911 - one for each kind
    state, code_and_message = error.sqlstate, error.diag.message_primary or ""
    match state:
        case None:
            return UnreachableError(
                "the connection to the database was lost",
                hint="a transaction that was not finished changes nothing; run the same command again",
            )
        case "42501":
            return CredentialsRefusedError(
                f"this role may not do that: {code_and_message}",
                hint=f"{_UNCHANGED}; connect as postgres, as the project's Connect dialog has it",
            )
        case "2BP01":
            users = "; ".join((error.diag.message_detail or code_and_message).splitlines())
            return ConfigurationError(
                f"objects of the project depend on tickctl's: {users}",
                hint=f"{_UNCHANGED}; drop them, and make them again afterwards",
            )
        case "25006":
            return ConfigurationError(
                "this database can only be read: a replica, or set to read-only",
                hint="use the connection string of the primary database",
            )
        case "55P03":
            return UnreachableError(
                "somebody else holds the tables, and did not let go of them in time",
                hint=f"{_UNCHANGED}; try again, or end the long transaction first",
            )
        case _ if state[:2] in {"08", "28", "40", "53", "57", "58"}:
            known = error_for(state, code_and_message, error.diag.message_hint)
            known.hint = known.hint or f"{_UNCHANGED}; try again"
            return known
        case _:
            return ConfigurationError(
                f"the database refused: {code_and_message} (SQLSTATE {state})",
                hint=f"{_UNCHANGED}; mend what it names and run the same command again",
            )
