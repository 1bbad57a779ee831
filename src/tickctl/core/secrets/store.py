"""The port to a store of secrets with versions, in the terms of AWS Secrets Manager."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from tickctl.core.secret import Secret

CURRENT: Final = "AWSCURRENT"
PREVIOUS: Final = "AWSPREVIOUS"


class Phase(StrEnum):
    """Where a secret is in its life."""

    ABSENT = "absent"
    LIVE = "live"
    SCHEDULED_FOR_DELETION = "scheduled_for_deletion"


@dataclass(frozen=True, slots=True)
class SecretState:
    """What the store says of a secret without its value (DescribeSecret).

    `changed_at` is when anything about it changed last, a move of AWSCURRENT included: whoever fetched the value
    before may have another one.
    """

    name: str
    phase: Phase
    arn: str | None = None
    changed_at: datetime | None = None
    deletion_at: datetime | None = None
    stages: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Version id to its stages; versions without any are not listed."""
    kms_key: str | None = None
    """None is the account's own key, `aws/secretsmanager`."""
    tags: Mapping[str, str] = field(default_factory=dict)
    owner: str | None = None
    """The AWS service that manages this secret, if one does."""
    rotates: bool = False
    """Whether a rotation function changes it by itself."""
    primary_region: str | None = None
    """Where it is changed, if this is a replica."""

    def version_of(self, stage: str) -> str | None:
        """Return the id of the version that has a stage."""
        return next((version for version, stages in self.stages.items() if stage in stages), None)


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """A version: `text` is None if it holds bytes instead of text, or if only its description was asked for."""

    id: str
    stages: tuple[str, ...]
    created_at: datetime | None = None
    text: Secret | None = None


class SecretStore(Protocol):
    """What a store does. Each method is one request, repeated with the same token when throttled or cut.

    Raises:
        NotFoundError: there is no such secret or version.
        ConflictError: somebody changed it first, or it is scheduled for deletion.
        ConfigurationError: the request can't be right: name, size, KMS key, region.
        CredentialsRefusedError: these credentials may not do this.
        UnreachableError: no usable answer; for a change, whether it was carried out is not known.
    """

    def describe(self, secret_id: str) -> SecretState:
        """Return the state of a secret by name or ARN; one that doesn't exist is `Phase.ABSENT`, no error."""

    def get(self, secret_id: str, *, version_id: str | None = None) -> SecretVersion:
        """Return a version with its text: AWSCURRENT, always asked for by its stage, unless an id is given."""

    def versions(self, secret_id: str) -> Sequence[SecretVersion]:
        """Return all versions that are left, those without a stage included, the latest first, without text."""

    def create(
        self, name: str, text: Secret, *, token: str, kms_key: str | None, tags: Mapping[str, str]
    ) -> SecretState:
        """Make the secret with its first version; the token becomes the version's id."""

    def put(self, arn: str, text: Secret, *, token: str) -> SecretVersion:
        """Add a version and make it AWSCURRENT; the token becomes its id."""

    def restore(self, arn: str) -> None:
        """Take back the deletion that it is scheduled for."""

    def tag(self, arn: str, tags: Mapping[str, str]) -> None:
        """Add or replace tags."""

    def move_current(self, arn: str, *, to: str, away_from: str) -> None:
        """Make another version AWSCURRENT, provided that the one it is taken from has it still."""
