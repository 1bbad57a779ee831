"""Volumes are encrypted, and so is the way to EFS."""

from collections.abc import Iterator

from tickctl.core.audit.catalogue import Check
from tickctl.core.audit.facts import AccountFacts, Unread
from tickctl.core.audit.saying import failed, of_definition, of_revision, of_service, passed, unknown, unread
from tickctl.core.ecs.model import ManagedVolume, TaskDefinition
from tickctl.core.findings import Finding


def ebs_volume(facts: AccountFacts) -> Iterator[Finding]:
    """Find volumes in use that aren't encrypted."""
    if isinstance(facts.volumes, Unread):
        yield unread(Check.EBS_VOLUME, f"region {facts.region}", facts.volumes)
        return
    for volume in facts.volumes:
        subject = f"volume {volume.id}"
        if volume.encrypted:
            yield passed(Check.EBS_VOLUME, subject)
        else:
            at = f", attached to {', '.join(volume.attached_to)}," if volume.attached_to else ""
            yield failed(Check.EBS_VOLUME, subject, f"it is in use{at} and not encrypted")


def ebs_default(facts: AccountFacts) -> Iterator[Finding]:
    """Find out whether new volumes will be encrypted."""
    subject = f"region {facts.region}"
    if isinstance(facts.default_encryption, Unread):
        yield unread(Check.EBS_DEFAULT, subject, facts.default_encryption)
    elif facts.default_encryption:
        yield passed(Check.EBS_DEFAULT, subject)
    else:
        yield failed(Check.EBS_DEFAULT, subject, "new EBS volumes are encrypted only where somebody asks for it")


def ecs_volume(facts: AccountFacts) -> Iterator[Finding]:
    """Find volumes that ECS makes without encryption, and those of kinds that nobody knows."""
    for service in facts.services:
        for volume in service.volumes:
            yield _managed(f"{of_service(service)}, volume {volume.name}", volume, facts.default_encryption)
    for arn, definition in facts.definitions.items():
        if isinstance(definition, Unread):
            yield unread(Check.ECS_VOLUME, of_revision(arn), definition)
            continue
        for name in definition.other_volumes:
            message = "it is of a kind at which nobody looks, such as FSx or that of a Docker driver"
            yield unknown(Check.ECS_VOLUME, f"{of_definition(definition)}, volume {name}", message)


def efs_transit(facts: AccountFacts) -> Iterator[Finding]:
    """Find mounts of EFS in the clear."""
    for arn, definition in facts.definitions.items():
        if isinstance(definition, Unread):
            yield unread(Check.EFS_TRANSIT, of_revision(arn), definition)
            continue
        for mount in definition.efs:
            subject = f"{of_definition(definition)}, volume {mount.volume}"
            if mount.transit_encryption:
                yield passed(Check.EFS_TRANSIT, subject)
            else:
                yield failed(Check.EFS_TRANSIT, subject, "what it reads and writes goes over the network in the clear")


def efs_at_rest(facts: AccountFacts) -> Iterator[Finding]:
    """Find file systems that aren't encrypted."""
    mounted: dict[str, None] = {}
    for arn, definition in facts.definitions.items():
        if isinstance(definition, TaskDefinition):
            mounted.update(dict.fromkeys(mount.file_system for mount in definition.efs))
        else:
            yield unread(Check.EFS_AT_REST, of_revision(arn), definition)
    for identity in mounted:
        subject = f"file system {identity}"
        system = facts.file_systems.get(identity, Unread(subject, "nobody has looked"))
        if isinstance(system, Unread):
            yield unread(Check.EFS_AT_REST, subject, system)
        elif system.encrypted:
            yield passed(Check.EFS_AT_REST, subject)
        else:
            yield failed(Check.EFS_AT_REST, subject, "it is mounted by tasks and not encrypted")


def _managed(subject: str, volume: ManagedVolume, default: bool | Unread) -> Finding:
    if volume.encrypted:
        return passed(Check.ECS_VOLUME, subject)
    if volume.encrypted is None:
        if isinstance(default, Unread):
            return unread(Check.ECS_VOLUME, subject, default)
        if default:
            return passed(Check.ECS_VOLUME, subject)
    return failed(Check.ECS_VOLUME, subject, "ECS makes it for each task without encryption")
