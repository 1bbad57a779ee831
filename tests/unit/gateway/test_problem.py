"""Problem documents are what RFC 9457 says, and what the schema of the tests says."""

import json
from pathlib import Path

import jsonschema
import pytest

from tickctl.gateway import Problem, RefusedError
from tickctl.gateway.problem import MEDIA_TYPE, QUOTA_EXCEEDED, TITLES

SCHEMA = json.loads((Path(__file__).parents[2] / "data" / "problem.schema.json").read_text())


def document_of(problem: Problem) -> dict[str, object]:
    """Return the document of a problem."""
    document = json.loads(problem.body())
    assert isinstance(document, dict)
    return document


def test_the_schema_is_one() -> None:
    """It knows the statuses that there are, and no others."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["status"]["enum"] == list(TITLES)


def test_a_document_has_the_standard_members_first() -> None:
    """Type, title, status and detail, then the code that programs branch on."""
    assert document_of(Problem(403, "user_banned", "the user is banned")) == {
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "detail": "the user is banned",
        "code": "user_banned",
    }
    assert MEDIA_TYPE == "application/problem+json"


@pytest.mark.parametrize("status", sorted(set(TITLES) - {429}))
def test_each_status_has_its_phrase(status: int) -> None:
    """With `about:blank` the title is the phrase of the status (RFC 9457 section 4.2.1)."""
    document = document_of(Problem(status, "some_code", "some detail for developers"))
    jsonschema.validate(document, SCHEMA)
    assert (document["type"], document["title"], document["status"]) == ("about:blank", TITLES[status], status)


def test_a_spent_quota_has_the_registered_type() -> None:
    """With the members that the draft defines for it."""
    members = {
        "violated-policies": ["daily-ticks"],
        "daily_tick_limit": 32,
        "ticks_granted": 0,
        "ticks_used": 32,
        "ticks_remaining": 0,
        "resets_at": "2026-11-24T00:00:00+00:00",
    }
    document = document_of(Problem(429, "quota_exhausted", "not enough ticks are left", members=members))
    jsonschema.validate(document, SCHEMA)
    assert document["type"] == QUOTA_EXCEEDED


def test_further_members_replace_no_standard_one() -> None:
    """A client may rely on them."""
    members = {"status": 200, "code": "granted", "type": "x", "more": [1]}
    document = document_of(Problem(503, "unreachable", "nobody can tell", members=members))
    assert (document["status"], document["code"], document["type"]) == (503, "unreachable", "about:blank")
    assert document["more"] == [1]


def test_a_document_is_ascii() -> None:
    """Whatever is in it survives a reader that guesses another encoding, and breaks no line."""
    body = Problem(422, "invalid_ticks", 'caf\N{LATIN SMALL LETTER E WITH ACUTE}\r\n"x" \ud83d').body()
    assert body.isascii()
    assert b"\n" not in body
    assert json.loads(body)["detail"].startswith("caf\N{LATIN SMALL LETTER E WITH ACUTE}")


def test_the_error_says_no_more_than_the_code() -> None:
    """It may end up in a log."""
    error = RefusedError(Problem(403, "user_banned", "the user is banned"))
    assert str(error) == "user_banned"
    assert repr(error) == "RefusedError('user_banned')"
