"""Findings of an audit, made in a line each, so that all of them say the same thing the same way."""

from typing import Final

from tickctl.core.audit.catalogue import Check
from tickctl.core.audit.facts import Unread
from tickctl.core.audit.plain_values import shown
from tickctl.core.ecs.model import Container, Named, Service, TaskDefinition
from tickctl.core.findings import Finding, Result
from tickctl.core.secrets.arn import name_of

_LOOK_AGAIN: Final = "look again once it can be read; the rights that it takes: 'tickctl secrets policy --for audit'"


def passed(check: Check, subject: str) -> Finding:
    """Return that all is as the table says."""
    return Finding(check, Result.PASS, subject, check.meaning)


def failed(check: Check, subject: str, message: str, mend: str | None = None) -> Finding:
    """Return that something isn't; the mend is the table's unless there is a better one."""
    return Finding(check, Result.FAIL, subject, message, mend or check.mend)


def warned(check: Check, subject: str, message: str, mend: str | None = None) -> Finding:
    """Return that something is likely to be a mistake."""
    return Finding(check, Result.WARNING, subject, message, mend or check.mend)


def unread(check: Check, subject: str, missing: Unread) -> Finding:
    """Return that it can't be told, since something couldn't be read."""
    return unknown(check, subject, f"{missing.what} can't be read: {missing.reason}", _LOOK_AGAIN)


def unknown(check: Check, subject: str, message: str, mend: str | None = None) -> Finding:
    """Return that it can't be told."""
    return Finding(check, Result.CANNOT_TELL, subject, message, mend)


def nothing(check: Check, subject: str) -> Finding:
    """Return that there is nothing that the check is about."""
    return Finding(check, Result.NOT_APPLICABLE, subject, "there is nothing here that this is about")


def of_definition(
    definition: TaskDefinition, container: Container | None = None, named: tuple[str, Named] | None = None
) -> str:
    """Return a subject: a revision, a container of it, a variable of that; never a value.

    Args:
        definition: the revision.
        container: of it.
        named: the kind of thing and the thing, such as `environment` and a variable.
    """
    parts = [f"task definition {definition.name}"]
    parts += [f"container {container.name}"] if container else []
    parts += [f"{named[0]} {shown(named[1].name)}"] if named else []
    return ", ".join(parts)


def of_revision(arn: str) -> str:
    """Return a subject for a revision of which nothing but the ARN is known."""
    return f"task definition {arn.rpartition('/')[2]}"


def of_service(service: Service) -> str:
    """Return a subject."""
    return f"service {service.name} of cluster {service.cluster_name}"


def of_secret(arn: str) -> str:
    """Return a subject for a secret by its ARN, or by the name that was asked for."""
    return f"secret {shown(name_of(arn))}"
