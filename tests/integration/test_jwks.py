"""Published keys over real HTTP on loopback, and the copy of them on a real disk."""

import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tickctl.adapters.jwks import DiskCopy, fetch_jwks
from tickctl.errors import ConfigurationError, UnreachableError

DOCUMENT = b'{"keys":[]}'
LIMIT = 256 * 1024
URL = "https://abc.supabase.co/auth/v1/.well-known/jwks.json"

Serve = Callable[[Callable[[BaseHTTPRequestHandler], None]], str]


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Set when the test is over, so that handlers that keep a client waiting come to an end."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def serve(released: threading.Event) -> Iterator[Serve]:
    """Start servers on loopback, each answering GET with a function, and return their addresses."""
    running: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(answer: Callable[[BaseHTTPRequestHandler], None]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with suppress(ConnectionError):  # the client has seen enough
                    answer(self)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    released.set()
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


def reply(body: bytes = DOCUMENT, status: int = 200, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """Answer with this; `_` in header names is `-`."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in ({"Content_Type": "application/json", "Content_Length": str(len(body))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def test_document_is_returned_as_it_is(serve: Serve) -> None:
    """Its content is the core's to judge."""
    assert fetch_jwks(serve(reply())) == DOCUMENT
    assert fetch_jwks(serve(reply(b"<html>", Content_Type="text/html"))) == b"<html>"


def test_request_carries_nothing_but_what_it_needs(serve: Serve) -> None:
    """No cookies, no credentials, no compression."""
    seen: list[dict[str, str]] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        seen.append({name.lower(): value for name, value in handler.headers.items()})
        reply(Set_Cookie="a=b")(handler)

    url = serve(answer)
    fetch_jwks(url)
    fetch_jwks(url)
    for headers in seen:
        assert headers["accept-encoding"] == "identity"
        assert not {"cookie", "authorization", "apikey"} & headers.keys()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(status: int, serve: Serve) -> None:
    """Whoever could redirect could name the keys."""
    asked: list[str] = []

    def elsewhere(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        reply()(handler)

    target = serve(elsewhere)
    with pytest.raises(UnreachableError, match=str(status)):
        fetch_jwks(serve(reply(b"", status, Location=target)))
    assert asked == []


@pytest.mark.parametrize("status", [204, 400, 401, 403, 404, 429, 500, 503])
def test_only_status_200_brings_keys(status: int, serve: Serve) -> None:
    """A key set in another answer is none."""
    body = b"" if status == 204 else DOCUMENT
    with pytest.raises(UnreachableError, match=str(status)):
        fetch_jwks(serve(reply(body, status)))


def test_size_is_bounded_while_reading(serve: Serve, released: threading.Event) -> None:
    """A body without end is cut off: this server never comes to its end by itself."""

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not released.is_set():
            handler.wfile.write(b" " * 65536)

    with pytest.raises(UnreachableError, match="longer than 256 KiB"):
        fetch_jwks(serve(endless))


def test_size_limit_is_exact(serve: Serve) -> None:
    """256 KiB are read, one byte more is not."""
    assert len(fetch_jwks(serve(reply(b" " * LIMIT)))) == LIMIT
    with pytest.raises(UnreachableError):
        fetch_jwks(serve(reply(b" " * (LIMIT + 1))))


def test_compressed_answer_is_refused(serve: Serve) -> None:
    """A few bytes can unpack to any number."""
    with pytest.raises(UnreachableError, match="compressed"):
        fetch_jwks(serve(reply(b"\x1f\x8b", Content_Encoding="gzip")))


def test_silent_server_is_given_up(serve: Serve, released: threading.Event) -> None:
    """Within the time-out."""
    with pytest.raises(UnreachableError, match=r"no answer within 0\.05 s"):
        fetch_jwks(serve(lambda _: (released.wait(10), None)[1]), timeout=0.05)


def test_dripping_server_is_given_up(serve: Serve, released: threading.Event) -> None:
    """Each byte comes in time, the whole does not."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not released.wait(0.02):
            handler.wfile.write(b" ")

    with pytest.raises(UnreachableError, match=r"no answer within 0\.2 s"):
        fetch_jwks(serve(drip), timeout=0.2)


def test_server_that_drips_headers_is_given_up(serve: Serve, released: threading.Event) -> None:
    """Each wait ends in time, the status line and headers never do."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        while not released.wait(0.02):
            handler.wfile.write(b"x")

    with pytest.raises(UnreachableError, match=r"no answer within 0\.2 s"):
        fetch_jwks(serve(drip), timeout=0.2)


def test_refused_connection_is_unreachable(serve: Serve) -> None:
    """Nobody listens there any more."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_port
    with pytest.raises(UnreachableError, match="nothing listens there"):
        fetch_jwks(f"http://127.0.0.1:{port}")


def test_broken_off_answer_is_unreachable(serve: Serve) -> None:
    """Half a key set is none."""
    with pytest.raises(UnreachableError):
        fetch_jwks(serve(reply(DOCUMENT, Content_Length="4000")))


def test_answer_that_is_no_http_is_unreachable(serve: Serve) -> None:
    """Another service on that port."""

    def greet(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"220 mail.example ESMTP\r\n")

    with pytest.raises(UnreachableError):
        fetch_jwks(serve(greet))


@pytest.mark.parametrize(
    "url",
    [
        "http://abc.supabase.co/jwks",
        "http://10.0.0.1/jwks",
        "http://localhost.attacker.example/jwks",
        "http://127.0.0.1@attacker.example/jwks",
        "https://user:password@abc.supabase.co/jwks",
        "http://attacker.example\\@127.0.0.1/",
        "https://abc.supabase.co/a b",
        "https://abc.supabase.co/\n",
        "https:///jwks",
        "https://[::1/jwks",
        "file:///etc/passwd",
        "ftp://127.0.0.1/jwks",
        "abc.supabase.co",
        "",
    ],
)
def test_unsafe_address_is_never_asked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain http beyond loopback, credentials, other schemes, what is no URL; the password is not repeated."""
    monkeypatch.setattr("httpx.Client.stream", lambda *_, **__: pytest.fail("it was asked"))
    with pytest.raises(ConfigurationError) as caught:
        fetch_jwks(url)
    assert "password" not in caught.value.message


def test_https_is_asked_anywhere(serve: Serve) -> None:
    """It is tried, and a server that does not speak it is unreachable rather than refused."""
    with pytest.raises(UnreachableError):
        fetch_jwks(serve(reply()).replace("http:", "https:"))


def test_proxy_is_not_asked_about_loopback(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment is for the outside world."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert fetch_jwks(serve(reply())) == DOCUMENT


# The copy on disk.


@pytest.fixture
def copy(tmp_path: Path) -> DiskCopy:
    """A copy in a folder that does not exist yet."""
    return DiskCopy(tmp_path / "cache" / "tickctl", URL)


def the_file(tmp_path: Path) -> Path:
    """Return the one file of the copy."""
    (path,) = (tmp_path / "cache" / "tickctl").iterdir()
    return path


def test_copy_comes_back_as_it_was(copy: DiskCopy) -> None:
    """Document and time; before there is one, nothing."""
    assert copy.load() is None
    copy.save(DOCUMENT, 1_800_000_000.25)
    assert copy.load() == (DOCUMENT, 1_800_000_000.25)
    copy.save(b'{"keys":[1]}', 1_800_000_001.0)
    assert copy.load() == (b'{"keys":[1]}', 1_800_000_001.0)


def test_copy_is_private_from_its_first_byte(copy: DiskCopy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the umask, the file is made with mode 0600, not changed to it later."""
    made: list[tuple[int, int]] = []
    real_open = os.open

    def watching(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        descriptor = real_open(path, flags, mode, **more)
        if flags & os.O_CREAT:
            made.append((flags, stat.S_IMODE(os.fstat(descriptor).st_mode)))
        return descriptor

    monkeypatch.setattr(os, "open", watching)
    before = os.umask(0)
    try:
        copy.save(DOCUMENT, 1.0)
    finally:
        os.umask(before)
    ((flags, mode),) = made
    assert mode == 0o600
    assert flags & os.O_EXCL
    assert stat.S_IMODE(the_file(tmp_path).stat().st_mode) == 0o600
    assert stat.S_IMODE(the_file(tmp_path).parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o666])
def test_copy_that_others_can_touch_is_ignored(mode: int, copy: DiskCopy, tmp_path: Path) -> None:
    """Somebody else may have written the keys that would be trusted."""
    copy.save(DOCUMENT, 1.0)
    the_file(tmp_path).chmod(mode)
    assert copy.load() is None


def test_copy_of_another_owner_is_ignored(copy: DiskCopy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same file, seen by another user."""
    copy.save(DOCUMENT, 1.0)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert copy.load() is None


def test_link_is_not_followed(copy: DiskCopy, tmp_path: Path) -> None:
    """Neither to read nor to write."""
    copy.save(DOCUMENT, 1.0)
    path = the_file(tmp_path)
    elsewhere = path.rename(tmp_path / "elsewhere")
    path.symlink_to(elsewhere)
    assert copy.load() is None
    copy.save(b'{"keys":[2]}', 2.0)
    assert copy.load() == (b'{"keys":[2]}', 2.0)
    assert b"[2]" not in elsewhere.read_bytes()


def test_pipe_in_its_place_is_ignored_at_once(copy: DiskCopy, tmp_path: Path) -> None:
    """Opening it must not wait for a writer."""
    copy.save(DOCUMENT, 1.0)
    path = the_file(tmp_path)
    path.unlink()
    os.mkfifo(path, 0o600)
    assert copy.load() is None


def test_copies_are_kept_by_address(copy: DiskCopy, tmp_path: Path) -> None:
    """One project's keys are never another's, not even when the file is moved to its name."""
    other = DiskCopy(tmp_path / "cache" / "tickctl", URL.replace("abc", "xyz"))
    copy.save(DOCUMENT, 1.0)
    mine = the_file(tmp_path)
    assert other.load() is None
    other.save(DOCUMENT, 2.0)
    (theirs,) = set((tmp_path / "cache" / "tickctl").iterdir()) - {mine}
    mine.rename(theirs)
    assert other.load() is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b" " * (2 * 1024 * 1024),
        json.dumps({"url": URL, "fetched_at": "1", "document": "{}"}).encode(),
        json.dumps({"url": URL, "fetched_at": 1.0, "document": {}}).encode(),
        json.dumps({"url": URL, "fetched_at": True, "document": "{}"}).encode(),
        json.dumps({"url": URL, "fetched_at": 1.0, "document": "{}"}).encode() + b" " * (2 * 1024 * 1024),
        json.dumps({"url": "https://other", "fetched_at": 1.0, "document": "{}"}).encode(),
    ],
    ids=lambda content: repr(content[:20]),
)
def test_damaged_copy_is_ignored(content: bytes, copy: DiskCopy, tmp_path: Path) -> None:
    """It costs one request, and no error."""
    copy.save(DOCUMENT, 1.0)
    the_file(tmp_path).write_bytes(content)
    assert copy.load() is None


def test_copy_that_can_t_be_written_is_no_error(copy: DiskCopy, tmp_path: Path) -> None:
    """A file stands where the folder should be; a document that is no text can't be kept either."""
    (tmp_path / "cache").write_bytes(b"")
    copy.save(DOCUMENT, 1.0)
    assert copy.load() is None
    whole = DiskCopy(tmp_path, URL)
    whole.save(b"\xff", 1.0)
    assert whole.load() is None


def test_failed_replacement_leaves_the_old_copy_and_no_rubbish(
    copy: DiskCopy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new file appears whole or not at all."""
    copy.save(DOCUMENT, 1.0)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    copy.save(b'{"keys":[3]}', 2.0)
    assert copy.load() == (DOCUMENT, 1.0)
    assert the_file(tmp_path).name.endswith(".json")
