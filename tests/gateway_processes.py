"""Several gateways as processes, each with a socket of its own, over one store."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from asgi_support import PATIENCE
from gateway_support import SECRET, Where
from quota_support import Database
from tickctl.adapters.embedded.server import LOCAL_ISSUER

TESTS = Path(__file__).parent


@dataclass
class GatewayProcess:
    """One of them; what it writes goes to a file."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def terminate(self) -> None:
        """Ask it to stop."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Wait until it has ended, and return its exit code."""
        return self.process.wait(PATIENCE)


def variables(where: Where) -> dict[str, str]:
    """Return the environment of a gateway over a store, as its operator would write it."""
    if isinstance(where, Database):
        return {
            "SUPABASE_DB_URL": where.authenticator_url,
            "SUPABASE_JWT_SECRET": SECRET,
            "SUPABASE_JWT_ISSUER": LOCAL_ISSUER,
        }
    return {
        "SUPABASE_URL": where.url,
        "SUPABASE_ANON_KEY": where.anon_key,
        "SUPABASE_JWT_SECRET": where.jwt_secret,
    }


@contextmanager
def gateways(where: Where, folder: Path, number: int = 4, **environment: str) -> Iterator[list[GatewayProcess]]:
    """Run gateways for the length of a block; each listens already when the block begins."""
    passed = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("COV")}
    passed |= {"PYTHONPATH": str(TESTS), "PYTHONWARNINGS": "error"} | variables(where) | environment
    with ExitStack() as stack:
        made = []
        for position in range(number):
            log = folder / f"gateway-{position}.log"
            output = stack.enter_context(log.open("wb"))
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=256))
            process = subprocess.Popen(
                [sys.executable, "-m", "gateway_worker", str(listener.fileno())],
                pass_fds=[listener.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=passed,
                cwd=folder,  # where there are no env files
            )
            gateway = GatewayProcess(listener.getsockname()[1], process, log)
            listener.close()
            stack.callback(_stop, gateway)
            made.append(gateway)
        yield made
        for gateway in made:
            gateway.terminate()
        for gateway in made:
            # Uvicorn sends itself the signal again once it has shut down.
            assert gateway.wait() in {0, -signal.SIGTERM}, gateway.log.read_text()


def _stop(gateway: GatewayProcess) -> None:
    """End what a failed test has left."""
    gateway.process.kill()
    gateway.process.wait()
