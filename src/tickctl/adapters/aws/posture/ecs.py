"""Services of ECS and their tasks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from functools import partial
from typing import Any, Final, TypeAlias

from tickctl.adapters.aws.posture.operations import Reader, attempt, batches
from tickctl.core.audit.facts import ManagedVolume, Network, Service, Task, Unread
from tickctl.core.audit.port import Scope
from tickctl.errors import ConfigurationError, NotFoundError

_SERVICES_AT_ONCE: Final = 10
_TASKS_AT_ONCE: Final = 100
_PAGE: Final = 100
_TOKEN: Final = ("nextToken", "nextToken")
_INTERFACE: Final = "ElasticNetworkInterface"
_VOLUME: Final = "AmazonElasticBlockStorage"

_Some: TypeAlias = tuple[str, tuple[str, ...]]
"""A cluster, and so many things of it as fit into one request."""


def read_services(reader: Reader, scope: Scope) -> tuple[tuple[Service, ...], tuple[Unread, ...]]:
    """Return the services with their tasks, and the lists that failed.

    Raises:
        NotFoundError: the cluster or a service that is named doesn't exist.
        ConfigurationError: services are named without a cluster.
    """
    if scope.services and scope.cluster is None:
        raise ConfigurationError("services are named, and no cluster", hint="add --cluster")
    clusters = [scope.cluster] if scope.cluster else attempt("the list of clusters", partial(_clusters, reader))
    if isinstance(clusters, Unread):
        return (), (clusters,)
    unlisted: list[Unread] = []
    named = [(cluster, some) for cluster in clusters for some in batches(scope.services, _SERVICES_AT_ONCE)]
    if not scope.services:
        for cluster, names in reader.each("clusters", clusters, partial(_listed, reader, scope)).items():
            if isinstance(names, Unread):
                unlisted.append(names)
            else:
                named += [(cluster, some) for some in batches(names, _SERVICES_AT_ONCE)]
    facts: list[Service] = []
    for services in reader.each("services", named, partial(_described, reader, scope)).values():
        if isinstance(services, Unread):
            unlisted.append(services)
        else:
            facts += services
    return _with_tasks(reader, facts), tuple(unlisted)


def _clusters(reader: Reader) -> list[str]:
    return list(reader.pages("ecs", "list_clusters", "clusterArns", token=_TOKEN, maxResults=_PAGE))


def _listed(reader: Reader, scope: Scope, cluster: str) -> list[str] | Unread:
    pages = partial(reader.pages, "ecs", "list_services", "serviceArns", token=_TOKEN)
    return attempt(
        f"the list of services of cluster {_short(cluster)}",
        lambda: list(pages(cluster=cluster, maxResults=_PAGE)),
        through=_named(scope),
    )


def _described(reader: Reader, scope: Scope, some: _Some) -> list[Service] | Unread:
    cluster, names = some
    response = attempt(
        f"the services {', '.join(map(_short, names))}",
        partial(reader.call, "ecs", "describe_services", cluster=cluster, services=list(names)),
        through=_named(scope),
    )
    if isinstance(response, Unread):
        return response
    live = [_service(one) for one in response.get("services", ()) if one.get("status") != "INACTIVE"]
    known = {service.name for service in live} | {service.arn for service in live}
    missing = [name for name in names if name not in known]
    if missing and scope.services:
        raise NotFoundError(
            f"cluster {_short(cluster)} has no service {missing[0]}",
            hint="check the name, the cluster and the region; 'aws ecs list-services' shows them",
        )
    # What was listed and is gone by now needs no look.
    return live


def _named(scope: Scope) -> tuple[type[NotFoundError], ...]:
    """Return what is the caller's mistake, if the caller has named the cluster."""
    return (NotFoundError,) if scope.cluster else ()


def _with_tasks(reader: Reader, services: Sequence[Service]) -> tuple[Service, ...]:
    """Return services with their tasks, which are listed by service and described a hundred at a time."""
    listed = reader.each("tasks", [(one.cluster, one.name) for one in services], partial(_task_arns, reader))
    arns: dict[str, list[str]] = {}
    for (cluster, _), batch in listed.items():
        arns.setdefault(cluster, []).extend(() if isinstance(batch, Unread) else batch)
    requests = [(cluster, batch) for cluster, all_ in arns.items() for batch in batches(all_, _TASKS_AT_ONCE)]
    described: dict[str, Task | Unread | None] = {}
    for (_, results), tasks in reader.each("tasks", requests, partial(_tasks, reader)).items():
        described |= dict.fromkeys(results, tasks) if isinstance(tasks, Unread) else tasks
    return tuple(
        replace(service, tasks=_together(listed[service.cluster, service.name], described)) for service in services
    )


