"""Tasks keep to themselves on their hosts: an interface of their own, and no rights over the host."""

from collections.abc import Callable, Iterator
from typing import Final

from tickctl.core.audit.catalogue import Check
from tickctl.core.audit.facts import AccountFacts, Unread
from tickctl.core.audit.saying import failed, of_definition, of_revision, passed, unread
from tickctl.core.ecs.model import Container, TaskDefinition
from tickctl.core.findings import Finding

_HOST: Final = "host"
_ALMIGHTY: Final = ("ALL", "SYS_ADMIN")


def network_mode(facts: AccountFacts) -> Iterator[Finding]:
    """Find tasks that share the network of their host, or of other tasks."""
    return _each_definition(facts, Check.NETWORK_MODE, _mode)


def host_namespace(facts: AccountFacts) -> Iterator[Finding]:
    """Find tasks that share processes or memory with their host."""
    return _each_definition(facts, Check.HOST_NAMESPACE, _namespaces)


def privileged(facts: AccountFacts) -> Iterator[Finding]:
    """Find containers that may do what their host may."""
    return _each_definition(facts, Check.PRIVILEGED, _rights)


def _each_definition(
    facts: AccountFacts, check: Check, judge: Callable[[TaskDefinition], Iterator[Finding]]
) -> Iterator[Finding]:
    for arn, definition in facts.definitions.items():
        if isinstance(definition, Unread):
            yield unread(check, of_revision(arn), definition)
        else:
            yield from list(judge(definition)) or [passed(check, of_definition(definition))]


def _mode(definition: TaskDefinition) -> Iterator[Finding]:
    if definition.network_mode != "awsvpc":
        mode = definition.network_mode or "the default, bridge"
        yield failed(Check.NETWORK_MODE, of_definition(definition), f"its network mode is {mode}")


def _namespaces(definition: TaskDefinition) -> Iterator[Finding]:
    for kind, mode in (("processes", definition.pid_mode), ("memory", definition.ipc_mode)):
        if mode == _HOST:
            yield failed(Check.HOST_NAMESPACE, of_definition(definition), f"it shares {kind} with its host")


def _rights(definition: TaskDefinition) -> Iterator[Finding]:
    for container in definition.containers:
        if message := _might(container):
            yield failed(Check.PRIVILEGED, of_definition(definition, container), message)


def _might(container: Container) -> str | None:
    if container.privileged:
        return "it is privileged: whoever breaks in has its host"
    capability = next((name for name in _ALMIGHTY if name in container.added_capabilities), None)
    return f"it is given the capability {capability}, which is as good as privileged" if capability else None
