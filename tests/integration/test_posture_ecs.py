"""Reading services, tasks and task definitions for an audit."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from facts_support import connected, given_group, given_service, given_subnet, read, unread, with_container
from strict_aws import ACCOUNT, CLUSTER, ROLE, StrictAws
from tickctl.adapters.aws.client import Client
from tickctl.core.audit.port import Scope
from tickctl.core.ecs.model import EfsMount, ManagedVolume, Named, Network
from tickctl.core.secret import Secret
from tickctl.errors import ConfigurationError, NotFoundError


def test_all_services_of_all_clusters_are_read(aws: StrictAws) -> None:
    """Unless some are named."""
    for cluster, name in ((CLUSTER, "gateway"), (CLUSTER, "worker"), ("staging", "gateway")):
        given_service(aws, name, cluster=cluster)
    facts = read(aws)
    assert {(one.cluster_name, one.name) for one in facts.services} == {
        (CLUSTER, "gateway"), (CLUSTER, "worker"), ("staging", "gateway"),
    }  # fmt: skip
    assert facts.unlisted == ()
    assert {one.cluster_name for one in read(aws, Scope("staging")).services} == {"staging"}
    named = read(aws, Scope(CLUSTER, ("worker",)))
    assert [one.name for one in named.services] == ["worker"]
    assert [one.name for one in read(aws, Scope(named.services[0].arn.split("/")[1])).services] == ["gateway", "worker"]


def test_named_services_need_no_lists(aws: StrictAws) -> None:
    """Neither of clusters nor of services, so that no right to list them is needed."""
    given_service(aws)
    read(aws, Scope(CLUSTER, ("gateway",)))
    assert not {"ListClusters", "ListServices"} & set(aws.operations)
    aws.all_well()
    read(aws, Scope(CLUSTER))
    assert "ListClusters" not in aws.operations
    assert "ListServices" in aws.operations


@pytest.mark.parametrize(
    ("scope", "message"),
    [
        (Scope("nowhere"), "the cluster nowhere"),
        (Scope("nowhere", ("gateway",)), "the cluster nowhere"),
        (Scope(CLUSTER, ("gateway", "nobody")), "has no service nobody"),
        (Scope(CLUSTER, ("gone",)), "has no service gone"),
    ],
)
def test_what_is_named_must_exist(aws: StrictAws, scope: Scope, message: str) -> None:
    """A mistake in a name isn't a finding."""
    given_service(aws)
    given_service(aws, "gone", desired=0)
    aws.client("ecs").delete_service(cluster=CLUSTER, service="gone")
    with pytest.raises(NotFoundError, match=message):
        read(aws, scope)


def test_services_without_a_cluster_are_refused(aws: StrictAws) -> None:
    """Names of services say nothing alone."""
    with pytest.raises(ConfigurationError, match="no cluster"):
        read(aws, Scope(services=("gateway",)))
    assert aws.calls == []


def test_lists_and_batches_go_on_to_their_end(aws: StrictAws) -> None:
    """However short the pages are."""
    for number in range(12):
        given_service(aws, f"service-{number}", desired=3)
    aws.page = 2
    facts = read(aws, Scope(CLUSTER))
    assert {one.name for one in facts.services} == {f"service-{number}" for number in range(12)}
    assert all(isinstance(tasks, tuple) and len(tasks) == 3 for tasks in facts.tasks.values())
    assert len([call for call in aws.calls if call.operation == "DescribeServices"]) == 2


def test_an_account_without_clusters_has_no_services(aws: StrictAws) -> None:
    """That is known, and so isn't unread."""
    facts = read(aws)
    assert (facts.services, facts.unlisted, facts.definitions, facts.access) == ((), (), {}, ())


@pytest.mark.parametrize(
    ("operation", "scope", "what"),
    [
        ("ecs:ListClusters", Scope(), "the list of clusters"),
        ("ecs:ListServices", Scope(CLUSTER), f"the list of services of cluster {CLUSTER}"),
        ("ecs:DescribeServices", Scope(CLUSTER), "the services gateway"),
        ("ecs:DescribeServices", Scope(CLUSTER, ("gateway",)), "the services gateway"),
    ],
)
def test_a_list_that_is_denied_is_told(aws: StrictAws, operation: str, scope: Scope, what: str) -> None:
    """An empty list would look as if nothing were wrong."""
    given_service(aws)
    aws.deny(operation)
    facts = read(aws, scope)
    assert facts.services == ()
    [found] = facts.unlisted
    assert found.what == what
    assert operation in found.reason
    assert facts.volumes == ()


