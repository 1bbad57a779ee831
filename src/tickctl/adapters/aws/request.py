"""What is asked of AWS, for messages about it; and answers that leave open what has happened."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tickctl.errors import UnreachableError

_NAMES: Final = {
    "secretsmanager": "Secrets Manager", "ecs": "ECS", "sts": "STS", "iam": "IAM", "ec2": "EC2", "ecr": "ECR",
    "elbv2": "Elastic Load Balancing", "efs": "EFS", "kms": "KMS",
}  # fmt: skip
# Where IAM's actions begin with another word than the library's name for the service.
_PREFIXES: Final = {"elbv2": "elasticloadbalancing", "efs": "elasticfilesystem"}
_READING: Final = ("Describe", "Get", "List", "BatchGet", "Simulate")
_SUBJECTS: Final = {
    "SecretId": "the secret", "Name": "the secret", "service": "the service", "services": "the services",
    "taskDefinition": "the task definition", "family": "the task definition", "cluster": "the cluster",
    "RoleName": "the role", "PolicySourceArn": "the role", "PolicyArn": "the policy", "KeyId": "the key",
    "TargetGroupArns": "the target groups", "LoadBalancerArns": "the load balancers",
    "LoadBalancerArn": "the load balancer", "ListenerArn": "the listener", "Names": "the policies",
    "FileSystemId": "the file system", "repositoryName": "the repository",
}  # fmt: skip
_STRANGE: Final = "look for a proxy in between, and at AWS_ENDPOINT_URL"
_AGAIN: Final = "run the same command again: it looks first, and finishes what is missing"
_LOOK: Final = "look with 'tickctl secrets list --versions' which version is current"
"""A move of a stage is no state to come to: the same command might move it back."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for: the service and operation, where, and of what."""

    service: str
    operation: str
    region: str
    endpoint: str
    parameters: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, client: Any, method: str, parameters: Mapping[str, Any]) -> "Request":
        """Describe the call of a client's method."""
        meta = client.meta
        operation = meta.method_to_api_mapping[method]
        return cls(meta.service_model.service_name, operation, meta.region_name, meta.endpoint_url, parameters)

    @property
    def name(self) -> str:
        """The service's name, for people."""
        return _NAMES.get(self.service, self.service)

    @property
    def action(self) -> str:
        """The IAM action that allows it."""
        return f"{_PREFIXES.get(self.service, self.service)}:{self.operation}"

    @property
    def changes(self) -> bool:
        """Whether something may have been changed."""
        return not self.operation.startswith(_READING)

    @property
    def subject(self) -> str:
        """What it is about, for people; "this" if that has no name."""
        for member, kind in _SUBJECTS.items():
            if value := self.parameters.get(member):
                return f"{kind} {', '.join(value) if isinstance(value, list | tuple) else value}"
        return "this"


def stranger(name: str, request: Request | None = None) -> UnreachableError:
    """Return the error for an answer that AWS would not give.

    Args:
        name: the service's.
        request: what was asked, where that may have changed something.
    """
    reason = f"what answered in the place of AWS {name} isn't AWS"
    return uncertain(request, reason, hint=_STRANGE) if request else UnreachableError(reason, hint=_STRANGE)


def uncertain(request: Request, reason: str, *, hint: str = "try again later") -> UnreachableError:
    """Return the error for a request whose answer is missing; of a change it isn't known whether it was made.

    The library repeats what wasn't answered. So of a change that can't be sent any more, the first attempt may have
    arrived.
    """
    if not request.changes:
        return UnreachableError(reason, hint=hint)
    again = _LOOK if request.operation == "UpdateSecretVersionStage" else _AGAIN
    return UnreachableError(f"{reason}; whether {request.operation} was carried out is not known", hint=again)
