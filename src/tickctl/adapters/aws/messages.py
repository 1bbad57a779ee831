"""Requests to AWS and its answers in words: what was asked for, and AWS's messages without values of requests."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tickctl.core.secret import MASK

_NAMES: Final = {
    "secretsmanager": "Secrets Manager", "ecs": "ECS", "sts": "STS", "iam": "IAM", "ec2": "EC2", "ecr": "ECR",
    "elbv2": "Elastic Load Balancing", "efs": "EFS", "kms": "KMS",
}  # fmt: skip
# Services whose IAM actions begin with another word than the library's name for the service.
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
_LONGEST: Final = 400
_SHORTEST: Final = 4
"""Characters of a part that is masked; masking shorter ones would blank out ordinary words."""
# IAM user guide, "Troubleshoot access denied error messages".
_DENIED: Final = re.compile(
    r"User: (?P<identity>arn:\S+) is not authorized to perform: (?P<action>[\w-]+:\w+)"
    r"(?: on resource: (?P<resource>\S+))?"
    r"(?P<reason> because no [\w -]+ allows the [\w:-]+ action| with an explicit deny(?: in an? [\w -]+)?)?"
)
# Members of requests that may hold secret values: a secret's text, and a container's plain environment.
_VALUES: Final = frozenset({"SecretString", "SecretBinary", "value"})


@dataclass(frozen=True, slots=True)
class Request:
    """A request to AWS: service, operation, region and parameters."""

    service: str
    operation: str
    region: str
    endpoint: str
    parameters: Mapping[str, Any] = field(repr=False)

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
        """Whether it may change something."""
        return not self.operation.startswith(_READING)

    @property
    def subject(self) -> str:
        """The resource that it is about, for people; "this" if it has no name."""
        for member, kind in _SUBJECTS.items():
            if value := self.parameters.get(member):
                return f"{kind} {', '.join(value) if isinstance(value, list | tuple) else value}"
        return "this"


def access_denied(message: str, *, action: str) -> str:
    """Say which action is denied to whom on what, and why, as far as AWS says it.

    Args:
        message: AWS's.
        action: the IAM action of the request, for a message that names none.
    """
    if not (denial := _DENIED.search(message)):
        return f"AWS doesn't allow {action}"
    resource = f" on {denial['resource'].rstrip('.')}" if denial["resource"] else ""
    return f"AWS doesn't allow {denial['action']}{resource} to {denial['identity']}{denial['reason'] or ''}"


def without_values(message: object, parameters: Mapping[str, Any]) -> str:
    """Return AWS's message on one line, cut to 400 characters, with values of the request masked."""
    text = " ".join(message.split()) if isinstance(message, str) else ""
    spellings = {spelling for value in _values(parameters) for spelling in _spellings(value)}
    for spelling in sorted(spellings, key=len, reverse=True):
        text = text.replace(spelling, MASK)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _values(member: object, *, inside: bool = False) -> Iterator[str]:
    match member:
        case str():
            if inside and member.strip():
                yield member
                yield from (part for part in _parts(member) if len(part) >= _SHORTEST)
        case Mapping():
            for name, part in member.items():
                yield from _values(part, inside=inside or name in _VALUES)
        case Sequence():
            for part in member:
                yield from _values(part, inside=inside)


def _spellings(text: str) -> Iterator[str]:
    """Yield a text, its JSON, and that as JSON again: AWS may quote any of them."""
    for _ in range(3):
        yield text
        text = json.dumps(text)[1:-1]


def _parts(text: str) -> Iterator[str]:
    """Yield the words of a value; of a JSON object, such as a secret's text, also its values and their words."""
    yield from text.split()
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        return
    for value in members.values() if isinstance(members, dict) else ():
        if isinstance(value, str):
            yield value
            yield from value.split()
