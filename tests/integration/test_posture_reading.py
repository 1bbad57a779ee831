"""How an account is read for an audit: reading operations only, several at a time, and whatever may go wrong."""

import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pytest
from botocore import xform_name
from botocore.client import BaseClient

from facts_support import (
    allow,
    connected,
    given_group,
    given_role,
    given_secret,
    given_service,
    given_subnet,
    policy,
    read,
    referring,
    unread,
    unwatched,
)
from strict_aws import ACCOUNT, CLUSTER, REGION, ROLE, StrictAws
from tickctl.adapters.aws import open_aws
from tickctl.adapters.aws.client import Client
from tickctl.adapters.aws.posture import READ_OPERATIONS
from tickctl.adapters.aws.posture.operations import AT_ONCE, Reader, attempt
from tickctl.core.audit.facts import AccountFacts, LoadBalancer, SecretFacts, Subnet, Unread
from tickctl.core.audit.port import Scope
from tickctl.errors import ConflictError, NotFoundError, UnreachableError

GET = "secretsmanager:GetSecretValue"
STRANGE: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("describe_task_definition", {}),
    ("describe_task_definition", {"taskDefinition": {}}),
    ("describe_volumes", {"Volumes": [{}]}),
    ("describe_volumes", {"Volumes": [{"VolumeId": "vol-1"}]}),
    ("get_ebs_encryption_by_default", {}),
    ("describe_file_systems", {}),
    ("describe_file_systems", {"FileSystems": []}),
    ("describe_file_systems", {"FileSystems": [{"FileSystemId": "other", "Encrypted": True}]}),
    ("describe_route_tables", {"RouteTables": []}),
    ("describe_load_balancers", {"LoadBalancers": []}),
    ("describe_rules", {"Rules": [{}]}),
    ("simulate_principal_policy", {"EvaluationResults": []}),
    ("simulate_principal_policy", {"EvaluationResults": [{"EvalDecision": "perhaps"}]}),
    ("get_resource_policy", {"ResourcePolicy": "{"}),
    ("batch_get_image", {"images": [{"imageManifest": "{"}]}),
    ("batch_get_image", {"images": [{"imageManifest": "[]"}]}),
)
"""Answers that lack what AWS always says, by the client's method."""


