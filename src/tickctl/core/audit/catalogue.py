"""What `tickctl audit` promises to look at: each promise of the security page, its checks, and how to mend them.

The table in docs/SECURITY.md is made of this one; a test holds them together.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Self


class Promise(StrEnum):
    """What users of the system are told. The value is the name that scripts see; `heading` is for people."""

    BY_REFERENCE = "by-reference", "secrets only by reference"
    FRESH = "fresh", "running tasks have the current secrets"
    ISOLATION = "isolation", "isolated in the VPC"
    TLS = "tls", "TLS between services"
    ENCRYPTED = "encrypted", "encrypted volumes"
    SWITCHES = "switches", "development switches off"

    heading: str

    def __new__(cls, value: str, heading: str) -> Self:
        """Make a member of a name and a heading."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.heading = heading
        return member


class Severity(StrEnum):
    """How bad a failure is. `score` is that of code-scanning views, from 0 to 10 (SARIF's `security-severity`)."""

    CRITICAL = "critical", 9.5
    """Whoever finds it is in."""
    HIGH = "high", 8.0
    """One wall is missing."""
    MEDIUM = "medium", 5.5
    """It helps an attacker who is in already, or keeps the system from starting."""

    score: float

    def __new__(cls, value: str, score: float) -> Self:
        """Make a member of a name and a score."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.score = score
        return member


_CRITICAL, _HIGH, _MEDIUM = Severity
_DEFINITION: Final = "ecs:DescribeTaskDefinition"
_SERVICE: Final = "ecs:DescribeServices"
_TASKS: Final = ("ecs:ListTasks", "ecs:DescribeTasks")
_SECRET: Final = "secretsmanager:DescribeSecret"  # noqa: S105 - a call's name
_VARIABLES: Final = (_DEFINITION, _SECRET, "secretsmanager:GetSecretValue")
_INTERFACES: Final = "ec2:DescribeNetworkInterfaces"
_LISTENERS: Final = (
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeListeners",
)


class Check(StrEnum):
    """What is looked at.

    The value is the code that scripts depend on.

    Attributes:
        promise: what it is a part of.
        severity: how bad a failure is.
        meaning: what has to be so.
        mend: what to do where it isn't.
        sources: the calls of AWS that it rests on, beside the list of services.
    """

    PLAIN_SECRET = (
        "plain-secret",
        Promise.BY_REFERENCE,
        _CRITICAL,
        "no environment, command, label or log option of a container holds a secret as a plain value",
        "move it into the secret with 'tickctl secrets push', and change the value: it is in every revision so far",
        _VARIABLES,
    )
    SECRET_EXISTS = (
        "secret-exists",
        Promise.BY_REFERENCE,
        _MEDIUM,
        "each secret that a container refers to exists, and isn't to be deleted",
        "correct the ARN with 'tickctl secrets push --task-definition', or take back the deletion",
        (_DEFINITION, _SECRET),
    )
    SECRET_KEY = (
        "secret-key",
        Promise.BY_REFERENCE,
        _MEDIUM,
        "the secret has each key that a container refers to",
        "put the key into the env file and run 'tickctl secrets push', or take the reference out",
        _VARIABLES,
    )
    SECRET_STAGE = (
        "secret-stage",
        Promise.BY_REFERENCE,
        _MEDIUM,
        "the secret has each stage and version that a container refers to",
        "refer to the current version, as 'tickctl secrets ecs' writes it",
        (_DEFINITION, _SECRET),
    )
    SECRET_READABLE = (
        "secret-readable",
        Promise.BY_REFERENCE,
        _MEDIUM,
        "the execution role may read the secrets of its task definition",
        "give the role what 'tickctl secrets policy' prints",
        (_DEFINITION, _SECRET, "iam:SimulatePrincipalPolicy", "secretsmanager:GetResourcePolicy", "kms:GetKeyPolicy"),
    )
    IMAGE_ENV = (
        "image-env",
        Promise.BY_REFERENCE,
        _CRITICAL,
        "no image has a secret baked into its environment",
        "take the ENV or ARG out of the Dockerfile, build anew, delete the image, and change the value",
        (_DEFINITION, "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
    )
    STALE_TASKS = (
        "stale-tasks",
        Promise.FRESH,
        _MEDIUM,
        "each running task was made after the secrets that it refers to changed last",
        "start new tasks with 'aws ecs update-service --force-new-deployment'; 'tickctl secrets status' tells more",
        (_SERVICE, *_TASKS, _DEFINITION, _SECRET),
    )
    NETWORK_MODE = (
        "network-mode",
        Promise.ISOLATION,
        _HIGH,
        "each task has a network interface of its own (awsvpc)",
        "set 'networkMode' of the task definition to awsvpc",
        (_DEFINITION,),
    )
    PUBLIC_IP = (
        "public-ip",
        Promise.ISOLATION,
        _HIGH,
        "no task has a public address",
        "set 'assignPublicIp' of the service to DISABLED; a NAT gateway or VPC endpoints lead out",
        (_SERVICE, *_TASKS, _INTERFACES),
    )
    PUBLIC_SUBNET = (
        "public-subnet",
        Promise.ISOLATION,
        _HIGH,
        "tasks run in subnets without a route to an internet gateway",
        "move the service to private subnets; only the load balancer needs public ones",
        (_SERVICE, *_TASKS, "ec2:DescribeSubnets", "ec2:DescribeRouteTables"),
    )
    OPEN_SECURITY_GROUP = (
        "open-security-group",
        Promise.ISOLATION,
        _HIGH,
        "the security groups of tasks let in other security groups only, and no addresses",
        "let the group of the load balancer or of the calling service in instead of addresses",
        (_SERVICE, *_TASKS, _INTERFACES, "ec2:DescribeSecurityGroups"),
    )
    HOST_NAMESPACE = (
        "host-namespace",
        Promise.ISOLATION,
        _HIGH,
        "no task shares processes or memory with its host",
        "take 'pidMode' and 'ipcMode' host out of the task definition",
        (_DEFINITION,),
    )
    PRIVILEGED = (
        "privileged",
        Promise.ISOLATION,
        _HIGH,
        "no container is privileged",
        "take 'privileged' out of the container; 'linuxParameters' gives single capabilities",
        (_DEFINITION,),
    )
    CONNECTION_URL = (
        "connection-url",
        Promise.TLS,
        _HIGH,
        "connections to other machines are encrypted (amqps, rediss, https, sslmode), and certificates are checked",
        "write the URL with the scheme or the parameter that encrypts",
        _VARIABLES,
    )
    HTTPS_LISTENER = (
        "https-listener",
        Promise.TLS,
        _HIGH,
        "each load balancer has a listener that speaks TLS",
        "add an HTTPS listener with a certificate",
        _LISTENERS,
    )
    HTTP_REDIRECT = (
        "http-redirect",
        Promise.TLS,
        _HIGH,
        "each HTTP listener does nothing but redirect to HTTPS",
        "make a redirect to HTTPS of all that the listener does, or delete it",
        (*_LISTENERS, "elasticloadbalancing:DescribeRules"),
    )
    TLS_POLICY = (
        "tls-policy",
        Promise.TLS,
        _HIGH,
        "each HTTPS listener wants TLS 1.2 or later",
        "choose the policy ELBSecurityPolicy-TLS13-1-2-2021-06 for the listener",
        (*_LISTENERS, "elasticloadbalancing:DescribeSSLPolicies"),
    )
    EBS_VOLUME = (
        "ebs-volume",
        Promise.ENCRYPTED,
        _HIGH,
        "each EBS volume in use is encrypted",
        "copy its snapshot with encryption, and put a volume of the copy in its place",
        ("ec2:DescribeVolumes",),
    )
    EBS_DEFAULT = (
        "ebs-default",
        Promise.ENCRYPTED,
        _MEDIUM,
        "the region encrypts new EBS volumes unasked",
        "run 'aws ec2 enable-ebs-encryption-by-default' in this region",
        ("ec2:GetEbsEncryptionByDefault",),
    )
    ECS_VOLUME = (
        "ecs-volume",
        Promise.ENCRYPTED,
        _HIGH,
        "the volumes that ECS makes for tasks are encrypted",
        "set 'encrypted' in the service's volume configuration",
        (_SERVICE, _DEFINITION),
    )
    EFS_TRANSIT = (
        "efs-transit",
        Promise.ENCRYPTED,
        _HIGH,
        "what goes to and from EFS is encrypted on its way",
        "set 'transitEncryption' of the volume to ENABLED in the task definition",
        (_DEFINITION,),
    )
    EFS_AT_REST = (
        "efs-at-rest",
        Promise.ENCRYPTED,
        _HIGH,
        "the EFS file systems that tasks mount are encrypted",
        "make an encrypted file system, and move the files; it can't be switched on later",
        (_DEFINITION, "elasticfilesystem:DescribeFileSystems"),
    )
    ALLOW_UNCONFIRMED = (
        "allow-unconfirmed",
        Promise.SWITCHES,
        _HIGH,
        "people whose e-mail address nobody has confirmed stay outside (SUPABASE_ALLOW_UNCONFIRMED)",
        "take SUPABASE_ALLOW_UNCONFIRMED out of the task definition, and out of the secret",
        _VARIABLES,
    )
    DEMO_SECRET = (
        "demo-secret",
        Promise.SWITCHES,
        _CRITICAL,
        "no key of Supabase's public local set-up is in use, by which anybody can sign tokens",
        "put the project's own key into the env file, and run 'tickctl secrets push'",
        _VARIABLES,
    )

    promise: Promise
    severity: Severity
    meaning: str
    mend: str
    sources: tuple[str, ...]

    def __new__(  # noqa: PLR0917 - a row of the table
        cls, value: str, promise: Promise, severity: Severity, meaning: str, mend: str, sources: tuple[str, ...]
    ) -> Self:
        """Make a member of a row of the table."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.promise = promise
        member.severity = severity
        member.meaning = meaning
        member.mend = mend
        member.sources = sources
        return member


BY_CODE: Final[Mapping[str, Check]] = {check.value: check for check in Check}
