"""Which env files a run is about, and what they hold."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from tickctl.adapters.env_files import load_env_files, project_variables
from tickctl.cli.console.run import Run
from tickctl.core.secret import Secret
from tickctl.core.secrets.env_files import Entry, EnvFile, read
from tickctl.core.secrets.target import Target
from tickctl.errors import ConfigurationError

DEFAULT_FILES: Final = ("services/.env", "services/keys.env")
"""What Docker Compose gives the services; not the files of an administrator, which tickctl's own settings read too."""


def chosen_files(run: Run, target: Target) -> tuple[Path, ...]:
    """Return the files that options, profile or custom name, and say on stderr which they are.

    Raises:
        ConfigurationError: none is named, and there are none where they belong.
    """
    if paths := run.env_files or tuple(map(Path, target.env_files)):
        run.output.notice(f"env files: {', '.join(map(str, paths))}")
        return paths
    there = tuple(Path(name) for name in DEFAULT_FILES if Path(name).exists())
    if not there:
        raise ConfigurationError(
            f"there is neither {' nor '.join(DEFAULT_FILES)} here",
            hint="name the env files with --env-file, or go to the folder that has them",
        )
    missing = [name for name in DEFAULT_FILES if Path(name) not in there]
    without = f"; there is no {missing[0]}" if missing else ""
    run.output.notice(f"env files: {', '.join(map(str, there))}{without}")
    return there


def load_files(run: Run, target: Target) -> tuple[EnvFile, ...]:
    """Return the text of the files that a run is about.

    Raises:
        ConfigurationError: none is named or there, or one can't be read.
    """
    if run.env_files:
        hint = "check the path given with --env-file"
    elif target.env_files:
        hint = f"correct env-files of the profile {target.env_name}"
    else:
        hint = "check its permissions"
    return load_env_files(chosen_files(run, target), read_file=partial(run.read_env_file, hint=hint))


def read_entries(run: Run, files: Sequence[EnvFile], *, allow_shell: Sequence[str] = ()) -> tuple[Entry, ...]:
    """Return what files assign, read as Docker Compose does but without the operator's shell.

    Args:
        run: has the operator's shell, whose names are not used.
        files: later ones override earlier ones.
        allow_shell: names of variables that may be taken from the shell all the same; they are taken if they are set.

    Raises:
        ConfigurationError: Compose would not read a file.
    """
    allowed = {name: Secret(run.environ[name]) for name in allow_shell if name in run.environ}
    return read(
        files, shell=run.environ.keys() | project_variables(files, read_file=run.read_env_file), allowed=allowed
    )


def read_files(run: Run, target: Target, *, allow_shell: Sequence[str] = ()) -> tuple[Entry, ...]:
    """Return what the files that a run is about assign; says on stderr which files these are.

    Raises:
        ConfigurationError: none is named or there, one can't be read, or Compose would not read it.
    """
    return read_entries(run, load_files(run, target), allow_shell=allow_shell)
