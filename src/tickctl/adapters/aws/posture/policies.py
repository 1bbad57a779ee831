"""What IAM says of a role: by simulation, or else by evaluating its policies."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from tickctl.adapters.aws.posture.operations import Reader, attempt
from tickctl.core.audit.facts import Unread
from tickctl.core.audit.permissions import Decision, Question, evaluate, within
from tickctl.core.json import JsonObject
from tickctl.errors import NotFoundError

_DECISIONS: Final = {
    "allowed": Decision.ALLOWED,
    "explicitDeny": Decision.DENIED,
    "implicitDeny": Decision.SILENT,
}


@dataclass(frozen=True, slots=True)
class RoleQuestion:
    """Whether a role may call an action on a resource."""

    role: str
    action: str
    resource: str
    via: str | None = None
    """The AWS service that calls in the role's name."""

    @property
    def question(self) -> Question:
        """The question for policies that are evaluated here."""
        context = {"aws:securetransport": "true", "aws:principalarn": self.role}
        if self.via:
            context["kms:viaservice"] = self.via
        return Question(self.action, self.resource, frozenset({self.role}), context)


class NoRole:
    """There is no such role."""


Answer: TypeAlias = Decision | Unread | NoRole


@dataclass(frozen=True, slots=True)
class _Role:
    """The policies of a role: inline ones, the ARNs of attached ones, and of its boundary."""

    inline: tuple[JsonObject, ...]
    attached: tuple[str, ...]
    boundary: str | None


def ask_iam(reader: Reader, questions: Iterable[RoleQuestion]) -> dict[RoleQuestion, Answer]:
    """Return what the policies of roles say to questions; policies of resources aren't looked at."""
    answers = reader.each("permissions", questions, partial(_simulate, reader))
    # Simulating is a right of its own, and reading policies another: one of them is enough.
    unread = {question: answer for question, answer in answers.items() if isinstance(answer, Unread)}
    roles = reader.each("roles", [question.role for question in unread], partial(_role, reader))
    arns = [arn for role in roles.values() if isinstance(role, _Role) for arn in (*role.attached, role.boundary)]
    policies = reader.each("policies", [arn for arn in arns if arn], partial(_policy, reader))
    evaluated = {
        question: _evaluate(question, roles[question.role], policies, answer) for question, answer in unread.items()
    }
    return answers | evaluated


def _simulate(reader: Reader, question: RoleQuestion) -> Answer:
    context = [_context("aws:SecureTransport", "true", "boolean")]
    if question.via:
        context.append(_context("kms:ViaService", question.via, "string"))
    subject = f"the rights of role {_short(question.role)}"

    def read() -> Decision:
        (result,) = reader.client("iam").pages(
            "simulate_principal_policy",
            PolicySourceArn=question.role,
            ActionNames=[question.action],
            ResourceArns=[question.resource],
            ContextEntries=context,
        )
        decision = _DECISIONS[result["EvalDecision"]]
        unsure = decision is not Decision.ALLOWED and result.get("MissingContextValues")
        return Decision.UNSURE if unsure else decision

    try:
        return attempt(subject, read, through=(NotFoundError,))
    except NotFoundError:
        return NoRole()
    except ValueError:
        return Unread(subject, "IAM gives another number of answers than of questions")


def _context(key: str, value: str, kind: str) -> dict[str, Any]:
    return {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": kind}


def _role(reader: Reader, arn: str) -> _Role | Unread | NoRole:
    name = _short(arn)
    iam = reader.client("iam")

    def read() -> _Role | Unread:
        role = iam.call("get_role", RoleName=name)["Role"]
        if role["Arn"] != arn:
            return Unread(f"role {name}", "it belongs to another account")
        inline = iam.pages("list_role_policies", RoleName=name)
        attached = iam.pages("list_attached_role_policies", RoleName=name)
        return _Role(
            inline=tuple(
                _document(iam.call("get_role_policy", RoleName=name, PolicyName=policy)["PolicyDocument"])
                for policy in inline
            ),
            attached=tuple(policy["PolicyArn"] for policy in attached),
            boundary=role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
        )

    try:
        return attempt(f"the policies of role {name}", read, through=(NotFoundError,))
    except NotFoundError:
        return NoRole()


def _policy(reader: Reader, arn: str) -> JsonObject | Unread:
    iam = reader.client("iam")

    def read() -> JsonObject:
        version = iam.call("get_policy", PolicyArn=arn)["Policy"]["DefaultVersionId"]
        response = iam.call("get_policy_version", PolicyArn=arn, VersionId=version)
        return _document(response["PolicyVersion"]["Document"])

    return attempt(f"policy {_short(arn)}", read)


def _evaluate(
    question: RoleQuestion,
    role: _Role | Unread | NoRole,
    policies: Mapping[str, JsonObject | Unread],
    simulation: Unread,
) -> Answer:
    if isinstance(role, Unread):
        return Unread(role.what, f"{simulation.reason}; and {role.reason}")
    if isinstance(role, NoRole):
        return role
    documents: list[JsonObject] = list(role.inline)
    for arn in role.attached:
        policy = policies[arn]
        if isinstance(policy, Unread):
            return policy
        documents.append(policy)
    decision = evaluate(documents, question.question)
    if role.boundary is None:
        return decision
    boundary = policies[role.boundary]
    return boundary if isinstance(boundary, Unread) else within(decision, evaluate((boundary,), question.question))


def _document(policy: Any) -> JsonObject:
    """Return a policy document, which the library has usually parsed."""
    document: JsonObject = json.loads(policy) if isinstance(policy, str) else policy
    return document


def _short(arn: str) -> str:
    return arn.rpartition("/")[2]
