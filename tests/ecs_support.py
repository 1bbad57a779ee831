"""What tests of rollouts share: services, deployments and tasks made up in a line, and a platform in memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tickctl.core.ecs.model import Deployment, Service, Task, TaskDefinition
from tickctl.core.json import JsonObject
from tickctl.errors import NotFoundError

NOON: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
ARN: Final = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway/production-AbCdEf"
ROLE: Final = "arn:aws:iam::123456789012:role/execution"


def at(minutes: float) -> datetime:
    """Return a time so many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def revision_arn(name: str) -> str:
    """Return the ARN of `family:revision`."""
    return f"arn:aws:ecs:eu-west-1:123456789012:task-definition/{name}"


def deployment(identity: str = "ecs-svc/1", **more: Any) -> Deployment:
    """Return a deployment that is completed, but for what is said."""
    made = Deployment(
        id=identity,
        status="PRIMARY",
        task_definition=revision_arn("gateway:1"),
        rollout_state="COMPLETED",
        rollout_reason=None,
        desired=2,
        running=2,
        pending=0,
        failed=0,
        created_at=NOON,
    )
    return replace(made, **more)


def service(name: str = "gateway", *deployments: Deployment, definition: str = "gateway:1", **more: Any) -> Service:
    """Return a service on Fargate."""
    revision = revision_arn(definition)
    made = Service(
        name=name,
        arn=f"arn:aws:ecs:eu-west-1:123456789012:service/main/{name}",
        cluster="main",
        status="ACTIVE",
        task_definition=revision,
        platform_version="1.4.0",
        deployments=deployments or (deployment(task_definition=revision),),
    )
    return replace(made, **more)


def task(definition: str = "gateway:1", created: datetime | None = NOON, **more: Any) -> Task:
    """Return a task that runs."""
    return replace(Task("arn", revision_arn(definition), created, "RUNNING"), **more)


def document(family: str = "gateway", *keys: str, containers: Sequence[str] = ("gateway",), **more: Any) -> JsonObject:
    """Return a definition whose first container refers to keys of the secret."""
    secrets = [{"name": key, "valueFrom": f"{ARN}:{key}::"} for key in keys]
    made: list[dict[str, Any]] = [{"name": name, "image": f"{name}:1"} for name in containers]
    if secrets:
        made[0]["secrets"] = secrets
    return {"family": family, "executionRoleArn": ROLE, "containerDefinitions": made} | more


@dataclass
class Platform:
    """Behaves like ECS for one cluster, `main`, where every call works; remembers what was asked for."""

    found: dict[str, Service] = field(default_factory=dict)
    definitions: dict[str, TaskDefinition] = field(default_factory=dict)
    running: dict[str, Sequence[Task]] = field(default_factory=dict)
    stopped: dict[str, Sequence[Task]] = field(default_factory=dict)
    calls: list[tuple[str, ...]] = field(default_factory=list)
    refuse: dict[str, BaseException] = field(default_factory=dict)
    """What a call raises, by its name."""

    def given(self, made: JsonObject, *, tags: Mapping[str, str] | None = None) -> TaskDefinition:
        """Put a revision in place."""
        family = str(made["family"])
        number = 1 + sum(one.family == family for one in self.definitions.values())
        arn = revision_arn(f"{family}:{number}")
        self.definitions[arn] = TaskDefinition(arn, family, number, {"status": "ACTIVE", **made}, tags or {})
        return self.definitions[arn]

    def _called(self, *what: str) -> None:
        self.calls.append(what)
        if what[0] in self.refuse:
            raise self.refuse[what[0]]

    @property
    def writes(self) -> list[tuple[str, ...]]:
        """The calls that change something."""
        return [call for call in self.calls if call[0] in {"register", "deploy"}]

    def definition(self, name: str) -> TaskDefinition:
        """Return a revision, or the latest of a family."""
        self._called("definition", name)
        if name in self.definitions:
            return self.definitions[name]
        family = [one for one in self.definitions.values() if one.family == name and one.document["status"] == "ACTIVE"]
        if not family:
            raise NotFoundError(f"no {name}")
        return family[-1]

    def check(self, document: JsonObject) -> None:
        """Take every document."""
        self._called("check", str(document["family"]))

    def register(self, document: JsonObject, *, tags: Mapping[str, str]) -> TaskDefinition:
        """Register a revision."""
        self._called("register", str(document["family"]))
        return self.given(document, tags=tags)

    def services(self, cluster: str, names: Sequence[str]) -> tuple[Service, ...]:
        """Return services."""
        self._called("services", cluster, *names)
        return tuple(self.found[name] for name in names)

    def deploy(self, cluster: str, service: str, *, task_definition: str, force: bool) -> Service:
        """Begin a deployment an hour after noon."""
        self._called("deploy", service, task_definition.rpartition("/")[2], "forced" if force else "")
        begun = deployment(
            f"ecs-svc/{len(self.calls)}",
            task_definition=task_definition,
            rollout_state="IN_PROGRESS",
            created_at=at(60),
        )
        before = [replace(one, status="ACTIVE") for one in self.found[service].deployments]
        self.found[service] = replace(
            self.found[service], task_definition=task_definition, deployments=(begun, *before)
        )
        return self.found[service]

    def tasks(self, cluster: str, service: str, *, stopped: bool = False) -> Iterable[Task]:
        """Return tasks."""
        self._called("tasks", cluster, service)
        return (self.stopped if stopped else self.running).get(service, ())
