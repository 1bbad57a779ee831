"""The part of push and rollback that concerns ECS: what has to be registered and deployed, and doing it.

The plan says everything beforehand and only reads; carrying it out decides nothing any more.
"""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tickctl.cli.console.run import Run
from tickctl.errors import ConflictError, UnreachableError

if TYPE_CHECKING:
    from datetime import datetime

    from tickctl.cli.commands.secrets.rollout_report import Report
    from tickctl.core.ecs.model import Service, TaskDefinition
    from tickctl.core.ecs.plan import DefinitionPlan, RolloutPlan, ServicePlan
    from tickctl.core.ecs.port import ContainerPlatform
    from tickctl.core.ecs.registration import DefinitionFile
    from tickctl.core.ecs.rollout import Started
    from tickctl.core.secrets.target import Target

# As long as a real one, so that sizes are told right; six characters that AWS would not choose.
_SUFFIX: Final = "-000000"
_LARGEST_FILE: Final = 1024 * 1024


def plan(
    platform: "ContainerPlatform",
    target: "Target",
    *,
    secret_id: str,
    region: str,
    arn: str | None,
    keys: Collection[str] | None,
    known: Collection[str],
    changed_at: "datetime | None",
    rewritten: bool,
) -> "RolloutPlan":
    """Decide what to register and deploy; reads only.

    Args:
        platform: is read from.
        target: names services, families, files and containers.
        secret_id: the secret's name.
        region: the secret's.
        arn: the secret's, if it exists.
        keys: those that containers get; None adds none, and only removes references to keys that there won't be.
        known: all keys that the secret will have.
        changed_at: when the secret changed last.
        rewritten: whether it is about to change.

    Raises:
        ConfigurationError: something would be refused, or can't be meant.
        NotFoundError: there is no such cluster, service or definition.
    """
    from tickctl.core.ecs.plan import RolloutPlan, Wanted
    from tickctl.core.ecs.plan import plan as decide

    goal = Wanted(
        arn=arn or f"arn:aws:secretsmanager:{region}:{'0' * 12}:secret:{secret_id}{_SUFFIX}",
        known=frozenset(known),
        keys=None if keys is None else frozenset(keys),
        containers=target.containers,
    )
    if not (target.services or target.task_definitions):
        return RolloutPlan(goal)
    files = [name for name in target.task_definitions if name.endswith(".json")]
    return decide(
        platform,
        goal,
        cluster=target.cluster,
        services=target.services,
        families=[name for name in target.task_definitions if name not in files],
        files={name: read_definition(Path(name)) for name in files},
        changed_at=changed_at,
        rewritten=rewritten,
    )


def read_definition(path: Path) -> "DefinitionFile":
    """Read a task definition from a file.

    Raises:
        ConfigurationError: it can't be read, or is no task definition.
    """
    from tickctl.core.ecs.registration import read_file
    from tickctl.files import read_text

    text = read_text(path, _LARGEST_FILE, hint="check --task-definition")
    return read_file(text, name=str(path))


def show(run: Run, plan: "RolloutPlan") -> None:
    """Tell what a plan does with definitions and services, and what speaks against it."""
    from tickctl.cli.commands.secrets.rollout_report import lines

    for line in lines(plan):
        run.output.notice(line)
    for warning in plan.warnings:
        run.output.warning(warning)


def plan_json(plan: "RolloutPlan") -> dict[str, object]:
    """Return a plan for a JSON document: as `report_json`, with null for what only happens later."""
    from tickctl.cli.commands.secrets.rollout_report import as_json

    return as_json(plan)


def report_json(report: "Report") -> dict[str, object]:
    """Return what was done for a JSON document."""
    from tickctl.cli.commands.secrets.rollout_report import as_json

    return as_json(report.plan, report)


