"""From a folder to a server that is ready: initdb on the first day, configuration and launch on every one."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from tickctl.adapters.embedded.account import Account
from tickctl.adapters.embedded.binaries import MAJOR_VERSION, Binaries
from tickctl.adapters.embedded.configuration import HOST_BASED_AUTHENTICATION, server_settings, user_map
from tickctl.adapters.embedded.failures import server_failure
from tickctl.adapters.embedded.home import Home, remove, write_new
from tickctl.adapters.embedded.postmaster import Log, PidFile, is_alive, life_line, read_pid_file, read_small, running
from tickctl.adapters.embedded.processes import is_server_of
from tickctl.adapters.embedded.sockets import make_socket_folder
from tickctl.adapters.embedded.waiting import wait_until
from tickctl.errors import ConfigurationError, UnreachableError

SUPERUSER: Final = "supabase_admin"
_START_SECONDS: Final = 60.0
_END_SECONDS: Final = 10.0
# Nothing of our environment is the server's business, least of all the keys in it.
_ENVIRONMENT: Final = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Startup:
    """Starts the server of a home. Used under the home's lock."""

    home: Home
    account: Account
    binaries: Binaries
    durable: bool

    def start(self) -> PidFile:
        """Return the running server, after making the data folder and starting it as needed.

        Raises:
            ConfigurationError: the data folder isn't one that we can use.
            UnreachableError: it did not start, or an earlier one does not end.
        """
        # Alive but not ready: whoever started it was killed meanwhile, or it was killed itself, and its other
        # processes are about to notice.
        if not wait_until(lambda: running(self.home) is not None or not is_alive(self.home), _START_SECONDS):
            raise UnreachableError(
                f"an earlier server in {self.home.path} is neither ready nor gone",
                hint=f"see {self.home.log}; `tickctl local stop` ends it",
            )
        process = running(self.home)
        if process is not None:
            return process
        with life_line(self.home) as log:
            if not self._has_data():
                self._make_data(log)
            self._clear_stale_pid_file()
            return self._launch(log)

    def _has_data(self) -> bool:
        """Whether there is a complete data folder of ours; False where nothing is."""
        data = self.home.data
        try:
            status = data.lstat()
        except FileNotFoundError:
            return False
        if data.is_symlink() or not data.is_dir():
            raise ConfigurationError(f"{data} is not a folder", hint="move it away, or set TICKCTL_HOME")
        if status.st_uid != self.account.uid:
            raise ConfigurationError(
                f"{data} does not belong to the user that runs the server",
                hint="change its owner back, or set TICKCTL_HOME to a new folder",
            )
        version = read_small(data / "PG_VERSION").strip()
        if version != MAJOR_VERSION:
            raise ConfigurationError(
                f"{data} was made by PostgreSQL {version[:10]!r}, and this is {MAJOR_VERSION}",
                hint="set TICKCTL_HOME to a new folder, or `tickctl local reset`",
            )
        return True

    def _make_data(self, log: Log) -> None:
        """Run initdb beside the place of the data folder, so that it is complete once it has its name."""
        unfinished = self.home.unfinished_data
        remove(unfinished)
        unfinished.mkdir(mode=0o700)
        self.account.give(unfinished)
        options = [f"--username={SUPERUSER}", "--auth-local=peer", "--auth-host=reject", "--no-instructions"]
        # PostgreSQL's own C.UTF-8 is the same on every system; the operating system's locale may not even be there.
        options += ["--encoding=UTF8", "--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if not self.durable:
            options.append("--no-sync")
        initdb = self._spawn(log, "initdb", *options, "-D", str(unfinished))
        with _ended_on_failure(initdb):
            if initdb.wait() != 0:
                raise server_failure(log.new_text(), self.home.path)
        unfinished.rename(self.home.data)

    def _clear_stale_pid_file(self) -> None:
        pid_file = read_pid_file(self.home.data)
        if pid_file is not None and is_server_of(pid_file.pid, self.home.data):
            raise ConfigurationError(
                f"a server that is not tickctl's, process {pid_file.pid}, uses {self.home.data}",
                hint="stop it with `pg_ctl stop`, then try again",
            )
        # PostgreSQL would take any living process with that id for a server of this folder.
        (self.home.data / "postmaster.pid").unlink(missing_ok=True)

    def _launch(self, log: Log) -> PidFile:
        sockets = make_socket_folder(self.home, self.account)
        files = self.home.configuration
        files.mkdir(mode=0o700, exist_ok=True)
        settings = server_settings(data=self.home.data, files=files, sockets=sockets, durable=self.durable)
        write_new(files / "postgresql.conf", settings)
        write_new(files / "pg_hba.conf", HOST_BASED_AUTHENTICATION)
        write_new(files / "pg_ident.conf", user_map(self.account.client))
        settings_file = f"config_file={files / 'postgresql.conf'}"
        server = self._spawn(log, "postgres", "-D", str(self.home.data), "-c", settings_file)
        with _ended_on_failure(server):
            settled = wait_until(lambda: server.poll() is not None or running(self.home) is not None, _START_SECONDS)
            process = running(self.home)
            if process is None:
                late = "" if settled else f"FATAL: it was not ready after {_START_SECONDS:.0f} s"
                raise server_failure(log.new_text() + late, self.home.path)
        # The server outlives this process on purpose: `Popen` must not warn that nobody waits for it.
        server.returncode = 0
        return process

    def _spawn(self, log: Log, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603
            (*self.account.prefix, str(self.binaries.path(program)), *arguments),
            stdin=subprocess.DEVNULL,
            stdout=log.descriptor,
            stderr=log.descriptor,
            cwd="/",
            env=_ENVIRONMENT,
            start_new_session=True,  # an interrupt at the terminal is for us, not for the server
        )


@contextmanager
def _ended_on_failure(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Leave no process behind that did not get to where it should be, or during which we were interrupted."""
    try:
        yield
    except BaseException:
        process.send_signal(signal.SIGQUIT)
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise
