"""An audit as SARIF 2.1.0 (OASIS, "Static Analysis Results Interchange Format"), for code-scanning views.

Failures and warnings are results. What can't be told is a notification: no result, since nothing was found, and never
nothing at all. GitHub wants a file for each result, so a resource gets a path that says what it is.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote

from tickctl.core.audit.catalogue import BY_CODE, Check
from tickctl.core.findings import Finding, Result
from tickctl.core.json import Json, JsonObject

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final[Mapping[Result, str]] = {Result.FAIL: "error", Result.WARNING: "warning"}
_REVISION: Final = re.compile(r"(?P<family>^task definition [\w-]+):[0-9]+")
_INDEX: Final = {check: index for index, check in enumerate(Check)}


def sarif(findings: Iterable[Finding], *, place: str, version: str) -> JsonObject:
    """Return the document.

    Args:
        findings: of `core.audit.judge`; their codes are those of the catalogue.
        place: account and region, as the beginning of a path: `aws/123456789012/eu-west-1`.
        version: of this program.
    """
    all_findings = list(findings)
    notifications: list[Json] = [_notification(one, place) for one in all_findings if one.result is Result.CANNOT_TELL]
    driver: JsonObject = {"name": "tickctl", "version": version, "rules": [_rule(check) for check in Check]}
    run: JsonObject = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": not notifications, "toolExecutionNotifications": notifications}],
        "results": [_result(one, place) for one in all_findings if one.result in _LEVELS],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(check: Check) -> JsonObject:
    return {
        "id": check.value,
        "shortDescription": {"text": check.meaning},
        "help": {"text": check.mend},
        "defaultConfiguration": {"level": "error"},
        "properties": {
            "security-severity": str(check.severity.score),
            "tags": ["security", check.promise.value],
        },
    }


def _result(finding: Finding, place: str) -> JsonObject:
    return {
        "ruleId": finding.code,
        "ruleIndex": _INDEX[BY_CODE[finding.code]],
        "level": _LEVELS[finding.result],
        "message": {"text": _text(finding)},
        "locations": [_location(finding.subject, place)],
        "partialFingerprints": {"tickctl/v1": f"{finding.code}: {_lasting(finding.subject)}"},
    }


def _lasting(subject: str) -> str:
    """Return what names the same thing tomorrow, in the next revision too: a view keeps what people have said of it."""
    return _REVISION.sub(r"\g<family>", subject)


def _notification(finding: Finding, place: str) -> JsonObject:
    return {
        "descriptor": {"id": "cannot-tell"},
        "associatedRule": {"id": finding.code, "index": _INDEX[BY_CODE[finding.code]]},
        "level": "warning",
        "message": {"text": _text(finding)},
        "locations": [_location(finding.subject, place)],
    }


def _text(finding: Finding) -> str:
    mend = f". Mend: {finding.mend}" if finding.mend else ""
    return f"{finding.subject}: {finding.message}{mend}"


def _location(subject: str, place: str) -> JsonObject:
    path = quote(f"{place}/{subject.replace(', ', '/')}", safe="/")
    return {
        "physicalLocation": {"artifactLocation": {"uri": path}, "region": {"startLine": 1}},
        "logicalLocations": [{"fullyQualifiedName": subject, "kind": "resource"}],
    }