def carry_out(
    run: Run,
    platform: "ContainerPlatform",
    plan: "RolloutPlan",
    *,
    arn: str,
    secret: str | None,
    wait: bool,
    timeout: float,
    poll: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> "Report":
    """Register, deploy and follow, and tell how it went.

    Args:
        run: for notices and progress.
        platform: is changed.
        plan: of `plan`.
        arn: the secret's; by now it has one.
        secret: names it for people; None if it hasn't been written, so that there is nothing to go back to.
        wait: follow deployments to their end.
        timeout: seconds to follow them.
        poll: seconds between looks.
        clock: seconds, for tests.
        sleep: for tests.

    Raises:
        ConflictError: somebody else has deployed a service since the plan was made.
        TickctlError: AWS refuses in the middle; what has been done is told before.
    """
    from tickctl.cli.commands.secrets.rollout_follow import ended, follow_started

    done = _Done(plan)
    with _told(run, done):
        services = recheck(platform, plan)
        revisions = [_revision(run, platform, definition, plan, arn, done) for definition in plan.definitions]
        for definition, revision in zip(plan.definitions, revisions, strict=True):
            for service in definition.services:
                _deploy(run, platform, str(plan.cluster), service, revision, services[service.service.name], done)
        ending = None
        if wait:
            ending = follow_started(
                run, platform, plan, done.started, timeout=timeout, poll=poll, clock=clock, sleep=sleep
            )
    return ended(run, platform, plan, done.registered, done.started, ending, secret=secret)


def recheck(platform: "ContainerPlatform", plan: "RolloutPlan") -> "dict[str, Service]":
    """Return the services as they are now, by name.

    Raises:
        ConflictError: one runs another revision than when the plan was made.
    """
    planned = [one.service for definition in plan.definitions for one in definition.services]
    if not planned:
        return {}
    services = {
        service.name: service for service in platform.services(str(plan.cluster), [one.name for one in planned])
    }
    for before in planned:
        if services[before.name].task_definition != before.task_definition:
            raise ConflictError(
                f"somebody else has just deployed service {before.name}; it was left as it is",
                hint="run the same command again: it starts from what the service runs now",
            )
    return services


@dataclass(slots=True)
class _Done:
    """What has been done so far, for the report and for whoever has to be told in the middle."""

    plan: "RolloutPlan"
    registered: "dict[str, TaskDefinition]" = field(default_factory=dict)
    started: "list[Started]" = field(default_factory=list)
    uncertain: str | None = None
    """A service that AWS was asked to deploy, without an answer."""

    @property
    def lines(self) -> list[str]:
        """What stands, for people."""
        running = {one.deployment.task_definition for one in self.started}
        unused = [one for one in self.registered.values() if one.arn not in running]
        registered = [f"{one.family}:{one.revision} is registered, and no service runs it yet" for one in unused]
        deployed = [
            f"deployment {one.deployment.id} of service {one.service} has begun, and is not followed to its end"
            for one in self.started
        ]
        begun = {one.service for one in self.started}
        left = [
            f"whether service {one.service.name} is being deployed is not known"
            if one.service.name == self.uncertain
            else f"service {one.service.name} was not deployed"
            for definition in self.plan.definitions
            for one in definition.services
            if one.action != "none" and one.service.name not in begun
        ]
        return [*registered, *deployed, *left]


@contextmanager
def _told(run: Run, done: _Done) -> Iterator[None]:
    """Whatever ends it early, say what stands."""
    try:
        yield
    except BaseException:
        for line in done.lines:
            run.output.warning(line)
        raise


def _revision(
    run: Run,
    platform: "ContainerPlatform",
    definition: "DefinitionPlan",
    plan: "RolloutPlan",
    arn: str,
    done: _Done,
) -> "TaskDefinition":
    from tickctl.core.ecs.plan import matches

    if definition.existing:
        return definition.existing
    rewritten = definition.rewrite
    if arn != plan.wanted.arn:
        rewritten = replace(plan.wanted, arn=arn).applied_to(definition.document)
    for made in done.registered.values():
        # Services of one family that ran different revisions may end up with the same one.
        if made.family == definition.family and matches(made, rewritten.document, definition.tags):
            done.registered[definition.source] = made
            return made
    revision = platform.register(rewritten.document, tags=definition.tags)
    done.registered[definition.source] = revision
    run.output.notice(f"registered {revision.family}:{revision.revision}")
    return revision


def _deploy(
    run: Run,
    platform: "ContainerPlatform",
    cluster: str,
    plan: "ServicePlan",
    revision: "TaskDefinition",
    now: "Service",
    done: _Done,
) -> None:
    from tickctl.adapters.aws.errors import not_aws
    from tickctl.core.ecs.rollout import Started

    if plan.action == "none":
        return
    if plan.action != "follow":
        # Forced always: where somebody has just deployed this very revision, its tasks may have the values of before.
        try:
            now = platform.deploy(cluster, now.name, task_definition=revision.arn, force=True)
        except (UnreachableError, KeyboardInterrupt):
            done.uncertain = now.name
            raise
    if now.primary is None:
        raise not_aws("ECS")
    done.started.append(Started(now.name, now.primary))
    if plan.action != "follow":
        run.output.notice(
            f"service {now.name}: deployment {now.primary.id} of {revision.family}:{revision.revision} has begun"
        )
