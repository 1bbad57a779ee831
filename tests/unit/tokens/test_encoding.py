"""base64url and JSON are read strictly, and in time that grows with their length only."""

from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickctl.core.tokens.encoding import MAX_DEPTH, EncodingError, decode_base64url, parse_object


@given(st.binary(max_size=200))
def test_every_byte_string_has_one_spelling(data: bytes) -> None:
    """What encoding gives is decoded to the same bytes."""
    assert decode_base64url(urlsafe_b64encode(data).rstrip(b"=")) == data


@given(st.binary(min_size=1, max_size=24) | st.text("AQgwBEb-_+/=", min_size=1).map(str.encode))
def test_no_other_spelling_is_read(text: bytes) -> None:
    """Whatever is accepted is exactly what encoding would have written."""
    try:
        data = decode_base64url(text)
    except EncodingError:
        return
    assert urlsafe_b64encode(data).rstrip(b"=") == text


@pytest.mark.parametrize(
    "text", [b"A", b"AAAAA", b"AB", b"AAB", b"AA==", b"AA=", b"A+", b"A/", b"AA\n", b"A A", b"=", b"\xff"]
)
def test_malformed_base64url_is_refused(text: bytes) -> None:
    """Impossible lengths, stray bits, padding, the standard alphabet, white space, foreign bytes."""
    with pytest.raises(EncodingError):
        decode_base64url(text)


def test_depth_limit_is_exact() -> None:
    """As many levels as allowed are read, one more is not, and brackets in strings do not count."""
    levels = MAX_DEPTH - 1
    assert parse_object(b'{"a":' + b"[" * levels + b"]" * levels + b"}")
    assert parse_object(b'{"a":"' + b"[{" * 100 + b'"}')
    assert parse_object(b'{"a":"\\"' + b"[{" * 100 + b'"}')
    with pytest.raises(EncodingError, match="deep"):
        parse_object(b'{"a":' + b"[" * (levels + 1) + b"]" * (levels + 1) + b"}")


@pytest.mark.parametrize("piece", [b'"', b'\\"', b'"\\', b"[", b'{"', b'["\\"'])
def test_hostile_text_is_refused_without_backtracking(piece: bytes) -> None:
    """A quarter of a megabyte of quotes and brackets is judged at once; a quadratic scan would take minutes."""
    with pytest.raises(EncodingError):
        parse_object(b"[" * 40 + piece * (256 * 1024 // len(piece)))


def test_reason_names_the_problem() -> None:
    """Each refusal says what it is about, and repeats nothing of the text."""
    problems = {
        b"\xff": "UTF-8",
        b"[1]": "object",
        b"{} x": "followed",
        b'{"a":1,"a":1}': "twice",
        b'{"a":1e999}': "too large",
        b'{"a":NaN}': "NaN",
        b'{"a":"\\ud800"}': "surrogate",
        b'{"secret"': "not JSON",
    }
    for data, problem in problems.items():
        with pytest.raises(EncodingError, match=problem) as caught:
            parse_object(data)
        assert "secret" not in str(caught.value)
