"""All facts of an account, each of them read once."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tickctl.adapters.aws.posture.access import read_access
from tickctl.adapters.aws.posture.definitions import read_definitions
from tickctl.adapters.aws.posture.ecs import read_services
from tickctl.adapters.aws.posture.images import read_images
from tickctl.adapters.aws.posture.load_balancers import read_load_balancers
from tickctl.adapters.aws.posture.network import read_groups, read_interfaces, read_subnets
from tickctl.adapters.aws.posture.operations import Reader
from tickctl.adapters.aws.posture.secrets import read_secrets
from tickctl.adapters.aws.posture.storage import read_default_encryption, read_file_systems, read_volumes
from tickctl.core.audit.facts import AccountFacts, Definition, Service, Task, Unread
from tickctl.core.audit.port import Progress, Scope
from tickctl.core.ecs.references import Reference, parse_value_from


class Posture:
    """The `PostureReader` of an account and region.

    Args:
        region: the region.
        client: returns a client of boto3 for a service, such as `ecs`.
    """

    def __init__(self, region: str, client: Callable[[str], Any]) -> None:
        self._region = region
        self._client = client

    def read(self, scope: Scope, *, progress: Progress) -> AccountFacts:
        """Return the facts; what can't be read is `Unread` in its place.

        Raises:
            NotFoundError: the cluster or a service that is named doesn't exist.
            ConfigurationError: services are named without a cluster.
        """
        with Reader(self._client, progress) as reader:
            services, unlisted = read_services(reader, scope)
            tasks = list(_tasks(services))
            networks = [network for service in services for network in service.networks]
            definitions = read_definitions(
                reader, [*_each(service.definitions for service in services), *(task.definition for task in tasks)]
            )
            known = [one for one in definitions.values() if isinstance(one, Definition)]
            secrets = read_secrets(reader, self._region, [*_references(known), *map(_named, scope.secrets)])
            interfaces = read_interfaces(reader, _each(task.interfaces for task in tasks))
            target_groups, load_balancers = read_load_balancers(
                reader, _each(service.target_groups for service in services)
            )
            return AccountFacts(
                region=self._region,
                services=services,
                unlisted=unlisted,
                definitions=definitions,
                secrets={arn: one.facts for arn, one in secrets.items()},
                access=read_access(reader, _pairs(known), secrets),
                subnets=read_subnets(reader, _each([*(one.subnets for one in networks), *(t.subnets for t in tasks)])),
                groups=read_groups(
                    reader,
                    _each(
                        [
                            *(network.groups for network in networks),
                            *(one.groups for one in interfaces.values() if not isinstance(one, Unread)),
                        ]
                    ),
                ),
                interfaces=interfaces,
                target_groups=target_groups,
                load_balancers=load_balancers,
                volumes=read_volumes(reader),
                default_encryption=read_default_encryption(reader),
                file_systems=read_file_systems(reader, [mount.file_system for one in known for mount in one.efs]),
                images=read_images(
                    reader, self._region, [container.image for one in known for container in one.containers]
                ),
            )


def _tasks(services: Iterable[Service]) -> Iterator[Task]:
    for service in services:
        if not isinstance(service.tasks, Unread):
            yield from service.tasks


def _references(definitions: Iterable[Definition]) -> Iterator[Reference]:
    for definition in definitions:
        for container in definition.containers:
            for _, value_from in container.secrets:
                if reference := parse_value_from(value_from):
                    yield reference


def _pairs(definitions: Iterable[Definition]) -> Iterator[tuple[str, str]]:
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
