"""Refused assignments: what is said of them, and what is not."""

import pytest

from tickctl.core.secret import Secret
from tickctl.core.secrets.env_files import Entry, EnvFile, Refusal, RefusalKind, describe, effective, read, values
from tickctl.errors import ConfigurationError


def entries(text: str, *having: str) -> tuple[Entry, ...]:
    """Read a file where the shell has variables of these names."""
    return read([EnvFile("x.env", text)], shell=having)


@pytest.mark.parametrize(
    ("text", "message", "mend"),
    [
        ("A_KEY", "x.env:1: A_KEY has no '='", "write A_KEY=value"),
        ("k9x", "x.env:1: a name has no '='", "write NAME=value"),
        ("\nK=$HOME", "x.env:2: K refers to HOME: Docker Compose takes", "--allow-shell HOME"),
        ("K=$nope", "x.env:1: K refers to a variable that is not set before", "single quotes"),
        ("K=$L\nL=1", "x.env:1: K refers to L that is not set before", "above this line"),
        ("K=${L:?}\nL=1", "x.env:1: K requires L that is not set before", "above this line"),
        ("K=${L:?}", "x.env:1: K requires a variable that is not set before", "above this line"),
        ("=v", "x.env:1: a value without a name", "a name before"),
        ("K=a\0b", "x.env:1: K holds a NUL byte", "base64"),
    ],
)
def test_each_refusal_says_where_what_and_how_to_mend(text: str, message: str, mend: str) -> None:
    """The same words in every command, and in the settings."""
    entry = entries(text, "HOME")[0]
    assert entry.refusal
    found = describe(entry.refusal, entry)
    assert found[0].startswith(message)
    assert mend in found[1]
    with pytest.raises(ConfigurationError) as caught:
        values([entry])
    assert (caught.value.message, caught.value.hint) == found


def test_values_are_those_of_the_last_assignments() -> None:
    """A refused one that is overridden doesn't matter."""
    assert values(entries("A=$NONE\nB=1\nA=2\nB=3")) == {"A": Secret("2"), "B": Secret("3")}


@pytest.mark.parametrize("text", ["A=${B:?}\nA=1", "A=$C${B?}\nA=1"])
def test_missing_requirement_refuses_everything(text: str) -> None:
    """Compose gives no value at all then, even where a later assignment overrides this one."""
    with pytest.raises(ConfigurationError, match=r"^x\.env:1: A requires a variable"):
        values(entries(text))


def test_lines_without_a_name_are_counted_one_by_one() -> None:
    """They may all be pieces of one secret."""
    with pytest.raises(ConfigurationError, match=r"^x\.env:2: a name has no '='.*, and 1 more"):
        values(entries("A=begin\nmiddle\nend\n"))


def test_all_refused_assignments_are_counted() -> None:
    """Nobody mends one after the other without knowing how many there are."""
    with pytest.raises(ConfigurationError, match=r"^x\.env:1: A .*, and 2 more; 'tickctl secrets check' lists them$"):
        values(entries("A=$NONE\nB\nC=${D?}\nE=1"))


@pytest.mark.parametrize("text", ["K=pa$word9x", "K=pa${word9x}", "K=${word9x:?}", "K='a\nword9x'\nL=$word9x"])
def test_part_of_a_password_behind_a_dollar_is_not_repeated(text: str) -> None:
    """What looks like a reference may be a piece of a value."""
    refused = [entry for entry in entries(text) if entry.refusal]
    assert refused
    for entry in refused:
        assert entry.refusal
        assert entry.refusal.variable is None
        assert "word9x" not in repr(entry)
        assert "word9x" not in str(describe(entry.refusal, entry))


@pytest.mark.parametrize("piece", ["word9x", "Word", "JBSWY3DPEHPK3PXP", "A" * 40, "w_x", "A__B", "_A"])
def test_line_of_an_unquoted_value_is_not_taken_for_a_name(piece: str) -> None:
    """The second line of a secret without quotes has no `=`; it is refused without being shown."""
    entry = entries(f"K=begin\n{piece}\n")[1]
    assert (entry.name, entry.line, entry.refusal) == ("", 2, Refusal(RefusalKind.NO_VALUE))


@pytest.mark.parametrize("text", ["API_KEY_2\n", "low\nlow=1", "home\n"])
def test_name_that_is_known_or_looks_like_one_is_shown(text: str) -> None:
    """Words in capital letters with underscores between them, names of other assignments, and those of the shell."""
    entry = entries(text, "home")[0]
    assert entry.name == text.partition("\n")[0]
    assert entry.refusal == Refusal(RefusalKind.NO_VALUE)


def test_last_assignment_counts_even_if_it_is_refused() -> None:
    """Compose would let the shell override the one before."""
    assert effective(entries("K=1\nK"))["K"].value is None


def test_entries_and_files_show_no_value() -> None:
    """They may end in a traceback."""
    file = EnvFile("x.env", "K=hide-this")
    assert "hide-this" not in repr(file) + repr(read([file]))
