"""Files, read, replaced and locked with care: what is opened is what was looked at, and a write is whole or nothing."""

import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from tickctl.errors import ConfigurationError, TickctlError

PRIVATE: Final = 0o600
_READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # opening a pipe must not wait for its writer
_LOCK: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class RegularFile:
    """A file as it was when it was read.

    Attributes:
        content: all of it.
        owner: the user id.
        mode: the permissions.
    """

    content: bytes
    owner: int
    mode: int

    @property
    def is_private(self) -> bool:
        """Whether it belongs to this process's user, and nobody else may read or write it."""
        return self.owner == os.geteuid() and not self.mode & (stat.S_IRWXG | stat.S_IRWXO)


def read_regular(path: Path, largest: int, *, follow: bool = True) -> RegularFile:
    """Read a regular file.

    Args:
        path: of the file.
        largest: bytes that it may have.
        follow: whether a symbolic link counts as what it points to.

    Raises:
        OSError: it can't be read, is none, or is longer; `strerror` says so in words.
    """
    descriptor = os.open(path, _READ if follow else _READ | os.O_NOFOLLOW)
    try:
        # Asked of the open file, not of its name, which could mean another file a moment later.
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(largest + 1)
    finally:
        os.close(descriptor)
    if len(content) > largest:
        raise _too_large(path, largest)
    return RegularFile(content, status.st_uid, stat.S_IMODE(status.st_mode))


def read_text(
    path: Path,
    largest: int,
    *,
    hint: str,
    stream: BinaryIO | None = None,
    error: type[TickctlError] = ConfigurationError,
) -> str:
    """Read a text that a person has named on the command line, from a file or a pipe; without a byte order mark.

    Args:
        path: of the file.
        largest: bytes that it may have.
        stream: read in its place, such as standard input.
        hint: what to do where it can't be read; only the caller knows who named the file.
        error: the class of what is raised.

    Raises:
        TickctlError: it can't be read, is too large, or no UTF-8 text.
    """
    try:
        with nullcontext(stream) if stream is not None else path.open("rb") as file:
            content = file.read(largest + 1)
        if len(content) > largest:
            raise _too_large(path, largest)
        return content.decode("utf-8-sig")
    except OSError as problem:
        raise error(f"can't read {path}: {problem.strerror}", hint=hint) from None
    except UnicodeDecodeError:
        raise error(f"{path} is not UTF-8 text", hint="save the file as UTF-8") from None


def _too_large(path: Path, largest: int) -> OSError:
    return OSError(errno.EFBIG, f"it is larger than {largest // 1024} KiB", str(path))


@contextmanager
def replacing(path: Path, *, mode: int = PRIVATE, exclusive: bool = False) -> Iterator[BinaryIO]:
    """Write a file that appears whole or not at all; a symbolic link is replaced, not followed.

    Args:
        path: of the file.
        mode: its permissions; nobody else can read it before it has them.
        exclusive: leave alone whatever has this name already, even if it came a moment ago.

    Raises:
        FileExistsError: the name is taken, and that was to be left alone.
        OSError: it can't be written there.
    """
    descriptor, name = tempfile.mkstemp(prefix=".tickctl-", dir=path.parent)  # 0600 from the first byte
    written = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        if exclusive:
            os.link(written, path)  # unlike a rename, that fails where the name is taken
        else:
            written.replace(path)
            return
    finally:
        written.unlink(missing_ok=True)


def replace(path: Path, content: bytes, *, mode: int = PRIVATE) -> None:
    """Write a file in one step; see `replacing`."""
    with replacing(path, mode=mode) as file:
        file.write(content)


def open_lock(path: Path, *, append: bool = False) -> int:
    """Open a lock file, made with mode 0600 so that nobody else can hold a lock on it."""
    return os.open(path, _LOCK | os.O_APPEND if append else _LOCK, PRIVATE)


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Take the lock if nobody holds it (exclusively, for a shared one), and return whether that worked."""
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        return True
    return False


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the exclusive lock on a file; it goes with the process, however that ends.

    Raises:
        OSError: the lock file can't be opened.
    """
    descriptor = open_lock(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
