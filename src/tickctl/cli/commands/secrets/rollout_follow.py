"""Follows deployments on the screen, and tells how they ended."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tickctl.cli.commands.secrets.rollout_report import Outcome, Report, ServiceReport, short
from tickctl.cli.console.run import Run
from tickctl.core.ecs.plan import Action, older_tasks
from tickctl.core.ecs.rollout import Ending, Progress, RolloutState, Started, events_since, follow, reasons
from tickctl.errors import TickctlError

if TYPE_CHECKING:
    from tickctl.core.ecs.model import TaskDefinition
    from tickctl.core.ecs.plan import RolloutPlan, ServicePlan
    from tickctl.core.ecs.port import ContainerPlatform

Tell = Callable[[Sequence[Progress]], None]
_OUTCOMES: Final = {
    RolloutState.COMPLETED: Outcome.COMPLETED,
    RolloutState.FAILED: Outcome.FAILED,
    RolloutState.REPLACED: Outcome.REPLACED,
    RolloutState.IN_PROGRESS: Outcome.TIMED_OUT,
}
_STATES: Final = {
    RolloutState.IN_PROGRESS: "in progress",
    RolloutState.COMPLETED: "completed",
    RolloutState.FAILED: "failed",
    RolloutState.REPLACED: "replaced by another",
}


def follow_started(
    run: Run,
    platform: "ContainerPlatform",
    plan: "RolloutPlan",
    started: Sequence[Started],
    *,
    timeout: float,
    poll: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Ending:
    """Follow deployments to their end, or until time is up; a moving line for each where stderr is a terminal."""
    if not started:
        return Ending(())
    with _bars(run, started) if run.output.style.progress else _notices(run) as tell:
        return follow(
            started,
            look=lambda names: platform.services(str(plan.cluster), names),
            clock=clock,
            sleep=sleep,
            poll=poll,
            timeout=timeout,
            tell=tell,
        )


@contextmanager
def _notices(run: Run) -> Iterator[Tell]:
    """Say a line whenever a deployment's state is another, or its first task has failed; bad ends are told later."""
    last: dict[str, tuple[RolloutState, bool]] = {}

    def tell(progress: Sequence[Progress]) -> None:
        for step in progress:
            now = step.state, bool(step.now.failed)
            if last.get(step.started.service) != now and step.state not in {RolloutState.FAILED, RolloutState.REPLACED}:
                last[step.started.service] = now
                run.output.notice(f"service {step.started.service}: {_line(step)}")

    yield tell


def _line(progress: Progress) -> str:
    now = progress.now
    failed = f", {now.failed} failed" if now.failed else ""
    tasks = "task runs" if now.desired == 1 else "tasks run"
    deployment = f"deployment of {short(now.task_definition)} {_STATES[progress.state]}"
    return f"{deployment}, {now.running} of {now.desired} {tasks}{failed}"


@contextmanager
def _bars(run: Run, started: Sequence[Started]) -> Iterator[Tell]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[tasks]}"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True, no_color=not run.output.style.colour or None)
    with Bars(*columns, console=console, transient=True) as bars:
        lines = {
            one.service: bars.add_task(
                escape(f"{one.service} {short(one.deployment.task_definition)}"), total=None, tasks=""
            )
            for one in started
        }

        def tell(progress: Sequence[Progress]) -> None:
            for step in progress:
                now = step.now
                failed = f", {now.failed} failed" if now.failed else ""
                bars.update(
                    lines[step.started.service],
                    total=max(now.desired, 1),
                    completed=now.running,
                    tasks=f"{now.running}/{now.desired} tasks{failed}, {_STATES[step.state]}",
                )
                if step.state is not RolloutState.IN_PROGRESS:
                    bars.stop_task(lines[step.started.service])

        yield tell


