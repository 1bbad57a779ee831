"""What answers of PostgREST, of the gateway before it and of strangers mean, row by row."""

import json
from pathlib import Path
from typing import Any

import pytest

from tickctl.core.quota.postgrest import CODES, STATUSES, ApiAnswer, read_answer, tells_the_outcome
from tickctl.errors import (
    ConfigurationError,
    ConflictError,
    CredentialsRefusedError,
    InvalidInputError,
    NotFoundError,
    TickctlError,
    UnreachableError,
)

TRANSCRIPTS = Path(__file__).parents[2] / "transcripts"
# Every error in the recordings of real PostgREST 12.2.12 and 14.17.
RECORDED = [
    {"version": version, "name": record["name"], **record["response"]}
    for version in (12, 14)
    for record in json.loads((TRANSCRIPTS / f"postgrest-{version}.json").read_text())
    if record["response"]["status"] >= 300
]

# By the code, where it is not refused with 401 or 403, which always speak of credentials; the rest can't tell.
MEANINGS: dict[str, type[TickctlError]] = {
    "21000": ConflictError,
    "22": InvalidInputError,
    "23503": ConflictError,
    "23505": ConflictError,
    "3D000": ConfigurationError,
    "3F000": ConfigurationError,
    "42501": CredentialsRefusedError,
    "42703": ConfigurationError,
    "42704": ConfigurationError,
    "42883": ConfigurationError,
    "42P01": ConfigurationError,
    "P0002": NotFoundError,
    "PGRST106": ConfigurationError,
    "PGRST203": ConfigurationError,
    "PGRST301": CredentialsRefusedError,
    "PGRST302": CredentialsRefusedError,
    "PGRST303": CredentialsRefusedError,
}
UNKNOWN_ROLES = ("role does not exist", "role claim is ")


def meaning(record: dict[str, Any]) -> type[TickctlError]:
    """Return the error that a recorded answer stands for."""
    code = json.loads(record["body"] or "{}").get("code") or ""
    if record["status"] in {401, 403} or record["name"].startswith(UNKNOWN_ROLES):
        return CredentialsRefusedError
    return MEANINGS.get(code) or MEANINGS.get(code[:2]) or UnreachableError


def refusal(status: int, body: object = None, content_type: str = "application/json", **headers: str) -> TickctlError:
    """Return the error that an answer leads to."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(TickctlError) as caught:
        read_answer(ApiAnswer(status, content, content_type, **headers))
    return caught.value


def rows(body: object, **headers: str) -> Any:
    """Return the rows that a successful answer holds."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_answer(ApiAnswer(200, content, "application/json; charset=utf-8", **headers))


@pytest.mark.parametrize("record", RECORDED, ids=lambda record: f"{record['version']} {record['name']}")
def test_recorded_errors_mean_what_they_meant(record: dict[str, Any]) -> None:
    """Each error that a real PostgREST was seen to give."""
    headers = record["headers"]
    answer = ApiAnswer(
        record["status"],
        record["body"].encode(),
        headers.get("Content-Type", ""),
        retry_after=headers.get("Retry-After", ""),
    )
    with pytest.raises(TickctlError) as caught:
        read_answer(answer)
    assert type(caught.value) is meaning(record)
    assert caught.value.message


@pytest.mark.parametrize("code", CODES)
def test_each_code_has_its_error_and_names_itself(code: str) -> None:
    """The code is for the search in PostgREST's documentation; PostgREST's own words are not repeated."""
    whole = code.ljust(8, "0")
    error = refusal(
        400, {"code": whole, "message": "words of the server", "details": "its details", "hint": "its hint"}
    )
    assert type(error) is CODES[code][0]
    assert whole in error.message
    assert error.hint == CODES[code][2]
    assert "words" not in error.message


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("PGRST000", UnreachableError),
        ("PGRST001", UnreachableError),
        ("PGRST002", UnreachableError),
        ("PGRST003", UnreachableError),
        ("PGRST100", UnreachableError),
        ("PGRST102", UnreachableError),
        ("PGRST106", ConfigurationError),
        ("PGRST116", UnreachableError),
        ("PGRST202", UnreachableError),
        ("PGRST203", ConfigurationError),
        ("PGRST205", UnreachableError),
        ("PGRST300", UnreachableError),
        ("PGRST301", CredentialsRefusedError),
        ("PGRST302", CredentialsRefusedError),
        ("PGRST303", CredentialsRefusedError),
        ("PGRSTX00", UnreachableError),
    ],
)
def test_codes_mean_one_error_each(code: str, kind: type[TickctlError]) -> None:
    """Whatever the status is that comes with them; an unknown code is a cannot-tell."""
    assert {type(refusal(status, {"code": code, "message": "m"})) for status in (400, 404, 500, 503)} == {kind}


