"""`tickctl quota show|set|grant|reset|watch`."""

import json
import os
import signal
import subprocess
import uuid
from pathlib import Path

import pytest

from cli_support import COMMAND, Tickctl, environment

STATE = {
    "user_id",
    "email",
    "email_confirmed",
    "daily_tick_limit",
    "usage_date",
    "ticks_used",
    "ticks_granted",
    "ticks_remaining",
    "resets_at",
    "time_zone",
}


def test_show_answers_with_the_documented_fields(tickctl: Tickctl, user: str) -> None:
    """Other people's scripts read these names."""
    result = tickctl("quota", "show", user, "--json")
    assert result.code == 0
    assert set(result.json) == STATE
    assert result.json["email"] == user
    assert (result.json["daily_tick_limit"], result.json["ticks_remaining"], result.json["ticks_used"]) == (32, 32, 0)
    assert result.json["resets_at"].endswith("T00:00:00Z")


def test_users_are_found_by_id_and_by_email_in_any_case(tickctl: Tickctl, user: str) -> None:
    """People type addresses as they like."""
    by_email = tickctl("quota", "show", user.upper(), "--json")
    assert by_email.code == 0
    assert tickctl("quota", "show", by_email.json["user_id"].upper(), "--json").json == by_email.json


def test_set_tells_the_previous_limit_and_who_did_it(tickctl: Tickctl, user: str) -> None:
    """The change, its predecessor and its author are all on record."""
    result = tickctl("quota", "set", user, "200", "--reason", "beta tester", "--json")
    assert result.code == 0
    assert (result.json["daily_tick_limit"], result.json["previous"]) == (200, 32)
    assert set(result.json) == STATE | {"previous"}
    assert tickctl("quota", "show", user, "--json").json["daily_tick_limit"] == 200
    entry = tickctl("quota", "audit-log", "--user", user, "--json").json["entries"][0]
    assert entry["before"]["daily_tick_limit"] == 32
    assert entry["after"]["daily_tick_limit"] == 200
    assert entry["reason"] == "beta tester"
    assert "@" in entry["operator"]
    assert entry["actor"]


def test_set_says_where_it_wrote(tickctl: Tickctl, home: Path, user: str) -> None:
    """An operator with two projects must see which one was changed."""
    assert f"embedded database in {home}" in tickctl("quota", "set", user, "1").err


def test_unlimited_is_null_in_json_and_a_word_for_people(tickctl: Tickctl, user: str) -> None:
    """Null is not zero: zero is blocked."""
    unlimited = tickctl("quota", "set", user, "UNLIMITED", "--json").json
    assert (unlimited["daily_tick_limit"], unlimited["ticks_remaining"]) == (None, None)
    assert "daily_tick_limit\tunlimited" in tickctl("quota", "show", user).out
    blocked = tickctl("quota", "set", user, "0", "--json").json
    assert (blocked["daily_tick_limit"], blocked["ticks_remaining"], blocked["previous"]) == (0, 0, None)


@pytest.mark.parametrize("limit", ["", "-1", "1.5", "1e3", "0x10", "١٢", "1000000001", "1_000", "none", "9" * 5000])
def test_odd_limits_are_wrong_usage(tickctl: Tickctl, user: str, limit: str) -> None:
    """Only digits in range, or the word; nothing is guessed."""
    result = tickctl("quota", "set", user, "--", limit)
    assert result.code == 2
    assert result.out == ""
    assert result.err.splitlines()[-1].startswith("hint: ")
    assert tickctl("quota", "show", user, "--json").json["daily_tick_limit"] == 32


def test_set_dry_run_changes_nothing(tickctl: Tickctl, user: str) -> None:
    """The plan is shown, the limit stays."""
    result = tickctl("quota", "set", user, "7", "--dry-run")
    assert result.code == 0
    assert "would change" in result.err
    assert "32 -> 7" in result.err
    assert tickctl("quota", "show", user, "--json").json["daily_tick_limit"] == 32


