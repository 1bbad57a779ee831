"""Services that roll out: deployments, tasks and events, moved on by one step each time somebody looks.

moto keeps one deployment for ever and starts no task of a service. Here UpdateService begins a deployment as ECS does
(Amazon ECS developer guide, "Deploy Amazon ECS services by replacing tasks" and "How the Amazon ECS deployment circuit
breaker detects failures"), and a task fetches its secrets when it starts, so that a wrong reference fails as in AWS.
The words of events, reasons and stopped tasks are those that public reports of real deployments show.
"""

import copy
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from strict_aws.clock import Clock

Environment = Mapping[str, str]
Fetch = Callable[[str], Environment]
"""Gives the environment that a task of a revision starts with, or raises `CannotStart`."""


class CannotStart(Exception):  # noqa: N818 - AWS's reason, not a mistake
    """A task couldn't get what it needs."""


class Step(StrEnum):
    """What a look at a service finds of the deployment in progress."""

    STALE = "stale"
    """An answer from before the deployment: ECS's reads are eventually consistent."""
    IN_PROGRESS = "in progress"
    COMPLETED = "completed"
    FAILED = "failed"
    """By the circuit breaker, without a rollback."""
    ROLLED_BACK = "rolled back"
    """By the circuit breaker, to the revision before."""
    GONE = "gone"
    """Rolled back, and that was done with, since somebody looked last."""
    REPLACED = "replaced"
    """Somebody else starts another deployment."""


USUAL: Final = (Step.IN_PROGRESS, Step.COMPLETED)


@dataclass
class Task:
    """A task; `environment` is what its containers were started with."""

    arn: str
    definition: str
    deployment: str
    created_at: float
    environment: Environment
    attachments: Sequence[Mapping[str, Any]] = ()
    stopped_at: float | None = None
    stopped_reason: str | None = None
    stop_code: str | None = None


@dataclass
class Deployment:
    """One deployment."""

    id: str
    definition: str
    created_at: float
    updated_at: float
    reason: str
    status: str = "PRIMARY"
    state: str = "IN_PROGRESS"
    failed: int = 0
    steps: list[Step] = field(default_factory=list)


