"""Tasks are isolated: from their hosts, from each other, and from the internet."""

from collections.abc import Callable, Iterator
from ipaddress import ip_network
from itertools import chain
from typing import Final

from tickctl.core.audit.catalogue import Check
from tickctl.core.audit.facts import AccountFacts, Ingress, Interface, SecurityGroup, Unread
from tickctl.core.audit.saying import failed, of_definition, of_revision, of_service, passed, unknown, unread, warned
from tickctl.core.ecs.model import Container, Service, Task, TaskDefinition
from tickctl.core.findings import Finding

_HOST: Final = "host"
_ALMIGHTY: Final = ("ALL", "SYS_ADMIN")
_EVERYBODY: Final = frozenset({"0.0.0.0/0", "::/0"})
_SHOWN: Final = 5


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


def public_ip(facts: AccountFacts) -> Iterator[Finding]:
    """Find services whose tasks get public addresses, or have some."""
    check = Check.PUBLIC_IP
    for service in facts.services:
        subject = of_service(service)
        missing = list(_unread_of(facts, check, service))
        if any(network.public_ip for network in service.networks):
            yield failed(check, subject, "its tasks get public addresses")
        elif any(interface.public_ip for interface in _interfaces(facts, service)):
            message = "tasks of it have public addresses, though it doesn't ask for any"
            yield failed(check, subject, message, "start new tasks, and see to it that subnets give no addresses away")
        elif missing:
            yield from missing
        elif service.networks or _tasks(facts, service):
            yield passed(check, subject)


def public_subnet(facts: AccountFacts) -> Iterator[Finding]:
    """Find subnets that the internet can reach."""
    check = Check.PUBLIC_SUBNET
    subnet_ids: dict[str, None] = {}
    for service in facts.services:
        subnet_ids.update(dict.fromkeys(subnet for network in service.networks for subnet in network.subnets))
        subnet_ids.update(dict.fromkeys(subnet for task in _tasks(facts, service) for subnet in task.subnets))
        if isinstance(tasks := facts.tasks_of(service), Unread):
            yield unread(check, of_service(service), tasks)
    for identity in subnet_ids:
        subject = f"subnet {identity}"
        subnet = facts.subnets.get(identity, Unread(subject, "nobody has looked"))
        routes = subnet if isinstance(subnet, Unread) else subnet.internet_routes
        if isinstance(routes, Unread):
            yield unread(check, subject, routes)
        elif routes:
            to = ", ".join(dict.fromkeys(f"{route.destination} by {route.gateway}" for route in routes))
            yield failed(check, subject, f"tasks run in it, and it has a route to the internet: {to}")
        else:
            yield passed(check, subject)


def open_security_group(facts: AccountFacts) -> Iterator[Finding]:
    """Find security groups of tasks that let addresses in; the load balancer's own group may."""
    check = Check.OPEN_SECURITY_GROUP
    group_ids: dict[str, None] = {}
    for service in facts.services:
        interfaces = tuple(_interfaces(facts, service))
        group_ids.update(dict.fromkeys(group for network in service.networks for group in network.groups))
        group_ids.update(dict.fromkeys(group for interface in interfaces for group in interface.groups))
        yield from _unread_of(facts, check, service)
        if not interfaces and any(not network.groups for network in service.networks):
            message = "it names no security group, so that the default one of its VPC counts, whichever that is"
            yield unknown(check, of_service(service), message, "name a group of its own")
    for identity in group_ids:
        subject = f"security group {identity}"
        group = facts.groups.get(identity, Unread(subject, "nobody has looked"))
        if isinstance(group, Unread):
            yield unread(check, subject, group)
        else:
            yield from list(_open(f"{subject} ({group.name})", group)) or [passed(check, subject)]


def _open(subject: str, group: SecurityGroup) -> Iterator[Finding]:
    check = Check.OPEN_SECURITY_GROUP
    for rule in group.ingress:
        ports = _ports(rule)
        if everybody := sorted(_EVERYBODY.intersection(rule.cidrs)):
            yield failed(check, subject, f"it lets everybody in: {', '.join(everybody)} to {ports}")
        ranges = [cidr for cidr in rule.cidrs if cidr not in _EVERYBODY]
        if public := [cidr for cidr in ranges if not _is_private(cidr)]:
            yield failed(check, subject, f"it lets addresses of the internet in: {_listed(public)} to {ports}")
        if private := [cidr for cidr in ranges if _is_private(cidr)]:
            yield warned(check, subject, f"it lets a range of addresses in: {_listed(private)} to {ports}")
        if rule.prefix_lists:
            message = f"it lets in what a prefix list holds, at which nobody looks: {_listed(list(rule.prefix_lists))}"
            yield unknown(check, subject, message, check.mend)


def _unread_of(facts: AccountFacts, check: Check, service: Service) -> Iterator[Finding]:
    """Say what of a service's running tasks couldn't be read."""
    if isinstance(tasks := facts.tasks_of(service), Unread):
        yield unread(check, of_service(service), tasks)
    for task in _tasks(facts, service):
        for identity in task.interfaces:
            interface = facts.interfaces.get(identity, Unread(f"network interface {identity}", "nobody has looked"))
            if isinstance(interface, Unread):
                yield unread(check, of_service(service), interface)


def _tasks(facts: AccountFacts, service: Service) -> tuple[Task, ...]:
    tasks = facts.tasks_of(service)
    return () if isinstance(tasks, Unread) else tasks


def _interfaces(facts: AccountFacts, service: Service) -> Iterator[Interface]:
    for identity in chain.from_iterable(task.interfaces for task in _tasks(facts, service)):
        interface = facts.interfaces.get(identity)
        if isinstance(interface, Interface):
            yield interface


def _ports(rule: Ingress) -> str:
    if rule.ports is None:
        return "all ports"
    first, last = rule.ports
    return f"port {first}" if first == last else f"ports {first} to {last}"


def _is_private(cidr: str) -> bool:
    try:
        return ip_network(cidr, strict=False).is_private
    except ValueError:
        return False


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
