"""Task definitions that refer to the keys of a secret."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tickctl.core.ecs.preflight import check_definition, container_names, containers_of, objects, text_of
from tickctl.core.ecs.references import Reference, parse_value_from, value_from
from tickctl.core.ecs.registration import registration
from tickctl.core.json import JsonObject
from tickctl.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class ContainerChange:
    """What changes for one container: names only."""

    container: str
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """Referred to before, but to another secret, key, stage or version."""
    removed: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    """Stood as plain values in `environment`."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A document fit for registration and what is different in it; nothing to register if `changes` is empty."""

    document: JsonObject
    changes: tuple[ContainerChange, ...]


def rewrite(
    document: JsonObject, *, arn: str, keys: Collection[str], containers: Sequence[str] = (), known: Collection[str]
) -> Rewrite:
    """Let containers refer to the keys of a secret.

    A container that isn't chosen gets no key, but for those that it has as plain values: these become references
    everywhere. Entries that are there keep their places.

    Args:
        document: as registered, or as a file holds it.
        arn: the full ARN of the secret.
        keys: those that each chosen container gets.
        containers: their names; none means those that refer to this secret already, else the only one there is.
        known: all keys that the secret will have; references to others of its keys are removed.

    Raises:
        ConfigurationError: a container or role is missing, names appear twice, or it can't be registered that way.
    """
    chosen = _choose(document, arn=arn, containers=containers)
    return _each_container(document, arn=arn, keys=set(keys), chosen=chosen, known=set(known))


def without_dangling(document: JsonObject, *, arn: str, known: Collection[str]) -> Rewrite:
    """Remove the references to keys that the secret won't have (after a rollback); add none."""
    return _each_container(document, arn=arn, keys=set(), chosen=set(), known=set(known))


def refers_to(document: JsonObject, arn: str) -> dict[str, tuple[str, ...]]:
    """Return, for each container that refers to a secret, the keys that it refers to at AWSCURRENT, sorted."""
    keys_by_container = {}
    for container in containers_of(document):
        references = [to for to in map(_reference, objects(container, "secrets")) if to and to.is_to(arn)]
        if references:
            keys = {reference.key for reference in references if reference.key and reference.current}
            keys_by_container[text_of(container, "name")] = tuple(sorted(keys))
    return keys_by_container


def _reference(entry: JsonObject) -> Reference | None:
    return parse_value_from(text_of(entry, "valueFrom"))


def _choose(document: JsonObject, *, arn: str, containers: Sequence[str]) -> set[str]:
    names = container_names(document)
    missing = [name for name in containers if name not in names]
    if missing:
        raise ConfigurationError(
            f"task definition {text_of(document, 'family')} has no container {missing[0]}",
            hint=f"it has {', '.join(names) or 'none at all'}",
        )
    chosen = set(containers or refers_to(document, arn) or (names if len(names) == 1 else ()))
    if not chosen:
        raise ConfigurationError(
            f"task definition {text_of(document, 'family')} has {len(names)} containers, "
            "and none refers to the secret yet",
            hint=f"say which get its keys with --container: {', '.join(names)}",
        )
    return chosen


def _each_container(document: JsonObject, *, arn: str, keys: set[str], chosen: set[str], known: set[str]) -> Rewrite:
    containers, changes = [], []
    for container in containers_of(document):
        keys_here = keys if text_of(container, "name") in chosen else set()
        changed, change = _rewrite_container(container, arn=arn, keys=keys, wanted=keys_here, known=known)
        containers.append(changed)
        if change != ContainerChange(change.container):
            changes.append(change)
    rewritten = registration(document) | {"containerDefinitions": containers}
    check_definition(rewritten)
    return Rewrite(rewritten, tuple(changes))


def _rewrite_container(
    container: JsonObject, *, arn: str, keys: set[str], wanted: set[str], known: set[str]
) -> tuple[JsonObject, ContainerChange]:
    """Return a container that refers to the `wanted` keys, and to those of `keys` that were plain values in it."""
    name = text_of(container, "name")
    plain = objects(container, "environment")
    moved = {text_of(variable, "name") for variable in plain} & keys
    wanted = wanted | moved
    secrets: list[JsonObject] = []
    changed, removed = set(), set()
    for entry in objects(container, "secrets"):
        own, reference = text_of(entry, "name"), _reference(entry)
        if own in wanted:
            secrets.append({"name": own, "valueFrom": value_from(arn, own)})
            if secrets[-1] != entry:
                changed.add(own)
        elif reference and reference.is_to(arn) and reference.current and reference.key not in {None, *known}:
            removed.add(own)
        else:
            secrets.append(entry)
    added = wanted - {text_of(entry, "name") for entry in secrets}
    secrets += [{"name": key, "valueFrom": value_from(arn, key)} for key in sorted(added)]
    _refuse_dangling_log_options(container, arn=arn, known=known)
    rewritten = dict(container)
    if secrets or "secrets" in container:
        rewritten["secrets"] = secrets
    if moved:
        rewritten["environment"] = [variable for variable in plain if text_of(variable, "name") not in moved]
    change = ContainerChange(
        name,
        added=tuple(sorted(added - moved)),
        changed=tuple(sorted(changed - moved)),
        removed=tuple(sorted(removed)),
        moved=tuple(sorted(moved)),
    )
    return rewritten, change


def _refuse_dangling_log_options(container: JsonObject, *, arn: str, known: set[str]) -> None:
    """Refuse a log driver that would be given a key that isn't there: the task could not start.

    It isn't mended here: a log driver without its option may send everything elsewhere.
    """
    configuration = container.get("logConfiguration")
    for entry in objects(configuration, "secretOptions") if isinstance(configuration, dict) else []:
        reference = _reference(entry)
        if reference and reference.is_to(arn) and reference.current and reference.key not in {None, *known}:
            raise ConfigurationError(
                f"the log driver of container {text_of(container, 'name')} refers to {reference.key}, "
                "a key that the secret won't have",
                hint="change 'logConfiguration' in the task definition, or leave the key in the secret",
            )
