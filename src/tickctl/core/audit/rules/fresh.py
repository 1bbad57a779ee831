"""Running tasks have the current values of their secrets."""

from collections.abc import Iterator

from tickctl.core.audit.catalogue import Check
from tickctl.core.audit.facts import AccountFacts, Unread
from tickctl.core.audit.saying import failed, of_secret, of_service, passed, unknown, unread
from tickctl.core.audit.values import references
from tickctl.core.ecs.freshness import is_fresh
from tickctl.core.ecs.model import Service, Task, TaskDefinition
from tickctl.core.findings import Finding
from tickctl.core.secrets.store import Phase


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
