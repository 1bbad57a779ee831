"""Responses of ECS, parsed into `core.ecs.model`.

A function raises KeyError where a response lacks a member that AWS always sends.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final, TypeAlias, TypeVar

from tickctl.core.ecs.model import (
    Container,
    Deployment,
    EfsMount,
    ManagedVolume,
    Named,
    Network,
    Service,
    ServiceEvent,
    Task,
    TaskDefinition,
)
from tickctl.core.secret import Secret

Member: TypeAlias = Mapping[str, Any]
"""An object of a response."""
_Part = TypeVar("_Part")
_INTERFACE: Final = "ElasticNetworkInterface"
_OTHER_VOLUMES: Final = ("fsxWindowsFileServerVolumeConfiguration", "dockerVolumeConfiguration")


def task_definition(response: Member, tags: Mapping[str, str] | None = None) -> TaskDefinition:
    """Return the revision that DescribeTaskDefinition or RegisterTaskDefinition answers with.

    Args:
        response: of AWS.
        tags: None takes those of the response.
    """
    definition = response["taskDefinition"]
    if tags is None:
        tags = {tag["key"]: tag.get("value", "") for tag in response.get("tags", ())}
    volumes = definition.get("volumes", ())
    return TaskDefinition(
        arn=definition["taskDefinitionArn"],
        family=definition["family"],
        revision=definition["revision"],
        document={name: value for name, value in definition.items() if not isinstance(value, datetime)},
        tags=tags,
        containers=tuple(map(_container, definition.get("containerDefinitions", ()))),
        network_mode=definition.get("networkMode"),
        pid_mode=definition.get("pidMode"),
        ipc_mode=definition.get("ipcMode"),
        execution_role=definition.get("executionRoleArn"),
        efs=tuple(_efs(volume) for volume in volumes if "efsVolumeConfiguration" in volume),
        other_volumes=tuple(volume["name"] for volume in volumes if any(kind in volume for kind in _OTHER_VOLUMES)),
    )


def service(member: Member) -> Service:
    """Return a service of DescribeServices or UpdateService."""
    deployments, task_sets = member.get("deployments", ()), member.get("taskSets", ())
    versions = (member, *deployments, *task_sets)
    balancers = [balancer for version in versions for balancer in version.get("loadBalancers", ())]
    return Service(
        name=member["serviceName"],
        arn=member["serviceArn"],
        cluster=member["clusterArn"],
        status=member.get("status", ""),
        task_definition=member.get("taskDefinition", ""),
        controller=member.get("deploymentController", {}).get("type") or "ECS",
        platform_version=member.get("platformVersion"),
        deployments=tuple(map(_deployment, deployments)),
        task_sets=_distinct(task_set.get("taskDefinition") for task_set in task_sets),
        events=tuple(map(_event, member.get("events", ()))),
        networks=_of_versions(_networks, versions),
        target_groups=_distinct(group for balancer in balancers for group in _target_groups(balancer)),
        classic_load_balancers=_distinct(balancer.get("loadBalancerName") for balancer in balancers),
        volumes=_of_versions(_managed_volumes, versions),
    )


def task(member: Member) -> Task:
    """Return a task of DescribeTasks."""
    created, attachments = member.get("createdAt"), member.get("attachments", ())
    return Task(
        arn=member["taskArn"],
        task_definition=member["taskDefinitionArn"],
        created_at=_utc(created) if created else None,
        last_status=member.get("lastStatus", ""),
        stopped_reason=_stopped_reason(member),
        interfaces=_interface_details(attachments, "networkInterfaceId"),
        subnets=_interface_details(attachments, "subnetId"),
    )


def _container(member: Member) -> Container:
    log = member.get("logConfiguration", {})
    command = (
        *member.get("entryPoint", ()),
        *member.get("command", ()),
        *member.get("healthCheck", {}).get("command", ()),
    )
    references = (*member.get("secrets", ()), *log.get("secretOptions", ()))
    return Container(
        name=member["name"],
        image=member["image"],
        environment=_named((each["name"], each.get("value", "")) for each in member.get("environment", ())),
        command=tuple(map(Secret, command)),
        labels=_named(member.get("dockerLabels", {}).items()),
        log_options=_named(log.get("options", {}).items()),
        secrets=tuple((reference["name"], reference["valueFrom"]) for reference in references),
        environment_files=len(member.get("environmentFiles", ())),
        privileged=bool(member.get("privileged")),
        added_capabilities=tuple(member.get("linuxParameters", {}).get("capabilities", {}).get("add", ())),
    )


def _named(values: Iterable[tuple[str, str]]) -> tuple[Named, ...]:
    return tuple(Named(name, Secret(value)) for name, value in values)


def _efs(volume: Member) -> EfsMount:
    mount = volume["efsVolumeConfiguration"]
    # ECS API reference, EFSVolumeConfiguration: DISABLED is the default.
    return EfsMount(volume["name"], mount["fileSystemId"], mount.get("transitEncryption") == "ENABLED")


def _deployment(member: Member) -> Deployment:
    return Deployment(
        id=member["id"],
        status=member["status"],
        task_definition=member.get("taskDefinition", ""),
        rollout_state=member.get("rolloutState"),
        rollout_reason=member.get("rolloutStateReason"),
        desired=member.get("desiredCount", 0),
        running=member.get("runningCount", 0),
        pending=member.get("pendingCount", 0),
        failed=member.get("failedTasks", 0),
        created_at=_utc(member["createdAt"]),
    )


def _event(member: Member) -> ServiceEvent:
    return ServiceEvent(_utc(member["createdAt"]), member.get("message", ""))


def _of_versions(parts: Callable[[Member], Iterator[_Part]], versions: Iterable[Member]) -> tuple[_Part, ...]:
    """Return the parts of all versions of a service, each once."""
    return tuple(dict.fromkeys(chain.from_iterable(map(parts, versions))))


def _networks(version: Member) -> Iterator[Network]:
    if network := version.get("networkConfiguration", {}).get("awsvpcConfiguration"):
        yield Network(
            subnets=tuple(sorted(network.get("subnets", ()))),
            groups=tuple(sorted(network.get("securityGroups", ()))),
            public_ip=network.get("assignPublicIp") == "ENABLED",
        )


def _target_groups(balancer: Member) -> Iterator[str | None]:
    yield balancer.get("targetGroupArn")
    # Blue and green deployments each have one.
    yield balancer.get("advancedConfiguration", {}).get("alternateTargetGroupArn")


def _managed_volumes(version: Member) -> Iterator[ManagedVolume]:
    for volume in version.get("volumeConfigurations", ()):
        if managed := volume.get("managedEBSVolume"):
            yield ManagedVolume(volume["name"], managed.get("encrypted"))


def _interface_details(attachments: Iterable[Member], name: str) -> tuple[str, ...]:
    return _distinct(
        detail.get("value")
        for attachment in attachments
        if attachment.get("type") == _INTERFACE
        for detail in attachment.get("details", ())
        if detail.get("name") == name
    )


def _stopped_reason(member: Member) -> str | None:
    """Return why a task stopped, and how its containers ended, which often says more."""
    reason: str | None = member.get("stoppedReason")
    endings = [
        f"{container.get('name')}: {container.get('reason') or 'exit code ' + str(container['exitCode'])}"
        for container in member.get("containers", ())
        if container.get("reason") or container.get("exitCode")
    ]
    return "; ".join([reason or "stopped", *endings]) if reason or endings else None


def _distinct(texts: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
