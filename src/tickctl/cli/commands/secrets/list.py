"""`tickctl secrets list`: the keys of a secret, or its versions."""

from typing import TYPE_CHECKING, Annotated

import typer

from tickctl.cli.console.options import EnvName, Region, SecretId
from tickctl.cli.console.run import Run, command

if TYPE_CHECKING:
    from tickctl.adapters.aws import Aws
    from tickctl.core.secrets.store import SecretVersion
    from tickctl.core.secrets.target import Target


def register(app: typer.Typer) -> None:
    """Add the command."""
    add = "tickctl secrets list"
    command(
        app, "list", examples=f"{add} --secret-id gateway/production\n{add} --env-name production --versions --json"
    )(list_secret)


def list_secret(
    run: Run,
    env_name: EnvName = None,
    secret_id: SecretId = None,
    region: Region = None,
    versions: Annotated[
        bool, typer.Option("--versions", help="List the versions that are left, the latest first, instead of keys.")
    ] = False,
) -> None:
    """List the keys of the secret, or its versions.

    No value is shown. AWS removes versions without a stage by and by, so nobody should count on those.
    """
    from tickctl.cli.open.aws import open_target
    from tickctl.cli.open.target import target

    chosen = target(run, env_name=env_name, secret_id=secret_id, region=region)
    aws = open_target(run, chosen)
    if versions:
        _versions(run, aws, chosen)
    else:
        _keys(run, aws, chosen)


def _keys(run: Run, aws: "Aws", target: "Target") -> None:
    from tickctl.cli.commands.secrets import current

    stored = current.read(run, aws, target)
    keys = sorted(stored.values)
    if run.json:
        run.output.document(
            {"secret_id": target.secret_id, "arn": stored.state.arn, "version_id": stored.version_id, "keys": keys}
        )
        return
    run.output.table(["key"], [[key] for key in keys], empty="the secret holds no keys")
    run.output.notice(f"{len(keys)} {'key' if len(keys) == 1 else 'keys'} in version {stored.version_id}")


def _versions(run: Run, aws: "Aws", target: "Target") -> None:
    from tickctl.cli.commands.secrets import current
    from tickctl.cli.open.aws import where

    state = current.existing(aws, target)
    run.output.notice(f"reading {where(aws, target, state.arn)}")
    versions = aws.secrets.versions(state.arn or state.name)
    if run.json:
        rows = [
            {"version_id": version.id, "stages": version.stages, "created_at": version.created_at}
            for version in versions
        ]
        run.output.document({"secret_id": target.secret_id, "arn": state.arn, "versions": rows})
        return
    run.output.table(
        ["version_id", "created_at", "stages"],
        [[version.id, version.created_at, _stages(version)] for version in versions],
        empty="the secret has no version yet",
    )


def _stages(version: "SecretVersion") -> str | None:
    return ", ".join(version.stages) or None
