"""`tickctl audit`: each promise, each fault and each thing that can't be read, in an account like the real one."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

import pytest

from aws_support import Operator
from cli_support import Result
from posture_faults import DOUBTS, FAULTS, Fault
from posture_support import Account, sound_account
from strict_aws import CLUSTER, REGION, StrictAws
from tickctl.adapters.aws.posture import READ_OPERATIONS
from tickctl.core.audit.catalogue import Check

WHERE: Final = ("--region", REGION, "--cluster", CLUSTER)
EVERYWHERE: Final = ("--region", REGION)
# What the region has is read without any service.
OF_THE_REGION: Final = {Check.EBS_VOLUME, Check.EBS_DEFAULT}
LISTS: Final = {"ecs:ListClusters", "ecs:ListServices", "ecs:DescribeServices"}
"""Without these nobody knows what there is to be looked at."""
IN_PLACE: Final = {
    "iam:GetRole", "iam:ListRolePolicies", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:GetPolicy",
    "iam:GetPolicyVersion",
}  # fmt: skip
"""What is asked where IAM's simulator may not be."""
SIMULATOR: Final = "iam:SimulatePrincipalPolicy"


def audit(operator: Operator, *arguments: str, where: Iterable[str] = WHERE) -> Result:
    """Run the command."""
    return operator.command("audit", *where, *arguments)


def codes(result: Result, *results: str) -> set[str]:
    """Return the checks that ended so."""
    return {finding["code"] for finding in result.json["findings"] if finding["result"] in results}


def told(result: Result, kind: str) -> set[tuple[str, str]]:
    """Return of which checks and things a result says so."""
    return {(each["code"], each["subject"]) for each in result.json["findings"] if each["result"] == kind}


def built(fault: Fault, aws: StrictAws) -> Account:
    """Return the running account, with a fault."""
    account = Account(aws)
    if not fault.running:
        fault.plant(account)
    account.deploy()
    if fault.running:
        fault.plant(account)
    return account


def hides(result: Result, values: Iterable[str]) -> bool:
    """Whether none of the values shows, line by line."""
    lines = [line for value in values for line in value.splitlines()]
    return not any(line in text for line in lines for text in (result.out, result.err))


class TestSound:
    """An account in which everything holds."""

    def test_every_check_passes(self, aws: StrictAws, operator: Operator) -> None:
        """None of them is left out, and none has nothing to look at."""
        sound_account(aws)
        result = audit(operator, "--json")
        assert result.code == 0, result.out
        assert result.json["ok"] is True
        assert codes(result, "pass") == set(Check)
        assert {finding["result"] for finding in result.json["findings"]} == {"pass"}
        assert result.json["cluster"] == CLUSTER
        assert result.json["services"] == ["gateway"]

    def test_without_a_cluster_all_of_them_are_looked_at(self, aws: StrictAws, operator: Operator) -> None:
        """They are listed first."""
        sound_account(aws)
        result = audit(operator, "--json", where=EVERYWHERE)
        assert result.code == 0, result.out
        assert codes(result, "pass") == set(Check)
        assert "ListClusters" in aws.operations

    def test_pages_of_one_change_nothing(self, aws: StrictAws, operator: Operator) -> None:
        """Every list is followed to its end, whatever AWS puts on a page."""
        sound_account(aws)
        whole = audit(operator, "--json", where=EVERYWHERE)
        calls = len(aws.calls)
        aws.page = 1
        assert audit(operator, "--json", where=EVERYWHERE) == whole
        assert len(aws.calls) > 2 * calls


class TestFaults:
    """One thing is wrong."""

    def test_there_is_a_fault_for_every_check(self) -> None:
        """The table of faults and that of checks can't drift apart."""
        assert {check for fault in FAULTS for check in fault.checks} == set(Check)
        assert max(Counter(fault.name for fault in FAULTS).values()) == 1

    @pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
    def test_the_fault_is_named_and_nothing_else(self, aws: StrictAws, operator: Operator, fault: Fault) -> None:
        """Its checks fail, no other one warns or can't be told, and no value shows."""
        built(fault, aws)
        result = audit(operator, "--json")
        assert result.code == 1, result.err
        assert result.json["ok"] is False
        assert codes(result, "fail") == set(fault.checks)
        assert codes(result, "warning", "cannot_tell") == set()
        assert all(finding["mend"] for finding in result.json["findings"] if finding["result"] == "fail")
        failing = " | ".join(finding["subject"] for finding in result.json["findings"] if finding["result"] == "fail")
        assert [name for name in fault.names if name not in failing] == []
        assert hides(result, fault.hidden)


