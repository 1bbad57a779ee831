"""The verdict: its codes are a contract, and its list of checks is true."""

from typing import Any

import pytest

from tickctl.core.tokens import Reason, Result, Step, TokenVerifier
from tickctl.core.tokens.verdict import quoted

CODES = [
    "valid",
    "malformed",
    "api_key",
    "not_a_user_token",
    "unsupported_algorithm",
    "bad_signature",
    "expired",
    "not_yet_valid",
    "wrong_issuer",
    "wrong_audience",
    "missing_claim",
    "malformed_claim",
    "lifetime_too_long",
    "anonymous",
    "email_not_confirmed",
    "session_revoked",
    "user_banned",
    "user_deleted",
    "unknown_key",
    "confirmation_unknown",
    "unreachable",
]


def test_codes_are_those_of_the_contract() -> None:
    """Scripts depend on them."""
    assert [reason.value for reason in Reason] == CODES


def test_three_codes_are_neither_yes_nor_no() -> None:
    """They never admit, and never say that the token is bad."""
    unsure = {Reason.UNKNOWN_KEY, Reason.CONFIRMATION_UNKNOWN, Reason.UNREACHABLE}
    assert {reason for reason in Reason if reason.cannot_tell} == unsure


def test_valid_verdict_holds_the_facts(forge: Any, verifier: TokenVerifier, now: int) -> None:
    """Everything that a caller needs is there, and comes from verified claims."""
    verdict = verifier.verify(forge.token(), now)
    claims = forge.claims()
    assert verdict.subject == claims["sub"]
    assert verdict.session_id == claims["session_id"]
    assert verdict.email == claims["email"]
    assert verdict.role == "authenticated"
    assert (verdict.algorithm, verdict.key_id) == ("ES256", "es")
    assert (verdict.issued_at, verdict.expires_at) == (claims["iat"], claims["exp"])
    assert verdict.email_confirmed is True
    assert verdict.confirmation_source == "claim"
    assert verdict.claims == claims
    assert verdict.hint is None


def test_empty_address_is_none(forge: Any, verifier: TokenVerifier, now: int) -> None:
    """Supabase writes "" for users without an address."""
    assert verifier.verify(forge.token(email=""), now).email is None


def test_claims_are_read_only(forge: Any, verifier: TokenVerifier, now: int) -> None:
    """A caller can't change what the next one gets from the cache."""
    verdict = verifier.verify(forge.token(), now)
    with pytest.raises(TypeError):
        verdict.claims["role"] = "service_role"  # type: ignore[index] - that is what must fail
    assert verifier.verify(forge.token(), now).role == "authenticated"


def test_unverified_token_drives_no_output(forge: Any, verifier: TokenVerifier, now: int) -> None:
    """Without a good signature nothing that the token says is in the verdict."""
    token = forge.resigned(forge.token(email="eve@example.com"), bytes(64))
    verdict = verifier.verify(token, now)
    assert verdict.reason is Reason.BAD_SIGNATURE
    assert dict(verdict.claims) == {}
    facts = (verdict.subject, verdict.email, verdict.role, verdict.issued_at, verdict.expires_at, verdict.session_id)
    assert set(facts) == {None}
    assert verdict.email_confirmed is None


def test_refused_claims_are_shown_once_they_are_signed(forge: Any, verifier: TokenVerifier, now: int) -> None:
    """Who looks for the reason sees the claims; facts are filled in only when all of them are well-formed."""
    expired = verifier.verify(forge.token(exp=now - 3600), now)
    claims = forge.claims()
    assert (expired.subject, expired.session_id) == (claims["sub"], claims["session_id"])
    assert (expired.email, expired.role) == (claims["email"], claims["role"])
    assert (expired.issued_at, expired.expires_at) == (claims["iat"], now - 3600)
    assert (expired.algorithm, expired.key_id) == ("ES256", "es")
    assert expired.email_confirmed is None
    assert expired.confirmation_source is None
    malformed = verifier.verify(forge.token(exp="soon"), now)
    assert malformed.subject is None
    assert malformed.claims["exp"] == "soon"


