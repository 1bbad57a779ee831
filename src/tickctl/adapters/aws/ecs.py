"""ECS: task definitions, services and their tasks."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from tickctl.adapters.aws import ecs_responses
from tickctl.adapters.aws.client import Client
from tickctl.adapters.aws.errors import not_aws
from tickctl.core.ecs.model import Service, Task, TaskDefinition
from tickctl.core.json import JsonObject
from tickctl.errors import ConfigurationError, NotFoundError

SERVICES_AT_ONCE: Final = 10
TASKS_AT_ONCE: Final = 100
_PAGE: Final = 100
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

_Parsed = TypeVar("_Parsed")


class Ecs:
    """ECS behind the port `ContainerPlatform`, and the lists that an audit reads besides.

    Args:
        client: for `ecs`.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def definition(self, name: str, *, tags: bool = True) -> TaskDefinition:
        """Return a revision by ARN, family:revision, or family (then the latest active one)."""
        include: dict[str, Any] = {"include": ["TAGS"]} if tags else {}
        response = self._client.call("describe_task_definition", taskDefinition=name, **include)
        return _parsed(ecs_responses.task_definition, response)

    def check(self, document: JsonObject) -> None:
        """Refuse a document that isn't of the registration's shape; nothing is sent.

        The library checks as well, but only when it sends, and its errors quote values.
        """
        misfit = next(_misfits(document, self._client.shape("RegisterTaskDefinition")), None)
        if misfit:
            raise ConfigurationError(
                f"the task definition isn't as ECS wants it: {misfit}",
                hint="the API reference of RegisterTaskDefinition names each field and its type",
            )

    def register(self, document: JsonObject, *, tags: Mapping[str, str]) -> TaskDefinition:
        """Register a revision. The document holds only fields of the registration's shape."""
        labels = [{"key": key, "value": value} for key, value in tags.items()]
        optional: dict[str, Any] = {"tags": labels} if labels else {}
        response = self._client.call("register_task_definition", **document, **optional)
        return _parsed(lambda member: ecs_responses.task_definition(member, tags), response)

    def services(self, cluster: str, names: Sequence[str]) -> tuple[Service, ...]:
        """Return services in the order of their names, ten with each request."""
        services: dict[str, Service] = {}
        for batch in batches(names, SERVICES_AT_ONCE):
            for service in self.described(cluster, batch):
                services[service.name] = services[service.arn] = service
        for name in names:
            if name not in services or services[name].status == "INACTIVE":
                raise no_service(cluster, name, deleted=name in services)
            if not services[name].task_definition:
                # Such a service is refused by its controller, too.
                controller = services[name].controller
                raise ConfigurationError(
                    f"service {services[name].name} has no task definition of its own ({controller})",
                    hint="leave this service out, and let what deploys it start a deployment afterwards",
                )
        return tuple(services[name] for name in names)

    def deploy(self, cluster: str, service: str, *, task_definition: str, force: bool) -> Service:
        """Start a deployment of a revision; forced, also where the service runs that revision already."""
        response = self._client.call(
            "update_service",
            cluster=cluster,
            service=service,
            taskDefinition=task_definition,
            forceNewDeployment=force,
        )
        return _parsed(lambda member: ecs_responses.service(member["service"]), response)

    def tasks(self, cluster: str, service: str, *, stopped: bool = False) -> Iterable[Task]:
        """Return the tasks of a service that run or are to run; or those that have stopped lately."""
        for batch in batches(self.task_arns(cluster, service, stopped=stopped), TASKS_AT_ONCE):
            yield from self.described_tasks(cluster, batch)

    def clusters(self) -> list[str]:
        """Return the ARNs of all clusters."""
        return self._client.pages("list_clusters", page_size=_PAGE)

    def service_arns(self, cluster: str) -> list[str]:
        """Return the ARNs of all services of a cluster."""
        return self._client.pages("list_services", page_size=_PAGE, cluster=cluster)

    def described(self, cluster: str, names: Sequence[str]) -> list[Service]:
        """Return up to `SERVICES_AT_ONCE` services, inactive ones included; those that don't exist are missing."""
        response = self._client.call("describe_services", cluster=cluster, services=list(names))
        return [_parsed(ecs_responses.service, member) for member in response.get("services", ())]

    def task_arns(self, cluster: str, service: str, *, stopped: bool = False) -> list[str]:
        """Return the ARNs of a service's tasks."""
        status = "STOPPED" if stopped else "RUNNING"
        return self._client.pages(
            "list_tasks", page_size=_PAGE, cluster=cluster, serviceName=service, desiredStatus=status
        )

    def described_tasks(self, cluster: str, arns: Sequence[str]) -> list[Task]:
        """Return up to `TASKS_AT_ONCE` tasks; those that AWS has forgotten are missing."""
        response = self._client.call("describe_tasks", cluster=cluster, tasks=list(arns))
        return [_parsed(ecs_responses.task, member) for member in response.get("tasks", ())]


def no_service(cluster: str, name: str, *, deleted: bool = False) -> NotFoundError:
    """Return the error for a service that doesn't exist, or not any more."""
    return NotFoundError(
        f"cluster {cluster} has no service {name}" + (" any more" if deleted else ""),
        hint="check the name, the cluster and the region; 'aws ecs list-services' shows them",
    )


def batches(names: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    """Yield the names, at most `size` at a time."""
    yield from (tuple(names[start : start + size]) for start in range(0, len(names), size))


def _parsed(parse: Callable[[Mapping[str, Any]], _Parsed], member: Mapping[str, Any]) -> _Parsed:
    try:
        return parse(member)
    except (KeyError, TypeError, AttributeError):  # a member is missing, or of another type
        failure = not_aws("ECS")
    raise failure


def _misfits(value: object, shape: Any, path: str = "") -> Iterator[str]:
    """Yield what doesn't fit, by the path of the member: unknown members, missing ones, those of another type.

    Args:
        value: as it would be sent.
        shape: of the library's service model.
        path: of the value; empty is the request itself.
    """
    kind = shape.type_name
    if kind == "structure" and isinstance(value, Mapping):
        yield from (f"{_join(path, name)} is missing" for name in shape.required_members if name not in value)
        for name, inner in value.items():
            if name not in shape.members:
                yield f"{_join(path, name)} is no field of it"
            else:
                yield from _misfits(inner, shape.members[name], _join(path, name))
    elif kind == "list" and isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _misfits(inner, shape.member, f"{path}[{index}]")
    elif kind == "map" and isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _misfits(inner, shape.value, _join(path, name))
    else:
        types, description = _TYPES.get(kind, ((), "something else"))
        if not isinstance(value, types) or (isinstance(value, bool) and kind != "boolean"):
            yield f"{path} is to be {description}"


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)
