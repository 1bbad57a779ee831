"""Secrets that task definitions refer to: they can be read, and running tasks have their current values."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tickctl.core.audit.catalogue import Check
from tickctl.core.audit.facts import AccountFacts, SecretFacts, SecretVersionFacts, Unread
from tickctl.core.audit.plain_values import shown
from tickctl.core.audit.saying import (
    failed,
    of_definition,
    of_revision,
    of_secret,
    of_service,
    passed,
    unknown,
    unread,
    warned,
)
from tickctl.core.audit.values import meant, references, secret_of, together
from tickctl.core.ecs.freshness import is_fresh
from tickctl.core.ecs.model import Service, Task, TaskDefinition
from tickctl.core.ecs.references import Reference
from tickctl.core.findings import Finding
from tickctl.core.secrets.store import CURRENT, Phase


@dataclass(frozen=True, slots=True)
class _Referred:
    """A reference to a secret that was read; `subject` is the variable."""

    subject: str
    reference: Reference
    secret: SecretFacts


def secret_exists(facts: AccountFacts) -> Iterator[Finding]:
    """Find secrets that aren't there, or won't be: those that are referred to, and those that were asked for."""
    yield from _each_reference(facts, Check.SECRET_EXISTS, _exists)
    definitions = (definition for definition in facts.definitions.values() if isinstance(definition, TaskDefinition))
    referred = {to.arn for definition in definitions for _, _, to in references(definition) if to}
    for arn, secret in facts.secrets.items():
        if arn in referred:
            continue
        if isinstance(secret, Unread):
            yield unread(Check.SECRET_EXISTS, of_secret(arn), secret)
        else:
            yield _exists(_Referred(of_secret(arn), Reference(arn, None), secret))


def secret_key(facts: AccountFacts) -> Iterator[Finding]:
    """Find references to keys that the secret doesn't have."""
    return _each_reference(facts, Check.SECRET_KEY, _key)


def secret_stage(facts: AccountFacts) -> Iterator[Finding]:
    """Find references to stages and versions that the secret doesn't have, or that no push will reach."""
    return _each_reference(facts, Check.SECRET_STAGE, _stage)


def secret_readable(facts: AccountFacts) -> Iterator[Finding]:
    """Find secrets that the role which fetches them may not read."""
    check = Check.SECRET_READABLE
    known = {(access.role, access.secret): access for access in facts.access}
    needed: dict[tuple[str, str], None] = {}
    for arn, definition in facts.definitions.items():
        if isinstance(definition, Unread):
            yield unread(check, of_revision(arn), definition)
            continue
        to = [reference.arn for _, _, reference in references(definition) if reference]
        if to and definition.execution_role is None:
            message = "it refers to secrets, and has no execution role that could fetch them"
            yield failed(check, of_definition(definition), message, "set 'executionRoleArn' of the task definition")
            continue
        there = (secret for secret in to if not _gone(facts, secret))
        needed.update(dict.fromkeys((definition.execution_role or "", secret) for secret in there))
    for role, secret in needed:
        subject = f"role {role.rpartition('/')[2]}, {of_secret(secret)}"
        access = known.get((role, secret))
        allowed = access.allowed if access else Unread("what the role may do", "nobody has looked")
        if isinstance(allowed, Unread):
            yield unread(check, subject, allowed)
        elif allowed:
            yield passed(check, subject)
        else:
            why = f": {access.why}" if access and access.why else ""
            yield failed(check, subject, f"it may not read it{why}")


def _each_reference(
    facts: AccountFacts, check: Check, judge: Callable[[_Referred], Finding | None]
) -> Iterator[Finding]:
    for arn, definition in facts.definitions.items():
        if isinstance(definition, Unread):
            yield unread(check, of_revision(arn), definition)
        else:
            yield from together(check, of_definition(definition), _judged(facts, check, definition, judge))


def _judged(
    facts: AccountFacts, check: Check, definition: TaskDefinition, judge: Callable[[_Referred], Finding | None]
) -> Iterator[Finding | None]:
    for container, name, reference in references(definition):
        subject = f"{of_definition(definition, container)}, secret {shown(name)}"
        if reference is None:
            yield _foreign(check, subject)
            continue
        secret = secret_of(facts, reference)
        yield (
            unread(check, subject, secret)
            if isinstance(secret, Unread)
            else judge(_Referred(subject, reference, secret))
        )


def _foreign(check: Check, subject: str) -> Finding | None:
    if check is not Check.SECRET_EXISTS:
        return None
    message = "it refers to something else than Secrets Manager, such as a parameter of SSM, at which nobody looks"
    return unknown(check, subject, message)


