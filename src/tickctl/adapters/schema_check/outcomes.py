"""What the outcome of an attempt proves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from tickctl.adapters.schema_check.finding import Finding, Part, Result, joined
from tickctl.adapters.schema_check.trial import CARRIED_OUT, Outcome

DENIED: Final = "42501"
# Not the answer to whether something is allowed: time-outs, locks, resources, the connection, missing objects.
_NO_ANSWER: Final = (
    "08",
    "0A",
    "25",
    "40",
    "53",
    "54",
    "55",
    "57",
    "58",
    "XX",
    "42P01",
    "42703",
    "42883",
    "42704",
    "3F000",
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one attempt shows, and in words what happened where that is not as it should be."""

    result: Result
    detail: str = ""


OK: Final = Verdict(Result.OK)
Judge: TypeAlias = Callable[[Outcome], Verdict]


def writes_nothing(outcome: Outcome) -> Verdict:
    """A write must be denied, or find no row."""
    match outcome.sqlstate:
        case "42501":
            return OK
        case None if outcome.changed <= 0:
            return OK
        case None:
            return Verdict(Result.BROKEN, "was carried out")
        case str(state) if state.startswith("23"):
            return Verdict(Result.BROKEN, f"was allowed, and only a constraint stopped it ({state})")
    return no_answer(outcome)


def reads_nothing(outcome: Outcome) -> Verdict:
    """A read must be denied, or find no row."""
    match outcome.sqlstate:
        case "42501":
            return OK
        case None:
            return OK if not outcome.rows else Verdict(Result.BROKEN, "was answered")
    return no_answer(outcome)


def denied(outcome: Outcome) -> Verdict:
    """A call must be denied; any other error shows that it got past the check of who calls."""
    match outcome.sqlstate:
        case "42501":
            return OK
        case None:
            return Verdict(Result.BROKEN, "was carried out")
    return call_denied(outcome.sqlstate)


def call_denied(sqlstate: str) -> Verdict:
    """Judge a call by its SQLSTATE or CARRIED_OUT."""
    if sqlstate == DENIED:
        return OK
    if sqlstate == CARRIED_OUT:
        return Verdict(Result.BROKEN, "is allowed")
    if sqlstate.startswith(_NO_ANSWER):
        return Verdict(Result.UNKNOWN, f"gave SQLSTATE {sqlstate}")
    return Verdict(Result.BROKEN, f"got past the check of who calls ({sqlstate})")


def invalid(outcome: Outcome) -> Verdict:
    """A value must be refused as invalid (class 22)."""
    if outcome.sqlstate is None:
        return Verdict(Result.BROKEN, "was carried out")
    return OK if outcome.sqlstate.startswith("22") else no_answer(outcome)


def constrained(outcome: Outcome) -> Verdict:
    """A value must be refused by a constraint."""
    if outcome.sqlstate is None:
        return Verdict(Result.BROKEN, "was stored")
    return OK if outcome.sqlstate.startswith("23") else no_answer(outcome)


def answers(*rows: Sequence[object]) -> Judge:
    """The last statement must give exactly these rows."""

    def judge(outcome: Outcome) -> Verdict:
        if outcome.sqlstate is not None:
            return no_answer(outcome)
        tuples = [tuple(row) for row in outcome.rows]
        if tuples == [tuple(row) for row in rows]:
            return OK
        return Verdict(Result.BROKEN, f"gave {_written(tuples)}, not {_written(rows)}")

    return judge


def serves(*rows: Sequence[object]) -> Judge:
    """The last statement must give exactly these rows to whoever asks; being denied is no answer but a failure."""
    verdict = answers(*rows)

    def judge(outcome: Outcome) -> Verdict:
        return Verdict(Result.BROKEN, "was denied") if outcome.sqlstate == DENIED else verdict(outcome)

    return judge


def no_answer(outcome: Outcome) -> Verdict:
    """Say what stood in the way of an answer."""
    return Verdict(Result.UNKNOWN, f"{outcome.message} (SQLSTATE {outcome.sqlstate})")


def concluded(
    name: str,
    title: str,
    verdicts: Sequence[tuple[str, Verdict]],
    *,
    part: Part = Part.BEHAVIOUR,
    mend: str | None = None,
) -> Finding:
    """Return the finding of several attempts: the worst of them, and what was tried there.

    Args:
        name: the finding's id.
        title: the requirement.
        verdicts: what was tried, in words, and what it showed.
        part: of the check.
        mend: what to do where it is broken.
    """
    for result in (Result.BROKEN, Result.UNKNOWN):
        bad = [f"{tried} {verdict.detail}" for tried, verdict in verdicts if verdict.result is result]
        if bad:
            return Finding(name, part, title, result, joined(bad), mend if result is Result.BROKEN else None)
    return Finding(name, part, title, Result.OK)


def _written(rows: Sequence[Sequence[object]]) -> str:
    return ", ".join(" ".join(map(str, row)) for row in rows) or "nothing"
