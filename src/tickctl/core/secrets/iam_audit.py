"""What `tickctl audit` may ask of AWS: it looks at much, and changes nothing.

What can be limited to which resource stands in the Service Authorization Reference; EC2 and Elastic Load Balancing
limit no look at all.
"""

from collections.abc import Sequence
from typing import Final

from tickctl.core.json import JsonObject
from tickctl.core.secrets.iam_resources import Deployment, SecretPlace
from tickctl.core.secrets.iam_statement import actions_of, allow

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
        *_ecs(secret, region, deployment.cluster if deployment else None, deployment.services if deployment else ()),
        allow("ReadRoles", actions_of("iam", _OF_ROLES), roles),
        allow("ReadPolicies", actions_of("iam", ("GetPolicy", "GetPolicyVersion")), policies),
        allow("ReadImages", actions_of("ecr", ("BatchGetImage", "GetDownloadUrlForLayer")), images),
        allow("ReadFileSystems", ["elasticfilesystem:DescribeFileSystems"], files),
        allow("LookAtNetworkAndVolumes", _UNLIMITED, "*"),
    ]


def _ecs(secret: SecretPlace, region: str, cluster: str | None, services: Sequence[str]) -> list[JsonObject]:
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
