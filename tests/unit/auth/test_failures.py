"""What the Auth server's refusals come to."""

import json
from typing import Any

import pytest

from tickctl.core.auth import failure
from tickctl.errors import (
    ConfigurationError,
    CredentialsRefusedError,
    InvalidInputError,
    TickctlError,
    UnreachableError,
)

CODES: dict[str, type[TickctlError]] = {
    "invalid_credentials": CredentialsRefusedError,
    "email_not_confirmed": CredentialsRefusedError,
    "user_banned": CredentialsRefusedError,
    "user_not_found": CredentialsRefusedError,
    "session_not_found": CredentialsRefusedError,
    "session_expired": CredentialsRefusedError,
    "refresh_token_not_found": CredentialsRefusedError,
    "refresh_token_already_used": CredentialsRefusedError,
    "bad_jwt": CredentialsRefusedError,
    "insufficient_aal": CredentialsRefusedError,
    "mfa_verification_failed": CredentialsRefusedError,
    "mfa_challenge_expired": CredentialsRefusedError,
    "mfa_totp_verify_not_enabled": ConfigurationError,
    "mfa_verification_rejected": CredentialsRefusedError,
    "captcha_failed": CredentialsRefusedError,
    "email_provider_disabled": ConfigurationError,
    "email_address_not_authorized": ConfigurationError,
    "email_address_invalid": InvalidInputError,
    "validation_failed": InvalidInputError,
    "unexpected_failure": UnreachableError,
    "request_timeout": UnreachableError,
    "hook_timeout": UnreachableError,
    "conflict": UnreachableError,
}


def told(status: int, members: object, retry_after: str = "") -> TickctlError:
    """Return the error for a body."""
    return failure(status, json.dumps(members).encode(), retry_after)


@pytest.mark.parametrize(("code", "kind"), CODES.items())
def test_each_code_has_its_meaning(code: str, kind: type[TickctlError]) -> None:
    """In the form of today's API and in that before 2024."""
    for body in ({"code": code, "message": "m"}, {"code": 400, "error_code": code, "msg": "m"}):
        error = told(400, body)
        assert type(error) is kind
        assert error.hint


@pytest.mark.parametrize(
    ("description", "says"),
    [
        ("Invalid login credentials", "password is wrong"),
        ("Email not confirmed", "not confirmed"),
        ("Invalid Refresh Token: Already Used", "session is over"),
    ],
)
def test_servers_without_codes_are_understood(description: str, says: str) -> None:
    """They follow RFC 6749 section 5.2 and tell what matters in a text."""
    error = told(400, {"error": "invalid_grant", "error_description": description})
    assert type(error) is CredentialsRefusedError
    assert says in error.message


@pytest.mark.parametrize(
    ("members", "retry_after", "hint"),
    [
        ({"message": "For security purposes, you can only request this after 42 seconds."}, "", "try again in 42 s"),
        ({"msg": "you can only request this after 1 second."}, "", "try again in 1 s"),
        ({"message": "email rate limit exceeded"}, "", "try again in some minutes"),
        ({"message": "API rate limit exceeded"}, "7", "try again in 7 s"),
        ({"message": "after 12345678 seconds"}, "", "try again in some minutes"),
        ({}, "Wed, 21 Oct 2026 07:28:00 GMT", "try again in some minutes"),
        ([], "\u0661\u0662", "try again in some minutes"),
    ],
)
def test_limits_tell_how_long_to_wait(members: object, retry_after: str, hint: str) -> None:
    """A limit is no refusal: nothing is known about the password."""
    error = told(429, members, retry_after)
    assert type(error) is UnreachableError
    assert error.hint == hint


def test_mail_limit_is_named() -> None:
    """Two mails a minute apart look like a broken mail service otherwise."""
    assert "mails" in told(429, {"code": "over_email_send_rate_limit", "message": "x"}).message


def test_refused_api_key_is_not_a_wrong_password() -> None:
    """The gateway in front of Auth speaks."""
    error = told(401, {"message": "Invalid API key"})
    assert type(error) is CredentialsRefusedError
    assert "API key" in error.message


@pytest.mark.parametrize("status", [301, 400, 403, 404, 500, 502, 503, 504, 520, 540])
@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"\xff", b'{"code": "news_of_tomorrow"}'])
def test_everything_else_is_a_cannot_tell(status: int, body: bytes) -> None:
    """Outages, proxies and codes that are not known say neither yes nor no."""
    error = failure(status, body)
    assert type(error) is UnreachableError
    assert str(status) in error.message


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_nothing_of_the_body_is_repeated(status: int) -> None:
    """A server may echo what it was sent."""
    members: dict[str, Any] = {"message": "p4ssw0rd-of-ada", "error": "p4ssw0rd-of-ada", "code": "p4ssw0rd-of-ada"}
    error = told(status, members, "p4ssw0rd-of-ada")
    assert "p4ssw0rd" not in f"{error!r} {error.hint}"
