"""References in values: after compose-go's `template/template.go`, and without the operator's shell."""

from collections.abc import Mapping

import pytest

from tickctl.core.secret import Secret
from tickctl.core.secrets.env_files import Entry, EnvFile, Refusal, RefusalKind, effective, read, values
from tickctl.core.secrets.env_files.interpolation import DEEPEST, LARGEST_EXPANSION
from tickctl.errors import ConfigurationError

GIVEN = "SET=s\nEMPTY=\nDOLLAR='$SET'\n"


def read_having(*names: str, text: str, allowed: Mapping[str, Secret] | None = None) -> tuple[Entry, ...]:
    """Read a file where the shell has variables of these names."""
    return read([EnvFile("x.env", text)], shell=names, allowed=allowed)


def outcome(written: str, *, having: tuple[str, ...] = (), allowed: dict[str, str] | None = None) -> str | Refusal:
    """Return what a value becomes behind the assignments of `GIVEN`."""
    taken = {name: Secret(value) for name, value in (allowed or {}).items()}
    entry = effective(read_having(*having, text=f"{GIVEN}K={written}\n", allowed=taken))["K"]
    if entry.value is not None:
        return entry.value.reveal()
    assert entry.refusal
    return entry.refusal


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("$SET$SET", "ss"),
        ("$SET.x", "s.x"),
        ("${SET}x", "sx"),
        ("a${SET}b${EMPTY}c", "asbc"),
        ("$DOLLAR", "$SET"),
        ("$", "$"),
        ("a$ b$-$1$.", "a$ b$-$1$."),
        ("$$SET", "$SET"),
        ("$$$SET", "$s"),
        ("$${SET}", "${SET}"),
        ("$SET}{", "s}{"),
        ("${SET:-d}", "s"),
        ("${EMPTY:-d}", "d"),
        ("${NONE:-d}", "d"),
        ("${SET-d}", "s"),
        ("${EMPTY-d}", ""),
        ("${NONE-d}", "d"),
        ("${SET:+a}", "a"),
        ("${EMPTY:+a}", ""),
        ("${NONE:+a}", ""),
        ("${SET+a}", "a"),
        ("${EMPTY+a}", "a"),
        ("${NONE+a}", ""),
        ("${SET:?m}", "s"),
        ("${SET?m}", "s"),
        ("${EMPTY?m}", ""),
        ("${NONE:-}", ""),
        ("${NONE-a:-b}", "a:-b"),
        ("${NONE:--}", "-"),
        ("${NONE:-a b?c+d}", "a b?c+d"),
        ("${NONE:-$SET}", "s"),
        ("${NONE:-a${NONE:-b${SET}c}d}e", "abscde"),
        ("${NONE:-$$}", "$"),
        ("${NONE:-$}", "$"),
        ("${NONE:-a} ${NONE:-b}}", "a b}"),
        ("${SET:+${EMPTY:-x}y}", "xy"),
        ("${SET:-$NOWHERE}", "s"),
        ("${EMPTY:+$NOWHERE}", ""),
        ("${SET:?$NOWHERE}", "s"),
        ('"x$SET\\n${NONE:-d}"', "xs\nd"),
        ('"\\$SET"', "$SET"),
        ("'$SET'", "$SET"),
    ],
)
def test_reference_gives_what_compose_gives(written: str, value: str) -> None:
    """Defaults, alternatives and requirements decide by what the files set before."""
    assert outcome(written) == value


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("$NONE", RefusalKind.UNSET),
        ("a${NONE}", RefusalKind.UNSET),
        ("$SET_X", RefusalKind.UNSET),
        ("$\u017f", RefusalKind.UNSET),
        ("$K", RefusalKind.UNSET),
        ("${NONE:-$NOWHERE}", RefusalKind.UNSET),
        ("${SET:+$NOWHERE}", RefusalKind.UNSET),
        ("${NONE:?m}", RefusalKind.REQUIRED),
        ("${NONE?m}", RefusalKind.REQUIRED),
        ("${EMPTY:?m}", RefusalKind.REQUIRED),
        ("${SET:-${NONE:?m}}", RefusalKind.REQUIRED),
        ("${EMPTY:+${NONE?m}}", RefusalKind.REQUIRED),
        ("${SET:?${NONE?m}}", RefusalKind.REQUIRED),
        ("$NONE${NONE?m}", RefusalKind.REQUIRED),
    ],
)
def test_reference_to_nothing_is_refused(written: str, kind: RefusalKind) -> None:
    """Compose would put an empty string there, or fail; a requirement counts even where it isn't used."""
    found = outcome(written)
    assert isinstance(found, Refusal)
    assert found.kind is kind


@pytest.mark.parametrize("written", ["$HOME", "${HOME:-d}", "${HOME-d}", "${HOME:+a}", "${HOME?m}", "${NONE:-$HOME}"])
def test_reference_to_the_shell_is_refused(written: str) -> None:
    """What was tested on one machine would be another thing on the next."""
    assert outcome(written, having=("HOME",)) == Refusal(RefusalKind.SHELL, "HOME")


