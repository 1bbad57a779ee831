"""IAM policies allow what the commands call, on the resources that are meant, and nothing else."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tickctl.adapters.aws.posture import READ_OPERATIONS
from tickctl.core.secrets.iam import Holder, policy
from tickctl.core.secrets.iam_resources import Deployment, SecretPlace
from tickctl.errors import ConfigurationError

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway/production-AbC1dE"
KEY_ID = "1b2c3d4e-5f60-7182-93a4-b5c6d7e8f901"
KEY = f"arn:aws:kms:eu-west-1:123456789012:key/{KEY_ID}"
ROLES = ("arn:aws:iam::123456789012:role/gateway-execution", "arn:aws:iam::123456789012:role/gateway-task")
SECRET = SecretPlace.of(ARN)
GATEWAY = Deployment("eu-west-1", "production", ("gateway",), ("gateway",), ROLES)


def statements(document: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield each action with each of its resources and its condition."""
    for statement in document["Statement"]:
        resources = statement["Resource"]
        for action in statement["Action"]:
            for resource in [resources] if isinstance(resources, str) else resources:
                yield action, resource, statement.get("Condition")


def actions(document: Any) -> set[str]:
    """Return all actions."""
    return {action for action, _, _ in statements(document)}


def test_an_execution_role_reads_the_secret_and_nothing_else() -> None:
    """ECS fetches it by its full ARN; what is deployed is none of this role's business."""
    assert list(statements(policy(Holder.EXECUTION_ROLE, SECRET, deployment=GATEWAY))) == [
        ("secretsmanager:GetSecretValue", ARN, None)
    ]


@pytest.mark.parametrize("holder", Holder)
def test_an_own_key_may_be_used_through_secrets_manager_only(holder: Holder) -> None:
    """Nobody decrypts anything else with it; AWS's own key needs no right at all."""
    document = policy(holder, SECRET, kms_key=KEY)
    used = [found for found in statements(document) if "kms:" in found[0] and found[0] != "kms:GetKeyPolicy"]
    via = {"StringEquals": {"kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com"}}
    expected = ["kms:Decrypt", "kms:GenerateDataKey"] if holder is Holder.PUSHER else ["kms:Decrypt"]
    assert used == [(action, KEY, via) for action in expected]
    assert not any(action.startswith("kms:") for action in actions(policy(holder, SECRET)))


def test_a_puller_changes_nothing() -> None:
    """Not one action of it is more than a look."""
    document = policy(Holder.PULLER, SECRET, kms_key=KEY, deployment=GATEWAY)
    verbs = {action.partition(":")[2] for action in actions(document)}
    assert {verb for verb in verbs if not verb.startswith(("Get", "List", "Describe"))} == {"Decrypt"}


def test_a_pusher_changes_this_secret_and_these_services() -> None:
    """Wildcards stand only where AWS knows no limit, and where a revision or task has no name yet."""
    document = policy(Holder.PUSHER, SECRET, deployment=GATEWAY)
    place = "arn:aws:ecs:eu-west-1:123456789012"
    ecs = {(action, resource) for action, resource, _ in statements(document) if action.startswith("ecs:")}
    assert ecs == {
        ("ecs:DescribeServices", f"{place}:service/production/gateway"),
        ("ecs:UpdateService", f"{place}:service/production/gateway"),
        ("ecs:DescribeTasks", f"{place}:task/production/*"),
        ("ecs:ListTasks", "*"),
        ("ecs:DescribeTaskDefinition", "*"),
        ("ecs:RegisterTaskDefinition", f"{place}:task-definition/gateway:*"),
        ("ecs:TagResource", f"{place}:task-definition/gateway:*"),
    }
    conditions = {action: condition for action, _, condition in statements(document) if condition}
    assert conditions == {
        "ecs:ListTasks": {"ArnEquals": {"ecs:cluster": f"{place}:cluster/production"}},
        "ecs:TagResource": {"StringEquals": {"ecs:CreateAction": "RegisterTaskDefinition"}},
        "iam:PassRole": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
    }
    assert {resource for action, resource, _ in statements(document) if action == "iam:PassRole"} == set(ROLES)
    assert {resource for action, resource, _ in statements(document) if action.startswith("secretsm")} == {ARN}


def test_without_services_there_is_no_word_about_ecs() -> None:
    """Who only writes the secret deploys nothing."""
    assert actions(policy(Holder.PUSHER, SECRET, deployment=Deployment("eu-west-1"))) == {
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:ListSecretVersionIds",
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage",
    }


def test_a_family_without_a_service_is_registered_and_not_deployed() -> None:
    """Scheduled tasks have no service."""
    found = actions(policy(Holder.PUSHER, SECRET, deployment=Deployment("eu-west-1", families=("nightly",))))
    assert {action for action in found if action.startswith("ecs:")} == {
        "ecs:DescribeTaskDefinition",
        "ecs:RegisterTaskDefinition",
        "ecs:TagResource",
    }


