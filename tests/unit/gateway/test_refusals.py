"""Every verdict, decision and error has one answer, and the headers of each are well formed."""

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import http_sf
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickctl import errors
from tickctl.core.quota import Consumption, Decision, allowance, remaining
from tickctl.core.quota.ratelimit import headers
from tickctl.core.tokens import Reason, Verdict
from tickctl.errors import InvalidInputError, TickctlError
from tickctl.gateway import Problem
from tickctl.gateway.refusals import (
    DECISIONS,
    VERDICTS,
    cannot_tell,
    decision_problem,
    error_problem,
    invalid_token,
    verdict_problem,
)

SCHEMA = json.loads((Path(__file__).parents[2] / "data" / "problem.schema.json").read_text())
CHALLENGE = re.compile(r'Bearer error="invalid_token", error_description="[\x20\x21\x23-\x5b\x5d-\x7e]*"')
ERRORS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TickctlError)]
NOW = datetime(2026, 11, 23, 3, 39, tzinfo=UTC)
GRANTED = Consumption(
    decision=Decision.GRANTED,
    charge_id="00000000-0000-4000-8000-000000000001",
    daily_tick_limit=32,
    ticks_granted=0,
    ticks_used=30,
    ticks_remaining=2,
    usage_date=date(2026, 11, 23),
    resets_at=datetime(2026, 11, 24, tzinfo=UTC),
    now=NOW,
)


def checked(problem: Problem | None) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the document and the headers of a problem that must be there, and be well formed."""
    assert problem is not None
    document = json.loads(problem.body())
    jsonschema.validate(document, SCHEMA)
    assert document["status"] == problem.status
    fields = dict(problem.headers)
    assert len(fields) == len(problem.headers)
    for name, value in fields.items():
        assert re.fullmatch(r"[A-Za-z-]+", name)
        assert re.fullmatch(r"[\x20-\x7e]+", value)
    return document, fields


def test_the_tables_are_complete() -> None:
    """A new code without an answer fails here, not in front of a client."""
    assert set(VERDICTS) == set(Reason)
    assert set(DECISIONS) == set(Decision)


def test_only_what_a_new_token_may_mend_is_401() -> None:
    """Clients refresh and sign in again on 401; they must not do so for ever where that can't help."""
    hopeless = {reason for reason, status in VERDICTS.items() if status == 403}
    assert hopeless == {
        Reason.API_KEY,
        Reason.NOT_A_USER_TOKEN,
        Reason.ANONYMOUS,
        Reason.EMAIL_NOT_CONFIRMED,
        Reason.USER_BANNED,
    }
    refused = {answer[1] for answer in DECISIONS.values() if answer is not None and answer[0] == 403}
    assert refused == {"anonymous", "email_not_confirmed", "user_banned"}


@pytest.mark.parametrize("reason", Reason)
def test_each_verdict_has_its_answer(reason: Reason) -> None:
    """What cannot be told is 503 and nothing else; the two that may go on are those on which the database decides."""
    problem = verdict_problem(Verdict(reason, "a sentence for developers"), 7)
    if reason in (Reason.VALID, Reason.CONFIRMATION_UNKNOWN):
        assert problem is None
        return
    document, fields = checked(problem)
    assert document["code"] == reason.value
    assert (document["status"] == 503) is (reason is Reason.UNREACHABLE)
    match document["status"]:
        case 401:
            assert CHALLENGE.fullmatch(fields.pop("WWW-Authenticate"))
            assert document["detail"] == "a sentence for developers"
        case 403:
            assert document["detail"] == "a sentence for developers"
        case 503:
            assert fields.pop("Retry-After") == "7"
            assert "sentence" not in document["detail"]
    assert fields == {}


@pytest.mark.parametrize("decision", Decision)
def test_each_decision_has_its_answer(decision: Decision) -> None:
    """Of those that are not about ticks, none tells of ticks."""
    problem = decision_problem(replace(GRANTED, decision=decision), 7)
    if decision is Decision.GRANTED:
        assert problem is None
        return
    document, fields = checked(problem)
    assert document["status"] in {401, 403, 409, 429}
    assert ("RateLimit" in fields) is ("violated-policies" in document) is (document["status"] == 429)
    assert ("WWW-Authenticate" in fields) is (document["status"] == 401)
    assert ("Retry-After" in fields) is (decision in {Decision.QUOTA_EXHAUSTED, Decision.UNDER_WAY})


