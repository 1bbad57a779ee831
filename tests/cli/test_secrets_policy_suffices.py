"""The policies that `tickctl secrets policy` prints allow every call that the commands make, and hardly any other.

The calls are those that AWS's stand-in has recorded. Each is judged as IAM judges it: by its action, the resource that
it is about, and the condition.
"""

import json
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

import pytest

from aws_support import QUICK, SECRET, SERVICE, TO, Operator
from strict_aws import ACCOUNT, CLUSTER, REGION, Call, Step, StrictAws, given_service
from strict_aws.arranged import definition

# What AWS looks at by itself while it carries out a call of another service, or of a call with tags.
BEHIND_THE_SCENES: Final = {"kms:Decrypt", "kms:GenerateDataKey", "iam:PassRole", "ecs:TagResource"}
FREE: Final = {"sts:GetCallerIdentity"}
"""Needs no right."""
PLACE: Final = f"{REGION}:{ACCOUNT}"


class Judge:
    """Says what a policy allows."""

    def __init__(self, policy: Any, arn: str) -> None:
        self._statements = policy["Statement"]
        self._arn = arn

    def actions(self) -> set[str]:
        """Return the actions that are allowed at all."""
        return {action for statement in self._statements for action in statement["Action"]}

    def allows(self, call: Call) -> bool:
        """Tell whether a call would be let through."""
        action = f"{call.service}:{call.operation}"
        return action in FREE or all(self._one(action, resource, call) for resource in self._resources(call))

    def _one(self, action: str, resource: str, call: Call) -> bool:
        for statement in self._statements:
            listed = statement["Resource"]
            if action in statement["Action"] and any(
                fnmatchcase(resource, pattern) for pattern in ([listed] if isinstance(listed, str) else listed)
            ):
                cluster = statement.get("Condition", {}).get("ArnEquals", {}).get("ecs:cluster")
                return cluster in {None, f"arn:aws:ecs:{PLACE}:cluster/{call.parameters.get('cluster')}"}
        return False

    def _resources(self, call: Call) -> Iterator[str]:
        """Yield the ARNs that a call is about (Service Authorization Reference, "Resource types")."""
        given = call.parameters
        match call.operation:
            case "CreateSecret":
                yield f"arn:aws:secretsmanager:{PLACE}:secret:{given['Name']}-AbC1dE"
            case _ if call.service == "secretsmanager":
                found = given["SecretId"]
                missing = call.outcome == "ResourceNotFoundException"
                bare = f"arn:aws:secretsmanager:{PLACE}:secret:{SECRET}"
                yield bare if missing and found == SECRET else self._arn if found == SECRET else found
            case "DescribeServices":
                yield from (f"arn:aws:ecs:{PLACE}:service/{given['cluster']}/{name}" for name in given["services"])
            case "UpdateService":
                yield f"arn:aws:ecs:{PLACE}:service/{given['cluster']}/{given['service']}"
            case "RegisterTaskDefinition":
                yield f"arn:aws:ecs:{PLACE}:task-definition/{given['family']}:*"
            case "DescribeTasks":
                yield from given["tasks"]
            case _:
                yield "*"


def policy(operator: Operator, *arguments: str) -> Any:
    """Return the policy that the command prints."""
    result = operator.here("policy", *TO, *arguments, "--json")
    assert result.code == 0, result.err
    return result.json


def arn_of(aws: StrictAws) -> str:
    """Return the secret's ARN."""
    return str(aws.client("secretsmanager").describe_secret(SecretId=SECRET)["ARN"])


def refused(judge: Judge, calls: Sequence[Call]) -> list[str]:
    """Return the operations that a policy doesn't allow."""
    return [f"{call.service}:{call.operation}" for call in calls if not judge.allows(call)]


@pytest.fixture
def service(aws: StrictAws) -> None:
    """A service that knows nothing of the secret yet."""
    given_service(aws, document=definition(environment={"SUPABASE_URL": "https://old.example"}))


def look_around(operator: Operator) -> None:
    """Run everything that only reads."""
    assert operator.here("diff", *TO).code in {0, 1}
    assert operator.here("status", *TO, *SERVICE).code in {0, 1}
    assert operator.here("list", *TO).code == 0
    assert operator.here("list", *TO, "--versions").code == 0
    assert operator.here("pull", *TO, "--output", str(operator.folder / "pulled.env")).code == 0
    assert operator.process("exec", *TO, "--", "true").code == 0


