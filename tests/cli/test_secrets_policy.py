"""`tickctl secrets policy`: a least policy on stdout, AWS asked for what is not said."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli_support import Result, environment, run_tickctl
from strict_aws import ACCOUNT, CLUSTER, REGION, ROLE, StrictAws, given_service
from strict_aws.arranged import definition

SECRET = "gateway/production"
ARN = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:gateway/production-AbC1dE"
OTHER_ROLE = "arn:aws:iam::123456789012:role/gateway-task"
KEY_ID = "1b2c3d4e-5f60-7182-93a4-b5c6d7e8f901"
Policy = Callable[..., Result]


@pytest.fixture
def offline(tmp_path: Path) -> Policy:
    """Run `tickctl secrets policy` where AWS can't be asked."""
    env = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_EC2_METADATA_DISABLED": "true"}

    def run(*arguments: str, **more: str) -> Result:
        return run_tickctl("secrets", "policy", *arguments, env=environment(tmp_path, env | more), cwd=tmp_path)

    return run


@pytest.fixture
def online(aws: StrictAws, tmp_path: Path) -> Policy:
    """Run `tickctl secrets policy` with an AWS account."""

    def run(*arguments: str, **more: str) -> Result:
        return run_tickctl("secrets", "policy", *arguments, env=environment(tmp_path, aws.environ | more), cwd=tmp_path)

    return run


def resources(document: Any) -> dict[str, set[str]]:
    """Return the resources of each action."""
    found: dict[str, set[str]] = {}
    for statement in document["Statement"]:
        listed = statement["Resource"]
        for action in statement["Action"]:
            found.setdefault(action, set()).update([listed] if isinstance(listed, str) else listed)
    return found


def test_a_full_arn_needs_no_aws(offline: Policy) -> None:
    """The policy is made before there are any credentials to ask with."""
    result = offline("--for", "execution-role", "--secret-id", ARN)
    assert result.code == 0, result.err
    assert resources(result.json) == {"secretsmanager:GetSecretValue": {ARN}}
    assert result.out.startswith('{\n  "Version": "2012-10-17"')
    assert "--kms-key" in result.err


def test_the_arn_has_an_option_of_its_own(offline: Policy) -> None:
    """As with 'secrets ecs'; naming the secret twice is a mistake, and so is half an ARN."""
    result = offline("--for", "puller", "--secret-arn", ARN)
    assert result.json == offline("--for", "puller", "--secret-id", ARN).json
    assert offline("--for", "puller", "--secret-arn", ARN, "--secret-id", SECRET).code == 2
    assert offline("--for", "puller", "--secret-arn", ARN.removesuffix("-AbC1dE")).code == 3


def test_json_is_one_line(offline: Policy) -> None:
    """As every command's, and the same document."""
    plain = offline("--for", "puller", "--secret-id", ARN)
    line = offline("--for", "puller", "--secret-id", ARN, "--json")
    assert line.out.count("\n") == 1
    assert line.json == plain.json


