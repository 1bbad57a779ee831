"""What AWS would refuse, told before anything is written."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from tickctl.core.ecs.model import Service
from tickctl.core.ecs.registration import LARGEST, size
from tickctl.core.json import Json, JsonObject
from tickctl.errors import ConfigurationError

_OLDEST_PLATFORM: Final = (1, 4, 0)


def containers_of(document: JsonObject) -> list[JsonObject]:
    """Return the containers of a task definition."""
    return objects(document, "containerDefinitions")


def container_names(document: JsonObject) -> list[str]:
    """Return the names of the containers of a task definition."""
    return [text_of(container, "name") for container in containers_of(document)]


def objects(document: JsonObject, member: str) -> list[JsonObject]:
    """Return the objects of a list in a document.

    Raises:
        ConfigurationError: it is no list of objects.
    """
    value = document.get(member)
    if value is None:
        return []
    if isinstance(value, Sequence) and not isinstance(value, str):
        inner: list[JsonObject] = [item for item in value if isinstance(item, dict)]
        if len(inner) == len(value):
            return inner
    raise ConfigurationError(f"'{member}' of the task definition is no list of objects", hint="correct the file")


def text_of(document: JsonObject, member: str) -> str:
    """Return a text in a document; empty if there is none."""
    value: Json = document.get(member)
    return value if isinstance(value, str) else ""


def check_definition(document: JsonObject) -> None:
    """Refuse a document that can't be registered, or whose containers could not start.

    Raises:
        ConfigurationError: what is wrong; names only.
    """
    containers = containers_of(document)
    twice = _twice(text_of(container, "name") for container in containers)
    if twice or not all(text_of(container, "name") for container in containers):
        raise ConfigurationError(
            f"two containers are called {twice[0]}" if twice and twice[0] else "a container has no name",
            hint="each container of a task definition needs a name of its own",
        )
    for container in containers:
        _check_names(container)
    if not text_of(document, "executionRoleArn") and any(objects(one, "secrets") for one in containers):
        raise ConfigurationError(
            "the task definition has no executionRoleArn, and ECS fetches secrets as that role",
            hint="name a role that may read the secret; 'tickctl secrets policy' prints what it needs",
        )
    length = size(document)
    if length > LARGEST:
        raise ConfigurationError(
            f"the task definition would have {length} bytes, and ECS takes {LARGEST}",
            hint="each reference to a key repeats the secret's whole ARN: "
            "give fewer containers all the keys, or take keys out that nothing reads",
        )


def _check_names(container: JsonObject) -> None:
    name = text_of(container, "name")
    secrets = [text_of(secret, "name") for secret in objects(container, "secrets")]
    twice = _twice(secrets)
    if twice:
        raise ConfigurationError(
            f"container {name} names these secrets twice: {', '.join(twice)}",
            hint="ECS wants each name once among a container's secrets; remove all but one",
        )
    plain = {text_of(variable, "name") for variable in objects(container, "environment")}
    duplicates = sorted(plain & set(secrets))
    if duplicates:
        raise ConfigurationError(
            f"container {name} has these names both as secrets and as plain values: {', '.join(duplicates)}",
            hint="ECS wants each name once; remove it from 'environment', or from 'secrets'",
        )


def _twice(names: Iterator[str] | Sequence[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


def check_service(service: Service) -> None:
    """Refuse a service that can't be deployed here, or can't be given keys of a secret.

    Raises:
        ConfigurationError: another deployment controller than ECS's own, or a platform version below 1.4.0.
    """
    if service.controller != "ECS":
        raise ConfigurationError(
            f"service {service.name} is deployed by {service.controller}, not by ECS",
            hint="leave this service out, and let what deploys it start a deployment afterwards",
        )
    version = service.platform_version
    if version and _numbers(version) < _OLDEST_PLATFORM:
        raise ConfigurationError(
            f"service {service.name} runs on Fargate platform version {version}, "
            "which can't give a container one key of a secret",
            hint="move it to 1.4.0 or LATEST: 'aws ecs update-service --platform-version LATEST ...'",
        )


def _numbers(version: str) -> tuple[int, ...]:
    """Return a version's numbers; a word such as LATEST is newer than all of them."""
    parts = version.split(".")
    return tuple(map(int, parts)) if all(part.isascii() and part.isdigit() for part in parts) else (9,)
