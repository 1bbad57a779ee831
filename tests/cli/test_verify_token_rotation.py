"""`tickctl verify-token` while the JWT secret is being changed."""

import time
import uuid
from typing import Any

import jwt
import pytest

from cli_support import Tickctl

OLD, NEW = "a secret of the tests that has signed until now", "a secret of the tests that signs from now on"
ISSUER = "https://tests.supabase.co/auth/v1"
PROJECT = {
    "SUPABASE_URL": "https://tests.supabase.co",
    "SUPABASE_CONFIRMED_CLAIM": "app_metadata.email_confirmed",
    "SUPABASE_JWT_SECRET": NEW,
}


def claims() -> dict[str, Any]:
    """Return the claims of a token that is good for an hour."""
    now = int(time.time())
    return {
        "iss": ISSUER,
        "aud": "authenticated",
        "sub": str(uuid.uuid4()),
        "session_id": str(uuid.uuid4()),
        "role": "authenticated",
        "email": "user@example.com",
        "app_metadata": {"email_confirmed": True},
        "iat": now,
        "exp": now + 3600,
    }


def test_tokens_of_both_secrets_are_valid_and_look_alike(tickctl: Tickctl) -> None:
    """The verdict has no word about which of them has signed."""
    env, payload = PROJECT | {"SUPABASE_JWT_SECRET_PREVIOUS": OLD}, claims()
    answers = [
        tickctl("verify-token", "-", "--offline", "--json", stdin=jwt.encode(payload, secret, "HS256"), env=env)
        for secret in (OLD, NEW)
    ]
    assert [(answer.code, answer.json["reason"]) for answer in answers] == [(0, "valid")] * 2
    assert answers[0].json == answers[1].json
    assert not [value for value in (OLD, NEW) for answer in answers if value in answer.out + answer.err]


@pytest.mark.parametrize(("previous", "code"), [({"SUPABASE_JWT_SECRET_PREVIOUS": OLD}, 0), ({}, 1)])
def test_the_old_secret_counts_as_long_as_it_is_given(tickctl: Tickctl, previous: dict[str, str], code: int) -> None:
    """Once it is taken away, its tokens are refused."""
    token = jwt.encode(claims(), OLD, "HS256")
    assert tickctl("verify-token", "-", "--offline", stdin=token, env=PROJECT | previous).code == code


def test_the_previous_secret_alone_is_a_wrong_configuration(tickctl: Tickctl) -> None:
    """Said before any token is looked at."""
    env = {"SUPABASE_URL": PROJECT["SUPABASE_URL"], "SUPABASE_JWT_SECRET_PREVIOUS": OLD}
    result = tickctl("verify-token", "-", "--offline", stdin=jwt.encode(claims(), OLD, "HS256"), env=env)
    assert result.code == 3
    assert "SUPABASE_JWT_SECRET_PREVIOUS is set, and SUPABASE_JWT_SECRET is not" in result.err
    assert OLD not in result.err
