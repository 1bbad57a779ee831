"""Where the server's socket lies: in the home, or, when that path is too long for a socket, somewhere shorter."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from tickctl.adapters.embedded.account import Account
from tickctl.adapters.embedded.configuration import PORT
from tickctl.adapters.embedded.home import Home, remove

SOCKET_NAME: Final = f".s.PGSQL.{PORT}"
# sun_path holds 108 bytes on Linux and 104 on macOS, the last of them NUL (unix(7)).
_LONGEST_PATH: Final = 103
_SHORT_PREFIX: Final = "tickctl-"


def make_socket_folder(home: Home, account: Account) -> Path:
    """Make a folder for the socket of a server that is about to start, in place of an earlier one.

    `home.sockets` is then that folder or a symbolic link to it. The short one is a private folder in the runtime folder
    of this user or the temporary folder.
    """
    remove_socket_folder(home)
    folder = home.sockets
    if not _is_usable(folder):
        private = Path(tempfile.mkdtemp(prefix=_SHORT_PREFIX, dir=_short_parent()))
        folder = private / "run"
        home.sockets.symlink_to(folder)
    folder.mkdir(mode=0o700)
    account.give(folder)
    return folder


def socket_folder(home: Home) -> Path:
    """Return the folder of the running server's socket, in its short form."""
    return home.sockets.readlink() if home.sockets.is_symlink() else home.sockets


def remove_socket_folder(home: Home) -> None:
    """Remove what `make_socket_folder` made, for this server or for one that was killed."""
    if home.sockets.is_symlink():
        private = home.sockets.readlink().parent
        # After a restart of the machine that name may be somebody else's.
        with suppress(FileNotFoundError):
            if private.name.startswith(_SHORT_PREFIX) and private.lstat().st_uid == os.geteuid():
                remove(private)
    remove(home.sockets)


def _is_usable(folder: Path) -> bool:
    # libpq reads a comma in a host name as the end of the first of several hosts.
    return len(os.fsencode(folder / SOCKET_NAME)) <= _LONGEST_PATH and "," not in str(folder)


def _short_parent() -> str:
    candidates = (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp")  # noqa: S108  (mkdtemp follows)
    for candidate in candidates:
        example = Path(candidate) / f"{_SHORT_PREFIX}12345678" / "run"
        if example.is_absolute() and _is_usable(example) and _is_trustworthy(Path(candidate)):
            return candidate
    return candidates[-1]


def _is_trustworthy(folder: Path) -> bool:
    """Whether a folder made in here stays ours: nobody but us and root owns what is around it."""
    return os.access(folder, os.W_OK | os.X_OK) and folder.stat().st_uid in {0, os.geteuid()}
