"""The token of a request is that of its one Authorization header, and of nothing else."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tickctl.core.secret import Secret
from tickctl.core.tokens import KeySet, Policy, Reason, StaticKeys, TokenVerifier
from tickctl.gateway import Problem, RefusedError
from tickctl.gateway.credentials import bearer_token

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
# RFC 9110 section 11.6.1, as narrow as it is used: one challenge, parameters as quoted strings without escapes.
PARAMETER = r'[a-z_]+="[\x20\x21\x23-\x5b\x5d-\x7e]*"'
CHALLENGE = re.compile(rf"Bearer(?: {PARAMETER}(?:, {PARAMETER})*)?")


def refusal(*values: bytes) -> Problem:
    """Return how a request with these Authorization headers is refused."""
    with pytest.raises(RefusedError) as caught:
        bearer_token([(b"authorization", value) for value in values])
    return caught.value.problem


def challenge(problem: Problem) -> str:
    """Return the WWW-Authenticate header of a refusal, which must be there once, and well formed."""
    [(name, value)] = problem.headers
    assert name == "WWW-Authenticate"
    assert CHALLENGE.fullmatch(value)
    return value


@pytest.mark.parametrize(
    "value",
    [
        f"Bearer {TOKEN}",
        f"bearer {TOKEN}",
        f"BEARER {TOKEN}",
        f"bEaReR   {TOKEN}",
        f"  Bearer {TOKEN}\t ",
    ],
)
def test_the_token_follows_the_scheme(value: str) -> None:
    """In any case and after any number of spaces (RFC 9110 section 11.1); blanks around a value are no part of it."""
    headers = [(b"host", b"example.com"), (b"authorization", value.encode()), (b"x-authorization", b"Bearer x")]
    assert bearer_token(headers) == TOKEN


def test_several_headers_are_refused() -> None:
    """Also the same one twice: what stands before the gate may have looked at the other."""
    for second in (b"Bearer " + TOKEN.encode(), b"Basic eDp5", b""):
        problem = refusal(b"Bearer " + TOKEN.encode(), second)
        assert (problem.status, problem.code) == (400, "several_credentials")
        assert challenge(problem) == 'Bearer error="invalid_request"'


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ",
        b"Basic eDp5",
        b"Digest username=x",
        b"DPoP " + TOKEN.encode(),
        b"Bearer\t" + TOKEN.encode(),
        b"Bearer:" + TOKEN.encode(),
        b"Bearer=" + TOKEN.encode(),
        b"Bearer," + TOKEN.encode(),
        b"Bearer" + TOKEN.encode(),
        b"Bearer\x00 " + TOKEN.encode(),
        b"B\xc3\xa9arer " + TOKEN.encode(),
        b'"Bearer" ' + TOKEN.encode(),
        TOKEN.encode(),
    ],
)
def test_without_the_scheme_there_are_no_credentials(value: bytes) -> None:
    """So no error is named (RFC 6750 section 3.1): the client did not know."""
    problem = refusal(value)
    assert (problem.status, problem.code) == (401, "no_credentials")
    assert challenge(problem) == "Bearer"


def test_other_places_are_not_looked_at() -> None:
    """Neither cookies nor headers that proxies pass on."""
    with pytest.raises(RefusedError) as caught:
        bearer_token([(b"cookie", b"sb-access-token=x"), (b"proxy-authorization", b"Bearer x"), (b"apikey", b"x")])
    assert caught.value.problem.code == "no_credentials"


@pytest.mark.parametrize("value", [b"Bearer", b"bearer ", b"Bearer    ", b" Bearer\t"])
def test_a_scheme_without_a_token_is_a_bad_token(value: bytes) -> None:
    """The client meant to send one."""
    problem = refusal(value)
    assert (problem.status, problem.code) == (401, "malformed")
    assert challenge(problem).startswith('Bearer error="invalid_token"')


ODD = [
    b"a b",
    TOKEN.encode() + b" " + TOKEN.encode(),
    TOKEN.encode() + b"," + TOKEN.encode(),
    TOKEN.encode() + b", Basic eDp5",
    b"Bearer " + TOKEN.encode(),
    b"\t" + TOKEN.encode(),
    b'"' + TOKEN.encode() + b'"',
    b"token=" + TOKEN.encode(),
    TOKEN.encode() + b"=",
    TOKEN.encode() + b"\x00",
    TOKEN.encode() + b"\xe9",
    b"\xff\xfe",
    b"a.b.c" * 16 * 1024,
    b"..",
    b"<token>",
]


@pytest.mark.parametrize("rest", ODD)
def test_what_is_no_token_is_left_to_the_verifier(rest: bytes) -> None:
    """It passes on whatever came, byte for byte, and the verifier refuses it as malformed."""
    token = bearer_token([(b"authorization", b"Bearer " + rest)])
    assert token == rest.decode("latin-1")
    keys = StaticKeys(KeySet.from_secret(Secret("a secret that only this test knows, and nobody else")))
    assert TokenVerifier(keys, Policy(issuer="https://example.com")).verify(token, 0).reason is Reason.MALFORMED


@given(st.lists(st.binary(max_size=40) | st.binary(max_size=20).map(b"Bearer ".__add__), max_size=3))
@example([b"Bearer \r\nx: y"])
def test_any_header_gives_a_token_or_a_refusal(values: list[bytes]) -> None:
    """Whatever the bytes; nothing of them gets into the answer."""
    try:
        token = bearer_token([(b"authorization", value) for value in values])
    except RefusedError as refused:
        problem = refused.problem
        challenge(problem)
        marks = [value for value in values if len(value) > 10]
        assert not any(value.decode("latin-1") in str(problem) for value in marks)
    else:
        assert len(values) == 1
        assert values[0].strip(b" \t").endswith(token.encode("latin-1"))
