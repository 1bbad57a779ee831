"""Looks at the folder of the embedded database; never starts it, and makes nothing."""

from pathlib import Path

from tickctl.adapters.embedded import EmbeddedDatabase, Server
from tickctl.adapters.embedded.binaries import MAJOR_VERSION, find_binaries
from tickctl.adapters.embedded.failures import reported
from tickctl.adapters.embedded.home import FORMAT, Home
from tickctl.adapters.embedded.postmaster import read_small
from tickctl.adapters.embedded.sockets import socket_folder
from tickctl.core.doctor.facts import Embedded
from tickctl.core.secret import Secret
from tickctl.errors import ConfigurationError


def look_at(path: Path) -> Embedded | None:
    """Return how the embedded database is; None where there is none yet.

    Raises:
        ConfigurationError: the folder can't be used, or its programs aren't installed.
        UnreachableError: the system didn't let us look.
    """
    home = Home.at(path)
    with reported(home.path):
        if not home.is_claimed():
            return None
        form = read_small(home.marker).strip()
    if form not in {"", FORMAT}:
        raise ConfigurationError(
            f"{home.path} has the format {form[:20]!r}, which this tickctl does not know",
            hint="install a newer tickctl",
        )
    find_binaries()
    status = EmbeddedDatabase(path).status()
    return Embedded(str(status.home), status.running, status.version, MAJOR_VERSION)


def url_of_running(path: Path) -> Secret | None:
    """Return where the embedded database can be connected to; None while it doesn't run.

    Raises:
        ConfigurationError: the folder can't be used.
        UnreachableError: the system didn't let us look.
    """
    database = EmbeddedDatabase(path)
    status = database.status()
    if status.pid is None:
        return None
    with reported(database.home):
        folder = socket_folder(Home.at(path))
    return Secret(Server(folder, status.pid, find_binaries().path("psql")).url())
