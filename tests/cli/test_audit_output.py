"""`tickctl audit`: one account with something of everything, in each form of the answer."""

import csv
import io
import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from aws_support import Operator
from posture_faults import PASSWORD
from posture_support import Account
from strict_aws import REGION, StrictAws, strict_aws
from terminal_support import converse
from tickctl.core.audit.catalogue import Check, Promise

AUDIT: Final = ("audit", "--region", REGION)
FAILING: Final = {
    Check.PLAIN_SECRET, Check.CONNECTION_URL, Check.TLS_POLICY, Check.EBS_DEFAULT, Check.ALLOW_UNCONFIRMED,
}  # fmt: skip
UNTOLD: Final = {Check.EBS_VOLUME, Check.PUBLIC_SUBNET}
WARNED: Final = {Check.OPEN_SECURITY_GROUP}
# The members that SARIF 2.1.0 wants (sections 3.13, 3.14, 3.18, 3.19, 3.20, 3.27, 3.49 and 3.58), and GitHub besides.
_TEXT: Final = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
_LOCATIONS: Final = {"type": "array", "minItems": 1}
SARIF: Final = {
    "type": "object",
    "required": ["$schema", "version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "required": ["tool", "results", "invocations"],
                "properties": {
                    "tool": {
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "required": ["name", "rules"],
                                "properties": {
                                    "rules": {
                                        "type": "array",
                                        "items": {
                                            "required": ["id", "shortDescription"],
                                            "properties": {"shortDescription": _TEXT},
                                        },
                                    }
                                },
                            }
                        },
                    },
                    "results": {
                        "items": {
                            "required": ["ruleId", "level", "message", "locations", "partialFingerprints"],
                            "properties": {
                                "message": _TEXT,
                                "locations": _LOCATIONS,
                                "level": {"enum": ["error", "warning"]},
                            },
                        }
                    },
                    "invocations": {
                        "minItems": 1,
                        "items": {
                            "required": ["executionSuccessful", "toolExecutionNotifications"],
                            "properties": {
                                "toolExecutionNotifications": {
                                    "items": {
                                        "required": ["message", "associatedRule", "level"],
                                        "properties": {"message": _TEXT},
                                    }
                                }
                            },
                        },
                    },
                },
            },
        },
    },
}


@pytest.fixture(scope="module")
def mixed() -> Iterator[StrictAws]:
    """An account with five faults, one thing that is doubtful, and two that can't be told."""
    with strict_aws() as aws:
        account = Account(aws)
        account.environment.update(DATABASE_PASSWORD=PASSWORD, CHROMA_URL="http://chroma.internal:8000")
        account.environment["SUPABASE_ALLOW_UNCONFIRMED"] = "true"
        account.deploy()
        account.let_in(account.group, IpRanges=[{"CidrIp": "10.0.0.0/8"}])
        account.elb.modify_listener(ListenerArn=account.listener("HTTPS"), SslPolicy="ELBSecurityPolicy-2016-08")
        account.ec2.disable_ebs_encryption_by_default()
        for operation in ("ec2:DescribeVolumes", "ec2:DescribeRouteTables"):
            aws.deny(operation)
        yield aws


@pytest.fixture
def auditor(
    mixed: StrictAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Operator:
    """Somebody who looks at that account."""
    return Operator(mixed, tmp_path, monkeypatch, capsys)


def json_findings(auditor: Operator) -> list[dict[str, Any]]:
    """Return what the JSON document tells."""
    result = auditor.command(*AUDIT, "--json")
    assert result.code == 1
    found = result.json["findings"]
    assert isinstance(found, list)
    return found


def test_json_has_every_check_and_each_result(auditor: Operator) -> None:
    """What fails, what is doubtful, what can't be told, and what passes, each under its name."""
    found = json_findings(auditor)
    by_result: dict[str, set[str]] = {}
    for finding in found:
        by_result.setdefault(finding["result"], set()).add(finding["code"])
    assert by_result["fail"] == FAILING
    assert by_result["warning"] == WARNED
    assert by_result["cannot_tell"] == UNTOLD
    assert set().union(*by_result.values()) == set(Check)
    assert all(Check(finding["code"]).promise == finding["promise"] for finding in found)


def test_a_pipe_gets_the_same_as_a_table(auditor: Operator) -> None:
    """A line for each finding with the same fields, and the count on stderr."""
    result = auditor.command(*AUDIT)
    assert result.code == 1
    rows = list(csv.DictReader(io.StringIO(result.out), delimiter="\t", quoting=csv.QUOTE_NONE))
    found = json_findings(auditor)
    assert [{name: value or "" for name, value in finding.items()} for finding in found] == rows
    assert "5 failures, " in result.err
    assert "things that can't be told" in result.err


def test_sarif_has_results_and_what_can_not_be_told_beside_them(auditor: Operator) -> None:
    """Nothing of what passes; rules for all checks; and the document is well formed."""
    result = auditor.command(*AUDIT, "--sarif", "-")
    assert result.code == 1
    document = json.loads(result.out)
    jsonschema.validate(document, SARIF)
    [run] = document["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(Check)
    wanted = Counter((finding["code"], finding["result"]) for finding in json_findings(auditor))
    words = {"error": "fail", "warning": "warning"}
    told = Counter((each["ruleId"], words[each["level"]]) for each in run["results"])
    [invocation] = run["invocations"]
    told += Counter((each["associatedRule"]["id"], "cannot_tell") for each in invocation["toolExecutionNotifications"])
    assert told == Counter({key: count for key, count in wanted.items() if key[1] not in {"pass", "not_applicable"}})
    assert invocation["executionSuccessful"] is False
    for each in run["results"]:
        assert run["tool"]["driver"]["rules"][each["ruleIndex"]]["id"] == each["ruleId"]


def test_a_terminal_of_80_columns_shows_groups_and_no_long_lines(auditor: Operator) -> None:
    """Promises as titles, in their order, what matters last in each; and a summary."""
    result = converse(list(AUDIT), {}, auditor.environ | {"NO_COLOR": "1"}, stderr=subprocess.DEVNULL)
    assert result.code == 1, result.out
    lines = result.out.splitlines()
    assert max(map(len, lines)) <= 80
    titles = [line for line in lines if line in {promise.heading for promise in Promise}]
    assert titles == [promise.heading for promise in Promise]
    by_reference = result.out.split(Promise.BY_REFERENCE.heading)[1].split(Promise.FRESH.heading)[0]
    assert by_reference.index("  ok ") < by_reference.index("  FAIL ")
    assert sum(line.startswith("  FAIL ") for line in lines) == len(FAILING)
    assert sum(line.startswith("  cannot tell ") for line in lines) == len(UNTOLD)
    assert sum(line.startswith("  warning ") for line in lines) == len(WARNED)
    assert lines[-1].startswith("5 failures, ")


def test_quiet_tells_by_the_exit_code(auditor: Operator) -> None:
    """And by nothing on stderr."""
    result = auditor.command(*AUDIT, "--quiet")
    assert result.code == 1
    assert result.err == ""
