"""`tickctl secrets ecs`: what a task definition needs to refer to the secret; it holds names only."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tickctl.cli.console.confirm import DryRun
from tickctl.cli.console.options import PUSHED_FILES, AllowShell, Containers, EnvName, Region, SecretId
from tickctl.cli.console.run import Run, command
from tickctl.errors import ConfigurationError, InvalidInputError

if TYPE_CHECKING:
    from tickctl.core.ecs.registration import DefinitionFile
    from tickctl.core.ecs.task_definition import Rewrite
    from tickctl.core.secrets.target import Target


def register(app: typer.Typer) -> None:
    """Add the command."""
    add = "tickctl secrets ecs"
    command(
        app,
        "ecs",
        env_files=PUSHED_FILES,
        examples=f"{add} --secret-id gateway/production\n"
        f"{add} --secret-arn arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway/production-AbCdEf\n"
        f"{add} --env-name production --task-definition task.json --container gateway --in-place",
    )(ecs)


def ecs(
    run: Run,
    env_name: EnvName = None,
    secret_id: SecretId = None,
    region: Region = None,
    secret_arn: Annotated[
        str | None,
        typer.Option("--secret-arn", help="The secret's full ARN; then AWS isn't asked.", show_default=False),
    ] = None,
    task_definition: Annotated[
        Path | None,
        typer.Option("--task-definition", help="A file to complete, instead of printing the block.", metavar="FILE"),
    ] = None,
    container: Containers = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the completed file here.", show_default=False)
    ] = None,
    in_place: Annotated[bool, typer.Option("--in-place", "-i", help="Write it over the one that was read.")] = False,
    dry_run: DryRun = False,
    allow_shell: AllowShell = None,
) -> None:
    """Print or complete what lets tasks refer to the secret.

    Without --task-definition this is the 'secrets' block that a container needs; it has names and no values. Nothing
    is changed in AWS. Other fields of a task definition stay as they are; what stands as a plain value under a key's
    name becomes a reference.
    """
    from tickctl.cli.open.env_files import read_files
    from tickctl.cli.open.target import target
    from tickctl.core.ecs.references import block
    from tickctl.core.secrets.env_files import values

    _refuse_mixtures(task_definition, output, container or (), in_place=in_place)
    chosen = target(run, env_name=env_name, secret_id=secret_id, region=region, containers=container)
    keys = sorted(values(read_files(run, chosen, allow_shell=allow_shell or ())))
    arn = _arn(run, chosen, secret_arn)
    if task_definition is None:
        _print(run, block(arn, keys))
        return
    from tickctl.cli.commands.secrets.rollout import read_definition
    from tickctl.core.ecs.task_definition import refers_to, rewrite

    file = read_definition(task_definition)
    # Which other keys the secret has isn't asked, so references to them stay.
    keys_referred = {key for referred in refers_to(file.document, arn).values() for key in referred}
    change = rewrite(file.document, arn=arn, keys=keys, containers=chosen.containers, known=keys_referred.union(keys))
    _tell(run, change)
    destination = task_definition if in_place else output
    if destination is None:
        _print(run, _document(file, change))
    elif in_place and not change.changes:
        run.output.notice(f"left {destination} as it is")
    elif dry_run:
        run.output.notice(f"would write {destination}")
    else:
        _write(destination, _document(file, change), like=destination if destination.exists() else task_definition)
        run.output.notice(f"wrote {destination}")


def _refuse_mixtures(file: Path | None, output: Path | None, containers: Sequence[str], *, in_place: bool) -> None:
    if file is None and (output or in_place or containers):
        raise InvalidInputError(
            "--output, --in-place and --container need --task-definition", hint="the block itself goes to stdout"
        )
    if output and in_place:
        raise InvalidInputError("--output and --in-place exclude each other", hint="leave one out")


def _arn(run: Run, target: "Target", given: str | None) -> str:
    """Return the secret's full ARN: the one that is given, else AWS is asked for it.

    Raises:
        ConfigurationError: the given one isn't complete.
        NotFoundError: there is no such secret.
    """
    from tickctl.core.secrets.arn import full_arn

    if given:
        return full_arn(given)
    from tickctl.cli.commands.secrets.current import existing
    from tickctl.cli.open.aws import open_target

    return full_arn(existing(open_target(run, target), target).arn or "")


def _tell(run: Run, change: "Rewrite") -> None:
    from tickctl.cli.commands.secrets.rollout_report import change_line

    for entry in change.changes:
        run.output.notice(f"container {entry.container}: {change_line(entry)}")
    if not change.changes:
        run.output.notice("nothing differs")


def _document(file: "DefinitionFile", change: "Rewrite") -> dict[str, object]:
    tags = [{"key": key, "value": value} for key, value in (file.tags or {}).items()]
    return {**change.document, **({"tags": tags} if file.tags is not None else {})}


def _print(run: Run, value: object) -> None:
    if run.json:
        run.output.document(value)
    else:
        run.output.text(json.dumps(value, indent=2))


def _write(path: Path, document: object, *, like: Path) -> None:
    """Put a file in the place of the one before in one step, with the mode of another; a symlink is replaced."""
    from tickctl.files import replace

    try:
        content = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        replace(path, content.encode(), mode=like.stat().st_mode & 0o777)
    except OSError as error:
        raise ConfigurationError(f"can't write {path}: {error.strerror}", hint="name a folder of yours") from None
