"""What a token says of itself, before it is sent anywhere."""

import base64
import json
from typing import Any

import pytest

from tickctl.core.auth import read_admin_token
from tickctl.core.secret import Secret
from tickctl.errors import ConfigurationError, CredentialsRefusedError

NOW = 1_800_000_000.0
ISSUER = "https://abcdefghijklmnopqrst.supabase.co/auth/v1"
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "6F1F1C2E-0d3b-4b57-9d3e-0a4f1c7c9a11",
    "aud": "authenticated",
    "role": "authenticated",
    "session_id": "c2a7b0de-57f3-4f0e-8a44-5a0d2f7a9b22",
    "email": "ada@example.com",
    "iat": int(NOW) - 60,
    "exp": int(NOW) + 3540,
}


def token(claims: object) -> Secret:
    """Return a compact JWS that nobody has signed."""
    parts = (json.dumps({"alg": "HS256", "typ": "JWT"}), json.dumps(claims), "signature")
    return Secret(".".join(base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in parts))


def read(value: Secret, issuer: str | None = ISSUER) -> Any:
    """Read it at `NOW`."""
    return read_admin_token(value, issuer=issuer, audience="authenticated", now=NOW)


def test_user_is_told() -> None:
    """For the notices, which name as whom a command acts."""
    user = read(token(CLAIMS))
    assert (user.subject, user.email) == ("6f1f1c2e-0d3b-4b57-9d3e-0a4f1c7c9a11", "ada@example.com")


@pytest.mark.parametrize("issuer", [ISSUER, None])
def test_token_without_issuer_passes(issuer: str | None) -> None:
    """A hook may leave it out, and then the project itself doesn't look at it."""
    assert read(token({name: value for name, value in CLAIMS.items() if name != "iss"}), issuer).subject


def test_issuer_is_not_looked_at_where_none_is_known() -> None:
    """Self-hosted projects may call themselves anything."""
    assert read(token(CLAIMS | {"iss": "http://elsewhere.example"}), None).subject


@pytest.mark.parametrize("age", [31, 3600, 10**9])
def test_expired_token_is_refused_as_the_server_would(age: int) -> None:
    """Thirty seconds are for clocks that differ."""
    with pytest.raises(CredentialsRefusedError, match="has expired"):
        read(token(CLAIMS | {"iat": int(NOW) - age - 60, "exp": int(NOW) - age}))
    assert read(token(CLAIMS | {"exp": int(NOW) - 29})).subject


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://zyxwvutsrqponmlkjihg.supabase.co/auth/v1"},
        {"iss": 5},
        {"aud": "somebody"},
        {"role": "service_role"},
        {"role": "tick_gateway"},
        {"is_anonymous": True},
        {"client_id": "an app"},
        {"session_id": None},
        {"exp": "tomorrow"},
        {"exp": int(NOW) + 30 * 86_400},
        {"iat": int(NOW) + 60},
    ],
    ids=repr,
)
def test_other_tokens_are_a_mistake_in_the_configuration(changes: dict[str, Any]) -> None:
    """And none of their words is repeated: nobody has looked at the signature."""
    value = token(CLAIMS | changes)
    with pytest.raises(ConfigurationError) as caught:
        read(value)
    shown = f"{caught.value!r} {caught.value.hint}"
    assert value.reveal() not in shown
    assert "zyxwvutsrqponmlkjihg" not in shown
    assert "tick_gateway" not in shown


@pytest.mark.parametrize(
    "text",
    ["", "a", "a.b", "a.b.c.d", "head.e30.tail", "sb_secret_0123456789", "\u00e4.b.c", "x" * 20_000],
    ids=["nothing", "one", "two", "four", "no json", "api key", "umlaut", "endless"],
)
def test_other_texts_are_a_mistake_in_the_configuration(text: str) -> None:
    """Whatever they are; they aren't repeated either."""
    with pytest.raises(ConfigurationError, match="TICKCTL_ADMIN_TOKEN") as caught:
        read(Secret(text))
    assert len(text) < 3 or text not in f"{caught.value!r} {caught.value.hint}"


@pytest.mark.parametrize("payload", [[], "text", 5, None, {"a": 1}])
def test_payload_that_is_no_users_is_refused(payload: object) -> None:
    """An array, a text, an ID token."""
    with pytest.raises(ConfigurationError):
        read(token(payload))
