"""The form in which a task definition is registered, and whether two of them mean the same."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tickctl.core.json import Json, JsonObject
from tickctl.errors import ConfigurationError

FIELDS: Final = frozenset(
    {
        "family", "taskRoleArn", "executionRoleArn", "networkMode", "containerDefinitions", "volumes",
        "placementConstraints", "requiresCompatibilities", "cpu", "memory", "pidMode", "ipcMode", "proxyConfiguration",
        "inferenceAccelerators", "ephemeralStorage", "runtimePlatform", "enableFaultInjection",
        "trustedExecutionConfiguration",
    }
)  # fmt: skip
"""What RegisterTaskDefinition takes, but for the tags, which travel beside the document."""
_ANSWERED: Final = frozenset(
    {
        "taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt",
        "deregisteredAt", "deleteRequestedAt", "registeredBy",
    }
)  # fmt: skip
"""What DescribeTaskDefinition adds, and RegisterTaskDefinition refuses."""
_OWNED_BY_AWS: Final = "aws:"
LARGEST: Final = 65_536
"""Bytes of a registration; AWS says "Actual length: …. Max allowed length is '65536' bytes"."""


@dataclass(frozen=True, slots=True)
class DefinitionFile:
    """A task definition as somebody keeps it in a file; `tags` is None if the file says nothing of tags."""

    document: JsonObject
    tags: Mapping[str, str] | None = field(default=None)


def read_file(text: str, *, name: str) -> DefinitionFile:
    """Read what `aws ecs register-task-definition --cli-input-json` takes, or `describe-task-definition` prints.

    Args:
        text: JSON.
        name: the file's, for messages.

    Raises:
        ConfigurationError: it is no task definition; none of its text is quoted but names of fields.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigurationError(f"{name} is no JSON", hint=_FORM) from None
    document = value
    if isinstance(value, dict) and isinstance(value.get("taskDefinition"), dict):
        document = {"tags": value.get("tags"), **value["taskDefinition"]}
    if not isinstance(document, dict) or not isinstance(document.get("containerDefinitions"), list):
        raise ConfigurationError(f"{name} is no task definition: it has no list 'containerDefinitions'", hint=_FORM)
    unknown = sorted(set(document) - FIELDS - _ANSWERED - {"tags"})
    if unknown:
        raise ConfigurationError(f"{name} has fields that a task definition doesn't: {', '.join(unknown)}", hint=_FORM)
    family = document.get("family")
    if not isinstance(family, str) or not family:
        raise ConfigurationError(f"{name} has no 'family'", hint="it is the name that all its revisions share")
    return DefinitionFile(registration(document), _tags(document.get("tags"), name))


_FORM: Final = "it is to hold what 'aws ecs describe-task-definition' prints, or 'register-task-definition' takes"


def _tags(found: object, name: str) -> Mapping[str, str] | None:
    if found is None:
        return None
    tags = {}
    for tag in found if isinstance(found, list) else [None]:
        match tag:
            case {"key": str(key), "value": str(value)}:
                tags[key] = value
            case _:
                raise ConfigurationError(f"{name} has tags that aren't a list of 'key' and 'value'", hint=_FORM)
    return own_tags(tags)


def own_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that may be given: those of AWS's own (`aws:…`) are refused."""
    return {key: value for key, value in tags.items() if not key.startswith(_OWNED_BY_AWS)}


def registration(document: JsonObject) -> dict[str, Json]:
    """Return what of a document may be registered; members without a value go."""
    return {name: value for name, value in document.items() if name in FIELDS and value is not None}


def size(document: JsonObject) -> int:
    """Return the bytes that a registration takes, without spaces."""
    return len(json.dumps(registration(document), separators=(",", ":"), ensure_ascii=False).encode())


def same(one: JsonObject, other: JsonObject) -> bool:
    """Whether two documents register the same, whatever AWS has filled in and in whatever order it keeps it."""
    return _normal(one) == _normal(other)


# Lists in which the order says nothing. `command`, `dependsOn`, `environmentFiles` and the like keep theirs.
_UNORDERED: Final = frozenset(
    {
        "containerDefinitions", "environment", "secrets", "secretOptions", "mountPoints", "volumesFrom",
        "portMappings", "ulimits", "systemControls", "resourceRequirements", "volumes", "requiresCompatibilities",
        "placementConstraints", "extraHosts", "add", "drop", "properties", "inferenceAccelerators", "tmpfs", "devices",
        "dependsOn", "ignoredExitCodes",
    }
)  # fmt: skip
# What AWS fills in where nothing is said (RegisterTaskDefinition, ContainerDefinition, HealthCheck).
_DEFAULTS: Final[Mapping[str, JsonObject]] = {
    "containerDefinitions": {"cpu": 0, "essential": True},
    "portMappings": {"protocol": "tcp"},
    "healthCheck": {"interval": 30, "timeout": 5, "retries": 3},
    "mountPoints": {"readOnly": False},
    "volumesFrom": {"readOnly": False},
    "efsVolumeConfiguration": {"rootDirectory": "/", "transitEncryption": "DISABLED"},
}
_NOT_SAID: Final[tuple[Json, ...]] = (None, "", [], {})
_UNITS: Final = {"vcpu": 1024, "gb": 1024, "mb": 1}


def _normal(document: JsonObject) -> Json:
    normal: dict[str, Json] = {"networkMode": "bridge", "enableFaultInjection": False, **registration(document)}
    for name in ("cpu", "memory"):
        normal[name] = _units(normal.get(name))
    return _filled(normal, name="", own_ports=normal["networkMode"] in ("awsvpc", "host"))


def _filled(value: Json, *, name: str, own_ports: bool) -> Json:
    """Return a value with the defaults of what stands under `name`, without empty members, lists sorted."""
    if isinstance(value, Mapping):
        members = {
            member: _filled(inner, name=member, own_ports=own_ports)
            for member, inner in {**_DEFAULTS.get(name, {}), **value}.items()
        }
        if name == "portMappings" and not members.get("hostPort"):
            # Where the task has its own network, or the host's, AWS puts the container's port here.
            members["hostPort"] = members.get("containerPort") if own_ports else None
        return {member: inner for member, inner in members.items() if inner not in _NOT_SAID}
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = [_filled(item, name=name, own_ports=own_ports) for item in value]
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True)) if name in _UNORDERED else items
    return value


def _units(value: Json) -> Json:
    """Return `1 vCPU` and `0.5 GB` as AWS keeps them: CPU units and MiB, in digits."""
    if not isinstance(value, str):
        return value
    number = value.strip().lower()
    for unit, factor in _UNITS.items():
        if number.endswith(unit):
            try:
                return str(round(float(number.removesuffix(unit)) * factor))
            except (ValueError, OverflowError):
                return value
    return number
