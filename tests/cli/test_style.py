"""Colours and tables: on a terminal, in a pipe, and as the environment asks."""

import pytest

from cli_support import Tickctl

COLOUR = "\033[1;3"


@pytest.mark.parametrize(
    ("env", "arguments", "coloured"),
    [
        ({}, [], True),
        ({"NO_COLOR": "1"}, [], False),
        ({"NO_COLOR": ""}, [], True),
        ({"TERM": "dumb"}, [], False),
        ({}, ["--no-color"], False),
        ({"FORCE_COLOR": "1"}, ["--no-color"], False),
        ({}, ["--json"], False),
    ],
)
def test_colours_on_a_terminal(terminal: Tickctl, env: dict[str, str], arguments: list[str], coloured: bool) -> None:
    """On by default, off by every usual way to say so."""
    result = terminal("verify-token", "x", *arguments, env=env)
    assert (COLOUR in result.out) is coloured


def test_force_color_brings_the_terminal_s_look_into_a_pipe(tickctl: Tickctl) -> None:
    """For `| less -R`."""
    plain, forced = tickctl("verify-token", "x"), tickctl("verify-token", "x", env={"FORCE_COLOR": "1"})
    assert plain.out.startswith("reason\tmalformed\n")
    assert COLOUR in forced.out


def test_quiet_leaves_the_answer_and_errors(tickctl: Tickctl, user: str) -> None:
    """Notices go, the answer stays."""
    result = tickctl("quota", "set", user, "5", "--quiet")
    assert (result.code, result.err) == (0, "")
    assert "daily_tick_limit\t5" in result.out
    assert tickctl("quota", "set", user, "x", "--quiet").err.startswith("error: ")


def test_narrow_terminal_breaks_between_words(terminal: Tickctl) -> None:
    """Facts stay readable beside their names."""
    lines = terminal("verify-token", "x", columns=50, env={"NO_COLOR": "1"}).out.splitlines()
    facts = lines[next(i for i, line in enumerate(lines) if line.startswith("not checked")) :]
    assert len(facts) > 1
    assert all(len(line) <= 50 for line in facts if "hint" not in line)
