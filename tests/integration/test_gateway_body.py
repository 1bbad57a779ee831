"""Bodies over real sockets: the handler gets byte for byte what was sent, and nothing of what is refused."""

import gzip
import json
import logging
from collections.abc import Iterator

import pytest

from asgi_support import Line, Reply, ask, request_bytes
from gateway_support import Scene, scene, until
from quota_support import Database, User
from tickctl.gateway import Field, GateOptions

BODY = b' {"max\\u005fticks" : 2,\r\n\t"text": "\xe2\x98\x83 \\ud83d \\/ ", "x": 1E400, "y":{"a":1,"a":2}, "z": 0.10}\n'
"""Valid, and as unlike as possible to what any encoder of JSON would write."""
CAP = 4096


@pytest.fixture(scope="module")
def gate(shared_database: Database) -> Iterator[Scene]:
    """A gate with a small cap."""
    with scene(shared_database, options=GateOptions(largest_body=CAP, timeout=20)) as made:
        yield made


@pytest.fixture
def user(gate: Scene) -> User:
    """A user with a whole day before them."""
    return gate.database.add_user()


def head(gate: Scene, user: User | None, *headers: tuple[str, str], kind: str = "application/json") -> bytes:
    """Return the head of a `POST /tasks`."""
    sent = [("Content-Type", kind), *headers]
    if user is not None:
        sent.append(("Authorization", f"Bearer {gate.token(user)}"))
    return request_bytes("POST", "/tasks", sent)


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    """Return one chunk of a chunked body; that of b"" is the last."""
    return b"%x%s\r\n%s\r\n" % (len(data), extension, data)


def code_of(reply: Reply) -> str:
    """Return the code of a problem document."""
    return str(json.loads(reply.body)["code"])


def sized(gate: Scene, user: User, body: bytes) -> bytes:
    """Return a whole request with a Content-Length."""
    return head(gate, user, ("Content-Length", str(len(body)))) + body


# What arrives


@pytest.mark.parametrize("size", [1, 7, len(BODY)])
@pytest.mark.parametrize("framing", ["length", "chunks", "chunks with extensions and trailers"])
def test_the_handler_gets_exactly_the_bytes_that_were_sent(gate: Scene, user: User, framing: str, size: int) -> None:
    """However they are framed, and one by one; white space, escapes and odd numbers included."""
    pieces = [BODY[place : place + size] for place in range(0, len(BODY), size)]
    if framing == "length":
        sent = [head(gate, user, ("Content-Length", str(len(BODY)))), *pieces]
    else:
        odd = b';a="b\\"c";d' if "extensions" in framing else b""
        end = b"0\r\nAuthorization: Bearer x\r\nContent-Encoding: gzip\r\n\r\n" if odd else b"0\r\n\r\n"
        sent = [head(gate, user, ("Transfer-Encoding", "chunked")), *(chunk(piece, odd) for piece in pieces), end]
    reply = ask(gate.served.port, *sent)
    assert reply.status == 202, reply.body
    assert gate.handler.seen[-1][1] == BODY
    assert gate.used(user) == 2


def test_a_request_that_comes_byte_by_byte_is_one_request(gate: Scene, user: User) -> None:
    """The head as well as the body."""
    whole = sized(gate, user, BODY)
    reply = ask(gate.served.port, *(whole[place : place + 1] for place in range(len(whole))))
    assert reply.status == 202
    assert gate.handler.seen[-1][1] == BODY


def test_a_body_as_large_as_allowed_arrives(gate: Scene, user: User) -> None:
    """With and without an announced length; one byte more does not."""
    body = b'{"max_ticks":1,"x":"' + b"x" * (CAP - 22) + b'"}'
    assert len(body) == CAP
    chunked = head(gate, user, ("Transfer-Encoding", "chunked")) + chunk(body)
    for request in (sized(gate, user, body), chunked + chunk(b"")):
        assert ask(gate.served.port, request).status == 202
        assert gate.handler.seen[-1][1] == body
    for request in (sized(gate, user, body + b" "), chunked + chunk(b" ") + chunk(b"")):
        assert code_of(ask(gate.served.port, request)) == "body_too_large"
    assert gate.used(user) == 2


def test_requests_on_one_connection_are_kept_apart(gate: Scene, user: User) -> None:
    """Admitted and refused in turn, all sent at once; what is left of a refused body is not taken for a request."""
    other = gate.database.add_user()
    inner = request_bytes("POST", "/tasks", [("Authorization", f"Bearer {gate.token(other)}")], b'{"max_ticks":9}')
    before = len(gate.observed)
    with Line(gate.served.port) as line:
        line.send(
            sized(gate, user, b'{"max_ticks":1,"n":1}'),
            head(gate, None, ("Content-Length", str(len(inner)))) + inner,
            head(gate, user, ("Transfer-Encoding", "chunked"), kind="text/plain") + chunk(inner) + chunk(b""),
            sized(gate, user, b'{"max_ticks":2,"n":2}'),
        )
        assert [line.reply().status for _ in range(4)] == [202, 401, 415, 202]
    assert [body for _, body in gate.handler.seen[-2:]] == [b'{"max_ticks":1,"n":1}', b'{"max_ticks":2,"n":2}']
    assert (gate.used(user), gate.used(other)) == (3, 0)
    assert len(gate.observed) == before + 4


