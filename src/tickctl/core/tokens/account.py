"""The rules about the live account, for directories that look it up."""

from collections.abc import Iterator

from tickctl.core.tokens.claims import UserClaims
from tickctl.core.tokens.directory import Denial, UserState
from tickctl.core.tokens.policy import Policy
from tickctl.core.tokens.verdict import Reason, Refusal, Step


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
