"""From the example's env files to running tasks and back, with the real command."""

import json
import shutil

import pytest

from aws_support import EXAMPLE, QUICK, SECRET, SERVICE, TO, VALUES, Operator
from strict_aws import ROLE, Step, StrictAws, given_service
from strict_aws.arranged import definition

READING = ("Describe", "Get", "List")


def test_the_whole_road(aws: StrictAws, operator: Operator) -> None:
    """Check, diff, push, status, another push and the way back: the running tasks have what the files say."""
    given_service(aws, document=definition(environment={"LOG_LEVEL": "info", "SUPABASE_URL": "https://old.example"}))
    target = (*TO, *SERVICE, *QUICK)

    checked = operator.process("check")
    assert checked.code == 0, checked.out + checked.err
    assert operator.process("diff", *TO).code == 1

    aws.all_well()
    dry = operator.process("push", *target, "--dry-run")
    assert dry.code == 0, dry.err
    assert all(name.startswith(READING) for name in aws.operations)
    assert operator.versions() == 0

    pushed = operator.process("push", *target)
    assert pushed.code == 0, pushed.err
    assert operator.stored() == VALUES
    assert aws.running("gateway") == [{"LOG_LEVEL": "info", **VALUES}] * 2
    assert operator.process("diff", *TO).code == 0
    status = operator.process("status", *TO, *SERVICE, "--json")
    assert status.code == 0, status.err
    assert {each["state"] for each in status.json["keys"]} == {"deployed"}

    operator.write(TRANSLATION_API_PASSWORD="another-password")
    again = operator.process("push", *target, "--yes", "--json")
    assert again.code == 0, again.err
    assert again.json["changed"] == ["TRANSLATION_API_PASSWORD"]
    assert [each["TRANSLATION_API_PASSWORD"] for each in aws.running("gateway")] == ["another-password"] * 2

    back = operator.process("rollback", *target, "--yes")
    assert back.code == 0, back.err
    assert operator.stored() == VALUES
    assert aws.running("gateway") == [{"LOG_LEVEL": "info", **VALUES}] * 2
    assert operator.process("diff", *TO).code == 1


def test_the_example_s_task_definition_is_completed(aws: StrictAws, operator: Operator) -> None:
    """A file becomes a revision whose secrets all lead to the secret, and the service runs it."""
    file = operator.folder / "task-definition.json"
    shutil.copy(EXAMPLE / "task-definition.json", file)
    document = json.loads(file.read_text())
    given_service(aws, document=document)
    pushed = operator.process("push", *TO, *SERVICE, *QUICK, "--task-definition", file.name, "--container", "gateway")
    assert pushed.code == 0, pushed.err
    assert operator.service()["taskDefinition"].endswith(f"{document['family']}:2")
    assert all(VALUES.items() <= each.items() for each in aws.running("gateway"))


def test_a_task_definition_of_a_family_is_completed_without_a_service(aws: StrictAws, operator: Operator) -> None:
    """Scheduled tasks and the like have no service to roll out."""
    aws.client("ecs").register_task_definition(**definition("nightly"))
    pushed = operator.process("push", *TO, "--task-definition", "nightly")
    assert pushed.code == 0, pushed.err
    found = aws.client("ecs").describe_task_definition(taskDefinition="nightly")["taskDefinition"]
    arn = operator.state()["ARN"]
    assert found["revision"] == 2
    assert found["executionRoleArn"] == ROLE
    assert found["containerDefinitions"][0]["secrets"] == [
        {"name": name, "valueFrom": f"{arn}:{name}::"}
        for name in [each["name"] for each in found["containerDefinitions"][0]["secrets"]]
    ]
    assert {each["name"] for each in found["containerDefinitions"][0]["secrets"]} == set(VALUES)


def test_several_services_share_one_secret(aws: StrictAws, operator: Operator) -> None:
    """Both get the keys, in one look each round, and both run."""
    given_service(aws, "gateway")
    given_service(aws, "worker", desired=1)
    pushed = operator.here("push", *TO, *SERVICE, "--service", "worker", *QUICK)
    assert pushed.code == 0, pushed.err
    for service in ("gateway", "worker"):
        assert all(each == VALUES for each in aws.running(service))
    looks = [call.parameters["services"] for call in aws.calls if call.operation == "DescribeServices"]
    assert looks[0] == ["gateway", "worker"]