# Whose length is a lie; sent in one piece where the server hangs up, as unread bytes would cost its answer (a reset)


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_body_that_ends_early_is_no_request(
    gate: Scene, user: User, caplog: pytest.LogCaptureFixture, framing: str
) -> None:
    """The client hangs up in the middle: no answer, no charge, and nothing in the log that anybody should look into."""
    caplog.set_level(logging.INFO)
    before = len(gate.handler.seen)
    under_way = gate.served.server.server_state.tasks
    with Line(gate.served.port) as line:
        if framing == "length":
            line.send(head(gate, user, ("Content-Length", "100")), b'{"max_ticks":1}')
        else:
            line.send(head(gate, user, ("Transfer-Encoding", "chunked")), chunk(b'{"max_ticks":1}'))
        until(lambda: bool(under_way), "the request begins")
    until(lambda: not under_way, "the request ends")
    assert len(gate.handler.seen) == before
    assert gate.used(user) == 0
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_body_that_goes_on_is_cut_where_its_length_says(gate: Scene, user: User) -> None:
    """The handler sees that much; what follows is a request of its own, and none."""
    with Line(gate.served.port) as line:
        line.send(head(gate, user, ("Content-Length", "15")) + b'{"max_ticks":1} {"max_ticks":9}')
        assert line.reply().status == 202
        assert gate.handler.seen[-1][1] == b'{"max_ticks":1}'
        assert line.reply().status == 400
    assert gate.used(user) == 1


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Length", "-1")],
        [("Content-Length", "+15")],
        [("Content-Length", "15, 16")],
        [("Content-Length", "15"), ("Content-Length", "16")],
        [("Content-Length", "0xf")],
        [("Content-Length", "9" * 30)],
        [("Transfer-Encoding", "gzip, chunked")],
        [("Transfer-Encoding", "identity")],
    ],
    ids=str,
)
def test_a_length_that_nobody_understands_is_refused(gate: Scene, user: User, headers: list[tuple[str, str]]) -> None:
    """By the server or by the gate, but never admitted."""
    before = len(gate.handler.seen)
    reply = ask(gate.served.port, head(gate, user, *headers) + b'{"max_ticks":1}')
    assert reply.status in {400, 413, 501}
    assert len(gate.handler.seen) == before
    assert gate.used(user) == 0


def test_of_two_framings_the_chunks_count_or_none(gate: Scene, user: User) -> None:
    """RFC 9112 section 6.1: the length is overridden; a body that is not as long as it says is refused all the same."""
    body = b'{"max_ticks":1}'
    for length in (len(body), 5, 4000):
        before = len(gate.handler.seen)
        both = head(gate, user, ("Content-Length", str(length)), ("Transfer-Encoding", "chunked"))
        reply = ask(gate.served.port, both + chunk(body) + chunk(b""))
        if reply.status == 202:
            assert gate.handler.seen[-1][1] == body
        else:
            assert reply.status == 400
            assert len(gate.handler.seen) == before


def test_without_a_length_there_is_no_body(gate: Scene, user: User) -> None:
    """A request has one only if it says so; bytes that follow all the same are a request of their own, and none."""
    with Line(gate.served.port) as line:
        line.send(head(gate, user) + b'{"max_ticks":1}')
        reply = line.reply()
    assert (reply.status, code_of(reply)) == (422, "invalid_json")
    assert gate.used(user) == 0


def test_no_body_costs_the_default(shared_database: Database) -> None:
    """Where there is one, and then no content type is asked for; the handler sees that nothing came."""
    user = shared_database.add_user()
    with scene(shared_database, protect={"POST /tasks": Field(default=3)}, options=GateOptions(timeout=20)) as gate:
        request = request_bytes("POST", "/tasks", [("Authorization", f"Bearer {gate.token(user)}")])
        assert ask(gate.served.port, request).status == 202
        assert gate.handler.seen[-1][1] == b""
        assert gate.used(user) == 3


def test_a_body_that_does_not_come_is_waited_for_no_longer_than_allowed(shared_database: Database) -> None:
    """Nothing, or its beginning: 408, no charge, and the connection ends (RFC 9110 section 15.5.9)."""
    user = shared_database.add_user()
    with scene(shared_database, options=GateOptions(body_timeout=0.1)) as gate:
        for beginning in (b"", b'{"max_ticks":'):
            with Line(gate.served.port) as line:
                line.send(head(gate, user, ("Content-Length", "15")), beginning)
                reply = line.reply()
                assert (reply.status, code_of(reply)) == (408, "body_timeout")
                assert reply.header("connection") == "close"
                assert line.is_closed()
        assert gate.handler.seen == []
        assert gate.used(user) == 0


# What is refused before it is read


def refused_unread(gate: Scene, request_head: bytes) -> Reply:
    """Send a head whose body never comes, and return the answer: who waited for the body would give none."""
    before = len(gate.handler.seen)
    with Line(gate.served.port) as line:
        line.send(request_head)
        reply = line.reply()
    assert len(gate.handler.seen) == before
    return reply


