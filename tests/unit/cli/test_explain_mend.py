"""What changes the gateway's answer: commands that can be pasted, and after which `decide` says yes."""

import shlex
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickctl.cli.explain.mend import Situation, mend
from tickctl.core.quota import Decision, Facts, QuotaState, decide, remaining
from tickctl.core.tokens import Reason, Verdict
from tickctl.errors import ConfigurationError, UnreachableError
from tickctl.gateway.explained_day import answered
from tickctl.gateway.explanation import NOBODY_ASKED, NOBODY_KNOWS, ExplainedStep, Explanation, StepName, StepResult
from tickctl.gateway.refusals import decision_problem, error_problem, verdict_problem

ID = "0a5f7d0e-2f4c-4b8e-9d55-5b1f3c1f7a10"
STATE = QuotaState(
    user_id=ID,
    email="ada@example.com",
    email_confirmed=True,
    daily_tick_limit=32,
    usage_date=date(2026, 11, 23),
    ticks_used=0,
    ticks_granted=0,
    ticks_remaining=32,
    resets_at=datetime(2026, 11, 24, tzinfo=UTC),
    time_zone="UTC",
)


def decided(state: QuotaState, ticks: int) -> Explanation:
    """Return what is explained of a user in good standing."""
    consumption = answered(verdict_of(state, ticks), state, ticks, 0)
    problem = decision_problem(consumption)
    return Explanation((), admitted=problem is None, problem=problem, state=state, consumption=consumption)


def verdict_of(state: QuotaState, ticks: int) -> Decision:
    """Return what would be decided."""
    facts = Facts(
        exists=True,
        deleted=False,
        banned=False,
        session_active=True,
        anonymous=False,
        email_confirmed=True,
        key_matches=None,
        daily_tick_limit=state.daily_tick_limit,
        ticks_granted=state.ticks_granted,
        ticks_used=state.ticks_used,
    )
    return decide(facts, ticks)


def refused(reason: Reason, **fields: Any) -> Explanation:
    """Return what is explained of a token with this verdict."""
    verdict = Verdict(reason, "a message", **fields)
    return Explanation((), admitted=False, problem=verdict_problem(verdict, 5), verdict=verdict)


@given(
    limit=st.integers(0, 60) | st.integers(0, 10**9),
    granted=st.integers(0, 60) | st.just(10**9),
    used=st.integers(0, 100) | st.integers(0, 2 * 10**9),
    ticks=st.integers(1, 100) | st.integers(1, 2**31 - 1),
)
def test_after_the_command_the_request_is_granted(limit: int, granted: int, used: int, ticks: int) -> None:
    """Whatever the day looks like; and nothing is said where nothing is wrong."""
    left = remaining(limit, granted, used)
    state = replace(STATE, daily_tick_limit=limit, ticks_granted=granted, ticks_used=used, ticks_remaining=left)
    what = mend(decided(state, ticks), Situation(ticks, local=False))
    if verdict_of(state, ticks) is Decision.GRANTED:
        assert (what.command, what.hint) == (None, None)
        return
    assert what.command is not None
    match what.command.split():
        case ["tickctl", "quota", "grant", "ada@example.com", number]:
            assert 1 <= int(number) <= 10**9
            mended = replace(state, ticks_granted=granted + int(number))
            one_less = replace(state, ticks_granted=granted + int(number) - 1)
            assert verdict_of(one_less, ticks) is not Decision.GRANTED
        case ["tickctl", "quota", "set", "ada@example.com", "unlimited"]:
            mended = replace(state, daily_tick_limit=None)
        case ["tickctl", "quota", "set", "ada@example.com", number]:
            assert 1 <= int(number) <= 10**9
            mended = replace(state, daily_tick_limit=int(number))
        case _:
            raise AssertionError(what.command)
    assert verdict_of(mended, ticks) is Decision.GRANTED


@pytest.mark.parametrize(
    "email",
    [None, "", "-x@example.com", "a b@example.com", "$(reboot)@example.com", "'@example.com", "a@b;c", "é@x.yz"],
)
def test_an_address_that_a_shell_could_mistake_is_not_in_a_command(email: str | None) -> None:
    """The id names the user as well."""
    what = mend(decided(replace(STATE, email=email, daily_tick_limit=0), 1), Situation(1, local=False))
    assert what.command == f"tickctl quota set {ID} 1"
    by_token = mend(refused(Reason.EXPIRED, subject=ID, email=email), Situation(1, local=True))
    assert by_token.command == f"tickctl local token {ID}"


@given(subject=st.text(min_size=1))
def test_what_a_token_says_stays_one_word_of_a_command(subject: str) -> None:
    """Even if it were no id."""
    what = mend(refused(Reason.SESSION_REVOKED, subject=subject), Situation(1, local=True))
    assert shlex.split(what.command or "") == ["tickctl", "local", "token", subject]


def test_the_backend_that_was_asked_for_is_in_the_command() -> None:
    """Or it would change another place."""
    situation = Situation(40, local=False, options=" --backend postgres")
    assert mend(decided(STATE, 40), situation).command == "tickctl quota set ada@example.com 40 --backend postgres"
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
    explanation = Explanation((), admitted=None, problem=error_problem(error, 5), hint=error.hint)
    what = mend(explanation, Situation(1, local=False))
    assert what.command == command
    assert what.hint == error.hint or "tickctl doctor" in (what.hint or "")


@pytest.mark.parametrize("reason", [reason for reason in Reason if verdict_problem(Verdict(reason, "x"), 5)])
def test_every_refusal_of_a_token_has_a_hint(reason: Reason) -> None:
    """Ours, or the verifier's own."""
    assert mend(refused(reason, hint="do something"), Situation(1, local=False)).hint


@pytest.mark.parametrize(
    ("step", "detail", "words"),
    [
        (StepName.TICKS, "x", "SUPABASE_DB_URL"),
        (StepName.SIGNATURE, "x", "--offline"),
        (StepName.ACCOUNT, NOBODY_ASKED, "--offline"),
        (StepName.ACCOUNT, NOBODY_KNOWS, "SUPABASE_ANON_KEY"),
        (StepName.SESSION, "no answer", "tickctl doctor"),
    ],
)
def test_where_nothing_is_known_the_hint_says_what_it_takes(step: StepName, detail: str, words: str) -> None:
    """Of the first step that can't be told."""
    steps = (
        ExplainedStep(StepName.HEADER, StepResult.PASS, ""),
        ExplainedStep(step, StepResult.CANNOT_TELL, detail),
        ExplainedStep(StepName.QUOTA, StepResult.CANNOT_TELL, "y"),
    )
    what = mend(Explanation(steps, admitted=None), Situation(1, local=False))
    assert what.command is None
    assert words in (what.hint or "")
