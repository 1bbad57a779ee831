"""The server's processes: whether they live, which one to talk to, and how to stop them.

**The life line.** The server's log is opened and locked (flock) by us and handed to it as its standard output and
error. All its processes inherit it, and initdb's too, so that the lock is held exactly as long as one of them lives: no
matter who was killed, who took over its process id, or whether the folder was moved. Who gets that lock knows that the
folder is quiet.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tickctl.adapters.embedded.home import Home
from tickctl.adapters.embedded.processes import is_server_of, reap
from tickctl.adapters.embedded.sockets import remove_socket_folder
from tickctl.adapters.embedded.waiting import wait_until
from tickctl.errors import UnreachableError
from tickctl.files import open_lock, try_lock

_STOP_SECONDS: Final = 30.0
_LARGEST_LOG: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class PidFile:
    """What the server says of itself in postmaster.pid (its lines are told in PostgreSQL's `pidfile.h`)."""

    pid: int
    started_at: datetime
    status: str


@dataclass(frozen=True, slots=True)
class Log:
    """The log, open and locked, and where this attempt begins in it."""

    descriptor: int
    beginning: int

    def new_text(self) -> str:
        """Return what was written since it was opened."""
        size = os.fstat(self.descriptor).st_size
        return os.pread(self.descriptor, max(size - self.beginning, 0), self.beginning).decode(errors="replace")


@contextmanager
def life_line(home: Home) -> Iterator[Log]:
    """Open and lock the log; what is started with it keeps the lock after we have closed ours.

    Raises:
        UnreachableError: a process of a server holds it.
    """
    descriptor = open_lock(home.log, append=True)
    try:
        # `is_alive` takes it for a moment, too.
        if not wait_until(lambda: try_lock(descriptor), 1.0):
            raise UnreachableError(f"a server is still at work in {home.path}")
        if os.fstat(descriptor).st_size > _LARGEST_LOG:
            os.ftruncate(descriptor, 0)
        yield Log(descriptor, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)


def is_alive(home: Home) -> bool:
    """Return whether any process of a server, or of its making, lives in the home."""
    try:
        descriptor = os.open(home.log, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not try_lock(descriptor, shared=True)
    finally:
        os.close(descriptor)


def running(home: Home) -> PidFile | None:
    """Return the server that is ready to be used, if there is one."""
    pid_file = read_pid_file(home.data)
    ready = (
        pid_file is not None and pid_file.status == "ready" and is_alive(home) and is_server_of(pid_file.pid, home.data)
    )
    return pid_file if ready else None


def stop(home: Home) -> bool:
    """Stop the server, under the home's lock, ending its connections; return whether there was one.

    Raises:
        UnreachableError: it did not stop.
    """
    was_alive = is_alive(home)
    # SIGINT asks PostgreSQL for its "fast" shutdown, SIGQUIT for the "immediate" one, after which the next start
    # recovers.
    for request in (signal.SIGINT, signal.SIGQUIT):
        if _end(home, request):
            remove_socket_folder(home)
            return was_alive
    raise UnreachableError(f"the server in {home.path} does not stop", hint=f"see {home.log}")


def _end(home: Home, request: signal.Signals) -> bool:
    """Send the signal once there is somebody to get it, and return whether all processes are gone in time.

    One that is just starting has no process id to be read yet; one that was killed has other processes left, which
    notice it by themselves.
    """
    signalled: set[int] = set()

    def ended() -> bool:
        if not is_alive(home):
            return True
        pid_file = read_pid_file(home.data)
        if pid_file is not None and pid_file.pid not in signalled and is_server_of(pid_file.pid, home.data):
            signalled.add(pid_file.pid)
            with suppress(ProcessLookupError):
                os.kill(pid_file.pid, request)
        return False

    has_ended = wait_until(ended, _STOP_SECONDS)
    if has_ended:
        for server in signalled:
            reap(server)
    return has_ended


def latest_log(home: Home) -> str:
    """Return what the present, or latest, server has written to its log."""
    return home.log.read_text(errors="replace").rpartition("starting PostgreSQL")[2]


def read_pid_file(data: Path) -> PidFile | None:
    """Return what postmaster.pid says, or None while there is none or it is being written."""
    with suppress(OSError, ValueError, IndexError, OverflowError):
        lines = read_small(data / "postmaster.pid").splitlines()
        status = "".join(lines[7:8]).strip()
        return PidFile(int(lines[0]), datetime.fromtimestamp(int(lines[2]), UTC), status)
    return None


def read_small(path: Path) -> str:
    """Return the beginning of a file in the data folder, which another user may own: no links, no pipes, no flood."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 4096).decode(errors="replace")
    finally:
        os.close(descriptor)