def test_shell_goes_before_files_so_that_both_together_are_refused() -> None:
    """Compose takes the shell's value even where a file sets the variable."""
    assert outcome("$SET", having=("SET",)) == Refusal(RefusalKind.SHELL, "SET")


def test_unused_reference_to_the_shell_does_no_harm() -> None:
    """Whatever the shell says, the value is the same."""
    assert outcome("${SET:-$HOME}", having=("HOME",)) == "s"


def test_allowed_variable_is_taken_from_the_shell() -> None:
    """Also before a file's, and where it is empty; a name without a value takes it too."""
    assert outcome("$HOME", having=("HOME",), allowed={"HOME": "/h"}) == "/h"
    assert outcome("$SET", having=("SET",), allowed={"SET": "other"}) == "other"
    assert outcome("${HOME:-d}", having=("HOME",), allowed={"HOME": ""}) == "d"
    entries = read_having("A", text="A\nB=$A\nC=1\n", allowed={"A": Secret("")})
    assert values(entries) == {"A": Secret(""), "B": Secret(""), "C": Secret("1")}


def test_allowed_variable_that_is_no_text_is_refused() -> None:
    """Bytes of the shell that aren't UTF-8 can't be written to a secret."""
    assert outcome("x$A", having=("A",), allowed={"A": "\udcff"}) == Refusal(RefusalKind.UNUSABLE)


@pytest.mark.parametrize(
    "written",
    [
        "${",
        "${SET",
        "${}",
        "${1}",
        "${SE T}",
        "${SET:}",
        "${SET:=x}",
        "${SET-",
        "${SET-x",
        "${NONE:-${SET}",
        "${NONE:-{x}}",
        "${NONE:-$${x}}",
        "${SET:-${x y}}",
        '"${NONE:-a\\nb}"',
        "${SET-" * (DEEPEST + 1) + "}" * (DEEPEST + 1),
    ],
)
def test_reference_that_cannot_be_read_refuses_the_file(written: str) -> None:
    """Compose fails on most of these; on braces that belong to no reference its versions disagree."""
    with pytest.raises(ConfigurationError, match=r"^x\.env:4: the value of K ") as caught:
        outcome(written)
    assert "single quotes" in str(caught.value.hint)


def test_references_may_be_nested_as_deep_as_is_said() -> None:
    """The bound is far above what anybody writes."""
    assert outcome("${NONE-" * DEEPEST + "x" + "}" * DEEPEST) == "x"


def test_reference_sees_what_is_set_before_it_in_all_files() -> None:
    """Earlier lines and earlier files, with the value that they have then."""
    files = [EnvFile("a.env", "A=1\nB=$A\nA=2\nC=$A"), EnvFile("b.env", "D=$A$B\nA=3\nE=$A")]
    assert {name: value.reveal() for name, value in values(read(files)).items()} == {
        "A": "3", "B": "1", "C": "2", "D": "21", "E": "3",
    }  # fmt: skip


def test_reference_to_a_refused_assignment_is_refused_for_the_same_reason() -> None:
    """A default would hide that Compose has a value there; a later good assignment heals."""
    text = "A=$HOME\nB=${A:-d}\nC=x$B\nA=1\nD=$A"
    entries = effective(read_having("HOME", text=text))
    assert entries["B"].refusal == entries["C"].refusal == Refusal(RefusalKind.SHELL, "HOME")
    assert entries["D"].value == Secret("1")


def test_name_without_a_value_leaves_what_was_set_before() -> None:
    """As for Compose: references see the assignment above it; where the shell has the name, they see that."""
    text = "A=1\nA\nB=$A"
    assert effective(read_having(text=text))["B"].value == Secret("1")
    assert effective(read_having("A", text=text))["B"].refusal == Refusal(RefusalKind.SHELL, "A")


def test_references_cannot_blow_up() -> None:
    """Forty lines that double each other would fill the memory."""
    lines = ["A0=xxxxxxxx", *(f"A{number}=$A{number - 1}$A{number - 1}" for number in range(1, 41))]
    with pytest.raises(ConfigurationError, match="more than 1 MiB"):
        read([EnvFile("x.env", "\n".join(lines))])


def test_references_may_bring_in_as_much_as_is_said() -> None:
    """All together, over all files."""
    half = "x" * (LARGEST_EXPANSION // 2)
    files = [EnvFile("a.env", f"A={half}\nB=$A"), EnvFile("b.env", "C=$A")]
    assert len(values(read(files))["C"].reveal()) == LARGEST_EXPANSION // 2
    with pytest.raises(ConfigurationError, match=r"^c\.env:1: "):
        read([*files, EnvFile("c.env", "D=$B")])
