"""What can go wrong between here and a project's API, over real sockets: each has its error, none tells a secret."""

import _thread
import asyncio
import gzip
import json
import logging
import socket
import struct
import threading
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from http_support import Authority, Received, TestServer, echo, http, serving
from tickctl.adapters.api import ApiFunctions, AsyncApiFunctions
from tickctl.adapters.api.shared_http import LARGEST_ANSWER
from tickctl.cli.console.boundary import report
from tickctl.core.quota import ServiceRole, SignedInUser
from tickctl.core.secret import Secret
from tickctl.errors import (
    ConfigurationError,
    ConflictError,
    CredentialsRefusedError,
    InvalidInputError,
    NotFoundError,
    TickctlError,
    UnreachableError,
)

KEY = Secret("sb_publishable_tell-nobody")
OPERATOR_KEY = Secret("sb_secret_tell-nobody-at-all")
TOKEN = Secret("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.dGVsbC1ub2JvZHk")
ADA = SignedInUser(claims={}, token=TOKEN)
SECRETS = [KEY, OPERATOR_KEY, TOKEN]

Script = Callable[[TestServer, socket.socket, Received], bytes | None]


def saying(answer: bytes | None) -> Script:
    """Return a script that always says the same."""
    return lambda _server, _line, _request: answer


def said_and_gone(text: bytes) -> Script:
    """Return a script that says this and hangs up."""

    def answer(_server: TestServer, line: socket.socket, _request: Received) -> None:
        line.sendall(text)

    return answer


def dripping(beginning: bytes, drop: bytes) -> Script:
    """Return a script that says a little now and then, as long as somebody listens."""

    def answer(server: TestServer, line: socket.socket, _request: Received) -> None:
        line.sendall(beginning)
        while not server.over.wait(0.005):
            line.sendall(drop)

    return answer


def resetting(_server: TestServer, line: socket.socket, _request: Received) -> None:
    """Throw the connection away in the middle of an answer."""
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()


def silent(server: TestServer, _line: socket.socket, _request: Received) -> None:
    """Say nothing until the test is over."""
    server.over.wait(10)


def error_body(code: str | None, message: str, hint: str | None = None) -> bytes:
    """Return an error as PostgREST gives it."""
    return json.dumps({"code": code, "message": message, "hint": hint, "details": None}).encode()


HTML = b"<html><h1>It is somebody else who answers</h1></html>"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
HUGE = b'{"a": "' + b"x" * LARGEST_ANSWER + b'"}'
BOMB = gzip.compress(b'{"a": "' + b"x" * 50_000_000 + b'"}')

