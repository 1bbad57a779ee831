"""What a body says about ticks is read so that no other reader of JSON could find something else."""

import asyncio
import json
import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tickctl.gateway import GateOptions, RefusedError
from tickctl.gateway.body import ClientGoneError, check_head, read_body, ticks_of

OPTIONS = GateOptions()
LENIENT = GateOptions(default_ticks=3)
LARGEST = 2**31 - 1


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
    check_head([(b"content-type", kind)], OPTIONS)


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
    assert refusal(check_head, headers, OPTIONS) == (415, "unsupported_media_type")
    with pytest.raises(RefusedError) as caught:
        check_head(headers, OPTIONS)
    assert caught.value.problem.headers == (("Accept", "application/json"),)


def test_without_a_body_no_type_is_needed_where_there_is_a_default() -> None:
    """A request that has no body has no type; one that names a type is held to it."""
    check_head([], LENIENT)
    assert refusal(check_head, [(b"content-type", b"text/plain")], LENIENT) == (415, "unsupported_media_type")


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
        check_head(headers, OPTIONS)
    problem = caught.value.problem
    assert (problem.status, problem.code) == (415, "unsupported_coding")
    assert problem.headers == (("Accept-Encoding", "identity"),)


def test_the_coding_that_is_none_is_taken() -> None:
    """`identity` stands for no coding at all."""
    check_head([(b"content-type", b"application/json"), (b"content-encoding", b"Identity")], OPTIONS)


@pytest.mark.parametrize("length", [b"11", b"99999999999999999999", b"9" * 5000])
def test_an_announced_length_over_the_limit_is_refused(length: bytes) -> None:
    """Before any of it is read, and whatever the number."""
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    assert refusal(check_head, headers, GateOptions(largest_body=10)) == (413, "body_too_large")


@pytest.mark.parametrize(
    "lengths", [[b"+5"], [b"-5"], [b"5, 5"], [b"0x5"], [b""], [b"5", b"5"], [b"5", b"6"], [b"\xb2"]]
)
def test_an_announced_length_that_is_no_number_is_refused(lengths: list[bytes]) -> None:
    """Servers mostly do so themselves; a lenient one must not open a way around the cap."""
    headers = [(b"content-type", b"application/json"), *((b"content-length", length) for length in lengths)]
    assert refusal(check_head, headers, OPTIONS) == (400, "wrong_length")


def test_a_body_as_long_as_the_limit_is_taken() -> None:
    """The limit itself is within it."""
    check_head([(b"content-type", b"application/json"), (b"content-length", b"10")], GateOptions(largest_body=10))


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


# Ticks


@pytest.mark.parametrize(
    ("body", "ticks"),
    [
        (b'{"max_ticks":1}', 1),
        (b' \t\r\n{ "max_ticks" : 5 } \n', 5),
        (b'{"max_ticks":2147483647}', LARGEST),
        (b'{"max\\u005fticks":5}', 5),
        (b'{"\\u006dax_ticks":5}', 5),
        (b'{"a":{"max_ticks":9},"max_ticks":5,"b":[{"max_ticks":7}]}', 5),
        (b'{"max_ticks":5,"ticks":9,"max":9,"max_ticks2":9,"":9}', 5),
        ('{"max_ticks":5,"text":"\N{SNOWMAN} \\ud83d","x":1e999,"y":-0.0,"z":true}'.encode(), 5),
        (b'{"max_ticks":5,"x":' + b"1" * 5000 + b"}", 5),
        (b'{"max_ticks":5,"x":{"a":1,"a":2},"x":3}', 5),
        (b'{"x":' + b"[" * 200 + b"]" * 200 + b',"max_ticks":5}', 5),
    ],
)
def test_an_integer_literal_is_taken(body: bytes, ticks: int) -> None:
    """Wherever it stands and however its name is escaped; what else is in the body is the handler's business."""
    assert ticks_of(body, OPTIONS) == ticks


