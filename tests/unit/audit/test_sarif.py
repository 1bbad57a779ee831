"""An audit as SARIF: complete by the standard, and nothing that can't be told gets lost."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest

from audit_support import ARN, DENIED, account, group, named, with_container
from tickctl.core.audit.catalogue import Check
from tickctl.core.audit.facts import AccountFacts, Ingress
from tickctl.core.audit.judge import judge
from tickctl.core.audit.sarif import sarif
from tickctl.core.findings import Result

SCHEMA: Any = json.loads((Path(__file__).parents[2] / "data" / "sarif.schema.json").read_text())
FAULTY = with_container(environment=named(DB_PASSWORD="hunter2"))
OPEN = account(groups={"sg-1": group(Ingress("tcp", (80, 80), cidrs=("10.0.0.0/8",)))})


def document(facts: AccountFacts) -> Any:
    """Return what a reader of the file gets."""
    return json.loads(json.dumps(sarif(judge(facts), place="aws/123456789012/eu-west-1", version="1.2.3")))


@pytest.mark.parametrize("facts", [account(), FAULTY, OPEN, account(secrets={ARN: DENIED}), account(volumes=DENIED)])
def test_the_document_is_complete(facts: AccountFacts) -> None:
    """By the standard's required members, and those that code-scanning views ask for."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(document(facts), SCHEMA)


def test_each_check_is_a_rule() -> None:
    """In the order of the catalogue, to which results point by number as well."""
    [run] = document(FAULTY)["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(Check)
    for rule, check in zip(rules, Check, strict=True):
        assert rule["properties"] == {
            "security-severity": str(check.severity.score),
            "tags": ["security", check.promise.value],
        }
        assert (rule["shortDescription"]["text"], rule["help"]["text"]) == (check.meaning, check.mend)
    assert run["tool"]["driver"]["version"] == "1.2.3"


def test_failures_are_results() -> None:
    """With the resource as their place, the same tomorrow; what passes is none."""
    [run] = document(FAULTY)["runs"]
    [result] = run["results"]
    assert (result["ruleId"], result["level"]) == ("plain-secret", "error")
    assert list(Check)[result["ruleIndex"]] == result["ruleId"]
    [place] = result["locations"]
    subject = "task definition gateway:12, container gateway, environment DB_PASSWORD"
    assert place["logicalLocations"] == [{"fullyQualifiedName": subject, "kind": "resource"}]
    path = unquote(place["physicalLocation"]["artifactLocation"]["uri"])
    assert path == f"aws/123456789012/eu-west-1/{subject.replace(', ', '/')}"
    assert result["message"]["text"].startswith(f"{subject}: it has the name of a secret. Mend: ")
    assert result["partialFingerprints"] == {"tickctl/v1": f"plain-secret: {subject.replace(':12', '')}"}
    assert run["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]


def test_warnings_are_results_of_a_lower_level() -> None:
    """A view may hide them."""
    [run] = document(OPEN)["runs"]
    assert [(result["ruleId"], result["level"]) for result in run["results"]] == [("open-security-group", "warning")]


def test_what_cannot_be_told_is_a_notification() -> None:
    """And the run doesn't count as successful: no result would mean that all is well."""
    facts = account(secrets={ARN: DENIED})
    [run] = document(facts)["runs"]
    assert run["results"] == []
    [invocation] = run["invocations"]
    assert invocation["executionSuccessful"] is False
    unknown = [finding for finding in judge(facts) if finding.result is Result.CANNOT_TELL]
    notified = invocation["toolExecutionNotifications"]
    assert [one["associatedRule"]["id"] for one in notified] == [finding.code for finding in unknown]
    assert all(list(Check)[one["associatedRule"]["index"]] == one["associatedRule"]["id"] for one in notified)
    assert DENIED.reason in notified[0]["message"]["text"]