def ended(
    run: Run,
    platform: "ContainerPlatform",
    plan: "RolloutPlan",
    registered: "Mapping[str, TaskDefinition]",
    started: Sequence[Started],
    ending: Ending | None,
    *,
    secret: str | None,
) -> Report:
    """Return the report, having told what people want to know of it.

    Args:
        run: for notices and warnings.
        platform: is asked why tasks stopped.
        plan: that was carried out.
        registered: revisions by their source.
        started: the deployments.
        ending: None if they weren't followed.
        secret: names it for people, if it has been written.
    """
    followed = {service.started.service: service for service in (ending.progress if ending else ())}
    begun = {service.service: service for service in started}
    reports = []
    for service in (service for definition in plan.definitions for service in definition.services):
        name = service.service.name
        if name in followed:
            reports.append(_judged(run, platform, plan, service, followed[name], ending))
        elif name in begun:
            reports.append(ServiceReport(name, Outcome.NOT_FOLLOWED, begun[name].deployment.id))
            run.output.notice(f"service {name}: deployment {begun[name].deployment.id} goes on and is not followed")
        else:
            reports.append(ServiceReport(name, Outcome.UNCHANGED))
    outcomes = {service.outcome for service in reports}
    if secret and outcomes & {Outcome.FAILED, Outcome.REPLACED}:
        run.output.notice(
            f"{secret} keeps the version that it has now; 'tickctl secrets rollback' brings back the one before"
        )
    if Outcome.TIMED_OUT in outcomes:
        run.output.notice("the same command again goes on following; 'tickctl secrets status' shows how far it is")
    return Report(plan, registered, reports)


def _judged(
    run: Run,
    platform: "ContainerPlatform",
    plan: "RolloutPlan",
    planned: "ServicePlan",
    progress: Progress,
    ending: Ending | None,
) -> ServiceReport:
    """Tell how one deployment ended; if not well, with what AWS says of it."""
    name, now = progress.started.service, progress.now
    outcome = _OUTCOMES[progress.state]
    if outcome is Outcome.COMPLETED and planned.action is Action.FOLLOW:
        # Somebody else began it, or a run that was cut off. It may even be the way back to tasks that never stopped.
        older = older_tasks(platform, planned.service, plan.changed_at)
        if older:
            stale = f"{older} of its tasks are from before the secret changed last"
            run.output.warning(f"service {name}: deployment {now.id} is through, but {stale}")
            return ServiceReport(name, Outcome.REPLACED, now.id, stale)
    if outcome is Outcome.COMPLETED:
        if run.output.style.progress:  # otherwise it has been said, and stands there still
            run.output.notice(f"service {name}: {_line(progress)}")
        return ServiceReport(name, outcome, now.id)
    reason = now.rollout_reason
    if outcome is Outcome.TIMED_OUT:
        reason = ending.unreachable.message if ending and ending.unreachable else None
    run.output.warning(f"service {name}: {_headline(outcome, progress)}" + (f": {reason}" if reason else ""))
    events = events_since(progress.service, progress.started.deployment.created_at) if progress.service else ()
    stopped, unread = _stopped(platform, plan, progress)
    for title, evidence in (("event", events), ("stopped task", stopped)):
        for line in evidence:
            run.output.notice(f"  {title}: {line}")
    if unread:
        run.output.notice(f"  why tasks stopped can't be told: {unread}")
    return ServiceReport(name, outcome, now.id, reason, events, stopped)


def _headline(outcome: Outcome, progress: Progress) -> str:
    now = progress.now
    deployment = f"deployment {now.id} of {short(now.task_definition)}"
    if outcome is Outcome.TIMED_OUT:
        return f"{deployment} has not ended in time, and goes on"
    primary = progress.service.primary if progress.service else None
    primary_text = f"{primary.id} of {short(primary.task_definition)}" if primary and primary.id != now.id else None
    if outcome is Outcome.REPLACED:
        return f"{deployment} was replaced by another deployment" + (f", {primary_text}" if primary_text else "")
    return f"{deployment} failed" + (f", and {primary_text} has its place" if primary_text else "")


def _stopped(
    platform: "ContainerPlatform", plan: "RolloutPlan", progress: Progress
) -> tuple[Sequence[str], str | None]:
    """Return why tasks of a deployment stopped, or why that can't be told."""
    deployment, counts = progress.started.deployment, dict[str, int]()
    try:
        for task in platform.tasks(str(plan.cluster), progress.started.service, stopped=True):
            ours = task.task_definition == deployment.task_definition
            if ours and task.stopped_reason and task.created_at and task.created_at >= deployment.created_at:
                counts[task.stopped_reason] = counts.get(task.stopped_reason, 0) + 1
    except TickctlError as error:  # it may not hide how the deployment ended
        return (), error.message
    return reasons(counts), None
