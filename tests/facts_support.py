"""What tests of reading an account share: the reading itself, and a service to read with its secret and network."""

import json
import os
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, Final
from unittest.mock import patch

from strict_aws import REGION, StrictAws, given_service
from strict_aws.arranged import definition
from tickctl.adapters.aws.client import Client, new_client, new_session
from tickctl.adapters.aws.posture import Posture
from tickctl.core.audit.facts import AccountFacts, Unread
from tickctl.core.audit.port import Progress, Scope

ROLE_NAME: Final = "gateway-execution"


def unwatched(_what: str, _done: int, _total: int) -> None:
    """Look away."""


def read(aws: StrictAws, scope: Scope | None = None, *, progress: Progress = unwatched) -> AccountFacts:
    """Read an account as the operator."""
    foreign = ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN")
    mine = {name: value for name, value in os.environ.items() if name not in foreign}
    with patch.dict(os.environ, mine | aws.environ, clear=True):
        attempts = os.environ.get("AWS_MAX_ATTEMPTS")
        posture = Posture(REGION, lambda service: _client(service, aws.url, attempts))
        return posture.read(scope or Scope(), progress=progress)


@lru_cache(maxsize=16)
def _client(service: str, _url: str, _attempts: str | None) -> Client:
    """Return a client for an account, the same one as long as that is asked: making one takes the library long."""
    return new_client(_session(), service, user_agent="tests")


@cache
def _session() -> Any:
    """Return a session with the credentials that hold for every account here."""
    return new_session(REGION, {})


def unread(fact: object) -> Unread:
    """Return a fact that must be unread."""
    assert isinstance(fact, Unread), fact
    return fact


def given_secret(aws: StrictAws, name: str = "gateway/production", **values: object) -> str:
    """Make a secret and return its ARN."""
    text = json.dumps(values)
    return str(aws.client("secretsmanager").create_secret(Name=name, SecretString=text)["ARN"])


def given_role(aws: StrictAws, *statements: Mapping[str, Any], name: str = ROLE_NAME) -> str:
    """Make a role with one policy of its own and return its ARN."""
    iam = aws.client("iam")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(*statements))
    return str(arn)


def policy(*statements: Mapping[str, Any]) -> str:
    """Return a policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    """Return a statement that allows something."""
    return {"Effect": "Allow", "Action": action, "Resource": resource} | more


def deny(action: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    """Return a statement that denies something."""
    return {"Effect": "Deny", "Action": action, "Resource": resource} | more


def with_container(name: str = "gateway", *, role: str | None = None, **container: Any) -> dict[str, Any]:
    """Return a task definition whose only container has these members too."""
    document = definition(name, role=role) if role else definition(name)
    document["containerDefinitions"][0] |= container
    return document


def referring(arn: str, *keys: str, name: str = "gateway", role: str | None = None) -> dict[str, Any]:
    """Return a task definition that refers to keys of a secret; a key may have a stage and version behind it."""
    secrets = [{"name": key.partition(":")[0], "valueFrom": f"{arn}:{key}" + "::"[key.count(":") :]} for key in keys]
    return with_container(name, role=role, secrets=secrets)


def given_subnet(aws: StrictAws, block: str = "10.0.0.0/24", *, vpc: str | None = None) -> tuple[str, str]:
    """Make a subnet, in a network of its own unless one is given; return both ids."""
    ec2 = aws.client("ec2")
    vpc = vpc or ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    return ec2.create_subnet(VpcId=vpc, CidrBlock=block)["Subnet"]["SubnetId"], str(vpc)


def given_group(aws: StrictAws, vpc: str, name: str = "tasks", *permissions: Mapping[str, Any]) -> str:
    """Make a security group with rules that let something in."""
    ec2 = aws.client("ec2")
    group = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
    if permissions:
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=list(permissions))
    return str(group)


def connected(*subnets: str, groups: tuple[str, ...] = (), public: bool = False) -> dict[str, Any]:
    """Return the network configuration of a service."""
    found = {"subnets": list(subnets), "securityGroups": list(groups)}
    return {"awsvpcConfiguration": found | {"assignPublicIp": "ENABLED" if public else "DISABLED"}}


__all__ = [
    "ROLE_NAME", "allow", "connected", "deny", "given_group", "given_role", "given_secret", "given_service",
    "given_subnet", "policy", "read", "referring", "unread", "unwatched", "with_container",
]  # fmt: skip
