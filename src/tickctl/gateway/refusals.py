"""Which verdict, decision or error is answered with what; a request that may go on has no problem.

"Cannot tell" is 503 always: never 401, which would sign people out, and never 429, which would blame them.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tickctl.core.quota import Consumption, Decision, ratelimit
from tickctl.core.tokens import Reason, Verdict
from tickctl.errors import InvalidInputError, TickctlError
from tickctl.gateway.problem import POLICIES, Problem

# What `tick.consume_ticks` raises for ticks above the setting `largest_cost`.
_RANGE: Final = re.compile(r"ticks must be from 1 to [0-9]{1,10}")

NO_CREDENTIALS: Final = (("WWW-Authenticate", "Bearer"),)
"""RFC 6750 section 3.1: without credentials there is no error to name."""

# Of a token; None lets the request go on to the database, which knows whether the e-mail is confirmed.
VERDICTS: Final[Mapping[Reason, int | None]] = MappingProxyType(
    {
        Reason.VALID: None,
        Reason.CONFIRMATION_UNKNOWN: None,
        Reason.MALFORMED: 401,
        Reason.UNSUPPORTED_ALGORITHM: 401,
        Reason.BAD_SIGNATURE: 401,
        Reason.EXPIRED: 401,
        Reason.NOT_YET_VALID: 401,
        Reason.WRONG_ISSUER: 401,
        Reason.WRONG_AUDIENCE: 401,
        Reason.MISSING_CLAIM: 401,
        Reason.MALFORMED_CLAIM: 401,
        Reason.LIFETIME_TOO_LONG: 401,
        Reason.UNKNOWN_KEY: 401,  # of keys that are fresh; waiting for others would not help
        Reason.SESSION_REVOKED: 401,
        Reason.USER_DELETED: 401,
        Reason.API_KEY: 403,
        Reason.NOT_A_USER_TOKEN: 403,
        Reason.ANONYMOUS: 403,
        Reason.EMAIL_NOT_CONFIRMED: 403,
        Reason.USER_BANNED: 403,
        Reason.UNREACHABLE: 503,
    }
)

# Of the database: the status, the code and a sentence for the client's developer.
DECISIONS: Final[Mapping[Decision, tuple[int, str, str] | None]] = MappingProxyType(
    {
        Decision.GRANTED: None,
        Decision.USER_NOT_FOUND: (401, "user_deleted", "the user no longer exists"),
        Decision.USER_DELETED: (401, "user_deleted", "the user no longer exists"),
        Decision.SESSION_REVOKED: (401, "session_revoked", "the session has ended: sign in again"),
        Decision.USER_BANNED: (403, "user_banned", "the user is banned"),
        Decision.ANONYMOUS: (403, "anonymous", "the account is anonymous: link an e-mail address and confirm it"),
        Decision.EMAIL_NOT_CONFIRMED: (
            403,
            "email_not_confirmed",
            "the e-mail address is not confirmed: follow the link in the confirmation e-mail",
        ),
        Decision.KEY_CONFLICT: (
            409,
            "key_conflict",
            "the Idempotency-Key was used before, for another request: choose a new one",
        ),
        Decision.UNDER_WAY: (
            409,
            "already_accepted",
            "a request with this Idempotency-Key is under way; this one was neither charged nor carried out",
        ),
        Decision.ALREADY_ACCEPTED: (
            409,
            "already_accepted",
            "a request with this Idempotency-Key was accepted before; this one was neither charged nor carried out",
        ),
        Decision.COST_EXCEEDS_LIMIT: (
            429,
            "cost_exceeds_limit",
            "the request may take more ticks than a whole day has; waiting will not help",
        ),
        Decision.QUOTA_EXHAUSTED: (429, "quota_exhausted", "not enough ticks are left for today"),
    }
)


def verdict_problem(verdict: Verdict, retry_after: int) -> Problem | None:
    """Return how to answer a token, or `None` if the request may go on."""
    match VERDICTS[verdict.reason]:
        case None:
            return None
        case 503:
            return cannot_tell(retry_after, verdict.reason.value)
        case 401:
            return invalid_token(verdict.reason.value, verdict.message)
        case status:
            return Problem(status, verdict.reason.value, verdict.message)


def decision_problem(consumption: Consumption, retry_after: int | None = None) -> Problem | None:
    """Return how to answer what the database decided, or `None` if the ticks were granted.

    Args:
        consumption: the decision, and the user's day.
        retry_after: seconds until a request that is under way already may be sent once more.
    """
    refusal = DECISIONS[consumption.decision]
    if refusal is None:
        return None
    status, code, detail = refusal
    if status == 401:  # noqa: PLR2004 - RFC 9110 section 15.5.2
        return invalid_token(code, detail)
    if status == 429:  # noqa: PLR2004 - RFC 6585 section 4
        members = {
            POLICIES: [ratelimit.POLICY_NAME],
            "daily_tick_limit": consumption.daily_tick_limit,
            "ticks_granted": consumption.ticks_granted,
            "ticks_used": consumption.ticks_used,
            "ticks_remaining": consumption.ticks_remaining,
            "resets_at": consumption.resets_at.isoformat().replace("+00:00", "Z"),  # as in the command line's JSON
        }
        return Problem(status, code, detail, tuple(ratelimit.headers(consumption).items()), members)
    if consumption.decision is Decision.UNDER_WAY and retry_after is not None:
        return Problem(status, code, detail, (("Retry-After", str(retry_after)),))
    return Problem(status, code, detail)


def error_problem(error: TickctlError, retry_after: int) -> Problem:
    """Return how to answer that the store gave an error in place of a decision."""
    # The one mistake that only the database finds; all else that it may object to is no client's doing.
    if isinstance(error, InvalidInputError) and _RANGE.fullmatch(error.message):
        return Problem(422, "invalid_ticks", error.message)
    return cannot_tell(retry_after)


def invalid_token(code: str, detail: str) -> Problem:
    """Return the answer to credentials that are no good (RFC 6750 section 3.1)."""
    challenge = f'Bearer error="invalid_token", error_description="{_quotable(detail)}"'
    return Problem(401, code, detail, (("WWW-Authenticate", challenge),))


def cannot_tell(retry_after: int, code: str = "unreachable") -> Problem:
    """Return the answer where nobody knows: no reasons, which are for the log and no business of the client's."""
    detail = "it can't be told at the moment whether the request may go on; nothing was carried out"
    return Problem(503, code, detail, (("Retry-After", str(retry_after)),))


def too_many_at_once() -> Problem:
    """Return the answer to one request more of a user than the gate takes at once."""
    detail = "too many requests of this user are under way: wait for their answers, then try again"
    return Problem(429, "too_many_at_once", detail, (("Retry-After", "1"),))


def _quotable(text: str) -> str:
    """Return a text with only those characters that `error_description` may have (RFC 6750 section 3)."""
    return "".join(char if " " <= char <= "~" and char not in '"\\' else "?" for char in text)
