"""What AWS and the network do to a push: a message, an exit code, the truth of what stands, and a second try."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest

from aws_support import QUICK, SECRET, SERVICE, TO, VALUES, Operator
from cli_support import Result
from strict_aws import CLUSTER, StrictAws, given_service
from strict_aws.arranged import definition

PUSH: Final = ("push", *TO, *SERVICE, *QUICK, "--yes")
# All calls of a push that changes one key and adds another. Reading comes before writing.
READS: Final = (
    "DescribeSecret",
    "GetSecretValue",
    "DescribeServices",
    "DescribeTaskDefinition",
    "DescribeTaskDefinition",
)
WRITES: Final = ("PutSecretValue", "DescribeServices", "RegisterTaskDefinition", "UpdateService")
FOLLOWS: Final = ("DescribeServices", "DescribeServices")
CALLS: Final = (*READS, *WRITES, *FOLLOWS)
FIRST_CALLS: Final = (
    "DescribeSecret",
    "DescribeServices",
    "DescribeTaskDefinition",
    "DescribeTaskDefinition",
    "GetCallerIdentity",
    "CreateSecret",
    "DescribeServices",
    "RegisterTaskDefinition",
    "UpdateService",
    *FOLLOWS,
)
ALWAYS: Final = 1000


@pytest.fixture
def changed(aws: StrictAws, operator: Operator) -> Operator:
    """An operator whose service runs the secret, and who has changed one key and added another."""
    operator.have_pushed()
    operator.write(TRANSLATION_API_PASSWORD="another-password", NEW_KEY="new")
    return operator


@pytest.fixture
def first(aws: StrictAws, operator: Operator) -> Operator:
    """An operator before the first push, whose service knows of no secret."""
    given_service(aws)
    operator.write(TRANSLATION_API_PASSWORD="another-password", NEW_KEY="new")
    return operator


@dataclass(frozen=True)
class Truth:
    """What really stands."""

    versions: int
    revisions: int
    deployment: str

    @classmethod
    def of(cls, operator: Operator) -> "Truth":
        """Look."""
        return cls(operator.versions(), len(operator.revisions()), operator.service()["deployments"][0]["id"])


def check_told(result: Result, operation: str, before: Truth, after: Truth) -> None:
    """Hold what was said to what stands: done, not done, or not known, and nothing that isn't so."""
    made = {
        "version": after.versions > before.versions,
        "revision": after.revisions > before.revisions,
        "deployment": after.deployment != before.deployment,
    }
    said = {
        "version": "wrote version" in result.err,
        "revision": "registered gateway:" in result.err,
        "deployment": "has begun" in result.err,
    }
    unknown = f"whether {operation} was carried out is not known" in result.err
    uncertain = {
        "PutSecretValue": "version",
        "CreateSecret": "version",
        "RegisterTaskDefinition": "revision",
        "UpdateService": "deployment",
    }.get(operation)
    for what, so in made.items():
        assert said[what] == so or (unknown and what == uncertain), (what, result.err)
    if unknown and uncertain == "deployment":
        assert "was not deployed" not in result.err
    if made["version"] and said["version"]:
        assert "the same command again" in result.err


def check_finished(operator: Operator, result: Result, *, versions: int) -> None:
    """Hold everything to what the files say, and to one version for it."""
    assert result.code == 0, result.err
    wanted = VALUES | {"TRANSLATION_API_PASSWORD": "another-password", "NEW_KEY": "new"}
    assert operator.stored() == wanted
    assert operator.aws.running("gateway") == [wanted] * 2
    [deployment] = operator.service()["deployments"]
    assert deployment["rolloutState"] == "COMPLETED"
    assert deployment["createdAt"] > operator.state()["LastChangedDate"]
    assert operator.versions() == versions