@dataclass
class Rolling:
    """A service with an ECS deployment controller."""

    arn: str
    name: str
    cluster: str
    desired: int
    clock: Clock
    fetch: Fetch
    connect: Callable[[], Sequence[Mapping[str, Any]]] = tuple
    """Gives the attachments of a task that starts."""
    deployments: list[Deployment] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    events: list[tuple[str, float, str]] = field(default_factory=list)
    script: Sequence[Step] = USUAL
    _before: dict[str, Any] = field(default_factory=dict)
    _stale: bool = False

    @property
    def primary(self) -> Deployment:
        """The deployment that the service moves towards."""
        return next(each for each in self.deployments if each.status == "PRIMARY")

    def running(self, deployment: str | None = None) -> list[Task]:
        """Return the tasks that run, of one deployment if one is named."""
        return [task for task in self.tasks if task.stopped_at is None and deployment in (None, task.deployment)]

    def deploy(self, definition: str, *, force: bool, reason: str | None = None) -> None:
        """Begin a deployment, unless the service moves to that revision already and nobody forces one."""
        if self.deployments:
            if self.primary.definition == definition and not force:
                return
            self._before = self.documents()
            self.primary.status = "ACTIVE"
        now, identity = self.clock.now(), f"ecs-svc/{uuid.uuid4().int % 10**19:019d}"
        reason = reason or f"ECS deployment {identity} in progress."
        self.deployments.insert(0, Deployment(identity, definition, now, now, reason, steps=list(self.script)))

    def move(self) -> None:
        """Take the next step; the last one of a script is repeated."""
        primary = self.primary
        if primary.state != "IN_PROGRESS" or not primary.steps:
            return
        step = primary.steps.pop(0) if len(primary.steps) > 1 else primary.steps[0]
        self._stale = step is Step.STALE
        if self._stale:
            return
        primary.updated_at = self.clock.now()
        try:
            {
                Step.IN_PROGRESS: self._progress,
                Step.COMPLETED: self.complete,
                Step.FAILED: self._fail,
                Step.ROLLED_BACK: self._roll_back,
                Step.GONE: self._go,
                Step.REPLACED: self._replace,
            }[step](primary)
        except CannotStart as problem:
            self._roll_back(primary, str(problem))

    def complete(self, deployment: Deployment) -> None:
        """Let all tasks of a deployment run, and none of another."""
        while len(self.running(deployment.id)) < self.desired:
            self._start(deployment)
        for task in self.running():
            if task.deployment != deployment.id:
                self._stop(task, f"Scaling activity initiated by (deployment {deployment.id})")
        self.deployments = [deployment]
        deployment.state, deployment.reason = "COMPLETED", f"ECS deployment {deployment.id} completed."
        self._say(f"(deployment {deployment.id}) deployment completed.")
        self._say("has reached a steady state.")

    def _progress(self, deployment: Deployment) -> None:
        if len(self.running(deployment.id)) < self.desired:
            self._start(deployment)

    def _fail(self, deployment: Deployment, problem: str | None = None) -> None:
        reason = problem or "Essential container in task exited"
        for task in self.running(deployment.id):
            self._stop(task, reason, "EssentialContainerExited")
        failing = Task(self._task_arn(), deployment.definition, deployment.id, self.clock.now(), {})
        self.tasks.append(failing)
        self._stop(failing, reason, "TaskFailedToStart" if problem else "EssentialContainerExited")
        deployment.failed = 3
        deployment.state, deployment.reason = "FAILED", "ECS deployment circuit breaker: tasks failed to start."
        self._say(f"(deployment {deployment.id}) deployment failed: tasks failed to start.")

    def _roll_back(self, deployment: Deployment, problem: str | None = None) -> None:
        self._fail(deployment, problem)
        before = next((each for each in self.deployments if each.state == "COMPLETED"), None)
        if before is None:
            return
        reason = f"ECS deployment circuit breaker: rolling back to deploymentId {before.id}."
        self._say(f"rolling back to deployment {before.id}.")
        self.deploy(before.definition, force=True, reason=reason)
        self.primary.steps = [Step.COMPLETED]

    def _go(self, deployment: Deployment) -> None:
        self._roll_back(deployment)
        self.complete(self.primary)

    def _replace(self, deployment: Deployment) -> None:
        self.deploy(deployment.definition, force=True)
        self.primary.steps = [Step.COMPLETED]

    def _start(self, deployment: Deployment) -> None:
        created = self.clock.now()
        environment, attachments = self.fetch(deployment.definition), self.connect()
        task = Task(self._task_arn(), deployment.definition, deployment.id, created, environment, attachments)
        self.tasks.append(task)
        self._say(f"has started 1 tasks: (task {task.arn.rpartition('/')[2]}).")

    def _stop(self, task: Task, reason: str, code: str = "ServiceSchedulerInitiated") -> None:
        task.stopped_at, task.stopped_reason, task.stop_code = self.clock.now(), reason, code

    def _task_arn(self) -> str:
        return f"{self.arn.rpartition(':service/')[0]}:task/{self.cluster}/{uuid.uuid4().hex}"

    def _say(self, text: str) -> None:
        self.events.insert(0, (str(uuid.uuid4()), self.clock.now(), f"(service {self.name}) {text}"))

    def documents(self) -> dict[str, Any]:
        """Return the fields of DescribeServices that are about deployments."""
        if self._stale:
            return copy.deepcopy(self._before)
        return {
            "desiredCount": self.desired,
            "runningCount": len(self.running()),
            "pendingCount": 0,
            "taskDefinition": self.primary.definition,
            "deployments": [self._document(each) for each in self.deployments],
            "events": [{"id": i, "createdAt": at, "message": text} for i, at, text in self.events[:100]],
        }

    def _document(self, deployment: Deployment) -> dict[str, Any]:
        wanted = self.desired if deployment.status == "PRIMARY" else 0
        return {
            "id": deployment.id,
            "status": deployment.status,
            "taskDefinition": deployment.definition,
            "desiredCount": wanted,
            "pendingCount": 0,
            "runningCount": len(self.running(deployment.id)),
            "failedTasks": deployment.failed,
            "createdAt": deployment.created_at,
            "updatedAt": deployment.updated_at,
            "rolloutState": deployment.state,
            "rolloutStateReason": deployment.reason,
        }
