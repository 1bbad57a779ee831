"""`tickctl audit`: what it is told to look at, how it answers, and the rights that it takes."""

import json
import stat
from typing import Any

import pytest

from aws_support import SECRET, Operator
from strict_aws import CLUSTER, REGION, StrictAws, given_service
from tickctl.core.audit.catalogue import Check, Promise

FREE = {"GetCallerIdentity", "GET"}
"""Needs no right; the other fetches what ECR has signed a URL for."""
PLACE = f"arn:aws:ecs:{REGION}:123456789012"


def called(aws: StrictAws, since: int) -> set[str]:
    """Return the operations that were called."""
    return {call.operation for call in aws.calls[since:]}


def allowed(auditor: Operator, *arguments: str) -> dict[str, Any]:
    """Return the statement of each action of the auditor's policy."""
    result = auditor.here("policy", "--for", "audit", "--secret-id", SECRET, *arguments, "--json")
    assert result.code == 0, result.err
    return {
        action.partition(":")[2]: statement for statement in result.json["Statement"] for action in statement["Action"]
    }


class TestOfTheSoundAccount:
    """Everything holds, so that all differences come of what is asked."""

    def test_the_answer_says_what_was_looked_at(self, auditor: Operator) -> None:
        """Account, region, cluster and services; promise and severity with each finding."""
        result = auditor.command("audit", "--cluster", CLUSTER, "--service", "gateway", "--json")
        assert result.code == 0
        about = {name: value for name, value in result.json.items() if name != "findings"}
        assert about == {
            "ok": True, "account": "123456789012", "region": REGION, "cluster": CLUSTER, "services": ["gateway"],
        }  # fmt: skip
        findings = result.json["findings"]
        assert [finding["promise"] for finding in findings] == [Check(f["code"]).promise for f in findings]  # type: ignore[call-arg] # by value
        assert [finding["severity"] for finding in findings] == [Check(f["code"]).severity for f in findings]  # type: ignore[call-arg] # by value
        assert f"service gateway of cluster {CLUSTER} in AWS account 123456789012, {REGION}" in result.err

    def test_on_a_terminal_findings_stand_under_their_promises(self, auditor: Operator) -> None:
        """In the order of the catalogue."""
        result = auditor.command("audit", "--cluster", CLUSTER, "--no-color", env={"FORCE_COLOR": "1"})
        lines = result.out.splitlines()
        assert [line for line in lines if line in {promise.heading for promise in Promise}] == [
            promise.heading for promise in Promise
        ]
        assert all(len(line) <= 80 for line in lines)
        assert lines[-1].endswith("checks passed")

    def test_sarif_on_stdout_is_the_whole_answer(self, auditor: Operator) -> None:
        """With the same exit code as ever."""
        result = auditor.command("audit", "--cluster", CLUSTER, "--sarif", "-")
        assert result.code == 0
        assert result.json["version"] == "2.1.0"
        assert result.json["runs"][0]["results"] == []

    @pytest.mark.parametrize(("denied", "code"), [("ec2:DescribeVolumes", 5), (None, 0)])
    def test_sarif_tells_by_the_exit_code_too(self, auditor: Operator, denied: str | None, code: int) -> None:
        """What can't be told is no success."""
        if denied:
            auditor.aws.deny(denied)
        assert auditor.command("audit", "--cluster", CLUSTER, "--sarif", "-").code == code

    def test_sarif_in_a_file_comes_besides_the_answer(self, auditor: Operator) -> None:
        """A private file, which isn't there yet: one that is is left alone, and nobody waits for that."""
        result = auditor.command("audit", "--cluster", CLUSTER, "--sarif", "audit.sarif", "--json")
        file = auditor.folder / "audit.sarif"
        assert (result.code, result.json["ok"]) == (0, True)
        assert "wrote audit.sarif" in result.err
        assert json.loads(file.read_text())["runs"][0]["tool"]["driver"]["name"] == "tickctl"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        before = file.read_bytes(), len(auditor.aws.calls)
        again = auditor.command("audit", "--cluster", CLUSTER, "--sarif", "audit.sarif")
        assert (again.code, "exists already" in again.err) == (2, True)
        assert (file.read_bytes(), len(auditor.aws.calls)) == before

    def test_stdout_takes_one_document(self, auditor: Operator) -> None:
        """Wrong usage, before anything is asked."""
        result = auditor.command("audit", "--sarif", "-", "--json")
        assert (result.code, result.error["code"]) == (2, "invalid_input")

    def test_a_secret_in_the_place_of_a_name_is_refused(self, auditor: Operator) -> None:
        """It isn't repeated either."""
        token = "ghp_" + "a1B2" * 9
        for option in ("--sarif", "--cluster", "--service"):
            result = auditor.command("audit", option, token)
            assert result.code == 2
            assert token not in result.out + result.err

    def test_services_need_their_cluster(self, auditor: Operator) -> None:
        """The hint says so."""
        result = auditor.command("audit", "--service", "gateway")
        assert (result.code, "--cluster" in result.err) == (3, True)

    @pytest.mark.parametrize("where", [("--cluster", "nowhere"), ("--cluster", CLUSTER, "--service", "nobody")])
    def test_what_isn_t_there_is_no_pass(self, auditor: Operator, where: tuple[str, ...]) -> None:
        """A name that is misspelt."""
        assert auditor.command("audit", *where).code == 6

    def test_a_profile_says_where(self, auditor: Operator) -> None:
        """Its services and its account; another cluster has other services."""
        (auditor.folder / "tickctl.toml").write_text(
            f'[env.production]\ncluster = "{CLUSTER}"\nservices = ["gateway"]\naccount = "123456789012"\n'
            f'[env.other]\ncluster = "{CLUSTER}"\naccount = "210987654321"\n'
        )
        calls = len(auditor.aws.calls)
        result = auditor.command("audit", "--env-name", "production", "--json")
        assert (result.code, result.json["cluster"], result.json["services"]) == (0, CLUSTER, ["gateway"])
        assert "ListServices" not in called(auditor.aws, calls)
        calls = len(auditor.aws.calls)
        assert auditor.command("audit", "--env-name", "production", "--cluster", CLUSTER).code == 0
        assert "ListServices" in called(auditor.aws, calls)
        wrong = auditor.command("audit", "--env-name", "other")
        assert (wrong.code, "210987654321" in wrong.err) == (3, True)

    def test_a_secret_that_was_asked_for_is_looked_at(self, auditor: Operator) -> None:
        """The one that the profile or the environment names; it may still be missing."""
        assert auditor.command("audit", "--cluster", CLUSTER, env={"TICKCTL_SECRET_ID": SECRET}).code == 0
        result = auditor.command("audit", "--cluster", CLUSTER, "--json", env={"TICKCTL_SECRET_ID": "gateway/next"})
        assert [(one["code"], one["subject"]) for one in result.json["findings"] if one["result"] == "fail"] == [
            ("secret-exists", "secret gateway/next")
        ]

    def test_names_in_env_files_are_those_of_secrets(self, auditor: Operator) -> None:
        """Read where they lie, or named; the values play no part."""
        file = auditor.folder / "more.env"
        file.write_text("MODEL_NAME=anything\n")
        result = auditor.command("audit", "--cluster", CLUSTER, "--env-file", str(file), "--json")
        assert [one["subject"].rpartition(" ")[2] for one in result.json["findings"] if one["result"] == "fail"] == [
            "MODEL_NAME"
        ]
        (auditor.folder / "services").mkdir()
        file.rename(auditor.folder / "services" / ".env")
        assert auditor.command("audit", "--cluster", CLUSTER).code == 1

    def test_env_files_that_can_not_be_read_are_an_error(self, auditor: Operator) -> None:
        """Without their names, less would be found."""
        file = auditor.folder / "more.env"
        file.write_bytes(b"A=\xff\n")
        assert auditor.command("audit", "--cluster", CLUSTER, "--env-file", str(file)).code == 3

    @pytest.mark.parametrize("where", [(), ("--cluster", CLUSTER), ("--cluster", CLUSTER, "--service", "gateway")])
    def test_the_auditor_s_policy_allows_every_call(self, auditor: Operator, where: tuple[str, ...]) -> None:
        """Of this scope, and on these resources."""
        statements = allowed(auditor, *where)
        before = len(auditor.aws.calls)
        assert auditor.command("audit", *where).code == 0
        calls = [call for call in auditor.aws.calls[before:] if call.operation not in FREE]
        assert {call.operation for call in calls} <= set(statements)
        within = CLUSTER if where else "*"
        assert statements["DescribeTasks"]["Resource"] == f"{PLACE}:task/{within}/*"
        assert (
            statements["DescribeServices"]["Resource"] == f"{PLACE}:service/{within}/{'gateway' if where[2:] else '*'}"
        )
        assert ("ListServices" in statements) is (where[2:] == ())
        assert ("ListClusters" in statements) is (where == ())
        condition = {"Condition": {"ArnEquals": {"ecs:cluster": f"{PLACE}:cluster/{CLUSTER}"}}} if where else {}
        assert {name: value for name, value in statements["ListTasks"].items() if name == "Condition"} == condition


def test_people_see_how_bad_a_failure_is(aws: StrictAws, operator: Operator) -> None:
    """In a word behind it; scripts have it in a field of its own."""
    given_service(aws)
    lines = operator.command("audit", "--no-color", env={"FORCE_COLOR": "1", "COLUMNS": "200"}).out.splitlines()
    failures = [line for line in lines if line.startswith("  FAIL")]
    assert failures
    ranks = ("(critical)", "(high)", "(medium)")
    assert all(line.endswith(ranks) for line in failures)
    assert not any(line.endswith(ranks) for line in lines if line.startswith("  ok"))


def test_nothing_to_look_at_is_no_pass(aws: StrictAws, operator: Operator) -> None:
    """An account without services, or a cluster without any."""
    assert operator.command("audit").code == 6
    aws.client("ecs").create_cluster(clusterName="empty")
    result = operator.command("audit", "--cluster", "empty")
    assert (result.code, "there are no services in cluster empty" in result.err) == (6, True)


def test_credentials_that_aws_does_not_know_are_an_error(aws: StrictAws, operator: Operator) -> None:
    """Rather than dozens of findings that can't be told."""
    given_service(aws)
    env = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
    assert operator.command("audit", env=env).code in {3, 4}
