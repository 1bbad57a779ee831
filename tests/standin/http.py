"""HTTP/1.1 on loopback with threads and keep-alive: requests come in as values, answers go out as values."""

import json
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote, urlsplit

JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent; header names are in lower case, in the order in which they came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path, decoded, without the query."""
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> str:
        """What follows the question mark, as it was sent."""
        return urlsplit(self.target).query

    def header(self, name: str) -> str | None:
        """Return a header's value; the name in any case."""
        return self.headers.get(name.lower())

    def at(self, target: str, headers: Mapping[str, str] | None = None) -> "Request":
        """Return the same request for another path, as a gateway passes it on."""
        return Request(self.method, target, self.headers if headers is None else headers, self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back. `reason` is the phrase after the status where it is not the usual one."""

    status: int
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    reason: str | None = None
    cut: int | None = None
    """How many bytes of the body are sent before the connection is closed; all of them if None."""

    def header(self, name: str) -> str | None:
        """Return a header's value; the name in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def adding(self, *headers: tuple[str, str]) -> "Answer":
        """Return the answer with further headers."""
        return Answer(self.status, (*self.headers, *headers), self.body, self.reason, self.cut)


def json_answer(status: int, document: Any, *headers: tuple[str, str], reason: str | None = None) -> Answer:
    """Return an answer with a JSON body."""
    body = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    return Answer(status, (("Content-Type", JSON), *headers), body, reason)


class Hangup(Exception):  # noqa: N818 - what happens, not a mistake
    """Raised by an application that closes the connection without an answer."""


Application = Callable[[Request], Answer]


@dataclass
class LoopbackServer:
    """Serves an application on a free port of 127.0.0.1, each connection in a thread of its own.

    `close` ends kept connections as well, so that no thread and no socket outlives a test.
    """

    application: Application
    server_name: str = "standin"
    _server: ThreadingHTTPServer = field(init=False)
    _thread: threading.Thread = field(init=False)
    _open: set[socket.socket] = field(init=False, default_factory=set)
    _closing: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        """Listen at once."""
        owner = self

        class Handler(_Handler):
            loopback = owner

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="standin", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop listening, hang up, and wait until every request's thread has ended."""
        self._closing = True
        self._server.shutdown()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    # So that closing it waits for its threads.
    daemon_threads = False


class _Handler(BaseHTTPRequestHandler):
    loopback: LoopbackServer
    protocol_version = "HTTP/1.1"
    # Head and body in one segment: otherwise each answer waits 40 ms for a delayed acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle(self) -> None:
        self.loopback._open.add(self.connection)
        try:
            # The client may leave at any moment; so may we, and then `close` didn't see this connection perhaps.
            with suppress(ConnectionError):
                if not self.loopback._closing:
                    super().handle()
        finally:
            self.loopback._open.discard(self.connection)

    def __getattr__(self, name: str) -> Any:
        # Any method is an application's to refuse, PROPFIND as well.
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, self.rfile.read(length))
        try:
            answer = self.loopback.application(request)
        except Hangup:
            self.close_connection = True
            return
        if self.loopback._closing:
            self.close_connection = True
            return
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status, answer.reason)
        self.send_header("Server", self.loopback.server_name)
        self.send_header("Date", self.date_time_string())
        for name, value in answer.headers:
            self.send_header(name, value)
        bodiless = answer.status in (204, 304) or answer.status < 200
        if not bodiless and answer.header("Content-Length") is None:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD" and not bodiless:
            self.wfile.write(answer.body if answer.cut is None else answer.body[: answer.cut])
        if answer.cut is not None:
            self.close_connection = True
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Keep quiet: tests look at what is answered."""
