"""Only the Auth server's own answers are answers."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickctl.core.tokens import Denial, UserState, read_user_answer
from tickctl.errors import UnreachableError

USER: dict[str, Any] = {
    "id": "6f1f1c2e-0d3b-4b57-9d3e-0a4f1c7c9a11",
    "aud": "authenticated",
    "role": "authenticated",
    "email": "ada@example.com",
    "email_confirmed_at": "2026-02-03T04:05:06.789012Z",
    "phone": "",
    "confirmed_at": "2026-02-03T04:05:06.789012Z",
    "last_sign_in_at": "2026-11-01T00:00:00Z",
    "app_metadata": {"provider": "email", "providers": ["email"]},
    "user_metadata": {"email_verified": True},
    "identities": [{"provider": "email", "identity_data": {"email_verified": False}}],
    "is_anonymous": False,
}
JSON = "application/json"


def answer(status: int = 200, content_type: str = JSON, **changes: Any) -> UserState | Denial:
    """Read a user's row with these changes; `...` takes a member away."""
    members = {name: value for name, value in {**USER, **changes}.items() if value is not ...}
    return read_user_answer(status, content_type, json.dumps(members).encode())


def test_user_is_read() -> None:
    """The times are epoch seconds, and an answer at all means that the session exists."""
    assert answer() == UserState(
        user_id=USER["id"],
        email="ada@example.com",
        email_confirmed_at=1770091506.789012,
        banned_until=None,
        deleted_at=None,
        is_anonymous=False,
        session_active=True,
    )


def test_media_type_may_have_parameters() -> None:
    """And any case."""
    assert answer(content_type="Application/JSON; charset=utf-8") == answer()


def test_confirmation_of_a_phone_is_none_of_an_address() -> None:
    """`confirmed_at`, user_metadata and identities say nothing about the e-mail."""
    for missing in (..., None):
        state = answer(email_confirmed_at=missing)
        assert isinstance(state, UserState)
        assert not state.email_confirmed


@pytest.mark.parametrize("email", ["", None, ...])
def test_user_without_address_is_not_confirmed(email: Any) -> None:
    """Whatever the time says."""
    state = answer(email=email)
    assert isinstance(state, UserState)
    assert state.email is None
    assert not state.email_confirmed


def test_ban_and_deletion_are_read() -> None:
    """Both are times."""
    state = answer(banned_until="2126-01-01T00:00:00Z", deleted_at="2026-01-01T00:00:00Z", is_anonymous=True)
    assert isinstance(state, UserState)
    assert state.banned_until == 4922899200
    assert state.deleted_at == 1767225600
    assert state.is_anonymous


@pytest.mark.parametrize("denial", Denial)
@pytest.mark.parametrize("body", ['{"code":403,"error_code":"%s","msg":"m"}', '{"code":"%s","message":"m"}'])
def test_denials_are_read_in_both_forms(denial: Denial, body: str) -> None:
    """API versions before and from 2024-01-01."""
    assert read_user_answer(403, JSON, (body % denial.value).encode()) is denial


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 400, 401, 404, 408, 429, 500, 502, 503, 504, 522])
def test_other_statuses_tell_nothing(status: int) -> None:
    """Not even with a user or a denial in the body."""
    for body in (json.dumps(USER), '{"code":"session_not_found"}', ""):
        with pytest.raises(UnreachableError, match=str(status)):
            read_user_answer(status, JSON, body.encode())


@pytest.mark.parametrize(
    ("status", "hint"), [(401, "SUPABASE_ANON_KEY"), (403, "SUPABASE_ANON_KEY"), (429, "limits"), (500, "^try again")]
)
def test_hint_fits_the_status(status: int, hint: str) -> None:
    """401 comes from the gateway before Auth, about the API key; 429 and 5xx pass by themselves."""
    with pytest.raises(UnreachableError) as caught:
        read_user_answer(status, JSON, b'{"message":"no"}')
    assert re.search(hint, str(caught.value.hint))


@pytest.mark.parametrize(
    "body",
    ["{}", '{"code":403}', '{"code":"other"}', '{"error_code":"other","code":"user_banned"}', '{"message":"no"}'],
)
def test_403_of_somebody_else_tells_nothing(body: str) -> None:
    """A firewall, say."""
    with pytest.raises(UnreachableError):
        read_user_answer(403, JSON, body.encode())


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (200, "text/html", json.dumps(USER)),
        (200, "", json.dumps(USER)),
        (200, "application/jsonp", json.dumps(USER)),
        (403, "text/html", '{"code":"user_banned"}'),
        (200, JSON, "<html>"),
        (200, JSON, ""),
        (200, JSON, "null"),
        (200, JSON, "[]"),
        (200, JSON, "{}"),
        (200, JSON, '{"id":"a","id":"b"}'),
    ],
)
def test_rubbish_tells_nothing(status: int, content_type: str, body: str) -> None:
    """HTML, nothing, other JSON."""
    with pytest.raises(UnreachableError):
        read_user_answer(status, content_type, body.encode())


@pytest.mark.parametrize(
    "change",
    [
        {"id": ...},
        {"id": 7},
        {"id": "ada"},
        {"email": 7},
        {"email_confirmed_at": True},
        {"email_confirmed_at": "yes"},
        {"email_confirmed_at": ""},
        {"email_confirmed_at": "0001-01-01T00:00:00Z"},
        {"banned_until": "none"},
        {"banned_until": 0},
        {"deleted_at": False},
        {"is_anonymous": None},
        {"is_anonymous": "false"},
    ],
    ids=str,
)
def test_row_of_other_types_tells_nothing(change: dict[str, Any]) -> None:
    """Nothing is guessed from a value that Auth does not write."""
    with pytest.raises(UnreachableError):
        answer(**change)


@given(st.integers(100, 599), st.text(max_size=20) | st.just(JSON), st.binary(max_size=100))
def test_any_answer_is_read_or_unreachable(status: int, content_type: str, body: bytes) -> None:
    """No bytes raise anything else, and no random ones are a user."""
    with pytest.raises(UnreachableError):
        read_user_answer(status, content_type, body)