@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]])
def test_unmet_expectation_is_a_conflict(tickctl: Tickctl, user: str, dry_run: list[str]) -> None:
    """Two operators at once: the second one is told, and overwrites nothing."""
    tickctl("quota", "set", user, "50")
    result = tickctl("quota", "set", user, "100", "--expect", "32", "--json", *dry_run)
    assert result.code == 7
    assert result.error["code"] == "conflict"
    assert tickctl("quota", "show", user, "--json").json["daily_tick_limit"] == 50
    assert tickctl("quota", "set", user, "100", "--expect", "50").code == 0


@pytest.mark.parametrize("command", [["show"], ["set", "5"], ["grant", "5"], ["reset", "--yes"], ["history"]])
def test_unknown_user_is_not_found_with_near_matches(tickctl: Tickctl, user: str, command: list[str]) -> None:
    """A typo shows the address that was meant."""
    name, *rest = command
    typo = user.replace("user-", "uesr-")
    result = tickctl("quota", name, typo, *rest)
    assert result.code == 6
    assert result.out == ""
    assert user in result.err


def test_unknown_user_id_is_not_found(tickctl: Tickctl) -> None:
    """An id has no near matches."""
    result = tickctl("quota", "show", str(uuid.uuid4()), "--json")
    assert (result.code, result.error["code"]) == (6, "not_found")


def test_grant_adds_to_today(tickctl: Tickctl, user: str) -> None:
    """A grant raises what is left, not the limit."""
    state = tickctl("quota", "grant", user, "10", "--json").json
    assert (state["daily_tick_limit"], state["ticks_granted"], state["ticks_remaining"]) == (32, 10, 42)


def test_grant_to_a_blocked_user_says_that_it_does_not_help(tickctl: Tickctl, user: str) -> None:
    """Blocked stays blocked."""
    tickctl("quota", "set", user, "0")
    result = tickctl("quota", "grant", user, "10", "--json")
    assert result.json["ticks_remaining"] == 0
    assert "blocked" in result.err


@pytest.mark.parametrize("ticks", ["0", "-5", "1.5", "99999999999999999999", "many"])
def test_odd_grants_are_wrong_usage(tickctl: Tickctl, user: str, ticks: str) -> None:
    """A grant is a positive whole number that PostgreSQL can hold."""
    assert tickctl("quota", "grant", user, "--", ticks).code == 2


def test_reset_needs_a_yes_where_nobody_can_be_asked(tickctl: Tickctl, user: str) -> None:
    """Usage is evidence; it isn't removed by a stray line in a script."""
    result = tickctl("quota", "reset", user)
    assert result.code == 2
    assert "--yes" in result.err
    assert tickctl("quota", "reset", user, "--yes", "--json").json["ticks_used"] == 0


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 130), ("\n", 130)])
def test_reset_asks_on_a_terminal(terminal: Tickctl, user: str, typed: str, code: int) -> None:
    """Return alone is a no."""
    result = terminal("quota", "reset", user, typed=typed)
    assert "[y/N]" in result.out
    assert result.code == code


def test_watch_writes_a_line_for_each_look(tickctl: Tickctl, user: str) -> None:
    """In a pipe it is a stream of documents."""
    result = tickctl("quota", "watch", user, "--json", "--interval", "0.1", "--count", "3")
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert [line["email"] for line in lines] == [user] * 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch_ends_when_interrupted(home: Path, user: str, number: signal.Signals) -> None:
    """Ctrl-C and a polite kill both end it cleanly with 130."""
    with subprocess.Popen(
        [*COMMAND, "quota", "watch", user, "--json", "--interval", "60"],
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.kill(process.pid, number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_show_on_a_terminal_is_aligned(terminal: Tickctl, user: str) -> None:
    """A person reads names in one column and values in another."""
    lines = terminal("quota", "show", user).out.splitlines()
    starts = {line.index(value) for line in lines for value in (user, "32", "UTC") if line.endswith(value)}
    assert len(starts) == 1