class TestEachCall:
    """Every single call of a push, refused, cut before it arrives, or cut before its answer does."""

    def test_a_push_makes_these_calls(self, aws: StrictAws, changed: Operator) -> None:
        """The list that the tests below go through is complete."""
        assert changed.here(*PUSH).code == 0
        assert tuple(aws.operations) == CALLS

    def test_a_first_push_makes_these_calls(self, aws: StrictAws, first: Operator) -> None:
        """The account has to be asked for, since no ARN tells it."""
        assert first.here(*PUSH).code == 0
        assert tuple(aws.operations) == FIRST_CALLS

    @pytest.mark.parametrize("number", range(len(CALLS)))
    def test_access_denied(self, aws: StrictAws, changed: Operator, number: int) -> None:
        """Exit code 4 names the action; before the first write nothing is changed; a second try finishes."""
        self.denied(aws, changed, CALLS, number)

    @pytest.mark.parametrize("number", range(len(FIRST_CALLS)))
    def test_access_denied_at_the_first_push(self, aws: StrictAws, first: Operator, number: int) -> None:
        """The same where there is no secret yet."""
        self.denied(aws, first, FIRST_CALLS, number)

    def denied(self, aws: StrictAws, operator: Operator, calls: tuple[str, ...], number: int) -> None:
        """Refuse one call for good."""
        before, operation = Truth.of(operator), calls[number]
        service = {"GetCallerIdentity": "sts"}.get(operation, "secretsmanager" if "Secret" in operation else "ecs")
        message = (
            f"User: arn:aws:iam::123456789012:user/operator is not authorized to perform: {service}:{operation} on "
            f"resource: arn:aws:thing because no identity-based policy allows the {service}:{operation} action"
        )
        aws.fail("*", "AccessDeniedException", message, after=number, times=ALWAYS)
        result = operator.here(*PUSH)
        assert result.code == 4, result.err
        assert f"AWS doesn't allow {service}:{operation} on arn:aws:thing" in result.err
        after = Truth.of(operator)
        check_told(result, operation, before, after)
        assert after == before or number > calls.index("UpdateService") - 3
        aws.all_well()
        check_finished(operator, operator.here(*PUSH), versions=before.versions + 1)

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("number", range(len(CALLS)))
    def test_the_network_is_gone(self, aws: StrictAws, changed: Operator, number: int, when: Any) -> None:
        """Exit code 5 says what stands and what isn't known; a second try finishes, with one version in all."""
        self.cut(aws, changed, CALLS, number, when)

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("number", range(len(FIRST_CALLS)))
    def test_the_network_is_gone_at_the_first_push(
        self, aws: StrictAws, first: Operator, number: int, when: Any
    ) -> None:
        """The same where there is no secret yet."""
        self.cut(aws, first, FIRST_CALLS, number, when)

    def cut(self, aws: StrictAws, operator: Operator, calls: tuple[str, ...], number: int, when: Any) -> None:
        """Cut the connection at one call, and at everything after it."""
        before, operation = Truth.of(operator), calls[number]
        aws.cut("*", when=when, after=number, times=1)
        aws.cut("*", when="before", after=number, times=ALWAYS)
        result = operator.here(*PUSH, "--timeout", "0.3")
        assert result.code == 5, result.err
        check_told(result, operation, before, Truth.of(operator))
        aws.all_well()
        check_finished(operator, operator.here(*PUSH), versions=before.versions + 1)

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("number", range(len(CALLS)))
    def test_a_connection_that_breaks_once_is_not_noticed(
        self, aws: StrictAws, changed: Operator, number: int, when: Any
    ) -> None:
        """The call is repeated; for the value with the same token, so that there is one version still."""
        aws.cut("*", when=when, after=number, times=1)
        result = changed.here(*PUSH)
        puts = [call.parameters["ClientRequestToken"] for call in aws.calls if call.operation == "PutSecretValue"]
        assert len(set(puts)) == 1
        assert len(puts) == (2 if CALLS[number] == "PutSecretValue" else 1)
        check_finished(changed, result, versions=2)


@pytest.mark.parametrize(
    ("operation", "states", "in_sync"),
    [
        ("PutSecretValue", {"NEW_KEY": "missing", "TRANSLATION_API_PASSWORD": "changed"}, False),
        ("RegisterTaskDefinition", {"NEW_KEY": "unreferenced", "TRANSLATION_API_PASSWORD": "staged"}, True),
        ("UpdateService", {"NEW_KEY": "unreferenced", "TRANSLATION_API_PASSWORD": "staged"}, True),
    ],
)
def test_status_and_diff_tell_what_a_broken_push_has_left(
    aws: StrictAws, changed: Operator, operation: str, states: Mapping[str, str], in_sync: bool
) -> None:
    """Which keys are in AWS, which ones tasks refer to, and which ones they have."""
    aws.fail(operation, "AccessDeniedException")
    assert changed.here(*PUSH).code == 4
    status = changed.here("status", *TO, *SERVICE, "--json")
    assert status.code == 1, status.err
    told = {each["key"]: each["state"] for each in json.loads(status.out)["keys"]}
    assert {name: told[name] for name in states} == states
    assert changed.here("diff", *TO).code == (0 if in_sync else 1)
    assert changed.here(*PUSH).code == 0
    assert changed.here("status", *TO, *SERVICE).code == 0


