"""The rules about the live account, for directories that look it up."""

from collections.abc import Iterator, Mapping, Sequence

from tickctl.core.json import Json, JsonObject
from tickctl.core.tokens.claims import UserClaims
from tickctl.core.tokens.directory import Denial, UserState
from tickctl.core.tokens.policy import Policy
from tickctl.core.tokens.timestamps import parse_timestamp
from tickctl.core.tokens.verdict import Reason, Refusal, Step


def confirmed_by_claim(claims: JsonObject, path: Sequence[str]) -> bool | None:
    """Return what the configured claim says: True, False, or `None` when it is absent or none is configured.

    Exactly `true` or an RFC 3339 timestamp confirms; `false` and `null` deny.

    Raises:
        Refusal: `malformed_claim`, anything else is at that path.
    """
    if not path:
        return None
    value: Json = claims
    for name in path:
        if not isinstance(value, (dict, Mapping)):  # nearly always a dict, which is quicker to tell
            raise _malformed(path)
        if name not in value:
            return None
        value = value[name]
    if value is None or value is False:
        return False
    if value is True or (isinstance(value, str) and parse_timestamp(value) is not None):
        return True
    raise _malformed(path)


def _malformed(path: Sequence[str]) -> Refusal:
    return Refusal(
        Reason.MALFORMED_CLAIM,
        Step.EMAIL,
        f"the confirmation claim {'.'.join(path)} is neither a boolean nor a timestamp",
        "let the access-token hook write true, false, null or email_confirmed_at",
    )


def judge_account(state: UserState, policy: Policy, now: float) -> tuple[frozenset[Step], Refusal | None]:
    """Return the checks that a user's row passed, and the first that it did not.

    Args:
        state: the row.
        policy: the rules.
        now: epoch seconds.
    """
    passed: set[Step] = set()
    for step, holds in _account_checks(state, policy, now):
        if not holds:
            return frozenset(passed), _refusal(step)
        passed.add(step)
    return frozenset(passed), None


def judge_denial(denial: Denial, user: UserClaims, now: float) -> Refusal:
    """Return what it means that the directory has no user to show for this token."""
    match denial:
        case Denial.SESSION_NOT_FOUND:
            return _refusal(Step.SESSION)
        case Denial.USER_BANNED:
            return _refusal(Step.BAN)
        case Denial.USER_NOT_FOUND:
            return _refusal(Step.DELETION)
        case Denial.BAD_JWT if not now < user.expires_at:
            # Within the leeway of this verifier; Auth has none.
            return Refusal(Reason.EXPIRED, Step.TIMES, "the token has expired", "refresh the session")
        case Denial.BAD_JWT:
            return Refusal(
                Reason.BAD_SIGNATURE,
                Step.SIGNATURE,
                "the Auth server does not accept the token",
                "its signing key may have been revoked, or it has expired since the time asked about",
            )


def email_not_confirmed() -> Refusal:
    """Return the refusal of a user whose e-mail is known not to be confirmed."""
    return _refusal(Step.EMAIL)


def _account_checks(state: UserState, policy: Policy, now: float) -> Iterator[tuple[Step, bool]]:
    yield Step.DELETION, state.deleted_at is None
    yield Step.BAN, state.banned_until is None or state.banned_until <= now
    if state.session_active is not None:
        yield Step.SESSION, state.session_active
    if not policy.allow_anonymous:
        yield Step.ANONYMITY, not state.is_anonymous
    if policy.require_confirmed:
        yield Step.EMAIL, state.email_confirmed


def _refusal(step: Step) -> Refusal:
    reason, message, hint = _REFUSALS[step]
    return Refusal(reason, step, message, hint)


_REFUSALS = {
    Step.DELETION: (Reason.USER_DELETED, "the user no longer exists", "the account was deleted"),
    Step.BAN: (Reason.USER_BANNED, "the user is banned", "an administrator can lift the ban in Supabase Auth"),
    Step.SESSION: (Reason.SESSION_REVOKED, "the session has ended", "the user must sign in again"),
    Step.ANONYMITY: (
        Reason.ANONYMOUS,
        "the account is anonymous",
        "link an e-mail address to the account and confirm it",
    ),
    Step.EMAIL: (
        Reason.EMAIL_NOT_CONFIRMED,
        "the e-mail address is not confirmed",
        "follow the link in the confirmation e-mail, then sign in again",
    ),
}
