"""IAM's simulator, which moto doesn't have: what the policies of a role say of actions on resources.

IAM API reference, SimulatePrincipalPolicy; IAM user guide, "Policy evaluation logic": a deny wins, and what nothing
allows is denied. Conditions are not looked at, so that a statement with one is refused rather than misjudged.
"""

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any
from xml.sax.saxutils import escape

from moto.iam.models import IAMBackend, iam_backends

from standin.http import Answer
from strict_aws import moto
from strict_aws.wire import AwsError, Question

_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"


def answer(question: Question) -> Answer:
    """Answer a question.

    Raises:
        AwsError: AWS would refuse.
    """
    if question.operation != "SimulatePrincipalPolicy":
        return moto.passed(question)
    statements = list(_statements(question.parameters["PolicySourceArn"]))
    results = "".join(
        f"<member><EvalActionName>{escape(action)}</EvalActionName>"
        f"<EvalResourceName>{escape(resource)}</EvalResourceName>"
        f"<EvalDecision>{_decision(statements, action, resource)}</EvalDecision></member>"
        for action in _listed(question, "ActionNames")
        for resource in _listed(question, "ResourceArns") or ["*"]
    )
    name = question.operation
    body = (
        f'<{name}Response xmlns="{_NAMESPACE}"><{name}Result><IsTruncated>false</IsTruncated>'
        f"<EvaluationResults>{results}</EvaluationResults></{name}Result></{name}Response>"
    )
    return Answer(200, (("Content-Type", "text/xml"),), body.encode())


def _listed(question: Question, name: str) -> list[str]:
    return [value for key, value in question.parameters.items() if key.startswith(f"{name}.member.")]


def _statements(arn: str) -> Iterator[Mapping[str, Any]]:
    backend: IAMBackend = iam_backends[moto.ACCOUNT]["aws"]
    role = next((role for role in backend.roles.values() if role.arn == arn), None)
    if role is None:
        raise AwsError("NoSuchEntity", f"The role with name {arn.rpartition('/')[2]} cannot be found.", 404)
    versions = (version for policy in role.managed_policies.values() for version in policy.versions)
    documents = [*role.policies.values(), *(each.document for each in versions if each.is_default_version)]
    for document in documents:
        found = json.loads(document)["Statement"]
        for statement in found if isinstance(found, list) else [found]:
            assert "Condition" not in statement, "the simulator of these tests knows no conditions"
            yield statement


def _decision(statements: list[Mapping[str, Any]], action: str, resource: str) -> str:
    effects = {
        statement["Effect"]
        for statement in statements
        if _matches(statement["Action"], action.lower(), lower=True) and _matches(statement["Resource"], resource)
    }
    return "explicitDeny" if "Deny" in effects else "allowed" if "Allow" in effects else "implicitDeny"


def _matches(patterns: str | list[str], text: str, *, lower: bool = False) -> bool:
    every = [patterns] if isinstance(patterns, str) else patterns
    return any(fnmatchcase(text, each.lower() if lower else each) for each in every)
