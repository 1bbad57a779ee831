"""The least IAM policies for those who deal with a secret; pure.

Which action can be limited to which resource stands in AWS's Service Authorization Reference, pages "AWS Secrets
Manager", "Amazon Elastic Container Service" and "AWS Key Management Service".
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tickctl.core.ecs.references import full_arn
from tickctl.core.json import Json, JsonObject
from tickctl.core.secrets.iam_audit import audit_statements
from tickctl.core.secrets.iam_statement import actions_of, allow
from tickctl.errors import ConfigurationError

_ARN: Final = r"arn:(aws[a-z-]*)"
_KEY_ID: Final = r"mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_KMS_KEY: Final = re.compile(rf"{_ARN}:kms:[a-z0-9-]+:[0-9]{{12}}:key/(?:{_KEY_ID})")
_IAM_ROLE: Final = re.compile(rf"{_ARN}:iam::[0-9]{{12}}:role/[A-Za-z0-9+=,.@_/-]+")
_SECRET_NAME: Final = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_ECS_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_PARTITIONS: Final = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
"""The partitions that aren't `aws`, by how the names of their regions begin."""


class Holder(StrEnum):
    """Whose policy it is."""

    EXECUTION_ROLE = "execution-role"
    """The role by which ECS starts a task, and fetches its secrets."""
    PULLER = "puller"
    """Who looks, and reads values, and changes nothing."""
    PUSHER = "pusher"
    """Who writes the secret and rolls it out."""
    AUDIT = "audit"
    """Who runs `tickctl audit`, which looks at much more than the secret."""


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


def policy(
    holder: Holder,
    secret: SecretPlace,
    *,
    kms_key: str | None = None,
    deployment: Deployment | None = None,
    create: bool = False,
    tag: bool = False,
) -> JsonObject:
    """Return the policy document: what the commands of this holder call, on these resources, and nothing else.

    Args:
        holder: whose it is.
        secret: the secret.
        kms_key: the ARN or id of the key that encrypts it, if it has one of its own; AWS's own key needs no right.
        deployment: what runs with the secret.
        create: whether a pusher may make it, and take back its deletion.
        tag: whether a pusher may change its tags.

    Raises:
        ConfigurationError: the key is something else.
    """
    if holder is Holder.PUSHER:
        statements = _pusher(secret, create=create, tag=tag)
    else:
        actions = ["GetSecretValue"]
        actions += ["DescribeSecret", "ListSecretVersionIds"] if holder is Holder.PULLER else []
        actions += ["DescribeSecret", "GetResourcePolicy"] if holder is Holder.AUDIT else []
        statements = [allow("ReadSecret", actions_of("secretsmanager", actions), secret.arn)]
    if kms_key is not None:
        statements.append(_key(holder, secret, secret.key_arn(kms_key)))
    if holder is Holder.AUDIT:
        statements += audit_statements(secret, secret.key_arn(kms_key) if kms_key else None, deployment)
    elif deployment is not None and holder is not Holder.EXECUTION_ROLE:
        statements += _ecs(holder, secret, deployment)
    return {"Version": "2012-10-17", "Statement": statements}


def _pusher(secret: SecretPlace, *, create: bool, tag: bool) -> list[JsonObject]:
    actions = ["GetSecretValue", "ListSecretVersionIds", "PutSecretValue", "UpdateSecretVersionStage"]
    if not create:
        actions += ["DescribeSecret", *(["TagResource"] if tag else [])]
        return [allow("WriteSecret", actions_of("secretsmanager", actions), secret.arn)]
    return [
        # A question about a secret that isn't there is judged by its bare name.
        allow("LookForSecret", ["secretsmanager:DescribeSecret"], [secret.bare, secret.pattern]),
        allow("WriteSecret", actions_of("secretsmanager", actions), secret.pattern),
        allow(
            "MakeSecret", actions_of("secretsmanager", ["CreateSecret", "RestoreSecret", "TagResource"]), secret.pattern
        ),
    ]


def _key(holder: Holder, secret: SecretPlace, arn: str) -> JsonObject:
    actions = ["Decrypt", "GenerateDataKey"] if holder is Holder.PUSHER else ["Decrypt"]
    service = f"secretsmanager.{secret.region}.amazonaws.com"
    via: Json = [service, f"{service}.cn"] if secret.partition == "aws-cn" else service
    return allow("UseKeyForSecrets", actions_of("kms", actions), arn, {"StringEquals": {"kms:ViaService": via}})


def _ecs(holder: Holder, secret: SecretPlace, deployment: Deployment) -> list[JsonObject]:
    place = f"arn:{secret.partition}:ecs:{deployment.region}:{secret.account}"
    statements = []
    changes = holder is Holder.PUSHER
    if deployment.services:
        cluster = deployment.cluster
        services = [f"{place}:service/{cluster}/{name}" for name in deployment.services]
        actions = ["ecs:DescribeServices", *(["ecs:UpdateService"] if changes else [])]
        statements += [
            allow("Services", actions, services),
            # Tasks are listed by service, but AWS can limit that to a cluster only.
            allow("ListTasks", ["ecs:ListTasks"], "*", {"ArnEquals": {"ecs:cluster": f"{place}:cluster/{cluster}"}}),
            allow("Tasks", ["ecs:DescribeTasks"], f"{place}:task/{cluster}/*"),
        ]
    if deployment.services or deployment.families:
        # AWS can't limit this one at all.
        statements.append(allow("ReadTaskDefinitions", ["ecs:DescribeTaskDefinition"], "*"))
    if changes and deployment.families:
        families = [f"{place}:task-definition/{family}:*" for family in deployment.families]
        registering: JsonObject = {"StringEquals": {"ecs:CreateAction": "RegisterTaskDefinition"}}
        statements += [
            allow("RegisterTaskDefinitions", ["ecs:RegisterTaskDefinition"], families),
            # A new revision keeps the tags of the one before.
            allow("TagWhenRegistering", ["ecs:TagResource"], families, registering),
        ]
    if changes and deployment.roles:
        to_tasks: JsonObject = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
        statements.append(allow("HandRolesToTasks", ["iam:PassRole"], deployment.roles, to_tasks))
    return statements