class TestRollout:
    """Deployments are followed to their true end."""

    @pytest.fixture
    def rolling(self, aws: StrictAws, operator: Operator) -> Operator:
        """An operator whose service runs the secret, and who has changed a key."""
        operator.have_pushed()
        operator.write(TRANSLATION_API_PASSWORD="another-password")
        return operator

    def test_a_circuit_breaker_rollback_is_a_failure_with_its_events(self, aws: StrictAws, rolling: Operator) -> None:
        """Exit code 1, what ECS says, and why tasks stopped; the secret stands, and its rollback is named."""
        aws.roll_out("gateway", Step.IN_PROGRESS, Step.ROLLED_BACK)
        pushed = rolling.process("push", *TO, *SERVICE, *QUICK, "--yes")
        assert pushed.code == 1, pushed.err
        assert "deployment failed: tasks failed to start." in pushed.err
        assert "rolling back to deployment ecs-svc/" in pushed.err
        assert "Essential container in task exited" in pushed.err
        assert "tickctl secrets rollback" in pushed.err
        assert rolling.stored()["TRANSLATION_API_PASSWORD"] == "another-password"

    def test_a_rollback_that_nobody_saw_is_a_failure_all_the_same(self, aws: StrictAws, rolling: Operator) -> None:
        """Between two looks ECS may have gone back and be steady again; that is no success of ours."""
        aws.roll_out("gateway", Step.IN_PROGRESS, Step.GONE)
        pushed = rolling.here("push", *TO, *SERVICE, *QUICK, "--yes")
        assert pushed.code == 1, pushed.err
        assert "deployment failed: tasks failed to start." in pushed.err
        assert "Essential container in task exited" in pushed.err

    def test_a_failed_deployment_without_rollback_is_a_failure(self, aws: StrictAws, rolling: Operator) -> None:
        """It stays primary, and is no success for that."""
        aws.roll_out("gateway", Step.FAILED)
        pushed = rolling.here("push", *TO, *SERVICE, *QUICK, "--yes", "--json")
        assert pushed.code == 1, pushed.err
        assert "tasks failed to start" in pushed.err
        assert json.loads(pushed.out)["services"][0]["outcome"] == "failed"

    def test_a_deployment_of_somebody_else_is_told(self, aws: StrictAws, rolling: Operator) -> None:
        """Another deployment in the place of ours isn't ours."""
        aws.roll_out("gateway", Step.REPLACED)
        pushed = rolling.here("push", *TO, *SERVICE, *QUICK, "--yes", "--json")
        assert pushed.code == 1, pushed.err
        assert json.loads(pushed.out)["services"][0]["outcome"] == "replaced"

    def test_a_deployment_that_takes_too_long_is_left_alone(self, aws: StrictAws, rolling: Operator) -> None:
        """Exit code 5: how it ends isn't known; the same command follows it later."""
        aws.roll_out("gateway", Step.IN_PROGRESS)
        pushed = rolling.here("push", *TO, *SERVICE, "--poll", "0", "--timeout", "0.2", "--yes")
        assert pushed.code == 5, pushed.err
        deployment = rolling.service()["deployments"][0]["id"]
        aws._containers.service("gateway").primary.steps = [Step.COMPLETED]
        again = rolling.here("push", *TO, *SERVICE, *QUICK, "--yes")
        assert again.code == 0, again.err
        assert [each["id"] for each in rolling.service()["deployments"]] == [deployment]

    def test_an_answer_from_before_the_deployment_is_not_its_end(self, aws: StrictAws, rolling: Operator) -> None:
        """ECS may not know of a deployment yet that it has just begun; that isn't a rollback."""
        aws.roll_out("gateway", Step.STALE, Step.STALE, Step.IN_PROGRESS, Step.COMPLETED)
        pushed = rolling.here("push", *TO, *SERVICE, *QUICK, "--yes", "--json")
        assert pushed.code == 0, pushed.err
        assert json.loads(pushed.out)["services"][0]["outcome"] == "completed"

    def test_after_a_rollback_of_the_circuit_breaker_the_same_push_deploys_again(
        self, aws: StrictAws, rolling: Operator
    ) -> None:
        """The tasks that went back run without the new key: that isn't nothing to do."""
        rolling.write(NEW_KEY="new")
        aws.roll_out("gateway", Step.ROLLED_BACK)
        assert rolling.here("push", *TO, *SERVICE, *QUICK, "--yes").code == 1
        aws.roll_out("gateway", Step.COMPLETED)
        assert rolling.here("status", *TO, *SERVICE).code == 1
        again = rolling.here("push", *TO, *SERVICE, *QUICK, "--yes")
        assert again.code == 0, again.err
        assert aws.running("gateway") == [rolling.stored()] * 2
        assert rolling.here("status", *TO, *SERVICE).code == 0

    def test_a_stopped_task_tells_which_key_is_missing(self, aws: StrictAws, rolling: Operator) -> None:
        """Somebody puts a value without a key while the deployment begins: ECS's reason is shown."""
        client = aws.client("secretsmanager")
        less = json.dumps({name: value for name, value in VALUES.items() if name != "RABBITMQ_URL"})
        aws.meanwhile("UpdateService", lambda: client.put_secret_value(SecretId=SECRET, SecretString=less))
        pushed = rolling.here("push", *TO, *SERVICE, *QUICK, "--yes")
        assert pushed.code == 1, pushed.err
        assert "did not contain json key RABBITMQ_URL" in pushed.err

    def test_nobody_has_to_wait(self, aws: StrictAws, rolling: Operator) -> None:
        """--no-wait begins the deployment and says that it wasn't followed."""
        pushed = rolling.here("push", *TO, *SERVICE, "--no-wait", "--yes")
        assert pushed.code == 0, pushed.err
        assert "not followed" in pushed.err
        assert rolling.service()["deployments"][0]["rolloutState"] == "IN_PROGRESS"
        assert aws.operations[-1] == "UpdateService"

    def test_a_missing_key_in_an_old_version_is_taken_out_of_the_tasks(self, aws: StrictAws, rolling: Operator) -> None:
        """Going back to before a key existed, tasks no longer refer to it, since none could start."""
        rolling.write(NEW_KEY="new")
        assert rolling.here("push", *TO, *SERVICE, *QUICK, "--yes").code == 0
        assert all("NEW_KEY" in each for each in aws.running("gateway"))
        back = rolling.here("rollback", *TO, *SERVICE, *QUICK, "--yes")
        assert back.code == 0, back.err
        assert aws.running("gateway") == [VALUES] * 2