def test_a_secret_that_is_to_be_made_is_told_by_its_name() -> None:
    """Six unknown characters, and no star, which would mean longer names as well."""
    place = SecretPlace.to_be_made("gateway/staging", region="eu-west-1", account="123456789012")
    document = policy(Holder.PUSHER, place, create=True)
    bare = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway/staging"
    found = {(action.partition(":")[2], resource) for action, resource, _ in statements(document)}
    assert ("CreateSecret", f"{bare}-??????") in found
    assert {resource for action, resource in found if action == "DescribeSecret"} == {bare, f"{bare}-??????"}
    assert {resource for action, resource in found if action != "DescribeSecret"} == {f"{bare}-??????"}
    assert {"TagResource", "RestoreSecret"} <= {action for action, _ in found}


def test_a_pusher_may_make_a_secret_again_that_is_there() -> None:
    """Its next ARN ends otherwise."""
    found = {resource for action, resource, _ in statements(policy(Holder.PUSHER, SECRET, create=True))}
    assert {resource[-6:] for resource in found if resource != SECRET.bare} == {"??????"}


def test_tags_are_a_right_of_their_own() -> None:
    """Only for those whose profile or options set any."""
    assert "secretsmanager:TagResource" in actions(policy(Holder.PUSHER, SECRET, tag=True))
    assert "secretsmanager:TagResource" not in actions(policy(Holder.PUSHER, SECRET))
    assert "secretsmanager:TagResource" not in actions(policy(Holder.PULLER, SECRET, tag=True))


@pytest.mark.parametrize(
    ("region", "partition", "via"),
    [
        (
            "cn-north-1",
            "aws-cn",
            ["secretsmanager.cn-north-1.amazonaws.com", "secretsmanager.cn-north-1.amazonaws.com.cn"],
        ),
        ("us-gov-west-1", "aws-us-gov", "secretsmanager.us-gov-west-1.amazonaws.com"),
        ("eu-west-1", "aws", "secretsmanager.eu-west-1.amazonaws.com"),
    ],
)
def test_other_partitions_keep_their_names(region: str, partition: str, via: Any) -> None:
    """Nothing of another partition stands in a policy."""
    place = SecretPlace.to_be_made("gateway", region=region, account="123456789012")
    document: Any = policy(
        Holder.PUSHER, place, kms_key=KEY_ID, deployment=Deployment(region, "c", ("s",), ("f",)), create=True
    )
    assert {arn.split(":")[1] for _, arn, _ in statements(document) if arn != "*"} == {partition}
    [used] = [each["Condition"] for each in document["Statement"] if each["Sid"] == "UseKeyForSecrets"]
    assert used == {"StringEquals": {"kms:ViaService": via}}


@pytest.mark.parametrize(
    "arn",
    [
        "gateway/production",
        ARN.removesuffix("-AbC1dE"),
        f"{ARN.removesuffix('-AbC1dE')}-*",
        f"{ARN}:SUPABASE_URL::",
        ARN.replace("secretsmanager", "ssm"),
        ARN.replace("123456789012", "*"),
        f"{ARN}\n",
    ],
)
def test_only_a_full_arn_of_one_secret_goes_into_a_policy(arn: str) -> None:
    """Anything less would allow other secrets as well."""
    with pytest.raises(ConfigurationError):
        SecretPlace.of(arn)


@pytest.mark.parametrize("name", ["", "*", "gateway?", "gate way", "a" * 513, "${aws:username}"])
def test_a_name_with_a_wildcard_is_refused(name: str) -> None:
    """Neither as a secret's nor as that of anything of ECS."""
    with pytest.raises(ConfigurationError):
        SecretPlace.to_be_made(name, region="eu-west-1", account="123456789012")
    for what in ({"cluster": name}, {"cluster": "c", "services": (name,)}, {"families": (name,)}):
        with pytest.raises(ConfigurationError):
            Deployment("eu-west-1", **what)


@pytest.mark.parametrize(
    "role", ["*", "gateway-task", "arn:aws:iam::123456789012:role/*", "arn:aws:iam::*:role/gateway"]
)
def test_a_role_is_named_in_full(role: str) -> None:
    """Whoever may hand any role to a task has all of them."""
    with pytest.raises(ConfigurationError, match="role"):
        Deployment("eu-west-1", families=("gateway",), roles=(role,))


@pytest.mark.parametrize(
    "key", ["alias/gateway", "arn:aws:kms:eu-west-1:123456789012:alias/gateway", "*", "key/*", "hunter2"]
)
def test_an_alias_is_no_key(key: str) -> None:
    """IAM compares the key's own ARN."""
    with pytest.raises(ConfigurationError, match="alias") as caught:
        policy(Holder.PUSHER, SECRET, kms_key=key)
    assert key == "*" or key not in caught.value.message


