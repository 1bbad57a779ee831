"""What went wrong underneath, in the words and classes of `tickctl.errors`."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tickctl.errors import ConfigurationError, TickctlError, UnreachableError

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
# The others that open, mkdir and chown know are a machine in trouble, not a wrong setting.
_TROUBLE: Final = frozenset(
    {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.ESTALE, errno.ENOENT}
)
# How PostgreSQL, initdb and setpriv mark the line that says why they gave up.
_REASON: Final = re.compile(
    r"(?:\b(?:FATAL|PANIC|ERROR): +|^(?:initdb|postgres|setpriv): (?!hint|detail|warning|removing)(?:error: )?)(.+)",
    re.MULTILINE,
)
_NOT_ALLOWED: Final = re.compile(r"^setpriv: |Permission denied|Operation not permitted", re.MULTILINE)
_FULL_TEXT: Final = re.compile(r"No space left on device|Disk quota exceeded")


def disk_full(home: Path) -> UnreachableError:
    """Return the error for a full disk, which no retry mends and which is nobody's fault here."""
    return UnreachableError("the disk is full", hint=f"make room on the disk that holds {home}, then try again")


def says_disk_full(log: str) -> bool:
    """Return whether the server, or initdb, complained about a full disk."""
    return _FULL_TEXT.search(log) is not None


def server_failure(log: str, home: Path) -> TickctlError:
    """Return the error for a server that did not start, from what it wrote to its log in that attempt."""
    if says_disk_full(log):
        return disk_full(home)
    reasons: list[str] = _REASON.findall(log)
    message = f"the embedded database did not start: {reasons[-1].strip() if reasons else 'it gave no reason'}"
    if _NOT_ALLOWED.search(log):
        return ConfigurationError(
            message, hint="the server's user can't reach its programs or folder: run tickctl as an ordinary user"
        )
    return UnreachableError(message, hint=f"the whole log is {home / 'server.log'}")


@contextmanager
def reported(home: Path) -> Iterator[None]:
    """Turn the operating system's refusals into errors that name the folder."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise disk_full(home) from error
        about = f"can't use {error.filename or home}: {error.strerror}"
        if error.errno in _TROUBLE:
            raise UnreachableError(about, hint=f"see what is wrong with the disk or folder of {home}") from error
        raise ConfigurationError(about, hint=f"check owner and permissions of {home}, or set TICKCTL_HOME") from error
