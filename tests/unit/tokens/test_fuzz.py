"""No input of any kind makes the verifier raise, and none but a good token is admitted."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tickctl.core.tokens import TokenVerifier, Verdict

shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
CLAIMS = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "nbf",
    "email",
    "phone",
    "role",
    "aal",
    "session_id",
    "is_anonymous",
    "client_id",
    "scope",
    "app_metadata",
    "user_metadata",
]


@shared
@given(st.text() | st.binary())
def test_any_text_gets_a_verdict(verifier: TokenVerifier, now: int, token: str | bytes) -> None:
    """Random text and bytes are refused."""
    verdict = verifier.verify(token, now)
    assert not verdict.valid
    assert len(verdict.checks) > 0


@shared
@given(st.lists(st.text(alphabet="abcXYZ019-_.=+/ \n\x00", max_size=20), max_size=6).map(".".join))
def test_near_tokens_get_a_verdict(verifier: TokenVerifier, now: int, token: str) -> None:
    """So is what has the outer form."""
    assert not verifier.verify(token, now).valid


@shared
@given(st.data())
def test_changed_token_is_refused(forge: Any, verifier: TokenVerifier, now: int, data: st.DataObject) -> None:
    """One character changed, inserted or taken away anywhere: never admitted, unless nothing changed."""
    token = forge.token("HS256")
    place = data.draw(st.integers(0, len(token) - 1))
    width = data.draw(st.integers(0, 2))
    piece = data.draw(st.text(max_size=2))
    changed = token[:place] + piece + token[place + width :]
    assert verifier.verify(changed, now).valid is (changed == token)


@shared
@given(st.dictionaries(st.text() | st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jku"]), json_values))
def test_any_header_gets_a_verdict(forge: Any, verifier: TokenVerifier, now: int, header: dict[str, Any]) -> None:
    """Headers of any content, properly signed."""
    token = forge.raw(forge.payload(), header=json.dumps(header).encode())
    assert isinstance(verifier.verify(token, now), Verdict)


@shared
@given(st.dictionaries(st.sampled_from(CLAIMS), json_values, min_size=1))
def test_any_claims_get_a_verdict(forge: Any, verifier: TokenVerifier, now: int, changes: dict[str, Any]) -> None:
    """Claims of any type, properly signed; whoever is admitted meets the rules."""
    verdict = verifier.verify(forge.token("HS256", **changes), now)
    assert all(check.detail for check in verdict.checks)
    if verdict.valid:
        claims = verdict.claims
        assert claims["aud"] in ("authenticated", ["authenticated"])
        assert claims["role"] == "authenticated"
        assert claims["iss"] == forge.claims()["iss"]
        assert claims.get("is_anonymous", False) is False
        assert "client_id" not in claims
        assert now < claims["exp"] + 30


@shared
@given(st.binary(max_size=300))
def test_any_signed_payload_gets_a_verdict(forge: Any, verifier: TokenVerifier, now: int, payload: bytes) -> None:
    """Bytes of any kind, properly signed."""
    assert not verifier.verify(forge.raw(payload, "HS256"), now).valid
