"""Secrets Manager as it is: what AWS refuses and moto lets through.

The rules are those of the Secrets Manager API reference (CreateSecret, PutSecretValue, GetSecretValue,
UpdateSecretVersionStage, DescribeSecret) and of its user guide ("Quotas"). The messages are AWS's own where public
error reports show them; where none does, the code is right and the sentence is ours.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from moto.secretsmanager.models import FakeSecret

from strict_aws import moto
from strict_aws.clock import Clock
from strict_aws.wire import AwsError, Question

MAX_BYTES: Final = 65_536
CURRENT: Final = "AWSCURRENT"
_NAME = re.compile(r"[A-Za-z0-9/_+=.@!-]+")
_OWN_KEY: Final = "alias/aws/secretsmanager"
_MAX_PAGE: Final = 100

_MISSING = "Secrets Manager can't find the specified secret."
_MARKED = "You can't perform this operation on the secret because it was marked for deletion."
_SCHEDULED = "You can't create this secret because a secret with this name is already scheduled for deletion."
_BAD_NAME = "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!"
_ENCRYPTION = (
    "Secrets Manager can't encrypt the protected secret text using the provided KMS key. Check that the customer "
    "master key (CMK) is available, enabled, and not in an invalid state."
)
_DECRYPTION = "Secrets Manager can't decrypt the protected secret text using the provided KMS key."


class SecretsManager:
    """Checks before moto, and mends moto's answers and its state after."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._handlers: dict[str, Callable[[Question], dict[str, Any]]] = {
            "CreateSecret": self._create,
            "DescribeSecret": self._describe,
            "GetSecretValue": self._get,
            "ListSecretVersionIds": self._list_versions,
            "PutSecretValue": self._put,
            "RestoreSecret": self._changed,
            "TagResource": self._tag,
            "UpdateSecretVersionStage": self._move,
        }

    def answer(self, question: Question) -> dict[str, Any]:
        """Answer a question.

        Raises:
            AwsError: AWS would refuse.
        """
        return self._handlers.get(question.operation, moto.asked)(question)

    def _create(self, question: Question) -> dict[str, Any]:
        asked = question.parameters
        name = asked["Name"]
        _check_length("name", name, 512)
        if not _NAME.fullmatch(name):
            raise AwsError("ValidationException", _BAD_NAME)
        if valued := "SecretString" in asked or "SecretBinary" in asked:  # a secret may get its first value later
            _check_value(asked)
        secret = _find(question, name)
        if secret is not None and secret.is_deleted():
            raise AwsError("InvalidRequestException", _SCHEDULED)
        _check_key(question, asked.get("KmsKeyId"), AwsError("EncryptionFailure", _ENCRYPTION))
        known = secret is not None and asked["ClientRequestToken"] in secret.versions
        result = moto.asked(question)
        if not known:
            self._secret(question, result["ARN"]).created_date = self._clock.now()  # type: ignore[assignment]
            if valued:
                self._touch(question, result["ARN"], result["VersionId"])
        return result

    def _put(self, question: Question) -> dict[str, Any]:
        asked = question.parameters
        secret = self._live(question)
        if secret.owning_service is not None:
            raise AwsError(
                "InvalidRequestException",
                f"You can't modify a secret that is managed by another service ({secret.owning_service}).",
            )
        _check_value(asked)
        _check_key(question, secret.kms_key_id, AwsError("EncryptionFailure", _ENCRYPTION))
        known = asked["ClientRequestToken"] in secret.versions
        result = moto.asked(question)
        if not known:
            self._touch(question, result["ARN"], result["VersionId"])
        return result

    def _get(self, question: Question) -> dict[str, Any]:
        secret = self._live(question)
        asked = dict(question.parameters)
        version, stage = asked.get("VersionId"), asked.get("VersionStage")
        if version is None:
            # moto would give the version that was put last, also after AWSCURRENT has moved away from it.
            stage = asked["VersionStage"] = stage or CURRENT
            if not any(stage in each["version_stages"] for each in secret.versions.values()):
                raise AwsError(
                    "ResourceNotFoundException",
                    f"Secrets Manager can't find the specified secret value for staging label: {stage}",
                )
        elif version not in secret.versions:
            raise AwsError(
                "ResourceNotFoundException",
                f"Secrets Manager can't find the specified secret value for VersionId: {version}",
            )
        _check_key(question, secret.kms_key_id, AwsError("DecryptionFailure", _DECRYPTION))
        return moto.asked(question, asked)

    def _describe(self, question: Question) -> dict[str, Any]:
        self._secret(question)
        result = moto.asked(question)
        # Versions without a stage are deprecated, and not listed here.
        stages: Mapping[str, list[str]] = result.get("VersionIdsToStages") or {}
        result["VersionIdsToStages"] = {version: labels for version, labels in stages.items() if labels}
        return result

    def _list_versions(self, question: Question) -> dict[str, Any]:
        secret, asked = self._live(question), question.parameters
        deprecated = asked.get("IncludeDeprecated", False)
        listed = [
            {
                "VersionId": version,
                "CreatedDate": each["createdate"],
                **({"VersionStages": each["version_stages"]} if each["version_stages"] else {}),
            }
            for version, each in secret.versions.items()
            if each["version_stages"] or deprecated
        ]
        start, size = int(asked.get("NextToken", 0)), asked.get("MaxResults", _MAX_PAGE)
        result = {"ARN": secret.arn, "Name": secret.name, "Versions": listed[start : start + size]}
        return result | ({"NextToken": str(start + size)} if start + size < len(listed) else {})

    def _move(self, question: Question) -> dict[str, Any]:
        secret, asked = self._live(question), question.parameters
        stage, target, source = asked["VersionStage"], asked.get("MoveToVersionId"), asked.get("RemoveFromVersionId")
        holder = next((v for v, each in secret.versions.items() if stage in each["version_stages"]), None)
        if target is not None and target not in secret.versions:
            raise AwsError("ResourceNotFoundException", _MISSING)
        if holder is not None and source != holder:
            empty = "can't be empty" if source is None else "isn't right"
            raise AwsError(
                "InvalidParameterException",
                f"The parameter RemoveFromVersionId {empty}. Staging label {stage} is currently attached to version "
                f"{holder}, so you must explicitly reference that version in RemoveFromVersionId.",
            )
        if target is None and stage == CURRENT:
            raise AwsError("InvalidParameterException", "You can't remove AWSCURRENT; move it to another version.")
        result = moto.asked(question)
        # moto goes on taking the version that was put last for the current one.
        secret.set_default_version_id(
            next(v for v, each in secret.versions.items() if CURRENT in each["version_stages"])
        )
        secret.last_changed_date = self._clock.now()  # type: ignore[assignment] # milliseconds, as AWS has them
        return result

    def _tag(self, question: Question) -> dict[str, Any]:
        self._live(question)
        return self._changed(question)

    def _changed(self, question: Question) -> dict[str, Any]:
        secret = self._secret(question)
        result = moto.asked(question)
        secret.last_changed_date = self._clock.now()  # type: ignore[assignment]
        return result

    def _touch(self, question: Question, arn: str, version: str) -> None:
        secret = self._secret(question, arn)
        secret.versions[version]["createdate"] = self._clock.now()
        secret.last_changed_date = self._clock.now()  # type: ignore[assignment]

    def _secret(self, question: Question, secret_id: str | None = None) -> FakeSecret:
        secret = _find(question, secret_id or question.parameters["SecretId"])
        if secret is None:
            raise AwsError("ResourceNotFoundException", _MISSING)
        return secret

    def _live(self, question: Question) -> FakeSecret:
        secret = self._secret(question)
        if secret.is_deleted():
            raise AwsError("InvalidRequestException", _MARKED)
        return secret


