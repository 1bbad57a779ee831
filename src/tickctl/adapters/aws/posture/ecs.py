"""Services of ECS, their tasks and task definitions."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from tickctl.adapters.aws.ecs import SERVICES_AT_ONCE, TASKS_AT_ONCE, Ecs, batches, no_service
from tickctl.adapters.aws.posture.operations import Reader, attempt
from tickctl.core.audit.facts import Unread
from tickctl.core.audit.port import Scope
from tickctl.core.ecs.model import Service, Task, TaskDefinition
from tickctl.errors import ConfigurationError, NotFoundError

_Batch: TypeAlias = tuple[str, tuple[str, ...]]
"""A cluster, and as many names or ARNs in it as fit into one request."""


def read_services(reader: Reader, scope: Scope) -> tuple[tuple[Service, ...], tuple[Unread, ...]]:
    """Return the services, and the lists of services that couldn't be read.

    Raises:
        NotFoundError: the cluster or a service that is named doesn't exist.
        ConfigurationError: services are named without a cluster.
    """
    if scope.services and scope.cluster is None:
        raise ConfigurationError("services are named, and no cluster", hint="add --cluster")
    ecs = Ecs(reader.client("ecs"))
    clusters = [scope.cluster] if scope.cluster else attempt("the list of clusters", ecs.clusters)
    if isinstance(clusters, Unread):
        return (), (clusters,)
    names: Mapping[str, Sequence[str] | Unread] = dict.fromkeys(clusters, scope.services)
    if not scope.services:
        names = reader.each("clusters", clusters, partial(_service_arns, ecs, scope))
    requests = [
        (cluster, batch)
        for cluster, listed in names.items()
        if not isinstance(listed, Unread)
        for batch in batches(listed, SERVICES_AT_ONCE)
    ]
    described = reader.each("services", requests, partial(_services, ecs, scope)).values()
    services = [service for batch in described if not isinstance(batch, Unread) for service in batch]
    return tuple(services), tuple(unread for unread in (*names.values(), *described) if isinstance(unread, Unread))


def read_tasks(reader: Reader, services: Iterable[Service]) -> dict[str, tuple[Task, ...] | Unread]:
    """Return the running tasks of each service, by its ARN. They are listed by service and described by cluster."""
    ecs = Ecs(reader.client("ecs"))
    listed = reader.each("tasks", services, partial(_task_arns, ecs))
    by_cluster: dict[str, list[str]] = {}
    for service, arns in listed.items():
        by_cluster.setdefault(service.cluster_name, []).extend(() if isinstance(arns, Unread) else arns)
    requests = [(cluster, batch) for cluster, arns in by_cluster.items() for batch in batches(arns, TASKS_AT_ONCE)]
    tasks: dict[str, Task | Unread] = {}
    for (_, batch), described in reader.each("tasks", requests, partial(_tasks, ecs)).items():
        tasks |= dict.fromkeys(batch, described) if isinstance(described, Unread) else described
    return {service.arn: _of_service(arns, tasks) for service, arns in listed.items()}


def read_definitions(reader: Reader, arns: Iterable[str]) -> dict[str, TaskDefinition | Unread]:
    """Return revisions by ARN, each read once."""
    ecs = Ecs(reader.client("ecs"))

    def read(arn: str) -> TaskDefinition | Unread:
        return attempt(f"task definition {_short(arn)}", partial(ecs.definition, arn, tags=False))

    return reader.each("task definitions", arns, read)


def _service_arns(ecs: Ecs, scope: Scope, cluster: str) -> list[str] | Unread:
    return attempt(
        f"the list of services of cluster {_short(cluster)}",
        partial(ecs.service_arns, cluster),
        through=_mistakes(scope),
    )


def _services(ecs: Ecs, scope: Scope, batch: _Batch) -> list[Service] | Unread:
    cluster, names = batch
    described = attempt(
        f"the services {', '.join(map(_short, names))}",
        partial(ecs.described, cluster, names),
        through=_mistakes(scope),
    )
    if isinstance(described, Unread):
        return described
    active = [service for service in described if service.status != "INACTIVE"]
    known = {service.name for service in active} | {service.arn for service in active}
    # A service that was listed may have been deleted since; one that is named has to be there.
    if scope.services and (missing := [name for name in names if name not in known]):
        raise no_service(_short(cluster), missing[0])
    return active


def _mistakes(scope: Scope) -> tuple[type[NotFoundError], ...]:
    """Return the errors that are the caller's mistake, if the caller has named the cluster."""
    return (NotFoundError,) if scope.cluster else ()


def _task_arns(ecs: Ecs, service: Service) -> list[str] | Unread:
    return attempt(f"the tasks of service {service.name}", partial(ecs.task_arns, service.cluster_name, service.name))


def _tasks(ecs: Ecs, batch: _Batch) -> dict[str, Task] | Unread:
    """Return tasks by ARN, without those that have stopped since they were listed."""
    cluster, arns = batch
    described = attempt(f"tasks in cluster {cluster}", partial(ecs.described_tasks, cluster, arns))
    if isinstance(described, Unread):
        return described
    return {task.arn: task for task in described if task.last_status != "STOPPED"}


def _of_service(arns: Iterable[str] | Unread, tasks: Mapping[str, Task | Unread]) -> tuple[Task, ...] | Unread:
    if isinstance(arns, Unread):
        return arns
    described = [tasks[arn] for arn in arns if arn in tasks]
    return next(
        (unread for unread in described if isinstance(unread, Unread)),
        tuple(task for task in described if isinstance(task, Task)),
    )


def _short(arn: str) -> str:
    return arn.rpartition("/")[2]
