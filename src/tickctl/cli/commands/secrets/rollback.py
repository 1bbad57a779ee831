"""`tickctl secrets rollback`: an earlier version of a secret, and the services on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from tickctl.cli.console.confirm import AssumeYes, DryRun, confirm
from tickctl.cli.console.exit_codes import ExitCode
from tickctl.cli.console.options import Cluster, EnvName, Poll, Region, SecretId, Services, Timeout, Wait
from tickctl.cli.console.run import Run, command
from tickctl.errors import NotFoundError, UnreachableError

if TYPE_CHECKING:
    from tickctl.adapters.aws import Aws
    from tickctl.core.ecs.plan import RolloutPlan
    from tickctl.core.secrets.plan import KeyChanges
    from tickctl.core.secrets.store import SecretState
    from tickctl.core.secrets.target import Target


@dataclass(frozen=True, slots=True)
class _Plan:
    """All that a rollback will do, decided before anything is changed."""

    place: str
    env_name: str | None
    base: "SecretState"
    arn: str
    current: str
    to: str
    changes: "KeyChanges"
    tasks: "RolloutPlan"

    @property
    def moves(self) -> bool:
        """Whether another version becomes the current one."""
        return self.to != self.current

    @property
    def work(self) -> bool:
        """Whether there is anything to do, or to wait for."""
        return self.moves or self.tasks.changes or self.tasks.follows


def register(app: typer.Typer) -> None:
    """Add the command."""
    add = "tickctl secrets rollback"
    command(
        app,
        "rollback",
        examples=f"{add} --secret-id gateway/production --dry-run\n"
        f"{add} --env-name production --yes\n"
        f"{add} --secret-id gateway/production --cluster main --service gateway\n"
        f"{add} --secret-id gateway/production --to <version id>",
    )(rollback)


def rollback(
    run: Run,
    env_name: EnvName = None,
    secret_id: SecretId = None,
    region: Region = None,
    cluster: Cluster = None,
    service: Services = None,
    to: Annotated[
        str | None,
        typer.Option("--to", help="Version to go back to, unless the one before this.", metavar="VERSION"),
    ] = None,
    dry_run: DryRun = False,
    yes: AssumeYes = False,
    wait: Wait = True,
    timeout: Timeout = 900,
    poll: Poll = 5,
) -> ExitCode:
    """Go back to an earlier version of the secret.

    Services that are named are deployed with it. References to keys that the earlier version doesn't have are taken
    out of their task definitions, since no task could start with them. Without --to, two rollbacks in a row are none.
    """
    from tickctl.cli.commands.secrets import rollout
    from tickctl.cli.commands.secrets.current import check_version
    from tickctl.cli.commands.secrets.writing import check_unmoved
    from tickctl.cli.open.aws import open_target
    from tickctl.cli.open.target import target

    check_version(run, to, option="--to")
    chosen = target(run, env_name=env_name, secret_id=secret_id, region=region, cluster=cluster, services=service)
    aws = open_target(run, chosen)
    plan = _plan(aws, chosen, to)
    _show(run, plan)
    if dry_run or not plan.work:
        run.output.notice("nothing was changed" if plan.work else "nothing to do")
        _answer(run, plan, dry_run=dry_run)
        return ExitCode.YES
    confirm(f"go back to version {plan.to} of {plan.place}", assume_yes=yes)
    if not yes:
        check_unmoved(aws, plan.base)
        rollout.recheck(aws.containers, plan.tasks)
    return _carry_out(run, aws, plan, wait=wait, timeout=timeout, poll=poll)


def _plan(aws: "Aws", target: "Target", to: str | None) -> _Plan:
    """Read everything that has to be known; nothing is changed."""
    from dataclasses import replace

    from tickctl.cli.commands.secrets import rollout
    from tickctl.cli.commands.secrets.current import existing, held
    from tickctl.cli.open.aws import where
    from tickctl.core.secrets.plan import compare

    state = existing(aws, target)
    location = where(aws, target, state.arn)
    now, then = held(aws, state, location), held(aws, state, location, to or "previous")
    if state.arn is None or now.version_id is None or then.version_id is None:
        raise NotFoundError(
            f"{state.name} has no value yet", hint="'tickctl secrets list --versions' shows what there is"
        )
    tasks = rollout.plan(
        aws.containers,
        # Definitions of services alone: an earlier version is no reason to register something that nobody runs.
        replace(target, task_definitions=()),
        secret_id=state.name,
        region=aws.region,
        arn=state.arn,
        keys=None,
        known=then.values,
        changed_at=state.changed_at,
        rewritten=then.version_id != now.version_id,
    )
    changes = compare(then.values, now.values, prune=True)
    return _Plan(location, target.env_name, state, state.arn, now.version_id, then.version_id, changes, tasks)


def _show(run: Run, plan: _Plan) -> None:
    from tickctl.cli.commands.secrets import rollout
    from tickctl.cli.commands.secrets.changes import show_changes

    move = f"from version {plan.current} back to {plan.to}" if plan.moves else f"is at version {plan.to} already"
    run.output.notice(f"{plan.place} {move}:")
    if not run.json:
        show_changes(run, plan.changes)
    rollout.show(run, plan.tasks)


def _carry_out(run: Run, aws: "Aws", plan: _Plan, *, wait: bool, timeout: float, poll: float) -> ExitCode:
    """Move the stage, deploy and follow; whatever stops it, say what stands."""
    from tickctl.cli.commands.secrets import rollout

    if plan.moves:
        try:
            aws.secrets.move_current(plan.arn, to=plan.to, away_from=plan.current)
        except UnreachableError as error:
            # Without a version, the same command would go forward again, if it was carried out.
            error.hint = f"run the same command again with --to {plan.to}: it looks first, and finishes what is missing"
            raise
        run.output.notice(f"version {plan.to} of {plan.place} is the current one")
    try:
        report = rollout.carry_out(
            run, aws.containers, plan.tasks, arn=plan.arn, secret=plan.place, wait=wait, timeout=timeout, poll=poll
        )
    except BaseException:
        run.output.warning(f"{plan.place} stands at version {plan.to}; the same command with --to {plan.to} goes on")
        raise
    _answer(run, plan, done=True, tasks=rollout.report_json(report))
    return report.code


def _answer(
    run: Run,
    plan: _Plan,
    *,
    dry_run: bool = False,
    done: bool = False,
    tasks: Mapping[str, object] | None = None,
) -> None:
    from tickctl.cli.commands.secrets import rollout
    from tickctl.cli.commands.secrets.changes import changes_json

    if not run.json:
        if done and plan.moves:
            run.output.record({"version": plan.to})
        return
    run.output.document(
        {
            "secret_id": plan.base.name,
            "arn": plan.arn,
            "env_name": plan.env_name,
            "dry_run": dry_run,
            "version_id": plan.to if done else plan.current,
            "rolled_back_from": plan.current if plan.moves else None,
            "rolled_back_to": plan.to,
            **changes_json(plan.changes),
            **(tasks or rollout.plan_json(plan.tasks)),
        }
    )
