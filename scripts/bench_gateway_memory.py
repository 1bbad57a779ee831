"""Measures whether a gateway's memory stays as it is: a million requests in one process, called without a server.

Most requests are admitted, each under a token that the verifier may have forgotten again; of hundred, ten have an
Idempotency-Key, five find nothing left, three have a tampered token, two a body that isn't JSON, and one is for a
handler that fails, so that its charge is given back. The store answers at once. What is told is the resident memory
after the last request as a ratio to that after the first tenth.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench_gateway import BODY, POLICY, ROW, SECRET, Message, answering, request, tokens

from tickctl.core.json import JsonObject
from tickctl.core.quota import Caller
from tickctl.core.secret import Secret
from tickctl.core.tokens import KeySet, StaticKeys
from tickctl.gateway import Gate, TickGate

REQUESTS = int(os.environ.get("BENCH_REQUESTS", "1000000"))
TOKENS = 30_000
"""More than the verifier remembers."""
EXHAUSTED = {"decision": "quota_exhausted", "ticks_remaining": 0}
SETTLEMENT: JsonObject = {
    "outcome": "settled",
    "user_id": "00000000-0000-4000-8000-000000000000",
    "usage_date": "2026-11-23",
    "ticks_charged": 1,
    "ticks_settled": 0,
    "settled_at": "2026-11-23T12:00:00+00:00",
}


def measure() -> Iterator[tuple[str, float, str]]:
    """Yield the measurement."""
    early, late, answers = asyncio.run(_memory())
    told = ", ".join(f"{status}: {number:,}" for status, number in sorted(answers.items()))
    print(f"  {told}; {early / 1e6:.1f} MB, {late / 1e6:.1f} MB", file=sys.stderr, flush=True)
    yield f"memory after {REQUESTS:,} requests / after a tenth of them", late / early, "<= 1.05"


class _Store:
    """Answers at once, and that nothing is left where a request asks for two ticks."""

    async def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Grant, refuse or settle."""
        del caller
        if name == "settle_ticks":
            return [{**SETTLEMENT, "charge_id": arguments["charge_id"]}]
        if arguments["ticks"] == 2:  # noqa: PLR2004
            return [{**ROW, **EXHAUSTED, "charge_id": None}]
        return [{**ROW, "charge_id": arguments["charge_id"]}]


async def _service(scope: Message, receive: object, send: object) -> None:
    if scope["query_string"] == b"fail":
        raise RuntimeError("the handler fails")
    await answering(scope, receive, send)  # type: ignore[arg-type]


async def _memory() -> tuple[int, int, dict[int, int]]:
    """Return the bytes after a tenth and after all requests, and how often each status was answered; 0 is a failure."""
    store = _Store()
    gate = Gate(StaticKeys(KeySet.from_secret(Secret(SECRET))), POLICY, store)
    app = TickGate(_service, {"POST /tasks"}, gate=gate)
    authorizations = tokens(TOKENS)
    answers: dict[int, int] = {}
    early = 0
    for number in range(REQUESTS):
        status = await _one(app, number, authorizations[number % TOKENS])
        answers[status] = answers.get(status, 0) + 1
        if number == REQUESTS // 10:
            early = _resident()
    late = _resident()
    await gate.aclose()
    return early, late, answers


async def _one(app: TickGate, number: int, authorization: bytes) -> int:
    try:
        return await request(app, **_asked(number, authorization))
    except RuntimeError:
        await asyncio.sleep(0)  # the settlement goes on in the background
        return 0


def _asked(number: int, authorization: bytes) -> dict[str, Any]:
    """Return what a request is to be like, in the shares of a hundred that are told above."""
    kind, asked = number % 100, {"authorization": authorization, "body": BODY}
    if kind < 10:  # noqa: PLR2004
        return {**asked, "headers": ((b"idempotency-key", b'"task-%d"' % number),)}
    if kind < 15:  # noqa: PLR2004
        return {**asked, "body": b'{"max_ticks": 2}'}
    if kind < 18:  # noqa: PLR2004
        return {**asked, "authorization": authorization[:-9] + b"%09d" % number}
    if kind < 20:  # noqa: PLR2004
        return {**asked, "body": b'{"max_ticks": '}
    return {**asked, "query": b"fail"} if kind == 20 else asked  # noqa: PLR2004


def _resident() -> int:
    """Return the bytes of memory that this process has now; Linux only."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