@pytest.fixture
def account(aws: StrictAws) -> StrictAws:
    """An account with something of each kind that a service leads to."""
    subnet, vpc = given_subnet(aws)
    group = given_group(aws, vpc)
    arn = given_secret(aws, KEY="hunter2")
    given_role(aws, allow(GET))
    elb = aws.client("elbv2")
    balancer = elb.create_load_balancer(Name="front", Subnets=[subnet])["LoadBalancers"][0]["LoadBalancerArn"]
    targets = elb.create_target_group(Name="front", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")
    target = targets["TargetGroups"][0]["TargetGroupArn"]
    elb.create_listener(
        LoadBalancerArn=balancer,
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": target}],
    )
    volume = aws.client("efs").create_file_system(CreationToken="a")["FileSystemId"]
    aws.have_image("gateway", "1.4.2")
    efs = {"name": "shared", "efsVolumeConfiguration": {"fileSystemId": volume}}
    given_service(
        aws,
        document=referring(arn, "KEY") | {"volumes": [efs]},
        networkConfiguration=connected(subnet, groups=(group,)),
        loadBalancers=[{"targetGroupArn": target, "containerName": "gateway", "containerPort": 8000}],
    )
    return aws


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> dict[str, Mapping[str, Any]]:
    """Answers that stand in for AWS's, by the client's method."""
    answers: dict[str, Mapping[str, Any]] = {}

    send = BaseClient._make_api_call

    def answered(client: BaseClient, operation: str, parameters: dict[str, Any]) -> Mapping[str, Any]:
        method = xform_name(operation)
        return answers[method] if method in answers else send(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", answered)
    return answers


@pytest.fixture
def reader() -> Iterator[Reader]:
    """A reader that reaches nobody."""
    with Reader(lambda _service: Client(None), unwatched) as made:
        yield made


def _connected(aws: StrictAws, service: str) -> Client:
    return Client(aws.client(service))


def leaves(fact: object) -> Iterator[object]:
    """Yield everything that was read, in its smallest parts, and what was not."""
    if isinstance(fact, Mapping):
        for value in fact.values():
            yield from leaves(value)
    elif isinstance(fact, tuple | list):
        for value in fact:
            yield from leaves(value)
    elif dataclasses.is_dataclass(fact) and not isinstance(fact, Unread):
        for field in dataclasses.fields(fact):
            yield from leaves(getattr(fact, field.name))
    else:
        yield fact


def unread_in(facts: AccountFacts) -> list[Unread]:
    """Return all that could not be read."""
    return [fact for fact in leaves(facts) if isinstance(fact, Unread)]


def test_an_account_that_may_be_read_is_read_in_full(account: StrictAws) -> None:
    """Nothing is unread."""
    assert unread_in(read(account)) == []


def test_an_account_is_reached_as_ever(account: StrictAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the credentials of everything else."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in account.environ.items():
        monkeypatch.setenv(name, value)
    facts = open_aws(region=REGION).posture.read(Scope(), progress=unwatched)
    assert facts.region == REGION
    assert [one.name for one in facts.services] == ["gateway"]


def test_only_reading_operations_are_asked_for(account: StrictAws) -> None:
    """With a right or without."""
    read(account)
    account.deny("iam:SimulatePrincipalPolicy")
    read(account)
    asked = {f"{call.service}:{call.operation}" for call in account.calls} - {"ecr-layers:GET"}
    assert asked <= READ_OPERATIONS
    assert len(asked) > 20


def test_reading_operations_read() -> None:
    """By their names, and nothing else can be called by mistake."""
    reading = ("Describe", "List", "Get", "BatchGet", "Simulate")
    assert all(action.partition(":")[2].startswith(reading) for action in READ_OPERATIONS)


def test_another_operation_can_t_be_called(aws: StrictAws) -> None:
    """It is refused before anything is sent."""
    connect = partial(_connected, aws)
    with Reader(connect, unwatched) as reader, pytest.raises(AssertionError, match="ecs:DeleteCluster"):
        reader.client("ecs").call("delete_cluster", cluster=CLUSTER)
    assert aws.calls == []


def test_without_any_right_everything_is_unread(account: StrictAws) -> None:
    """An empty answer would look as if nothing were wrong."""
    account.fail("*", "AccessDeniedException", status=403, times=10_000)
    facts = read(account, Scope(CLUSTER, ("gateway",), ("gateway/production",)))
    assert len(facts.unlisted) == 1
    assert unread(facts.secrets["gateway/production"])
    assert unread(facts.volumes)
    assert unread(facts.default_encryption)


def test_what_is_denied_is_unread_and_raises_nothing(account: StrictAws) -> None:
    """Whichever operation it is; rights that there is another way around are no loss."""
    lost = set()
    for operation in READ_OPERATIONS:
        account.all_well()
        account.deny(operation)
        found = unread_in(read(account))
        assert all(operation in one.reason for one in found), operation
        lost |= {operation} if found else set()
    # This account has neither a policy attached to a role, nor TLS, nor a key of its own.
    unasked = {"elasticloadbalancing:DescribeSSLPolicies", "kms:GetKeyPolicy"}
    spare = {operation for operation in READ_OPERATIONS if operation.startswith("iam:")}
    assert lost == READ_OPERATIONS - unasked - spare


def test_trouble_on_the_way_leaves_the_rest_readable(account: StrictAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Throttling, an outage and a cut line, once the library has given up."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for operation in ("ListTasks", "DescribeSubnets", "DescribeFileSystems", "DescribeListeners"):
        troubles: tuple[Callable[[], None], ...] = (
            partial(account.cut, operation, when="before", times=100),
            partial(account.fail, operation, "Throttling", "Rate exceeded", times=100),
            partial(account.fail, operation, "InternalFailure", status=500, times=100),
        )
        for begin in troubles:
            account.all_well()
            begin()
            assert len(unread_in(read(account))) == 1, operation


def test_a_denial_of_one_kind_leaves_the_others(account: StrictAws) -> None:
    """Each is read by itself."""
    account.deny("ecs:DescribeTaskDefinition")
    facts = read(account)
    assert all(isinstance(one, Unread) for one in facts.definitions.values())
    assert all(isinstance(one, Subnet) for one in facts.subnets.values())
    assert all(isinstance(one, LoadBalancer) for one in facts.load_balancers.values())
    assert facts.secrets == {}


def test_requests_are_on_their_way_together(account: StrictAws) -> None:
    """Two that wait for each other both get their answers."""
    for name in ("one", "two"):
        given_service(account, name, desired=0)
    account.hold("DescribeTaskDefinition", 2)
    assert unread_in(read(account)) == []


def test_so_many_at_once_and_no_more(reader: Reader) -> None:
    """As many wait for each other as may be on their way, and there are never more."""
    together, lock, here, most = threading.Barrier(AT_ONCE, timeout=30), threading.Lock(), 0, 0

    def ask(_number: int) -> None:
        nonlocal here, most
        with lock:
            here += 1
            most = max(most, here)
        together.wait()
        with lock:
            here -= 1
        together.wait()

    reader.each("numbers", range(AT_ONCE * 3), ask)
    assert most == AT_ONCE <= 8


def test_progress_is_told_from_one_thread_up_to_the_end(account: StrictAws) -> None:
    """Each kind counts up to how many there are."""
    told: dict[str, list[tuple[int, int]]] = {}
    threads = set()

    def progress(what: str, done: int, total: int) -> None:
        told.setdefault(what, []).append((done, total))
        threads.add(threading.current_thread())

    given_service(account, "other")
    read(account, progress=progress)
    assert threads == {threading.current_thread()}
    assert told["task definitions"] == [(1, 2), (2, 2)]
    assert all(done <= total for counts in told.values() for done, total in counts)
    assert {"services", "tasks", "secrets", "subnets", "listeners", "images"} <= set(told)


def test_each_keeps_the_order_and_asks_once(reader: Reader) -> None:
    """Whichever answer comes first."""
    asked: list[int] = []
    assert list(reader.each("numbers", [3, 1, 3, 2], lambda number: asked.append(number) or -number).items()) == [
        (3, -3), (1, -1), (2, -2),
    ]  # fmt: skip
    assert sorted(asked) == [1, 2, 3]


def test_an_error_ends_the_reading(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """What hasn't begun by then never does."""
    asked, cancelled = [], threading.Event()

    def ask(number: int) -> None:
        asked.append(number)
        if number == 0:
            raise ConflictError("no")
        cancelled.wait()

    def shutdown(*, cancel_futures: bool) -> None:
        stop(wait=False, cancel_futures=cancel_futures)
        cancelled.set()
        stop()

    stop = reader._pool.shutdown
    monkeypatch.setattr(reader._pool, "shutdown", shutdown)
    with pytest.raises(ConflictError), reader:
        reader.each("numbers", range(100), ask)
    assert len(asked) <= AT_ONCE + 1


@pytest.mark.parametrize("response", [{"taskArns": ["a"], "nextToken": "again"}, {}])
def test_pages_that_aws_would_not_send_are_no_list(
    aws: StrictAws, scripted: dict[str, Mapping[str, Any]], response: Mapping[str, Any]
) -> None:
    """Pages that go round in a circle, or have no list: a proxy may answer anything."""
    scripted["list_tasks"] = response
    with pytest.raises(UnreachableError, match="isn't AWS"):
        _connected(aws, "ecs").pages("list_tasks", cluster=CLUSTER)


def test_an_attempt_tells_what_went_wrong_but_for_what_is_let_through() -> None:
    """In one sentence, without the value that was missing."""

    def fail(error: Exception) -> None:
        raise error

    assert attempt("this", lambda: fail(NotFoundError("gone"))) == Unread("this", "gone")
    assert attempt("this", lambda: fail(KeyError("hunter2"))) == Unread("this", "the answer lacks what AWS always says")
    with pytest.raises(NotFoundError):
        attempt("this", lambda: fail(NotFoundError("gone")), through=(NotFoundError,))


class TestStrangeAnswers:
    """Answers that AWS doesn't usually give."""

    def test_an_answer_without_the_facts_is_unread(
        self, account: StrictAws, scripted: dict[str, Mapping[str, Any]]
    ) -> None:
        """Never a default that looks like an answer."""
        account.deny("iam:GetRole")
        for method, answer in STRANGE:
            scripted.clear()
            scripted[method] = answer
            assert unread_in(read(account)), (method, answer)

    @pytest.mark.usefixtures("account")
    def test_a_simulation_that_lacks_context_can_t_tell(
        self, aws: StrictAws, scripted: dict[str, Mapping[str, Any]]
    ) -> None:
        """A no for want of a value is no no; a yes is a yes."""
        missing = ["aws:SourceVpce"]
        result = {"EvalDecision": "implicitDeny", "MissingContextValues": missing}
        scripted["simulate_principal_policy"] = {"EvaluationResults": [result]}
        assert "condition" in unread(read(aws).access[0].allowed).reason
        scripted["simulate_principal_policy"] = {"EvaluationResults": [result | {"EvalDecision": "allowed"}]}
        assert read(aws).access[0].allowed is True

    def test_between_accounts_both_have_to_allow_it(
        self, aws: StrictAws, scripted: dict[str, Mapping[str, Any]]
    ) -> None:
        """The secret's policy may allow it to the role's whole account."""
        arn = "arn:aws:secretsmanager:eu-west-1:999999999999:secret:shared-AbCdEf"
        given_service(aws, desired=0, document=referring(arn, "KEY"))
        given_role(aws, allow(GET))
        scripted["describe_secret"] = {"ARN": arn, "Name": "shared"}
        scripted["get_resource_policy"] = {}
        told = [read(aws).access[0].allowed]
        for principal in (ROLE, f"arn:aws:iam::{ACCOUNT}:root", "arn:aws:iam::111111111111:root"):
            document = policy(allow(GET, Principal={"AWS": principal}))
            scripted["get_resource_policy"] = {"ResourcePolicy": document}
            told.append(read(aws).access[0].allowed)
        assert told == [False, True, True, False]

    @pytest.mark.usefixtures("account")
    def test_a_black_hole_is_no_way_out(self, aws: StrictAws, scripted: dict[str, Mapping[str, Any]]) -> None:
        """Its gateway is gone; and one for egress only leads out. A route by a prefix list is one."""
        routes = [
            {"GatewayId": "igw-1", "State": "blackhole", "DestinationCidrBlock": "0.0.0.0/0"},
            {"GatewayId": "igw-2", "State": "active", "DestinationPrefixListId": "pl-1"},
            {"GatewayId": "eigw-1", "State": "active", "DestinationIpv6CidrBlock": "::/0"},
            {"GatewayId": "local", "State": "active", "DestinationCidrBlock": "10.0.0.0/16"},
        ]
        scripted["describe_route_tables"] = {"RouteTables": [{"Associations": [{"Main": True}], "Routes": routes}]}
        [subnet] = read(aws).subnets.values()
        assert isinstance(subnet, Subnet)
        assert isinstance(subnet.internet_routes, tuple)
        assert [(route.destination, route.gateway) for route in subnet.internet_routes] == [("pl-1", "igw-2")]

    def test_targets_of_blue_and_green_are_both_read(
        self, aws: StrictAws, scripted: dict[str, Mapping[str, Any]]
    ) -> None:
        """A deployment may move to the other one; task sets have some of their own."""
        arn = given_service(aws, desired=0)
        more = {"advancedConfiguration": {"alternateTargetGroupArn": "green"}}
        found = aws.client("ecs").describe_services(cluster=CLUSTER, services=["gateway"])["services"][0]
        network = connected("subnet-1", public=True)
        found |= {
            "loadBalancers": [{"targetGroupArn": "blue"} | more],
            "taskSets": [
                {
                    "taskDefinition": f"{arn}0",
                    "loadBalancers": [{"targetGroupArn": "set"}],
                    "networkConfiguration": network,
                }
            ],
        }
        scripted["describe_services"] = {"services": [found]}
        [service] = read(aws).services
        assert service.target_groups == ("blue", "green", "set")
        assert service.definitions == (arn, f"{arn}0")
        assert [one.public_ip for one in service.networks] == [True]


def test_no_secret_value_is_in_what_is_unread(account: StrictAws) -> None:
    """Whatever AWS quotes."""
    account.fail("GetSecretValue", "InvalidRequestException", "{request} {values}", times=100)
    facts = read(account)
    [secret] = facts.secrets.values()
    assert isinstance(secret, SecretFacts)
    assert unread(secret.version(stage=None, version_id=None))
    assert "hunter2" not in repr(facts)