class TestThrift:
    """How many calls, versions, revisions and deployments a push costs."""

    def secrets_calls(self, aws: StrictAws) -> list[str]:
        """The calls of Secrets Manager."""
        return [call.operation for call in aws.calls if call.service == "secretsmanager"]

    def test_500_keys_cost_three_calls_and_one_version_and_nothing_costs_two(
        self, aws: StrictAws, operator: Operator
    ) -> None:
        """A push of 500 changed keys, and one of none: no version, no revision, no deployment."""
        given_service(aws)
        # 500 references fit into a task definition only if the names are short.
        keys = {f"K{number}": f"value-{number}" for number in range(500 - len(VALUES))}
        assert operator.here("push", *TO).code == 0
        operator.write(**keys)
        operator.write(TRANSLATION_API_PASSWORD="another-password")
        aws.all_well()
        pushed = operator.here("push", *TO, "--yes", "--json")
        assert pushed.code == 0, pushed.err
        assert self.secrets_calls(aws) == ["DescribeSecret", "GetSecretValue", "PutSecretValue"]
        assert len(operator.stored()) == 500
        assert operator.versions() == 2

        assert operator.here("push", *TO, *SERVICE, *QUICK, "--yes").code == 0
        assert all(len(each) == 500 for each in aws.running("gateway"))
        before = (operator.state(), operator.versions(), operator.revisions(), operator.service()["deployments"])
        aws.all_well()
        again = operator.here("push", *TO, *SERVICE, *QUICK, "--yes", "--json")
        assert again.code == 0, again.err
        assert json.loads(again.out)["action"] == "none"
        assert self.secrets_calls(aws) == ["DescribeSecret", "GetSecretValue"]
        assert all(name.startswith(READING) for name in aws.operations)
        after = (operator.state(), operator.versions(), operator.revisions(), operator.service()["deployments"])
        assert after == before

    def test_a_push_that_only_adds_asks_nobody(self, operator: Operator) -> None:
        """A changed key does: without a terminal that is wrong usage, and nothing was written."""
        assert operator.here("push", *TO).code == 0
        operator.write(ANOTHER="one")
        assert operator.here("push", *TO).code == 0
        operator.write(ANOTHER="two")
        refused = operator.here("push", *TO)
        assert refused.code == 2
        assert "--yes" in refused.err
        assert operator.stored()["ANOTHER"] == "one"
        assert operator.versions() == 2

    def test_keys_that_only_aws_has_stay_unless_they_are_pruned(self, operator: Operator) -> None:
        """--prune removes them, after asking."""
        assert operator.here("push", *TO).code == 0
        aws = operator.aws.client("secretsmanager")
        aws.put_secret_value(SecretId=SECRET, SecretString=json.dumps(VALUES | {"OF_OLD": "x"}))
        kept = operator.here("push", *TO, "--json")
        assert (kept.code, json.loads(kept.out)["action"]) == (0, "none")
        assert operator.here("push", *TO, "--prune").code == 2
        assert operator.here("push", *TO, "--prune", "--yes").code == 0
        assert operator.stored() == VALUES
