"""What a rollout is to do and has done: for people, and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from tickctl.cli.console.exit_codes import ExitCode
from tickctl.core.ecs.plan import Action, DefinitionPlan, RolloutPlan, ServicePlan

if TYPE_CHECKING:
    from tickctl.core.ecs.model import TaskDefinition
    from tickctl.core.ecs.task_definition import ContainerChange

_SHOWN: Final = 6


class Outcome(StrEnum):
    """How it went for one service."""

    COMPLETED = "completed"
    FAILED = "failed"
    REPLACED = "replaced"
    TIMED_OUT = "timed_out"
    NOT_FOLLOWED = "not_followed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """How it went for one service: `reason`, `events` and `stopped` are there where it didn't go well."""

    service: str
    outcome: Outcome
    deployment: str | None = None
    reason: str | None = None
    events: Sequence[str] = ()
    stopped: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What was done: revisions by the source of their definition, and how each service took it."""

    plan: RolloutPlan
    registered: "Mapping[str, TaskDefinition]" = field(default_factory=dict)
    services: Sequence[ServiceReport] = ()

    @property
    def code(self) -> ExitCode:
        """The exit code that this deserves."""
        outcomes = {one.outcome for one in self.services}
        if outcomes & {Outcome.FAILED, Outcome.REPLACED}:
            return ExitCode.NO
        return ExitCode.CANNOT_TELL if Outcome.TIMED_OUT in outcomes else ExitCode.YES


def lines(plan: RolloutPlan) -> Iterator[str]:
    """Yield what a plan does, a line for each thing."""
    for definition in plan.definitions:
        yield f"{definition.source}: {_revision_line(definition)}"
        yield from (f"  container {change.container}: {change_line(change)}" for change in definition.rewrite.changes)
        yield from (f"  service {one.service.name}: {_service_line(definition, one)}" for one in definition.services)


def _revision_line(definition: DefinitionPlan) -> str:
    if definition.existing is None:
        return f"a new revision of {definition.family} is registered"
    revision = short(definition.existing.arn)
    if any(one.action is Action.UPDATE for one in definition.services):
        return f"{revision} is used, which is registered already"
    return f"{revision} needs no change"


def change_line(change: "ContainerChange") -> str:
    """Return what changes for a container."""
    parts = (
        ("refers to", change.added),
        ("refers differently to", change.changed),
        ("no longer has as plain values", change.moved),
        ("no longer refers to", change.removed),
    )
    return "; ".join(f"{what} {_names(which)}" for what, which in parts if which)


def _names(words: Sequence[str]) -> str:
    text = ", ".join(words[:_SHOWN])
    return text if len(words) <= _SHOWN else f"{text} and {len(words) - _SHOWN} more"


def _service_line(definition: DefinitionPlan, plan: ServicePlan) -> str:
    running = short(plan.service.task_definition)
    match plan.action:
        case Action.UPDATE if definition.existing:
            return f"is deployed with {short(definition.existing.arn)}, instead of {running}"
        case Action.UPDATE:
            return f"is deployed with it, instead of {running}"
        case Action.REDEPLOY:
            return f"is deployed anew with {running}, so that its tasks fetch the values"
        case Action.FOLLOW:
            return f"is being deployed with {running} already"
        case _:
            return f"runs {running} with the values as they are"


def short(arn: str) -> str:
    """Return `family:revision` of a revision's ARN."""
    return arn.rpartition("/")[2]


def as_json(plan: RolloutPlan, report: Report | None = None) -> dict[str, object]:
    """Return a plan, or what was done, for a JSON document."""
    return {
        "definitions": [_definition_json(one, report) for one in plan.definitions],
        "services": [
            _service_json(definition, one, plan, report)
            for definition in plan.definitions
            for one in definition.services
        ],
    }


def _definition_json(definition: DefinitionPlan, report: Report | None) -> dict[str, object]:
    revision = _revision(definition, report)
    return {
        "source": definition.source,
        "family": definition.family,
        "register": definition.register,
        "task_definition": revision.arn if revision else None,
        "revision": revision.revision if revision else None,
        "containers": [
            {
                "container": change.container,
                "added": change.added,
                "changed": change.changed,
                "moved": change.moved,
                "removed": change.removed,
            }
            for change in definition.rewrite.changes
        ],
    }


def _revision(definition: DefinitionPlan, report: Report | None) -> "TaskDefinition | None":
    return definition.existing or (report.registered.get(definition.source) if report else None)


def _service_json(
    definition: DefinitionPlan, plan: ServicePlan, whole: RolloutPlan, report: Report | None
) -> dict[str, object]:
    revision = _revision(definition, report)
    done = next((one for one in report.services if one.service == plan.service.name), None) if report else None
    return {
        "service": plan.service.name,
        "cluster": whole.cluster,
        "action": plan.action,
        "task_definition": revision.arn if revision else None,
        "previous_task_definition": plan.service.task_definition,
        "deployment": done.deployment if done else None,
        "outcome": done.outcome if done else None,
        "reason": done.reason if done else None,
        "events": done.events if done else [],
        "stopped_tasks": done.stopped if done else [],
    }
