"""The embedded database: started by who needs it, stopped by the last who used it, without a daemon.

Two locks make that work. `lock` is held, for moments, by whoever starts or stops the server. `users.lock` is held,
shared, by everybody who uses it; so who gets it exclusively is the last. Both go with their process, however it ends: a
killed command leaves a running server, and the next one's end stops it.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from tickctl.adapters.embedded.account import find_account
from tickctl.adapters.embedded.binaries import find_binaries
from tickctl.adapters.embedded.failures import reported
from tickctl.adapters.embedded.home import Home, remove, write_new
from tickctl.adapters.embedded.postmaster import read_small, running, stop
from tickctl.adapters.embedded.server import Server
from tickctl.adapters.embedded.sockets import socket_folder
from tickctl.adapters.embedded.startup import Startup
from tickctl.adapters.embedded.waiting import wait_until
from tickctl.core.secret import Secret
from tickctl.errors import ConflictError, TickctlError, UnreachableError
from tickctl.files import open_lock, try_lock

PATIENCE_SECONDS: Final = 60.0
NOTICE_SECONDS: Final = 1.0


@contextmanager
def held(path: Path, notify: Callable[[str], None], *, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Hold the exclusive lock on a file; wait for it if need be, and say so after a second.

    Raises:
        UnreachableError: somebody else has held it for longer than `patience` seconds.
    """
    descriptor = open_lock(path)
    try:
        if not wait_until(lambda: try_lock(descriptor), min(NOTICE_SECONDS, patience)):
            notify(f"waiting for another tickctl that is busy with {path.parent}")
            if not wait_until(lambda: try_lock(descriptor), patience - NOTICE_SECONDS):
                raise UnreachableError(
                    f"another tickctl has been busy with {path.parent} for more than {patience:.0f} s",
                    hint="try again when it has ended; `lsof` or `fuser` on the file `lock` in that folder names it",
                )
        yield
    finally:
        os.close(descriptor)


# Whoever is busy for longer than that is starting the server, and will stop it, too.
_LEAVING_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Status:
    """How the embedded database is.

    Attributes:
        running: whether it can be connected to.
        kept: whether it goes on when nobody uses it.
        pid: the server's process.
        home: its folder.
        version: of PostgreSQL, as the data folder has it; None before the first use.
        size_bytes: of the data folder; None before the first use.
        started_at: when the server was started.
    """

    running: bool
    kept: bool
    pid: int | None
    home: Path
    version: str | None
    size_bytes: int | None
    started_at: datetime | None


