"""The ECS adapter, against AWS's stand-in."""

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest

from strict_aws import CLUSTER, REGION, Step, StrictAws, given_service
from strict_aws.arranged import definition
from tickctl.adapters.aws import open_aws
from tickctl.adapters.aws.client import Client
from tickctl.adapters.aws.ecs import Ecs
from tickctl.core.ecs.port import ContainerPlatform
from tickctl.core.ecs.rollout import RolloutState, judge
from tickctl.errors import ConfigurationError, CredentialsRefusedError, NotFoundError, UnreachableError


@pytest.fixture
def platform(aws: StrictAws, monkeypatch: pytest.MonkeyPatch) -> ContainerPlatform:
    """The adapter in an account with the service `gateway`."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in aws.environ.items():
        monkeypatch.setenv(name, value)
    given_service(aws, "gateway")
    return open_aws(region=REGION).containers


def test_definition_comes_with_its_tags_and_without_times(aws: StrictAws, platform: ContainerPlatform) -> None:
    """By ARN, by family and revision, and by family; times are no JSON."""
    tags = [{"key": "team", "value": "agents"}]
    aws.client("ecs").register_task_definition(**definition("gateway"), tags=tags)
    found = platform.definition("gateway")
    assert (found.family, found.revision, found.tags) == ("gateway", 2, {"team": "agents"})
    assert found == platform.definition(found.arn) == platform.definition("gateway:2")
    assert all(isinstance(value, str | int | bool | list | dict) for value in found.document.values())
    assert platform.definition("gateway:1").tags == {}


@pytest.mark.parametrize("name", ["nobody", "gateway:9"])
def test_definition_that_isn_t_there_is_not_found(platform: ContainerPlatform, name: str) -> None:
    """AWS calls that a client's mistake."""
    with pytest.raises(NotFoundError, match=name):
        platform.definition(name)


def test_registering_makes_the_next_revision_with_tags(platform: ContainerPlatform) -> None:
    """The answer is what was made."""
    made = platform.register(definition("gateway"), tags={"team": "agents"})
    assert (made.revision, made.tags) == (2, {"team": "agents"})
    assert platform.definition("gateway").tags == {"team": "agents"}
    assert platform.register(definition("gateway"), tags={}).revision == 3


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"cpu": 256}, "cpu is to be a string"),
        ({"volumes": {"name": "a"}}, "volumes is to be a list"),
        ({"runtimePlatform": "hunter2"}, "runtimePlatform is to be an object"),
        ({"containerDefinitions": [{"name": "a", "comand": ["hunter2"]}]}, r"containerDefinitions\[0\].comand is no f"),
        ({"containerDefinitions": [{"cpu": True}]}, r"containerDefinitions\[0\].cpu is to be an integer"),
        ({"containerDefinitions": [{"essential": 1}]}, r"containerDefinitions\[0\].essential is to be a boolean"),
        ({"containerDefinitions": [{"dockerLabels": {"a": 1}}]}, r"\[0\].dockerLabels.a is to be a string"),
        ({"containerDefinitions": [{"environment": [{"name": 1}]}]}, r"\[0\].environment\[0\].name is to be a string"),
        ({"containerDefinitions": [{"ulimits": [{"name": "a"}]}]}, r"\[0\].ulimits\[0\].softLimit is missing"),
    ],
)
def test_misshapen_document_is_refused_unsent(
    aws: StrictAws, platform: ContainerPlatform, more: dict[str, Any], message: str
) -> None:
    """AWS's library would say so when it is too late, and quote the values."""
    platform.check(definition("gateway"))
    with pytest.raises(ConfigurationError, match=message) as refused:
        platform.check(definition("gateway") | more)
    assert "hunter2" not in str(refused.value)
    assert aws.calls == []


def test_services_come_in_the_order_of_their_names_ten_at_a_time(aws: StrictAws, platform: ContainerPlatform) -> None:
    """DescribeServices takes ten."""
    names = [f"service-{number:02}" for number in range(12)]
    for name in names:
        given_service(aws, name, desired=1)
    asked = [*reversed(names), "gateway"]
    assert [one.name for one in platform.services(CLUSTER, asked)] == asked
    assert aws.operations == ["DescribeServices", "DescribeServices"]


def test_service_is_told_whole(aws: StrictAws, platform: ContainerPlatform) -> None:
    """Everything that decisions rest on."""
    aws.roll_out("gateway", Step.COMPLETED)
    [found] = platform.services(CLUSTER, ["gateway"])
    assert (found.name, found.status, found.controller) == ("gateway", "ACTIVE", "ECS")
    assert found.task_definition.endswith("task-definition/gateway:1")
    assert found.primary is not None
    assert (found.primary.status, found.primary.rollout_state) == ("PRIMARY", "COMPLETED")
    assert (found.primary.desired, found.primary.running) == (2, 2)
    assert found.primary.created_at.tzinfo is not None
    assert platform.services(CLUSTER, [found.arn]) == (found,)


def test_old_platform_and_other_controllers_are_told(aws: StrictAws, platform: ContainerPlatform) -> None:
    """They are refused by whoever plans."""
    given_service(aws, "old", platformVersion="1.3.0")
    given_service(aws, "blue", deploymentController={"type": "CODE_DEPLOY"})
    old, blue = platform.services(CLUSTER, ["old", "blue"])
    assert (old.platform_version, blue.controller) == ("1.3.0", "CODE_DEPLOY")


@pytest.mark.parametrize(("cluster", "name"), [(CLUSTER, "nobody"), ("nowhere", "gateway")])
def test_service_that_isn_t_there_is_not_found(platform: ContainerPlatform, cluster: str, name: str) -> None:
    """Nor is the cluster."""
    with pytest.raises(NotFoundError, match=r"nobody|nowhere"):
        platform.services(cluster, [name])


