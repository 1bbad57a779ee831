"""What has to be registered and deployed so that services run with the keys of a secret; reads only."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tickctl.core.ecs.freshness import is_fresh
from tickctl.core.ecs.model import Service, TaskDefinition
from tickctl.core.ecs.port import ContainerPlatform
from tickctl.core.ecs.preflight import check_service, container_names
from tickctl.core.ecs.registration import DefinitionFile, own_tags, same
from tickctl.core.ecs.rollout import RolloutState, judge
from tickctl.core.ecs.sources import Source, check_containers, find_sources
from tickctl.core.ecs.task_definition import Rewrite, rewrite, without_dangling
from tickctl.core.json import JsonObject
from tickctl.core.secrets.arn import region_of
from tickctl.errors import ConfigurationError, NotFoundError


class Action(StrEnum):
    """What happens to a service."""

    UPDATE = "update"
    """It gets another revision, and so a deployment."""
    REDEPLOY = "redeploy"
    """The revision stays; new tasks fetch the values that have changed."""
    FOLLOW = "follow"
    """A deployment that is under way already has what it needs."""
    NONE = "none"
    """All of it has been done."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What definitions are to refer to."""

    arn: str
    known: Collection[str]
    """All keys that the secret will have."""
    keys: Collection[str] | None = None
    """Those that containers get; None adds nothing and only removes references to keys that there won't be."""
    containers: tuple[str, ...] = ()
    """Each is in one definition at least."""

    def applied_to(self, document: JsonObject) -> Rewrite:
        """Return the rewritten document.

        Raises:
            ConfigurationError: it can't be done, or would be refused.
        """
        if self.keys is None:
            return without_dangling(document, arn=self.arn, known=self.known)
        # Of several definitions each has some of the containers; one that has none of them is refused.
        there = tuple(name for name in self.containers if name in container_names(document))
        return rewrite(document, arn=self.arn, keys=self.keys, containers=there or self.containers, known=self.known)


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """A service, and what happens to it."""

    service: Service
    action: Action


@dataclass(frozen=True, slots=True)
class DefinitionPlan:
    """One definition, and the services that are to run it."""

    source: str
    """For people: "service gateway", "family nightly", "file task-definition.json"."""
    family: str
    document: JsonObject
    """Before it is rewritten."""
    tags: Mapping[str, str]
    rewrite: Rewrite
    existing: TaskDefinition | None
    """A revision that is what is wanted; None means that one has to be registered."""
    services: tuple[ServicePlan, ...] = ()

    @property
    def register(self) -> bool:
        """Whether a new revision is needed."""
        return self.existing is None


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """Everything that a rollout does, decided beforehand."""

    wanted: Wanted
    cluster: str | None = None
    definitions: tuple[DefinitionPlan, ...] = ()
    warnings: tuple[str, ...] = ()
    changed_at: datetime | None = None
    """When the secret changed last, at the time of planning."""

    @property
    def changes(self) -> bool:
        """Whether something would be registered or deployed."""
        acting = {Action.UPDATE, Action.REDEPLOY}
        return any(one.register or any(s.action in acting for s in one.services) for one in self.definitions)

    @property
    def follows(self) -> bool:
        """Whether there is a deployment to follow, one that is begun or one that is under way."""
        return any(one.action is not Action.NONE for definition in self.definitions for one in definition.services)


