"""Every error that tickctl raises on purpose: what happened, and what to do next.

The classes follow what the reader of an exit code or an HTTP status must tell apart.
`tickctl.cli` maps them to exit codes and `tickctl.gateway` to HTTP statuses; nothing here knows of either.
"""

from collections.abc import Sequence
from typing import ClassVar


class TickctlError(Exception):
    """The root: `message` says what happened, `hint` what to do next; neither ever holds a secret."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidInputError(TickctlError):
    """What the caller gave can't be used: a malformed value, file or combination."""

    code = "invalid_input"


class ConfigurationError(TickctlError):
    """A setting is missing, malformed, contradictory or unsafe."""

    code = "configuration"


class CredentialsRefusedError(TickctlError):
    """Supabase, PostgreSQL or AWS answered, and said that these credentials may not do this."""

    code = "credentials_refused"


class UnreachableError(TickctlError):
    """No usable answer came: network, time-out, outage or rubbish; neither a yes nor a no."""

    code = "unreachable"


class UncertainError(UnreachableError):
    """No usable answer came, and what was asked for may have been done all the same."""


class NotFoundError(TickctlError):
    """The named user, secret, version or service does not exist; `suggestions` are near matches."""

    code = "not_found"

    def __init__(self, message: str, *, hint: str | None = None, suggestions: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.suggestions = tuple(suggestions)


class ProjectRefusedError(TickctlError):
    """A trigger or a constraint of the project's own refused; the same again will be refused again."""

    code = "refused_by_project"


class ConflictError(TickctlError):
    """Somebody else changed it first; nothing was written."""

    code = "conflict"
