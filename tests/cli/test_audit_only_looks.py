"""`tickctl audit` only looks: nothing changes in AWS or on this machine, and no value comes out of it."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, quote_plus

import pytest

from aws_support import VALUES, Operator
from cli_support import Result, run_tickctl
from posture_faults import PASSWORD
from posture_support import Account, sound_account
from strict_aws import CLUSTER, REGION, StrictAws
from tickctl.adapters.aws.posture import READ_OPERATIONS

AUDIT: Final = ("audit", "--region", REGION)
READING: Final = ("Describe", "List", "Get", "BatchGet", "Simulate")
# AWS tells everybody who they are; and the blob of an image comes by an address that ECR has signed.
BESIDES: Final = {"sts:GetCallerIdentity", "ecr-layers:GET"}
SERVICES: Final[Mapping[str, tuple[str, ...]]] = {
    "ec2": (
        "describe_subnets", "describe_route_tables", "describe_security_groups", "describe_network_interfaces",
        "describe_volumes", "describe_instances", "describe_addresses", "get_ebs_encryption_by_default",
    ),
    "ecr": ("describe_repositories",),
    "ecs": ("list_clusters", "list_task_definitions"),
    "efs": ("describe_file_systems",),
    "elbv2": ("describe_load_balancers", "describe_target_groups", "describe_listeners"),
    "iam": ("list_roles", "list_policies"),
    "kms": ("list_keys",),
    "secretsmanager": ("list_secrets",),
}  # fmt: skip


def state(account: Account) -> dict[str, Any]:
    """Return what there is in the account, as far as AWS tells it; but for what tells of the look itself."""
    found: dict[str, Any] = {}
    for service, operations in SERVICES.items():
        client = account.aws.client(service)
        for operation in operations:
            of_one = {"LoadBalancerArn": account.balancer} if operation == "describe_listeners" else {}
            found[operation] = getattr(client, operation)(**of_one)
    ecs, where = account.aws.client("ecs"), {"cluster": CLUSTER}
    found["services"] = ecs.describe_services(**where, services=["gateway"])
    found["tasks"] = ecs.describe_tasks(**where, tasks=ecs.list_tasks(**where)["taskArns"])
    found["secret"] = account.aws.client("secretsmanager").get_secret_value(SecretId=account.arn)
    for answer in found.values():
        del answer["ResponseMetadata"]
    for each in found["describe_file_systems"]["FileSystems"]:
        del each["SizeInBytes"]
    for each in found["list_secrets"]["SecretList"]:
        each.pop("LastAccessedDate", None)
    return found


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return all files of a folder with their times and contents, and the folders in it."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


def process(operator: Operator, *arguments: str) -> Result:
    """Run the command as a process, with all that it might write to inside the folder."""
    for name in ("home", "temporary"):
        (operator.folder / name).mkdir(exist_ok=True)
    more = {"TMPDIR": str(operator.folder / "temporary"), "PYTHONDONTWRITEBYTECODE": "1"}
    return run_tickctl(*AUDIT, *arguments, env=operator.environ | more, cwd=operator.folder, timeout=120)


@pytest.mark.parametrize("denied", [False, True])
def test_nothing_changes(aws: StrictAws, operator: Operator, denied: bool) -> None:
    """Neither in AWS nor in the home, working or temporary directory; also where other ways have to be gone."""
    account = sound_account(aws)
    if denied:
        aws.deny("iam:SimulatePrincipalPolicy")
        aws.deny("ec2:DescribeVolumes")
    process_left = files(operator.folder)
    assert not (operator.folder / "home").exists()
    before = state(account)
    result = process(operator, "--json")
    assert result.code == (5 if denied else 0), result.err
    assert state(account) == before
    left = files(operator.folder)
    assert {path for path in left if path not in process_left} == {
        str(operator.folder / "home"), str(operator.folder / "temporary"),
    }  # fmt: skip
    assert {path: left[path] for path in process_left} == process_left


def test_only_reading_operations_are_asked_for(aws: StrictAws, operator: Operator) -> None:
    """By any of the ways it may go; and what isn't in the list can't even be tried."""
    sound_account(aws)
    assert operator.command(*AUDIT, "--json").code == 0
    aws.deny("iam:SimulatePrincipalPolicy")
    assert operator.command(*AUDIT, "--cluster", CLUSTER, "--service", "gateway", "--sarif", "-").code == 0
    asked = {f"{call.service}:{call.operation}" for call in aws.calls}
    assert asked == READ_OPERATIONS | BESIDES
    assert all(operation.partition(":")[2].startswith(READING) for operation in READ_OPERATIONS)


def spellings(value: str) -> Iterator[str]:
    """Yield forms in which a value may turn up."""
    yield value
    yield json.dumps(value)[1:-1]
    yield repr(value)[1:-1]
    yield quote(value, safe="")
    yield quote_plus(value)
    yield hashlib.sha256(value.encode()).hexdigest()
    for shift in range(3):
        # Only what doesn't depend on the neighbours.
        encoded = base64.b64encode(b"\0" * shift + value.encode()).decode()
        yield encoded[4 if shift else 0 : len(encoded) - 4]


@pytest.mark.parametrize(
    "form", [(), ("--json",), ("--sarif", "-"), ("--quiet",)], ids=lambda form: " ".join(form) or "table"
)
def test_no_value_comes_out(aws: StrictAws, operator: Operator, form: tuple[str, ...]) -> None:
    """Of those that the secret, task definition and image hold, in no form of the answer, tracebacks included."""
    account = Account(aws)
    planted = {
        "REDIS_URL": "redis://:hunter2-in-the-secret@redis.internal:6379/0",
        "NOTES": 'a "quoted" value/with ü & more',
    }
    account.values.update(planted)
    account.environment.update(DATABASE_PASSWORD=PASSWORD, BACKEND_URL=f"http://user:{PASSWORD}@backend.internal/")
    account.container().update(command=["serve", f"--token={PASSWORD}-of-the-command"])
    account.container()["image"] = account.image("1.0.1", API_KEY=f"{PASSWORD}-of-the-image")
    account.container()["dockerLabels"] = {"deploy.token": f"{PASSWORD}-of-the-label"}
    account.deploy()
    aws.fail("DescribeVolumes", "InvalidParameterValue", "You sent {values}", status=400)
    result = operator.command(*AUDIT, *form, env={"TICKCTL_DEBUG": "1"})
    assert result.code == 1, result.err
    values = {*VALUES.values(), *planted.values(), PASSWORD, "hunter2-in-the-secret"} - {"email_confirmed"}
    shown = result.out + result.err
    # What ECR has signed opens the image to whoever has it.
    assert any(call.service == "ecr-layers" for call in aws.calls)
    assert "signed=yes" not in shown
    assert sorted(form for value in values for form in spellings(value) if form in shown) == []