def test_the_same_cause_has_the_same_code_wherever_it_is_found() -> None:
    """A client does not care whether the token or the database said so; the status is the same, too."""
    for decision, answer in DECISIONS.items():
        if answer is not None and answer[1] in set(Reason):
            assert VERDICTS[Reason(answer[1])] == answer[0], decision


def test_a_spent_quota_says_how_much_is_left_and_until_when() -> None:
    """In the members and in the headers, and they agree."""
    document, fields = checked(decision_problem(replace(GRANTED, decision=Decision.QUOTA_EXHAUSTED, ticks_granted=8)))
    assert document["violated-policies"] == ["daily-ticks"]
    assert (document["daily_tick_limit"], document["ticks_granted"], document["ticks_used"]) == (32, 8, 30)
    assert document["resets_at"] == "2026-11-24T00:00:00Z"
    assert fields == {
        "RateLimit-Policy": '"daily-ticks";q=40;w=86400',
        "RateLimit": '"daily-ticks";r=2;t=73260',
        "Retry-After": "73260",
    }


limits = st.integers(0, 10**9)
spans = st.timedeltas(timedelta(days=-2), timedelta(days=2))


@given(limits, st.integers(0, 10**12), st.integers(0, 10**12), spans, st.sampled_from(Decision))
def test_quota_headers_are_structured_fields(
    limit: int, granted: int, used: int, span: timedelta, decision: Decision
) -> None:
    """Lists of one string with integers (RFC 9651), none of them negative, whatever the database says of the day."""
    consumption = replace(
        GRANTED,
        decision=decision,
        daily_tick_limit=limit,
        ticks_granted=granted,
        ticks_used=used,
        ticks_remaining=remaining(limit, granted, used),
        resets_at=NOW + span,
    )
    fields = headers(consumption)
    if not fields:
        assert decision not in {Decision.GRANTED, Decision.QUOTA_EXHAUSTED, Decision.COST_EXCEEDS_LIMIT}
        return
    [(policy, of_day)] = http_sf.parse(fields["RateLimit-Policy"].encode(), tltype="list")
    [(name, of_now)] = http_sf.parse(fields["RateLimit"].encode(), tltype="list")
    assert policy == name == "daily-ticks"
    assert of_day == {"q": allowance(limit, granted), "w": 86400}
    assert set(of_now) == {"r", "t"}
    assert 0 <= of_now["r"] <= of_day["q"]
    assert of_now["t"] >= max(1, span.total_seconds())
    if "Retry-After" in fields:
        assert re.fullmatch("[1-9][0-9]*", fields["Retry-After"])
        assert int(fields["Retry-After"]) >= of_now["t"]


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_of_the_store_is_a_cannot_tell(kind: type[TickctlError]) -> None:
    """Whatever it is: an outage blames nobody, and its reasons are for the log."""
    problem = error_problem(kind("password authentication failed for user authenticator at 10.0.0.7"), 5)
    document, fields = checked(problem)
    assert (document["status"], document["code"]) == (503, "unreachable")
    assert fields == {"Retry-After": "5"}
    assert "10.0.0.7" not in repr(problem)


def test_the_largest_number_of_ticks_is_told() -> None:
    """It is a setting in the database, so the gate finds out only there; the sentence must be that one exactly."""
    document, fields = checked(error_problem(InvalidInputError("ticks must be from 1 to 1000"), 5))
    assert (document["status"], document["code"]) == (422, "invalid_ticks")
    assert document["detail"] == "ticks must be from 1 to 1000"
    assert fields == {}
    for other in ("ticks must be from 1 to 1000\n", "x ticks must be from 1 to 1000", "ticks must be from 1 to many"):
        assert error_problem(InvalidInputError(other), 5).status == 503


@given(st.text())
def test_a_challenge_is_well_formed_whatever_it_describes(detail: str) -> None:
    """Only what RFC 6750 section 3 allows between the quotes: no quote, no backslash, no line break."""
    [(name, value)] = invalid_token("malformed", detail).headers
    assert name == "WWW-Authenticate"
    assert CHALLENGE.fullmatch(value)


def test_cannot_tell_says_when_to_come_back() -> None:
    """And no reason."""
    assert checked(cannot_tell(3)) == checked(error_problem(TickctlError("x"), 3))
    document, fields = checked(cannot_tell(3, "overloaded"))
    assert (document["code"], fields) == ("overloaded", {"Retry-After": "3"})
