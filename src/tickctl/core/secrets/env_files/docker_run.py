"""What `docker run --env-file` makes of env files: each line literally, quotes and dollars included.

Rules of docker/cli, `opts/file.go`: a line without `=` takes the shell's value, and white space in a name refuses the
file.
"""

from collections.abc import Sequence
from typing import Final

from tickctl.core.secret import Secret
from tickctl.core.secrets.env_files.grammar import SPACES
from tickctl.core.secrets.env_files.model import EnvFile, Reading

LONGEST_LINE: Final = 64 * 1024 - 1
"""Bytes, a carriage return included; the line reader of Go's bufio takes no more."""


def docker_run(files: Sequence[EnvFile]) -> Reading:
    """Return what a container of `docker run` would get from these files, given in this order."""
    values: dict[str, Secret | None] = {}
    for file in files:
        for number, line in enumerate(file.text.removeprefix("\ufeff").split("\n"), start=1):
            name, equals, value = line.removesuffix("\r").lstrip(SPACES).partition("=")
            ignored = (not name and not equals) or name.startswith("#")
            unfit = not ignored and (not name or " " in name or "\t" in name)
            if unfit or len(line.encode(errors="replace")) > LONGEST_LINE:
                return Reading({}, refused=(file.name, number))
            if not ignored:
                values[name] = Secret(value) if equals else None
    return Reading(values)
