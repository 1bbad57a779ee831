"""File locks that go with the process that holds them, however it ends.

All are flock(2) locks: the kernel drops them when the last copy of the file descriptor is closed. Python opens files
with O_CLOEXEC (PEP 446), so that no program started by us inherits them by accident.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tickctl.adapters.embedded.waiting import wait_until
from tickctl.errors import UnreachableError
from tickctl.files import open_lock, try_lock

PATIENCE_SECONDS: Final = 60.0
NOTICE_SECONDS: Final = 1.0


@contextmanager
def held(path: Path, notify: Callable[[str], None], *, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Hold the exclusive lock on a file; wait for it if need be, and say so after a second.

    Raises:
        UnreachableError: somebody else has held it for longer than `patience` seconds.
    """
    descriptor = open_lock(path)
    try:
        if not wait_until(lambda: try_lock(descriptor), min(NOTICE_SECONDS, patience)):
            notify(f"waiting for another tickctl that is busy with {path.parent}")
            if not wait_until(lambda: try_lock(descriptor), patience - NOTICE_SECONDS):
                raise UnreachableError(
                    f"another tickctl has been busy with {path.parent} for more than {patience:.0f} s",
                    hint="try again when it has ended; `lsof` or `fuser` on the file `lock` in that folder names it",
                )
        yield
    finally:
        os.close(descriptor)
