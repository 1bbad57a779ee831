"""What outcomes prove: a refusal is a yes, a deed is a no, and everything else is neither."""

import pytest

from tickctl.adapters.schema_check import Result
from tickctl.adapters.schema_check.finding import joined
from tickctl.adapters.schema_check.outcomes import (
    OK,
    Judge,
    Verdict,
    answers,
    call_denied,
    concluded,
    constrained,
    denied,
    invalid,
    reads_nothing,
    serves,
    writes_nothing,
)
from tickctl.adapters.schema_check.trial import CARRIED_OUT, Outcome
from tickctl.sql import requirements

DONE = Outcome(results=[[("granted",)]], changed=1)
NOTHING = Outcome(results=[[]], changed=0)
TRUNCATED = Outcome(results=[[]], changed=-1)
KINDS = {
    "refused",
    "denied",
    "newer",
    "blocker",
    "install",
    "change",
    "merge",
    "archive",
    "option",
    "offer",
    "finding",
    "note",
    "hook",
    "remark",
}
NO_ANSWERS = ["57014", "55P03", "53300", "08006", "42P01", "42883", "42703", "25006", "XX000", "40P01", "0A000"]


@pytest.mark.parametrize(
    "judge", [writes_nothing, reads_nothing, denied, invalid, constrained, answers(("granted",)), serves()]
)
@pytest.mark.parametrize("sqlstate", NO_ANSWERS)
def test_no_answer_proves_nothing(judge: Judge, sqlstate: str) -> None:
    """Time-outs, locks and missing objects are neither a refusal nor a deed."""
    assert judge(Outcome(sqlstate=sqlstate, message="whatever")).result is Result.UNKNOWN


@pytest.mark.parametrize(
    ("judge", "outcome", "result"),
    [
        (writes_nothing, Outcome(sqlstate="42501"), Result.OK),
        (writes_nothing, NOTHING, Result.OK),
        (writes_nothing, DONE, Result.BROKEN),
        # The right was there; only the values did not fit.
        (writes_nothing, Outcome(sqlstate="23505"), Result.BROKEN),
        (writes_nothing, Outcome(sqlstate="P0001", message="a trigger's"), Result.UNKNOWN),
        (reads_nothing, Outcome(sqlstate="42501"), Result.OK),
        (reads_nothing, NOTHING, Result.OK),
        (reads_nothing, DONE, Result.BROKEN),
        (denied, Outcome(sqlstate="42501"), Result.OK),
        (denied, TRUNCATED, Result.BROKEN),
        (denied, NOTHING, Result.BROKEN),
        # Past the question of who calls, if only to complain about what was said.
        (denied, Outcome(sqlstate="22023"), Result.BROKEN),
        (denied, Outcome(sqlstate="P0002"), Result.BROKEN),
        (denied, Outcome(sqlstate=CARRIED_OUT), Result.BROKEN),
        (invalid, Outcome(sqlstate="22023"), Result.OK),
        (invalid, Outcome(sqlstate="22003"), Result.OK),
        (invalid, DONE, Result.BROKEN),
        (invalid, Outcome(sqlstate="42501"), Result.UNKNOWN),
        (constrained, Outcome(sqlstate="23514"), Result.OK),
        (constrained, DONE, Result.BROKEN),
        (answers(("granted",)), DONE, Result.OK),
        (answers(("refused",)), DONE, Result.BROKEN),
        (answers(("granted",)), NOTHING, Result.BROKEN),
        (answers(), NOTHING, Result.OK),
        (serves(("granted",)), DONE, Result.OK),
        (serves(("refused",)), DONE, Result.BROKEN),
        (serves(("granted",)), Outcome(sqlstate="42501"), Result.BROKEN),
        (answers(("granted",)), Outcome(sqlstate="42501"), Result.UNKNOWN),
    ],
)  # fmt: skip
def test_an_outcome_is_judged(judge: Judge, outcome: Outcome, result: Result) -> None:
    """Each kind of attempt by its own rule."""
    verdict = judge(outcome)
    assert verdict.result is result
    assert bool(verdict.detail) == (result is not Result.OK)


def test_a_call_that_was_allowed_is_told_from_one_that_was_denied() -> None:
    """Also where only SQLSTATEs come back."""
    assert call_denied("42501") == OK
    assert call_denied(CARRIED_OUT).result is Result.BROKEN


def test_the_worst_attempt_decides() -> None:
    """Broken before unknown before fine; the finding tells of the attempts that made it so."""
    broken, unknown = Verdict(Result.BROKEN, "was carried out"), Verdict(Result.UNKNOWN, "timed out")
    finding = concluded("x", "X holds", [("one", OK), ("two", unknown), ("three", broken)], mend="do it")
    assert (finding.result, finding.detail, finding.mend) == (Result.BROKEN, "three was carried out", "do it")
    finding = concluded("x", "X holds", [("one", OK), ("two", unknown)], mend="do it")
    assert (finding.result, finding.detail, finding.mend) == (Result.UNKNOWN, "two timed out", None)
    finding = concluded("x", "X holds", [("one", OK)], mend="do it")
    assert (finding.result, finding.detail, finding.mend) == (Result.OK, "", None)


def test_a_long_list_is_cut() -> None:
    """Five are told, and how many there are besides."""
    assert joined(list("abcde")) == "a; b; c; d; e"
    assert joined(list("abcdefg")) == "a; b; c; d; e; and 2 more"


def test_every_requirement_is_whole_and_has_a_name_of_its_own() -> None:
    """A query that swallows the next one's heading would be asked in vain."""
    listed = requirements()
    assert len({requirement.id for requirement in listed}) == len(listed) > 40
    for requirement in listed:
        assert requirement.kind in KINDS, requirement.id
        assert "-- name:" not in requirement.query, requirement.id