class TestRepetition:
    """Trouble that passes."""

    @pytest.mark.parametrize("code", ["ThrottlingException", "Throttling", "TooManyRequestsException"])
    def test_throttling_is_waited_out_with_the_same_token(self, aws: StrictAws, changed: Operator, code: str) -> None:
        """Four refusals and a fifth attempt make one version."""
        aws.fail("PutSecretValue", code, "Rate exceeded", times=4)
        check_finished(changed, changed.here(*PUSH), versions=2)
        puts = [call for call in aws.calls if call.operation == "PutSecretValue"]
        assert [call.outcome for call in puts] == [code] * 4 + [None]
        assert len({call.parameters["ClientRequestToken"] for call in puts}) == 1
        assert len(changed.slept) == 4

    @pytest.mark.parametrize("operation", sorted(set(CALLS)))
    @pytest.mark.parametrize(
        ("code", "status"), [("ThrottlingException", 400), ("InternalServiceError", 500), ("ServiceUnavailable", 503)]
    )
    def test_trouble_of_aws_that_does_not_end_is_told(
        self, aws: StrictAws, changed: Operator, operation: str, code: str, status: int
    ) -> None:
        """Five attempts, exit code 5; a second try finishes."""
        aws.fail(operation, code, "made up", status=status, times=ALWAYS)
        result = changed.here(*PUSH)
        assert result.code == 5, result.err
        assert code in result.err
        assert aws.operations.count(operation) >= 5
        aws.all_well()
        check_finished(changed, changed.here(*PUSH), versions=2)

    def test_a_first_push_that_is_repeated_makes_one_secret(self, aws: StrictAws, first: Operator) -> None:
        """The answer to CreateSecret was lost: the repetition has the same token, and so is the same write."""
        aws.cut("CreateSecret", when="after")
        check_finished(first, first.here(*PUSH), versions=1)

    def test_rollback_that_is_repeated_goes_back_once(self, aws: StrictAws, changed: Operator) -> None:
        """The answer to the move was lost: the repetition finds the label moved, and that is no conflict."""
        before = changed.stored()
        assert changed.here(*PUSH).code == 0
        aws.cut("UpdateSecretVersionStage", when="after")
        back = changed.here("rollback", *TO, *SERVICE, *QUICK, "--yes")
        assert back.code == 0, back.err
        assert changed.stored() == before
        assert aws.running("gateway") == [before] * 2

    @pytest.mark.parametrize("operation", ["UpdateSecretVersionStage", "RegisterTaskDefinition", "UpdateService"])
    def test_a_rollback_that_breaks_off_is_finished_by_the_command_it_names(
        self, aws: StrictAws, changed: Operator, operation: str
    ) -> None:
        """`--to` names the version, since a second `rollback` alone would go forward again."""
        before = changed.stored()
        assert changed.here(*PUSH).code == 0
        [version] = [each for each, stages in changed.state()["VersionIdsToStages"].items() if "AWSPREVIOUS" in stages]
        aws.cut(operation, when="after", times=ALWAYS)
        back = changed.here("rollback", *TO, *SERVICE, *QUICK, "--yes")
        assert back.code == 5, back.err
        assert f"--to {version}" in back.err
        aws.all_well()
        again = changed.here("rollback", *TO, *SERVICE, *QUICK, "--to", version, "--yes")
        assert again.code == 0, again.err
        assert changed.stored() == before
        assert aws.running("gateway") == [before] * 2
        assert changed.versions() == 2


@dataclass(frozen=True)
class Refusal:
    """An answer of AWS, and what a person learns of it."""

    code: str
    message: str
    exit_code: int
    told: str
    operation: str = "PutSecretValue"
    status: int = 400


