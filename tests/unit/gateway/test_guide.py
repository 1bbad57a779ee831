"""docs/GATEWAY.md names every answer of the gate, and none that there isn't."""

import ast
import asyncio
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from source_support import tree_of
from tickctl.adapters.embedded.accounts import sign
from tickctl.core.quota import Decision
from tickctl.core.secrets import Secret
from tickctl.core.tokens import KeySet, Policy, Reason, StaticKeys
from tickctl.gateway import Gate, GateRequest
from tickctl.gateway.refusals import DECISIONS, VERDICTS

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs" / "GATEWAY.md"
GATEWAY = ROOT / "src" / "tickctl" / "gateway"


def documented() -> set[tuple[int, str]]:
    """Return the statuses and codes of the guide's table."""
    rows = re.findall(r"^\| (\d{3}) \| ([^|]+) \|", GUIDE.read_text(), re.MULTILINE)
    return {(int(status), code) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}


def written_in_the_source() -> Iterator[tuple[int, str]]:
    """Yield the statuses and codes of the problems that are made where a request is looked at."""
    positions = {"Problem": None, "invalid_token": 401}
    for path in GATEWAY.glob("*.py"):
        for node in ast.walk(tree_of(path)):
            match node:
                case ast.Call(ast.Name(name), [ast.Constant(int(status)), ast.Constant(str(code)), *_]):
                    if name == "Problem":
                        yield status, code
                case ast.Call(ast.Name(name), [ast.Constant(str(code)), *_]) if positions.get(name):
                    yield 401, code
                case ast.Call(ast.Name("cannot_tell"), [_, ast.Constant(str(code))]):
                    yield 503, code


def answers() -> set[tuple[int, str]]:
    """Return every status and code that the gate can answer with."""
    verdicts = {(status, reason.value) for reason, status in VERDICTS.items() if status is not None}
    decisions = {answer[:2] for answer in DECISIONS.values() if answer is not None}
    return verdicts | decisions | set(written_in_the_source())


def test_the_guide_lists_every_answer() -> None:
    """Whoever writes a client finds each status with each code, and nothing that never comes."""
    assert documented() == answers()


def test_every_verdict_and_decision_has_an_answer() -> None:
    """A code that is added must be given one."""
    assert set(VERDICTS) == set(Reason)
    assert set(DECISIONS) == set(Decision)


def test_the_store_of_the_guide_is_one() -> None:
    """Whoever copies it gets a gate that admits a good token."""
    secret, issuer, now = "s" * 40 + "t", "https://example.supabase.co/auth/v1", int(time.time())
    (code,) = re.findall(r"```python\n(class Generous:.*?)```", GUIDE.read_text(), re.DOTALL)
    names: dict[str, Any] = {
        "Gate": Gate,
        "KeySet": KeySet,
        "Policy": Policy,
        "Secret": Secret,
        "UTC": UTC,
        "datetime": datetime,
        "StaticKeys": StaticKeys,
        "ISSUER": issuer,
        "JWT_SECRET": secret,
    }
    exec(code, names)  # noqa: S102 - our own guide
    user, session = str(uuid4()), str(uuid4())
    claims = {"iss": issuer, "sub": user, "aud": "authenticated", "exp": now + 60, "iat": now, "session_id": session}
    token = sign({**claims, "role": "authenticated"}, Secret(secret)).reveal()

    async def body() -> bytes:
        return b'{"max_ticks": 3}'

    headers = [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json")]
    admission = asyncio.run(names["gate"].admit(GateRequest("POST", "/tasks", b"", headers, body)))
    assert (admission.user.id, admission.charge.ticks) == (user, 3)