@pytest.mark.parametrize(
    "value",
    [
        "true",
        "false",
        "null",
        '"5"',
        "5.0",
        "5e0",
        "1e3",
        "1E3",
        "0.5",
        "0",
        "-0",
        "-1",
        "2147483648",
        "9" * 10,
        "9" * 5000,
        "-" + "9" * 5000,
        "1e400",
        "[5]",
        '{"max_ticks":5}',
        "[]",
        "{}",
        '""',
    ],
)
@pytest.mark.parametrize("options", [OPTIONS, LENIENT])
def test_everything_else_is_refused(value: str, options: GateOptions) -> None:
    """Also where a default is configured: who names an amount means it."""
    assert refusal(ticks_of, b'{"max_ticks":%s}' % value.encode(), options) == (422, "invalid_ticks")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"5",
        b"null",
        b'"max_ticks"',
        b"[]",
        b'[["max_ticks",5]]',
        b'[{"max_ticks":5}]',
        b'{"max_ticks":5',
        b'{"max_ticks":5}}',
        b'{"max_ticks":5}{"max_ticks":6}',
        b'{"max_ticks":5}\x00',
        b'{"max_ticks":5,}',
        b"{'max_ticks':5}",
        b"{max_ticks:5}",
        b'{"max_ticks":05}',
        b'{"max_ticks":+5}',
        b'{"max_ticks":0x5}',
        b'{"max_ticks":5_0}',
        b'{"max_ticks":5.}',
        b'{"max_ticks":NaN}',
        b'{"max_ticks":5,"x":NaN}',
        b'{"max_ticks":5,"x":-Infinity}',
        b'{"max_ticks":5}/* */',
        b'//\n{"max_ticks":5}',
        b'{"max_ticks":5,"x":"\n"}',
        b'\xef\xbb\xbf{"max_ticks":5}',
        b'{"max_ticks":5,"x":"\xff"}',
        b'{"max_ticks":5,"x":"\xc0\xaf"}',
        b'{"max_ticks":5,"x":"\xed\xa0\x80"}',
        '{"max_ticks":5}'.encode("utf-16"),
        '{"max_ticks":5}'.encode("utf-16-le"),
        '{"max_ticks":\uff15}'.encode(),
        '{"max_ticks":\u0665}'.encode(),
        '\u00a0{"max_ticks":5}'.encode(),
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b',"max_ticks":5}',
        b'{"max_ticks":5,"x":' * 100_000,
    ],
)
def test_what_is_not_one_json_object_is_refused(body: bytes) -> None:
    """Nothing that only some readers of JSON take: comments, other encodings, marks, other digits, what follows."""
    assert refusal(ticks_of, body, OPTIONS) == (422, "invalid_json")


@pytest.mark.parametrize(
    "name",
    [
        "max_ticks",
        "max\\u005fticks",
        "MAX_TICKS",
        "Max_Ticks",
        "max_tick\u017f",  # the long s, which folds to s
        "max_tic\u212as",  # the sign of the kelvin, which folds to k
        "max_t\u0130cks",  # the dotted I of Turkish
        "maxTicks",
        "MaxTicks",
        "max-ticks",
        "max ticks",
        "max_ticks ",
        "max_ticks\\u0000",
        "max_ticks\\u0000x",
        "max_\\ud800ticks",
        "\\ufeffmax_ticks",
        "max_\u200bticks",
    ],
)
@pytest.mark.parametrize("options", [OPTIONS, LENIENT])
def test_a_second_name_that_some_reader_takes_for_the_same_is_refused(name: str, options: GateOptions) -> None:
    """Readers differ in case, in underscores, in what they drop and in where a name ends; the last one may win."""
    for members in (f'"max_ticks":1,"{name}":32', f'"{name}":32,"max_ticks":1'):
        assert refusal(ticks_of, f'{{"a":0,{members},"b":0}}'.encode(), options) == (422, "invalid_ticks")
    if name not in ("max_ticks", "max\\u005fticks"):
        assert refusal(ticks_of, f'{{"{name}":32}}'.encode(), options) == (422, "invalid_ticks")