REFUSALS: Final = (
    Refusal("ExpiredTokenException", "The security token included in the request is expired", 4, "have expired", "*"),
    Refusal("UnrecognizedClientException", "The security token … is invalid", 4, "doesn't know these credentials", "*"),
    Refusal("InvalidSignatureException", "The request signature we calculated …", 4, "rejects the signature", "*"),
    Refusal("AccessDeniedException", "Access to KMS is not allowed", 4, "KMS doesn't decrypt", "GetSecretValue"),
    Refusal("AccessDeniedException", "Access to KMS is not allowed", 4, "KMS doesn't encrypt"),
    Refusal("DecryptionFailure", "made up", 4, "KMS doesn't decrypt", "GetSecretValue"),
    Refusal("EncryptionFailure", "made up", 4, "KMS doesn't encrypt"),
    Refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret.", 6, "doesn't exist"),
    Refusal("ResourceExistsException", "You can't use ClientRequestToken …", 7, "somebody else has changed"),
    Refusal(
        "InvalidRequestException",
        "You can't perform this operation on the secret because it was marked for deletion.",
        7,
        "scheduled for deletion",
    ),
    Refusal("LimitExceededException", "made up", 3, "quota"),
    Refusal("InvalidParameterException", "made up", 3, "rejects PutSecretValue"),
    Refusal("ValidationException", "made up", 3, "rejects PutSecretValue"),
    Refusal("PreconditionNotMetException", "made up", 3, "rejects PutSecretValue"),
    Refusal("InternalServiceError", "made up", 5, "an internal error", status=500),
    Refusal("ThrottlingException", "Rate exceeded", 5, "throttling requests"),
    Refusal("ClusterNotFoundException", "Cluster not found.", 6, "cluster production", "DescribeServices"),
    Refusal("ClientException", "Unable to describe task definition.", 6, "doesn't exist", "DescribeTaskDefinition"),
    Refusal("ClientException", "made up reason", 3, "made up reason", "RegisterTaskDefinition"),
    Refusal("InvalidParameterException", "made up reason", 3, "made up reason", "UpdateService"),
    Refusal("ServiceNotFoundException", "Service not found.", 6, "service gateway", "UpdateService"),
    Refusal("ServiceNotActiveException", "Service was not ACTIVE.", 6, "service gateway", "UpdateService"),
    Refusal("PlatformUnknownException", "made up reason", 3, "made up reason", "UpdateService"),
    Refusal(
        "AccessDeniedException", "… is not authorized to perform: iam:PassRole", 4, "AWS", "RegisterTaskDefinition"
    ),
    Refusal("OptInRequired", "made up", 4, "credentials", "*"),
    Refusal("", "<html>Welcome to this hotel's network</html>", 5, "isn't AWS", "*", 403),
)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: f"{refusal.operation} {refusal.code}")
def test_what_aws_refuses_is_explained(aws: StrictAws, changed: Operator, refusal: Refusal) -> None:
    """A sentence, a hint and an exit code; and once the cause is mended, the same command finishes."""
    aws.fail(refusal.operation, refusal.code, refusal.message, status=refusal.status, times=ALWAYS)
    result = changed.here(*PUSH)
    assert result.code == refusal.exit_code, result.err
    assert refusal.told in result.err
    assert "error: " in result.err
    told = changed.here(*PUSH, "--json")
    assert told.code == refusal.exit_code
    assert refusal.told in json.loads(told.err.splitlines()[-1])["error"]["message"]
    aws.all_well()
    check_finished(changed, changed.here(*PUSH), versions=2)


