"""Where other readers disagree with Compose, and whether the advice helps."""

from tickctl.adapters.env_files import python_dotenv
from tickctl.core.secrets.env_files import EnvFile, read
from tickctl.core.secrets.env_files.differences import Difference, OtherReader, differences, docker_run

DOTENV, DOCKER = OtherReader.PYTHON_DOTENV, OtherReader.DOCKER_RUN
READERS = {DOTENV: python_dotenv, DOCKER: docker_run}


def found(*texts: str) -> tuple[Difference, ...]:
    """Compare the readings of files."""
    files = [EnvFile(f"{number}.env", text) for number, text in enumerate(texts, start=1)]
    return differences(files, read(files), READERS)


def advice(text: str) -> tuple[set[OtherReader], str]:
    """Return who differs on the only assignment of a text, and the mend."""
    (difference,) = found(text)
    return set(difference.readers), difference.mend


def test_nothing_is_said_where_all_agree() -> None:
    """Plain values, and those that no reader changes."""
    assert found("A=1\nB=a:b@c/d?e=f&g\nC=it's\n#c\nD=a b\n", "A=2") == ()


def test_quotes_that_are_not_needed_are_advised_against_for_docker() -> None:
    """It takes quotes for parts of the value."""
    assert advice("K='a b'") == ({DOCKER}, "write 'K=' and the value itself, without quotes")


def test_reference_is_replaced_by_what_it_means() -> None:
    """`$A` is literal for both others."""
    first, second = found("A=x y\nK=$A$A-\nL=${A}")
    assert (first.entry.name, set(first.readers)) == ("K", {DOTENV, DOCKER})
    assert first.mend == "write 'K=' and the value itself, without quotes"
    assert (second.entry.name, second.readers) == ("L", (DOCKER,))


def test_single_quotes_are_advised_where_they_help() -> None:
    """A dollar for python-dotenv and Compose; docker run would need it without quotes, where Compose replaces it."""
    readers, mend = advice('K="a$$b"')
    assert readers == {DOTENV, DOCKER}
    assert mend.startswith("write 'K=' and the value itself, between single quotes; docker run --env-file can't")


def test_double_quotes_are_advised_where_single_ones_do_not_help() -> None:
    """python-dotenv makes one backslash of two between single quotes."""
    readers, mend = advice(r"K='a\\ '")
    assert readers == {DOTENV, DOCKER}
    assert mend.startswith("write 'K=' and the value itself, between double quotes; docker run --env-file can't")


def test_value_that_python_dotenv_always_changes_is_said_to_be_one() -> None:
    """It replaces `${...}` in quotes of any kind."""
    readers, mend = advice("K='a${B}'")
    assert readers == {DOTENV, DOCKER}
    assert mend.startswith("python-dotenv and docker run --env-file can't read it alike, however it is written; ")
    assert mend.endswith("unless it is told interpolate=False")


def test_value_that_neither_quotes_suit_is_said_to_be_one() -> None:
    """Two backslashes need double quotes for python-dotenv, a dollar single ones."""
    readers, mend = advice(r"K='a\\$b'")
    assert readers == {DOTENV, DOCKER}
    assert mend == "python-dotenv and docker run --env-file can't read it alike, however it is written"


def test_name_that_others_read_differently_is_written_with_an_equals_sign() -> None:
    """`K:v` is for Compose alone."""
    assert advice("K:v") == ({DOTENV, DOCKER}, "write 'K=' and the value itself, without quotes")


def test_reader_that_gives_up_differs_where_it_does() -> None:
    """White space in what docker takes for a name: the last line of a quoted value; the rest can't be compared."""
    text = "A='1'\nK='a\nb c'\nL='2'\n"
    (difference,) = [difference for difference in found(text) if DOCKER in difference.readers]
    assert (difference.entry.name, difference.entry.line) == ("K", 2)
    assert difference.mend == "docker run --env-file can't read it alike, however it is written"


def test_reader_may_give_up_on_the_line_of_the_name() -> None:
    """A space before the equals sign."""
    (difference,) = found("A=1\nK =2\nL=3\n")
    assert (difference.entry.name, difference.readers) == ("K", (DOCKER,))
    assert difference.mend == "write 'K=' and the value itself, without quotes"


def test_only_what_counts_is_compared() -> None:
    """Overridden and refused assignments say nothing."""
    assert found("K='a b'\nL=$NONE\nM\n", "K=1") == ()


def test_mend_shows_no_value() -> None:
    """It tells how to write it, not what."""
    assert "hide-this" not in repr(found("A=1\nK='hide-this'\nL=\"hide-this$A\"\nM='hide-this${A}'"))
