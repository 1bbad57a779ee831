"""ECS: task definitions, services and their tasks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final

from tickctl.adapters.aws.failures import stranger
from tickctl.adapters.aws.session import call
from tickctl.core.ecs.port import Deployment, Service, ServiceEvent, Task, TaskDefinition
from tickctl.core.json import JsonObject
from tickctl.errors import ConfigurationError, NotFoundError

_TYPES: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    "string": ((str,), "a string"),
    "integer": ((int,), "an integer"),
    "long": ((int,), "an integer"),
    "boolean": ((bool,), "a boolean"),
    "double": ((int, float), "a number"),
    "float": ((int, float), "a number"),
    "list": ((), "a list"),
    "structure": ((), "an object"),
    "map": ((), "an object"),
}


def misfits(value: object, shape: Any, path: str = "") -> Iterator[str]:
    """Yield what doesn't fit, by the path of the member: unknown ones, missing ones, and those of another type.

    Args:
        value: as it would be sent.
        shape: of the library's service model.
        path: where the value stands; empty is the request itself.
    """
    kind = shape.type_name
    if kind == "structure" and isinstance(value, Mapping):
        yield from (f"{_join(path, name)} is missing" for name in shape.required_members if name not in value)
        for name, inner in value.items():
            if name not in shape.members:
                yield f"{_join(path, name)} is no field of it"
            else:
                yield from misfits(inner, shape.members[name], _join(path, name))
    elif kind == "list" and isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from misfits(inner, shape.member, f"{path}[{index}]")
    elif kind == "map" and isinstance(value, Mapping):
        for name, inner in value.items():
            yield from misfits(inner, shape.value, _join(path, name))
    else:
        types, name = _TYPES.get(kind, ((), "something else"))
        if not isinstance(value, types) or (isinstance(value, bool) and kind != "boolean"):
            yield f"{path} is to be {name}"


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


_SERVICES_AT_ONCE: Final = 10
_TASKS_AT_ONCE: Final = 100


class Ecs:
    """ECS behind the port `ContainerPlatform`.

    Args:
        client: of boto3, for `ecs`.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def definition(self, name: str) -> TaskDefinition:
        """Return a revision by ARN, family:revision, or family (then the latest active one), with its tags."""
        return _definition(call(self._client, "describe_task_definition", taskDefinition=name, include=["TAGS"]))

    def check(self, document: JsonObject) -> None:
        """Refuse a document that isn't of the registration's shape; nothing is sent."""
        shape = self._client.meta.service_model.operation_model("RegisterTaskDefinition").input_shape
        problems = list(misfits(document, shape))
        if problems:
            raise ConfigurationError(
                f"the task definition isn't as ECS wants it: {problems[0]}",
                hint="the API reference of RegisterTaskDefinition names each field and its type",
            )

    def register(self, document: JsonObject, *, tags: Mapping[str, str]) -> TaskDefinition:
        """Register a revision. The document holds only fields of the registration's shape."""
        labels = [{"key": key, "value": value} for key, value in tags.items()]
        more: dict[str, Any] = {"tags": labels} if labels else {}
        return _definition(call(self._client, "register_task_definition", **document, **more), tags=tags)

    def services(self, cluster: str, names: Sequence[str]) -> tuple[Service, ...]:
        """Return services in the order of their names, ten with each request."""
        services_by_name: dict[str, Service] = {}
        for batch in _batches(names, _SERVICES_AT_ONCE):
            response = call(self._client, "describe_services", cluster=cluster, services=list(batch))
            for description in response.get("services", ()):
                service = _service(description)
                services_by_name[service.name] = services_by_name[service.arn] = service
        missing = [
            name for name in names if name not in services_by_name or services_by_name[name].status == "INACTIVE"
        ]
        if missing:
            raise NotFoundError(
                f"cluster {cluster} has no service {missing[0]}"
                + (" any more" if missing[0] in services_by_name else ""),
                hint="check the name, the cluster and the region; 'aws ecs list-services' shows them",
            )
        return tuple(services_by_name[name] for name in names)

    def deploy(self, cluster: str, service: str, *, task_definition: str, force: bool) -> Service:
        """Start a deployment of a revision; forced, also where the service runs that revision already."""
        response = call(
            self._client,
            "update_service",
            cluster=cluster,
            service=service,
            taskDefinition=task_definition,
            forceNewDeployment=force,
        )
        return _service(response.get("service", {}))

    def tasks(self, cluster: str, service: str, *, stopped: bool = False) -> Iterable[Task]:
        """Return the tasks of a service that run or are to run; or those that have stopped lately."""
        arns = self._task_arns(cluster, service, "STOPPED" if stopped else "RUNNING")
        for batch in _batches(list(arns), _TASKS_AT_ONCE):
            response = call(self._client, "describe_tasks", cluster=cluster, tasks=list(batch))
            yield from map(_task, response.get("tasks", ()))

    def _task_arns(self, cluster: str, service: str, status: str) -> Iterator[str]:
        more: dict[str, str] = {}
        while True:
            response = call(
                self._client, "list_tasks", cluster=cluster, serviceName=service, desiredStatus=status, **more
            )
            yield from response.get("taskArns", ())
            if not response.get("nextToken"):
                return
            more = {"nextToken": response["nextToken"]}