class TestBeforeAsking:
    """What is refused before anything is written, most of it before AWS is asked."""

    def refuse(self, operator: Operator, code: int, *told: str, args: tuple[str, ...] = PUSH) -> None:
        """Expect a refusal that leaves everything as it is."""
        before = Truth.of(operator)
        result = operator.here(*args)
        assert result.code == code, result.err
        for text in told:
            assert text in result.err
        assert Truth.of(operator) == before

    @pytest.mark.parametrize(
        ("missing", "told"),
        [
            ({"AWS_REGION": ""}, "no AWS region is configured"),
            ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "there are no AWS credentials"),
            ({"AWS_SECRET_ACCESS_KEY": ""}, "incomplete"),
            ({"AWS_PROFILE": "nobody", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "profile"),
            ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "can't connect to AWS Secrets Manager"),
            ({"AWS_ENDPOINT_URL": "http://aws.example"}, "not https"),
        ],
    )
    def test_what_is_not_configured_is_named(
        self, aws: StrictAws, changed: Operator, missing: Mapping[str, str], told: str
    ) -> None:
        """Credentials, region, profile and endpoint, from the environment of the process alone."""
        result = changed.here(*PUSH, env=missing)
        assert result.code == (5 if "connect" in told else 3), result.err
        assert told in result.err
        assert aws.calls == []

    def test_a_secret_that_is_scheduled_for_deletion_is_restored_only_on_request(
        self, aws: StrictAws, changed: Operator
    ) -> None:
        """The refusal names --restore, which keeps the ARN that tasks refer to."""
        arn = changed.state()["ARN"]
        aws.client("secretsmanager").delete_secret(SecretId=SECRET, RecoveryWindowInDays=7)
        result = changed.here(*PUSH)
        assert result.code == 7
        assert "--restore" in result.err
        dry = changed.here(*PUSH, "--restore", "--dry-run")
        assert dry.code == 7, dry.err
        assert "DeletedDate" in changed.state()
        check_finished(changed, changed.here(*PUSH, "--restore"), versions=2)
        assert changed.state()["ARN"] == arn

    def test_a_secret_of_another_service_or_with_a_rotation_is_left_alone(
        self, aws: StrictAws, changed: Operator
    ) -> None:
        """Somebody else writes to it."""
        client = aws.client("secretsmanager")
        client.tag_resource(SecretId=SECRET, Tags=[{"Key": "aws:secretsmanager:owningService", "Value": "rds"}])
        self.refuse(changed, 3, "managed by the AWS service rds")

    def test_values_that_do_not_fit_are_refused(self, changed: Operator) -> None:
        """One secret holds 65 536 bytes, and says how many are too many."""
        changed.write(LARGE="0123456789" * 6_600)
        self.refuse(changed, 3, "65,536", "more than one secret holds")

    @pytest.mark.parametrize("name", ["with space", "with:colon", "ends-in-abcdef"])
    def test_a_name_that_aws_would_not_take_or_mistake_is_refused(
        self, aws: StrictAws, first: Operator, name: str
    ) -> None:
        """Names of a new secret; nothing is made."""
        self.refuse(first, 3, "name", args=("push", "--secret-id", name, *SERVICE))

    def test_the_key_of_kms_must_be_usable(self, aws: StrictAws, first: Operator) -> None:
        """A new secret under a key that isn't there isn't made; one whose key is disabled isn't read."""
        self.refuse(first, 4, "KMS", args=(*PUSH, "--kms-key", "alias/nobody"))
        kms = aws.client("kms")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        assert first.here(*PUSH, "--kms-key", key).code == 0
        kms.disable_key(KeyId=key)
        first.write(NEW_KEY="newer")
        self.refuse(first, 4, "KMS doesn't decrypt")

    @pytest.mark.parametrize(
        ("document", "told"),
        [
            (definition(role=None), "executionRoleArn"),
            (definition(containers=("gateway", "sidecar")), "sidecar"),
        ],
    )
    def test_a_definition_that_can_take_no_secrets_is_refused(
        self, aws: StrictAws, operator: Operator, document: dict[str, Any], told: str
    ) -> None:
        """No role to fetch them, or no word on which container gets them; before the secret is made."""
        given_service(aws, document=document)
        self.refuse(operator, 3, told)

    def test_an_old_platform_version_is_refused(self, aws: StrictAws, operator: Operator) -> None:
        """Fargate knows keys of a secret from 1.4.0 on; before, tasks would fail to start."""
        given_service(aws, platformVersion="1.3.0")
        self.refuse(operator, 3, "1.4.0")

    def test_a_service_of_another_deployment_controller_is_refused(self, aws: StrictAws, operator: Operator) -> None:
        """CodeDeploy deploys its services itself."""
        aws.client("ecs").create_cluster(clusterName=CLUSTER)
        given_service(aws)
        given_service(aws, "blue", deploymentController={"type": "CODE_DEPLOY"})
        self.refuse(operator, 3, "CODE_DEPLOY", args=(*PUSH, "--service", "blue"))

    def test_a_definition_that_grows_too_large_is_refused(self, aws: StrictAws, operator: Operator) -> None:
        """64 KiB hold some hundred references; the secret isn't made before that is known."""
        given_service(aws)
        operator.write(**{f"A_RATHER_LONG_NAME_FOR_A_KEY_{number}": "x" for number in range(600)})
        self.refuse(operator, 3, "ECS takes 65")

    @pytest.mark.parametrize(
        ("args", "told"),
        [
            (("--cluster", "nobody", "--service", "gateway"), "nobody"),
            (("--cluster", CLUSTER, "--service", "nobody"), "nobody"),
            (("--task-definition", "nobody"), "nobody"),
        ],
    )
    def test_what_is_not_there_is_named(
        self, aws: StrictAws, operator: Operator, args: tuple[str, ...], told: str
    ) -> None:
        """Exit code 6, and no secret was made for nobody."""
        given_service(aws)
        self.refuse(operator, 6, told, args=("push", *TO, *args))
