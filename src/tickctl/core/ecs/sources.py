"""Which task definitions a rollout is about: those that services run, families, and files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tickctl.core.ecs.model import Service, TaskDefinition
from tickctl.core.ecs.port import ContainerPlatform
from tickctl.core.ecs.preflight import container_names
from tickctl.core.ecs.registration import DefinitionFile
from tickctl.core.json import JsonObject
from tickctl.errors import ConfigurationError, NotFoundError


@dataclass(frozen=True, slots=True)
class Source:
    """Where a definition comes from: `base` is what is registered, None if the family is new."""

    source: str
    """For people: "service gateway", "family nightly", "file task-definition.json"."""
    family: str
    base: TaskDefinition | None
    services: tuple[Service, ...] = ()
    file: DefinitionFile | None = None

    @property
    def document(self) -> JsonObject:
        """What is to be completed."""
        return self.file.document if self.file else self.base.document if self.base else {}


def find_sources(
    platform: ContainerPlatform,
    services: Sequence[Service],
    families: Sequence[str],
    files: Mapping[str, DefinitionFile],
) -> list[Source]:
    """Return each definition once, with the services that are to run it.

    Args:
        platform: is read from.
        services: whose definitions count.
        families: those that no service runs are taken at their latest revision.
        files: by their names; one goes before what services of its family run.

    Raises:
        ConfigurationError: a definition is named twice or with a revision, or no service that is named runs a file's.
        NotFoundError: there is no such definition.
    """
    running: dict[str, list[Service]] = {}
    for service in services:
        running.setdefault(service.task_definition, []).append(service)
    bases = {arn: platform.definition(arn) for arn in running}
    from_files = [_from_file(platform, name, file, bases, running) for name, file in files.items()]
    _check_families([*(source.family for source in from_files), *families])
    covered = {source.family for source in from_files}
    from_services = [
        Source(_services_named(running[arn]), base.family, base, tuple(running[arn]))
        for arn, base in bases.items()
        if base.family not in covered
    ]
    covered |= {source.family for source in from_services}
    from_families = [
        Source(f"family {family}", family, platform.definition(family)) for family in families if family not in covered
    ]
    return [*from_files, *from_services, *from_families]


def _from_file(
    platform: ContainerPlatform,
    name: str,
    file: DefinitionFile,
    bases: Mapping[str, TaskDefinition],
    running: Mapping[str, Sequence[Service]],
) -> Source:
    family = str(file.document["family"])
    services = [service for arn, base in bases.items() if base.family == family for service in running[arn]]
    if running and not services:
        families = ", ".join(sorted({base.family for base in bases.values()}))
        raise ConfigurationError(
            f"{name} is of the family {family}, and no service that is named runs it: they run {families}",
            hint="name the service that runs this family, or leave the services out to register it only",
        )
    try:
        base = platform.definition(family)
    except NotFoundError:
        base = None
    return Source(f"file {name}", family, base, tuple(services), file)


def check_containers(containers: Sequence[str], sources: Sequence[Source]) -> None:
    """Refuse the name of a container that no definition has.

    Raises:
        ConfigurationError: there is one.
    """
    there = [name for source in sources for name in container_names(source.document)]
    for name in containers:
        if name not in there:
            raise ConfigurationError(
                f"no task definition has a container {name}", hint=f"there are {', '.join(dict.fromkeys(there))}"
            )


def _check_families(families: Sequence[str]) -> None:
    for family in families:
        if ":" in family:
            raise ConfigurationError(
                f"{family} is more than the name of a family",
                hint="leave the revision out: the one that a service runs is taken, else the latest",
            )
        if families.count(family) > 1:
            raise ConfigurationError(
                f"the task definition {family} is named twice", hint="give the family or one file of it"
            )


def _services_named(services: Sequence[Service]) -> str:
    names = [service.name for service in services]
    return f"service {names[0]}" if len(names) == 1 else f"services {', '.join(names)}"