def test_no_amount_is_refused_unless_there_is_a_default() -> None:
    """The default stands for a missing member and for no body at all, not for what can't be read."""
    assert refusal(ticks_of, b"{}", OPTIONS) == (422, "invalid_ticks")
    assert ticks_of(b"{}", LENIENT) == 3
    assert ticks_of(b'{"ticks":9}', LENIENT) == 3
    assert ticks_of(b"", LENIENT) == 3
    assert refusal(ticks_of, b" ", LENIENT) == (422, "invalid_json")
    assert refusal(ticks_of, b"[]", LENIENT) == (422, "invalid_json")


def test_the_member_may_have_another_name() -> None:
    """As the options say, and then `max_ticks` is one like others."""
    options = GateOptions(ticks_field="kosten")
    assert ticks_of(b'{"kosten":4,"max_ticks":"9"}', options) == 4
    assert refusal(ticks_of, b'{"kosten":4,"Kosten":9}', options) == (422, "invalid_ticks")


def test_refusals_do_not_keep_the_body() -> None:
    """Neither in the words nor behind the error, where a report of errors would find it."""
    with pytest.raises(RefusedError) as caught:
        ticks_of(b'{"secret": "hunter2"', OPTIONS)
    assert caught.value.__context__ is None
    assert b"hunter2" not in caught.value.problem.body()


names = st.sampled_from(["max_ticks", "max\\u005fticks", "MAX_TICKS", "maxTicks", "max_tick\u017f", "x"]) | st.text(
    "maxtick_s\\", max_size=10
)
numbers = st.integers().map(str) | st.sampled_from(["true", '"5"', "5.0", "1e3", "-0", "NaN", "1e400", "null", "{}"])
members = st.tuples(names, numbers | st.integers(1, 50).map(str)).map(lambda member: f'"{member[0]}":{member[1]}')
objects = st.lists(members, max_size=3).map(lambda found: "{" + ",".join(found) + "}")
nested = st.lists(members | objects.map(lambda inner: f'"y":{inner}'), max_size=4).map(
    lambda found: ("{" + ",".join(found) + "}").encode()
)


def last_of_any_case(body: bytes) -> Any:
    """Return `max_ticks` as a reader finds it that takes names in any case and the last of several."""
    pairs = json.loads(body, object_pairs_hook=list)
    return [value for name, value in pairs if name.casefold() == "max_ticks"][-1]


@given(nested | st.binary(max_size=40))
@example(b'{"max_ticks":1,"max_tick\xc5\xbf":32}')
def test_what_is_taken_is_what_other_readers_find(body: bytes) -> None:
    """Whatever the body: a refusal, or the very integer that Python and a reader of another kind read."""
    try:
        ticks = ticks_of(body, OPTIONS)
    except RefusedError:
        return
    found = json.loads(body)["max_ticks"]
    assert type(found) is int
    assert found == last_of_any_case(body) == ticks
    assert 1 <= ticks <= LARGEST


texts = st.text() | st.floats(allow_nan=False, allow_infinity=False) | st.none()


@given(st.integers(1, LARGEST), st.dictionaries(st.text(), texts))
def test_honest_bodies_are_taken(ticks: int, others: dict[str, Any]) -> None:
    """Whatever else is in them, in whatever order."""
    others.pop("max_ticks", None)
    for document in ({"max_ticks": ticks, **others}, {**others, "max_ticks": ticks}):
        assert ticks_of(json.dumps(document).encode(), OPTIONS) == ticks


fields = st.sampled_from([b"content-type", b"content-length", b"content-encoding", b"x"])


@given(st.lists(st.tuples(fields, st.binary(max_size=20) | st.just(b"application/json")), max_size=4))
def test_any_head_is_taken_or_refused(headers: list[tuple[bytes, bytes]]) -> None:
    """No header of any content makes anything but a refusal; who gets through has said JSON once."""
    with suppress(RefusedError):
        check_head(headers, OPTIONS)
        assert [value.strip(b" \t").lower() for name, value in headers if name == b"content-type"] == [
            b"application/json"
        ]