def test_a_task_definition_file_tells_family_and_roles(offline: Policy, tmp_path: Path) -> None:
    """What is pushed with the file may be registered, and its roles handed over."""
    document = {**definition("gateway"), "executionRoleArn": ROLE, "taskRoleArn": OTHER_ROLE}
    (tmp_path / "task.json").write_text(json.dumps(document))
    result = offline("--for", "pusher", "--secret-id", ARN, "--task-definition", "task.json")
    assert result.code == 0, result.err
    found = resources(result.json)
    assert found["ecs:RegisterTaskDefinition"] == {f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/gateway:*"}
    assert found["iam:PassRole"] == {ROLE, OTHER_ROLE}
    assert "ecs:UpdateService" not in found


def test_families_and_roles_in_the_options_need_no_aws(offline: Policy) -> None:
    """A whole pusher's policy without any credentials."""
    named = ("--cluster", CLUSTER, "--service", "gateway", "--task-definition", "gateway:7", "--role-arn", ROLE)
    result = offline("--for", "pusher", "--secret-id", ARN, "--kms-key", KEY_ID, *named)
    assert result.code == 0, result.err
    found = resources(result.json)
    assert found["ecs:UpdateService"] == {f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/{CLUSTER}/gateway"}
    assert found["ecs:RegisterTaskDefinition"] == {f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/gateway:*"}
    assert found["iam:PassRole"] == {ROLE}
    assert found["kms:Decrypt"] == {f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{KEY_ID}"}
    assert result.err == ""


def test_a_file_without_roles_is_said(offline: Policy, tmp_path: Path) -> None:
    """The push would be refused by AWS as soon as the definition has a role."""
    document = {name: value for name, value in definition("gateway").items() if not name.endswith("RoleArn")}
    (tmp_path / "task.json").write_text(json.dumps(document))
    result = offline("--for", "pusher", "--secret-id", ARN, "--task-definition", "task.json")
    assert result.code == 0
    assert "--role-arn" in result.err


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "No such file"), (b"\xff", "UTF-8"), (b"{", "no JSON"), (b" " * 2**21, "large")],
)
def test_a_file_that_is_no_task_definition_is_refused(
    offline: Policy, tmp_path: Path, content: bytes | None, said: str
) -> None:
    """Named, and none of its text shown."""
    if content is not None:
        (tmp_path / "task.json").write_bytes(content)
    result = offline("--for", "pusher", "--secret-id", ARN, "--task-definition", "task.json")
    assert (result.code, result.out) == (3, "")
    assert "task.json" in result.err
    assert said in result.err


def test_another_account_than_the_profile_s_is_refused(offline: Policy, tmp_path: Path) -> None:
    """A policy for the wrong account helps nobody."""
    (tmp_path / "tickctl.toml").write_text(f'[env.production]\nsecret-id = "{SECRET}"\naccount = "999999999999"\n')
    result = offline("--for", "puller", "--env-name", "production", "--secret-id", ARN)
    assert result.code == 3
    assert "999999999999" in result.err


def test_aws_is_asked_for_what_is_not_said(online: Policy, aws: StrictAws) -> None:
    """The secret's ARN and key, and what the services run; with calls that only read."""
    key = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    made = aws.client("secretsmanager").create_secret(Name=SECRET, SecretString="{}", KmsKeyId=key)
    given_service(aws, "gateway", cluster=CLUSTER, document=definition("gateway-family"))
    result = online("--for", "pusher", "--secret-id", SECRET, "--cluster", CLUSTER, "--service", "gateway")
    assert result.code == 0, result.err
    found = resources(result.json)
    assert found["secretsmanager:PutSecretValue"] == {made["ARN"]}
    assert found["kms:GenerateDataKey"] == {key}
    assert {name.rpartition("/")[2] for name in found["ecs:RegisterTaskDefinition"]} == {"gateway-family:*"}
    assert found["iam:PassRole"] == {ROLE}
    assert all(operation.startswith(("Describe", "Get")) for operation in aws.operations)
    assert "GetSecretValue" not in aws.operations


def test_a_family_is_looked_up_for_its_roles(online: Policy, aws: StrictAws) -> None:
    """Without --role-arn."""
    given_service(aws, "gateway", cluster=CLUSTER, document=definition("nightly"))
    aws.client("secretsmanager").create_secret(Name=SECRET, SecretString="{}")
    result = online("--for", "pusher", "--secret-id", SECRET, "--task-definition", "nightly")
    assert resources(result.json)["iam:PassRole"] == {ROLE}
    assert "kms:Decrypt" not in resources(result.json)


def test_a_secret_that_does_not_exist_is_not_guessed(online: Policy) -> None:
    """Its ARN has six characters that nobody knows."""
    result = online("--for", "execution-role", "--secret-id", SECRET)
    assert (result.code, result.out) == (6, "")
    assert "--create" in result.err


def test_an_execution_role_s_policy_may_come_before_the_secret(online: Policy) -> None:
    """So that the first push finds tasks that may read it; it is said that nothing is there."""
    result = online("--for", "execution-role", "--secret-id", SECRET, "--create")
    assert result.code == 0, result.err
    pattern = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{SECRET}-??????"
    assert resources(result.json) == {"secretsmanager:GetSecretValue": {pattern}}
    assert "there is no secret" in result.err


def test_a_pusher_may_be_allowed_to_make_it(online: Policy) -> None:
    """In the account that the credentials belong to."""
    result = online("--for", "pusher", "--secret-id", SECRET, "--create")
    assert result.code == 0, result.err
    pattern = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{SECRET}-??????"
    assert resources(result.json)["secretsmanager:CreateSecret"] == {pattern}


def test_an_alias_of_a_key_is_refused(offline: Policy) -> None:
    """A right on an alias is none."""
    result = offline("--for", "puller", "--secret-id", ARN, "--kms-key", "alias/gateway")
    assert result.code == 3
    assert "alias" in result.err


@pytest.mark.parametrize("option", ["--kms-key", "--role-arn", "--secret-arn", "--secret-id"])
def test_a_secret_in_the_place_of_a_name_is_not_repeated(offline: Policy, option: str) -> None:
    """Somebody has pasted the wrong thing."""
    pasted = "sb_secret_" + "aB3dE5gH7jK9mN1pQ3sT"
    secret = () if option.startswith("--secret") else ("--secret-id", ARN)
    result = offline("--for", "pusher", *secret, "--task-definition", "gateway", option, pasted)
    assert result.code in {2, 3}
    assert pasted not in result.out + result.err


def test_the_execution_role_is_meant_unless_another_is_named(offline: Policy) -> None:
    """It is the one that nothing works without, and the one with the fewest rights."""
    assert offline("--secret-id", ARN).json == offline("--for", "execution-role", "--secret-id", ARN).json
    assert offline("--for", "everybody", "--secret-id", ARN).code == 2
