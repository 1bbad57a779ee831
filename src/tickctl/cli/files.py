"""Writing files that hold what not everybody may read."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from tickctl.errors import InvalidInputError


@contextmanager
def private_file(path: Path) -> Iterator[TextIO]:
    """Write a text file of mode 0600 that appears whole or not at all; a symlink is replaced, not followed.

    Raises:
        InvalidInputError: the folder is missing or can't be written to.
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
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