def test_unknown_function_leads_to_the_schema() -> None:
    """It is not set up, or PostgREST has not read it yet; one command mends both."""
    assert "tickctl schema apply" in str(refusal(404, {"code": "PGRST202", "message": "m"}).hint)


@pytest.mark.parametrize("code", ["PGRST301", "PGRST303"])
def test_expired_tokens_are_named(code: str) -> None:
    """PostgREST 12 and 14 have different codes for it."""
    error = refusal(401, {"code": code, "message": "JWT expired"})
    assert isinstance(error, CredentialsRefusedError)
    assert "expired" in error.message
    assert "tickctl login" in str(error.hint)


@pytest.mark.parametrize(
    ("status", "message", "hint"),
    [
        (401, "permission denied for function tick_admin_show", "login"),
        (403, "permission denied for table profiles", "schema check"),
        (403, "this needs an administrator", "admin add"),
        (403, "this needs a signed-in user", None),
    ],
)
def test_refusals_of_the_database_are_passed_on_with_a_way_in(status: int, message: str, hint: str | None) -> None:
    """Our functions' own words, and where they give no hint one that fits."""
    error = refusal(status, {"code": "42501", "message": message, "hint": None, "details": "of a row"})
    assert isinstance(error, CredentialsRefusedError)
    assert error.message == message
    assert (hint or "") in (error.hint or "")
    assert (error.hint is None) is (hint is None)


def test_the_database_s_own_hint_comes_first() -> None:
    """It knows best."""
    assert refusal(403, {"code": "42501", "message": "this needs an administrator", "hint": "h"}).hint == "h"


@pytest.mark.parametrize("sqlstate", ["28000", "0P000", "0L000", "22023", "P0001", "ZZ999"])
@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_one_of_credentials_whatever_the_sqlstate(status: int, sqlstate: str) -> None:
    """PostgREST gives these statuses for nothing else."""
    error = refusal(status, {"code": sqlstate, "message": "words of the server"})
    assert type(error) is CredentialsRefusedError
    assert "words" not in error.message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "No API key found in request", "hint": "No `apikey` request header was found"}, "did not arrive"),
        ({"message": "Invalid API key", "hint": "Double check your Supabase key"}, "refused the API key"),
        ({"message": "Legacy API keys are disabled"}, "legacy"),
        ({"message": "Unauthorized"}, "refused the API key"),
        ({"error": "unauthorized"}, "refused the API key"),
        (b"", "refused the API key"),
    ],
)
@pytest.mark.parametrize("status", [401, 403])
def test_refusals_of_the_api_gateway_are_about_the_key(status: int, body: object, words: str) -> None:
    """It gives a message without a code, and refuses secret keys from where it doesn't want them without a body."""
    content_type = "" if body == b"" else "application/json"
    error = refusal(status, body, content_type)
    assert isinstance(error, CredentialsRefusedError)
    assert words in error.message
    assert error.hint


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_in_a_web_page_is_a_stranger_s(status: int) -> None:
    """A proxy that wants a password of its own says nothing about ours."""
    assert isinstance(refusal(status, b"<html>Access denied", "text/html"), UnreachableError)


@pytest.mark.parametrize("status", STATUSES)
def test_each_status_has_its_words(status: int) -> None:
    """With the status for the search in Supabase's documentation; the body of a stranger is not repeated."""
    error = refusal(status, b"<html>cf-ray: 8f00 words</html>", "text/html")
    assert type(error) is UnreachableError
    assert error.message == f"{STATUSES[status][0]} (status {status})"
    assert error.hint == STATUSES[status][1]


@pytest.mark.parametrize(
    "status", [300, 301, 302, 303, 304, 307, 308, 400, 402, 404, 405, 406, 409, 410, 413, 415, 416, 418, 422, 429]
)
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"message": "words"}', b'{"code": 42501}', b"[]", b'"x"', b"null"])
def test_other_refusals_are_a_cannot_tell(status: int, body: bytes) -> None:
    """Neither a yes nor a no may be read out of them."""
    error = refusal(status, body)
    assert type(error) is UnreachableError
    assert str(status) in error.message
    assert "words" not in f"{error.message} {error.hint}"


@pytest.mark.parametrize(
    "status", [500, 501, 502, 503, 504, 505, 520, 521, 522, 523, 524, 525, 526, 530, 540, 544, 599]
)
def test_outages_are_a_cannot_tell(status: int) -> None:
    """Of the API, of a proxy before it, of the whole project."""
    error = refusal(status, b"<html><h1>Bad gateway", "text/html; charset=UTF-8")
    assert type(error) is UnreachableError
    assert error.hint


def test_a_paused_project_is_named() -> None:
    """Supabase's own status for it."""
    error = refusal(540, b"", "")
    assert "paused" in error.message
    assert "dashboard" in str(error.hint)


