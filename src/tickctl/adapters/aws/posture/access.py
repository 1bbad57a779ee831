"""Whether execution roles may read the secrets that their tasks refer to."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final, TypeAlias

from tickctl.adapters.aws.posture.operations import Reader, attempt
from tickctl.adapters.aws.posture.policies import Asked, NoRole, ask_iam
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
_Told: TypeAlias = Decision | Unread | NoRole


def read_access(reader: Reader, pairs: Iterable[_Pair], secrets: Mapping[str, ReadSecret]) -> tuple[Access, ...]:
    """Return for each role and secret whether the role may read it; nothing of a secret that doesn't exist.

    Args:
        reader: asks.
        pairs: ARN of the role, and the secret as it is referred to.
        secrets: by how they are referred to.
    """
    access: dict[_Pair, Access] = {}
    live: dict[_Pair, tuple[Asked, ...] | Unread] = {}
    for role, arn in dict.fromkeys(pairs):
        facts = secrets[arn].facts
        if isinstance(facts, Unread):
            access[role, arn] = Access(role, arn, facts)
        elif facts.state.phase is Phase.LIVE:
            live[role, arn] = _questions(role, facts.state)
    decisions = ask_iam(reader, [one for some in live.values() if not isinstance(some, Unread) for one in some])
    keys = reader.each("keys", [one.resource for one in decisions if one.action == _DECRYPT], partial(_key, reader))
    for (role, arn), questions in live.items():
        if isinstance(questions, Unread):
            access[role, arn] = Access(role, arn, questions)
        else:
            access[role, arn] = _access(
                role, arn, [_judged(one, decisions[one], secrets[arn], keys) for one in questions]
            )
    return tuple(access.values())


def _questions(role: str, state: SecretState) -> tuple[Asked, ...] | Unread:
    arn = state.arn or state.name
    fetch = Asked(role, _GET, arn)
    key = state.kms_key
    if key is None or key == _OWN_KEY:
        return (fetch,)
    if "alias/" in key:
        return Unread(f"the key of secret {state.name}", f"the secret names it by an alias ({key})")
    region_and_account = ":".join(arn.split(":")[3:5])
    if not key.startswith("arn:"):
        key = f"{arn.split(':secretsmanager:')[0]}:kms:{region_and_account}:key/{key}"
    suffix = ".cn" if region_of(arn).startswith("cn-") else ""
    return fetch, Asked(role, _DECRYPT, key, via=f"secretsmanager.{region_of(arn)}.amazonaws.com{suffix}")


def _key(reader: Reader, arn: str) -> JsonObject | Unread:
    def asked() -> JsonObject:
        document: JsonObject = json.loads(
            reader.call("kms", "get_key_policy", KeyId=arn, PolicyName="default")["Policy"]
        )
        return document

    return attempt(f"the policy of key {arn.rpartition('/')[2]}", asked)


def _judged(
    asked: Asked, told: _Told, secret: ReadSecret, keys: Mapping[str, JsonObject | Unread]
) -> tuple[bool | Unread, str]:
    """Return whether something is allowed, and what stands in the way."""
    if isinstance(told, NoRole):
        return False, "the role doesn't exist"
    policy = keys[asked.resource] if asked.action == _DECRYPT else secret.policy
    if told is Decision.DENIED:
        return False, f"a policy of the role denies {asked.action}"
    if isinstance(told, Unread):
        return told, ""
    if isinstance(policy, Unread):
        return policy, ""
    direct, everyone = _of_resource(policy, asked)
    if asked.action == _DECRYPT:
        # A key's policy decides whether IAM's policies count at all (KMS developer guide, "Key policies").
        told = (
            together(told, direct, both=False)
            if everyone is Decision.ALLOWED
            else together(Decision.SILENT, everyone, both=False)
        )
    elif account_of(asked.role) == account_of(asked.resource):
        told = together(told, direct, both=False)
    else:
        told = together(told, everyone, both=True)
    if told is Decision.UNSURE:
        return Unread(
            f"whether {asked.action} is allowed to role {asked.role.rpartition('/')[2]}",
            "a policy depends on a condition that isn't known here",
        ), ""
    verb = "denies" if told is Decision.DENIED else "allows"
    subject = "a policy" if told is Decision.DENIED else "no policy"
    return (True, "") if told is Decision.ALLOWED else (False, f"{subject} {verb} {asked.action}")


def _of_resource(policy: JsonObject | None, asked: Asked) -> tuple[Decision, Decision]:
    """Return what a resource's policy says to the role by name, and what to it or to its whole account."""
    if policy is None:
        return Decision.SILENT, Decision.SILENT
    account = account_of(asked.role)
    root = f"{asked.role.split(':iam:')[0]}:iam::{account}:root"
    everyone = evaluate((policy,), replace(asked.question, principals=frozenset({asked.role, root, account})))
    if everyone in {Decision.DENIED, Decision.UNSURE}:
        return everyone, everyone
    return evaluate((policy,), asked.question), everyone


def _access(role: str, arn: str, judged: Iterable[tuple[bool | Unread, str]]) -> Access:
    """Return one answer: a no before what can't be told, and that before a yes."""
    unread: Unread | None = None
    for allowed, why in judged:
        if allowed is False:
            return Access(role, arn, allowed=False, why=why)
        if isinstance(allowed, Unread):
            unread = unread or allowed
    return Access(role, arn, unread or True)