def test_a_body_over_the_cap_is_refused_unread(gate: Scene, user: User) -> None:
    """The announced length is enough."""
    for length in (CAP + 1, 10**12, 10**18):
        reply = refused_unread(gate, head(gate, user, ("Content-Length", str(length))))
        assert (reply.status, code_of(reply)) == (413, "body_too_large")


def test_a_body_without_end_is_refused_where_the_cap_is_passed(gate: Scene, user: User) -> None:
    """Its end never comes; no more of it is read than the cap and what the server has read ahead."""
    with Line(gate.served.port) as line:
        line.send(head(gate, user, ("Transfer-Encoding", "chunked")), *[chunk(b"[" * 512)] * (CAP // 512))
        line.send(chunk(b"["))
        reply = line.reply()
    assert (reply.status, code_of(reply)) == (413, "body_too_large")
    assert gate.used(user) == 0


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "x-gzip", "identity, gzip"])
def test_a_coded_body_is_refused_unread(gate: Scene, user: User, coding: str) -> None:
    """Nobody unpacks it, so nobody can be made to unpack a bomb; the answer says what would be taken."""
    reply = refused_unread(gate, head(gate, user, ("Content-Encoding", coding), ("Content-Length", "40")))
    assert (reply.status, code_of(reply)) == (415, "unsupported_coding")
    assert reply.header("accept-encoding") == "identity"


def test_a_packed_body_is_refused_even_if_it_does_not_say_so(gate: Scene, user: User) -> None:
    """It is no JSON."""
    reply = ask(gate.served.port, sized(gate, user, gzip.compress(b'{"max_ticks":1}')))
    assert (reply.status, code_of(reply)) == (422, "invalid_json")


def test_other_types_are_refused_unread(gate: Scene, user: User) -> None:
    """A form may hold max_ticks, too, and a handler may read it."""
    for kind in ("application/x-www-form-urlencoded", "text/json", "application/json; charset=utf-16"):
        reply = refused_unread(gate, head(gate, user, ("Content-Length", "40"), kind=kind))
        assert (reply.status, code_of(reply)) == (415, "unsupported_media_type")
        assert reply.header("accept") == "application/json"
    reply = refused_unread(gate, head(gate, user, ("Content-Length", "40"), ("Content-Type", "application/json")))
    assert (reply.status, code_of(reply)) == (415, "unsupported_media_type")


def test_a_client_that_asks_before_it_sends_is_told_to_go_on_only_then(gate: Scene, user: User) -> None:
    """`Expect: 100-continue` (RFC 9110 section 10.1.1): an admissible head is, one that is refused isn't."""
    asking = (("Expect", "100-continue"), ("Content-Length", str(len(BODY))))
    for request, status in (
        (head(gate, None, *asking), 401),
        (head(gate, user, *asking, kind="text/plain"), 415),
        (head(gate, user, asking[0], ("Content-Length", str(CAP + 1))), 413),
    ):
        with Line(gate.served.port) as line:
            line.send(request)
            first = line.socket.recv(65536)
            assert first.startswith(b"HTTP/1.1 %d " % status)
    with Line(gate.served.port) as line:
        line.send(head(gate, user, *asking))
        assert line.socket.recv(65536).startswith(b"HTTP/1.1 100 ")
        line.send(BODY)
        assert line.reply().status == 202
    assert gate.handler.seen[-1][1] == BODY


# What it says


@pytest.mark.parametrize(
    "body",
    [
        b'{"max_ticks":true}',
        b'{"max_ticks":"5"}',
        b'{"max_ticks":5.0}',
        b'{"max_ticks":1e3}',
        b'{"max_ticks":0}',
        b'{"max_ticks":-5}',
        b'{"max_ticks":2147483648}',
        b'{"max_ticks":' + b"9" * 3000 + b"}",
        b'{"max_ticks":1,"max_ticks":5}',
        b'{"max_ticks":1,"max\\u005fticks":5}',
        b'{"max_ticks":1,"Max_Ticks":5}',
        b'{"max_ticks":1,"maxTicks":5}',
        b'{"max_ticks":1,"max_tick\xc5\xbf":5}',
        b'{"ticks":1}',
    ],
)
def test_odd_amounts_are_refused(gate: Scene, user: User, body: bytes) -> None:
    """And never come to the handler, nor to the database."""
    before = len(gate.handler.seen)
    reply = ask(gate.served.port, sized(gate, user, body))
    assert (reply.status, code_of(reply)) == (422, "invalid_ticks")
    assert len(gate.handler.seen) == before
    assert gate.used(user) == 0


def test_a_refused_body_is_told_to_nobody(gate: Scene, user: User, caplog: pytest.LogCaptureFixture) -> None:
    """Neither to the client nor to the log."""
    caplog.set_level(logging.DEBUG)
    reply = ask(gate.served.port, sized(gate, user, b'{"max_ticks":1,"password":"hunter2"'))
    assert reply.status == 422
    assert b"hunter2" not in reply.body
    assert "hunter2" not in caplog.text
