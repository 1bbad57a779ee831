"""The API over TLS: HTTP/2 where the server offers it, one connection for all, and everybody's token apart."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterator

import pytest

from http_support import Authority, Received, TestServer, echo, http, serving
from tickctl.adapters.api import ApiFunctions, AsyncApiFunctions
from tickctl.core.json import JsonObject
from tickctl.core.quota import SignedInUser
from tickctl.core.secret import Secret
from tickctl.errors import InvalidInputError, UnreachableError

KEY = Secret("sb_publishable_tell-nobody")


def user(name: str) -> SignedInUser:
    """Return a caller with a token of their own."""
    return SignedInUser(claims={"sub": name}, token=Secret(f"eyJhbGciOiJIUzI1NiJ9.e30.token-of-{name}"))


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    """A certificate authority that everything in this file trusts."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(authority.certificates))
        yield authority


@pytest.fixture(scope="module")
def tls(certified: Authority) -> ssl.SSLContext:
    """What a server needs that offers HTTP/2."""
    return certified.context(http2=True)


def whose(rows: list[JsonObject]) -> tuple[object, object]:
    """Return the token and the argument that an echo was made of."""
    headers, body = rows[0]["headers"], rows[0]["body"]
    assert isinstance(headers, dict)
    assert isinstance(body, dict)
    return headers["authorization"], body["who"]


def due(name: str) -> tuple[str, str]:
    """Return what `whose` must find in the answer to a user."""
    return f"Bearer {user(name).token.reveal()}", name


def test_http2_is_spoken_where_it_is_offered(tls: ssl.SSLContext) -> None:
    """By ALPN; one connection carries all calls."""
    with serving(echo, tls) as server, ApiFunctions(server.url, KEY) as functions:
        for name in ("ada", "eve", "ada"):
            assert whose(functions.call("my_ticks", {"who": name}, caller=user(name))) == due(name)
        assert all(request.headers[":method"] == "POST" for request in server.received)
        assert (len(server.received), server.connections) == (3, 1)


def test_http1_is_spoken_where_it_is_not(certified: Authority) -> None:
    """Over TLS all the same, and one connection is kept."""
    with serving(echo, certified.context()) as server, ApiFunctions(server.url, KEY) as functions:
        for name in ("ada", "eve"):
            assert whose(functions.call("my_ticks", {"who": name}, caller=user(name))) == due(name)
        assert all(":method" not in request.headers for request in server.received)
        assert (len(server.received), server.connections) == (2, 1)


def test_simultaneous_calls_share_one_connection_and_nothing_else(tls: ssl.SSLContext) -> None:
    """All are under way before the first is answered, the last one first; each gets the answer to the own token."""

    async def use(url: str) -> list[list[JsonObject]]:
        async with AsyncApiFunctions(url, KEY) as functions:
            calls = (functions.call("my_ticks", {"who": f"u{n}"}, caller=user(f"u{n}")) for n in range(32))
            return await asyncio.gather(*calls)

    with serving(echo, tls) as server:
        server.hold = 32
        answers = asyncio.run(use(server.url))
        assert (len(server.received), server.connections) == (32, 1)
    assert [whose(rows) for rows in answers] == [due(f"u{n}") for n in range(32)]


def test_a_cancelled_call_leaves_the_others_alone(tls: ssl.SSLContext) -> None:
    """Its stream is one of many on the connection; the others' answers come, and the connection goes on."""

    async def use(server: TestServer) -> list[list[JsonObject]]:
        async with AsyncApiFunctions(server.url, KEY) as functions:
            names = [f"u{n}" for n in range(4)]
            tasks = [
                asyncio.create_task(functions.call("my_ticks", {"who": name}, caller=user(name))) for name in names
            ]
            await asyncio.sleep(0)  # they begin, in their order
            tasks[1].cancel()
            last = functions.call("my_ticks", {"who": "last"}, caller=user("last"))
            done = await asyncio.gather(*tasks, last, return_exceptions=True)
            assert isinstance(done.pop(1), asyncio.CancelledError)
            server.hold = 1
            done.append(await functions.call("my_ticks", {"who": "next"}, caller=user("next")))
            return [rows for rows in done if isinstance(rows, list)]

    with serving(echo, tls) as server:
        server.hold = 5  # the cancelled one is heard out
        answers = asyncio.run(use(server))
        assert server.connections == 1
    assert [whose(rows) for rows in answers] == [due(name) for name in ("u0", "u2", "u3", "last", "next")]


def test_a_late_answer_costs_nobody_else_theirs(tls: ssl.SSLContext) -> None:
    """A time-out of the HTTP client would end every call on the connection."""

    def answer(server: TestServer, line: socket.socket, request: Received) -> bytes:
        return b"" if b"late" in request.body else echo(server, line, request)

    async def use(url: str) -> list[JsonObject]:
        async with AsyncApiFunctions(url, KEY, timeout=0.5) as functions:
            with pytest.raises(UnreachableError, match="no answer within"):
                await functions.call("my_ticks", {"who": "late"}, caller=user("late"))
            return await functions.call("my_ticks", {"who": "ada"}, caller=user("ada"))

    with serving(answer, tls) as server:
        assert whose(asyncio.run(use(server.url))) == due("ada")
        assert server.connections == 1


def test_a_server_that_says_good_bye_is_asked_on_a_new_connection(tls: ssl.SSLContext) -> None:
    """What only reads is repeated; what writes may have been done."""

    def answer(server: TestServer, line: socket.socket, request: Received) -> bytes | None:
        return None if len(server.received) in {1, 3} else echo(server, line, request)

    with serving(answer, tls) as server, ApiFunctions(server.url, KEY) as functions:
        assert whose(functions.call("my_ticks", {"who": "ada"}, caller=user("ada"))) == due("ada")
        with pytest.raises(UnreachableError, match="lost") as caught:
            functions.call("tick_admin_reset", {"who": "ada"}, caller=user("ada"))
        assert "look before" in str(caught.value.hint)
        assert whose(functions.call("my_ticks", {"who": "eve"}, caller=user("eve"))) == due("eve")
        assert [request.connection for request in server.received] == [1, 2, 2, 3]


def test_no_log_tells_a_secret(tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture) -> None:
    """At level DEBUG the library that packs headers writes each of them to the log, if it is let."""
    caplog.set_level(logging.DEBUG)
    with serving(echo, tls) as server, ApiFunctions(server.url, KEY) as functions:
        functions.call("my_ticks", {"who": "ada"}, caller=user("ada"))
    assert "receive_response_headers" in caplog.text
    assert not any(secret in caplog.text for secret in (KEY.reveal(), user("ada").token.reveal(), "token-of"))


def test_errors_come_as_over_http1(tls: ssl.SSLContext) -> None:
    """The protocol makes no difference to what an answer means."""
    body = b'{"code": "22023", "message": "ticks out of range"}'
    with serving(lambda _server, _line, _request: http(400, body), tls) as server, ApiFunctions(server.url, KEY) as to:
        with pytest.raises(InvalidInputError, match="ticks out of range"):
            to.call("consume_ticks", {"ticks": 0}, caller=user("ada"))
        with pytest.raises(InvalidInputError):
            to.call("consume_ticks", {"ticks": 0}, caller=user("ada"))
        assert server.connections == 1
