"""`tickctl secrets diff`: whether AWS has what the env files say; names only."""

from typing import Annotated

import typer

from tickctl.cli.commands.secrets.changes import show_changes
from tickctl.cli.console.exit_codes import ExitCode
from tickctl.cli.console.options import PUSHED_FILES, AllowShell, EnvName, Region, SecretId
from tickctl.cli.console.run import Run, command


def register(app: typer.Typer) -> None:
    """Add the command."""
    add = "tickctl secrets diff"
    command(
        app,
        "diff",
        env_files=PUSHED_FILES,
        examples=f"{add} --secret-id gateway/production\n"
        f"{add} --env-name production --json\n"
        f"{add} --env-name staging --prune || echo drift",
    )(diff)


def diff(
    run: Run,
    env_name: EnvName = None,
    secret_id: SecretId = None,
    region: Region = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Count keys that only AWS has as drift, as 'push --prune' would.")
    ] = False,
    allow_shell: AllowShell = None,
) -> ExitCode:
    """Compare env files with the secret in AWS, by name.

    Exit code 0: a push would write nothing. Exit code 1: it would. Keys that only AWS has are shown, and count with
    --prune. No value is shown, nor anything computed from one.
    """
    from tickctl.cli.commands.secrets import current
    from tickctl.cli.open.aws import open_target, where
    from tickctl.cli.open.env_files import read_files
    from tickctl.cli.open.target import secret_of, target
    from tickctl.core.secrets.env_files import values
    from tickctl.core.secrets.plan import compare

    wanted_target = target(run, env_name=env_name, secret_id=secret_id, region=region)
    secret = secret_of(wanted_target)
    local = values(read_files(run, wanted_target, allow_shell=allow_shell or ()))
    aws = open_target(run, wanted_target)
    state = current.look(aws, wanted_target)
    stored = current.held(aws, state, where(aws, wanted_target, state.arn))
    changes = compare(local, stored.values, prune=prune)
    if run.json:
        run.output.document(
            {
                "secret_id": secret,
                "arn": state.arn,
                "version_id": stored.version_id,
                "in_sync": not changes.any,
                "added": changes.added,
                "changed": changes.changed,
                "unchanged": changes.unchanged,
                "only_in_aws": changes.kept + changes.removed,
            }
        )
    else:
        show_changes(run, changes)
    if stored.version_id is None:
        run.output.notice(f"there is no value yet: {stored.place}")
    elif changes.any:
        run.output.notice(f"differs from version {stored.version_id}: {stored.place}")
    else:
        run.output.notice(f"in sync with version {stored.version_id}: {stored.place}")
    return ExitCode.NO if changes.any else ExitCode.YES
