"""One server process on a data folder: making the folder, starting, stopping, and knowing which it is.

**The life line.** The server's log is opened and locked (flock) by us and handed to it as its standard output and
error. All its processes inherit it, and initdb's too, so that the lock is held exactly as long as one of them lives: no
matter who was killed, who took over its process id, or whether the folder was moved. Who gets that lock knows that the
folder is quiet.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tickctl.adapters.embedded.account import Account
from tickctl.adapters.embedded.binaries import MAJOR_VERSION, Binaries
from tickctl.adapters.embedded.configuration import HOST_BASED_AUTHENTICATION, server_settings, user_map
from tickctl.adapters.embedded.failures import server_failure
from tickctl.adapters.embedded.home import Home, remove, write_new
from tickctl.adapters.embedded.locks import open_lock_file, try_lock
from tickctl.adapters.embedded.processes import is_server_of, reap
from tickctl.adapters.embedded.sockets import make_socket_folder, remove_socket_folder
from tickctl.adapters.embedded.waiting import wait_until
from tickctl.errors import ConfigurationError, UnreachableError

SUPERUSER: Final = "supabase_admin"
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0
_LARGEST_LOG: Final = 256 * 1024
# Nothing of our environment is the server's business, least of all the keys in it.
_ENVIRONMENT: Final = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class PidFile:
    """What the server says of itself in postmaster.pid ("Database File Layout" in PostgreSQL's manual)."""

    pid: int
    started_at: datetime
    status: str


@dataclass(frozen=True, slots=True)
class Postmaster:
    """The server of one home. Every method but `running` is called under the home's lock."""

    home: Home
    account: Account
    binaries: Binaries
    durable: bool

    def running(self) -> PidFile | None:
        """Return the server that is ready to be used, if there is one."""
        found = read_pid_file(self.home.data)
        if found is None or found.status != "ready" or not is_alive(self.home):
            return None
        reap(found.pid)
        return found if is_server_of(found.pid, self.home.data) else None

    def start(self) -> PidFile:
        """Return the running server, after making the data folder and starting it as needed.

        Raises:
            ConfigurationError: the data folder isn't one that we can use.
            UnreachableError: it did not start, or an earlier one does not end.
        """
        # Not ready, yet alive: somebody was killed while it started, or it is stopping, or the server was killed and
        # its other processes are still at work.
        settled = wait_until(lambda: self.running() is not None or not is_alive(self.home), _START_SECONDS)
        if not settled:
            raise UnreachableError(
                f"an earlier server in {self.home.path} is neither ready nor gone",
                hint="see server.log in that folder; `tickctl local stop` ends it",
            )
        found = self.running()
        if found is not None:
            return found
        with life_line(self.home) as log:
            if not is_ours(self.home.data, self.account):
                self._make_data(log)
            self._clear_stale_pid_file()
            return self._launch(log)

    def stop(self) -> bool:
        """Stop the server, ending its connections, and return whether there was one.

        Raises:
            UnreachableError: it did not stop.
        """
        alive = is_alive(self.home)
        found = read_pid_file(self.home.data)
        if alive:
            # SIGINT is PostgreSQL's fast shutdown; SIGQUIT leaves the rest to recovery at the next start.
            for request in (signal.SIGINT, signal.SIGQUIT):
                if found and is_server_of(found.pid, self.home.data):
                    with suppress(ProcessLookupError):
                        os.kill(found.pid, request)
                if wait_until(lambda: not is_alive(self.home), _STOP_SECONDS):
                    break
            else:
                raise UnreachableError(
                    f"the server in {self.home.path} does not stop", hint="see server.log in that folder"
                )
            if found:
                reap(found.pid, wait=True)
        remove_socket_folder(self.home)
        return alive

    def _make_data(self, log: "Log") -> None:
        unfinished = self.home.unfinished_data
        remove(unfinished)
        unfinished.mkdir(mode=0o700)
        self.account.give(unfinished)
        # The collation is PostgreSQL's own C.UTF-8, the same on every system.
        options = ["--encoding=UTF8", "--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        access = ["--auth-local=peer", "--auth-host=reject", f"--username={SUPERUSER}"]
        speed = [] if self.durable else ["--no-sync"]
        initdb = self._spawn(log, "initdb", *options, *access, *speed, "--no-instructions", "-D", str(unfinished))
        with ended_on_failure(initdb):
            if initdb.wait() != 0:
                raise server_failure(log.new_text(), self.home.path)
        unfinished.rename(self.home.data)

    def _clear_stale_pid_file(self) -> None:
        found = read_pid_file(self.home.data)
        if found is None:
            return
        if is_server_of(found.pid, self.home.data):
            raise ConfigurationError(
                f"a server that tickctl did not start (process {found.pid}) uses {self.home.data}",
                hint="stop it with `pg_ctl stop`, then try again",
            )
        # PostgreSQL would believe any living process to be a server of this folder.
        (self.home.data / "postmaster.pid").unlink()

    def _launch(self, log: "Log") -> PidFile:
        sockets = make_socket_folder(self.home, self.account)
        files = self.home.configuration
        files.mkdir(mode=0o755, exist_ok=True)
        settings = server_settings(data=self.home.data, files=files, sockets=sockets, durable=self.durable)
        write_new(files / "postgresql.conf", settings, mode=0o644)
        write_new(files / "pg_hba.conf", HOST_BASED_AUTHENTICATION, mode=0o644)
        write_new(files / "pg_ident.conf", user_map(self.account.client), mode=0o644)
        settings_file = f"config_file={files / 'postgresql.conf'}"
        server = self._spawn(log, "postgres", "-D", str(self.home.data), "-c", settings_file)
        with ended_on_failure(server):
            settled = wait_until(lambda: server.poll() is not None or self.running() is not None, _START_SECONDS)
            found = self.running()
            if found is None:
                late = "" if settled else f"FATAL: it was not ready after {_START_SECONDS:.0f} s"
                raise server_failure(log.new_text() + late, self.home.path)
        # The server outlives this process on purpose: `Popen` must not warn that nobody waits for it.
        server.returncode = 0
        return found

    def _spawn(self, log: "Log", program: str, *arguments: str) -> "subprocess.Popen[bytes]":
        command: Sequence[str] = (*self.account.prefix, str(self.binaries.path(program)), *arguments)
        return subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=log.descriptor,
            stderr=log.descriptor,
            cwd="/",
            env=_ENVIRONMENT,
            start_new_session=True,
        )


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
def ended_on_failure(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Don't leave a process behind that we could not bring to where it should be, or were interrupted with."""
    try:
        yield
    except BaseException:
        process.send_signal(signal.SIGQUIT)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise


@contextmanager
def life_line(home: Home) -> Iterator[Log]:
    """Open and lock the log; what is started with it keeps the lock after we have closed ours.

    Raises:
        UnreachableError: a process of a server holds it.
    """
    descriptor = open_lock_file(home.log, append=True)
    try:
        # `is_alive` holds it for a moment, too.
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


def is_ours(data: Path, account: Account) -> bool:
    """Return whether there is a complete data folder; False where nothing is.

    Raises:
        ConfigurationError: there is something else in its place.
    """
    try:
        found = data.lstat()
    except FileNotFoundError:
        return False
    if not data.is_dir() or data.is_symlink():
        raise ConfigurationError(f"{data} is not a folder", hint="move it away, or set TICKCTL_HOME")
    if found.st_uid != account.uid:
        raise ConfigurationError(f"{data} belongs to another user than the server", hint="set TICKCTL_HOME")
    version = read_small(data / "PG_VERSION").strip()
    if version != MAJOR_VERSION:
        raise ConfigurationError(
            f"{data} was made by PostgreSQL {version[:10]!r}; this is {MAJOR_VERSION}", hint="set TICKCTL_HOME"
        )
    return True


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
