"""What comes back from signing in, and nothing that merely resembles it."""

import base64
import json
from typing import Any

import pytest

from tickctl.core.auth import SecondFactor, read_challenge, read_session
from tickctl.errors import UnreachableError

ANSWER: dict[str, Any] = {
    "access_token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "token_type": "bearer",
    "expires_in": 3600,
    "expires_at": 4,
    "refresh_token": "v1MYqVxW2a4cDl0",
    "user": {"id": "6F1F1C2E-0d3b-4b57-9d3e-0a4f1c7c9a11", "email": "ada@example.com", "role": "authenticated"},
}


def body(**changes: Any) -> bytes:
    """Return an answer with some members changed."""
    return json.dumps(ANSWER | changes).encode()


def test_session_ends_by_the_clock_of_this_machine() -> None:
    """The lifetime is the server's, the clock is ours: one that is wrong by hours does no harm."""
    session = read_session(body(), now=1_000_000.0)
    assert session.expires_at == 1_003_600.0
    assert session.ends_before(1_003_601.0)
    assert not session.ends_before(1_003_600.0)


def test_session_knows_whose_it_is() -> None:
    """The id as the rest of tickctl writes it."""
    session = read_session(body(), now=0)
    assert (session.user_id, session.email) == ("6f1f1c2e-0d3b-4b57-9d3e-0a4f1c7c9a11", "ada@example.com")
    assert session.access_token.reveal() == ANSWER["access_token"]
    assert session.refresh_token.reveal() == ANSWER["refresh_token"]


def test_session_shows_no_token() -> None:
    """In a traceback or log it keeps them to itself."""
    shown = repr(read_session(body(), now=0))
    assert ANSWER["access_token"] not in shown
    assert ANSWER["refresh_token"] not in shown


APP = {"id": "5B1D8A3E-7d2f-4c55-9f3f-0a4f1c7c9a22", "factor_type": "totp", "status": "verified"}
PHONE = APP | {"id": "0d4b7c1e-7d2f-4c55-9f3f-0a4f1c7c9a33", "factor_type": "phone"}


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ([], SecondFactor.NONE),
        ([APP | {"status": "unverified"}], SecondFactor.NONE),
        ([PHONE], SecondFactor.MISSING),
        ([APP | {"status": "unverified"}, PHONE, APP], SecondFactor.MISSING),
        ([APP | {"id": "../user"}], SecondFactor.NONE),
        ([APP | {"factor_type": None}], SecondFactor.NONE),
        (["verified", 5, None], SecondFactor.NONE),
        ("verified", SecondFactor.NONE),
        (None, SecondFactor.NONE),
    ],
    ids=["none", "begun", "phone", "both", "no id", "no type", "rubbish", "text", "null"],
)
def test_second_factor_counts_once_it_is_verified(factors: object, expected: SecondFactor) -> None:
    """One that was only begun to be set up protects nothing."""
    session = read_session(body(user=ANSWER["user"] | {"factors": factors}), now=0)
    assert session.second_factor is expected


def test_authenticator_app_is_the_factor_that_can_be_asked_for() -> None:
    """A code that goes to a phone, or a security key, can't be had on a terminal."""
    with_both = read_session(body(user=ANSWER["user"] | {"factors": [PHONE, APP]}), now=0)
    assert with_both.authenticator == APP["id"]
    assert read_session(body(user=ANSWER["user"] | {"factors": [PHONE]}), now=0).authenticator is None


@pytest.mark.parametrize(("level", "expected"), [("aal1", SecondFactor.MISSING), ("aal2", SecondFactor.SHOWN)])
def test_token_tells_whether_it_was_shown(level: str, expected: SecondFactor) -> None:
    """Also after a refresh, which keeps the level."""
    payload = base64.urlsafe_b64encode(json.dumps({"aal": level}).encode()).rstrip(b"=").decode()
    token = f"eyJhbGciOiJIUzI1NiJ9.{payload}.c2lnbmF0dXJl"
    session = read_session(body(access_token=token, user=ANSWER["user"] | {"factors": [APP]}), now=0)
    assert session.second_factor is expected


@pytest.mark.parametrize("text", [b"", b"<html>", b"{}", b'{"id": 5}', b'{"id": "../verify"}'])
def test_other_texts_are_no_challenge(text: bytes) -> None:
    """Its id goes into the next request."""
    with pytest.raises(UnreachableError):
        read_challenge(text)


@pytest.mark.parametrize("email", ["", None, 5])
def test_user_without_an_address_has_none(email: object) -> None:
    """Auth writes an empty string."""
    assert read_session(body(user=ANSWER["user"] | {"email": email}), now=0).email is None


@pytest.mark.parametrize(
    "changes",
    [
        {"access_token": ""},
        {"access_token": None},
        {"access_token": "two words"},
        {"access_token": "a\r\nX-Other: 1"},
        {"access_token": "t\u00f6ken"},
        {"refresh_token": ""},
        {"refresh_token": ["a"]},
        {"refresh_token": "a\nb"},
        {"expires_in": 0},
        {"expires_in": "3600"},
        {"expires_in": None},
        {"user": None},
        {"user": []},
        {"user": {}},
        {"user": {"id": 5}},
        {"user": {"id": "00000000-0000-0000-0000-000000000000"}},
    ],
    ids=repr,
)
def test_other_answers_are_no_session(changes: dict[str, Any]) -> None:
    """Half a session is none, and what can't be sent in a header is no token."""
    with pytest.raises(UnreachableError):
        read_session(body(**changes), now=0)


@pytest.mark.parametrize("text", [b"", b"<html>Welcome</html>", b"[]", b'{"a":1,"a":2}', b"\xff", body()[:-1]])
def test_other_texts_are_no_session(text: bytes) -> None:
    """A captive portal answers 200 to everything; nothing of it is repeated."""
    with pytest.raises(UnreachableError) as caught:
        read_session(text, now=0)
    assert ANSWER["access_token"] not in f"{caught.value!r} {caught.value.hint} {caught.value.__context__!r}"
