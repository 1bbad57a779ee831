"""What is written reads back."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tickctl.adapters.env_files import python_dotenv
from tickctl.core.secret import Secret
from tickctl.core.secrets.env_files import EnvFile, line, read, values, write
from tickctl.core.secrets.env_files.differences import docker_run
from tickctl.errors import ConfigurationError

VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])) | st.text(
    st.sampled_from(["'", '"', "\\", "$", "{", "}", "#", " ", "\n", "\r", "\t", "a", "n", "0", "=", "`", "\x85"])
)
NAMES = st.text(st.sampled_from("aZ_0.-[]\u00e9\u00b2"), min_size=1)


def back(text: str) -> dict[str, str]:
    """Read a text as Compose does."""
    return {name: value.reveal() for name, value in values(read([EnvFile("x.env", text)])).items()}


def dotenv(text: str) -> dict[str, str | None]:
    """Read a text as python-dotenv does."""
    values = python_dotenv([EnvFile("x.env", text)]).values
    return {name: None if value is None else value.reveal() for name, value in values.items()}


@settings(deadline=None)
@given(st.dictionaries(NAMES, VALUES))
@example({"export": "\\", "K": "\\'", "L": "\\\\'$", "M": "it's $5 ${x}"})
def test_any_value_reads_back_exactly(wanted: dict[str, str]) -> None:
    """Whatever the values are; and for python-dotenv too, unless they have what it can't be told."""
    text = write({name: Secret(value) for name, value in wanted.items()})
    assert back(text) == wanted
    for name, value in wanted.items():
        hard_in_single = "\r" in value or "\\\\" in value or "\\'" in value or value.endswith("\\")
        if "${" not in value and not ("$" in value and hard_in_single):
            assert dotenv(line(name, Secret(value)))[name] == value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("", "K="),
        ("https://u:p@h:1/?a=b&c=d%20", "K=https://u:p@h:1/?a=b&c=d%20"),
        ("a b", "K='a b'"),
        ("pa$word", "K='pa$word'"),
        ("#1", "K='#1'"),
        ("it's", "K='it\\'s'"),
        ("a\nb", "K='a\nb'"),
        ("C:\\new", "K='C:\\new'"),
        ("a\\", 'K="a\\\\"'),
        ("a\\\\b$c", "K='a\\\\b$c'"),
        ("a\r$c", 'K="a\\r$$c"'),
    ],
)
def test_plainest_form_is_chosen(value: str, written: str) -> None:
    """No quotes where none are needed, single ones before double ones."""
    assert line("K", Secret(value)) == written
    assert back(f"{written}\n") == {"K": value}


def test_value_without_quotes_reads_the_same_in_docker_run() -> None:
    """Which takes quotes for parts of the value."""
    every = "".join(chr(code) for code in range(33, 127) if chr(code) not in "'\"#$\\`")
    assert line("K", Secret(every)) == f"K={every}"
    assert docker_run([EnvFile("x.env", f"K={every}\n")]).values == {"K": Secret(every)}
    assert back(f"K={every}\n") == dotenv(f"K={every}\n") == {"K": every}


@pytest.mark.parametrize("name", ["", "A B", "A=B", "A:B", "#A", "'A'", "A/B", "A\n", "A\u0300"])
def test_name_that_would_not_read_back_is_refused(name: str) -> None:
    """A key of a secret may have any name."""
    with pytest.raises(ConfigurationError, match="name of a variable"):
        line(name, Secret("v"))


@pytest.mark.parametrize("value", ["hide\0this", "hide\ud800this"])
def test_value_that_no_env_file_holds_is_refused_without_being_shown(value: str) -> None:
    """A NUL, and what isn't text."""
    with pytest.raises(ConfigurationError, match="value of K") as caught:
        line("K", Secret(value))
    assert "hide" not in str(caught.value)
