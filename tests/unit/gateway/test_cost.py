"""What a request costs; a field of the body is read so that no other reader of JSON could find something else."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tickctl.errors import ConfigurationError
from tickctl.gateway import Problem, RefusedError
from tickctl.gateway.cost import Cost, Field, GateRequest, dearest, prepared, ticks_of

MAX_TICKS, LENIENT = Field(), Field(default=3)
LARGEST = 2**31 - 1
JSON = ((b"content-type", b"application/json"),)


def ticks(body: bytes, cost: Cost = MAX_TICKS, headers: Any = JSON) -> int:
    """Return what a request with this body costs."""

    async def read_body() -> bytes:
        return body

    return asyncio.run(ticks_of(cost, GateRequest("POST", "/tasks", b"", headers, read_body)))


def refusal(body: bytes, cost: Cost = MAX_TICKS, headers: Any = JSON) -> tuple[int, str]:
    """Return the status and the code with which a request is refused."""
    with pytest.raises(RefusedError) as caught:
        ticks(body, cost, headers)
    return caught.value.problem.status, caught.value.problem.code


# A field of the body


@pytest.mark.parametrize(
    ("body", "cost"),
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
def test_an_integer_literal_is_taken(body: bytes, cost: int) -> None:
    """Wherever it stands and however its name is escaped; what else is in the body is the handler's business."""
    assert ticks(body) == cost


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
@pytest.mark.parametrize("field", [MAX_TICKS, LENIENT])
def test_everything_else_is_refused(value: str, field: Field) -> None:
    """Also where there is a default: who names an amount means it."""
    assert refusal(b'{"max_ticks":%s}' % value.encode(), field) == (422, "invalid_ticks")


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
    assert refusal(body) == (422, "invalid_json")


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
@pytest.mark.parametrize("field", [MAX_TICKS, LENIENT])
def test_a_second_name_that_some_reader_takes_for_the_same_is_refused(name: str, field: Field) -> None:
    """Readers differ in case, in underscores, in what they drop and in where a name ends; the last one may win."""
    for members in (f'"max_ticks":1,"{name}":32', f'"{name}":32,"max_ticks":1'):
        assert refusal(f'{{"a":0,{members},"b":0}}'.encode(), field) == (422, "invalid_ticks")
    if name not in ("max_ticks", "max\\u005fticks"):
        assert refusal(f'{{"{name}":32}}'.encode(), field) == (422, "invalid_ticks")


def test_no_amount_is_refused_unless_there_is_a_default() -> None:
    """The default stands for a missing member and for no body at all, not for what can't be read."""
    assert refusal(b"{}") == (422, "invalid_ticks")
    assert ticks(b"{}", LENIENT) == 3
    assert ticks(b'{"ticks":9}', LENIENT) == 3
    assert ticks(b"", LENIENT) == 3
    assert refusal(b" ", LENIENT) == (422, "invalid_json")
    assert refusal(b"[]", LENIENT) == (422, "invalid_json")


def test_the_member_may_have_another_name() -> None:
    """And then `max_ticks` is one like others."""
    field = Field("kosten")
    assert ticks(b'{"kosten":4,"max_ticks":"9"}', field) == 4
    assert refusal(b'{"kosten":4,"Kosten":9}', field) == (422, "invalid_ticks")


def test_refusals_do_not_keep_the_body() -> None:
    """Neither in the words nor behind the error, where a report of errors would find it."""
    with pytest.raises(RefusedError) as caught:
        ticks(b'{"secret": "hunter2"')
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
        cost = ticks(body)
    except RefusedError:
        return
    found = json.loads(body)["max_ticks"]
    assert type(found) is int
    assert found == last_of_any_case(body) == cost
    assert 1 <= cost <= LARGEST


texts = st.text() | st.floats(allow_nan=False, allow_infinity=False) | st.none()


@given(st.integers(1, LARGEST), st.dictionaries(st.text(), texts))
def test_honest_bodies_are_taken(cost: int, others: dict[str, Any]) -> None:
    """Whatever else is in them, in whatever order."""
    others.pop("max_ticks", None)
    for document in ({"max_ticks": cost, **others}, {**others, "max_ticks": cost}):
        assert ticks(json.dumps(document).encode()) == cost


# Numbers and functions


def unread() -> Any:
    """Stand for a body that nobody may ask for."""
    raise AssertionError("the body was read")


def test_a_number_needs_no_body() -> None:
    """Nothing is read, and no header is looked at: forms, uploads and requests without a body go through."""
    request = GateRequest("GET", "/report", b"", [(b"content-type", b"multipart/form-data")], unread)
    assert asyncio.run(ticks_of(7, request)) == 7
    assert request.body_bytes is None


def test_a_function_sees_the_request() -> None:
    """With or without `async`; the body is read once, and only if it asks."""
    calls = 0

    async def read_body() -> bytes:
        nonlocal calls
        calls += 1
        return b'{"model": "large"}'

    async def by_model(request: GateRequest) -> int:
        await request.body()
        return {"large": 9}[(await request.json())["model"]]

    request = GateRequest("POST", "/chat/x", b"n=2", JSON, read_body)
    assert asyncio.run(ticks_of(lambda request: len(request.path), request)) == 7
    assert calls == 0
    assert asyncio.run(ticks_of(by_model, request)) == 9
    assert calls == 1


@pytest.mark.parametrize(
    ("body", "code"), [(b'{"model":1,"model":2}', "invalid_json"), (b"[]", "invalid_json"), (b"{", "invalid_json")]
)
def test_a_function_gets_no_json_that_readers_differ_about(body: bytes, code: str) -> None:
    """A price by one `model` must not be paid for work by another."""

    async def by_model(request: GateRequest) -> int:
        return len(await request.json())

    assert refusal(body, by_model) == (422, code)
    assert refusal(b"{}", by_model, [(b"content-type", b"text/plain")]) == (415, "unsupported_media_type")
    assert refusal(b'{"x":' + b"1" * 5000 + b"}", by_model) == (422, "invalid_json")


def test_a_function_may_reject_a_request() -> None:
    """With a problem of its own."""

    def closed(_request: GateRequest) -> int:
        raise RefusedError(Problem(403, "closed", "not on Sundays"))

    assert refusal(b"", closed) == (403, "closed")


@pytest.mark.parametrize("returned", [0, -1, True, None, "5", 5.0, 2**31])
def test_a_function_that_returns_no_cost_lets_nobody_through(returned: Any) -> None:
    """It is a mistake of the program, and what it returned may be a client's text."""
    with pytest.raises(ConfigurationError) as caught:
        ticks(b"", lambda _request: returned)
    assert "'5'" not in str(caught.value)


@pytest.mark.parametrize("cost", [0, -1, True, 1.5, None, "", "__", "\0", Field])
def test_what_is_no_cost_is_noticed_at_the_start(cost: Any) -> None:
    """Before anybody is charged by it."""
    with pytest.raises((ConfigurationError, AssertionError)):
        assert not callable(prepared(cost))


def test_a_default_that_is_no_cost_is_noticed_at_the_start() -> None:
    """A default of 0 would make requests free that leave the field out."""
    with pytest.raises(ConfigurationError):
        Field(default=0)


def test_a_request_that_can_be_read_as_several_costs_the_most() -> None:
    """So no spelling lowers a price, and each of the costs may reject it."""
    assert ticks(b'{"max_ticks":4}', dearest([2, "max_ticks", lambda _request: 3])) == 4
    assert ticks(b'{"max_ticks":1}', dearest([2, "max_ticks"])) == 2
    assert refusal(b"{}", dearest([2, "max_ticks"])) == (422, "invalid_ticks")
