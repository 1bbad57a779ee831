"""What IAM policies for a secret are about: the secret, and the services that run with it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tickctl.core.json import Json, JsonObject
from tickctl.core.secrets.arn import full_arn
from tickctl.errors import ConfigurationError


def actions_of(service: str, actions: Iterable[str]) -> list[str]:
    """Return a service's actions under their full names."""
    return [f"{service}:{action}" for action in actions]


def allow(
    sid: str, actions: Iterable[str], resources: str | Sequence[str], condition: JsonObject | None = None
) -> JsonObject:
    """Return a statement; one resource is written as a string, as AWS does."""
    listed = [resources] if isinstance(resources, str) else sorted(set(resources))
    statement: dict[str, Json] = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": sorted(actions),
        "Resource": listed[0] if len(listed) == 1 else listed,
    }
    if condition is not None:
        statement["Condition"] = condition
    return statement


_ARN: Final = r"arn:(aws[a-z-]*)"
_KEY_ID: Final = r"mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_KMS_KEY: Final = re.compile(rf"{_ARN}:kms:[a-z0-9-]+:[0-9]{{12}}:key/(?:{_KEY_ID})")
_IAM_ROLE: Final = re.compile(rf"{_ARN}:iam::[0-9]{{12}}:role/[A-Za-z0-9+=,.@_/-]+")
_SECRET_NAME: Final = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_ECS_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_PARTITIONS: Final = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
"""The partitions that aren't `aws`, by how the names of their regions begin."""


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """A secret by the parts of its ARN."""

    partition: str
    region: str
    account: str
    name: str
    suffix: str | None = None
    """The six characters that AWS puts behind the name; None while the secret is still to be made."""

    @classmethod
    def of(cls, arn: str) -> "SecretPlace":
        """Take a full ARN apart.

        Raises:
            ConfigurationError: this is no full ARN of a secret. Anything less in a policy would mean more than one.
        """
        _, partition, _, region, account, _, resource = full_arn(arn).split(":")
        name, _, suffix = resource.rpartition("-")
        return cls(partition, region, account, name, suffix)

    @classmethod
    def to_be_made(cls, name: str, *, region: str, account: str) -> "SecretPlace":
        """Return the place of a secret that isn't there yet.

        Raises:
            ConfigurationError: a secret can't have this name.
        """
        if _SECRET_NAME.fullmatch(name) is None:
            raise ConfigurationError("a secret can't have that name", hint="letters, digits and /_+=.@- make a name")
        partition = next((name for start, name in _PARTITIONS.items() if region.startswith(start)), "aws")
        return cls(partition, region, account, name)

    @property
    def bare(self) -> str:
        """The ARN without the six characters."""
        return f"arn:{self.partition}:secretsmanager:{self.region}:{self.account}:secret:{self.name}"

    @property
    def pattern(self) -> str:
        """The ARNs that a secret of this name can have; a longer name that begins like it is none of them."""
        return f"{self.bare}-??????"

    @property
    def arn(self) -> str:
        """The ARN, or the pattern of a secret that is still to be made."""
        return self.pattern if self.suffix is None else f"{self.bare}-{self.suffix}"

    def key_arn(self, key: str) -> str:
        """Return the ARN of a KMS key that is given by its ARN or id, which lies where the secret is.

        Raises:
            ConfigurationError: it is something else, such as an alias.
        """
        arn = key if key.startswith("arn:") else f"arn:{self.partition}:kms:{self.region}:{self.account}:key/{key}"
        if _KMS_KEY.fullmatch(arn) is None:
            raise ConfigurationError(
                "a policy needs the ARN or the id of the KMS key itself; an alias gives no rights",
                hint="give it with --kms-key; it looks like arn:aws:kms:eu-west-1:123456789012:key/...",
            )
        return arn


@dataclass(frozen=True, slots=True)
class Deployment:
    """The services that run with the secret, in one cluster, and what is registered for them."""

    region: str
    cluster: str | None = None
    services: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    """ARNs of the execution and task roles that the task definitions name."""

    def __post_init__(self) -> None:
        for name in (self.cluster, *self.services, *self.families):
            # A wildcard in a name would be one in the policy.
            if name is not None and _ECS_NAME.fullmatch(name) is None:
                raise ConfigurationError(
                    "a cluster, service or family has letters, digits, hyphens and underscores in its name only",
                    hint="give names here, not ARNs",
                )
        for role in self.roles:
            if _IAM_ROLE.fullmatch(role) is None:
                raise ConfigurationError(
                    "that is no ARN of a role", hint="it looks like arn:aws:iam::123456789012:role/name"
                )
        if self.services and self.cluster is None:
            raise ConfigurationError("services are named, and no cluster", hint="add --cluster")