def plan(
    platform: ContainerPlatform,
    wanted: Wanted,
    *,
    cluster: str | None,
    services: Sequence[str],
    families: Sequence[str],
    files: Mapping[str, DefinitionFile],
    changed_at: datetime | None,
    rewritten: bool,
) -> RolloutPlan:
    """Decide what to register and deploy.

    A service's definition is the revision that it runs, unless a file of its family is given. A family that no given
    service runs is taken at its latest revision.

    Args:
        platform: is read from only.
        wanted: what containers are to refer to.
        cluster: of the services.
        services: their names.
        families: of definitions to complete.
        files: definitions to complete, by the files' names.
        changed_at: when the secret changed last; deployments made since then have its values.
        rewritten: whether it is about to change, so that every deployment there is will be too old.

    Raises:
        ConfigurationError: something would be refused, or can't be meant.
        NotFoundError: there is no such cluster, service or definition.
    """
    if services and not cluster:
        raise ConfigurationError(
            "services are named, but not their cluster", hint="add --cluster, or 'cluster' to the profile"
        )
    live = platform.services(cluster, services) if cluster and services else ()
    for service in live:
        check_service(service)
    sources = find_sources(platform, live, families, files)
    if wanted.keys is not None:
        check_containers(wanted.containers, sources)
    definitions = tuple(_definition(platform, wanted, source, changed_at, rewritten=rewritten) for source in sources)
    return RolloutPlan(wanted, cluster, definitions, tuple(_warnings(live, wanted.arn)), changed_at)


def older_tasks(platform: ContainerPlatform, service: Service, changed_at: datetime | None) -> int:
    """Return how many tasks of a service may have values from before a change; those of unknown age may."""
    tasks = platform.tasks(service.cluster, service.name)
    return sum(is_fresh(task, changed_at) is not True for task in tasks)


def _definition(
    platform: ContainerPlatform, wanted: Wanted, source: Source, changed_at: datetime | None, *, rewritten: bool
) -> DefinitionPlan:
    base, file, document = source.base, source.file, source.document
    tags = own_tags(base.tags if base else {})
    if file and file.tags is not None:
        tags = dict(file.tags)
    change = wanted.applied_to(document)
    if file:
        platform.check(change.document)
    existing = base if base and matches(base, change.document, tags) else None
    if existing is None and base and not file and source.services:
        # A run that was cut off may have registered it already.
        latest = _latest(platform, source.family)
        existing = latest if latest and matches(latest, change.document, tags) else None
    services = tuple(
        ServicePlan(service, _action(platform, service, existing, changed_at, rewritten=rewritten))
        for service in source.services
    )
    return DefinitionPlan(source.source, source.family, document, tags, change, existing, services)


def _latest(platform: ContainerPlatform, family: str) -> TaskDefinition | None:
    try:
        return platform.definition(family)
    except NotFoundError:  # all of them are deregistered, the one that runs included
        return None


def matches(registered: TaskDefinition, document: JsonObject, tags: Mapping[str, str]) -> bool:
    """Whether a revision is what would be registered, and can be run."""
    if registered.document.get("status") == "INACTIVE":
        return False  # deregistered: no service can be told to run it
    return same(registered.document, document) and own_tags(registered.tags) == dict(tags)


def _action(
    platform: ContainerPlatform,
    service: Service,
    existing: TaskDefinition | None,
    changed_at: datetime | None,
    *,
    rewritten: bool,
) -> Action:
    if existing is None or existing.arn != service.task_definition:
        return Action.UPDATE
    primary = service.primary
    if rewritten or primary is None or not is_fresh(primary, changed_at):
        return Action.REDEPLOY
    # After a rollback by the circuit breaker the deployment may be young, and its tasks old: they never stopped.
    if any(deployment.rollout_state == "FAILED" for deployment in service.deployments):
        return Action.REDEPLOY
    match judge(service, primary.id):
        case RolloutState.IN_PROGRESS:
            return Action.FOLLOW
        case RolloutState.COMPLETED if not older_tasks(platform, service, changed_at):
            return Action.NONE
        case _:
            return Action.REDEPLOY


def _warnings(services: Sequence[Service], arn: str) -> list[str]:
    elsewhere = sorted({region_of(service.arn) for service in services} - {region_of(arn)})
    return [
        f"the secret is in {region_of(arn)} and services run in {region}: they depend on both regions"
        for region in elsewhere
        if region
    ]