class EmbeddedDatabase:
    """A PostgreSQL of our own in a folder, shaped like the database of a Supabase project.

    Args:
        home: its folder, created on first use.
        durable: False spares the disk, for tests and demonstrations: a power cut may destroy the data.
        notify: called with a sentence when something takes longer than a person expects.

    Every method may raise ConfigurationError (the folder, the programs or the account can't be used) and
    UnreachableError (the server does not start, somebody else is busy with the folder, the disk is full).
    """

    def __init__(self, home: Path, *, durable: bool = True, notify: Callable[[str], None] | None = None) -> None:
        self._home = Home.at(home)
        self._durable = durable
        self._notify = notify or (lambda _message: None)

    @property
    def home(self) -> Path:
        """The folder, with symbolic links resolved."""
        return self._home.path

    @contextmanager
    def use(self) -> Iterator[Server]:
        """Give a running server for as long as the block lasts.

        It is started if need be, and stopped at the end if nobody else uses it and it isn't kept.
        """
        user = os.getpid()
        users, server = self._enter()
        try:
            yield server
        finally:
            # A fork of this process has the same lock, not one of its own: what it ends is not our use.
            if os.getpid() == user:
                self._leave(users)

    def start(self) -> Server:
        """Start the server and keep it running until `stop`."""
        with self.use() as server:
            with self._changing():
                write_new(self._home.keep, "")
            return server

    def stop(self) -> bool:
        """Stop the server, whoever uses it, and return whether it was running."""
        if not self._is_there():
            return False
        with self._changing():
            remove(self._home.keep)
            return stop(self._home)

    def status(self) -> Status:
        """Return how things are, changing nothing."""
        if not self._is_there():
            return Status(False, False, None, self._home.path, None, None, None)
        with reported(self._home.path):
            process = running(self._home)
            there = self._home.data.is_dir()
            return Status(
                running=process is not None,
                kept=self._home.keep.exists(),
                pid=process.pid if process else None,
                home=self._home.path,
                version=read_small(self._home.data / "PG_VERSION").strip() if there else None,
                size_bytes=_size(self._home.data) if there else None,
                started_at=process.started_at if process else None,
            )

    def reset(self) -> None:
        """Stop the server and remove all data and the key; the folder itself stays.

        Raises:
            ConflictError: somebody else uses the database.
        """
        if not self._is_there():
            return
        with self._changing():
            users = open_lock(self._home.users_lock)
            try:
                if not try_lock(users):
                    raise ConflictError(
                        f"somebody else uses the database in {self._home.path}",
                        hint="try again when they have finished",
                    )
                stop(self._home)
                home = self._home
                for ours in (home.keep, home.data, home.unfinished_data, home.configuration, home.jwt_secret, home.log):
                    remove(ours)
            finally:
                os.close(users)

    def jwt_secret(self) -> Secret:
        """Return the key that signs the tokens of this database's users, made on the first call."""
        with self._changing():
            return self._home.read_or_make_secret()

    def look(self) -> Server | None:
        """Return the server if one runs; nothing is started, kept or written.

        It may be stopped at any moment, by the last who uses it: this is no use of it.
        """
        if not self._is_there():
            return None
        with reported(self._home.path):
            process = running(self._home)
            return Server(socket_folder(self._home), process.pid, find_binaries().path("psql")) if process else None

    def running(self) -> Server:
        """Return the server that runs; as `look`, but there must be one.

        Raises:
            UnreachableError: none runs.
        """
        server = self.look()
        if server is None:
            raise UnreachableError(
                f"the embedded database in {self._home.path} does not run", hint="'tickctl local start' starts it"
            )
        return server

    def known_secret(self) -> Secret | None:
        """Return the key that signs the tokens of this database's users, if it was made before."""
        if not self._is_there():
            return None
        with reported(self._home.path):
            try:
                return self._home.read_secret()
            except FileNotFoundError:
                return None

    def _enter(self) -> tuple[int, Server]:
        """Begin to use the server: return the descriptor whose shared lock says so, and the server."""
        with self._changing():
            users = open_lock(self._home.users_lock)
            try:
                fcntl.flock(users, fcntl.LOCK_SH)
                return users, self._start()
            except BaseException:
                with suppress(TickctlError):
                    self._stop_if_last(users)
                os.close(users)
                raise

    def _leave(self, users: int) -> None:
        """End one use. The work is done by now: if the server can't be stopped, that is worth a notice, no error."""
        try:
            with reported(self._home.path):
                fcntl.flock(users, fcntl.LOCK_UN)
                with held(self._home.lock, self._notify, patience=_LEAVING_SECONDS):
                    self._stop_if_last(users)
        except TickctlError as error:
            self._notify(error.message)
        finally:
            os.close(users)

    def _stop_if_last(self, users: int) -> None:
        if try_lock(users) and not self._home.keep.exists():
            stop(self._home)

    def _start(self) -> Server:
        from tickctl.adapters.embedded.bootstrap import bootstrap  # noqa: PLC0415  (psycopg takes its time)

        startup = Startup(self._home, find_account(), find_binaries(), self._durable)
        if not self._home.data.exists():
            self._notify(f"setting up the embedded database in {self._home.path}, once")
        started = startup.start()
        server = Server(socket_folder(self._home), started.pid, startup.binaries.path("psql"))
        bootstrap(server, self._home)
        return server

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with reported(self._home.path):
            self._home.claim()
            with held(self._home.lock, self._notify):
                self._home.check_format()
                yield

    def _is_there(self) -> bool:
        with reported(self._home.path):
            return self._home.is_claimed()


def _size(folder: Path) -> int:
    """Return how many bytes the files in a folder have; those that vanish meanwhile count nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(parent, name).lstat().st_size
    return total