def test_a_key_by_its_id_lies_where_the_secret_is() -> None:
    """AWS tells it that way."""
    document = policy(Holder.PULLER, SECRET, kms_key=KEY_ID)
    assert ("kms:Decrypt", KEY) in {(action, resource) for action, resource, _ in statements(document)}


def test_a_key_of_several_regions_is_one() -> None:
    """Its id begins otherwise."""
    document = policy(Holder.PULLER, SECRET, kms_key=f"mrk-{'0a' * 16}")
    assert any(resource.endswith(f"key/mrk-{'0a' * 16}") for _, resource, _ in statements(document))


def test_an_auditor_may_ask_what_the_audit_asks() -> None:
    """Every operation that can be called, and none that changes anything."""
    document = policy(Holder.AUDIT, SECRET, kms_key=KEY, deployment=Deployment("eu-west-1"))
    assert actions(document) - {"kms:Decrypt"} == READ_OPERATIONS
    verbs = {action.partition(":")[2] for action in actions(document)}
    assert {verb for verb in verbs if not verb.startswith(("Get", "List", "Describe", "BatchGet", "Simulate"))} == {
        "Decrypt"
    }
    assert actions(policy(Holder.AUDIT, SECRET)) == READ_OPERATIONS - {"kms:GetKeyPolicy"}


def test_an_auditor_of_services_sees_these_services_and_this_secret() -> None:
    """Named services need no list; what AWS can limit is limited."""
    document = policy(Holder.AUDIT, SECRET, kms_key=KEY, deployment=GATEWAY)
    place = "arn:aws:ecs:eu-west-1:123456789012"
    found = {action: (resource, condition) for action, resource, condition in statements(document)}
    assert found["ecs:DescribeServices"] == (f"{place}:service/production/gateway", None)
    assert found["ecs:DescribeTasks"] == (f"{place}:task/production/*", None)
    in_cluster = {"ArnEquals": {"ecs:cluster": f"{place}:cluster/production"}}
    assert found["ecs:ListTasks"] == ("*", in_cluster)
    assert not {"ecs:ListServices", "ecs:ListClusters"} & actions(document)
    assert found["secretsmanager:GetSecretValue"] == (ARN, None)
    assert found["kms:GetKeyPolicy"] == (KEY, None)
    assert {resource for action, resource, _ in statements(document) if action.startswith("iam:Sim")} == set(ROLES)
    assert found["ecr:BatchGetImage"] == ("arn:aws:ecr:eu-west-1:123456789012:repository/*", None)


def test_an_auditor_of_a_cluster_lists_its_services() -> None:
    """Without names, all services of the cluster; without a cluster, all of the region."""
    place = "arn:aws:ecs:eu-west-1:123456789012"
    one = policy(Holder.AUDIT, SECRET, deployment=Deployment("eu-west-1", "production"))
    found = {action: (resource, condition) for action, resource, condition in statements(one)}
    assert found["ecs:DescribeServices"] == (f"{place}:service/production/*", None)
    assert found["ecs:ListServices"] == ("*", {"ArnEquals": {"ecs:cluster": f"{place}:cluster/production"}})
    assert "ecs:ListClusters" not in found
    everything = policy(Holder.AUDIT, SECRET)
    found = {action: (resource, condition) for action, resource, condition in statements(everything)}
    assert found["ecs:DescribeServices"] == (f"{place}:service/*/*", None)
    assert found["ecs:ListServices"] == found["ecs:ListClusters"] == ("*", None)
    assert found["iam:GetRole"] == ("arn:aws:iam::123456789012:role/*", None)


def test_services_need_their_cluster() -> None:
    """A service's ARN has the cluster in it."""
    with pytest.raises(ConfigurationError, match="cluster"):
        Deployment("eu-west-1", services=("gateway",))


@pytest.mark.parametrize("holder", Holder)
def test_a_policy_is_what_iam_takes(holder: Holder) -> None:
    """The version with variables, Sids of letters, no statement twice, and below the 6 144 characters of a policy."""
    many = Deployment("eu-west-1", "production", tuple(f"service-{n}" for n in range(10)), ("gateway",), ROLES)
    document: Any = policy(holder, SECRET, kms_key=KEY, deployment=many, create=True, tag=True)
    assert document["Version"] == "2012-10-17"
    sids = [statement["Sid"] for statement in document["Statement"]]
    assert len(set(sids)) == len(sids)
    assert all(sid.isalpha() for sid in sids)
    assert {statement["Effect"] for statement in document["Statement"]} == {"Allow"}
    assert len(json.dumps(document, separators=(",", ":"))) < 6144
