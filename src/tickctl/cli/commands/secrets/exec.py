"""`tickctl secrets exec`: a program that gets the values in its environment, and nothing on disk."""

import errno
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from tickctl.cli.commands.secrets.current import VersionId
from tickctl.cli.console.options import EnvName, Region, SecretId
from tickctl.cli.console.run import Run, command
from tickctl.errors import ConfigurationError, InvalidInputError

if TYPE_CHECKING:
    from tickctl.core.secret import Secret

# As shells and env(1) have it (POSIX, Shell Command Language, 2.8.2).
CANNOT_RUN: Final = 126
NOT_FOUND: Final = 127
# What the loader of programs obeys: ld.so(8), dyld(1).
_LOADER: Final = ("LD_", "DYLD_")
_IGNORED: Final = (signal.SIGPIPE, signal.SIGXFSZ)


def register(app: typer.Typer) -> None:
    """Add the command."""
    add = "tickctl secrets exec"
    command(
        app,
        "exec",
        examples=f"{add} --secret-id gateway/staging -- python worker.py\n"
        f"{add} --env-name production --version previous -- printenv SUPABASE_URL",
    )(execute)


def execute(
    run: Run,
    program: Annotated[
        list[str], typer.Argument(metavar="COMMAND", help="What to run, and its arguments; write '--' before it.")
    ],
    env_name: EnvName = None,
    secret_id: SecretId = None,
    region: Region = None,
    version: VersionId = None,
) -> int:
    """Run a command with the secret's values.

    They go before its environment, AWS's variables stay in it, and nothing is written to disk. The command takes the
    place of tickctl, so that signals and its exit code are its own. A command that isn't there is exit code 127, one
    that can't be run 126; tickctl's own errors have their usual codes.
    """
    from tickctl.cli.commands.secrets import current
    from tickctl.cli.open.aws import open_target
    from tickctl.cli.open.target import target

    if run.json:
        raise InvalidInputError("exec has no answer of its own for --json", hint="leave --json out")
    chosen = target(run, env_name=env_name, secret_id=secret_id, region=region)
    stored = current.read(run, open_target(run, chosen), chosen, version)
    _check(stored.values)
    run.output.notice(f"running {program[0]} with {len(stored.values)} keys of version {stored.version_id}")
    try:
        _become(program, stored.values, run.environ)
    except OSError as error:
        return _failed(program[0], error)


def _check(values: "Mapping[str, Secret]") -> None:
    """Refuse what no process can have in its environment, or what puts other code into it; names only."""
    from tickctl.core.secrets.payload import listed

    if loading := [name for name in values if name.startswith(_LOADER)]:
        raise ConfigurationError(
            f"these variables would load other code into the command: {listed(loading)}",
            hint="whoever may write the secret would run programs as you; remove them from the secret",
        )
    odd = [name for name, value in values.items() if not name or "=" in name or "\0" in name + value.reveal()]
    if odd:
        raise ConfigurationError(
            f"no process can have these variables: {listed(odd)}", hint="remove them from the secret"
        )


def _become(program: Sequence[str], values: "Mapping[str, Secret]", environ: Mapping[str, str]) -> NoReturn:
    # Looked for with our own PATH: one that the secret holds is the command's, and must not choose it.
    path = program[0] if "/" in program[0] else shutil.which(program[0])
    if path is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    sys.stdout.flush()
    sys.stderr.flush()
    # Python ignores these signals, and a program would inherit that.
    for number in _IGNORED:
        signal.signal(number, signal.SIG_DFL)
    os.execve(  # noqa: S606 - no shell is the point
        path, list(program), {**environ, **{name: value.reveal() for name, value in values.items()}}
    )


def _failed(name: str, error: OSError) -> int:
    from tickctl.cli.console.boundary import report

    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    missing = isinstance(error, FileNotFoundError)
    problem = f"there is no command {name}" if missing else f"can't run {name}: {error.strerror}"
    report(InvalidInputError(problem, hint="check its name and PATH"), as_json=False)
    return NOT_FOUND if missing else CANNOT_RUN
