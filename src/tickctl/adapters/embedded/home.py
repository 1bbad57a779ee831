"""The folder of the embedded database: what is where, whether it is ours, and the secret in it.

Everything that we make has its owner and mode from the first moment. Nothing that we did not make is ever changed.
"""

import os
import secrets
import shutil
import stat
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tickctl.core.secret import Secret
from tickctl.errors import ConfigurationError
from tickctl.files import read_regular

FORMAT: Final = "1"
_LARGEST_SECRET: Final = 4096
_OPEN_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Control characters, and the surrogates that stand for bytes that are no text.
_UNWRITABLE: Final = frozenset({"Cc", "Cs"})
_ELSEWHERE: Final = "set TICKCTL_HOME to a folder of its own, which tickctl will create"


def default_home(environ: Mapping[str, str]) -> Path:
    """Return the folder of the embedded database: `TICKCTL_HOME`, else where this user's programs keep data."""
    if chosen := environ.get("TICKCTL_HOME"):
        return Path(chosen)
    from platformdirs import user_data_path  # noqa: PLC0415  (most commands are told where to go)

    return user_data_path("tickctl", appauthor=False)


@dataclass(frozen=True, slots=True)
class Home:
    """The folder and the names in it. As root, the server's own user gets `data` and `sockets`, and no more."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> "Home":
        """Return the home at this path, with symbolic links resolved so that every process says the same.

        Raises:
            ConfigurationError: the path can't be written into a configuration file.
        """
        text = "" if "\0" in str(path) else os.path.realpath(path)
        if not text or any(unicodedata.category(character) in _UNWRITABLE for character in text):
            raise ConfigurationError(f"the folder {str(path)!r} has a name that can't be used", hint=_ELSEWHERE)
        return cls(Path(text))

    @property
    def marker(self) -> Path:
        """Says that the folder is ours, and in which format."""
        return self.path / "tickctl-home"

    @property
    def lock(self) -> Path:
        """Held while somebody starts, stops or changes anything."""
        return self.path / "lock"

    @property
    def users_lock(self) -> Path:
        """Held, shared, by everybody who uses the server."""
        return self.path / "users.lock"

    @property
    def keep(self) -> Path:
        """Exists while the server is to go on without users."""
        return self.path / "keep"

    @property
    def jwt_secret(self) -> Path:
        """The key that signs the tokens of local users."""
        return self.path / "jwt-secret"

    @property
    def log(self) -> Path:
        """What the server writes, and its life line (see `postmaster`)."""
        return self.path / "server.log"

    @property
    def configuration(self) -> Path:
        """The server's settings, outside the data folder so that the server can't change them."""
        return self.path / "conf"

    @property
    def sockets(self) -> Path:
        """The folder of the socket, or a symbolic link to a shorter path."""
        return self.path / "run"

    @property
    def data(self) -> Path:
        """The data folder, complete."""
        return self.path / "pgdata"

    @property
    def unfinished_data(self) -> Path:
        """The data folder while initdb is at work."""
        return self.path / "pgdata.new"

    def is_claimed(self) -> bool:
        """Return whether the folder is there and ours; False where nothing is, or an empty folder.

        Raises:
            ConfigurationError: it is somebody else's, open to changes by others, or full of other things.
        """
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return False
        if not stat.S_ISDIR(status.st_mode):
            raise ConfigurationError(f"{self.path} is not a folder", hint=_ELSEWHERE)
        if status.st_uid != os.geteuid():
            raise ConfigurationError(f"{self.path} belongs to another user", hint=_ELSEWHERE)
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ConfigurationError(
                f"other users can change what is in {self.path}", hint=f"chmod go-w it, or {_ELSEWHERE}"
            )
        names = {entry.name for entry in self.path.iterdir()}
        if names and not (self.marker.name in names and stat.S_ISREG(self.marker.lstat().st_mode)):
            raise ConfigurationError(f"{self.path} is not empty and not a folder of tickctl", hint=_ELSEWHERE)
        return bool(names)

    def claim(self) -> None:
        """Make the folder ours, creating it if need be; quick when it already is.

        Raises:
            ConfigurationError: it can't be ours.
        """
        if not self.is_claimed():
            for folder in reversed([self.path, *self.path.parents]):
                if not folder.exists():
                    folder.mkdir(mode=0o700, exist_ok=True)
            self.marker.touch(mode=0o600)

    def check_format(self) -> None:
        """Check the marker's format version, under the lock; write it if a killed process left it empty.

        Raises:
            ConfigurationError: the folder was made by a version of tickctl that we know nothing of.
        """
        format_found = self.marker.read_text().strip()
        if not format_found:
            self.marker.write_text(FORMAT + "\n")
        elif format_found != FORMAT:
            raise ConfigurationError(
                f"{self.path} has the format {format_found[:20]!r}, which this tickctl does not know",
                hint="install a newer tickctl",
            )

    def read_or_make_secret(self) -> Secret:
        """Return the key for tokens, made on the first call, under the lock.

        Raises:
            ConfigurationError: other users could have read it.
        """
        if not os.path.lexists(self.jwt_secret):
            # Renamed when complete: a process killed in between leaves no half of a key.
            unfinished = self.jwt_secret.with_suffix(".new")
            write_new(unfinished, secrets.token_urlsafe(48) + "\n")
            unfinished.rename(self.jwt_secret)
        return self.read_secret()

    def read_secret(self) -> Secret:
        """Return the key for tokens.

        Raises:
            FileNotFoundError: none was made yet.
            ConfigurationError: other users could have read it.
        """
        file = read_regular(self.jwt_secret, _LARGEST_SECRET, follow=False)
        if not file.is_private:
            raise ConfigurationError(
                f"other users can read or replace {self.jwt_secret}",
                hint="delete that file; the next command makes a new key, and old tokens lose their validity",
            )
        return Secret(file.content.decode().strip())


def write_new(path: Path, text: str) -> None:
    """Write a file, closed to others from the first byte, in place of whatever had its name."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, _OPEN_NEW, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def remove(path: Path) -> None:
    """Remove a file or a folder of ours with all that is in it, without following symbolic links."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
