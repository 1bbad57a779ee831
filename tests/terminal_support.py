"""A terminal for tests: how a command looks on one, and what it asks there."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli_support import COMMAND, Result, environment

_TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(int(sys.argv[1]), termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


def converse(arguments: list[str], answers: Mapping[str, str], env: dict[str, str], **streams: Any) -> Result:
    """Run the command with a terminal of its own and answer each question when it is asked; return all that showed.

    With other streams given, the terminal remains what /dev/tty leads to.
    """
    ours, theirs = open_terminal()
    process = subprocess.Popen(
        [COMMAND[0], "-c", _TAKE_TERMINAL, str(theirs), *COMMAND[1:], *arguments],
        **({"stdin": theirs, "stdout": theirs, "stderr": theirs} | streams),
        env=environment(Path(env["HOME"]), {"TERM": "xterm", **env}),
        start_new_session=True,
        pass_fds=[theirs],  # also where no stream is the terminal, it must stay open
    )
    os.close(theirs)
    shown, left = b"", dict(answers)
    while chunk := read_terminal(ours):
        shown += chunk
        for question in [question for question in left if shown.endswith(question.encode())]:
            os.write(ours, f"{left.pop(question)}\n".encode())
    assert termios.tcgetattr(ours)[3] & termios.ECHO, "the terminal was left without echo"
    os.close(ours)
    assert not left, shown
    return Result(process.wait(timeout=60), shown.decode().replace("\r\n", "\n"))


def open_terminal(columns: int = 80) -> tuple[int, int]:
    """Return the two ends of a terminal, ours and that of the command."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    return ours, theirs


def read_terminal(ours: int) -> bytes:
    """Return what has been written to the terminal; nothing when the last process has left it."""
    try:
        return os.read(ours, 65536)
    except OSError:  # EIO, on Linux
        return b""