def test_a_service_tells_where_it_runs(aws: StrictAws) -> None:
    """Its own configuration and that of its deployments, each once."""
    subnet, vpc = given_subnet(aws)
    groups = given_group(aws, vpc, "one"), given_group(aws, vpc, "two")
    volume = {"name": "data", "managedEBSVolume": {"roleArn": ROLE, "encrypted": True}}
    unsaid = {"name": "more", "managedEBSVolume": {"roleArn": ROLE}}
    arn = given_service(
        aws,
        networkConfiguration=connected(subnet, groups=groups, public=True),
        volumeConfigurations=[volume, unsaid],
        loadBalancers=[{"loadBalancerName": "old", "containerName": "gateway", "containerPort": 8000}],
    )
    [service] = read(aws).services
    assert (service.name, service.cluster_name) == ("gateway", CLUSTER)
    assert service.definitions == (arn,)
    assert service.networks == (Network((subnet,), tuple(sorted(groups)), public_ip=True),)
    assert service.volumes == (ManagedVolume("data", encrypted=True), ManagedVolume("more", encrypted=None))
    assert service.classic_load_balancers == ("old",)


def test_tasks_tell_when_they_were_made_and_where_they_are(aws: StrictAws) -> None:
    """ECS fetches secrets after that time."""
    subnet, _ = given_subnet(aws)
    arn = given_service(aws, desired=2, networkConfiguration=connected(subnet))
    facts = read(aws)
    tasks = facts.tasks_of(facts.services[0])
    assert isinstance(tasks, tuple)
    assert len({task.arn for task in tasks}) == 2
    for task in tasks:
        assert task.task_definition == arn
        assert task.created_at is not None
        assert task.created_at.utcoffset() == timedelta(0)
        assert task.subnets == (subnet,)
        assert set(task.interfaces) <= set(facts.interfaces)
        assert task.interfaces


def test_revisions_of_old_tasks_are_read_as_well(aws: StrictAws) -> None:
    """What runs counts, not only what is to run."""
    old = given_service(aws)
    new = aws.client("ecs").register_task_definition(**with_container())["taskDefinition"]["taskDefinitionArn"]
    aws.client("ecs").update_service(cluster=CLUSTER, service="gateway", taskDefinition=new)
    facts = read(aws)
    assert facts.services[0].definitions == (new, old)
    assert list(facts.definitions) == [new, old]


@pytest.mark.parametrize("operation", ["ecs:ListTasks", "ecs:DescribeTasks"])
def test_denied_tasks_leave_the_service_readable(aws: StrictAws, operation: str) -> None:
    """All but them."""
    arn = given_service(aws)
    aws.deny(operation)
    facts = read(aws)
    [service] = facts.services
    assert operation in unread(facts.tasks_of(service)).reason
    assert service.definitions == (arn,)
    assert arn in facts.definitions


