"""The port to services that run task definitions, in the terms of AWS ECS."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from tickctl.core.ecs.model import Service, Task, TaskDefinition
from tickctl.core.json import JsonObject


class ContainerPlatform(Protocol):
    """What ECS does. Errors as those of `SecretStore`."""

    def definition(self, name: str) -> TaskDefinition:
        """Return a revision by ARN, family:revision, or family (then the latest active one), with its tags."""

    def check(self, document: JsonObject) -> None:
        """Refuse a document that isn't of the registration's shape; nothing is sent.

        Raises:
            ConfigurationError: names the first field that doesn't fit, and no value.
        """

    def register(self, document: JsonObject, *, tags: Mapping[str, str]) -> TaskDefinition:
        """Register a revision. The document holds only fields of the registration's shape."""

    def services(self, cluster: str, names: Sequence[str]) -> tuple[Service, ...]:
        """Return services in the order of their names, in as few requests as possible.

        Raises:
            NotFoundError: a cluster or service doesn't exist, or is inactive.
            ConfigurationError: a service has no task definition of its own.
        """

    def deploy(self, cluster: str, service: str, *, task_definition: str, force: bool) -> Service:
        """Start a deployment of a revision; forced, also where the service runs that revision already."""

    def tasks(self, cluster: str, service: str, *, stopped: bool = False) -> Iterable[Task]:
        """Return the tasks of a service that run or are to run; or those that have stopped lately."""