FAULTS: dict[str, tuple[Script, type[TickctlError], str]] = {
    # What the API itself refuses.
    "database down": (
        saying(http(503, error_body("PGRST002", "Could not query the database for the schema cache. Retrying."))),
        UnreachableError,
        "PGRST002",
    ),
    "no connection left": (saying(http(504, error_body("PGRST003", "m"))), UnreachableError, "PGRST003"),
    "unknown function": (saying(http(404, error_body("PGRST202", "m"))), UnreachableError, "PGRST202"),
    "two functions": (saying(http(300, error_body("PGRST203", "m"))), ConfigurationError, "PGRST203"),
    "schema not served": (saying(http(406, error_body("PGRST106", "m"))), ConfigurationError, "PGRST106"),
    "expired token": (saying(http(401, error_body("PGRST303", "JWT expired"))), CredentialsRefusedError, "expired"),
    "foreign token": (saying(http(401, error_body("PGRST301", "m"))), CredentialsRefusedError, "PGRST301"),
    "no administrator": (
        saying(http(403, error_body("42501", "this needs an administrator"))),
        CredentialsRefusedError,
        "administrator",
    ),
    "wrong key": (saying(http(401, b'{"message": "Invalid API key"}')), CredentialsRefusedError, "API key"),
    "no key": (saying(http(401, b'{"message": "No API key found in request"}')), CredentialsRefusedError, "arrive"),
    "no such user": (saying(http(500, error_body("P0002", "there is no such user"))), NotFoundError, "no such"),
    "two such users": (saying(http(500, error_body("21000", "two of them"))), ConflictError, "two"),
    "changed meanwhile": (saying(http(409, error_body("23505", "m"))), ConflictError, "first"),
    "bad argument": (saying(http(400, error_body("22023", "ticks out of range"))), InvalidInputError, "ticks"),
    "statement timeout": (saying(http(500, error_body("57014", "m"))), UnreachableError, "too long"),
    "lock timeout": (saying(http(500, error_body("55P03", "m"))), UnreachableError, "in the way"),
    "serialization": (saying(http(400, error_body("40001", "m"))), UnreachableError, "in the way"),
    "disk full": (saying(http(503, error_body("53100", "m"))), UnreachableError, "disk"),
    # What stands before it answers in its place.
    "too many requests": (saying(http(429, b"", "Retry-After: 7")), UnreachableError, "too many"),
    "bad gateway": (saying(http(502, HTML, content_type="text/html")), UnreachableError, "status 502"),
    "unavailable": (saying(http(503, HTML, content_type="text/html")), UnreachableError, "status 503"),
    "gateway timeout": (saying(http(504, b"", content_type=None)), UnreachableError, "status 504"),
    "cloudflare": (saying(http(522, HTML, content_type="text/html")), UnreachableError, "status 522"),
    "paused project": (saying(http(540, b"", content_type=None)), UnreachableError, "paused"),
    "redirect": (saying(http(308, b"", "Location: /elsewhere", content_type=None)), UnreachableError, "redirect"),
    "captive portal": (saying(http(200, HTML, content_type="text/html")), UnreachableError, "web page"),
    "web page as JSON": (saying(http(200, HTML)), UnreachableError, "web page"),
    # Answers that are none.
    "no body": (saying(http(200)), UnreachableError, "not whole JSON"),
    "half of the JSON": (saying(http(200, b'[{"a": 1}, {"a"')), UnreachableError, "not whole JSON"),
    "another shape": (saying(http(200, b"[1, 2]")), UnreachableError, "no rows"),
    "too few bytes": (said_and_gone(HEAD + b"Content-Length: 100\r\n\r\n{}"), UnreachableError, "lost"),
    "too many bytes": (saying(HEAD + b'Content-Length: 4\r\n\r\n{"a": 1}'), UnreachableError, "not whole JSON"),
    "two lengths": (
        said_and_gone(HEAD + b"Content-Length: 2\r\nContent-Length: 8\r\n\r\n{}123456"),
        UnreachableError,
        "lost",
    ),
    "broken chunks": (said_and_gone(CHUNKED + b'8\r\n{"a": 1}\r\n'), UnreachableError, "lost"),
    "no chunk": (said_and_gone(CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n"), UnreachableError, "lost"),
    "reset": (resetting, UnreachableError, "lost"),
    "hung up": (saying(None), UnreachableError, "lost"),
    "no HTTP": (said_and_gone(b"220 mail.example.com ESMTP\r\n"), UnreachableError, "lost"),
    "huge headers": (said_and_gone(HEAD + b"X: " + b"x" * 200_000 + b"\r\n\r\n"), UnreachableError, "lost"),
    # Answers without end.
    "silence": (silent, UnreachableError, "no answer within"),
    "dripping headers": (dripping(HEAD, b"X-A: b\r\n"), UnreachableError, "no answer within"),
    "dripping body": (dripping(CHUNKED, b"1\r\n \r\n"), UnreachableError, "no answer within"),
    "endless interim answers": (dripping(b"", b"HTTP/1.1 103 Early\r\n\r\n"), UnreachableError, "no answer within"),
    "oversized": (saying(http(200, HUGE)), UnreachableError, "longer than"),
    "oversized chunks": (
        said_and_gone(CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(HUGE), HUGE)),
        UnreachableError,
        "longer than",
    ),
    "oversized error": (saying(http(500, HUGE)), UnreachableError, "longer than"),
    "compressed": (saying(http(200, BOMB, "Content-Encoding: gzip")), UnreachableError, "compressed"),
    "compressed in an unknown way": (saying(http(200, b"{}", "Content-Encoding: x")), UnreachableError, "compressed"),
    # Answers that repeat what was sent.
    "echoed": (
        lambda _server, _line, request: http(400, error_body("22023", str(request.headers), str(request.headers))),
        InvalidInputError,
        "apikey",
    ),
    "echoed refusal": (
        lambda _server, _line, request: http(403, error_body("42501", str(request.headers), str(request.headers))),
        CredentialsRefusedError,
        "apikey",
    ),
    "echoed page": (
        lambda _server, _line, request: http(500, str(request.headers).encode(), content_type="text/html"),
        UnreachableError,
        "status 500",
    ),
    "echoed success": (
        lambda _server, _line, request: http(200, str(request.headers).encode()),
        UnreachableError,
        "not whole JSON",
    ),
}
SLOW = {name for name, (_, _, words) in FAULTS.items() if words == "no answer within"}


def asked_and_waited(url: str, **options: Any) -> TickctlError:
    """Return the error that a call leads to, for one who waits."""
    with ApiFunctions(url, KEY, **options) as functions, pytest.raises(TickctlError) as caught:
        functions.call("consume_ticks", {"ticks": 1}, caller=ADA)
    return caught.value


def asked_in_a_loop(url: str, **options: Any) -> TickctlError:
    """Return the error that a call leads to, in an event loop."""

    async def ask() -> TickctlError:
        async with AsyncApiFunctions(url, KEY, **options) as functions:
            with pytest.raises(TickctlError) as caught:
                await functions.call("consume_ticks", {"ticks": 1}, caller=ADA)
            return caught.value

    return asyncio.run(ask())


WAYS = [pytest.param(asked_and_waited, id="waiting"), pytest.param(asked_in_a_loop, id="loop")]
Way = Callable[..., TickctlError]


def assert_silent(error: BaseException) -> None:
    """Check that neither an error nor anything that it was raised from holds a secret or a request."""
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None:
        seen.append(following)
        following = following.__cause__ or following.__context__
    told = "".join(f"{each!r} {each} {vars(each)} {each.args}" for each in seen)
    told += "".join(traceback.format_exception(error))
    assert not any(secret.reveal() in told for secret in SECRETS)
    assert not any(hasattr(each, "request") for each in seen)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_error(fault: str, way: Way, caplog: pytest.LogCaptureFixture) -> None:
    """And the error tells no secret, nor does a log that tells everything."""
    caplog.set_level(logging.DEBUG)
    script, kind, words = FAULTS[fault]
    with serving(script) as server:
        error = way(server.url, timeout=0.1 if fault in SLOW else 10)
    assert isinstance(error, kind)
    assert words in error.message
    assert_silent(error)
    assert not any(secret.reveal() in caplog.text for secret in SECRETS)


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_makes_the_command_tell_a_secret(
    fault: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even with TICKCTL_DEBUG, which shows where an error came from."""
    monkeypatch.setenv("TICKCTL_DEBUG", "1")
    with serving(FAULTS[fault][0]) as server:
        error = asked_and_waited(server.url, timeout=0.1 if fault in SLOW else 10)
    report(error, as_json=True)
    shown = capsys.readouterr()
    assert error.code in shown.err
    assert not any(secret.reveal() in shown.err + shown.out for secret in SECRETS)


@pytest.mark.parametrize("way", WAYS)
def test_nothing_listens(way: Way) -> None:
    """The hint is another one than for an outage: nothing was sent, so nothing was done."""
    with serving(echo) as server:
        url = server.url
    error = way(url)
    assert isinstance(error, UnreachableError)
    assert "nothing listens" in error.message
    assert "look before" not in str(error.hint)
    assert_silent(error)


@pytest.mark.parametrize("way", WAYS)
def test_a_host_without_an_address(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of projects that have been deleted, or paused for long."""

    def find_nothing(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", find_nothing)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    error = way("https://abcdefghijklmnopqrst.supabase.co")
    assert isinstance(error, UnreachableError)
    assert error.message == "abcdefghijklmnopqrst.supabase.co: the host has no address"
    assert_silent(error)


# After these nothing has been done: the call was refused, not delivered, or undone.
KNOWN_OUTCOMES = {
    "database down",
    "no connection left",
    "unknown function",
    "two functions",
    "schema not served",
    "expired token",
    "foreign token",
    "no administrator",
    "wrong key",
    "no key",
    "no such user",
    "two such users",
    "changed meanwhile",
    "bad argument",
    "statement timeout",
    "lock timeout",
    "serialization",
    "disk full",
    "too many requests",
    "paused project",
    "redirect",
    "echoed",
    "echoed refusal",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_who_changed_something_is_told_to_look(fault: str) -> None:
    """Where nobody knows whether the call was carried out: what reads can simply be asked again."""
    script, kind, _ = FAULTS[fault]
    with serving(script) as server, ApiFunctions(server.url, OPERATOR_KEY, timeout=0.1 if fault in SLOW else 10) as to:
        for name in ("tick_admin_grant", "tick_admin_show"):
            with pytest.raises(kind) as caught:
                to.call(name, {"user_ref": "ada"}, caller=ServiceRole())
            told = "look before repeating" in str(caught.value.hint)
            assert told is (name == "tick_admin_grant" and fault not in KNOWN_OUTCOMES)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority that only those know whom a test tells of it."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"expired": True}, "expired"),
        ({"host": "other.example.com"}, "for another host"),
        ({"host": "127.0.0.2"}, "for another host"),
        ({"signed": False}, "signed by itself"),
    ],
    ids=["expired", "other host", "other address", "self-signed"],
)
def test_a_certificate_that_does_not_hold_ends_it(
    authority: Authority, options: dict[str, Any], words: str, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is sent."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificates))
    with serving(echo, authority.context(**options)) as server:
        error = way(server.url)
    assert isinstance(error, UnreachableError)
    assert words in error.message
    assert server.received == []
    assert_silent(error)


@pytest.mark.parametrize("way", WAYS)
def test_an_unknown_authority_ends_it(authority: Authority, way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint says how to make one's own known."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with serving(echo, authority.context()) as server:
        error = way(server.url)
    assert "unknown authority" in error.message
    assert "SSL_CERT_FILE" in str(error.hint)
    assert server.received == []


@pytest.mark.parametrize("way", WAYS)
def test_a_server_without_encryption_is_not_taken_for_one_with(way: Way) -> None:
    """A service on the port of another."""
    with serving(echo) as server:
        server.greeting = http(400, b"speak plainly")
        error = way(server.url.replace("http:", "https:"))
    assert isinstance(error, UnreachableError)
    assert "no encrypted connection" in error.message
    assert_silent(error)


@pytest.mark.parametrize("way", WAYS)
def test_a_connection_that_does_not_come_about_in_time(way: Way) -> None:
    """Nothing was sent, so nothing was done."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        error = way(f"https://127.0.0.1:{mute.getsockname()[1]}", timeout=0.2)
    assert isinstance(error, UnreachableError)
    assert error.message == "127.0.0.1: no connection in time"
    assert "look before" not in str(error.hint)


@pytest.mark.parametrize("way", WAYS)
def test_a_proxy_that_refuses(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for the way to the project, and shown neither key nor token."""
    with serving(saying(http(403, HTML))) as proxy:
        for name in ("NO_PROXY", "no_proxy", "https_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        error = way("https://abcdefghijklmnopqrst.supabase.co")
    assert isinstance(error, UnreachableError)
    assert error.message == "abcdefghijklmnopqrst.supabase.co: the proxy on the way refused"
    (request,) = proxy.received
    assert request.path == "abcdefghijklmnopqrst.supabase.co:443"
    assert not any(secret.reveal() in str(request) for secret in SECRETS)
    assert_silent(error)


def test_certificates_that_cannot_be_read_are_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names them."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent/certificates.pem")
    error = asked_and_waited("https://127.0.0.1:1")
    assert isinstance(error, ConfigurationError)
    assert "SSL_CERT_FILE" in str(error.hint)


def test_a_redirect_is_not_followed() -> None:
    """Key and token stay with the project's address."""
    with (
        serving(echo) as other,
        serving(saying(http(307, b"", f"Location: {other.url}/rest/v1/rpc/consume_ticks"))) as server,
    ):
        error = asked_and_waited(server.url)
    assert isinstance(error, UnreachableError)
    assert other.received == []


def test_a_bomb_is_not_unpacked() -> None:
    """Fifty megabytes come as fifty kilobytes; what was read counts, not what was meant."""
    assert len(BOMB) < LARGEST_ANSWER // 50
    with serving(saying(http(200, BOMB, "Content-Encoding: gzip"))) as server:
        assert "compressed" in asked_and_waited(server.url).message


def test_what_follows_an_answer_is_not_the_next_one_s() -> None:
    """A server that says more than it announced; the rest must not become the answer to somebody else."""
    stray = b'{"whose": "ada"}'

    def answer(server: TestServer, line: socket.socket, request: Received) -> bytes:
        if len(server.received) == 1:
            return HEAD + b"Content-Length: 2\r\n\r\n{}" + stray
        return echo(server, line, request)

    async def use(url: str) -> list[object]:
        eve = SignedInUser(claims={}, token=Secret("eyJhbGciOiJIUzI1NiJ9.e30.of-eve"))
        async with AsyncApiFunctions(url, KEY, connections=1) as functions:
            await functions.call("my_ticks", {}, caller=ADA)
            outcome = await asyncio.gather(functions.call("consume_ticks", {}, caller=eve), return_exceptions=True)
            return [*outcome, await functions.call("my_ticks", {"n": 2}, caller=eve)]

    with serving(answer) as server:
        second, third = asyncio.run(use(server.url))
    assert isinstance(second, UnreachableError) or "of-eve" in str(second)
    assert '"n": 2' in json.dumps(third)


@pytest.mark.parametrize("scarce", ["connections", "places"])
def test_who_waits_in_vain_for_the_turn_sends_nothing(scarce: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that was told as failed must not be made, and charge ticks, when the others are done."""
    if scarce == "places":
        monkeypatch.setattr("tickctl.adapters.api.functions.AT_ONCE", 1)
    go_on = threading.Event()

    def answer(server: TestServer, line: socket.socket, request: Received) -> bytes:
        go_on.wait(10)
        return echo(server, line, request)

    async def use(url: str) -> tuple[object, ...]:
        connections = 1 if scarce == "connections" else 8
        async with AsyncApiFunctions(url, KEY, timeout=0.5, connections=connections) as functions:
            calls = (functions.call("consume_ticks", {"n": n}, caller=ADA) for n in range(2))
            failed = await asyncio.gather(*calls, return_exceptions=True)
            go_on.set()
            return *failed, await functions.call("my_ticks", {"n": 2}, caller=ADA)

    with serving(answer) as server:
        *failed, last = asyncio.run(use(server.url))
        assert [json.loads(request.body)["n"] for request in server.received] == [0, 2]
    assert all(isinstance(error, UnreachableError) for error in failed)
    assert '"n": 2' in json.dumps(last)


def test_a_call_that_nobody_waits_for_is_not_repeated() -> None:
    """Its caller has been told that it failed."""
    told = threading.Event()

    def answer(server: TestServer, line: socket.socket, request: Received) -> bytes | None:
        if json.loads(request.body) == {"n": 2}:
            return echo(server, line, request)
        told.wait(10)
        return None

    async def use(url: str) -> None:
        async with AsyncApiFunctions(url, KEY, timeout=0.2) as functions:
            with pytest.raises(UnreachableError, match="no answer within"):
                await functions.call("consume_ticks", {"request_key": "k"}, caller=ADA)
            (exchange,) = functions._exchanges
            told.set()
            await exchange
            await functions.call("my_ticks", {"n": 2}, caller=ADA)

    with serving(answer) as server:
        asyncio.run(use(server.url))
        assert [json.loads(request.body) for request in server.received] == [{"request_key": "k"}, {"n": 2}]


def test_closing_ends_calls_under_way() -> None:
    """They fail; their callers are not cancelled."""

    async def use(url: str) -> object:
        functions = AsyncApiFunctions(url, KEY)
        call = asyncio.create_task(functions.call("consume_ticks", {}, caller=ADA))
        await asyncio.to_thread(arrived.wait, 10)
        await functions.aclose()
        return (await asyncio.gather(call, return_exceptions=True))[0]

    arrived = threading.Event()

    def answer(server: TestServer, line: socket.socket, request: Received) -> None:
        arrived.set()
        silent(server, line, request)

    with serving(answer) as server:
        error = asyncio.run(use(server.url))
    assert isinstance(error, UnreachableError)
    assert "closed during the call" in error.message
    assert "look before" in str(error.hint)


def test_an_interrupted_call_ends_at_once() -> None:
    """As with Ctrl-C, which the loop of its own must not swallow; the next call goes on."""

    def answer(server: TestServer, line: socket.socket, request: Received) -> bytes:
        if len(server.received) == 1:
            _thread.interrupt_main()
            server.over.wait(10)
        return echo(server, line, request)

    with serving(answer) as server, ApiFunctions(server.url, KEY, timeout=30) as functions:
        with pytest.raises(KeyboardInterrupt):
            functions.call("my_ticks", {}, caller=ADA)
        assert functions.call("my_ticks", {"n": 2}, caller=ADA)[0]["body"] == {"n": 2}
        assert len(server.received) == 2


@pytest.mark.parametrize("name", ["my_ticks", "consume_ticks"])
def test_a_late_answer_says_whether_to_look_first(name: str) -> None:
    """What only reads can simply be asked again."""
    with serving(silent) as server, ApiFunctions(server.url, KEY, timeout=0.05) as functions:
        with pytest.raises(UnreachableError, match=r"no answer within 0\.05 s") as caught:
            functions.call(name, {}, caller=ADA)
        assert ("look before" in str(caught.value.hint)) is (name == "consume_ticks")


def test_an_operator_s_key_is_kept_as_well() -> None:
    """A legacy one goes out twice, as key and as token."""
    legacy = Secret("eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl")
    for key in (OPERATOR_KEY, legacy):
        with (
            serving(FAULTS["echoed"][0]) as server,
            ApiFunctions(server.url, key) as functions,
            pytest.raises(InvalidInputError) as caught,
        ):
            functions.call("tick_admin_show", {}, caller=ServiceRole())
        assert key.reveal() not in f"{caught.value} {caught.value.hint}"
        assert_silent(caught.value)