def _exists(referred: _Referred) -> Finding:
    secret_text, phase = of_secret(referred.reference.arn), referred.secret.state.phase
    if phase is Phase.LIVE:
        return passed(Check.SECRET_EXISTS, referred.subject)
    if phase is Phase.ABSENT:
        return failed(Check.SECRET_EXISTS, referred.subject, f"there is no {secret_text}")
    mend = "run 'aws secretsmanager restore-secret', or refer to another secret"
    return failed(Check.SECRET_EXISTS, referred.subject, f"{secret_text} is to be deleted: no new task can start", mend)


def _key(referred: _Referred) -> Finding | None:
    check, key = Check.SECRET_KEY, referred.reference.key
    version = meant(referred.secret, referred.reference)
    if referred.secret.state.phase is not Phase.LIVE or version is None:
        return None  # that is told by another check
    if key is None:
        return passed(check, referred.subject)
    if isinstance(version, Unread):
        return unread(check, referred.subject, version)
    if version.values is None:
        return failed(check, referred.subject, "the secret is no JSON object, so it has no keys at all")
    if key in version.values:
        return passed(check, referred.subject)
    return failed(check, referred.subject, f"the secret has no key {shown(key)}")


def _stage(referred: _Referred) -> Finding | None:
    check, reference, state = Check.SECRET_STAGE, referred.reference, referred.secret.state
    if state.phase is not Phase.LIVE:
        return None
    if reference.version is not None:
        version = meant(referred.secret, reference)
        if isinstance(version, Unread) and reference.version not in state.stages:
            return unread(check, referred.subject, version)
        known = reference.version in state.stages or isinstance(version, SecretVersionFacts)
        fits = version is not None or reference.stage is None
        if not (known and fits):
            return failed(check, referred.subject, "the secret has no such version")
    elif state.version_of(reference.stage or CURRENT) is None:
        return failed(check, referred.subject, f"the secret has no stage {shown(reference.stage or CURRENT)}")
    if reference.current:
        return passed(check, referred.subject)
    return warned(check, referred.subject, "it is pinned to a version or stage, so that no push reaches it")


def _gone(facts: AccountFacts, arn: str) -> bool:
    """Whether there is nothing to be read, which is told by another check."""
    secret = facts.secrets.get(arn)
    return isinstance(secret, SecretFacts) and secret.state.phase is not Phase.LIVE


def stale_tasks(facts: AccountFacts) -> Iterator[Finding]:
    """Find tasks that were made before a secret of theirs changed last."""
    refers_to = {arn: _secrets(definition) for arn, definition in facts.definitions.items()}
    for service in facts.services:
        tasks = facts.tasks_of(service)
        if isinstance(tasks, Unread):
            yield unread(Check.STALE_TASKS, of_service(service), tasks)
            continue
        by_secret: dict[str, list[Task]] = {}
        for task in tasks:
            revision = task.task_definition
            secrets = refers_to.get(revision, Unread(revision.rpartition("/")[2], "nobody has looked"))
            if isinstance(secrets, Unread):
                yield unread(Check.STALE_TASKS, of_service(service), secrets)
                continue
            for arn in secrets:
                by_secret.setdefault(arn, []).append(task)
        for arn, referring in by_secret.items():
            yield from _of_secret(facts, service, arn, referring)


def _of_secret(facts: AccountFacts, service: Service, arn: str, tasks: list[Task]) -> Iterator[Finding]:
    subject = f"{of_service(service)}, {of_secret(arn)}"
    secret = facts.secrets.get(arn, Unread(of_secret(arn), "nobody has looked"))
    if isinstance(secret, Unread):
        yield unread(Check.STALE_TASKS, subject, secret)
        return
    if secret.state.phase is Phase.ABSENT:
        return  # that is told by another check
    fresh = [is_fresh(task, secret.state.changed_at) for task in tasks]
    stale = fresh.count(False)
    if stale:
        made = f"{stale} of {len(tasks)} tasks were made" if len(tasks) > 1 else "its task was made"
        yield failed(Check.STALE_TASKS, subject, f"{made} before the secret changed last")
    elif None in fresh:
        yield unknown(Check.STALE_TASKS, subject, "AWS doesn't say when the tasks were made, or the secret changed")
    else:
        yield passed(Check.STALE_TASKS, subject)


def _secrets(definition: TaskDefinition | Unread) -> tuple[str, ...] | Unread:
    """Return the secrets that a revision follows; one that is pinned to a version doesn't change."""
    if isinstance(definition, Unread):
        return definition
    return tuple(
        dict.fromkeys(reference.arn for _, _, reference in references(definition) if reference and reference.current)
    )
