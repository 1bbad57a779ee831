"""`tickctl secrets push`: env files into one version of a secret, and into the tasks that refer to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from tickctl.cli.console.confirm import AssumeYes, DryRun, confirm
from tickctl.cli.console.exit_codes import ExitCode
from tickctl.cli.console.options import (
    PUSHED_FILES,
    AllowShell,
    Cluster,
    Containers,
    EnvName,
    Poll,
    Region,
    SecretId,
    Services,
    TaskDefinitions,
    Timeout,
    Wait,
)
from tickctl.cli.console.run import Run, command
from tickctl.errors import InvalidInputError

if TYPE_CHECKING:
    from tickctl.adapters.aws import Aws
    from tickctl.cli.commands.secrets.writing import Written
    from tickctl.core.ecs.plan import RolloutPlan
    from tickctl.core.secret import Secret
    from tickctl.core.secrets.plan import PushPlan
    from tickctl.core.secrets.target import Target


@dataclass(frozen=True, slots=True)
class _Plan:
    """All that a push will do, decided before anything is written."""

    place: str
    target: "Target"
    secret: "PushPlan"
    tags: Mapping[str, str]
    ahead: "RolloutPlan | None"
    """What has to be through before the secret is written: services give up keys that go."""
    tasks: "RolloutPlan"

    @property
    def writes(self) -> bool:
        """Whether there will be a new version."""
        return self.secret.action != "none"

    @property
    def work(self) -> bool:
        """Whether there is anything to do, or to wait for."""
        return self.writes or bool(self.tags) or self.tasks.changes or self.tasks.follows


def register(app: typer.Typer) -> None:
    """Add the command."""
    add = "tickctl secrets push"
    command(
        app,
        "push",
        env_files=PUSHED_FILES,
        examples=f"{add} --secret-id gateway/production --dry-run\n"
        f"{add} --env-name production --yes\n"
        f"{add} --secret-id gateway/production --cluster main --service gateway\n"
        f"{add} --secret-id gateway/production --task-definition task.json --container gateway",
    )(push)


def push(
    run: Run,
    env_name: EnvName = None,
    secret_id: SecretId = None,
    region: Region = None,
    cluster: Cluster = None,
    service: Services = None,
    task_definition: TaskDefinitions = None,
    container: Containers = None,
    prune: Annotated[bool, typer.Option("--prune", help="Remove keys that no file has.")] = False,
    dry_run: DryRun = False,
    yes: AssumeYes = False,
    wait: Wait = True,
    timeout: Timeout = 900,
    poll: Poll = 5,
    allow_shell: AllowShell = None,
    kms_key: Annotated[
        str | None,
        typer.Option("--kms-key", help="KMS key for a new secret, unless the account's own.", show_default=False),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", help="Tag of the secret; repeatable.", metavar="NAME=VALUE", show_default=False),
    ] = None,
    restore: Annotated[
        bool, typer.Option("--restore", help="Take back the deletion that the secret is scheduled for.")
    ] = False,
    force_insecure: Annotated[
        bool, typer.Option("--force-insecure", help="Push what 'secrets check' refuses for production.")
    ] = False,
) -> ExitCode:
    """Move env files into AWS, and into the running services.

    All keys become one new version of one secret in Secrets Manager, or nothing is changed. Task definitions then
    refer to the keys, services are deployed, and the deployment is followed to its end: exit code 1 says that it
    failed or was rolled back. Only names are shown. Whatever stopped a push, the same command again goes on from
    there.
    """
    from tickctl.cli.commands.secrets import rollout
    from tickctl.cli.commands.secrets.pruning import leaving
    from tickctl.cli.commands.secrets.writing import check_unmoved
    from tickctl.cli.open.aws import open_target
    from tickctl.cli.open.target import refuse_secrets, target

    refuse_secrets(run, {"--kms-key": [kms_key], "--tag": tag})
    chosen = target(
        run,
        env_name=env_name,
        secret_id=secret_id,
        region=region,
        cluster=cluster,
        services=service,
        task_definitions=task_definition,
        containers=container,
    )
    chosen = replace(chosen, kms_key=kms_key or chosen.kms_key, tags={**chosen.tags, **_parse_tags(tag or ())})
    local = _read(run, chosen, allow_shell=allow_shell or (), force_insecure=force_insecure)
    aws = open_target(run, chosen)
    plan = _plan(run, aws, chosen, local, prune=prune, restore=restore and not dry_run)
    _show(run, plan)
    if dry_run or not plan.work:
        run.output.notice("nothing was changed" if plan.work else "nothing to do")
        _answer(run, plan, dry_run=dry_run)
        return ExitCode.YES
    if plan.ahead and not wait:
        raise InvalidInputError(
            f"services still refer to {', '.join(leaving(plan.ahead))}, and have to be deployed without before it goes",
            hint="leave --no-wait out: that deployment is followed before the secret is written",
        )
    if plan.secret.changes.changed or plan.secret.changes.removed:
        confirm(f"write over what is in {plan.place}", assume_yes=yes)
        if not yes:
            check_unmoved(aws, plan.secret.base)
            rollout.recheck(aws.containers, plan.tasks)
    return _carry_out(run, aws, plan, wait=wait, timeout=timeout, poll=poll)


def _read(run: Run, target: "Target", *, allow_shell: Sequence[str], force_insecure: bool) -> "Mapping[str, Secret]":
    """Return what a container would get, once nothing speaks against it in production."""
    from pathlib import Path

    from tickctl.cli.commands.secrets.writing import refuse_unsafe
    from tickctl.cli.open.env_files import load_files, read_entries
    from tickctl.core.secrets.env_files import values

    files = load_files(run, target)
    entries = read_entries(run, files, allow_shell=allow_shell)
    local = values(entries)
    refuse_unsafe(run, target, [Path(file.name) for file in files], entries, force=force_insecure)
    return local


def _plan(
    run: Run, aws: "Aws", target: "Target", wanted: "Mapping[str, Secret]", *, prune: bool, restore: bool
) -> _Plan:
    """Read everything that has to be known; but for a deletion that is to be taken back, nothing is changed."""
    from tickctl.cli.commands.secrets import writing
    from tickctl.cli.commands.secrets.current import state_of
    from tickctl.cli.commands.secrets.pruning import plan_ahead
    from tickctl.cli.open.aws import where

    state = state_of(aws, target)
    if restore:
        state = writing.restored(run, aws, target, state)
    secret = writing.plan(aws, target, state, wanted, prune=prune)
    tags = writing.tags_to_set(target, state)
    ahead = plan_ahead(aws, target, state, secret.values) if secret.changes.removed else None
    tasks = _plan_tasks(aws, target, secret, rewritten=secret.action != "none" or bool(tags))
    return _Plan(where(aws, target, state.arn), target, secret, tags, ahead, tasks)


def _plan_tasks(aws: "Aws", target: "Target", secret: "PushPlan", *, rewritten: bool) -> "RolloutPlan":
    from tickctl.cli.commands.secrets import rollout

    changes = secret.changes
    return rollout.plan(
        aws.containers,
        target,
        secret_id=secret.base.name,
        region=aws.region,
        arn=secret.base.arn,
        keys=(*changes.added, *changes.changed, *changes.unchanged),
        known=secret.values,
        changed_at=secret.base.changed_at,
        rewritten=rewritten,
    )


def _show(run: Run, plan: _Plan) -> None:
    from tickctl.cli.commands.secrets import rollout
    from tickctl.cli.commands.secrets.changes import show_changes
    from tickctl.cli.commands.secrets.pruning import leaving

    run.output.notice(f"{plan.place}:")
    if not run.json:
        show_changes(run, plan.secret.changes)
    if plan.tags:
        run.output.notice(f"tags to set: {', '.join(sorted(plan.tags))}")
    if plan.ahead:
        names = ", ".join(leaving(plan.ahead))
        run.output.notice(
            f"services are deployed twice: without {names}, before the secret loses it, and then with the rest"
        )
    rollout.show(run, plan.tasks)


def _carry_out(run: Run, aws: "Aws", plan: _Plan, *, wait: bool, timeout: float, poll: float) -> ExitCode:
    """Write, refer, deploy and follow; whatever stops it, say what stands."""
    from tickctl.cli.commands.secrets import rollout, writing
    from tickctl.cli.commands.secrets.pruning import carry_out_ahead

    if plan.ahead:
        report = carry_out_ahead(run, aws, plan.ahead, place=plan.place, timeout=timeout, poll=poll)
        if report.code:
            _answer(run, plan, tasks=rollout.report_json(report))
            return report.code
        writing.check_unmoved(aws, plan.secret.base)
        plan = replace(plan, tasks=_plan_tasks(aws, plan.target, plan.secret, rewritten=True))
    if plan.tags and plan.secret.base.arn:
        aws.secrets.tag(plan.secret.base.arn, plan.tags)
        run.output.notice(f"set the tags {', '.join(sorted(plan.tags))}")
    written = writing.write(aws, plan.target, plan.secret)
    if plan.writes:
        run.output.notice(f"wrote version {written.version_id} of {plan.place}")
    try:
        report = rollout.carry_out(
            run, aws.containers, plan.tasks, arn=written.arn, secret=plan.place, wait=wait, timeout=timeout, poll=poll
        )
    except BaseException:
        if plan.writes:
            run.output.warning(f"the new version of {plan.place} stands; the same command again goes on from here")
        raise
    _answer(run, plan, written=written, tasks=rollout.report_json(report))
    return report.code


def _answer(
    run: Run,
    plan: _Plan,
    *,
    dry_run: bool = False,
    written: "Written | None" = None,
    tasks: Mapping[str, object] | None = None,
) -> None:
    """Write the answer; without a written version, that of a plan which wasn't carried out."""
    from tickctl.cli.commands.secrets import rollout
    from tickctl.cli.commands.secrets.changes import changes_json
    from tickctl.core.secrets.store import CURRENT, PREVIOUS

    base = plan.secret.base
    if not run.json:
        if written and plan.writes:
            run.output.record({"version": written.version_id})
        return
    run.output.document(
        {
            "secret_id": base.name,
            "arn": written.arn if written else base.arn,
            "env_name": plan.target.env_name,
            "dry_run": dry_run,
            "action": plan.secret.action,
            "version_id": written.version_id if written else base.version_of(CURRENT),
            "previous_version_id": written.previous_version_id if written else base.version_of(PREVIOUS),
            **changes_json(plan.secret.changes),
            "tags": sorted(plan.tags),
            **(tasks or rollout.plan_json(plan.tasks)),
        }
    )


def _parse_tags(given: Sequence[str]) -> dict[str, str]:
    tags = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not (name and separator):
            raise InvalidInputError("a tag is not of the form NAME=VALUE", hint="write it like --tag team=agents")
        tags[name] = value
    return tags
