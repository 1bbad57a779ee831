"""Bodies are bounded, whole, and of a type that says JSON where they must be."""

import asyncio
import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickctl.gateway import GateOptions, RefusedError
from tickctl.gateway.body import ClientGoneError, check_type, read_body

OPTIONS = GateOptions()


def refusal(call: Callable[..., Any], *arguments: Any) -> tuple[int, str]:
    """Return the status and the code with which something is refused."""
    with pytest.raises(RefusedError) as caught:
        call(*arguments)
    return caught.value.problem.status, caught.value.problem.code


# The head


@pytest.mark.parametrize(
    "kind",
    [
        b"application/json",
        b"Application/JSON",
        b"application/json; charset=utf-8",
        b"application/json;charset=UTF-8",
        b'application/json \t;\t charset="utf-8"',
        b" application/json ",
    ],
)
def test_json_is_taken(kind: bytes) -> None:
    """In every spelling that HTTP has for the type, and with the one parameter that says nothing new."""
    check_type([(b"content-type", kind)])


@pytest.mark.parametrize(
    "kinds",
    [
        [],
        [b""],
        [b"text/plain"],
        [b"application/x-www-form-urlencoded"],
        [b"multipart/form-data; boundary=x"],
        [b"application/vnd.example+json"],
        [b"application/json-seq"],
        [b"application/jsonp"],
        [b"application/*"],
        [b"application/json, text/plain"],
        [b"application/json, application/json"],
        [b"application/json; charset=utf-16"],
        [b"application/json; charset=latin-1"],
        [b"application/json; charset=utf-8; charset=utf-16"],
        [b"application/json; version=1"],
        [b"application/json;"],
        [b'"application/json"'],
        [b"app lication/json"],
        [b"application/json\x00"],
        [b"application/json", b"application/json"],
        [b"application/json", b""],
        [b"application/", b"json"],
        [b"application/json", b";charset=utf-8"],
    ],
)
def test_other_types_are_refused(kinds: list[bytes]) -> None:
    """What a handler might read as a form, as UTF-16 or as something else is not JSON to both."""
    headers = [(b"content-type", kind) for kind in kinds]
    assert refusal(check_type, headers) == (415, "unsupported_media_type")
    with pytest.raises(RefusedError) as caught:
        check_type(headers)
    assert caught.value.problem.headers == (("Accept", "application/json"),)


def test_without_a_body_no_type_is_needed_where_there_is_a_default() -> None:
    """A request that has no body has no type; one that names a type is held to it."""
    check_type([], is_required=False)
    assert refusal(partial(check_type, is_required=False), [(b"content-type", b"text/plain")]) == (
        415,
        "unsupported_media_type",
    )


@pytest.mark.parametrize(
    "codings",
    [
        [b"gzip"],
        [b"GZIP"],
        [b"br"],
        [b"deflate"],
        [b"zstd"],
        [b"identity, gzip"],
        [b"identity", b"gzip"],
        [b"x"],
        [b""],
        [b"identity, identity"],
    ],
)
def test_content_codings_are_refused(codings: list[bytes]) -> None:
    """A small body may unpack to a large one, and then the cap would be none; the answer names what is taken."""
    headers = [(b"content-type", b"application/json"), *((b"content-encoding", coding) for coding in codings)]
    with pytest.raises(RefusedError) as caught:
        check_type(headers)
    problem = caught.value.problem
    assert (problem.status, problem.code) == (415, "unsupported_coding")
    assert problem.headers == (("Accept-Encoding", "identity"),)


def test_the_coding_that_is_none_is_taken() -> None:
    """`identity` stands for no coding at all."""
    check_type([(b"content-type", b"application/json"), (b"content-encoding", b"Identity")])


# Reading


def messages(*chunks: bytes, more: bool = False) -> Callable[[], Awaitable[dict[str, Any]]]:
    """Return a `receive` that gives a body in chunks and then, with `more`, waits for ever."""
    waiting = list(chunks)

    async def receive() -> dict[str, Any]:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(0), "more_body": more or bool(waiting)}
        return await asyncio.get_running_loop().create_future()

    return receive


