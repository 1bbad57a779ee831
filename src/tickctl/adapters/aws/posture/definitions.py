"""Revisions of task definitions."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from tickctl.adapters.aws.posture.operations import Reader, attempt
from tickctl.core.audit.facts import Container, Definition, EfsMount, Named, Unread
from tickctl.core.secret import Secret


def read_definitions(reader: Reader, arns: Iterable[str]) -> dict[str, Definition | Unread]:
    """Return revisions by ARN, each read once."""
    return reader.each("task definitions", arns, partial(_definition, reader))


def _definition(reader: Reader, arn: str) -> Definition | Unread:
    return attempt(
        f"task definition {arn.rpartition('/')[2]}",
        lambda: _parsed(reader.call("ecs", "describe_task_definition", taskDefinition=arn)["taskDefinition"]),
    )


def _parsed(found: Mapping[str, Any]) -> Definition:
    volumes = found.get("volumes", ())
    return Definition(
        arn=found["taskDefinitionArn"],
        family=found["family"],
        revision=found["revision"],
        containers=tuple(map(_container, found.get("containerDefinitions", ()))),
        network_mode=found.get("networkMode"),
        pid_mode=found.get("pidMode"),
        ipc_mode=found.get("ipcMode"),
        execution_role=found.get("executionRoleArn"),
        task_role=found.get("taskRoleArn"),
        efs=tuple(_efs(volume) for volume in volumes if "efsVolumeConfiguration" in volume),
        host_paths=tuple(_host_paths(volumes)),
        launch_volumes=tuple(volume["name"] for volume in volumes if volume.get("configuredAtLaunch")),
        other_volumes=tuple(volume["name"] for volume in volumes if _is_other(volume)),
    )


def _container(found: Mapping[str, Any]) -> Container:
    log = found.get("logConfiguration", {})
    words = (*found.get("entryPoint", ()), *found.get("command", ()), *found.get("healthCheck", {}).get("command", ()))
    linux = found.get("linuxParameters", {})
    return Container(
        name=found["name"],
        image=found["image"],
        environment=tuple(Named(one["name"], Secret(one.get("value", ""))) for one in found.get("environment", ())),
        command=tuple(map(Secret, words)),
        labels=_named(found.get("dockerLabels", {})),
        log_driver=log.get("logDriver"),
        log_options=_named(log.get("options", {})),
        secrets=tuple(
            (one["name"], one["valueFrom"]) for one in (*found.get("secrets", ()), *log.get("secretOptions", ()))
        ),
        environment_files=len(found.get("environmentFiles", ())),
        user=found.get("user"),
        privileged=bool(found.get("privileged")),
        read_only_root=bool(found.get("readonlyRootFilesystem")),
        added_capabilities=tuple(linux.get("capabilities", {}).get("add", ())),
    )


def _named(values: Mapping[str, str]) -> tuple[Named, ...]:
    return tuple(Named(name, Secret(value)) for name, value in values.items())


def _efs(volume: Mapping[str, Any]) -> EfsMount:
    volume_configuration = volume["efsVolumeConfiguration"]
    # ECS API reference, EFSVolumeConfiguration: DISABLED is the default.
    return EfsMount(
        volume["name"], volume_configuration["fileSystemId"], volume_configuration.get("transitEncryption") == "ENABLED"
    )


def _host_paths(volumes: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for volume in volumes:
        if path := volume.get("host", {}).get("sourcePath"):
            yield volume["name"], path


def _is_other(volume: Mapping[str, Any]) -> bool:
    return any(kind in volume for kind in ("fsxWindowsFileServerVolumeConfiguration", "dockerVolumeConfiguration"))