def _definition(answer: Mapping[str, Any], tags: Mapping[str, str] | None = None) -> TaskDefinition:
    definition = answer.get("taskDefinition") or {}
    match definition:
        case {"taskDefinitionArn": str(arn), "family": str(family), "revision": int(revision)}:
            if tags is None:
                tags = {tag["key"]: tag.get("value", "") for tag in answer.get("tags", ())}
            document = {name: value for name, value in definition.items() if not isinstance(value, datetime)}
            return TaskDefinition(arn, family, revision, document, tags)
        case _:
            raise stranger("ECS")


def _service(found: Mapping[str, Any]) -> Service:
    match found:
        case {"serviceName": str(name), "serviceArn": str(arn), "taskDefinition": str(definition)}:
            return Service(
                name=name,
                arn=arn,
                cluster=found.get("clusterArn", ""),
                status=found.get("status", ""),
                task_definition=definition,
                desired=found.get("desiredCount", 0),
                running=found.get("runningCount", 0),
                controller=found.get("deploymentController", {}).get("type") or "ECS",
                launch_type=found.get("launchType"),
                platform_version=found.get("platformVersion"),
                deployments=tuple(map(_deployment, found.get("deployments", ()))),
                events=tuple(map(_event, found.get("events", ()))),
            )
        case {"serviceName": str(name)}:
            # Only task sets have definitions then; such a service is refused by its controller.
            controller = found.get("deploymentController", {}).get("type") or "EXTERNAL"
            raise ConfigurationError(
                f"service {name} has no task definition of its own ({controller})",
                hint="leave this service out, and let what deploys it start a deployment afterwards",
            )
        case _:
            raise stranger("ECS")


def _deployment(found: Mapping[str, Any]) -> Deployment:
    return Deployment(
        id=found["id"],
        status=found["status"],
        task_definition=found["taskDefinition"],
        rollout_state=found.get("rolloutState"),
        rollout_reason=found.get("rolloutStateReason"),
        desired=found.get("desiredCount", 0),
        running=found.get("runningCount", 0),
        pending=found.get("pendingCount", 0),
        failed=found.get("failedTasks", 0),
        created_at=_utc(found["createdAt"]),
    )


def _event(found: Mapping[str, Any]) -> ServiceEvent:
    return ServiceEvent(found.get("id", ""), _utc(found["createdAt"]), found.get("message", ""))


def _task(found: Mapping[str, Any]) -> Task:
    created = found.get("createdAt")
    return Task(
        arn=found.get("taskArn", ""),
        task_definition=found.get("taskDefinitionArn", ""),
        created_at=_utc(created) if created else None,
        last_status=found.get("lastStatus", ""),
        stopped_reason=_reason(found),
        stop_code=found.get("stopCode"),
    )


def _reason(found: Mapping[str, Any]) -> str | None:
    """Return why a task stopped, and which of its containers ended with what; that often says more."""
    reason: str | None = found.get("stoppedReason")
    ended = [
        f"{container.get('name')}: {container.get('reason') or 'exit code ' + str(container['exitCode'])}"
        for container in found.get("containers", ())
        if container.get("reason") or container.get("exitCode")
    ]
    return "; ".join(chain([reason or "stopped"], ended)) if reason or ended else None


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _batches(names: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    yield from (names[start : start + most] for start in range(0, len(names), most))
