"""All facts of an account, each read once; the volumes and file systems among them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any, Final

from tickctl.adapters.aws.client import Client
from tickctl.adapters.aws.posture.access import read_access
from tickctl.adapters.aws.posture.ecs import read_definitions, read_services, read_tasks
from tickctl.adapters.aws.posture.images import read_images
from tickctl.adapters.aws.posture.load_balancers import read_load_balancers
from tickctl.adapters.aws.posture.network import read_groups, read_interfaces, read_subnets
from tickctl.adapters.aws.posture.operations import Reader, attempt, readable
from tickctl.adapters.aws.posture.secrets import read_secrets
from tickctl.core.audit.facts import AccountFacts, FileSystem, Unread, Volume
from tickctl.core.audit.port import Progress, Scope
from tickctl.core.ecs.model import TaskDefinition
from tickctl.core.ecs.references import Reference, parse_value_from

_PAGE: Final = 500
_IN_USE: Final = ({"Name": "status", "Values": ["in-use"]},)


class Posture:
    """The `PostureReader` of an account and region.

    Args:
        region: the region.
        connect: returns the client of a service, such as `ecs`.
    """

    def __init__(self, region: str, connect: Callable[[str], Client]) -> None:
        self._region = region
        self._connect = connect

    def read(self, scope: Scope, *, progress: Progress) -> AccountFacts:
        """Return the facts; what can't be read is `Unread` in its place.

        Raises:
            NotFoundError: the cluster or a service that is named doesn't exist.
            ConfigurationError: services are named without a cluster.
        """
        with Reader(self._connect, progress) as reader:
            services, unlisted = read_services(reader, scope)
            by_service = read_tasks(reader, services)
            tasks = list(chain.from_iterable(readable(by_service.values())))
            networks = [network for service in services for network in service.networks]
            revisions = [service.definitions for service in services] + [(task.task_definition,) for task in tasks]
            definitions = read_definitions(reader, _each(revisions))
            known = list(readable(definitions.values()))
            secrets = read_secrets(reader, self._region, [*_references(known), *map(_named, scope.secrets)])
            interfaces = read_interfaces(reader, _each(task.interfaces for task in tasks))
            target_groups, load_balancers = read_load_balancers(
                reader, _each(service.target_groups for service in services)
            )
            group_ids = [network.groups for network in networks]
            group_ids += [interface.groups for interface in readable(interfaces.values())]
            subnet_ids = [network.subnets for network in networks] + [task.subnets for task in tasks]
            containers = [container for definition in known for container in definition.containers]
            return AccountFacts(
                region=self._region,
                services=services,
                unlisted=unlisted,
                tasks=by_service,
                definitions=definitions,
                secrets={arn: secret.facts for arn, secret in secrets.items()},
                access=read_access(reader, _pairs(known), secrets),
                subnets=read_subnets(reader, _each(subnet_ids)),
                groups=read_groups(reader, _each(group_ids)),
                interfaces=interfaces,
                target_groups=target_groups,
                load_balancers=load_balancers,
                volumes=_volumes(reader),
                default_encryption=_default_encryption(reader),
                file_systems=reader.each(
                    "file systems",
                    [mount.file_system for definition in known for mount in definition.efs],
                    partial(_file_system, reader),
                ),
                images=read_images(reader, self._region, [container.image for container in containers]),
            )


def _references(definitions: Iterable[TaskDefinition]) -> Iterator[Reference]:
    for definition in definitions:
        for container in definition.containers:
            for _, value_from in container.secrets:
                if reference := parse_value_from(value_from):
                    yield reference


def _pairs(definitions: Iterable[TaskDefinition]) -> Iterator[tuple[str, str]]:
    """Yield each execution role with each secret that its tasks refer to."""
    for definition in definitions:
        if definition.execution_role:
            for reference in _references((definition,)):
                yield definition.execution_role, reference.arn


def _named(secret: str) -> Reference:
    return Reference(secret, None)


def _each(groups: Iterable[Iterable[str]]) -> list[str]:
    """Return the members of all groups, each once."""
    return list(dict.fromkeys(member for group in groups for member in group))


def _volumes(reader: Reader) -> tuple[Volume, ...] | Unread:
    """Return all EBS volumes of the region that are in use."""
    pages = partial(reader.client("ec2").pages, "describe_volumes", page_size=_PAGE, Filters=_IN_USE)
    return attempt("the EBS volumes", lambda: tuple(map(_volume, pages())))


def _volume(member: Mapping[str, Any]) -> Volume:
    instances = (attachment.get("InstanceId") for attachment in member.get("Attachments", ()))
    return Volume(member["VolumeId"], bool(member["Encrypted"]), tuple(id_ for id_ in instances if id_))


def _default_encryption(reader: Reader) -> bool | Unread:
    """Return whether the region encrypts new EBS volumes by default."""

    def read() -> bool:
        return bool(reader.client("ec2").call("get_ebs_encryption_by_default")["EbsEncryptionByDefault"])

    return attempt("the region's default encryption", read)


def _file_system(reader: Reader, id_: str) -> FileSystem | Unread:
    def read() -> FileSystem:
        for member in reader.client("efs").pages("describe_file_systems", FileSystemId=id_):
            if member["FileSystemId"] == id_:
                return FileSystem(id_, bool(member["Encrypted"]))
        raise KeyError(id_)

    return attempt(f"file system {id_}", read)
