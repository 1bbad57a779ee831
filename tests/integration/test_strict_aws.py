"""The stand-in for AWS: what it refuses, what it forgets, and how its services roll out."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from strict_aws import ACCOUNT, CLUSTER, ROLE, Step, StrictAws, given_service
from strict_aws.arranged import definition

NAME = "gateway/production"


@contextmanager
def refused(code: str, message: str = "") -> Iterator[None]:
    """Expect AWS's refusal."""
    with pytest.raises(ClientError) as caught:
        yield
    assert caught.value.response["Error"]["Code"] == code
    assert message in caught.value.response["Error"]["Message"]


@pytest.fixture
def secrets(aws: StrictAws) -> Any:
    """A client for Secrets Manager."""
    return aws.client("secretsmanager")


@pytest.fixture
def ecs(aws: StrictAws) -> Any:
    """A client for ECS."""
    return aws.client("ecs")


@pytest.fixture
def operator(aws: StrictAws) -> Iterator[Any]:
    """A maker of clients that are recorded and troubled, as those of the program are."""
    made = []

    def client(service: str, attempts: int = 1) -> Any:
        made.append(
            boto3.client(
                service,
                region_name=aws.environ["AWS_REGION"],
                endpoint_url=aws.url,
                aws_access_key_id=aws.environ["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=aws.environ["AWS_SECRET_ACCESS_KEY"],
                config=Config(retries={"mode": "standard", "total_max_attempts": attempts}),
            )
        )
        return made[-1]

    yield client
    for each in made:
        each.close()


def token() -> str:
    """A fresh client request token."""
    return str(uuid.uuid4())


def put(secrets: Any, text: str, request_token: str | None = None) -> str:
    """Put a value and return the version's id."""
    answer = secrets.put_secret_value(SecretId=NAME, SecretString=text, ClientRequestToken=request_token or token())
    return str(answer["VersionId"])


class TestSecrets:
    """Secrets Manager."""

    @pytest.mark.parametrize("text", ["x" * 65_537, "é" * 32_769])
    def test_a_value_is_measured_in_bytes(self, secrets: Any, text: str) -> None:
        """65 536 bytes are the most, however few characters they are."""
        with refused("ValidationException", "less than or equal to 65536"):
            secrets.create_secret(Name=NAME, SecretString=text)
        secrets.create_secret(Name=NAME, SecretString=text[: 65_536 // len(text[0].encode())])

    def test_a_secret_may_get_its_value_later(self, secrets: Any) -> None:
        """It is made without one, as Terraform does; a version isn't, and there is nothing to get."""
        secrets.create_secret(Name=NAME)
        with refused("InvalidParameterException"):
            secrets.put_secret_value(SecretId=NAME)
        with refused("ResourceNotFoundException", "staging label: AWSCURRENT"):
            secrets.get_secret_value(SecretId=NAME)
        secrets.put_secret_value(SecretId=NAME, SecretString="x")
        assert secrets.get_secret_value(SecretId=NAME)["SecretString"] == "x"

    @pytest.mark.parametrize("name", ["a b", "a:b", "a*", "ä"])
    def test_a_name_has_only_the_characters_that_aws_allows(self, secrets: Any, name: str) -> None:
        """Others are refused in AWS's words."""
        with refused("ValidationException", "Invalid name."):
            secrets.create_secret(Name=name, SecretString="x")

    def test_a_kms_key_must_exist_and_be_enabled(self, aws: StrictAws, secrets: Any) -> None:
        """A missing key refuses the first version, a disabled one every read and write."""
        with refused("EncryptionFailure"):
            secrets.create_secret(Name=NAME, SecretString="x", KmsKeyId="alias/nobody")
        kms = aws.client("kms")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        secrets.create_secret(Name=NAME, SecretString="x", KmsKeyId=key)
        assert secrets.describe_secret(SecretId=NAME)["KmsKeyId"] == key
        kms.disable_key(KeyId=key)
        with refused("EncryptionFailure"):
            put(secrets, "y")
        with refused("DecryptionFailure"):
            secrets.get_secret_value(SecretId=NAME)

    def test_a_secret_that_is_scheduled_for_deletion_can_only_be_described_and_restored(self, secrets: Any) -> None:
        """Neither made again, nor read, nor written."""
        secrets.create_secret(Name=NAME, SecretString="x")
        secrets.delete_secret(SecretId=NAME, RecoveryWindowInDays=7)
        with refused("InvalidRequestException", "already scheduled for deletion"):
            secrets.create_secret(Name=NAME, SecretString="y")
        for refusing in (
            lambda: put(secrets, "y"),
            lambda: secrets.get_secret_value(SecretId=NAME),
            lambda: secrets.list_secret_version_ids(SecretId=NAME),
            lambda: secrets.tag_resource(SecretId=NAME, Tags=[]),
        ):
            with refused("InvalidRequestException", "because it was marked for deletion"):
                refusing()
        assert "DeletedDate" in secrets.describe_secret(SecretId=NAME)
        secrets.restore_secret(SecretId=NAME)
        assert secrets.get_secret_value(SecretId=NAME)["SecretString"] == "x"

    def test_a_token_stands_for_one_value(self, secrets: Any) -> None:
        """The same one again is the same write; another value with it is refused and changes nothing."""
        used = token()
        secrets.create_secret(Name=NAME, SecretString="x")
        put(secrets, "y", used)
        before = secrets.describe_secret(SecretId=NAME)
        assert put(secrets, "y", used) == used
        with refused("ResourceExistsException", "already in use"):
            put(secrets, "z", used)
        after = secrets.describe_secret(SecretId=NAME)
        assert (before["LastChangedDate"], before["VersionIdsToStages"]) == (
            after["LastChangedDate"],
            after["VersionIdsToStages"],
        )

    def test_a_token_has_32_to_64_characters(self, secrets: Any) -> None:
        """A longer one is refused."""
        secrets.create_secret(Name=NAME, SecretString="x")
        with refused("InvalidParameterException", "32-64"):
            put(secrets, "y", "t" * 65)

    def test_a_secret_is_made_once(self, secrets: Any) -> None:
        """Who comes second is told that it exists."""
        secrets.create_secret(Name=NAME, SecretString="x")
        with refused("ResourceExistsException"):
            secrets.create_secret(Name=NAME, SecretString="y")

    def test_going_back_to_a_version_holds_for_whoever_asks_without_a_stage(self, secrets: Any) -> None:
        """AWSCURRENT and AWSPREVIOUS change places, and the next put takes over from there."""
        first = secrets.create_secret(Name=NAME, SecretString="one")["VersionId"]
        second = put(secrets, "two")
        secrets.update_secret_version_stage(
            SecretId=NAME, VersionStage="AWSCURRENT", MoveToVersionId=first, RemoveFromVersionId=second
        )
        assert secrets.get_secret_value(SecretId=NAME)["SecretString"] == "one"
        stages = secrets.describe_secret(SecretId=NAME)["VersionIdsToStages"]
        assert stages == {first: ["AWSCURRENT"], second: ["AWSPREVIOUS"]}
        third = put(secrets, "three")
        stages = secrets.describe_secret(SecretId=NAME)["VersionIdsToStages"]
        assert stages == {third: ["AWSCURRENT"], first: ["AWSPREVIOUS"]}

    def test_a_stage_is_taken_only_from_the_version_that_has_it(self, secrets: Any) -> None:
        """Whoever names another version, none, or none that exists, is refused and moves nothing."""
        first = secrets.create_secret(Name=NAME, SecretString="one")["VersionId"]
        second = put(secrets, "two")
        third = put(secrets, "three")
        move = {"SecretId": NAME, "VersionStage": "AWSCURRENT", "MoveToVersionId": first}
        with refused("InvalidParameterException", "currently attached to version"):
            secrets.update_secret_version_stage(**move, RemoveFromVersionId=second)
        with refused("InvalidParameterException", "can't be empty"):
            secrets.update_secret_version_stage(**move)
        with refused("ResourceNotFoundException"):
            secrets.update_secret_version_stage(**move | {"MoveToVersionId": token()}, RemoveFromVersionId=third)
        assert secrets.get_secret_value(SecretId=NAME)["VersionId"] == third

    def test_every_change_has_a_later_time(self, secrets: Any) -> None:
        """LastChangedDate has milliseconds and moves with each put, move and tag, and with no read."""
        first = secrets.create_secret(Name=NAME, SecretString="one")["VersionId"]
        times = [secrets.describe_secret(SecretId=NAME)["LastChangedDate"]]
        second = put(secrets, "two")
        times.append(secrets.describe_secret(SecretId=NAME)["LastChangedDate"])
        secrets.update_secret_version_stage(
            SecretId=NAME, VersionStage="AWSCURRENT", MoveToVersionId=first, RemoveFromVersionId=second
        )
        times.append(secrets.describe_secret(SecretId=NAME)["LastChangedDate"])
        secrets.tag_resource(SecretId=NAME, Tags=[{"Key": "team", "Value": "gateway"}])
        times.append(secrets.describe_secret(SecretId=NAME)["LastChangedDate"])
        assert times == sorted(set(times))
        secrets.get_secret_value(SecretId=NAME)
        assert secrets.describe_secret(SecretId=NAME)["LastChangedDate"] == times[-1]

    def test_versions_without_a_stage_are_listed_only_on_request(self, secrets: Any) -> None:
        """Three puts leave one deprecated version; pages are followed by a token."""
        secrets.create_secret(Name=NAME, SecretString="one")
        put(secrets, "two")
        put(secrets, "three")
        assert len(secrets.describe_secret(SecretId=NAME)["VersionIdsToStages"]) == 2
        assert len(secrets.list_secret_version_ids(SecretId=NAME)["Versions"]) == 2
        page = secrets.list_secret_version_ids(SecretId=NAME, IncludeDeprecated=True, MaxResults=2)
        rest = secrets.list_secret_version_ids(SecretId=NAME, IncludeDeprecated=True, NextToken=page["NextToken"])
        assert len(page["Versions"]) + len(rest["Versions"]) == 3
        assert "NextToken" not in rest

    def test_a_missing_secret_version_or_stage_is_not_found(self, secrets: Any) -> None:
        """By name, by id and by stage."""
        with refused("ResourceNotFoundException", "can't find the specified secret."):
            secrets.describe_secret(SecretId=NAME)
        secrets.create_secret(Name=NAME, SecretString="x")
        with refused("ResourceNotFoundException"):
            secrets.get_secret_value(SecretId=NAME, VersionStage="AWSPREVIOUS")
        with refused("ResourceNotFoundException"):
            secrets.get_secret_value(SecretId=NAME, VersionId=token())


class TestDefinitions:
    """Task definitions."""

    def refuse(self, ecs: Any, message: str, container: dict[str, Any], **more: Any) -> None:
        """Expect that a definition with this in its container is refused."""
        document = definition() | more
        document["containerDefinitions"][0] |= container
        with refused("ClientException", message):
            ecs.register_task_definition(**{name: value for name, value in document.items() if value})

    def test_names_are_given_once(self, ecs: Any) -> None:
        """Neither twice among secrets, nor among secrets and plain values."""
        entry = {"name": "KEY", "valueFrom": "arn"}
        self.refuse(ecs, "Duplicate secret names found: KEY.", {"secrets": [entry, entry]})
        plain = [{"name": "KEY", "value": "x"}]
        self.refuse(ecs, "such as 'KEY'", {"secrets": [entry], "environment": plain})

    def test_secrets_need_an_execution_role(self, ecs: Any) -> None:
        """Somebody must fetch them."""
        self.refuse(ecs, "executionRoleArn", {"secrets": [{"name": "K", "valueFrom": "arn"}]}, executionRoleArn=None)

    def test_a_definition_has_64_kib_at_most(self, ecs: Any) -> None:
        """Too many references don't fit."""
        entries = [{"name": f"KEY_{number}", "valueFrom": f"arn:{'x' * 80}"} for number in range(600)]
        self.refuse(ecs, "Max allowed length is '65536' bytes", {"secrets": entries})

    def test_fargate_wants_awsvpc_and_sizes(self, ecs: Any) -> None:
        """What ECS says of a definition that Fargate can't run."""
        self.refuse(ecs, "awsvpc", {}, networkMode="bridge")
        self.refuse(ecs, "'cpu' and 'memory'", {}, cpu=None)

    def test_container_names_are_unique(self, ecs: Any) -> None:
        """Two of one name are refused."""
        with refused("ClientException", "unique"):
            ecs.register_task_definition(**definition(containers=("a", "a")))

    def test_a_family_stands_for_its_latest_active_revision(self, ecs: Any) -> None:
        """A deregistered one is found only by its number."""
        for _ in range(2):
            ecs.register_task_definition(**definition())
        ecs.deregister_task_definition(taskDefinition="gateway:2")
        assert ecs.describe_task_definition(taskDefinition="gateway")["taskDefinition"]["revision"] == 1
        assert ecs.describe_task_definition(taskDefinition="gateway:2")["taskDefinition"]["status"] == "INACTIVE"
        with refused("ClientException", "Unable to describe task definition."):
            ecs.describe_task_definition(taskDefinition="nobody")

    def test_what_is_registered_comes_back_with_what_ecs_adds(self, ecs: Any) -> None:
        """Tags stand apart, defaults are filled in, nothing is dropped."""
        tags = [{"key": "team", "value": "gateway"}]
        ecs.register_task_definition(**definition(), tags=tags, enableFaultInjection=False)
        answer = ecs.describe_task_definition(taskDefinition="gateway", include=["TAGS"])
        document = answer["taskDefinition"]
        assert answer["tags"] == tags
        assert document["enableFaultInjection"] is False
        assert {"registeredAt", "registeredBy", "requiresAttributes", "compatibilities", "status"} <= set(document)
        mapping = {"containerPort": 8000, "hostPort": 8000, "protocol": "tcp"}
        assert document["containerDefinitions"][0]["portMappings"] == [mapping]


class TestServices:
    """Services, deployments and tasks."""

    def look(self, client: Any) -> dict[str, Any]:
        """Describe the service."""
        [service] = client.describe_services(cluster=CLUSTER, services=["gateway"])["services"]
        assert isinstance(service, dict)
        return service

    def update(self, client: Any, **more: Any) -> dict[str, Any]:
        """Update the service."""
        service = client.update_service(cluster=CLUSTER, service="gateway", **more)["service"]
        assert isinstance(service, dict)
        return service

    def test_a_deployment_goes_on_with_each_look(self, aws: StrictAws, operator: Any) -> None:
        """The new one is primary at once, and complete when all tasks are its own; arranging moves nothing."""
        given_service(aws)
        client = operator("ecs")
        old = self.look(client)["deployments"][0]
        first, second = self.update(client, forceNewDeployment=True)["deployments"]
        assert (first["status"], first["rolloutState"], first["runningCount"]) == ("PRIMARY", "IN_PROGRESS", 0)
        assert (second["id"], second["status"]) == (old["id"], "ACTIVE")
        self.look(aws.client("ecs"))
        assert self.look(client)["deployments"][0]["runningCount"] == 1
        done = self.look(client)
        assert [(each["id"], each["rolloutState"]) for each in done["deployments"]] == [(first["id"], "COMPLETED")]
        assert done["events"][0]["message"] == "(service gateway) has reached a steady state."
        tasks = self.tasks(client)
        assert len(tasks) == 2
        assert all(task["createdAt"] > first["createdAt"] for task in tasks)
        stopped = self.tasks(client, desiredStatus="STOPPED")
        assert [task["stopCode"] for task in stopped] == ["ServiceSchedulerInitiated"] * 2

    def tasks(self, client: Any, **more: Any) -> list[dict[str, Any]]:
        """Describe the tasks of the service."""
        arns = client.list_tasks(cluster=CLUSTER, serviceName="gateway", **more)["taskArns"]
        return list(client.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"])

    def test_the_same_revision_makes_no_deployment_unless_forced(self, aws: StrictAws, operator: Any) -> None:
        """An update that changes nothing leaves the deployment."""
        arn = given_service(aws)
        client = operator("ecs")
        before = self.look(client)["deployments"]
        assert self.update(client, taskDefinition=arn)["deployments"] == before
        assert len(self.update(client, taskDefinition=arn, forceNewDeployment=True)["deployments"]) == 2

    def test_the_circuit_breaker_goes_back_to_the_revision_before(self, aws: StrictAws, operator: Any) -> None:
        """The failed deployment is no longer primary, and a new one of the old revision completes."""
        old = given_service(aws)
        new = aws.client("ecs").register_task_definition(**definition())["taskDefinition"]["taskDefinitionArn"]
        aws.roll_out("gateway", Step.ROLLED_BACK)
        client = operator("ecs")
        ours = self.update(client, taskDefinition=new)["deployments"][0]["id"]
        looked = self.look(client)
        back, failed, _ = looked["deployments"]
        assert (failed["id"], failed["status"], failed["rolloutState"]) == (ours, "ACTIVE", "FAILED")
        assert failed["rolloutStateReason"] == "ECS deployment circuit breaker: tasks failed to start."
        assert (back["status"], back["taskDefinition"]) == ("PRIMARY", old)
        assert "rolling back to deploymentId" in back["rolloutStateReason"]
        assert "rolling back to deployment" in looked["events"][0]["message"]
        [done] = self.look(client)["deployments"]
        assert (done["id"], done["rolloutState"]) == (back["id"], "COMPLETED")

    def test_a_rollback_may_be_over_before_anybody_looks(self, aws: StrictAws, operator: Any) -> None:
        """Then nothing is left of the failed deployment but its events and its stopped tasks."""
        old = given_service(aws)
        new = aws.client("ecs").register_task_definition(**definition())["taskDefinition"]["taskDefinitionArn"]
        aws.roll_out("gateway", Step.GONE)
        client = operator("ecs")
        ours = self.update(client, taskDefinition=new)["deployments"][0]["id"]
        [only] = self.look(client)["deployments"]
        assert (only["id"] != ours, only["taskDefinition"], only["rolloutState"]) == (True, old, "COMPLETED")

    def test_a_failure_without_rollback_stays_primary(self, aws: StrictAws, operator: Any) -> None:
        """The deployment is FAILED, and the old tasks go on running."""
        given_service(aws)
        aws.roll_out("gateway", Step.FAILED)
        client = operator("ecs")
        self.update(client, forceNewDeployment=True)
        primary = self.look(client)["deployments"][0]
        assert (primary["status"], primary["rolloutState"], primary["failedTasks"]) == ("PRIMARY", "FAILED", 3)
        assert self.look(client)["runningCount"] == 2

    def test_an_answer_may_be_from_before_the_deployment(self, aws: StrictAws, operator: Any) -> None:
        """The first look doesn't see it yet; the next one does."""
        given_service(aws)
        aws.roll_out("gateway", Step.STALE, Step.COMPLETED)
        client = operator("ecs")
        before = self.look(client)
        [ours, _] = self.update(client, forceNewDeployment=True)["deployments"]
        assert self.look(client)["deployments"] == before["deployments"]
        assert [each["id"] for each in self.look(client)["deployments"]] == [ours["id"]]

    def test_somebody_else_may_begin_another_deployment(self, aws: StrictAws, operator: Any) -> None:
        """Ours is no longer primary then."""
        given_service(aws)
        aws.roll_out("gateway", Step.REPLACED)
        client = operator("ecs")
        ours = self.update(client, forceNewDeployment=True)["deployments"][0]["id"]
        primary = self.look(client)["deployments"][0]
        assert (primary["status"], primary["id"] != ours) == ("PRIMARY", True)

    def test_a_task_starts_with_the_values_that_its_references_lead_to(
        self, aws: StrictAws, secrets: Any, ecs: Any, operator: Any
    ) -> None:
        """Running tasks keep what they got; new ones get what is current then."""
        arn = secrets.create_secret(Name=NAME, SecretString=json.dumps({"KEY": "old"}))["ARN"]
        document = definition(environment={"PLAIN": "x"})
        document["containerDefinitions"][0]["secrets"] = [{"name": "KEY", "valueFrom": f"{arn}:KEY::"}]
        given_service(aws, document=document)
        put(secrets, json.dumps({"KEY": "new"}))
        assert aws.running("gateway") == [{"PLAIN": "x", "KEY": "old"}] * 2
        aws.disturb("gateway")
        for _ in range(2):
            self.look(operator("ecs"))
        assert aws.running("gateway") == [{"PLAIN": "x", "KEY": "new"}] * 2

    @pytest.mark.parametrize("ending", [":MISSING::", ":KEY:NOSTAGE:", "-x"])
    def test_a_reference_that_leads_nowhere_fails_the_deployment(
        self, aws: StrictAws, secrets: Any, ecs: Any, operator: Any, ending: str
    ) -> None:
        """No task starts, and ECS says why on the task that stopped."""
        arn = secrets.create_secret(Name=NAME, SecretString=json.dumps({"KEY": "x"}))["ARN"]
        given_service(aws)
        document = definition()
        document["containerDefinitions"][0]["secrets"] = [{"name": "KEY", "valueFrom": arn + ending}]
        new = ecs.register_task_definition(**document)["taskDefinition"]["taskDefinitionArn"]
        client = operator("ecs")
        self.update(client, taskDefinition=new)
        assert self.look(client)["deployments"][1]["rolloutState"] == "FAILED"
        [stopped] = self.tasks(client, desiredStatus="STOPPED")
        assert stopped["stopCode"] == "TaskFailedToStart"
        assert stopped["stoppedReason"].startswith("ResourceInitializationError: unable to pull secrets")

    def test_what_is_not_there_is_said_so(self, aws: StrictAws, ecs: Any) -> None:
        """Clusters, services, tasks and revisions."""
        given_service(aws)
        assert ecs.describe_services(cluster=CLUSTER, services=["no"])["failures"][0]["reason"] == "MISSING"
        assert ecs.describe_tasks(cluster=CLUSTER, tasks=["no"])["failures"] == [{"arn": "no", "reason": "MISSING"}]
        with refused("ClusterNotFoundException"):
            ecs.describe_services(cluster="no", services=["gateway"])
        with refused("ServiceNotFoundException"):
            ecs.update_service(cluster=CLUSTER, service="no")
        with refused("ServiceNotFoundException"):
            ecs.list_tasks(cluster=CLUSTER, serviceName="no")
        with refused("ClientException", "TaskDefinition not found."):
            self.update(ecs, taskDefinition="gateway:9")
        ecs.register_task_definition(**definition())
        ecs.deregister_task_definition(taskDefinition="gateway:2")
        with refused("ClientException", "TaskDefinition is inactive"):
            self.update(ecs, taskDefinition="gateway:2")
        ecs.delete_service(cluster=CLUSTER, service="gateway", force=True)
        with refused("ServiceNotActiveException"):
            self.update(ecs, forceNewDeployment=True)

    def test_requests_have_limits(self, aws: StrictAws, ecs: Any) -> None:
        """Ten services, a hundred tasks, pages of a hundred."""
        given_service(aws, desired=101)
        with refused("InvalidParameterException"):
            ecs.describe_services(cluster=CLUSTER, services=["gateway"] * 11)
        page = ecs.list_tasks(cluster=CLUSTER, serviceName="gateway")
        rest = ecs.list_tasks(cluster=CLUSTER, serviceName="gateway", nextToken=page["nextToken"])
        assert (len(page["taskArns"]), len(rest["taskArns"])) == (100, 1)
        with refused("InvalidParameterException"):
            ecs.describe_tasks(cluster=CLUSTER, tasks=page["taskArns"] + rest["taskArns"])

    def test_another_deployment_controller_takes_no_revision(self, aws: StrictAws, ecs: Any) -> None:
        """CodeDeploy and others have ways of their own."""
        given_service(aws, deploymentController={"type": "CODE_DEPLOY"})
        with refused("InvalidParameterException", "CODE_DEPLOY"):
            self.update(ecs, forceNewDeployment=True)

    def test_a_service_whose_tasks_cannot_start_has_none(self, aws: StrictAws, ecs: Any) -> None:
        """It is made all the same."""
        document = definition()
        document["containerDefinitions"][0]["secrets"] = [{"name": "K", "valueFrom": "arn:aws:secretsmanager:x:y:s:z"}]
        given_service(aws, document=document)
        assert self.look(ecs)["runningCount"] == 0


class TestTrouble:
    """Faults, and what is recorded."""

    def test_an_error_is_answered_as_often_as_was_asked(self, aws: StrictAws, operator: Any) -> None:
        """After that all is well, and the record says what came."""
        aws.fail("ListSecrets", "ThrottlingException", "Rate exceeded", times=2, after=1)
        client = operator("secretsmanager", attempts=5)
        client.list_secrets()
        client.list_secrets()
        outcomes = [call.outcome for call in aws.calls]
        assert outcomes == [None, "ThrottlingException", "ThrottlingException", None]
        assert aws.operations == ["ListSecrets"] * 4

    @pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
    def test_a_cut_loses_the_request_or_only_the_answer(
        self, aws: StrictAws, operator: Any, secrets: Any, when: Any, made: int
    ) -> None:
        """Before: nothing was done. After: it was done, and nobody knows."""
        aws.cut("CreateSecret", when=when)
        with pytest.raises(ConnectionClosedError):
            operator("secretsmanager").create_secret(Name=NAME, SecretString="x")
        assert len(secrets.list_secrets()["SecretList"]) == made
        assert [call.outcome for call in aws.calls] == ["cut"]

    def test_trouble_is_for_the_operator_alone(self, aws: StrictAws, secrets: Any) -> None:
        """Arranging meets none and leaves no record."""
        aws.fail("*", "AccessDeniedException", times=100)
        secrets.create_secret(Name=NAME, SecretString="x")
        assert aws.calls == []

    def test_the_query_protocol_has_its_own_errors(self, aws: StrictAws, operator: Any) -> None:
        """STS is asked in forms and answers in XML."""
        client = operator("sts")
        aws.fail("GetCallerIdentity", "ExpiredToken", "The security token included in the request is expired")
        with refused("ExpiredToken", "is expired"):
            client.get_caller_identity()
        assert client.get_caller_identity()["Account"] == ACCOUNT
        assert [call.outcome for call in aws.calls] == ["ExpiredToken", None]
        assert ROLE.split(":")[4] == ACCOUNT

    def test_requests_can_be_held_until_all_have_come(self, aws: StrictAws, operator: Any) -> None:
        """The first waits for the second; a third one finds the gate open."""
        aws.hold("ListSecrets", 2)
        clients = [operator("secretsmanager") for _ in range(2)]
        first = threading.Thread(target=clients[0].list_secrets)
        first.start()
        assert aws.calls == []
        clients[1].list_secrets()
        first.join()
        clients[0].list_secrets()
        assert aws.operations == ["ListSecrets"] * 3

    def test_all_well_ends_trouble_and_forgets_calls(self, aws: StrictAws, operator: Any) -> None:
        """So that a second run starts afresh."""
        aws.fail("*", "AccessDeniedException", times=100)
        client = operator("secretsmanager")
        with refused("AccessDeniedException"):
            client.list_secrets()
        aws.all_well()
        client.list_secrets()
        assert aws.operations == ["ListSecrets"]

    def test_each_account_starts_empty(self, aws: StrictAws, secrets: Any) -> None:
        """Nothing is left of the tests before."""
        assert secrets.list_secrets()["SecretList"] == []
