"""Loads env files for the secrets commands."""

from collections.abc import Sequence
from pathlib import Path

from tickctl.core.secrets.env_files import EnvFile
from tickctl.settings import read_env_file


def load_env_files(paths: Sequence[Path]) -> tuple[EnvFile, ...]:
    """Return the text of env files in their order, a byte order mark included.

    Raises:
        ConfigurationError: one of them can't be read, or can't be an env file.
    """
    return tuple(read_env_file(path) for path in paths)
