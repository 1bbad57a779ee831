"""Secrets in AWS Secrets Manager."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from tickctl.adapters.aws.client import Client
from tickctl.adapters.aws.errors import not_aws
from tickctl.core.secret import Secret
from tickctl.core.secrets.store import CURRENT, PREVIOUS, Phase, SecretState, SecretVersion
from tickctl.errors import ConflictError, NotFoundError

_PAGE: Final = 100
_OLDEST: Final = datetime.min.replace(tzinfo=UTC)


class SecretsManager:
    """The `SecretStore` of an account and region.

    Args:
        client: for `secretsmanager`.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def describe(self, secret_id: str) -> SecretState:
        """Return the state of a secret by name or ARN; one that doesn't exist is `Phase.ABSENT`, no error."""
        try:
            response = self._client.call("describe_secret", SecretId=secret_id)
        except NotFoundError:
            return SecretState(name=secret_id, phase=Phase.ABSENT)
        deletion, primary = response.get("DeletedDate"), response.get("PrimaryRegion")
        return SecretState(
            name=_text(response, "Name"),
            phase=Phase.LIVE if deletion is None else Phase.SCHEDULED_FOR_DELETION,
            arn=_text(response, "ARN"),
            changed_at=response.get("LastChangedDate"),
            deletion_at=deletion,
            stages={version: tuple(stages) for version, stages in response.get("VersionIdsToStages", {}).items()},
            kms_key=response.get("KmsKeyId"),
            tags={tag["Key"]: tag.get("Value", "") for tag in response.get("Tags", ())},
            owner=response.get("OwningService"),
            rotates=bool(response.get("RotationEnabled")),
            primary_region=primary if primary != self._client.region else None,
        )

    def get(self, secret_id: str, *, version_id: str | None = None) -> SecretVersion:
        """Return a version with its text: AWSCURRENT, always asked for by its stage, unless an id is given."""
        selector = {"VersionId": version_id} if version_id else {"VersionStage": CURRENT}
        response = self._client.call("get_secret_value", SecretId=secret_id, **selector)
        return SecretVersion(
            id=_text(response, "VersionId"),
            stages=tuple(response.get("VersionStages", ())),
            created_at=response.get("CreatedDate"),
            text=Secret(response["SecretString"]) if "SecretString" in response else None,
        )

    def versions(self, secret_id: str) -> Sequence[SecretVersion]:
        """Return all versions that are left, those without a stage included, the latest first, without text."""
        members = self._client.pages(
            "list_secret_version_ids", page_size=_PAGE, SecretId=secret_id, IncludeDeprecated=True
        )
        versions = [
            SecretVersion(
                id=_text(member, "VersionId"),
                stages=tuple(member.get("VersionStages", ())),
                created_at=member.get("CreatedDate"),
            )
            for member in members
        ]
        return sorted(versions, key=_latest, reverse=True)

    def create(
        self, name: str, text: Secret, *, token: str, kms_key: str | None, tags: Mapping[str, str]
    ) -> SecretState:
        """Make the secret with its first version; the token becomes the version's id."""
        optional: dict[str, Any] = {"KmsKeyId": kms_key} if kms_key else {}
        if tags:
            optional["Tags"] = _tags(tags)
        response = self._client.call(
            "create_secret", Name=name, SecretString=text.reveal(), ClientRequestToken=token, **optional
        )
        return SecretState(
            name=_text(response, "Name"),
            phase=Phase.LIVE,
            arn=_text(response, "ARN"),
            stages={_text(response, "VersionId"): (CURRENT,)},
            kms_key=kms_key,
            tags=dict(tags),
        )

    def put(self, arn: str, text: Secret, *, token: str) -> SecretVersion:
        """Add a version and make it AWSCURRENT; the token becomes its id."""
        response = self._client.call(
            "put_secret_value", SecretId=arn, SecretString=text.reveal(), ClientRequestToken=token
        )
        return SecretVersion(id=_text(response, "VersionId"), stages=tuple(response.get("VersionStages", ())))

    def restore(self, arn: str) -> None:
        """Take back the deletion that it is scheduled for."""
        _text(self._client.call("restore_secret", SecretId=arn), "ARN")

    def tag(self, arn: str, tags: Mapping[str, str]) -> None:
        """Add or replace tags."""
        self._client.call("tag_resource", SecretId=arn, Tags=_tags(tags))

    def move_current(self, arn: str, *, to: str, away_from: str) -> None:
        """Make another version AWSCURRENT, provided that the one it is taken from has it still.

        A move that the library repeated, because the first response was lost, is refused although it was made. So a
        conflict counts only if the other version isn't current now.
        """
        try:
            response = self._client.call(
                "update_secret_version_stage",
                SecretId=arn,
                VersionStage=CURRENT,
                MoveToVersionId=to,
                RemoveFromVersionId=away_from,
            )
        except ConflictError as conflict:
            refusal = conflict
        else:
            _text(response, "ARN")
            return
        if self.describe(arn).version_of(CURRENT) != to:
            raise refusal


def _latest(version: SecretVersion) -> tuple[datetime, bool, bool]:
    """Order by time; within the same second, by stage."""
    return version.created_at or _OLDEST, CURRENT in version.stages, PREVIOUS in version.stages


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _text(response: Mapping[str, Any], member: str) -> str:
    """Return a member that AWS always sends."""
    value = response.get(member)
    if not isinstance(value, str):
        raise not_aws("Secrets Manager")
    return value