def _task_arns(reader: Reader, service: tuple[str, str]) -> list[str] | Unread:
    cluster, name = service
    pages = partial(reader.pages, "ecs", "list_tasks", "taskArns", token=_TOKEN, desiredStatus="RUNNING")
    return attempt(
        f"the tasks of service {name}", lambda: list(pages(cluster=cluster, serviceName=name, maxResults=_PAGE))
    )


def _tasks(reader: Reader, some: _Some) -> dict[str, Task | None] | Unread:
    """Return tasks by ARN; None for those that have ended since they were listed."""
    cluster, arns = some
    response = attempt(
        f"tasks in cluster {cluster}", partial(reader.call, "ecs", "describe_tasks", cluster=cluster, tasks=list(arns))
    )
    if isinstance(response, Unread):
        return response
    tasks = {one["taskArn"]: _task(one) for one in response.get("tasks", ()) if one.get("lastStatus") != "STOPPED"}
    return {arn: tasks.get(arn) for arn in arns}


def _together(arns: Iterable[str] | Unread, described: Mapping[str, Task | Unread | None]) -> tuple[Task, ...] | Unread:
    if isinstance(arns, Unread):
        return arns
    tasks: list[Task] = []
    for description in map(described.__getitem__, arns):
        if isinstance(description, Unread):
            return description
        if description is not None:
            tasks.append(description)
    return tuple(tasks)


def _service(found: Mapping[str, Any]) -> Service:
    versions = [found, *found.get("deployments", ()), *found.get("taskSets", ())]
    balancers = [balancer for version in versions for balancer in version.get("loadBalancers", ())]
    return Service(
        name=found["serviceName"],
        arn=found["serviceArn"],
        cluster=_short(found["clusterArn"]),
        launch_type=found.get("launchType"),
        definitions=_different(version.get("taskDefinition") for version in versions),
        networks=tuple(dict.fromkeys(network for version in versions for network in _networks(version))),
        target_groups=_different(group for balancer in balancers for group in _target_groups(balancer)),
        classic_load_balancers=_different(balancer.get("loadBalancerName") for balancer in balancers),
        volumes=tuple(dict.fromkeys(volume for version in versions for volume in _volumes(version))),
        tasks=Unread(f"the tasks of service {found['serviceName']}", "nobody has looked"),
    )


def _networks(version: Mapping[str, Any]) -> Iterator[Network]:
    if network := version.get("networkConfiguration", {}).get("awsvpcConfiguration"):
        yield Network(
            subnets=tuple(sorted(network.get("subnets", ()))),
            groups=tuple(sorted(network.get("securityGroups", ()))),
            public_ip=network.get("assignPublicIp") == "ENABLED",
        )


def _target_groups(balancer: Mapping[str, Any]) -> Iterator[str | None]:
    yield balancer.get("targetGroupArn")
    # Where deployments are blue and green, each of them has one.
    yield balancer.get("advancedConfiguration", {}).get("alternateTargetGroupArn")


def _volumes(version: Mapping[str, Any]) -> Iterator[ManagedVolume]:
    for volume in version.get("volumeConfigurations", ()):
        if managed := volume.get("managedEBSVolume"):
            yield ManagedVolume(volume["name"], managed.get("encrypted"))


def _task(found: Mapping[str, Any]) -> Task:
    created = found.get("createdAt")
    attachments = found.get("attachments", ())
    return Task(
        id=_short(found["taskArn"]),
        definition=found["taskDefinitionArn"],
        created_at=created.astimezone(UTC) if created else None,
        interfaces=_details(attachments, _INTERFACE, "networkInterfaceId"),
        subnets=_details(attachments, _INTERFACE, "subnetId"),
        volumes=_details(attachments, _VOLUME, "volumeId"),
    )


def _details(attachments: Iterable[Mapping[str, Any]], kind: str, name: str) -> tuple[str, ...]:
    return _different(
        detail.get("value")
        for attachment in attachments
        if attachment.get("type") == kind
        for detail in attachment.get("details", ())
        if detail.get("name") == name
    )


def _different(texts: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))


def _short(arn: str) -> str:
    return arn.rpartition("/")[2]
