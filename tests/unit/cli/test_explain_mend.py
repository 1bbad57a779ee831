"""What changes the gateway's answer: commands that can be pasted, and after which `decide` says yes."""

import shlex
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickctl.cli.commands.explain.mend import Person, Situation, mend
from tickctl.cli.commands.explain.steps import Explanation
from tickctl.core.quota import Consumption, Decision, Facts, decide, remaining
from tickctl.core.tokens import Reason, Verdict
from tickctl.errors import ConfigurationError, UnreachableError
from tickctl.gateway.refusals import decision_problem, error_problem, verdict_problem

ID = "0a5f7d0e-2f4c-4b8e-9d55-5b1f3c1f7a10"
ADA = Person(ID, "ada@example.com")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def day(limit: int | None, granted: int, used: int, ticks: int) -> Consumption:
    """Return what is decided of a user in good standing."""
    facts = Facts(
        exists=True,
        deleted=False,
        banned=False,
        session_active=True,
        anonymous=False,
        email_confirmed=True,
        key_matches=None,
        daily_tick_limit=limit,
        ticks_granted=granted,
        ticks_used=used,
    )
    left = remaining(limit, granted, used)
    return Consumption(decide(facts, ticks), None, limit, granted, used, left, NOON.date(), NOON, NOON)


def decided(consumption: Consumption) -> Explanation:
    """Return what is explained of it."""
    problem = decision_problem(consumption, 5)
    return Explanation(admitted=problem is None, problem=problem, consumption=consumption)


def refused(reason: Reason, **fields: Any) -> Explanation:
    """Return what is explained of a token with this verdict."""
    verdict = Verdict(reason, "a message", **fields)
    return Explanation(admitted=False, problem=verdict_problem(verdict, 5), verdict=verdict)


@given(
    limit=st.integers(0, 60) | st.integers(0, 10**9),
    granted=st.integers(0, 60) | st.just(10**9),
    used=st.integers(0, 100) | st.integers(0, 2 * 10**9),
    ticks=st.integers(1, 100) | st.integers(1, 2**31 - 1),
)
def test_after_the_command_the_request_is_granted(limit: int, granted: int, used: int, ticks: int) -> None:
    """Whatever the day looks like; and nothing is said where nothing is wrong."""
    before = day(limit, granted, used, ticks)
    remedy = mend(decided(before), Situation(ticks, local=False, person=ADA))
    if before.decision is Decision.GRANTED:
        assert (remedy.command, remedy.hint) == (None, None)
        return
    assert remedy.command is not None
    match remedy.command.split():
        case ["tickctl", "quota", "grant", "ada@example.com", number]:
            assert 1 <= int(number) <= 10**9
            after = day(limit, granted + int(number), used, ticks)
            assert day(limit, granted + int(number) - 1, used, ticks).decision is not Decision.GRANTED
        case ["tickctl", "quota", "set", "ada@example.com", "unlimited"]:
            after = day(None, granted, used, ticks)
        case ["tickctl", "quota", "set", "ada@example.com", number]:
            assert 1 <= int(number) <= 10**9
            after = day(int(number), granted, used, ticks)
        case _:
            raise AssertionError(remedy.command)
    assert after.decision is Decision.GRANTED


@pytest.mark.parametrize(
    "email",
    [None, "", "-x@example.com", "a b@example.com", "$(reboot)@example.com", "'@example.com", "a@b;c", "é@x.yz"],
)
def test_an_address_that_a_shell_could_mistake_is_not_in_a_command(email: str | None) -> None:
    """The id names the user as well."""
    remedy = mend(decided(day(0, 0, 0, 1)), Situation(1, local=False, person=Person(ID, email)))
    assert remedy.command == f"tickctl quota set {ID} 1"


@given(subject=st.text(min_size=1))
def test_what_a_token_says_stays_one_word_of_a_command(subject: str) -> None:
    """Even if it were no id."""
    explanation = refused(Reason.SESSION_REVOKED, subject=subject)
    remedy = mend(explanation, Situation(1, local=True, person=Person.of_verdict(explanation.verdict)))
    assert shlex.split(remedy.command or "") == ["tickctl", "local", "token", subject]


def test_the_backend_that_was_asked_for_is_in_the_command() -> None:
    """Or it would change another place."""
    situation = Situation(40, local=False, person=ADA, options=" --backend postgres")
    assert (
        mend(decided(day(32, 0, 0, 40)), situation).command == "tickctl quota set ada@example.com 40 --backend postgres"
    )
    unconfirmed = refused(Reason.EMAIL_NOT_CONFIRMED, subject=ID, email="ada@example.com")
    assert (
        mend(unconfirmed, situation).command == "tickctl users resend-confirmation ada@example.com --backend postgres"
    )


@pytest.mark.parametrize(
    ("accepted", "command", "words"),
    [
        (True, "tickctl secrets push", "not the project's"),
        (False, None, "it was changed"),
        (None, None, "either SUPABASE_JWT_SECRET"),
    ],
)
def test_of_two_causes_of_a_bad_signature_the_auth_server_knows_which(
    accepted: bool | None, command: str | None, words: str
) -> None:
    """Where it was asked."""
    what = mend(refused(Reason.BAD_SIGNATURE), Situation(1, local=False, accepted_elsewhere=accepted))
    assert what.command == command
    assert words in (what.hint or "")


@pytest.mark.parametrize(
    ("error", "command"),
    [
        (ConfigurationError("no tables", hint="run `tickctl schema apply`"), "tickctl schema apply"),
        (UnreachableError("not running", hint="'tickctl local start' starts it"), "tickctl local start"),
        (UnreachableError("no answer", hint="try again in a while"), None),
        (UnreachableError("no answer"), None),
    ],
)
def test_a_store_s_error_names_its_own_command(
    error: ConfigurationError | UnreachableError, command: str | None
) -> None:
    """What is to be done about it stands in its hint."""
    explanation = Explanation(problem=error_problem(error, 5), hint=error.hint)
    what = mend(explanation, Situation(1, local=False))
    assert what.command == command
    assert what.hint == error.hint or "tickctl doctor" in (what.hint or "")


@pytest.mark.parametrize("reason", [reason for reason in Reason if verdict_problem(Verdict(reason, "x"), 5)])
def test_every_refusal_of_a_token_has_a_hint(reason: Reason) -> None:
    """Ours, or the verifier's own."""
    assert mend(refused(reason, hint="do something"), Situation(1, local=False)).hint


@pytest.mark.parametrize("verdict", [None, Verdict(Reason.VALID, ""), Verdict(Reason.UNKNOWN_KEY, "")])
def test_where_nobody_was_asked_the_hint_says_so(verdict: Verdict | None) -> None:
    """And names no command."""
    remedy = mend(Explanation(verdict=verdict), Situation(1, local=False))
    assert remedy.command is None
    assert "without --offline" in (remedy.hint or "")
