"""Whether execution roles may read the secrets that their tasks refer to."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final, TypeAlias

from tickctl.adapters.aws.posture.operations import Reader, attempt
from tickctl.adapters.aws.posture.policies import Answer, NoRole, RoleQuestion, ask_iam
from tickctl.adapters.aws.posture.secrets import ReadSecret
from tickctl.core.audit.facts import Access, Unread
from tickctl.core.audit.permissions import Decision, evaluate, together
from tickctl.core.json import JsonObject
from tickctl.core.secrets.arn import account_of, region_of
from tickctl.core.secrets.store import Phase, SecretState

_GET: Final = "secretsmanager:GetSecretValue"
_DECRYPT: Final = "kms:Decrypt"
_OWN_KEY: Final = "alias/aws/secretsmanager"

_Pair: TypeAlias = tuple[str, str]
_Verdict: TypeAlias = tuple[bool | Unread, str]
"""Whether something is allowed, and if not, why."""


def read_access(reader: Reader, pairs: Iterable[_Pair], secrets: Mapping[str, ReadSecret]) -> tuple[Access, ...]:
    """Return for each role and secret whether the role may read it; nothing of a secret that doesn't exist.

    Args:
        reader: calls AWS.
        pairs: ARN of the role, and the secret as it is referred to.
        secrets: by how they are referred to.
    """
    access: dict[_Pair, Access] = {}
    questions: dict[_Pair, tuple[RoleQuestion, ...]] = {}
    for role, arn in dict.fromkeys(pairs):
        facts = secrets[arn].facts
        if isinstance(facts, Unread):
            access[role, arn] = Access(role, arn, facts)
        elif facts.state.phase is Phase.LIVE:
            group = _questions(role, facts.state)
            if isinstance(group, Unread):
                access[role, arn] = Access(role, arn, group)
            else:
                questions[role, arn] = group
    answers = ask_iam(reader, [question for group in questions.values() for question in group])
    keys = reader.each(
        "keys", [question.resource for question in answers if question.action == _DECRYPT], partial(_key, reader)
    )
    for (role, arn), group in questions.items():
        verdicts = [_verdict(question, answers[question], secrets[arn], keys) for question in group]
        access[role, arn] = _access(role, arn, verdicts)
    return tuple(access.values())


def _questions(role: str, state: SecretState) -> tuple[RoleQuestion, ...] | Unread:
    arn = state.arn or state.name
    fetch = RoleQuestion(role, _GET, arn)
    key = state.kms_key
    if key is None or key == _OWN_KEY:
        return (fetch,)
    if "alias/" in key:
        return Unread(f"the key of secret {state.name}", f"the secret names it by an alias ({key})")
    region = region_of(arn)
    if not key.startswith("arn:"):
        key = f"{arn.split(':secretsmanager:')[0]}:kms:{region}:{account_of(arn)}:key/{key}"
    suffix = ".cn" if region.startswith("cn-") else ""
    return fetch, RoleQuestion(role, _DECRYPT, key, via=f"secretsmanager.{region}.amazonaws.com{suffix}")


def _key(reader: Reader, arn: str) -> JsonObject | Unread:
    def read() -> JsonObject:
        response = reader.client("kms").call("get_key_policy", KeyId=arn, PolicyName="default")
        document: JsonObject = json.loads(response["Policy"])
        return document

    return attempt(f"the policy of key {arn.rpartition('/')[2]}", read)


def _verdict(
    question: RoleQuestion, answer: Answer, secret: ReadSecret, keys: Mapping[str, JsonObject | Unread]
) -> _Verdict:
    """Combine what IAM says with the policy of the secret or key."""
    if isinstance(answer, NoRole):
        return False, "the role doesn't exist"
    if answer is Decision.DENIED:
        return False, f"a policy of the role denies {question.action}"
    policy = keys[question.resource] if question.action == _DECRYPT else secret.policy
    if isinstance(answer, Unread):
        return answer, ""
    if isinstance(policy, Unread):
        return policy, ""
    return _explained(question, _combined(question, answer, policy))


def _explained(question: RoleQuestion, decision: Decision) -> _Verdict:
    if decision is Decision.ALLOWED:
        return True, ""
    if decision is Decision.UNSURE:
        subject = f"whether {question.action} is allowed to role {question.role.rpartition('/')[2]}"
        return Unread(subject, "a policy depends on a condition that isn't known here"), ""
    policies = "a policy denies" if decision is Decision.DENIED else "no policy allows"
    return False, f"{policies} {question.action}"


def _combined(question: RoleQuestion, identity: Decision, policy: JsonObject | None) -> Decision:
    """Return what the role's policies and that of the resource say together."""
    by_name, by_account = _of_resource(policy, question)
    if question.action == _DECRYPT:
        # A key's policy decides whether IAM's policies count at all (KMS developer guide, "Key policies").
        if by_account is Decision.ALLOWED:
            return together(identity, by_name, both=False)
        return together(Decision.SILENT, by_account, both=False)
    if account_of(question.role) == account_of(question.resource):
        return together(identity, by_name, both=False)
    return together(identity, by_account, both=True)


def _of_resource(policy: JsonObject | None, question: RoleQuestion) -> tuple[Decision, Decision]:
    """Return what a resource's policy says to the role by name, and what to it or to its whole account."""
    if policy is None:
        return Decision.SILENT, Decision.SILENT
    account = account_of(question.role)
    root = f"{question.role.split(':iam:')[0]}:iam::{account}:root"
    principals = frozenset({question.role, root, account})
    by_account = evaluate((policy,), replace(question.question, principals=principals))
    if by_account in {Decision.DENIED, Decision.UNSURE}:
        return by_account, by_account
    return evaluate((policy,), question.question), by_account


def _access(role: str, arn: str, verdicts: Iterable[_Verdict]) -> Access:
    """Return one answer: a denial goes before the unknown, and that before a permission."""
    unread: Unread | None = None
    for allowed, reason in verdicts:
        if allowed is False:
            return Access(role, arn, allowed=False, why=reason)
        if isinstance(allowed, Unread):
            unread = unread or allowed
    return Access(role, arn, unread or True)