def test_a_definition_is_read_in_full(aws: StrictAws) -> None:
    """All that an audit judges; values only as secrets."""
    container: dict[str, Any] = {
        "environment": [{"name": "MODE", "value": "production"}],
        "entryPoint": ["sh"],
        "command": ["-c", "serve"],
        "healthCheck": {"command": ["CMD", "curl"]},
        "dockerLabels": {"team": "agents"},
        "logConfiguration": {
            "logDriver": "splunk",
            "options": {"splunk-url": "https://logs"},
            "secretOptions": [{"name": "splunk-token", "valueFrom": "parameter"}],
        },
        "secrets": [{"name": "KEY", "valueFrom": "other-parameter"}],
        "environmentFiles": [{"value": "arn:aws:s3:::files/a.env", "type": "s3"}],
        "linuxParameters": {"capabilities": {"add": ["SYS_PTRACE"]}},
    }
    volumes = [
        {"name": "shared", "efsVolumeConfiguration": {"fileSystemId": "fs-1", "transitEncryption": "ENABLED"}},
        {"name": "open", "efsVolumeConfiguration": {"fileSystemId": "fs-2"}},
        {"name": "data", "configuredAtLaunch": True},
        {"name": "own"},
    ]
    document = with_container(**container) | {"volumes": volumes, "pidMode": "task", "taskRoleArn": ROLE}
    arn = given_service(aws, document=document)
    found = read(aws).definitions[arn]
    assert (found.arn, found.name, found.network_mode) == (arn, "gateway:1", "awsvpc")
    assert (found.execution_role, found.pid_mode, found.ipc_mode) == (ROLE, "task", None)
    assert found.efs == (
        EfsMount("shared", "fs-1", transit_encryption=True),
        EfsMount("open", "fs-2", transit_encryption=False),
    )
    assert found.other_volumes == ()
    [made] = found.containers
    assert (made.name, made.image) == ("gateway", f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/gateway:1.4.2")
    assert made.environment == (Named("MODE", Secret("production")),)
    assert [word.reveal() for word in made.command] == ["sh", "-c", "serve", "CMD", "curl"]
    assert made.labels == (Named("team", Secret("agents")),)
    assert made.log_options == (Named("splunk-url", Secret("https://logs")),)
    assert made.secrets == (("KEY", "other-parameter"), ("splunk-token", "parameter"))
    assert (made.environment_files, made.added_capabilities) == (1, ("SYS_PTRACE",))
    assert not made.privileged


def test_what_only_instances_can_run_is_read_too(aws: StrictAws) -> None:
    """The host's network and folders, and containers with the host's rights."""
    document = with_container(privileged=True) | {
        "networkMode": "host",
        "requiresCompatibilities": ["EC2"],
        "ipcMode": "host",
        "volumes": [
            {"name": "root", "host": {"sourcePath": "/"}},
            {"name": "driver", "dockerVolumeConfiguration": {"scope": "shared", "driver": "nfs"}},
        ],
    }
    arn = given_service(aws, document=document, launchType="EC2")
    found = read(aws).definitions[arn]
    assert (found.network_mode, found.ipc_mode) == ("host", "host")
    assert found.other_volumes == ("driver",)
    assert found.containers[0].privileged


def test_values_of_a_definition_show_nowhere(aws: StrictAws) -> None:
    """Whatever is printed of the facts."""
    given_service(
        aws,
        document=with_container(
            environment=[{"name": "A", "value": "hunter2"}],
            command=["--password=hunter2"],
            dockerLabels={"b": "hunter2"},
            logConfiguration={"logDriver": "awslogs", "options": {"c": "hunter2"}},
        ),
    )
    facts = read(aws)
    assert facts.definitions
    assert "hunter2" not in repr(facts) + json.dumps(repr(facts))


def test_a_denied_definition_is_unread_and_the_rest_is_read(aws: StrictAws) -> None:
    """By its name."""
    arn = given_service(aws)
    aws.deny("ecs:DescribeTaskDefinition")
    facts = read(aws)
    found = unread(facts.definitions[arn])
    assert found.what == "task definition gateway:1"
    assert "ecs:DescribeTaskDefinition" in found.reason
    assert isinstance(facts.tasks_of(facts.services[0]), tuple)


def test_tasks_that_have_ended_since_are_left_out(aws: StrictAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing runs there any more, whether AWS says so or knows nothing of them; the others are read."""
    given_service(aws, desired=3)

    call = Client.call

    def ended(client: Client, method: str, **parameters: Any) -> Mapping[str, Any]:
        answer = call(client, method, **parameters)
        if method == "describe_tasks":
            gone, stopped, running = answer["tasks"]
            return {"tasks": [stopped | {"lastStatus": "STOPPED"}, running], "failures": [{"arn": gone["taskArn"]}]}
        return answer

    monkeypatch.setattr(Client, "call", ended)
    [tasks] = read(aws).tasks.values()
    assert isinstance(tasks, tuple)
    assert len(tasks) == 1


def test_a_service_whose_tasks_are_read_in_part_is_unread(aws: StrictAws) -> None:
    """A hundred tasks are described at a time; the rest might be the ones that matter."""
    given_service(aws, "many", desired=101)
    aws.fail("DescribeTasks", "AccessDeniedException", times=1, after=1)
    [tasks] = read(aws).tasks.values()
    assert "DescribeTasks" in unread(tasks).reason


def test_volumes_that_aws_doesn_t_manage_are_none_of_the_service_s(
    aws: StrictAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only those that ECS makes for tasks."""
    given_service(aws, desired=0)

    call = Client.call

    def with_volumes(client: Client, method: str, **parameters: Any) -> Mapping[str, Any]:
        answer = call(client, method, **parameters)
        if method == "describe_services":
            managed = {"name": "data", "managedEBSVolume": {"encrypted": False}}
            return {
                "services": [answer["services"][0] | {"taskSets": [{"volumeConfigurations": [{"name": "a"}, managed]}]}]
            }
        return answer

    monkeypatch.setattr(Client, "call", with_volumes)
    assert read(aws).services[0].volumes == (ManagedVolume("data", encrypted=False),)
