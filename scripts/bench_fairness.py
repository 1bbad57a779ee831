"""Measures what one user's flood leaves to another user of the same gateway.

Six hundred connections of one user each send the next request when they have the response: at once, or after the
seconds that its Retry-After says and up to as many more, so that they don't come in step. The other user sends fifty
requests a second, each over a connection that is free. Told is how many of those were admitted beside the flood for
each that was without it, and how much longer one took at the median. The gateway is that of `bench gateway`: one
process of uvicorn before an application that does nothing, and 8 connections to PostgreSQL. Requests without a pause
take all of its processor, whatever the gate answers.
"""

import asyncio
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from bench_gateway import add_users, serving, user_requests

from tickctl.adapters.embedded import EmbeddedDatabase

FLOOD = 600
A_SECOND = 50
SECONDS = 4
ROUNDS = 3


def measure() -> Iterator[tuple[str, float, str]]:
    """Yield the measurements."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tickctl-bench-"))
        server = stack.enter_context(EmbeddedDatabase(Path(folder) / "home", durable=True).use())
        add_users(server)
        port = stack.enter_context(serving(server.url("authenticator"), "ASGI", gated=True))
        asyncio.run(_admissions(port))  # warms up
        for pauses, words, target in ((True, "waiting as told", ">= 0.9"), (False, "without a pause", "(told)")):
            rounds = [_round(port, pauses=pauses) for _ in range(ROUNDS)]
            admitted, slower = (statistics.median(column) for column in zip(*rounds, strict=True))
            yield f"admitted beside {FLOOD} requests {words} / alone", admitted, target
            yield f"median time beside {FLOOD} requests {words} / alone", slower, "(told)"


def _round(port: int, *, pauses: bool) -> tuple[float, float]:
    alone = asyncio.run(_admissions(port))
    with _flooded(port, pauses=pauses):
        beside = asyncio.run(_admissions(port))
    return len(beside) / len(alone), statistics.median(beside) / statistics.median(alone)


async def _admissions(port: int) -> list[float]:
    """Send the second user's requests; return the seconds that each of those took that were admitted in time."""
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    times: list[float] = []
    began = time.perf_counter()

    async def send() -> None:
        sent = time.perf_counter()
        reader, writer = free.pop() if free else await asyncio.open_connection("127.0.0.1", port)
        writer.write(user_requests()[1])
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        await reader.readexactly(length)
        free.append((reader, writer))
        if head.startswith(b"HTTP/1.1 202 ") and time.perf_counter() - began < SECONDS:
            times.append(time.perf_counter() - sent)

    tasks = []
    for number in range(A_SECOND * SECONDS):
        await asyncio.sleep(began + number / A_SECOND - time.perf_counter())
        tasks.append(asyncio.create_task(send()))
    await asyncio.gather(*tasks)
    for _, writer in free:
        writer.close()
    return times


@contextmanager
def _flooded(port: int, *, pauses: bool) -> Iterator[None]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_flood, args=(theirs, port, pauses), daemon=True)
    process.start()
    try:
        ours.recv()
        yield
    finally:
        process.terminate()
        process.join()


def _flood(pipe: Connection, port: int, pauses: bool) -> None:
    async def flood() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(FLOOD):
            await loop.create_connection(lambda: _Flooding(pauses=pauses), "127.0.0.1", port)
        pipe.send(None)
        await loop.create_future()

    asyncio.run(flood())


class _Flooding(asyncio.Protocol):
    """Sends one request after another; a response comes in one piece, being short."""

    def __init__(self, *, pauses: bool) -> None:
        self._pauses = pauses

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def data_received(self, response: bytes) -> None:
        if self._pauses and response.startswith(b"HTTP/1.1 429 "):
            seconds = int(response.partition(b"retry-after: ")[2].split(b"\r\n", 1)[0])
            asyncio.get_running_loop().call_later(seconds * random.uniform(1, 2), self._send)  # noqa: S311
        else:
            self._send()

    def _send(self) -> None:
        self._transport.write(user_requests()[0])  # type: ignore[attr-defined]
