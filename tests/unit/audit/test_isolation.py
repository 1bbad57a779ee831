"""Who reaches tasks, and what they may do on their hosts."""

from dataclasses import replace

import pytest

from audit_support import (
    DENIED,
    REVISION,
    account,
    definition,
    found,
    group,
    only,
    results,
    service,
    task,
    with_container,
    with_tasks,
)
from tickctl.core.audit.catalogue import Check
from tickctl.core.audit.facts import (
    Ingress,
    Interface,
)
from tickctl.core.ecs.model import Network
from tickctl.core.findings import Result

WARNING, FAIL, CANNOT_TELL, PASS = Result.WARNING, Result.FAIL, Result.CANNOT_TELL, Result.PASS


@pytest.mark.parametrize("mode", ["bridge", "host", "none", None])
def test_every_other_network_mode_fails(mode: str | None) -> None:
    """Docker's default among them."""
    [finding] = found(account(definitions={REVISION: definition(network_mode=mode)}), Check.NETWORK_MODE)
    assert finding.result is FAIL
    assert finding.message.endswith(mode or "bridge")


def test_each_namespace_of_the_host_fails() -> None:
    """Those of the task are its own."""
    both = found(account(definitions={REVISION: definition(pid_mode="host", ipc_mode="host")}), Check.HOST_NAMESPACE)
    assert [finding.result for finding in both] == [FAIL, FAIL]
    assert results(account(definitions={REVISION: definition(pid_mode="task", ipc_mode="none")})) == {}


@pytest.mark.parametrize(("capability", "result"), [("SYS_ADMIN", FAIL), ("ALL", FAIL), ("NET_BIND_SERVICE", PASS)])
def test_some_capabilities_are_as_good_as_privileged(capability: str, result: Result) -> None:
    """Others are what they are for."""
    assert only(with_container(added_capabilities=(capability,)), Check.PRIVILEGED) == {result}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Ingress("tcp", (443, 443), cidrs=("0.0.0.0/0",)), {FAIL}),
        (Ingress("-1", None, cidrs=("::/0",)), {FAIL}),
        (Ingress("tcp", (1, 65535), cidrs=("0.0.0.0/1",)), {FAIL}),
        (Ingress("tcp", (1, 65535), cidrs=("8.8.8.0/24",)), {FAIL}),
        (Ingress("tcp", (1, 65535), cidrs=("no range",)), {FAIL}),
        (Ingress("tcp", (80, 80), cidrs=("10.0.0.0/16",)), {WARNING}),
        (Ingress("tcp", (80, 80), cidrs=("fd00::/8", "0.0.0.0/0")), {WARNING, FAIL}),
        (Ingress("tcp", (80, 80), prefix_lists=("pl-1",)), {CANNOT_TELL}),
        (Ingress("-1", None, groups=("sg-1", "sg-2")), {PASS}),
    ],
)
def test_groups_may_come_in_and_addresses_may_not(rule: Ingress, expected: set[Result]) -> None:
    """Those of private networks are a warning; what a prefix list holds isn't known."""
    assert only(account(groups={"sg-1": group(rule)}), Check.OPEN_SECURITY_GROUP) == expected


def test_ports_and_ranges_are_named() -> None:
    """Not all of them, if there are many."""
    rules = (
        Ingress("tcp", (22, 22), cidrs=("0.0.0.0/0", "::/0")),
        Ingress("tcp", (8000, 8080), cidrs=tuple(f"8.8.{number}.0/24" for number in range(7))),
        Ingress("-1", None, cidrs=("10.0.0.0/8",)),
        Ingress("tcp", (80, 80), cidrs=tuple(f"8.8.{number}.0/24" for number in range(5))),
    )
    messages = [
        finding.message for finding in found(account(groups={"sg-1": group(*rules)}), Check.OPEN_SECURITY_GROUP)
    ]
    assert messages[0] == "it lets everybody in: 0.0.0.0/0, ::/0 to port 22"
    assert messages[1].endswith("8.8.3.0/24, 8.8.4.0/24 and 2 more to ports 8000 to 8080")
    assert messages[3].endswith("8.8.4.0/24 to port 80")
    assert messages[2] == "it lets a range of addresses in: 10.0.0.0/8 to all ports"


def test_the_load_balancer_s_own_group_may_be_open() -> None:
    """Nobody looks at it, unless tasks are in it."""
    both = {"sg-1": group(), "sg-2": replace(group(Ingress("tcp", (443, 443), cidrs=("0.0.0.0/0",))), id="sg-2")}
    assert results(account(groups=both)) == {}
    shared = (Network(("subnet-1",), ("sg-1", "sg-2"), public_ip=False),)
    assert results(account(groups=both, services=(service(networks=shared),))) == {Check.OPEN_SECURITY_GROUP: {FAIL}}


def test_the_groups_of_running_tasks_count() -> None:
    """Though the service names others by now."""
    interface = Interface("eni-1", public_ip=False, groups=("sg-9",))
    facts = account(interfaces={"eni-1": interface}, groups={"sg-1": group(), "sg-9": DENIED})
    assert only(facts, Check.OPEN_SECURITY_GROUP) == {PASS, CANNOT_TELL}


def test_the_default_group_is_known_by_running_tasks_only() -> None:
    """A service that names none gets that of the VPC."""
    nameless = (Network(("subnet-1",), (), public_ip=False),)
    assert results(account(services=(service(networks=nameless),))) == {}
    waiting = with_tasks(task(interfaces=()), services=(service(networks=nameless),))
    assert only(waiting, Check.OPEN_SECURITY_GROUP) == {CANNOT_TELL}


def test_a_service_is_judged_by_what_it_asks_for_and_by_what_runs() -> None:
    """Either is enough to look at."""
    idle = with_tasks()
    assert only(idle, Check.PUBLIC_IP) == {PASS}
    assert only(idle, Check.PUBLIC_SUBNET) == {PASS}
    moved = service(networks=())
    for check in (Check.PUBLIC_IP, Check.PUBLIC_SUBNET, Check.OPEN_SECURITY_GROUP):
        assert only(account(services=(moved,)), check) == {PASS}


def test_a_service_without_tasks_and_interfaces_has_no_addresses() -> None:
    """There is nothing to judge."""
    told = results(with_tasks(services=(service(networks=()),)))
    assert told[Check.PUBLIC_IP] == told[Check.PUBLIC_SUBNET] == {Result.NOT_APPLICABLE}
