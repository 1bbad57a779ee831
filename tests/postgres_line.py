"""A line to PostgreSQL that can be held, cut, shortened and lied on."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo


class Line:
    """Passes on what clients and a server say to each other, as long as it is told to; it has a thread of its own."""

    def __init__(self, url: str) -> None:
        parts = conninfo_to_dict(url)
        self._folder, self._port = str(parts["host"]), int(parts["port"] or 5432)
        self._parts = parts | {"host": "127.0.0.1", "hostaddr": "", "sslmode": "disable", "gssencmode": "disable"}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._own_port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._conversations: set[asyncio.Task[Any]] = set()
        self._open = asyncio.Event()
        self._answers_left: int | None = None
        self._replacement: bytes | None = None
        self._cut = self._always = self._is_deaf = False
        self.swallowed = threading.Event()
        self.accepted = 0

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return make_conninfo("", **(self._parts | {"port": self._own_port}))

    @property
    def lines(self) -> int:
        """How many connections there are."""
        return len(self._writers) // 2

    def hold(self, *, after: int = 0) -> None:
        """Let no more through than so many bytes of answers; what is said meanwhile waits."""
        self._do(self._set(answers_left=after, cut=False))

    def cut(self, *, after: int = 0, always: bool = False) -> None:
        """Hang up on both sides after so many bytes of answers, when the server has said more; once, or each time."""
        self._do(self._set(answers_left=after, cut=True, always=always))

    def refuse(self) -> None:
        """Hang up on clients that say anything, and pass none of it on."""
        self._do(self._set(is_deaf=True))

    def strand(self) -> None:
        """Pass everything on again, but for the answers that wait: these never come."""
        self._do(self._strand())

    def say(self, answer: bytes) -> None:
        """Say this in place of what the server says next."""
        self._do(self._set(replacement=answer))

    def hang_up(self) -> None:
        """End all connections now."""
        self._do(self._hang_up())

    def release(self) -> None:
        """Pass everything on again."""
        self._do(self._set())

    def close(self) -> None:
        """Listen no longer, and hang up."""
        self._do(self._close())

    def listen(self) -> None:
        """Listen, where it did before."""
        self._do(self._listen())

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        self.release()
        self.listen()

    def stop(self) -> None:
        """End."""
        self.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _set(
        self,
        answers_left: int | None = None,
        replacement: bytes | None = None,
        *,
        cut: bool = False,
        always: bool = False,
        is_deaf: bool = False,
    ) -> None:
        self._answers_left, self._replacement, self._cut = answers_left, replacement, cut
        self._always, self._is_deaf = always, is_deaf
        self.swallowed.clear()
        if answers_left is None:
            self._open.set()
        else:
            self._open.clear()

    async def _strand(self) -> None:
        self._open = asyncio.Event()
        await self._set()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._converse, "127.0.0.1", self._own_port)
        self._own_port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._hang_up()

    async def _hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        for conversation in self._conversations:
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._folder.startswith("/"):
            far_reader, far_writer = await asyncio.open_unix_connection(f"{self._folder}/.s.PGSQL.{self._port}")
        else:
            far_reader, far_writer = await asyncio.open_connection(self._folder, self._port)
        self._writers |= {writer, far_writer}
        ways = [
            asyncio.create_task(self._questions(reader, far_writer)),
            asyncio.create_task(self._answers(far_reader, writer)),
        ]
        self._conversations.update(ways)
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            self._conversations.difference_update(ways)
            self._writers -= {writer, far_writer}
            for end in (writer, far_writer):
                end.close()

    async def _questions(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while (data := await reader.read(65536)) and not self._is_deaf:
                writer.write(data)
                await writer.drain()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if self._replacement is not None:
                    data, self._replacement = self._replacement, None
                if self._answers_left is not None:
                    said, rest = data[: self._answers_left], data[self._answers_left :]
                    self._answers_left -= len(said)
                    writer.write(said)
                    await writer.drain()
                    if not rest:
                        continue
                    self.swallowed.set()
                    if self._cut:
                        if not self._always:
                            self._answers_left, self._cut = None, False
                            self._open.set()
                        return
                    await self._open.wait()
                    data = rest
                writer.write(data)
                await writer.drain()


@contextmanager
def line_to(url: str) -> Iterator[Line]:
    """Give a line for the length of a block."""
    line = Line(url)
    line.start()
    try:
        yield line
    finally:
        line.stop()
