"""Services of ECS, their deployments and tasks, and the task definitions that they run; rollouts and audits read them.

Fields are those of the ECS API reference that something is decided by.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tickctl.core.json import JsonObject
from tickctl.core.secret import Secret


@dataclass(frozen=True, slots=True)
class Named:
    """A name and its value: a variable of the environment, a label, an option of a log driver."""

    name: str
    value: Secret


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a task definition."""

    name: str
    image: str
    environment: tuple[Named, ...] = ()
    command: tuple[Secret, ...] = ()
    """The words of `entryPoint`, `command` and the health check, in this order."""
    labels: tuple[Named, ...] = ()
    log_options: tuple[Named, ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    """Name and `valueFrom`, those of the log driver included."""
    environment_files: int = 0
    """Number of env files in S3 that it takes variables from; they are never read."""
    privileged: bool = False
    added_capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EfsMount:
    """A volume of a task definition on EFS."""

    volume: str
    file_system: str
    transit_encryption: bool


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """A registered revision."""

    arn: str
    family: str
    revision: int
    document: JsonObject = field(default_factory=dict, repr=False)
    """As DescribeTaskDefinition returns it, without times: what a new revision is made of. It may hold plain values."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Empty if they weren't asked for."""
    containers: tuple[Container, ...] = ()
    network_mode: str | None = None
    """`awsvpc`, `bridge`, `host`, `none`; None is Docker's default."""
    pid_mode: str | None = None
    ipc_mode: str | None = None
    execution_role: str | None = None
    efs: tuple[EfsMount, ...] = ()
    other_volumes: tuple[str, ...] = ()
    """Volumes of a kind that the audit doesn't check, such as FSx or a Docker driver's."""

    @property
    def name(self) -> str:
        """Family and revision, as people write it."""
        return f"{self.family}:{self.revision}"


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment of a service."""

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

    at: datetime
    message: str


@dataclass(frozen=True, slots=True)
class Network:
    """How tasks with an interface of their own (awsvpc) are to be connected."""

    subnets: tuple[str, ...]
    groups: tuple[str, ...]
    """Ids of security groups; none means the default group of the VPC."""
    public_ip: bool


@dataclass(frozen=True, slots=True)
class ManagedVolume:
    """An EBS volume that ECS makes for each task (ECS API reference, ServiceManagedEBSVolumeConfiguration).

    `encrypted` is None where the service doesn't say: then the region's default decides.
    """

    name: str
    encrypted: bool | None


@dataclass(frozen=True, slots=True)
class Service:
    """A service. Networks, target groups and volumes are those of all its deployments and task sets, each once."""

    name: str
    arn: str
    cluster: str
    """ARN."""
    status: str
    """ACTIVE, DRAINING or INACTIVE."""
    task_definition: str
    """ARN of the revision that it is to run; empty if only its task sets have one."""
    controller: str = "ECS"
    """ECS, CODE_DEPLOY or EXTERNAL."""
    platform_version: str | None = None
    deployments: tuple[Deployment, ...] = ()
    task_sets: tuple[str, ...] = ()
    """ARNs of the revisions of its task sets, which other controllers than ECS make."""
    events: tuple[ServiceEvent, ...] = ()
    """The latest first."""
    networks: tuple[Network, ...] = ()
    """None where tasks have no interface of their own."""
    target_groups: tuple[str, ...] = ()
    classic_load_balancers: tuple[str, ...] = ()
    """Names of load balancers of the first generation, which the audit doesn't check."""
    volumes: tuple[ManagedVolume, ...] = ()

    @property
    def primary(self) -> Deployment | None:
        """The deployment that the service moves towards."""
        return next((deployment for deployment in self.deployments if deployment.status == "PRIMARY"), None)

    @property
    def definitions(self) -> tuple[str, ...]:
        """ARNs of the revisions that it runs or is to run, the one that it is to run first."""
        revisions = (self.task_definition, *(each.task_definition for each in self.deployments), *self.task_sets)
        return tuple(dict.fromkeys(arn for arn in revisions if arn))

    @property
    def cluster_name(self) -> str:
        """The name of its cluster."""
        return self.cluster.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Task:
    """A task. `created_at` is before it fetches its secrets; None where AWS doesn't tell."""

    arn: str
    task_definition: str
    """ARN of the revision."""
    created_at: datetime | None
    last_status: str
    stopped_reason: str | None = None
    interfaces: tuple[str, ...] = ()
    """Ids of its network interfaces."""
    subnets: tuple[str, ...] = ()