def push_and_return(operator: Operator) -> None:
    """Change a value, push it, and go back."""
    operator.write(TRANSLATION_API_PASSWORD="another-password")
    assert operator.here("push", *TO, *SERVICE, *QUICK, "--yes").code == 0
    assert operator.here("rollback", *TO, *SERVICE, *QUICK, "--yes").code == 0


def test_a_pusher_is_allowed_all_that_push_and_rollback_do(aws: StrictAws, operator: Operator, service: None) -> None:
    """And everything that the policy allows is asked for by one of the commands."""
    assert operator.here("push", *TO, *SERVICE, *QUICK).code == 0
    judge = Judge(policy(operator, "--for", "pusher", *SERVICE), arn_of(aws))
    aws.all_well()
    push_and_return(operator)
    operator.write(ANOTHER_KEY="so that there is a new revision")
    assert operator.here("push", *TO, *SERVICE, *QUICK, "--yes").code == 0
    look_around(operator)
    assert refused(judge, aws.calls) == []
    asked = {f"{call.service}:{call.operation}" for call in aws.calls}
    assert judge.actions() - BEHIND_THE_SCENES == asked - FREE


def test_a_pusher_who_may_make_the_secret_is_allowed_the_first_push(
    aws: StrictAws, operator: Operator, service: None
) -> None:
    """Its tags, and a deletion that is taken back, included."""
    made = policy(operator, "--for", "pusher", "--create", *SERVICE)
    aws.all_well()
    first = operator.here("push", *TO, *SERVICE, *QUICK, "--tag", "team=agents")
    assert first.code == 0, first.err
    assert operator.here("push", *TO, "--tag", "team=gateway").code == 0
    aws.client("secretsmanager").delete_secret(SecretId=SECRET, RecoveryWindowInDays=7)
    operator.write(TRANSLATION_API_PASSWORD="another-password")
    assert operator.here("push", *TO, "--restore", "--yes").code == 0
    judge = Judge(made, arn_of(aws))
    assert refused(judge, aws.calls) == []
    asked = {f"{call.service}:{call.operation}" for call in aws.calls}
    assert {"secretsmanager:CreateSecret", "secretsmanager:TagResource", "secretsmanager:RestoreSecret"} <= asked


def test_a_failed_deployment_needs_no_more_rights(aws: StrictAws, operator: Operator, service: None) -> None:
    """Why tasks stopped is asked for as well."""
    assert operator.here("push", *TO, *SERVICE, *QUICK).code == 0
    judge = Judge(policy(operator, "--for", "pusher", *SERVICE), arn_of(aws))
    aws.all_well()
    aws.roll_out("gateway", Step.IN_PROGRESS, Step.ROLLED_BACK)
    operator.write(TRANSLATION_API_PASSWORD="another-password")
    assert operator.here("push", *TO, *SERVICE, *QUICK, "--yes").code == 1
    assert refused(judge, aws.calls) == []


def test_a_puller_is_allowed_to_look_and_nothing_else(aws: StrictAws, operator: Operator, service: None) -> None:
    """All that reads is allowed, and is asked for; a push is not."""
    assert operator.here("push", *TO, *SERVICE, *QUICK).code == 0
    judge = Judge(policy(operator, "--for", "puller", *SERVICE), arn_of(aws))
    aws.all_well()
    look_around(operator)
    assert refused(judge, aws.calls) == []
    assert judge.actions() - BEHIND_THE_SCENES == {f"{call.service}:{call.operation}" for call in aws.calls} - FREE
    aws.all_well()
    push_and_return(operator)
    assert set(refused(judge, aws.calls)) == {
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage",
        "ecs:UpdateService",
    }


def test_a_policy_for_another_secret_or_service_suffices_for_nothing(
    aws: StrictAws, operator: Operator, service: None
) -> None:
    """The judge of these tests knows a no."""
    assert operator.here("push", *TO, *SERVICE, *QUICK).code == 0
    other = f"arn:aws:secretsmanager:{PLACE}:secret:gateway/production2-AbC1dE"
    result = operator.here(
        "policy", "--for", "pusher", "--secret-id", other, "--cluster", CLUSTER, "--service", "other",
        "--task-definition", "other", "--role-arn", f"arn:aws:iam::{ACCOUNT}:role/other", "--json",
    )  # fmt: skip
    judge = Judge(json.loads(result.out), arn_of(aws))
    aws.all_well()
    operator.write(ANOTHER_KEY="so that there is a new revision")
    assert operator.here("push", *TO, *SERVICE, *QUICK, "--yes").code == 0
    allowed = {f"{call.service}:{call.operation}" for call in aws.calls if judge.allows(call)}
    assert allowed - FREE == {"ecs:DescribeTaskDefinition"}
