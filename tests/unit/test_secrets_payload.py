"""The value of a secret: what is written reads back, and what isn't ours is refused without showing it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickctl.core.secret import Secret
from tickctl.core.secrets.payload import decode, encode, listed
from tickctl.errors import ConfigurationError

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(TEXT, TEXT))
def test_what_is_encoded_reads_back(values: dict[str, str]) -> None:
    """Quotes, line breaks, emoji and empty values come through."""
    secrets = {name: Secret(value) for name, value in values.items()}
    assert decode(encode(secrets)) == secrets


def test_all_values_are_strings_and_keys_are_sorted() -> None:
    """The ECS agent prints a number as 1.2345678e+07; and the same set must be the same text."""
    text = encode({"PORT": Secret("12345678"), "A": Secret("true"), "Ü": Secret("é")}).reveal()
    assert text == '{"A":"true","PORT":"12345678","Ü":"é"}'
    assert encode({"Ü": Secret("é"), "A": Secret("true"), "PORT": Secret("12345678")}).reveal() == text


def test_payload_does_not_show_itself() -> None:
    """It is as secret as what is in it."""
    assert "hunter2-hunter2" not in f"{encode({'A': Secret('hunter2-hunter2')})!r}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "bytes instead of text"),
        (Secret("hunter2-hunter2"), "no JSON object"),
        (Secret('"hunter2-hunter2"'), "no JSON object"),
        (Secret('["hunter2-hunter2"]'), "no JSON object"),
        (Secret("[" * 100_000), "no JSON object"),
        (Secret('{"A": hunter2-hunter2}'), "no JSON object"),
        (Secret('{"PORT": 8080, "B": "hunter2-hunter2", "OFF": null, "IN": {"B": "x"}}'), "no strings: IN, OFF, PORT"),
        (Secret('{"A": "hunter2-hunter2", "A": "x"}'), "the same name twice"),
    ],
)
def test_foreign_values_are_refused_without_being_shown(text: Secret | None, said: str) -> None:
    """Bytes, plain text, numbers, doubles: the key is named, the value isn't, and no parser's error travels along."""
    with pytest.raises(ConfigurationError) as refused:
        decode(text)
    assert said in refused.value.message
    assert "hunter2" not in f"{refused.value.message}{refused.value.hint}"
    assert refused.value.__context__ is None


def test_many_wrong_keys_are_counted() -> None:
    """A message has an end."""
    with pytest.raises(ConfigurationError, match=r"KEY_00, KEY_01.*KEY_19 and 80 more$"):
        decode(Secret(json.dumps({f"KEY_{number:02}": number for number in range(100)})))
    assert listed(["B", "A"]) == "A, B"
