"""Whatever comes as a request: either the handler gets exactly it and it was charged once, or a problem is answered."""

import asyncio
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tickctl.adapters.embedded.accounts import sign
from tickctl.core.secret import Secret
from tickctl.core.tokens import KeySet, Policy, StaticKeys
from tickctl.gateway import Gate, GateOptions, TickGate

NOW = 1_800_000_000
ISSUER = "https://abcdefghijklmnopqrst.supabase.co/auth/v1"
SECRET = Secret("an HS256 secret that only this test knows")
TOKEN = sign(
    {
        "iss": ISSUER,
        "sub": "6f1f1c2e-0d3b-4b57-9d3e-0a4f1c7c9a11",
        "aud": "authenticated",
        "exp": NOW + 3600,
        "iat": NOW - 60,
        "role": "authenticated",
        "session_id": "c2a7b0de-57f3-4f0e-8a44-5a0d2f7a9b22",
        "is_anonymous": False,
    },
    SECRET,
).reveal()
SCHEMA = json.loads((Path(__file__).parents[2] / "data" / "problem.schema.json").read_text())


class Store:
    """Grants everything, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, str]] = []

    async def call(self, name: str, arguments: Any, *, caller: Any) -> list[Any]:
        """Answer `consume_ticks`."""
        assert name == "consume_ticks"
        self.asked.append((arguments["ticks"], caller.token.reveal()))
        return [
            {
                "decision": "granted",
                "charge_id": arguments["charge_id"],
                "daily_tick_limit": 32,
                "ticks_granted": 0,
                "ticks_used": 5,
                "ticks_remaining": 27,
                "usage_date": "2027-01-15",
                "resets_at": "2027-01-16T00:00:00+00:00",
                "now": "2027-01-15T08:00:00+00:00",
            }
        ]


def visit(headers: list[tuple[bytes, bytes]], chunks: list[bytes]) -> tuple[list[Any], list[bytes], Store]:
    """Send a request through a gate; return the messages of the answer, the bodies that came through, and the store."""
    sent: list[Any] = []
    through: list[bytes] = []
    store = Store()

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        assert message["more_body"] is False
        through.append(message["body"])
        await send({"type": "http.response.start", "status": 202, "headers": [(b"x-handler", b"1")]})
        await send({"type": "http.response.body", "body": b"accepted"})

    waiting = list(chunks)

    async def receive() -> Any:
        return {"type": "http.request", "body": waiting.pop(0) if waiting else b"", "more_body": bool(waiting)}

    async def send(message: Any) -> None:
        sent.append(message)

    async def run() -> None:
        keys = StaticKeys(KeySet.from_secret(SECRET))
        options = GateOptions(largest_body=60)
        gate = Gate(keys, Policy(issuer=ISSUER), store, options=options, clock=lambda: NOW)
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/tasks",
            "root_path": "",
            "query_string": b"",
            "headers": headers,
        }
        await TickGate(app, protect={"POST /tasks"}, gate=gate)(scope, receive, send)
        await gate.aclose()

    asyncio.run(run())
    return sent, through, store


def head_of(sent: list[Any]) -> tuple[int, dict[bytes, bytes]]:
    """Return status and headers of an answer, which must be one whole answer that a server can send."""
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    headers = dict(sent[0]["headers"])
    assert len(headers) == len(sent[0]["headers"])
    for name, value in headers.items():
        assert name == name.lower()
        assert not set(b"\r\n\0") & set(value)
    return sent[0]["status"], headers


good = {
    b"authorization": b"Bearer " + TOKEN.encode(),
    b"content-type": b"application/json",
    b"idempotency-key": b'"key"',
    b"origin": b"https://app.example",
}
odd = st.binary(max_size=30) | st.sampled_from(
    [b"Bearer", b"Bearer x.y.z", b"Basic eA==", b"text/plain", b"a,b", b"gzip"]
)
fields = st.tuples(st.sampled_from([*good, b"content-encoding", b"content-length", b"x"]), odd)
keys = st.sampled_from(["max_ticks", "max_ticks", "MAX_TICKS", "max\\u005fticks", "x"])
values = st.integers(1, 40).map(str) | st.sampled_from(["0", "true", '"5"', "5.0", "1e1", "null", "[1]", "99999999999"])
members = st.tuples(keys, values).map(lambda member: f'"{member[0]}": {member[1]}')
objects = st.lists(members, min_size=1, max_size=2).map(lambda found: ("{" + ",".join(found) + "}").encode())


@st.composite
def heads(draw: st.DrawFn) -> list[tuple[bytes, bytes]]:
    """Draw the good headers, at times one too few or an odd one too many."""
    headers = draw(st.permutations(list(good.items())))
    missing, more = draw(st.sampled_from([None, None, *good])), draw(st.lists(fields, max_size=1))
    return [(name, value) for name, value in headers if name != missing] + more


@settings(deadline=None)
@given(heads(), objects | st.binary(max_size=70), st.integers(1, 70))
@example(list(good.items()), b'{"max_ticks":5}', 1)
@example([*good.items(), (b"authorization", b"Bearer x")], b'{"max_ticks":5}', 1)
def test_a_request_is_charged_and_handled_as_it_came_or_refused(
    headers: list[tuple[bytes, bytes]], body: bytes, size: int
) -> None:
    """Never both, never neither, and never with other ticks than everybody reads in the body."""
    chunks = [body[place : place + size] for place in range(0, len(body), size)]
    sent, through, store = visit(headers, chunks)
    status, answered = head_of(sent)
    if through:
        assert (status, answered[b"x-handler"]) == (202, b"1")
        assert through == [body]
        assert store.asked == [(json.loads(body)["max_ticks"], TOKEN)]
        assert type(json.loads(body)["max_ticks"]) is int
        assert json.loads(body)["max_ticks"] > 0
        assert b"ratelimit" in answered
    else:
        assert store.asked == []
        document = json.loads(sent[1]["body"])
        jsonschema.validate(document, SCHEMA)
        assert document["status"] == status
        assert status in {400, 401, 403, 413, 415, 422}
        assert answered[b"content-type"] == b"application/problem+json"
        assert TOKEN not in str(sent)
    assert (b"access-control-expose-headers" in answered) is any(name == b"origin" for name, _ in headers)


@pytest.mark.parametrize("name", sorted(good))
def test_the_good_request_of_these_tests_is_good(name: bytes) -> None:
    """Whole, and without what it does not need; so what is drawn above is near to one that goes through."""
    sent, through, store = visit(list(good.items()), [b'{"max_ticks":5}'])
    assert (sent[0]["status"], through, len(store.asked)) == (202, [b'{"max_ticks":5}'], 1)
    needed = name in {b"authorization", b"content-type"}
    _, through, _ = visit([(other, value) for other, value in good.items() if other != name], [b'{"max_ticks":5}'])
    assert bool(through) is not needed
