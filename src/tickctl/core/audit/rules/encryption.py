"""What goes over the network is encrypted, and so is what lies on volumes."""

from collections.abc import Iterator
from typing import Final

from tickctl.core.audit.catalogue import Check
from tickctl.core.audit.facts import AccountFacts, Action, Listener, LoadBalancer, TlsPolicy, Unread
from tickctl.core.audit.saying import failed, of_definition, of_revision, of_service, passed, unknown, unread, warned
from tickctl.core.audit.urls import judge_url
from tickctl.core.audit.values import Given, each_value
from tickctl.core.ecs.model import ManagedVolume, TaskDefinition
from tickctl.core.findings import Finding

_MODERN: Final = frozenset({"TLSv1.2", "TLSv1.3"})
_TLS: Final = frozenset({"HTTPS", "TLS"})
_APPLICATION: Final = "application"
_REDIRECT: Final = "redirect"


def connection_url(facts: AccountFacts) -> Iterator[Finding]:
    """Find connections in the clear, and those that believe any certificate."""
    return each_value(facts, Check.CONNECTION_URL, _url)


def https_listener(facts: AccountFacts) -> Iterator[Finding]:
    """Find load balancers that speak no TLS; one without any listener is among them."""
    yield from _unseen(facts, Check.HTTPS_LISTENER)
    for balancer, listeners in _listeners(facts):
        if isinstance(listeners, Unread):
            yield unread(Check.HTTPS_LISTENER, _of_balancer(balancer), listeners)
        elif any(listener.protocol in _TLS for listener in listeners):
            yield passed(Check.HTTPS_LISTENER, _of_balancer(balancer))
        elif balancer.kind == _APPLICATION or not listeners:
            reason = "none of its listeners speaks TLS" if listeners else "it has no listener at all"
            yield failed(Check.HTTPS_LISTENER, _of_balancer(balancer), reason)
        else:
            message = "it passes connections on as they are, so whether they are encrypted is a matter of the service"
            yield unknown(Check.HTTPS_LISTENER, _of_balancer(balancer), message, "end TLS at the load balancer")


def http_redirect(facts: AccountFacts) -> Iterator[Finding]:
    """Find HTTP listeners that do something else than redirect to HTTPS."""
    yield from _unseen(facts, Check.HTTP_REDIRECT)
    for balancer, listeners in _listeners(facts):
        if isinstance(listeners, Unread):
            yield unread(Check.HTTP_REDIRECT, _of_balancer(balancer), listeners)
            continue
        for listener in listeners:
            if listener.protocol == "HTTP":
                yield _redirect(_of_listener(balancer, listener), listener)


def tls_policy(facts: AccountFacts) -> Iterator[Finding]:
    """Find listeners that accept older protocols than TLS 1.2."""
    check = Check.TLS_POLICY
    yield from _unseen(facts, check)
    for balancer, listeners in _listeners(facts):
        if isinstance(listeners, Unread):
            yield unread(check, _of_balancer(balancer), listeners)
            continue
        for listener in listeners:
            if listener.protocol in _TLS:
                yield _policy(_of_listener(balancer, listener), listener.tls_policy)


def _url(given: Given) -> Finding | None:
    judged = judge_url(given.name, given.value)
    if judged is None:
        return None
    return Finding(Check.CONNECTION_URL, judged.result, given.subject, f"it {judged.message}", judged.mend)


def _redirect(subject: str, listener: Listener) -> Finding:
    if any(action.kind == _REDIRECT and action.to_protocol != "HTTPS" for action in _actions(listener)):
        return failed(Check.HTTP_REDIRECT, subject, "it redirects, but not to HTTPS")
    kinds = {action.kind for action in _actions(listener) if action.kind != _REDIRECT}
    if kinds - {"fixed-response"} or not listener.actions:
        return failed(Check.HTTP_REDIRECT, subject, "it speaks HTTP, and does more than redirect to HTTPS")
    if isinstance(listener.rules, Unread):
        return unread(Check.HTTP_REDIRECT, subject, listener.rules)
    if kinds:
        message = "it answers over HTTP with fixed words instead of redirecting"
        return warned(Check.HTTP_REDIRECT, subject, message)
    return passed(Check.HTTP_REDIRECT, subject)


def _actions(listener: Listener) -> tuple[Action, ...]:
    return listener.actions + (() if isinstance(listener.rules, Unread) else listener.rules)


def _policy(subject: str, policy: TlsPolicy | Unread | None) -> Finding:
    if isinstance(policy, Unread):
        return unread(Check.TLS_POLICY, subject, policy)
    if policy is None or not policy.protocols:
        return unknown(Check.TLS_POLICY, subject, "AWS doesn't say which protocols it accepts", Check.TLS_POLICY.mend)
    if old := sorted(set(policy.protocols) - _MODERN):
        return failed(Check.TLS_POLICY, subject, f"its policy {policy.name} accepts {', '.join(old)}")
    return passed(Check.TLS_POLICY, subject)


def _unseen(facts: AccountFacts, check: Check) -> Iterator[Finding]:
    """Say which load balancers weren't seen."""
    for service in facts.services:
        if service.classic_load_balancers:
            message = "it is behind a load balancer of the first generation, at which nobody looks"
            yield unknown(check, of_service(service), message, "move it to an Application Load Balancer")
    for arn, balancers in facts.target_groups.items():
        if isinstance(balancers, Unread):
            yield unread(check, f"target group {_name(arn)}", balancers)
    for arn, balancer in facts.load_balancers.items():
        if isinstance(balancer, Unread):
            yield unread(check, f"load balancer {_name(arn)}", balancer)


def _listeners(facts: AccountFacts) -> Iterator[tuple[LoadBalancer, tuple[Listener, ...] | Unread]]:
    for balancer in facts.load_balancers.values():
        if not isinstance(balancer, Unread):
            yield balancer, balancer.listeners


def _of_balancer(balancer: LoadBalancer) -> str:
    return f"load balancer {balancer.name}"


def _of_listener(balancer: LoadBalancer, listener: Listener) -> str:
    return f"{_of_balancer(balancer)}, listener {listener.protocol} {listener.port}"


def _name(arn: str) -> str:
    """Return the name in the ARN of a target group or load balancer, before its last part."""
    return arn.rpartition("/")[0].rpartition("/")[2] or arn


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
