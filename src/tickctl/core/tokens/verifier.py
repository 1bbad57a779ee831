"""Layer 3: the verdict about a token, joining its signature, its claims, the live account and a cache."""

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from tickctl.core.json import JsonObject
from tickctl.core.secret import Secret
from tickctl.core.tokens.account import confirmed_by_claim, email_not_confirmed, judge_account, judge_denial
from tickctl.core.tokens.claims import UserClaims, check_rules, check_times, read_claims
from tickctl.core.tokens.directory import Denial, UserDirectory
from tickctl.core.tokens.encoding import EncodingError, parse_object
from tickctl.core.tokens.jws import MAX_TOKEN, CompactJws, Header, check_signature, parse_compact
from tickctl.core.tokens.keys import KeySet
from tickctl.core.tokens.policy import Policy
from tickctl.core.tokens.remembered import Passed, RememberedTokens
from tickctl.core.tokens.sources import KeySource
from tickctl.core.tokens.verdict import (
    NO_CLAIMS,
    ConfirmationSource,
    Reason,
    Refusal,
    Step,
    Verdict,
    steps_before,
)
from tickctl.errors import TickctlError


class TokenVerifier:
    """Verifies access tokens of one project; may be shared by threads.

    A token that passed is remembered by its whole text, so that the same one costs no signature check again. Its
    times are checked at each call, a change of the keys forgets it, and what a directory says is never remembered.

    Args:
        keys: the project's keys.
        policy: the rules.
        directory: where to look the live account up; `None` judges by the token alone.
        remembered: the tokens that passed; 10 000 of them unless given.
    """

    def __init__(
        self,
        keys: KeySource,
        policy: Policy,
        directory: UserDirectory | None = None,
        remembered: RememberedTokens | None = None,
    ) -> None:
        self._keys = keys
        self._policy = policy
        self._directory = directory
        self._tokens = RememberedTokens() if remembered is None else remembered
        self._passed_offline = steps_before(Step.DELETION) - _switched_off(policy)
        self._passed_confirmed = self._passed_offline | {Step.EMAIL}

    def verify(self, token: str | bytes, now: float) -> Verdict:
        """Return the verdict about a token at the time `now` (epoch seconds); no token makes this raise."""
        compact = token if isinstance(token, str) else _text(token)
        outcome = self._remembered(compact, now) or self._examined(compact, now)
        if isinstance(outcome, Verdict):
            return outcome
        if self._directory is None:
            return outcome.verdict
        return self._with_account(outcome, Secret(compact), self._directory, now)

    def _remembered(self, compact: str, now: float) -> Passed | None:
        passed = self._tokens.get(compact)
        if passed is None:
            return None
        try:
            check_times(passed.user, self._policy.leeway, now)
            if self._keys.current(passed.header) is passed.keys:
                return passed
        except (Refusal, TickctlError):
            pass  # the full examination says what is wrong
        self._tokens.discard(compact)
        return None

    def _examined(self, compact: str, now: float) -> Passed | Verdict:
        try:
            jws = parse_compact(compact)
            keys = self._check_signature(jws)
        except Refusal as refusal:
            return self._refused(refusal)
        except TickctlError as error:
            return self._refused(_unreachable(error, Step.KEY))
        claims, user = NO_CLAIMS, None
        try:
            claims = _payload(jws)
            user = read_claims(claims, self._policy)
            check_rules(user, self._policy, now)
            confirmed = self._confirmed_by_claim(claims)
        except Refusal as refusal:
            return self._refused(refusal, jws.header, claims, user)
        passed = Passed(keys, jws.header, user, self._so_far(jws.header, claims, user, confirmed=confirmed))
        self._tokens.add(compact, passed, now)
        return passed

    def _check_signature(self, jws: CompactJws) -> KeySet:
        """Return the set that held the key, renewed once if the key was not known before."""
        keys = self._keys.current(jws.header)
        try:
            check_signature(jws, keys)
        except Refusal as refusal:
            if refusal.reason is not Reason.UNKNOWN_KEY:
                raise
            keys = self._keys.refreshed(jws.header)
            check_signature(jws, keys)
        return keys

    def _confirmed_by_claim(self, claims: JsonObject) -> bool:
        """Return whether a claim confirms the e-mail; False is that nothing is known.

        Raises:
            Refusal: the claim denies it, or is malformed.
        """
        if not self._policy.require_confirmed:
            return False
        confirmed = confirmed_by_claim(claims, self._policy.confirmed_claim)
        if confirmed is False:
            raise email_not_confirmed()
        return confirmed is True

    def _so_far(self, header: Header, claims: JsonObject, user: UserClaims, *, confirmed: bool) -> Verdict:
        """Return the verdict about a token that passed its own checks, before any directory is asked."""
        admit = confirmed or not self._policy.require_confirmed
        return Verdict(
            reason=Reason.VALID if admit else Reason.CONFIRMATION_UNKNOWN,
            message=_VALID if admit else "the token does not say whether the e-mail address is confirmed",
            hint=None if admit else _CONFIRMATION_HINT,
            subject=user.subject,
            email=user.email,
            email_confirmed=True if confirmed else None,
            confirmation_source=ConfirmationSource.CLAIM if confirmed else None,
            role=user.role,
            algorithm=header.algorithm,
            key_id=header.key_id,
            issued_at=user.issued_at,
            expires_at=user.expires_at,
            session_id=user.session_id,
            claims=MappingProxyType(claims),
            passed=self._passed_confirmed if confirmed else self._passed_offline,
            stopped_at=None if admit else Step.EMAIL,
        )

    def _with_account(self, admitted: Passed, token: Secret, directory: UserDirectory, now: float) -> Verdict:
        """Return the verdict after a look at the live account, which only a token that passed so far causes."""
        user, so_far = admitted.user, admitted.verdict
        try:
            account = directory.lookup(user.subject, user.session_id, token)
        except TickctlError as error:
            return _stopped(so_far, _unreachable(error, Step.DELETION))
        if isinstance(account, Denial):
            return _stopped(so_far, judge_denial(account, user, now))
        if account.user_id != user.subject:
            return _stopped(so_far, _another_user())
        passed, refusal = judge_account(account, self._policy, now)
        by_claim = account.email_confirmed and so_far.confirmation_source is ConfirmationSource.CLAIM
        checked = replace(
            so_far,
            email=account.email,
            email_confirmed=account.email_confirmed,
            confirmation_source=ConfirmationSource.CLAIM if by_claim else directory.source,
            passed=(so_far.passed - {Step.EMAIL}) | passed,
        )
        if refusal is not None:
            return _stopped(checked, refusal)
        return replace(checked, reason=Reason.VALID, message=_VALID, hint=None, stopped_at=None)

    def _refused(
        self,
        refusal: Refusal,
        header: Header | None = None,
        claims: JsonObject = NO_CLAIMS,
        user: UserClaims | None = None,
    ) -> Verdict:
        # Before any directory is asked, only a claim can have denied the confirmation.
        denied = refusal.reason is Reason.EMAIL_NOT_CONFIRMED
        return Verdict(
            reason=refusal.reason,
            message=refusal.message,
            hint=refusal.hint,
            subject=user.subject if user else None,
            email=user.email if user else None,
            email_confirmed=False if denied else None,
            confirmation_source=ConfirmationSource.CLAIM if denied else None,
            role=user.role if user else None,
            algorithm=header.algorithm if header else None,
            key_id=header.key_id if header else None,
            issued_at=user.issued_at if user else None,
            expires_at=user.expires_at if user else None,
            session_id=user.session_id if user else None,
            claims=MappingProxyType(claims),
            passed=steps_before(refusal.step) & self._passed_offline,
            stopped_at=refusal.step,
        )


