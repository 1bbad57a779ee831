"""ASGI applications under a real uvicorn on loopback, and clients that say exactly what they are told."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import h11
import httpx
import uvicorn

T = TypeVar("T")
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]

PATIENCE = 20.0
"""Seconds after which what hangs has failed; nothing that works takes a tenth of it."""


@dataclass
class Running:
    """A server in a thread of this process, with an event loop of its own."""

    port: int
    server: uvicorn.Server
    loop: asyncio.AbstractEventLoop
    _thread: threading.Thread
    _clients: list[httpx.Client] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def client(self, **options: Any) -> httpx.Client:
        """Return a client with keep-alive that is closed when the server stops; paths are enough for it."""
        made = httpx.Client(base_url=self.url, trust_env=False, verify=False, timeout=PATIENCE, **options)  # noqa: S501
        self._clients.append(made)
        return made

    def do(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine on the server's loop and return what it returns."""
        return asyncio.run_coroutine_threadsafe(work(), self.loop).result(PATIENCE)

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Return the tasks of the server's loop that are under way."""

        async def look() -> list[asyncio.Task[Any]]:
            return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

        return self.do(look)

    def begin_stopping(self) -> None:
        """Ask the server to stop, as SIGTERM does: no more connections, requests under way are finished."""
        self.loop.call_soon_threadsafe(setattr, self.server, "should_exit", True)

    def stop(self) -> None:
        """Stop, and wait for the end of the lifespan and of the thread."""
        for client in self._clients:
            client.close()
        if self._thread.is_alive():
            with suppress(RuntimeError):  # the loop has ended by itself
                self.begin_stopping()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the server did not stop"


class _Server(uvicorn.Server):
    """Tells when it serves, or that it never will."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.loop: asyncio.AbstractEventLoop | None = None
        self.decided = threading.Event()
        self.failure: BaseException | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self.decided.set()

    def work(self, listener: socket.socket) -> None:
        try:
            self.run([listener])
        except BaseException as error:  # noqa: BLE001 - told to the thread that waits
            self.failure = error
        finally:
            listener.close()
            self.decided.set()


@contextmanager
def running(app: Any, **config: Any) -> Iterator[Running]:
    """Serve an application for the length of a block; its lifespan is complete when the block begins and ends.

    Args:
        app: the application.
        config: further settings of uvicorn, such as `http="httptools"`, `root_path` or `lifespan="off"`.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    options = {"http": "h11", "log_config": None, "access_log": False, "ws": "none", "timeout_graceful_shutdown": 10}
    server = _Server(uvicorn.Config(app, **(options | config)))
    thread = threading.Thread(target=server.work, args=(listener,), name="uvicorn", daemon=True)
    thread.start()
    assert server.decided.wait(PATIENCE), "the server did not start"
    if not server.started or server.loop is None:
        thread.join(PATIENCE)
        raise AssertionError("the application refused to start") from server.failure
    served = Running(listener.getsockname()[1], server, server.loop, thread)
    try:
        yield served
    finally:
        served.stop()
    assert server.failure is None, server.failure


@dataclass(frozen=True)
class Reply:
    """A response as it came: the header names in lower case, in their order."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return a header that there is at most once."""
        found = [value for key, value in self.headers if key == name]
        assert len(found) <= 1, f"{name} stands there {len(found)} times"
        return found[0] if found else None


class Line:
    """A connection that sends bytes as they are given, and reads the responses to one request after another."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        # One byte at a time shall be one packet at a time.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *pieces: bytes) -> None:
        """Send each piece by itself; what the other side no longer reads is no error."""
        with suppress(ConnectionError):
            for piece in pieces:
                self.socket.sendall(piece)

    def head(self) -> bytes:
        """Read the head of one response, such as 100 (Continue), and leave what follows it unread."""
        while b"\r\n\r\n" not in self._unread:
            received = self.socket.recv(65536)
            assert received, "the connection ended without a response"
            self._unread += received
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        return head

    def reply(self, method: str = "POST") -> Reply:
        """Read one final response; `h11.RemoteProtocolError` where the connection ends before."""
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method=method, target="/", headers=[("Host", "x"), ("Connection", "close")]))
        reader.send(h11.EndOfMessage())
        head: h11.Response | None = None
        body = b""
        if self._unread:
            reader.receive_data(self._unread)
        while True:
            event = reader.next_event()
            match event:
                case h11.NEED_DATA:
                    reader.receive_data(self.socket.recv(65536))
                case h11.Response():
                    head = event
                case h11.Data():
                    body += event.data
                case h11.EndOfMessage():
                    break
                case h11.ConnectionClosed():
                    raise h11.RemoteProtocolError("the connection ended without a response")
        self._unread = reader.trailing_data[0]
        assert head is not None
        return Reply(head.status_code, [(name.decode(), value.decode("latin-1")) for name, value in head.headers], body)

    def is_closed(self) -> bool:
        """Wait for the other side to hang up; whether it did so without saying more."""
        try:
            return not self._unread and self.socket.recv(1) == b""
        except ConnectionError:
            return True


def ask(port: int, *pieces: bytes, method: str = "POST") -> Reply:
    """Send pieces over a connection of their own and return the response."""
    with Line(port) as line:
        line.send(*pieces)
        return line.reply(method)


def request_bytes(method: str, target: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b"") -> bytes:
    """Return an HTTP/1.1 request with Host and, for a body without a framing of its own, Content-Length."""
    lines = [f"{method} {target} HTTP/1.1", "Host: gateway.test", *(f"{name}: {value}" for name, value in headers)]
    framed = {name.lower() for name, _ in headers} & {"content-length", "transfer-encoding"}
    if body and not framed:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
