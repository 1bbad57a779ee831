"""Measures what the API adapter adds to a call, and how many connections serve many callers best.

The server is a process of its own on loopback that answers every request with the same row: at once, to see what a call
costs on our side, or after two milliseconds, about what a database in the same region takes, to see what connections
are good for. The sides take turns; the median of the rounds' ratios is told.
"""

import asyncio
import json
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import httpx

from tickctl.adapters.api import CONNECTIONS, ApiFunctions, AsyncApiFunctions
from tickctl.core.quota import SignedInUser
from tickctl.core.secret import Secret

ROUNDS = 7
CALLS = 200
CALLERS = 64
CALLS_EACH = 4
LATENCY = 0.002
KEY = "sb_publishable_of_this_measurement"
TOKEN = "eyJhbGciOiJFUzI1NiIsImtpZCI6Im1lYXN1cmUifQ." + "e" * 700 + "." + "s" * 86
CALLER = SignedInUser(claims={}, token=Secret(TOKEN))
ARGUMENTS = {"ticks": 1, "require_confirmed": True}
ROW = {
    "decision": "granted",
    "charge_id": "6f1f1c2e-0d3b-4b57-9d3e-0a4f1c7c9a11",
    "daily_tick_limit": 32,
    "ticks_granted": 0,
    "ticks_used": 1,
    "ticks_remaining": 31,
    "usage_date": "2026-11-23",
    "resets_at": "2026-11-24T00:00:00+00:00",
    "now": "2026-11-23T12:00:00+00:00",
}
BODY = json.dumps(ROW).encode()
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
)


def measure() -> Iterator[tuple[str, float, str]]:
    """Yield the measurements."""
    with serving(0) as url:
        yield "a call in a loop / bare httpx", asyncio.run(_against_httpx(url)), ">= 0.6"
        yield "a call that is waited for / bare httpx", _waiting_against_httpx(url), ">= 0.3"
    with serving(LATENCY) as url:
        for others in (1, 4, 16, 32):
            ratio = asyncio.run(_throughput_ratio(url, CONNECTIONS, others))
            yield f"{CALLERS} callers, {CONNECTIONS} connections / {others}", ratio, ">= 0.9"


@contextmanager
def serving(latency: float) -> Iterator[str]:
    """Serve in a process of its own; yields the address."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_serve, args=(theirs, latency), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


class _Answering(asyncio.Protocol):
    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        if end and len(body) >= length:
            self._received = b""
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, ANSWER)  # type: ignore[attr-defined]


def _serve(pipe: Connection, latency: float) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: _Answering(latency), "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


def _headers() -> dict[str, str]:
    return {"apikey": KEY, "Authorization": f"Bearer {TOKEN}"}


async def _against_httpx(url: str) -> float:
    async with AsyncApiFunctions(url, Secret(KEY)) as functions, httpx.AsyncClient(trust_env=False) as client:

        async def ours() -> object:
            return await functions.call("consume_ticks", ARGUMENTS, caller=CALLER)

        async def bare() -> object:
            answer = await client.post(f"{url}/rest/v1/rpc/consume_ticks", json=ARGUMENTS, headers=_headers())
            return answer.json()

        return statistics.median([await _seconds(bare) / await _seconds(ours) for _ in range(ROUNDS)])


async def _seconds(call: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    for _ in range(CALLS):
        await call()
    return time.perf_counter() - began


def _waiting_against_httpx(url: str) -> float:
    with ApiFunctions(url, Secret(KEY)) as functions, httpx.Client(trust_env=False) as client:

        def ours() -> None:
            for _ in range(CALLS):
                functions.call("consume_ticks", ARGUMENTS, caller=CALLER)

        def bare() -> None:
            for _ in range(CALLS):
                client.post(f"{url}/rest/v1/rpc/consume_ticks", json=ARGUMENTS, headers=_headers()).json()

        return statistics.median(_timed(bare) / _timed(ours) for _ in range(ROUNDS))


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


async def _throughput_ratio(url: str, first: int, second: int) -> float:
    return statistics.median([await _throughput(url, first) / await _throughput(url, second) for _ in range(ROUNDS)])


async def _throughput(url: str, connections: int) -> float:
    """Return calls per second of many callers at once."""
    async with AsyncApiFunctions(url, Secret(KEY), connections=connections) as functions:

        async def caller() -> None:
            for _ in range(CALLS_EACH):
                await functions.call("consume_ticks", ARGUMENTS, caller=CALLER)

        began = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return CALLERS * CALLS_EACH / (time.perf_counter() - began)
