"""The session of `tickctl login`, kept in a file that nobody but its owner may read, one for each project."""

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tickctl.core.auth import AuthSession, SecondFactor
from tickctl.core.secret import Secret
from tickctl.errors import ConfigurationError
from tickctl.files import locked, read_regular, replace

_LARGEST: Final = 64 * 1024
_FORM: Final = 1
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def default_folder() -> Path:
    """Return the platform's folder for what a program keeps between runs and nobody edits."""
    from platformdirs import user_state_path  # noqa: PLC0415 - for signed-in users only

    return user_state_path("tickctl") / "sessions"


class SessionFile:
    """Where the session with one project lies.

    What others could have read or written is not used: the refresh token in it is worth as much as a password.

    Args:
        folder: of all sessions; made with mode 0700 when the first is saved.
        url: the project's address.

    Raises:
        ConfigurationError: all methods: the folder or the file can't be used, or isn't private. What is wrong and how
            to mend it is said; what the file holds is not.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._url = url
        name = f"{urlsplit(url).hostname}-{hashlib.sha256(url.encode()).hexdigest()[:12]}"
        self._path = folder / f"{name}.json"
        self._lock = folder / f"{name}.lock"

    @property
    def path(self) -> Path:
        """The file, for people."""
        return self._path

    def prepare(self) -> None:
        """Make sure that a session can be kept, before anybody is asked for a password."""
        with self.locked():
            pass

    def exists(self) -> bool:
        """Whether there is such a file, usable or not."""
        return os.path.lexists(self._path)

    def load(self, *, private: bool = True) -> AuthSession | None:
        """Return the session; `None` if there is none.

        Args:
            private: refuse what others may have read. Only to be ended may such a session be loaded.
        """
        try:
            content = self._read(private=private)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error.strerror or "it can't be read") from None
        session = _parse(content, self._url)
        if session is None:
            raise self._unusable("it holds something else than a session")
        return session

    def save(self, session: AuthSession) -> None:
        """Put a session in the place of the one before, in one step; the file is private from its first byte."""
        content = json.dumps(
            {
                "form": _FORM,
                "url": self._url,
                "user_id": session.user_id,
                "email": session.email,
                "access_token": session.access_token.reveal(),
                "refresh_token": session.refresh_token.reveal(),
                "expires_at": float(session.expires_at),
                "second_factor": session.second_factor,
            }
        )
        try:
            self._make_folder()
            replace(self._path, content.encode("ascii"))  # the token before was spent: there is no way back to it
        except OSError as error:
            raise self._unusable(error.strerror or "it can't be written") from None

    def remove(self) -> bool:
        """Remove the file, whatever it is; return whether there was one."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._unusable(error.strerror or "it can't be removed") from None
        return True

    @contextmanager
    def locked(self, *, private: bool = True) -> Iterator[None]:
        """Hold off every other command that wants to change this session; goes with the process, however it ends."""
        with ExitStack() as stack:
            try:
                self._make_folder(private=private)
                stack.enter_context(locked(self._lock))
            except OSError as error:
                raise self._unusable(error.strerror or "it can't be locked") from None
            yield

    def _read(self, *, private: bool) -> bytes:
        if private:
            self._check_folder()
        file = read_regular(self._path, _LARGEST, follow=False)
        if file.owner != os.geteuid():
            raise self._unusable("it belongs to somebody else")
        if private and not file.is_private:
            raise ConfigurationError(
                f"others may read the session in {self._path}",
                hint=f"end it with 'tickctl login --logout' and sign in again; "
                f"if nobody else was on this machine, 'chmod 600 {self._path}' is enough",
            )
        return file.content

    def _make_folder(self, *, private: bool = True) -> None:
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            self._folder.mkdir(mode=0o700)
        if private:
            self._check_folder()

    def _check_folder(self) -> None:
        status = os.lstat(self._folder)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & _OTHERS:
            raise ConfigurationError(
                f"the folder of the sessions, {self._folder}, is not yours alone",
                hint=f"chmod 700 {self._folder}, or remove it and sign in again",
            )

    def _unusable(self, problem: str) -> ConfigurationError:
        return ConfigurationError(
            f"the session in {self._path} can't be used: {problem}",
            hint="remove it with 'tickctl login --logout' and sign in again",
        )


def _parse(content: bytes, url: str) -> AuthSession | None:
    try:
        members = json.loads(content)
    except (ValueError, RecursionError):
        return None
    match members:
        case {
            "form": 1,
            "url": str(saved_url),
            "user_id": str(user_id),
            "email": str() | None as email,
            "access_token": str(access_token),
            "refresh_token": str(refresh_token),
            "expires_at": float(expires_at),
            "second_factor": "none" | "missing" | "shown" as second_factor,
        } if saved_url == url:
            tokens = Secret(access_token), Secret(refresh_token)
            return AuthSession(user_id, email, *tokens, expires_at, SecondFactor(second_factor))
        case _:
            return None