def read(receive: Any, options: GateOptions = OPTIONS, length: bytes | None = None) -> bytes:
    """Read a body."""
    headers = [] if length is None else [(b"content-length", length)]
    return asyncio.run(read_body(receive, headers, options))


@pytest.mark.parametrize("length", [b"11", b"99999999999999999999", b"9" * 5000])
def test_an_announced_length_over_the_limit_is_refused(length: bytes) -> None:
    """Before any of it is read, and whatever the number."""
    receive = messages(b"never read")
    assert refusal(read, receive, GateOptions(largest_body=10), length) == (413, "body_too_large")
    assert asyncio.run(receive())["body"] == b"never read"


@pytest.mark.parametrize(
    "announced", [[b"+5"], [b"-5"], [b"5, 5"], [b"0x5"], [b""], [b"5", b"5"], [b"5", b"6"], [b"\xb2"]]
)
def test_an_announced_length_that_is_no_number_is_refused(announced: list[bytes]) -> None:
    """Servers mostly do so themselves; a lenient one must not open a way around the cap."""
    headers = [(b"content-length", length) for length in announced]
    assert refusal(lambda: asyncio.run(read_body(messages(b"12345"), headers, OPTIONS))) == (400, "wrong_length")


@given(st.lists(st.binary(max_size=5), min_size=1, max_size=20))
def test_a_body_in_pieces_is_put_together(chunks: list[bytes]) -> None:
    """Empty messages and single bytes among them, with and without an announced length."""
    whole = b"".join(chunks)
    assert read(messages(*chunks)) == whole
    assert read(messages(*chunks), length=b"%d" % len(whole)) == whole


def test_messages_may_lack_what_has_a_default() -> None:
    """ASGI lets a server leave out both members of the message."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    assert read(receive) == b""


@pytest.mark.parametrize("length", [b"1", b"3", b"0"])
def test_a_wrong_length_is_refused(length: bytes) -> None:
    """The body that came is not the one that was announced, so nobody knows what was meant."""
    assert refusal(read, messages(b"{}"), OPTIONS, length) == (400, "wrong_length")


def test_reading_stops_where_the_limit_is_passed() -> None:
    """What is left is not read, however much it is."""
    receive = messages(b"12345", b"67890", b"1", b"never read")
    assert refusal(read, receive, GateOptions(largest_body=10)) == (413, "body_too_large")
    assert asyncio.run(receive())["body"] == b"never read"
    assert read(messages(b"12345", b"67890"), GateOptions(largest_body=10)) == b"1234567890"


def test_memory_is_bounded_by_the_limit() -> None:
    """A body that comes byte by byte takes no more than one that comes at once."""
    size = 200_000

    async def receive() -> dict[str, Any]:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": b"x", "more_body": left > 0}

    left = size
    tracemalloc.start()
    try:
        read(receive)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * size


@pytest.mark.parametrize("chunks", [(), (b'{"max_ti',), (b"",) * 10])
def test_a_body_that_does_not_come_in_time_is_refused(chunks: tuple[bytes, ...]) -> None:
    """Nothing, half of it, or messages that hold nothing."""
    receive = messages(*chunks, more=True)
    assert refusal(read, receive, GateOptions(body_timeout=0.01)) == (408, "body_timeout")


def test_a_client_that_hangs_up_gets_no_answer() -> None:
    """Half a body and then the end of the connection is no request."""

    async def receive() -> dict[str, Any]:
        return came.pop(0)

    came = [{"type": "http.request", "body": b'{"max_', "more_body": True}, {"type": "http.disconnect"}]
    with pytest.raises(ClientGoneError):
        read(receive)


fields = st.sampled_from([b"content-type", b"content-encoding", b"x"])


@given(st.lists(st.tuples(fields, st.binary(max_size=20) | st.just(b"application/json")), max_size=4))
def test_any_head_is_taken_or_refused(headers: list[tuple[bytes, bytes]]) -> None:
    """No header of any content makes anything but a refusal; who gets through has said JSON once."""
    with suppress(RefusedError):
        check_type(headers)
        assert [value.strip(b" \t").lower() for name, value in headers if name == b"content-type"] == [
            b"application/json"
        ]
