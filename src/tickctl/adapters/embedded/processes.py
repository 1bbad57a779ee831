"""What the operating system says of a process: /proc on Linux, ps(1) elsewhere."""

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")


def reap(pid: int) -> None:
    """Let go of a child that has ended or is about to; nothing happens if it is no child of ours."""
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)


def is_server_of(pid: int, data: Path) -> bool:
    """Return whether a living process is, or can't be told from, the PostgreSQL server of a data folder.

    A file that says "my process is 42" outlives its process, and in a container 42 is soon somebody else. The server
    works in its data folder; where we may not see that (/proc/PID/cwd needs more rights than /proc/PID/cmdline), the
    command line decides, and a server whose folder it doesn't tell counts as the one asked for, since two servers on
    one folder would destroy it.
    """
    command = command_line(pid)
    if not command or Path(command[0]).name != "postgres":
        return False
    with suppress(OSError):
        return (_PROC / str(pid) / "cwd").samefile(data)
    with suppress(ValueError, IndexError, OSError):
        return Path(command[command.index("-D") + 1]).samefile(data)
    return True


def command_line(pid: int) -> Sequence[str]:
    """Return the words of a living process's command line; none if there is no such process or it is dead."""
    if _PROC.is_dir():
        with suppress(OSError):
            return os.fsdecode((_PROC / str(pid) / "cmdline").read_bytes()).split("\0")[:-1]
        return ()
    listing = subprocess.run(  # noqa: S603
        ["/bin/ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return (listing.stdout.strip(),) if listing.stdout.strip() else ()