@pytest.mark.parametrize(
    ("status", "retry_after", "hint"),
    [
        (429, "12", "try again in 12 s"),
        (503, "30", "try again in 30 s"),
        (429, "0", "try again in a while"),
        (429, "", "try again in a while"),
        (429, "Wed, 21 Oct 2026 07:28:00 GMT", "try again in a while"),
        (429, "1e3", "try again in a while"),
        (429, "999999999", "try again in a while"),
        (429, "\u0663", "try again in a while"),
        (540, "12", "restore it in the dashboard"),
    ],
)
def test_how_long_to_wait_is_told_where_the_server_says_so(status: int, retry_after: str, hint: str) -> None:
    """As a number of seconds."""
    assert refusal(status, b"", retry_after=retry_after).hint == hint


@pytest.mark.parametrize("code", ["PT429", "PRE", "RATE_LIMITED"])
def test_codes_of_the_project_s_own_leave_it_to_the_status(code: str) -> None:
    """A pre-request function may limit requests in its own way."""
    error = refusal(429, {"code": code, "message": "m"}, retry_after="7")
    assert error.message == "too many requests (status 429)"
    assert error.hint == "try again in 7 s"


def test_a_composite_value_is_one_row_and_a_set_is_its_rows() -> None:
    """As PostgREST gives what returns one row, and what returns many."""
    assert rows({"a": 1}) == [{"a": 1}]
    assert rows([{"a": 1}, {"a": None}]) == [{"a": 1}, {"a": None}]
    assert rows([]) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"1",
        b'"text"',
        b"true",
        b"[1]",
        b"[null]",
        b'[{"a": 1}, 2]',
        b'[[{"a": 1}]]',
        b'{"a": 1',
        b'[{"a": 1},',
        b'{"a": 1} {"a": 2}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1, "a": 2}',
        b'{"a": "\xff"}',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"a": ' + b"1" * 5_000 + b"}",
        b"<html><title>Welcome</title>",
    ],
)
def test_what_holds_no_rows_is_a_cannot_tell(body: bytes) -> None:
    """Half an answer, another kind of answer, or one that could be read in two ways."""
    assert isinstance(refusal(200, body), UnreachableError)


@pytest.mark.parametrize(
    "content_type", ["", "text/html", "text/plain", "application/jsonx", "application/problem+json"]
)
def test_what_does_not_say_that_it_is_json_is_a_cannot_tell(content_type: str) -> None:
    """PostgREST always says so."""
    assert isinstance(refusal(200, {"a": 1}, content_type), UnreachableError)


@pytest.mark.parametrize("status", [100, 201, 202, 203, 204, 205, 207, 299])
def test_no_other_success_is_one(status: int) -> None:
    """Only 200, and 206 for a part, carry rows of a function."""
    assert isinstance(refusal(status, {"a": 1}), UnreachableError)


@pytest.mark.parametrize("content_range", ["", "0-1/*", "0-1/2", "*/*", "0-1", "items"])
def test_all_rows_are_all(content_range: str) -> None:
    """PostgREST says so, or was not asked."""
    assert len(rows([{"a": 1}, {"a": 2}], content_range=content_range)) == 2


@pytest.mark.parametrize("status", [200, 206])
def test_a_part_of_the_rows_is_no_answer(status: int) -> None:
    """Where the project allows fewer rows than were asked for, a list would end early, and nobody would notice."""
    error = refusal(status, [{"a": 1}, {"a": 2}], content_range="0-1/5")
    assert isinstance(error, ConfigurationError)
    assert "2 of 5 rows" in error.message
    assert "Max rows" in str(error.hint)


@pytest.mark.parametrize(
    ("status", "code", "tells"),
    [
        (409, "23505", True),
        (500, "P0002", True),
        (500, "57014", True),
        (503, "53300", True),
        (503, "PGRST002", True),
        (504, "PGRST003", True),
        (404, "PGRST202", True),
        (503, "PGRST001", False),
        (500, "PGRSTX00", False),
        (503, "57P01", False),
        (503, "08006", False),
        (500, "58030", False),
        (500, "XX000", False),
        (200, None, False),
        (206, None, False),
        (307, None, True),
        (401, None, True),
        (429, None, True),
        (500, None, False),
        (502, None, False),
        (504, None, False),
        (520, None, False),
        (521, None, True),
        (522, None, False),
        (524, None, False),
        (540, None, True),
        (544, None, False),
    ],
)
def test_what_was_done_is_known_or_not(status: int, code: str | None, tells: bool) -> None:
    """An error of the database undoes the call; a broken connection or an impatient proxy leaves it open."""
    body = json.dumps({"code": code, "message": "m"}).encode()
    assert tells_the_outcome(ApiAnswer(status, body, "application/json")) is tells