def test_checks_tell_what_passed_failed_and_was_not_reached(forge: Any, verifier: TokenVerifier, now: int) -> None:
    """In the order of the checks, one failure at most, nothing after it."""
    checks = verifier.verify(forge.token(exp=now - 3600), now).checks
    assert [check.name for check in checks] == [step.value for step in Step]
    results = [check.result for check in checks]
    failed = results.index(Result.FAIL)
    assert checks[failed].name == "times"
    assert checks[failed].detail == "the token has expired"
    assert set(results[:failed]) == {Result.PASS}
    assert set(results[failed + 1 :]) == {Result.SKIPPED}


def test_cannot_tell_fails_no_check(forge: Any, verifier: TokenVerifier, now: int) -> None:
    """The check that nobody could make is listed as not made."""
    verdict = verifier.verify(forge.token(header={"kid": "unknown"}), now)
    assert verdict.cannot_tell
    assert Result.FAIL not in {check.result for check in verdict.checks}
    assert verdict.not_checked[0] == "key"
    assert "'unknown'" in verdict.message


def test_message_says_what_the_reason_says(forge: Any, verifier: TokenVerifier, now: int) -> None:
    """A valid token is called valid; one that nobody confirms is not, and the e-mail is where it stopped."""
    assert verifier.verify(forge.token(), now).message == "the token is valid"
    unknown = verifier.verify(forge.token(app_metadata={}), now)
    assert "confirmed" in unknown.message
    assert {check.name: check.detail for check in unknown.checks}["email"] == unknown.message


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("it's", '"it\'s"'),
        ("a" * 80, f"'{'a' * 80}'"),
        ("a" * 81, f"'{'a' * 80}…'"),
        ("schl\u00fcssel", "(not printable)"),
        ("\u202e", "(not printable)"),
        ("a\n", "(not printable)"),
    ],
)
def test_foreign_text_is_quoted_with_care(text: str, shown: str) -> None:
    """Printable ASCII, in quotes, 80 characters at most."""
    assert quoted(text) == shown


def test_every_refusal_stops_at_its_own_check(forge: Any, verifier: TokenVerifier, now: int) -> None:
    """The list of checks points to the rule that was broken."""
    broken = {
        "format": "no token",
        "header": forge.token(header={"alg": "none"}),
        "key": forge.token(header={"kid": "rs"}),
        "signature": forge.resigned(forge.token(), bytes(64)),
        "payload": forge.raw(b"[]"),
        "kind": forge.token(role="anon"),
        "claims": forge.token(sub=...),
        "times": forge.token(exp=now - 3600),
        "issuer": forge.token(iss="https://elsewhere.example"),
        "audience": forge.token(aud="other"),
        "role": forge.token(role="postgres"),
        "anonymity": forge.token(is_anonymous=True),
        "client": forge.token(client_id="c"),
        "lifetime": forge.token(exp=now + 10**9),
        "email": forge.token(app_metadata={"email_confirmed": False}),
    }
    for name, token in broken.items():
        failed = [check.name for check in verifier.verify(token, now).checks if check.result is Result.FAIL]
        assert failed == [name]


def test_order_of_the_rules_is_the_documented_one(forge: Any, verifier: TokenVerifier, now: int) -> None:
    """A token that breaks several rules gets the verdict of the first."""
    changes: list[tuple[dict[str, Any], Reason]] = [
        ({"app_metadata": {"email_confirmed": False}}, Reason.EMAIL_NOT_CONFIRMED),
        ({"iat": now - 10**8}, Reason.LIFETIME_TOO_LONG),
        ({"client_id": "c"}, Reason.NOT_A_USER_TOKEN),
        ({"is_anonymous": True}, Reason.ANONYMOUS),
        ({"role": "postgres"}, Reason.NOT_A_USER_TOKEN),
        ({"aud": "other"}, Reason.WRONG_AUDIENCE),
        ({"iss": "https://elsewhere.example"}, Reason.WRONG_ISSUER),
        ({"nbf": now + 10**6}, Reason.NOT_YET_VALID),
        ({"exp": now - 10**6}, Reason.EXPIRED),
        ({"phone": 1}, Reason.MALFORMED_CLAIM),
        ({"sub": ...}, Reason.MISSING_CLAIM),
        ({"role": "anon"}, Reason.NOT_A_USER_TOKEN),
    ]
    broken: dict[str, Any] = {}
    for change, reason in changes:
        broken |= change
        assert verifier.verify(forge.token(**broken), now).reason is reason