class TestDoubts:
    """AWS answers, and still it can't be told."""

    @pytest.mark.parametrize("doubt", DOUBTS, ids=lambda doubt: doubt.name)
    def test_the_doubt_is_told_and_nothing_else(self, aws: StrictAws, operator: Operator, doubt: Fault) -> None:
        """It is no pass and no failure."""
        built(doubt, aws)
        result = audit(operator, "--json")
        assert result.code == 5, result.out
        assert codes(result, "cannot_tell") == set(doubt.checks)
        assert codes(result, "fail", "warning") == set()


class TestUnreadable:
    """Something may not be read."""

    @pytest.mark.parametrize("operation", sorted(READ_OPERATIONS - IN_PLACE))
    def test_what_rests_on_it_can_not_be_told(self, running: StrictAws, auditor: Operator, operation: str) -> None:
        """The checks that the catalogue says rest on it, and no others; nothing fails, and the exit code is 5."""
        for denied in {operation} | (IN_PLACE if operation == SIMULATOR else set()):
            running.deny(denied)
        result = audit(auditor, "--json", where=EVERYWHERE)
        assert result.code == 5, result.out
        assert result.json["ok"] is None
        resting = {check for check in Check if operation in check.sources}
        assert codes(result, "cannot_tell") == (set(Check) - OF_THE_REGION if operation in LISTS else resting)
        assert codes(result, "fail", "warning") == set()
        assert not told(result, "cannot_tell") & told(result, "pass")
        assert any(operation in finding["message"] for finding in result.json["findings"])

    def test_the_simulator_can_be_done_without(self, running: StrictAws, auditor: Operator) -> None:
        """The policies of the role are read instead."""
        running.deny(SIMULATOR)
        result = audit(auditor, "--json")
        assert result.code == 0, result.out
        assert set(running.operations) > {operation.partition(":")[2] for operation in IN_PLACE}

    @pytest.mark.parametrize("operation", sorted(IN_PLACE))
    def test_part_of_the_policies_is_not_enough(self, running: StrictAws, auditor: Operator, operation: str) -> None:
        """What couldn't be read might deny it."""
        running.deny(SIMULATOR)
        running.deny(operation)
        result = audit(auditor, "--json")
        assert result.code == 5, result.out
        assert codes(result, "cannot_tell") == {Check.SECRET_READABLE}
        assert codes(result, "fail", "warning") == set()

    def test_silence_is_no_pass_either(self, running: StrictAws, auditor: Operator) -> None:
        """A connection that breaks each time, and throttling that doesn't end, are things that can't be told."""
        running.cut("DescribeSecurityGroups", when="before", times=100)
        running.fail("DescribeVolumes", "RequestLimitExceeded", "Request limit exceeded.", status=503, times=100)
        result = audit(auditor, "--json")
        assert result.code == 5, result.out
        assert codes(result, "cannot_tell") == {Check.OPEN_SECURITY_GROUP, Check.EBS_VOLUME}
        assert codes(result, "fail", "warning") == set()


def test_a_failure_counts_more_than_what_can_not_be_told(aws: StrictAws, operator: Operator) -> None:
    """With both of them the exit code is 1, and both are told."""
    sound_account(aws)
    aws.client("ec2").disable_ebs_encryption_by_default()
    aws.deny("ec2:DescribeVolumes")
    result = audit(operator, "--json")
    assert result.code == 1
    assert result.json["ok"] is False
    assert codes(result, "fail") == {Check.EBS_DEFAULT}
    assert codes(result, "cannot_tell") == {Check.EBS_VOLUME}


def test_denied_everything_it_passes_nothing(aws: StrictAws, operator: Operator) -> None:
    """Every check is there, and none can be told."""
    sound_account(aws)
    for operation in READ_OPERATIONS:
        aws.deny(operation)
    result = audit(operator, "--json", where=EVERYWHERE)
    assert result.code == 5, result.out
    assert codes(result, "cannot_tell") == set(Check)
    assert codes(result, "pass", "fail", "warning", "not_applicable") == set()
