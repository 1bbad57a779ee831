"""A request key is read strictly, and its digest tells requests apart."""

from contextlib import suppress
from typing import Any

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickctl.gateway import RefusedError
from tickctl.gateway.credentials import LONGEST_KEY, digest, request_key

UUID = "8e03978e-40d5-43e8-bc93-6894a57f9324"
printable = st.text([chr(code) for code in range(0x20, 0x7F)], min_size=1, max_size=LONGEST_KEY)


def key_of(*values: bytes) -> str | None:
    """Return the key of a request with these headers."""
    return request_key([(b"host", b"example.com"), *((b"idempotency-key", value) for value in values)])


def test_a_request_may_have_no_key() -> None:
    """Then it is like no other."""
    assert key_of() is None


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (f'"{UUID}"', UUID),
        (UUID, UUID),
        (f'  "{UUID}"\t', UUID),
        ('"a"', "a"),
        ("a", "a"),
        ('" "', " "),
        ('"a b, c; d=e"', "a b, c; d=e"),
        (r'"a\"b\\c"', 'a"b\\c'),
        (r"a\b", r"a\b"),
        ("urn:uuid:" + UUID, "urn:uuid:" + UUID),
        ("a=b&c~d", "a=b&c~d"),
        ("x" * LONGEST_KEY, "x" * LONGEST_KEY),
        ('"' + "x" * LONGEST_KEY + '"', "x" * LONGEST_KEY),
        ('"' + r"\\" * LONGEST_KEY + '"', "\\" * LONGEST_KEY),
    ],
)
def test_a_key_is_a_quoted_string_or_bare(value: str, key: str) -> None:
    """The draft wants a structured-field string; bare text, which many clients send, is the same key."""
    assert key_of(value.encode()) == key


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ",
        b'""',
        b'"',
        b'"abc',
        b'abc"',
        b'a"b',
        b'"a""b"',
        b'"a"b',
        rb'"a\b"',
        b'"a\\"',
        b'"a";x=1',
        b"a;x=1",
        b"a,b",
        b"a, b",
        b'"a", "b"',
        b"a b",
        b"(a b)",
        b"\x00",
        b"a\x00b",
        b'"a\x00b"',
        b'"a\tb"',
        b"a\r\nb",
        b'"a\r\nx: y"',
        b"a\x7f",
        "é".encode(),
        '"é"'.encode(),
        b"\xff",
        b"x" * (LONGEST_KEY + 1),
        b'"' + b"x" * (LONGEST_KEY + 1) + b'"',
        b'"' + b"\\" * 100_000,
    ],
)
def test_everything_else_is_refused(value: bytes) -> None:
    """No key, no end, control characters, other alphabets, lists, parameters, and what is too long to be kept."""
    with pytest.raises(RefusedError) as caught:
        key_of(value)
    assert (caught.value.problem.status, caught.value.problem.code) == (400, "invalid_idempotency_key")


def test_several_headers_are_refused() -> None:
    """Nobody could tell which one counts, not even if they are the same."""
    for second in (b"a", b"b", b""):
        with pytest.raises(RefusedError) as caught:
            key_of(b"a", second)
        assert caught.value.problem.status == 400


@given(printable)
def test_every_string_that_a_client_may_write_is_read(key: str) -> None:
    """As any parser of structured fields reads it (RFC 9651)."""
    assert key_of(http_sf.ser((key, {})).encode()) == key


@given(st.binary(max_size=30) | st.text('"\\ab ,;=\x00é', max_size=12).map(str.encode))
def test_what_is_read_of_a_quoted_key_is_what_others_read(value: bytes) -> None:
    """Whatever the bytes: a refusal, or the key that a parser of structured fields finds, too."""
    with suppress(RefusedError):
        key = key_of(value)
        assert key is not None
        assert 1 <= len(key) <= LONGEST_KEY
        assert key.isascii()
        assert key.isprintable()
        stripped = value.strip(b" \t")
        assert key == (http_sf.parse(stripped, tltype="item")[0] if stripped[:1] == b'"' else stripped.decode())


REQUEST = ("POST", "/tasks", b"a=1", "6f1f1c2e-0d3b-4b57-9d3e-0a4f1c7c9a11", b'{"max_ticks":5}')


def test_the_same_request_has_the_same_digest() -> None:
    """Sixty-four hexadecimal digits, which fit where the database keeps them."""
    assert digest(*REQUEST) == digest(*REQUEST)
    assert len(digest(*REQUEST)) == 64


@pytest.mark.parametrize(
    "other",
    [
        ("PUT", *REQUEST[1:]),
        ("POST", "/task", *REQUEST[2:]),
        ("POST", "/tasks\n", *REQUEST[2:]),
        (*REQUEST[:2], b"a=2", *REQUEST[3:]),
        (*REQUEST[:2], b"", *REQUEST[3:]),
        (*REQUEST[:3], "6f1f1c2e-0d3b-4b57-9d3e-0a4f1c7c9a12", REQUEST[4]),
        (*REQUEST[:4], b'{"max_ticks": 5}'),
        (*REQUEST[:4], b""),
    ],
)
def test_another_request_has_another_digest(other: tuple[str, str, bytes, str, bytes]) -> None:
    """Each part counts, and a body to the byte."""
    assert digest(*other) != digest(*REQUEST)


texts, octets = st.text("ab/\udcff", max_size=3), st.binary(max_size=3)
parts = st.tuples(texts, texts, octets, texts, octets)


@given(parts, parts)
def test_nothing_moves_from_one_part_into_the_next(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    """Equal digests come from equal requests only, though their bytes in a row be the same."""
    assert (digest(*one) == digest(*other)) is (one == other)
    method, path, query, user_id, body = one
    if path:
        assert digest(method + path[0], path[1:], query, user_id, body) != digest(*one)
    if body:
        assert digest(method, path, query + body[:1], user_id, body[1:]) != digest(*one)
