"""Reads env files as Docker Compose does."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from tickctl.core.secrets.env_files.model import Entry, EnvFile
from tickctl.core.secrets.masked import Secret


def read(
    files: Sequence[EnvFile], *, shell: Collection[str] = (), allowed: Mapping[str, Secret] | None = None
) -> tuple[Entry, ...]:
    """Return every assignment of the files, in their order.

    Args:
        files: earlier ones are visible to the references of later ones.
        shell: the names of variables that the operator's shell has; a reference to one of them is refused.
        allowed: variables of the shell that may be taken all the same.

    Raises:
        ConfigurationError: Compose would not read a file; names file and line, never the line's text.
    """
    raise NotImplementedError


def effective(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Return the entry that counts for each name: the last one."""
    return {entry.name: entry for entry in entries}


def values(entries: Iterable[Entry]) -> dict[str, Secret]:
    """Return what a container would get.

    Raises:
        ConfigurationError: an entry that counts is refused; names file, line and key, and how many more there are.
    """
    raise NotImplementedError
