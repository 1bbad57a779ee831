"""The small service that `tickctl gateway serve` puts behind a gate, and how it is served."""

import logging
import socket
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from tickctl.errors import InvalidInputError
from tickctl.gateway import Decided, Gate, Handled, Observation
from tickctl.gateway.fastapi import Ticks, protect
from tickctl.gateway.observation import GRANTED

Write = Callable[[str], None]

LOOPBACK: Final = "127.0.0.1"
USUAL_PORT: Final = 8000
_BACKLOG: Final = 1024
_FAREWELL_SECONDS: Final = 5


class Task(BaseModel):
    """What is asked for."""

    max_ticks: int


class Accepted(BaseModel):
    """What became of it."""

    task_id: str
    email: str | None
    ticks: int


def build_service(gate: Gate) -> FastAPI:
    """Return a service whose `POST /tasks` is protected; it accepts tasks and forgets them."""
    app = FastAPI(title="tickctl gateway serve")

    @app.post("/tasks", status_code=202)
    async def create_task(_task: Task, ticks: Ticks) -> Accepted:
        """Accept a task."""
        return Accepted(task_id=str(uuid.uuid4()), email=ticks.user.email, ticks=ticks.charge.ticks)

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Say that the service runs; of the database it says nothing."""
        return {"status": "ok"}

    protect(app, gate=gate)
    return app


def access_line(observation: Observation) -> str | None:
    """Return the line of the log for a request: status, decision, user, ticks and time; never a token.

    An allowed request is left to the observation of what became of it.
    """
    match observation:
        case Handled():
            decided, status, seconds = observation.decided, observation.status, observation.seconds
        case Decided() if observation.decision != GRANTED:
            decided, status, seconds = observation, observation.status, 0.0
        case _:
            return None
    parts = [f"{status or '---'} {decided.decision}"]  # without a status, the client had gone
    if decided.user_id:
        parts.append(decided.user_id)
    if decided.ticks is not None:
        parts.append(f"{decided.ticks} tick{'s' if decided.ticks != 1 else ''}")
    return "  ".join([*parts, f"{(seconds + decided.seconds) * 1000:.1f} ms"])


def listen(port: int | None) -> socket.socket:
    """Return a socket that listens on the loopback interface, so that requests wait from now on.

    Args:
        port: 0 takes any that is free, `None` the usual one if it is.

    Raises:
        InvalidInputError: the port can't be had.
    """
    with suppress(OSError):
        return _bound(USUAL_PORT if port is None else port)
    if port is None:
        return _bound(0)
    raise InvalidInputError(
        f"port {port} on {LOOPBACK} can't be had: it is in use, or not yours to take",
        hint="choose another with --port, or any that is free with --port 0",
    )


def _bound(port: int) -> socket.socket:
    # asyncio switches Nagle's algorithm off only where a socket names its protocol; else answers take 40 ms longer.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # A port that was in use a moment ago may be taken again; one that is in use may not.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((LOOPBACK, port))
        listening.listen(_BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


def show_errors(write: Write) -> None:
    """Show what libraries log as an error, in a line each."""
    logging.getLogger().addHandler(_Briefly(write))


def serve(app: FastAPI, listening: socket.socket) -> None:
    """Serve until interrupted or terminated, and let requests under way end, within seconds."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=_FAREWELL_SECONDS,
    )
    # uvicorn ends in order and then raises the signal again.
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])


class _Briefly(logging.Handler):
    """Shows errors without traceback; what libraries warn of is in the lines of requests, or told by the command."""

    def __init__(self, write: Write) -> None:
        super().__init__(logging.ERROR)
        self._show = write

    def emit(self, record: logging.LogRecord) -> None:
        """Write the first line of a message, and which kind of error it is about."""
        lines = record.getMessage().splitlines() or [""]
        kind = record.exc_info[0] if record.exc_info else None
        self._show(f"{record.name}: {lines[0]}{f' ({kind.__name__})' if kind else ''}")
