"""What ECS does when it starts a task: fetch each secret that the task definition refers to.

The form of a reference is that of the ECS developer guide, "Pass Secrets Manager secrets through Amazon ECS
environment variables": `arn:aws:secretsmanager:region:account:secret:name-suffix:json-key:version-stage:version-id`.
"""

import json
from collections.abc import Mapping

from moto.secretsmanager.models import FakeSecret

from strict_aws import moto
from strict_aws.deployments import CannotStart

_CANNOT = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
    "unable to retrieve secret from asm: service call has been retried 1 time(s): "
)


def fetch_secrets(region: str, definition: str) -> Mapping[str, str]:
    """Return the environment that the containers of a revision get, plain values included.

    Parameters of Systems Manager, which a reference can name as well, are all taken to exist.

    Raises:
        CannotStart: a reference leads nowhere.
    """
    family, revision = definition.rpartition("/")[2].split(":")
    document = moto.containers_of(region).task_definitions[family][int(revision)]
    environment: dict[str, str] = {}
    for container in document.container_definitions:
        environment |= {each["name"]: each["value"] for each in container.get("environment", ())}
        environment |= {each["name"]: _value(each["valueFrom"]) for each in container.get("secrets", ())}
    return environment


def _value(reference: str) -> str:
    parts = reference.split(":")
    if parts[2:3] != ["secretsmanager"]:
        return f"parameter {reference}"
    arn, (key, stage, version) = ":".join(parts[:7]), (*parts[7:], "", "", "")[:3]
    secret = moto.secrets_of(parts[3]).secrets.get(arn) if parts[4] == moto.ACCOUNT else None
    if not isinstance(secret, FakeSecret) or secret.is_deleted() or secret.arn != arn:
        raise CannotStart(f"{_CANNOT}failed to fetch secret {arn} from secrets manager: ResourceNotFoundException")
    wanted = stage or "AWSCURRENT"
    held = [
        each for i, each in secret.versions.items() if (i == version if version else wanted in each["version_stages"])
    ]
    if not held:
        raise CannotStart(f"{_CANNOT}failed to fetch secret {arn} from secrets manager: ResourceNotFoundException")
    text = str(held[0]["secret_string"])
    if not key:
        return text
    try:
        return str(json.loads(text)[key])
    except (ValueError, KeyError, TypeError):
        raise CannotStart(f"{_CANNOT}retrieved secret from Secrets Manager did not contain json key {key}") from None
