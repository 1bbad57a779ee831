"""What an AWS account says of itself, as far as an audit judges it.

A read that failed is a value too: `Unread` stands where the answer would stand, never an empty list. So "there is
none" and "it isn't known" can't be mistaken for each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tickctl.core.ecs.model import Named, Service, Task, TaskDefinition
from tickctl.core.secret import Secret
from tickctl.core.secrets.store import SecretState


@dataclass(frozen=True, slots=True)
class Unread:
    """What could not be found out, and why: refused, not there, or no answer. Both hold names only.

    Attributes:
        what: in words, such as `the tasks of service gateway`.
        reason: one sentence without a full stop.
    """

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class SecretVersionFacts:
    """What a version of a secret holds; `values` is None if it is no JSON object, so that it has no keys."""

    id: str
    values: Mapping[str, Secret] | None


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """A secret that is referred to.

    Attributes:
        state: `Phase.ABSENT` if it doesn't exist.
        versions: what each version holds that is asked for, by its id. AWSCURRENT is always there if it exists.
    """

    state: SecretState
    versions: Mapping[str, SecretVersionFacts | Unread] = field(default_factory=dict)

    def version(self, *, stage: str | None, version_id: str | None) -> SecretVersionFacts | Unread | None:
        """Return the version that a reference means; None if there is none."""
        identity = version_id or self.state.version_of(stage or "AWSCURRENT")
        if identity is None or (version_id and stage and stage not in self.state.stages.get(version_id, ())):
            return None
        return self.versions.get(identity)


@dataclass(frozen=True, slots=True)
class Access:
    """Whether a role may read a secret: fetch its value, and decrypt it where it has a key of its own."""

    role: str
    secret: str
    """As it is referred to, like the keys of `AccountFacts.secrets`."""
    allowed: bool | Unread
    why: str = ""
    """What stands in the way, if it isn't allowed."""


@dataclass(frozen=True, slots=True)
class Route:
    """A way out of a subnet that leads through an internet gateway."""

    destination: str
    gateway: str


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet, and its ways to the internet; none makes it a private one."""

    id: str
    internet_routes: tuple[Route, ...] | Unread


@dataclass(frozen=True, slots=True)
class Ingress:
    """A rule that lets something in: `ports` are None for all of them."""

    protocol: str
    """`tcp`, `udp`, `icmp`, a number, or `-1` for all."""
    ports: tuple[int, int] | None
    cidrs: tuple[str, ...] = ()
    """Ranges of IPv4 and IPv6 addresses."""
    groups: tuple[str, ...] = ()
    prefix_lists: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    """A security group and what it lets in."""

    id: str
    name: str
    ingress: tuple[Ingress, ...]


@dataclass(frozen=True, slots=True)
class Interface:
    """The network interface of a running task."""

    id: str
    public_ip: bool
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Action:
    """What a listener does with a request: `kind` is `forward`, `redirect`, `fixed-response` and so on.

    `to_protocol` is where a redirect leads: HTTP, HTTPS or `#{protocol}`, the one that the request came by.
    """

    kind: str
    to_protocol: str | None = None


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """A security policy of listeners, and the protocols that it accepts, such as `TLSv1.2`."""

    name: str
    protocols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener of a load balancer."""

    arn: str
    protocol: str
    """HTTP, HTTPS, TCP, TLS, UDP, TCP_UDP or GENEVE."""
    port: int
    tls_policy: TlsPolicy | Unread | None
    """None where the listener speaks no TLS."""
    actions: tuple[Action, ...]
    """Those that end the default: what comes before them, such as authentication, is left out."""
    rules: tuple[Action, ...] | Unread = ()
    """Those of the other rules; read for HTTP listeners only."""


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    """A load balancer in front of a service: `kind` is `application`, `network` or `gateway`."""

    arn: str
    name: str
    kind: str
    listeners: tuple[Listener, ...] | Unread


@dataclass(frozen=True, slots=True)
class Volume:
    """An EBS volume that is in use."""

    id: str
    encrypted: bool
    attached_to: tuple[str, ...] = ()
    """Ids of instances; none where AWS doesn't say, as for Fargate's tasks."""


@dataclass(frozen=True, slots=True)
class FileSystem:
    """A file system of EFS."""

    id: str
    encrypted: bool


@dataclass(frozen=True, slots=True)
class Image:
    """What is baked into an image: every platform of it, where it has several."""

    environment: tuple[Named, ...]
    command: tuple[Secret, ...]
    labels: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """Everything that was read. The keys of a mapping are what the others refer to; what they refer to is there."""

    region: str
    services: tuple[Service, ...]
    unlisted: tuple[Unread, ...]
    """Lists that failed. If there is one, there may be more services than `services`."""
    tasks: Mapping[str, tuple[Task, ...] | Unread] = field(default_factory=dict)
    """The running tasks of each service, by its ARN."""
    definitions: Mapping[str, TaskDefinition | Unread] = field(default_factory=dict)
    """By ARN."""
    secrets: Mapping[str, SecretFacts | Unread] = field(default_factory=dict)
    """By ARN as `core.ecs.references.Reference.arn` has it, or by the name that was asked for."""
    access: tuple[Access, ...] = ()
    """One for each execution role and secret that its task definitions refer to."""
    subnets: Mapping[str, Subnet | Unread] = field(default_factory=dict)
    """By id, like groups, interfaces and file systems."""
    groups: Mapping[str, SecurityGroup | Unread] = field(default_factory=dict)
    interfaces: Mapping[str, Interface | Unread] = field(default_factory=dict)
    target_groups: Mapping[str, tuple[str, ...] | Unread] = field(default_factory=dict)
    """By ARN: the ARNs of the load balancers in front of it."""
    load_balancers: Mapping[str, LoadBalancer | Unread] = field(default_factory=dict)
    """By ARN."""
    volumes: tuple[Volume, ...] | Unread = Unread("the EBS volumes", "nobody has looked")
    """All of the region that are in use."""
    default_encryption: bool | Unread = Unread("the region's default encryption", "nobody has looked")
    """Whether new EBS volumes of the region are encrypted unasked."""
    file_systems: Mapping[str, FileSystem | Unread] = field(default_factory=dict)
    images: Mapping[str, Image | Unread] = field(default_factory=dict)
    """By `Container.image`."""

    def tasks_of(self, service: Service) -> tuple[Task, ...] | Unread:
        """Return the running tasks of a service."""
        return self.tasks.get(service.arn, Unread(f"the tasks of service {service.name}", "nobody has looked"))
