"""The least IAM policies for those who deal with a secret; pure.

Which action can be limited to which resource stands in AWS's Service Authorization Reference, pages "AWS Secrets
Manager", "Amazon Elastic Container Service" and "AWS Key Management Service".
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from tickctl.core.json import Json, JsonObject
from tickctl.core.secrets.iam_resources import Deployment, SecretPlace, actions_of, allow

_UNLIMITED: Final = (
    *actions_of(
        "ec2",
        (
            "DescribeNetworkInterfaces",
            "DescribeRouteTables",
            "DescribeSecurityGroups",
            "DescribeSubnets",
            "DescribeVolumes",
            "GetEbsEncryptionByDefault",
        ),
    ),
    *actions_of(
        "elasticloadbalancing",
        (
            "DescribeListeners",
            "DescribeLoadBalancers",
            "DescribeRules",
            "DescribeSSLPolicies",
            "DescribeTargetGroups",
        ),
    ),
)
_OF_ROLES: Final = (
    "GetRole",
    "GetRolePolicy",
    "ListAttachedRolePolicies",
    "ListRolePolicies",
    "SimulatePrincipalPolicy",
)


def audit_statements(secret: SecretPlace, kms_key: str | None, deployment: Deployment | None) -> list[JsonObject]:
    """Return what an auditor may do beyond reading the secret.

    Args:
        secret: the secret that the services refer to.
        kms_key: the ARN of the key that encrypts it, if it has one of its own.
        deployment: the services that are looked at; all of the region if it names none.
    """
    region = deployment.region if deployment else secret.region
    account = secret.account
    roles = deployment.roles if deployment and deployment.roles else (f"arn:{secret.partition}:iam::{account}:role/*",)
    # AWS's own policies, such as AmazonECSTaskExecutionRolePolicy, belong to the account `aws`.
    policies = [f"arn:{secret.partition}:iam::{owner}:policy/*" for owner in ("aws", account)]
    images = f"arn:{secret.partition}:ecr:{region}:{account}:repository/*"
    files = f"arn:{secret.partition}:elasticfilesystem:{region}:{account}:file-system/*"
    return [
        *([allow("ReadKeyPolicy", ["kms:GetKeyPolicy"], kms_key)] if kms_key else []),
        *_audited_services(
            secret, region, deployment.cluster if deployment else None, deployment.services if deployment else ()
        ),
        allow("ReadRoles", actions_of("iam", _OF_ROLES), roles),
        allow("ReadPolicies", actions_of("iam", ("GetPolicy", "GetPolicyVersion")), policies),
        allow("ReadImages", actions_of("ecr", ("BatchGetImage", "GetDownloadUrlForLayer")), images),
        allow("ReadFileSystems", ["elasticfilesystem:DescribeFileSystems"], files),
        allow("LookAtNetworkAndVolumes", _UNLIMITED, "*"),
    ]


def _audited_services(
    secret: SecretPlace, region: str, cluster: str | None, services: Sequence[str]
) -> list[JsonObject]:
    prefix = f"arn:{secret.partition}:ecs:{region}:{secret.account}"
    within = cluster or "*"
    named = [f"{prefix}:service/{within}/{name}" for name in services or ("*",)]
    lists = ["ecs:ListTasks", *([] if services else ["ecs:ListServices"])]
    only: JsonObject | None = {"ArnEquals": {"ecs:cluster": f"{prefix}:cluster/{cluster}"}} if cluster else None
    return [
        allow("Services", ["ecs:DescribeServices"], named),
        allow("Tasks", ["ecs:DescribeTasks"], f"{prefix}:task/{within}/*"),
        allow("Lists", lists, "*", only),
        allow("ReadTaskDefinitions", ["ecs:DescribeTaskDefinition", *([] if cluster else ["ecs:ListClusters"])], "*"),
    ]


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
    prefix = f"arn:{secret.partition}:ecs:{deployment.region}:{secret.account}"
    statements = []
    changes = holder is Holder.PUSHER
    if deployment.services:
        cluster = deployment.cluster
        services = [f"{prefix}:service/{cluster}/{name}" for name in deployment.services]
        actions = ["ecs:DescribeServices", *(["ecs:UpdateService"] if changes else [])]
        statements += [
            allow("Services", actions, services),
            # Tasks are listed by service, but AWS can limit that to a cluster only.
            allow("ListTasks", ["ecs:ListTasks"], "*", {"ArnEquals": {"ecs:cluster": f"{prefix}:cluster/{cluster}"}}),
            allow("Tasks", ["ecs:DescribeTasks"], f"{prefix}:task/{cluster}/*"),
        ]
    if deployment.services or deployment.families:
        # AWS can't limit this one at all.
        statements.append(allow("ReadTaskDefinitions", ["ecs:DescribeTaskDefinition"], "*"))
    if changes and deployment.families:
        families = [f"{prefix}:task-definition/{family}:*" for family in deployment.families]
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
