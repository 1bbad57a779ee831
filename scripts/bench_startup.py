"""How long commands take to start, as ratios to what any program with the same libraries pays.

Each pair of processes runs in turn, so that a change of the machine's speed meets both; the median ratio counts.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import jwt

PAIRS = 25
SECRET = "a-secret-for-measuring-that-is-long-enough"  # noqa: S105 - made up
TICKCTL = str(Path(sys.executable).with_name("tickctl"))


def measure() -> Iterator[tuple[str, float, str]]:
    """Yield what was compared, the median ratio, and the target."""
    python = [sys.executable, "-c"]
    yield (
        "tickctl --version / import typer",
        ratio([TICKCTL, "--version"], [*python, "import typer"]),
        "<= 1.3",
    )
    yield (
        "tickctl verify-token / import typer, jwt",
        ratio([TICKCTL, "verify-token", "-"], [*python, "import typer, jwt"], stdin=token()),
        "<= 1.5",
    )


def ratio(command: Sequence[str], other: Sequence[str], *, stdin: str = "") -> float:
    """Return the median over pairs of runs of the first command's wall clock to the second's."""
    seconds(command, stdin), seconds(other, stdin)  # once for the file cache
    return statistics.median(seconds(command, stdin) / seconds(other, stdin) for _ in range(PAIRS))


def seconds(command: Sequence[str], stdin: str) -> float:
    """Run a command to its successful end and return its wall clock time."""
    environment = {"PATH": os.environ["PATH"], "SUPABASE_URL": "https://measure.supabase.co"}
    environment |= {"SUPABASE_JWT_SECRET": SECRET, "SUPABASE_CONFIRMED_CLAIM": "confirmed"}
    began = time.perf_counter()
    subprocess.run(command, input=stdin.encode(), env=environment, check=True, capture_output=True)  # noqa: S603
    return time.perf_counter() - began


def token() -> str:
    """Return a token that verifies without any network: a user's, confirmed by its own claim."""
    now = int(time.time())
    claims = {
        "iss": "https://measure.supabase.co/auth/v1",
        "aud": "authenticated",
        "sub": "11111111-1111-4111-8111-111111111111",
        "session_id": "22222222-2222-4222-8222-222222222222",
        "role": "authenticated",
        "email": "user@example.com",
        "iat": now,
        "exp": now + 3600,
        "confirmed": True,
    }
    return jwt.encode(claims, SECRET, algorithm="HS256")
