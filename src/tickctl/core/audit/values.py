"""What programs are given as variables, wherever it stands: in task definitions and in secrets."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tickctl.core.audit.catalogue import Check
from tickctl.core.audit.facts import AccountFacts, SecretFacts, SecretVersionFacts, Unread
from tickctl.core.audit.saying import of_definition, of_revision, of_secret, passed, unknown, unread
from tickctl.core.ecs.model import Container, TaskDefinition
from tickctl.core.ecs.references import Reference, parse_value_from
from tickctl.core.findings import Finding, Result
from tickctl.core.secret import Secret
from tickctl.core.secrets.store import CURRENT, Phase


@dataclass(frozen=True, slots=True)
class Given:
    """A variable and what it holds; `subject` says where it stands."""

    subject: str
    name: str
    value: Secret


Judge = Callable[[Given], Finding | None]
"""Judges one variable; None where it has nothing to say about it."""


def each_value(facts: AccountFacts, check: Check, judge: Judge) -> Iterator[Finding]:
    """Judge all variables of task definitions and secrets, and say of which it can't be told.

    What passes is told once for each definition and secret.
    """
    for arn, definition in facts.definitions.items():
        if isinstance(definition, Unread):
            yield unread(check, of_revision(arn), definition)
            continue
        subject = of_definition(definition)
        yield from together(check, subject, map(judge, in_clear(definition)), list(_files(check, definition)))
        yield from (
            found for found in map(judge, _renamed(facts, definition)) if found and found.result is not Result.PASS
        )
    for arn, secret in facts.secrets.items():
        if isinstance(secret, Unread):
            yield unread(check, of_secret(arn), secret)
        elif secret.state.phase is Phase.LIVE:
            yield from _in_secret(check, arn, secret, judge)


def together(
    check: Check, subject: str, judged: Iterable[Finding | None], more: Iterable[Finding] = ()
) -> Iterator[Finding]:
    """Yield what is to be told of one subject; where everything passes, that in one finding."""
    findings = [finding for finding in judged if finding]
    detail = [finding for finding in findings if finding.result is not Result.PASS]
    detail += more
    if findings and not detail:
        yield passed(check, subject)
    yield from detail


def in_clear(definition: TaskDefinition) -> Iterator[Given]:
    """Yield the variables that a definition itself holds."""
    for container in definition.containers:
        for named in container.environment:
            yield Given(of_definition(definition, container, ("environment", named)), named.name, named.value)


def references(definition: TaskDefinition) -> Iterator[tuple[Container, str, Reference | None]]:
    """Yield what containers and their log drivers refer to: variable and reference; None where it is SSM's."""
    for container in definition.containers:
        for name, value_from in container.secrets:
            yield container, name, parse_value_from(value_from)


def secret_of(facts: AccountFacts, reference: Reference) -> SecretFacts | Unread:
    """Return the secret that a reference leads to."""
    return facts.secrets.get(reference.arn, Unread(of_secret(reference.arn), "nobody has looked"))


def meant(secret: SecretFacts, reference: Reference) -> SecretVersionFacts | Unread | None:
    """Return the version that a reference leads to; None if there is none."""
    return secret.version(stage=reference.stage, version_id=reference.version)


def _files(check: Check, definition: TaskDefinition) -> Iterator[Finding]:
    """Say of which containers it can't be told, since they take variables from files."""
    for container in definition.containers:
        if container.environment_files:
            message = "it takes variables from env files in S3 as well, and nobody looks into these"
            mend = "move them into the secret with 'tickctl secrets push', and take 'environmentFiles' out"
            yield unknown(check, of_definition(definition, container), message, mend)


def _renamed(facts: AccountFacts, definition: TaskDefinition) -> Iterator[Given]:
    """Yield what a container has under another name than the secret has it."""
    for container, name, reference in references(definition):
        secret = secret_of(facts, reference) if reference and reference.key not in {None, name} else None
        version = meant(secret, reference) if isinstance(secret, SecretFacts) and reference else None
        values = version.values if isinstance(version, SecretVersionFacts) else None
        if reference and reference.key and values and reference.key in values:
            yield Given(f"{of_definition(definition, container)}, secret {name}", name, values[reference.key])


def _in_secret(check: Check, arn: str, secret: SecretFacts, judge: Judge) -> Iterator[Finding]:
    subject = of_secret(arn)
    for identity, version in secret.versions.items():
        if isinstance(version, Unread):
            yield unread(check, subject, version)
        elif version.values is None:
            yield unknown(check, subject, "it is no JSON object of names and values, so nothing can be told of it")
        else:
            current = CURRENT in secret.state.stages.get(identity, ())
            location = subject if current else f"{subject}, version {identity}"
            values = (Given(f"{location}, key {name}", name, value) for name, value in version.values.items())
            yield from together(check, location, map(judge, values))
