"""What tests of the command line share: running it as a process, and what the process left."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "tickctl"]


@dataclass(frozen=True)
class Result:
    """What a process left: its exit code and what it wrote."""

    code: int
    out: str
    err: str = ""

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, str | None]:
        """The JSON error on stderr."""
        error = json.loads(self.err.splitlines()[-1])["error"]
        assert isinstance(error, dict)
        return error


Tickctl = Callable[..., Result]


def run_tickctl(
    *arguments: str, env: Mapping[str, str], cwd: Path, stdin: str | bytes = b"", timeout: float = 60
) -> Result:
    """Run `tickctl` in a pipe."""
    result = subprocess.run(
        [*COMMAND, *arguments],
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        env=env,
        cwd=cwd,
        capture_output=True,
        check=False,
        timeout=timeout,
    )
    return Result(result.returncode, result.stdout.decode(), result.stderr.decode())


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a bare environment; only coverage's own variables come through from the test run."""
    passed = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("COV")}
    return passed | {"HOME": str(home), "TICKCTL_HOME": str(home), "LANG": "C.UTF-8"} | dict(more or {})
