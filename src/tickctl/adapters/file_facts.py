"""Looks at where an env file lies; the file's content is not read."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from tickctl.adapters.build_context import build_contexts
from tickctl.adapters.git import look_up
from tickctl.core.secrets.checks import FileFacts
from tickctl.errors import ConfigurationError


def look_at(path: Path, environ: Mapping[str, str]) -> FileFacts:
    """Return the facts about an env file; of a link, about what it leads to.

    Args:
        path: of the file, as it is to be shown.
        environ: the process environment.

    Raises:
        ConfigurationError: it can't be looked at.
    """
    try:
        status = path.stat()
        real = path.resolve(strict=True)
    except OSError as error:
        raise ConfigurationError(
            f"can't look at {path}: {error.strerror}", hint="check the path given with --env-file"
        ) from None
    return FileFacts(
        name=str(path),
        mode=stat.S_IMODE(status.st_mode),
        owned=status.st_uid in {0, os.geteuid()},
        leads_to=str(real) if path.is_symlink() else None,
        git=look_up(real, environ),
        contexts=build_contexts(real, top=_top(real)),
    )


def _top(path: Path) -> Path:
    """Return the root of the working tree; without one, the folder that one works in."""
    return next((folder for folder in path.parents if os.path.lexists(folder / ".git")), Path.cwd())
