"""What SQLSTATEs mean to a caller of the SQL functions; PostgreSQL and PostgREST report the same codes.

Codes: PostgreSQL documentation, appendix A.
"""

import re
from collections.abc import Mapping
from typing import Final

from tickctl.errors import (
    ConfigurationError,
    ConflictError,
    CredentialsRefusedError,
    InvalidInputError,
    NotFoundError,
    ProjectRefusedError,
    TickctlError,
    UnreachableError,
)

_NOT_INSTALLED: Final = "the database lacks tickctl's tables and functions, or has those of another version"
_INCOMPLETE: Final = "something that tickctl's functions need is missing in the database"
_MISSING: Final = frozenset({"3F000", "42703", "42704", "42883", "42P01"})
_REFUSED: Final = "TICK1"
_BROKEN: Final = "TICK3"
"""SQLSTATEs by which tick.store_limit passes on what code of the project raised; the object is in the detail."""
_OURS: Final = re.compile(r"(public\.)?(consume_ticks|settle_ticks|my_ticks|tick_admin_\w+)\(|tick\.")
_FUNCTION: Final = re.compile(r"^(?:PL/pgSQL|SQL) function ([^\n]+?\))", re.MULTILINE)
_CHANGED_MEANWHILE: Final = "somebody else changed the same rows first"
_IN_THE_WAY: Final = "another transaction was in the way"

# By the whole code or else by its class, the first two characters. Without a text of ours the server's message is
# passed on: those are raised by our own functions, or tell of the caller's own arguments and rights.
ERRORS: Final[Mapping[str, tuple[type[TickctlError], str | None]]] = {
    "08": (UnreachableError, "the connection to the database was lost"),
    "21000": (ConflictError, None),
    "22": (InvalidInputError, None),
    "23503": (ConflictError, _CHANGED_MEANWHILE),
    "23505": (ConflictError, _CHANGED_MEANWHILE),
    "28": (CredentialsRefusedError, "the database refused the credentials"),
    "3D000": (ConfigurationError, "the database that the URL names does not exist"),
    "3F000": (ConfigurationError, _NOT_INSTALLED),
    "40001": (UnreachableError, _IN_THE_WAY),
    "40P01": (UnreachableError, _IN_THE_WAY),
    "42501": (CredentialsRefusedError, None),
    "42703": (ConfigurationError, _NOT_INSTALLED),
    "42704": (ConfigurationError, _NOT_INSTALLED),
    "42883": (ConfigurationError, _NOT_INSTALLED),
    "42P01": (ConfigurationError, _NOT_INSTALLED),
    "53": (UnreachableError, "the database is out of resources"),
    "53100": (UnreachableError, "the database's disk is full"),
    "53300": (UnreachableError, "the database has no connection left"),
    "55P03": (UnreachableError, _IN_THE_WAY),
    "57014": (UnreachableError, "the database took too long and was interrupted"),
    "57P01": (UnreachableError, "the database is shutting down or ended the connection"),
    "57P02": (UnreachableError, "the database has crashed"),
    "57P03": (UnreachableError, "the database is starting or stopping"),
    "58": (UnreachableError, "the database has trouble with its disk"),
    "P0002": (NotFoundError, None),
}
_HINTS: Final[Mapping[str, str]] = {
    _NOT_INSTALLED: "run `tickctl schema apply`",
    _CHANGED_MEANWHILE: "try again",
}


def error_for(
    sqlstate: str, message: str, hint: str | None = None, *, detail: str | None = None, context: str | None = None
) -> TickctlError:
    """Return the error that stands for an SQLSTATE; one that is not in the table means that nobody can tell.

    Args:
        sqlstate: the five characters of the code.
        message: the server's primary message.
        hint: the server's hint, if it gave one.
        detail: the server's detail, if it gave one.
        context: the functions in which the error arose, innermost first, "" where it arose in none; `None` where nobody
            knows, as over the API.
    """
    owner = detail if sqlstate in {_REFUSED, _BROKEN} else _foreign_function(context)
    if owner and sqlstate in {_REFUSED, "P0001"}:
        return ProjectRefusedError(f"{owner} refused: {message}", hint=hint)
    if owner and sqlstate in {_BROKEN, *_MISSING}:
        return ConfigurationError(f"{owner} is broken: {message}", hint=hint or "fix it in the project")
    if sqlstate in _MISSING and context != "":
        return ConfigurationError(f"{_INCOMPLETE}: {message}", hint="run `tickctl schema check`, which names it")
    cannot_tell = (UnreachableError, f"the database could not answer (SQLSTATE {sqlstate})")
    error, text = ERRORS.get(sqlstate) or ERRORS.get(sqlstate[:2]) or cannot_tell
    return error(message, hint=hint) if text is None else error(text, hint=_HINTS.get(text))


def _foreign_function(context: str | None) -> str | None:
    """Return the function of the project in which an error arose; `None` where it is one of tickctl's, or none."""
    innermost = _FUNCTION.search(context or "")
    return None if innermost is None or _OURS.match(innermost[1]) else innermost[1]