_VALID: Final = "the token is valid"
_CONFIRMATION_HINT: Final = (
    "ask the Auth server (SUPABASE_URL and SUPABASE_ANON_KEY), or let an access-token hook write a claim about it"
)


def _text(token: object) -> str:
    # Latin-1 never fails and keeps foreign bytes foreign. One byte too many is still too long, without the copy.
    return token[: MAX_TOKEN + 1].decode("latin-1") if isinstance(token, bytes) else ""


def _payload(jws: CompactJws) -> JsonObject:
    try:
        return parse_object(jws.payload)
    except EncodingError as error:
        raise Refusal(Reason.MALFORMED, Step.PAYLOAD, f"the payload can't be read: {error}") from None


def _switched_off(policy: Policy) -> frozenset[Step]:
    off = {
        Step.ISSUER: policy.issuer is None,
        Step.ANONYMITY: policy.allow_anonymous,
        Step.CLIENT: policy.allow_oauth_clients,
    }
    return frozenset(step for step, is_off in off.items() if is_off)


def _stopped(verdict: Verdict, refusal: Refusal) -> Verdict:
    return replace(
        verdict,
        reason=refusal.reason,
        message=refusal.message,
        hint=refusal.hint,
        passed=verdict.passed - {refusal.step},
        stopped_at=refusal.step,
    )


def _another_user() -> Refusal:
    message = "the directory answered for another user"
    return Refusal(Reason.UNREACHABLE, Step.DELETION, message, "check SUPABASE_URL")


def _unreachable(error: TickctlError, step: Step) -> Refusal:
    return Refusal(Reason.UNREACHABLE, step, error.message, error.hint)
