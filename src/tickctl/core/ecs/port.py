"""The port to services that run task definitions, in the terms of AWS ECS."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from tickctl.core.json import JsonObject


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """A registered revision: the document as DescribeTaskDefinition gives it (AWS's own field names), and its tags."""

    arn: str
    family: str
    revision: int
    document: JsonObject
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment of a service (ECS API reference, Deployment)."""

    id: str
    status: str
    """PRIMARY, ACTIVE or INACTIVE."""
    task_definition: str
    """ARN of the revision."""
    rollout_state: str | None
    """IN_PROGRESS, COMPLETED or FAILED; None where the deployment controller doesn't tell."""
    rollout_reason: str | None
    desired: int
    running: int
    pending: int
    failed: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ServiceEvent:
    """A line of a service's log."""

    id: str
    at: datetime
    message: str


@dataclass(frozen=True, slots=True)
class Service:
    """A service and its deployments; `events` begin with the latest."""

    name: str
    arn: str
    cluster: str
    status: str
    """ACTIVE, DRAINING or INACTIVE."""
    task_definition: str
    """ARN of the revision that it is to run."""
    desired: int
    running: int
    controller: str
    """ECS, CODE_DEPLOY or EXTERNAL."""
    launch_type: str | None
    platform_version: str | None
    deployments: tuple[Deployment, ...]
    events: tuple[ServiceEvent, ...] = ()

    @property
    def primary(self) -> Deployment | None:
        """The deployment that the service moves towards."""
        return next((deployment for deployment in self.deployments if deployment.status == "PRIMARY"), None)


@dataclass(frozen=True, slots=True)
class Task:
    """A task; `created_at` is before it fetched its secrets, `started_at` after."""

    arn: str
    task_definition: str
    created_at: datetime | None
    last_status: str
    stopped_reason: str | None = None
    stop_code: str | None = None


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
        """Return services in the order of their names, in as few requests as can be.

        Raises:
            NotFoundError: a cluster or service doesn't exist, or is inactive.
        """

    def deploy(self, cluster: str, service: str, *, task_definition: str, force: bool) -> Service:
        """Start a deployment of a revision; forced, also where the service runs that revision already."""

    def tasks(self, cluster: str, service: str, *, stopped: bool = False) -> Iterable[Task]:
        """Return the tasks of a service that run or are to run; or those that have stopped lately."""