def _find(question: Question, secret_id: str) -> FakeSecret | None:
    secret = moto.secrets_of(question.region).secrets.get(secret_id)
    assert secret is None or isinstance(secret, FakeSecret)
    return secret


def _check_length(name: str, text: str, most: int) -> None:
    if len(text.encode()) > most:
        raise AwsError(
            "ValidationException",
            f"1 validation error detected: Value at '{name}' failed to satisfy constraint: "
            f"Member must have length less than or equal to {most}",
        )


def _check_value(asked: Mapping[str, Any]) -> None:
    token = asked.get("ClientRequestToken", "")
    if not 32 <= len(token) <= 64:
        raise AwsError("InvalidParameterException", "ClientRequestToken must be 32-64 characters long.")
    text, data = asked.get("SecretString"), asked.get("SecretBinary")
    if not text and not data:
        raise AwsError("InvalidParameterException", "You must provide either SecretString or SecretBinary.")
    if text and data:
        raise AwsError("InvalidParameterException", "You can't specify both SecretString and SecretBinary.")
    if text:
        _check_length("secretString", text, MAX_BYTES)


def _check_key(question: Question, key: str | None, error: AwsError) -> None:
    """Refuse an own KMS key that isn't there or can't be used; AWS does so wherever it needs the key."""
    if key is None or key == _OWN_KEY:
        return
    backend = moto.keys_of(question.region)
    try:
        found = backend.keys.get(backend.any_id_to_key_id(key))
    except AttributeError:  # moto's for an alias that nobody has
        found = None
    if found is None or found.key_state != "Enabled":
        raise error
