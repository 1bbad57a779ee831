"""The secrets that tasks refer to: whether they exist, what they hold, and the policies attached to them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from tickctl.adapters.aws.posture.operations import Reader, attempt
from tickctl.adapters.aws.secrets_manager import SecretsManager
from tickctl.core.audit.facts import SecretFacts, SecretVersionFacts, Unread
from tickctl.core.ecs.references import Reference
from tickctl.core.json import JsonObject
from tickctl.core.secret import Secret
from tickctl.core.secrets.arn import region_of
from tickctl.core.secrets.store import CURRENT, Phase, SecretState
from tickctl.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class ReadSecret:
    """A secret and the policy that is attached to it, if one is."""

    facts: SecretFacts | Unread
    policy: JsonObject | Unread | None = None


def read_secrets(reader: Reader, region: str, references: Iterable[Reference]) -> dict[str, ReadSecret]:
    """Return secrets by the ARN of the references to them, with each version that is referred to."""
    by_arn: dict[str, set[Reference]] = {}
    for reference in references:
        by_arn.setdefault(reference.arn, set()).add(reference)

    def read(arn: str) -> ReadSecret:
        if region_of(arn) not in ("", region):
            return ReadSecret(Unread(_subject(arn), f"it is in {region_of(arn)}; only {region} is looked at"))
        facts = attempt(_subject(arn), partial(_facts, reader, arn, by_arn[arn]))
        policy = None if isinstance(facts, Unread) or facts.state.phase is not Phase.LIVE else _policy(reader, arn)
        return ReadSecret(facts, policy)

    return reader.each("secrets", by_arn, read)


def _facts(reader: Reader, arn: str, references: Iterable[Reference]) -> SecretFacts:
    store = SecretsManager(reader.client("secretsmanager"))
    state = store.describe(arn)
    if state.phase is not Phase.LIVE:
        return SecretFacts(state)
    versions: dict[str, SecretVersionFacts | Unread] = {}
    for version in sorted(_versions(state, references)):
        read = partial(_version, store, arn, version)
        try:
            versions[version] = attempt(f"the value of {_subject(arn)}", read, through=(NotFoundError,))
        except NotFoundError:
            continue  # AWS has deleted it
    return SecretFacts(state, versions)


def _versions(state: SecretState, references: Iterable[Reference]) -> set[str]:
    """Return the ids of the versions that are referred to, and of the current one."""
    ids = {state.version_of(CURRENT)}
    ids |= {reference.version or state.version_of(reference.stage or CURRENT) for reference in references}
    return {id_ for id_ in ids if id_}


def _version(store: SecretsManager, arn: str, version: str) -> SecretVersionFacts:
    return SecretVersionFacts(version, _values(store.get(arn, version_id=version).text))


def _values(text: Secret | None) -> Mapping[str, Secret] | None:
    """Return the keys and values of a JSON object; a value that is no string is kept as JSON writes it."""
    if text is None:
        return None
    try:
        document = json.loads(text.reveal())
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    return {
        name: Secret(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in document.items()
    }


def _policy(reader: Reader, arn: str) -> JsonObject | Unread | None:
    def read() -> JsonObject | None:
        response = reader.client("secretsmanager").call("get_resource_policy", SecretId=arn)
        text = response.get("ResourcePolicy")
        return json.loads(text) if text else None

    try:
        return attempt(f"the policy attached to {_subject(arn)}", read)
    except ValueError:
        return Unread(f"the policy attached to {_subject(arn)}", "it is no JSON")


def _subject(arn: str) -> str:
    return f"secret {arn.split(':', 6)[-1]}"
