"""A gateway as a process of its own: `python -m gateway_worker FD`, listening on an inherited socket.

Built as its users build one: from the environment alone. The application answers 202 with what it was charged. For the
path `/slow` it first writes to the named pipe ENTERED and then waits until something is written to the pipe RELEASE;
`/broken` is answered 500.
"""

import asyncio
import logging
import os
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn

from gateway_support import UNHURRIED, answer, lifespan
from tickctl.gateway import GateOptions, TickGate


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Serve a request, or the lifespan."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    if scope["path"] == "/slow":
        await asyncio.to_thread(Path(os.environ["ENTERED"]).write_bytes, b"!")
        await asyncio.to_thread(Path(os.environ["RELEASE"]).read_bytes)
    ticks = scope["state"]["ticks"]
    if scope["path"] == "/broken":
        await answer(send, 500, {})
        return
    await answer(send, 202, {"user": ticks.user.id, "charge": ticks.charge.id, "ticks": ticks.charge.ticks})


def main() -> None:
    """Serve until SIGTERM."""
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    listener = socket.socket(fileno=int(sys.argv[1]))
    options = GateOptions(timeout=float(os.environ.get("TIMEOUT", UNHURRIED)))
    app = TickGate(application, protect={"POST /tasks", "POST /slow", "POST /broken"}, options=options)
    config = uvicorn.Config(app, http="h11", ws="none", lifespan="on", log_config=None, access_log=False)
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
