"""Writing files that hold what not everybody may read."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from tickctl.errors import InvalidInputError
from tickctl.files import replacing


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
        with replacing(path, exclusive=exclusive) as file:
            stream = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
            yield stream
            stream.detach()
    except FileExistsError:
        raise InvalidInputError(f"{path} exists already; it was left as it is", hint="name another file") from None
    except OSError as error:
        raise InvalidInputError(f"can't write {path}: {error.strerror}", hint="name a folder of yours") from None
