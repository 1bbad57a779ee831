"""What IAM says of a role: asked by simulation, or else read off its policies."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from tickctl.adapters.aws.posture.operations import Reader, attempt
from tickctl.core.audit.facts import Unread
from tickctl.core.audit.permissions import Decision, Question, evaluate, within
from tickctl.core.json import JsonObject
from tickctl.errors import NotFoundError

_TOKEN: Final = ("Marker", "Marker")
_DECISIONS: Final = {
    "allowed": Decision.ALLOWED,
    "explicitDeny": Decision.DENIED,
    "implicitDeny": Decision.SILENT,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about a role; `question.context` holds strings only."""

    role: str
    action: str
    resource: str
    via: str | None = None
    """The AWS service that asks in the role's name."""

    @property
    def question(self) -> Question:
        """The question, for policies that are read."""
        context = {"aws:securetransport": "true", "aws:principalarn": self.role}
        if self.via:
            context["kms:viaservice"] = self.via
        return Question(self.action, self.resource, frozenset({self.role}), context)


class NoRole:
    """There is no such role."""


@dataclass(frozen=True, slots=True)
class _Role:
    """The policies of a role: those in it, the ARNs of those attached to it, and of its boundary."""

    inline: tuple[JsonObject, ...]
    attached: tuple[str, ...]
    boundary: str | None


def ask_iam(reader: Reader, questions: Iterable[Asked]) -> dict[Asked, Decision | Unread | NoRole]:
    """Return what the policies of roles say to questions; those of resources aren't asked."""
    results = reader.each("permissions", questions, partial(_simulated, reader))
    # Simulating is a right of its own, and reading policies another: one of them is enough.
    unread = {asked: one for asked, one in results.items() if isinstance(one, Unread)}
    roles = reader.each("roles", [asked.role for asked in unread], partial(_role, reader))
    named = [arn for role in roles.values() if isinstance(role, _Role) for arn in (*role.attached, role.boundary)]
    policies = reader.each("policies", [arn for arn in named if arn], partial(_policy, reader))
    return results | {asked: _judged(asked, roles[asked.role], policies, one) for asked, one in unread.items()}


def _simulated(reader: Reader, asked: Asked) -> Decision | Unread | NoRole:
    context = [{"ContextKeyName": "aws:SecureTransport", "ContextKeyValues": ["true"], "ContextKeyType": "boolean"}]
    if asked.via:
        context += [{"ContextKeyName": "kms:ViaService", "ContextKeyValues": [asked.via], "ContextKeyType": "string"}]
    pages = partial(reader.pages, "iam", "simulate_principal_policy", "EvaluationResults", token=_TOKEN)

    def simulated() -> Decision:
        (result,) = pages(
            PolicySourceArn=asked.role,
            ActionNames=[asked.action],
            ResourceArns=[asked.resource],
            ContextEntries=context,
        )
        decision = _DECISIONS[result["EvalDecision"]]
        unsure = decision is not Decision.ALLOWED and result.get("MissingContextValues")
        return Decision.UNSURE if unsure else decision

    try:
        return attempt(f"the rights of role {_short(asked.role)}", simulated, through=(NotFoundError,))
    except NotFoundError:
        return NoRole()
    except ValueError:
        return Unread(
            f"the rights of role {_short(asked.role)}", "IAM gives another number of answers than of questions"
        )


def _role(reader: Reader, arn: str) -> _Role | Unread | NoRole:
    name = _short(arn)

    def policies() -> _Role | Unread:
        response = reader.call("iam", "get_role", RoleName=name)["Role"]
        if response["Arn"] != arn:
            return Unread(f"role {name}", "it belongs to another account")
        inline = reader.pages("iam", "list_role_policies", "PolicyNames", token=_TOKEN, RoleName=name)
        attached = reader.pages("iam", "list_attached_role_policies", "AttachedPolicies", token=_TOKEN, RoleName=name)
        return _Role(
            inline=tuple(
                _document(reader.call("iam", "get_role_policy", RoleName=name, PolicyName=policy)["PolicyDocument"])
                for policy in inline
            ),
            attached=tuple(policy["PolicyArn"] for policy in attached),
            boundary=response.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
        )

    try:
        return attempt(f"the policies of role {name}", policies, through=(NotFoundError,))
    except NotFoundError:
        return NoRole()


def _policy(reader: Reader, arn: str) -> JsonObject | Unread:
    def asked() -> JsonObject:
        version = reader.call("iam", "get_policy", PolicyArn=arn)["Policy"]["DefaultVersionId"]
        response = reader.call("iam", "get_policy_version", PolicyArn=arn, VersionId=version)
        return _document(response["PolicyVersion"]["Document"])

    return attempt(f"policy {_short(arn)}", asked)


def _judged(
    asked: Asked, role: "_Role | Unread | NoRole", policies: Mapping[str, JsonObject | Unread], simulation: Unread
) -> Decision | Unread | NoRole:
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
    decision = evaluate(documents, asked.question)
    if role.boundary is None:
        return decision
    boundary = policies[role.boundary]
    return boundary if isinstance(boundary, Unread) else within(decision, evaluate((boundary,), asked.question))


def _document(found: Any) -> JsonObject:
    """Return a policy document, which the library has usually parsed."""
    document: JsonObject = json.loads(found) if isinstance(found, str) else found
    return document


def _short(arn: str) -> str:
    return arn.rpartition("/")[2]
