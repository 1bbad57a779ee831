"""What a verifier says about a token: the stable codes, the single checks and the verdict itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from tickctl.core.json import JsonObject

NO_CLAIMS: Final[JsonObject] = MappingProxyType({})
_LONGEST_QUOTE: Final = 80


class Reason(StrEnum):
    """The outcome of a verification, one stable code each."""

    VALID = "valid"
    MALFORMED = "malformed"
    API_KEY = "api_key"
    NOT_A_USER_TOKEN = "not_a_user_token"  # noqa: S105 - a code
    UNSUPPORTED_ALGORITHM = "unsupported_algorithm"
    BAD_SIGNATURE = "bad_signature"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    MISSING_CLAIM = "missing_claim"
    MALFORMED_CLAIM = "malformed_claim"
    LIFETIME_TOO_LONG = "lifetime_too_long"
    ANONYMOUS = "anonymous"
    EMAIL_NOT_CONFIRMED = "email_not_confirmed"
    SESSION_REVOKED = "session_revoked"
    USER_BANNED = "user_banned"
    USER_DELETED = "user_deleted"
    UNKNOWN_KEY = "unknown_key"
    CONFIRMATION_UNKNOWN = "confirmation_unknown"
    UNREACHABLE = "unreachable"

    @property
    def cannot_tell(self) -> bool:
        """Whether this is neither a yes nor a no: nobody is admitted, and nobody is told that the token is bad."""
        return self in _CANNOT_TELL


_CANNOT_TELL: Final = frozenset({Reason.UNKNOWN_KEY, Reason.CONFIRMATION_UNKNOWN, Reason.UNREACHABLE})


class Step(StrEnum):
    """The checks by name, in the order in which they are made."""

    FORMAT = "format"
    HEADER = "header"
    KEY = "key"
    SIGNATURE = "signature"
    PAYLOAD = "payload"
    KIND = "kind"
    CLAIMS = "claims"
    TIMES = "times"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    ROLE = "role"
    ANONYMITY = "anonymity"
    CLIENT = "client"
    LIFETIME = "lifetime"
    DELETION = "deletion"
    BAN = "ban"
    SESSION = "session"
    EMAIL = "email"


_PASSED: Final[Mapping[Step, str]] = {
    Step.FORMAT: "three canonical base64url segments",
    Step.HEADER: "only alg, typ and kid, with an allowed algorithm",
    Step.KEY: "a known key of that algorithm",
    Step.SIGNATURE: "made with that key",
    Step.PAYLOAD: "one JSON object without duplicate names",
    Step.KIND: "a user's token, neither an API key nor an ID token",
    Step.CLAIMS: "all required claims, each of its type",
    Step.TIMES: "issued, begun and not expired",
    Step.ISSUER: "the expected issuer",
    Step.AUDIENCE: "the expected audience",
    Step.ROLE: "an admitted role",
    Step.ANONYMITY: "not an anonymous user",
    Step.CLIENT: "not a third party's OAuth session",
    Step.LIFETIME: "within the longest lifetime",
    Step.DELETION: "the user exists",
    Step.BAN: "the user is not banned",
    Step.SESSION: "the session exists",
    Step.EMAIL: "the e-mail address is confirmed",
}
_BEFORE: Final[Mapping[Step, frozenset[Step]]] = {
    step: frozenset(list(Step)[:position]) for position, step in enumerate(Step)
}


def steps_before(step: Step) -> frozenset[Step]:
    """Return the checks that come before `step`."""
    return _BEFORE[step]


class Result(StrEnum):
    """How a single check went; `skipped` means not made, or made without an answer."""

    PASS = "pass"  # noqa: S105 - a result
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the explanation of a verdict."""

    name: str
    result: Result
    detail: str


class ConfirmationSource(StrEnum):
    """Who said that the e-mail address is confirmed, or not."""

    CLAIM = "claim"
    AUTH_SERVER = "auth-server"
    DATABASE = "database"


class Refusal(Exception):  # noqa: N818 - an outcome that layers 1 and 2 raise, not a failure of this program
    """A check did not pass: the reason, a plain sentence, what to do, and which check it was.

    The verifier turns it into a `Verdict`. Neither text holds more of a token than `quoted` lets through.
    """

    def __init__(self, reason: Reason, step: Step, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.step = step
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer about one token; what is not known is `None`.

    `claims` and everything taken from them stay empty unless the signature passed. `claims` is a read-only view.
    `issued_at` and `expires_at` are seconds since 1970.
    """

    reason: Reason
    message: str
    hint: str | None = None
    subject: str | None = None
    email: str | None = None
    email_confirmed: bool | None = None
    confirmation_source: ConfirmationSource | None = None
    role: str | None = None
    algorithm: str | None = None
    key_id: str | None = None
    issued_at: int | None = None
    expires_at: int | None = None
    session_id: str | None = None
    claims: JsonObject = field(default_factory=lambda: NO_CLAIMS)
    passed: frozenset[Step] = frozenset()
    stopped_at: Step | None = None

    @property
    def valid(self) -> bool:
        """Whether the user is to be admitted."""
        return self.reason is Reason.VALID

    @property
    def cannot_tell(self) -> bool:
        """Whether this is neither a yes nor a no."""
        return self.reason.cannot_tell

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every check in its order, with what came of it."""
        return tuple(self._check(step) for step in Step)

    @property
    def not_checked(self) -> tuple[str, ...]:
        """The names of the checks that were not made, or that nobody could answer."""
        return tuple(check.name for check in self.checks if check.result is Result.SKIPPED)

    def _check(self, step: Step) -> Check:
        if step is self.stopped_at:
            result = Result.SKIPPED if self.cannot_tell else Result.FAIL
            return Check(step.value, result, self.message)
        if step in self.passed:
            return Check(step.value, Result.PASS, _PASSED[step])
        return Check(step.value, Result.SKIPPED, "not checked")


def quoted(text: str) -> str:
    """Return a foreign text fit for a message: short printable ASCII in quotes, or a word in its place."""
    if not (text.isascii() and text.isprintable()):
        return "(not printable)"
    return repr(text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…")