def test_service_that_was_deleted_is_not_found(aws: StrictAws, platform: ContainerPlatform) -> None:
    """AWS goes on describing it for a while."""
    aws.client("ecs").delete_service(cluster=CLUSTER, service="gateway", force=True)
    with pytest.raises(NotFoundError, match="no service gateway"):
        platform.services(CLUSTER, ["gateway"])


def test_deployment_begins_and_comes_to_its_end(aws: StrictAws, platform: ContainerPlatform) -> None:
    """Its id is in the answer, and is followed."""
    [before] = platform.services(CLUSTER, ["gateway"])
    aws.roll_out("gateway", Step.IN_PROGRESS, Step.COMPLETED)
    begun = platform.deploy(CLUSTER, "gateway", task_definition=before.task_definition, force=True)
    assert begun.primary is not None
    assert before.primary is not None
    assert begun.primary.id != before.primary.id
    assert begun.primary.created_at > before.primary.created_at
    states = [judge(platform.services(CLUSTER, ["gateway"])[0], begun.primary.id) for _ in range(2)]
    assert states == [RolloutState.IN_PROGRESS, RolloutState.COMPLETED]


@pytest.mark.parametrize(("step", "state"), [(Step.FAILED, "failed"), (Step.REPLACED, "replaced")])
def test_deployment_that_ends_badly_is_recognized(
    aws: StrictAws, platform: ContainerPlatform, step: Step, state: str
) -> None:
    """Stopped tasks and events say why."""
    aws.roll_out("gateway", step)
    begun = platform.deploy(CLUSTER, "gateway", task_definition="gateway:1", force=True)
    assert begun.primary is not None
    [after] = platform.services(CLUSTER, ["gateway"])
    assert judge(after, begun.primary.id) is RolloutState(state)


def test_rolled_back_deployment_is_no_success(aws: StrictAws, platform: ContainerPlatform) -> None:
    """Though the service is stable in the end."""
    aws.roll_out("gateway", Step.ROLLED_BACK, Step.COMPLETED)
    second = platform.register(definition("gateway", environment={"A": "1"}), tags={})
    begun = platform.deploy(CLUSTER, "gateway", task_definition=second.arn, force=True)
    assert begun.primary is not None
    states = {judge(platform.services(CLUSTER, ["gateway"])[0], begun.primary.id) for _ in range(3)}
    assert states <= {RolloutState.FAILED, RolloutState.REPLACED}
    stopped = list(platform.tasks(CLUSTER, "gateway", stopped=True))
    assert any(task.stopped_reason for task in stopped)


def test_tasks_are_listed_page_by_page(aws: StrictAws, platform: ContainerPlatform) -> None:
    """DescribeTasks takes a hundred, and so does a page of ListTasks."""
    given_service(aws, "many", desired=120)
    tasks = list(platform.tasks(CLUSTER, "many"))
    assert len({task.arn for task in tasks}) == 120
    assert all(task.created_at and task.last_status == "RUNNING" for task in tasks)
    assert aws.operations == ["ListTasks", "ListTasks", "DescribeTasks", "DescribeTasks"]


def test_no_tasks_are_not_described(aws: StrictAws, platform: ContainerPlatform) -> None:
    """DescribeTasks wants at least one."""
    given_service(aws, "none", desired=0)
    assert list(platform.tasks(CLUSTER, "none")) == []
    assert aws.operations == ["ListTasks"]


@pytest.mark.parametrize(
    ("operation", "code", "error"),
    [
        ("DescribeServices", "AccessDeniedException", CredentialsRefusedError),
        ("DescribeServices", "ExpiredTokenException", CredentialsRefusedError),
        ("DescribeServices", "ServerException", UnreachableError),
    ],
)
def test_trouble_is_told_apart(
    aws: StrictAws, platform: ContainerPlatform, operation: str, code: str, error: type[Exception]
) -> None:
    """A refusal is an answer, an outage is none."""
    aws.fail(operation, code, "no", status=500 if error is UnreachableError else 400, times=100)
    with pytest.raises(error):
        platform.services(CLUSTER, ["gateway"])


@pytest.mark.parametrize("call", ["definition", "services", "deploy"])
def test_answer_that_isn_t_ecs_s_is_no_answer(call: str) -> None:
    """A proxy may answer anything."""

    class Stranger:
        def __init__(self) -> None:
            self.meta = SimpleNamespace(
                method_to_api_mapping=defaultdict(str),
                service_model=SimpleNamespace(service_name="ecs"),
                region_name=REGION,
                endpoint_url="https://ecs.eu-west-1.amazonaws.com",
            )

        def __getattr__(self, name: str) -> Any:
            return lambda **_: {"services": [{}], "service": {}}

    platform = Ecs(Client(Stranger()))
    calls: dict[str, Any] = {
        "definition": lambda: platform.definition("gateway"),
        "services": lambda: platform.services("main", ["gateway"]),
        "deploy": lambda: platform.deploy("main", "gateway", task_definition="gateway:1", force=True),
    }
    with pytest.raises(UnreachableError, match="isn't AWS"):
        calls[call]()


def test_service_of_task_sets_has_no_definition_of_its_own(aws: StrictAws, platform: ContainerPlatform) -> None:
    """Whatever deploys it from outside has to do it."""
    client = aws.client("ecs")
    client.create_service(
        cluster=CLUSTER, serviceName="outside", desiredCount=1, deploymentController={"type": "EXTERNAL"}
    )
    with pytest.raises(ConfigurationError, match="service outside has no task definition of its own"):
        platform.services(CLUSTER, ["outside"])
