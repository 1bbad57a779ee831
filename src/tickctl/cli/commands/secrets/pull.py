"""`tickctl secrets pull`: a version of the secret as an env file."""

import stat
from pathlib import Path
from typing import Annotated

import typer

from tickctl.cli.commands.secrets.current import VersionId
from tickctl.cli.console.confirm import AssumeYes, DryRun, confirm
from tickctl.cli.console.options import EnvName, Region, SecretId
from tickctl.cli.console.run import Run, command
from tickctl.errors import InvalidInputError


def register(app: typer.Typer) -> None:
    """Add the command."""
    add = "tickctl secrets pull"
    command(
        app,
        "pull",
        examples=f"{add} --secret-id gateway/staging --output services/staging.env\n"
        f"{add} --env-name production --version previous --output before.env",
    )(pull)


def pull(
    run: Run,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write, of mode 0600.")],
    env_name: EnvName = None,
    secret_id: SecretId = None,
    region: Region = None,
    version: VersionId = None,
    force: Annotated[bool, typer.Option("--force", help="Write over the file if it exists.")] = False,
    dry_run: DryRun = False,
    yes: AssumeYes = False,
) -> None:
    """Write what the secret holds into a private env file.

    The file reads back as exactly these values. It is written whole or not at all; an existing one is left alone
    without --force, and a symlink always. Values never go to standard output: 'tickctl secrets exec' hands them to a
    program without a file.
    """
    from tickctl.cli.commands.secrets import current
    from tickctl.cli.console.files import private_file
    from tickctl.cli.open.aws import open_target
    from tickctl.cli.open.target import target
    from tickctl.core.secret import Secret
    from tickctl.core.secrets.env_files.writer import write

    replaces = _check(output, force=force)
    chosen = target(run, env_name=env_name, secret_id=secret_id, region=region)
    stored = current.read(run, open_target(run, chosen), chosen, version)
    text = Secret(write(stored.values))
    keys = sorted(stored.values)
    plan = f"{len(keys)} {'key' if len(keys) == 1 else 'keys'} of {stored.place}, version {stored.version_id}"
    _warn(run, output)
    if dry_run:
        run.output.notice(f"would write {plan} to {output}{', over what it holds' if replaces else ''}")
    else:
        if replaces:
            confirm(f"write over {output}", assume_yes=yes)
        with private_file(output, exclusive=not replaces) as stream:
            stream.write(text.reveal())
        run.output.notice(f"wrote {plan} to {output}")
    if run.json:
        run.output.document(
            {
                "secret_id": chosen.secret_id,
                "arn": stored.state.arn,
                "version_id": stored.version_id,
                "file": str(output),
                "keys": keys,
                "dry_run": dry_run,
            }
        )


def _check(output: Path, *, force: bool) -> bool:
    """Whether a file is to be written over.

    Raises:
        InvalidInputError: there is one that must not be, or something else that no file may replace.
    """
    if str(output) == "-":
        raise InvalidInputError(
            "secrets aren't written to standard output",
            hint="name a file; 'tickctl secrets exec -- COMMAND' needs none",
        )
    try:
        status = output.lstat()
    except OSError:
        return False  # writing says best what is wrong
    if not stat.S_ISREG(status.st_mode):
        raise InvalidInputError(f"{output} is no plain file", hint="name a new file, not a link, device or folder")
    if not force:
        raise InvalidInputError(f"{output} exists already", hint="name another file, or add --force to write over it")
    return True


def _warn(run: Run, output: Path) -> None:
    """Say so where git would take the file along, or might."""
    from tickctl.adapters.git import look_up

    facts = look_up(output, run.environ)
    if facts.tracked:
        run.output.warning(f"git tracks {output}: whatever is written there goes with the next commit")
    elif facts.ignored is False:
        run.output.warning(f"git doesn't ignore {output}; add it to .gitignore")
    elif facts.problem:
        run.output.warning(f"can't tell whether git ignores {output}: {facts.problem}")
