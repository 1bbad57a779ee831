"""Writing files that hold what not everybody may read."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from tickctl.errors import InvalidInputError


@contextmanager
def private_file(path: Path, *, exclusive: bool = False) -> Iterator[TextIO]:
    """Write a text file of mode 0600 that appears whole or not at all; a symlink is replaced, not followed.

    Args:
        path: of the file.
        exclusive: leave alone whatever has this name already, a symlink included, even if it came a moment ago.

    Raises:
        InvalidInputError: the folder is missing or can't be written to; or, exclusively, the name is taken.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=".tickctl-", dir=path.parent, text=True)  # 0600 from the first byte
    except OSError as error:
        raise InvalidInputError(f"can't write {path}: {error.strerror}", hint="name a folder of yours") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if exclusive:
            _link(Path(name), path)
        else:
            Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _link(written: Path, path: Path) -> None:
    """Give a written file its name; unlike a rename, that fails where the name is taken."""
    try:
        os.link(written, path)
    except FileExistsError:
        raise InvalidInputError(f"{path} exists already; it was left as it is", hint="name another file") from None
    except OSError as error:
        raise InvalidInputError(
            f"can't write {path}: {error.strerror}", hint="name a folder on a file system that has hard links"
        ) from None
    written.unlink()
