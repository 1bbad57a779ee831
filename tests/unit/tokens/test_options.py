"""What operators may choose changes exactly one rule each, and the verdict says what was not checked."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from tickctl.core.tokens import ConfirmationSource, Reason, TokenVerifier

MakeVerifier = Callable[..., TokenVerifier]


def test_unchecked_issuer_is_said(forge: Any, make_verifier: MakeVerifier, now: int) -> None:
    """Without an expected issuer tokens of any and of none pass, and the issuer is listed as not checked."""
    verifier = make_verifier(issuer=None)
    for issuer in ("https://elsewhere.example", ...):
        verdict = verifier.verify(forge.token(iss=issuer), now)
        assert verdict.valid
        assert "issuer" in verdict.not_checked
    assert verifier.verify(forge.token(iss=1), now).reason is Reason.MALFORMED_CLAIM


def test_offline_verdict_lists_what_nobody_asked(forge: Any, verifier: TokenVerifier, now: int) -> None:
    """Log-out, ban and deletion don't show in a token."""
    assert verifier.verify(forge.token(), now).not_checked == ("deletion", "ban", "session")


def test_audience_and_roles_can_be_others(forge: Any, make_verifier: MakeVerifier, now: int) -> None:
    """The configured ones pass, and then the usual ones don't."""
    verifier = make_verifier(audience="gateway", roles=frozenset({"member"}))
    assert verifier.verify(forge.token(aud="gateway", role="member"), now).valid
    assert verifier.verify(forge.token(role="member"), now).reason is Reason.WRONG_AUDIENCE
    assert verifier.verify(forge.token(aud="gateway"), now).reason is Reason.NOT_A_USER_TOKEN


def test_an_audience_in_a_list_of_one_is_that_audience(forge: Any, make_verifier: MakeVerifier, now: int) -> None:
    """Supabase Auth writes such a list into the first token that it signs after a start, where a hook is on."""
    verdict = make_verifier().verify(forge.token(aud=["authenticated"]), now)
    assert verdict.valid
    assert verdict.claims["aud"] == ["authenticated"]
    verifier = make_verifier(audience="gateway")
    assert verifier.verify(forge.token(aud=["gateway"]), now).valid
    assert verifier.verify(forge.token(aud=["authenticated"]), now).reason is Reason.WRONG_AUDIENCE


def test_anonymous_users_can_be_admitted(forge: Any, make_verifier: MakeVerifier, now: int) -> None:
    """With both options; the first alone still wants a confirmed address."""
    token = forge.token(is_anonymous=True, email="", app_metadata={})
    verdict = make_verifier(allow_anonymous=True, require_confirmed=False).verify(token, now)
    assert verdict.valid
    assert {"anonymity", "email"} <= set(verdict.not_checked)
    assert make_verifier(allow_anonymous=True).verify(token, now).reason is Reason.CONFIRMATION_UNKNOWN


def test_oauth_clients_can_be_admitted(forge: Any, make_verifier: MakeVerifier, now: int) -> None:
    """By option only."""
    verdict = make_verifier(allow_oauth_clients=True).verify(forge.token(client_id="c", scope="email"), now)
    assert verdict.valid
    assert "client" in verdict.not_checked


def test_unconfirmed_can_be_let_through(forge: Any, make_verifier: MakeVerifier, now: int) -> None:
    """Then the e-mail is listed as not checked, and no claim about it is read."""
    verifier = make_verifier(require_confirmed=False)
    for said in (False, None, "rubbish", ...):
        verdict = verifier.verify(forge.token(app_metadata={} if said is ... else {"email_confirmed": said}), now)
        assert verdict.valid
        assert verdict.email_confirmed is None
        assert "email" in verdict.not_checked


def test_claim_that_denies_is_named_as_the_source(forge: Any, verifier: TokenVerifier, now: int) -> None:
    """A refused user learns what said that the address is not confirmed."""
    verdict = verifier.verify(forge.token(app_metadata={"email_confirmed": False}), now)
    assert verdict.email_confirmed is False
    assert verdict.confirmation_source is ConfirmationSource.CLAIM


def test_unknown_confirmation_says_how_to_know(forge: Any, make_verifier: MakeVerifier, now: int) -> None:
    """Without claim and directory nobody is admitted, and the hint names both ways."""
    verdict = make_verifier(confirmed_claim=()).verify(forge.token(), now)
    assert verdict.reason is Reason.CONFIRMATION_UNKNOWN
    assert verdict.cannot_tell
    assert verdict.email_confirmed is None
    assert "email" in verdict.not_checked
    assert "SUPABASE_ANON_KEY" in str(verdict.hint)
    assert "hook" in str(verdict.hint)


def test_claim_at_the_top_can_confirm(forge: Any, make_verifier: MakeVerifier, now: int) -> None:
    """The path may have one name, or go deeper."""
    assert make_verifier(confirmed_claim=("ok",)).verify(forge.token(ok=True), now).valid
    assert make_verifier(confirmed_claim=("a", "b", "c")).verify(forge.token(a={"b": {"c": True}}), now).valid


@pytest.mark.parametrize(("leeway", "valid"), [(0, False), (1, True)])
def test_leeway_counts_seconds(leeway: int, valid: bool, forge: Any, make_verifier: MakeVerifier, now: int) -> None:
    """A token that expires now, or begins in a second, needs one second of it."""
    verifier = make_verifier(leeway=leeway)
    assert verifier.verify(forge.token(exp=now), now).valid is valid
    assert verifier.verify(forge.token(iat=now + 1), now).valid is valid
    assert verifier.verify(forge.token(nbf=now + 1), now).valid is valid


def test_lifetime_limit_counts_seconds(forge: Any, make_verifier: MakeVerifier, now: int) -> None:
    """`exp - iat` may be as long as the option, not longer."""
    verifier = make_verifier(max_lifetime=3600)
    assert verifier.verify(forge.token(iat=now, exp=now + 3600), now).valid
    assert verifier.verify(forge.token(iat=now, exp=now + 3601), now).reason is Reason.LIFETIME_TOO_LONG


@pytest.mark.parametrize("moment", [math.nan, math.inf, -math.inf])
def test_impossible_time_admits_nobody(moment: float, forge: Any, verifier: TokenVerifier, now: int) -> None:
    """Neither afresh nor from the cache."""
    token = forge.token()
    assert not verifier.verify(token, moment).valid
    assert verifier.verify(token, now).valid
    assert not verifier.verify(token, moment).valid
