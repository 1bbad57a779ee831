"""The form of a registration, and when two of them are the same."""

import json
from typing import Any

import pytest
from botocore.session import get_session
from hypothesis import given
from hypothesis import strategies as st

from tickctl.core.ecs.registration import FIELDS, own_tags, read_file, registration, same, size
from tickctl.errors import ConfigurationError


def container(**more: Any) -> dict[str, Any]:
    """Return a container as somebody writes it."""
    return {"name": "gateway", "image": "gateway:1", **more}


def definition(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a task definition as somebody writes it."""
    return {
        "family": "gateway",
        "networkMode": "awsvpc",
        "containerDefinitions": list(containers or [container()]),
    } | more


def answered(document: dict[str, Any]) -> dict[str, Any]:
    """Return a definition as DescribeTaskDefinition shows it (recorded: what AWS adds to this one)."""
    filled = {
        "cpu": 0,
        "essential": True,
        "environment": [],
        "mountPoints": [],
        "volumesFrom": [],
        "systemControls": [],
    }
    return {
        "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/gateway:7",
        "revision": 7,
        "status": "ACTIVE",
        "requiresAttributes": [{"name": "ecs.capability.task-eni"}],
        "compatibilities": ["EC2", "FARGATE"],
        "registeredBy": "arn:aws:iam::123456789012:user/ci",
        "volumes": [],
        "placementConstraints": [],
        "enableFaultInjection": False,
        **document,
        "containerDefinitions": [filled | one for one in document["containerDefinitions"]],
    }


def test_fields_are_those_of_the_api() -> None:
    """All that RegisterTaskDefinition takes but the tags, which travel by themselves."""
    shape = get_session().get_service_model("ecs").operation_model("RegisterTaskDefinition").input_shape
    assert shape is not None
    assert FIELDS | {"tags"} == set(shape.members)


def test_registration_leaves_out_what_only_answers_have() -> None:
    """And members without a value."""
    assert registration(answered(definition()) | {"pidMode": None}).keys() <= FIELDS - {"pidMode"}


def test_what_aws_fills_in_makes_no_difference() -> None:
    """Otherwise every push of a file would register a revision."""
    ports = [{"containerPort": 8000}]
    mine = definition(
        container(portMappings=ports, healthCheck={"command": ["CMD", "true"]}), cpu=".25 vCPU", memory="0.5 GB"
    )
    theirs = answered(
        definition(
            container(
                portMappings=[{"containerPort": 8000, "hostPort": 8000, "protocol": "tcp"}],
                healthCheck={"command": ["CMD", "true"], "interval": 30, "timeout": 5, "retries": 3},
            ),
            cpu="256",
            memory="512",
        )
    )
    assert same(mine, theirs)


def test_port_of_the_host_is_filled_in_only_where_the_task_has_a_network() -> None:
    """On a bridge, 0 and nothing mean any port; the container's own port is something else."""
    none = definition(container(portMappings=[{"containerPort": 8000}]), networkMode="bridge")
    zero = definition(container(portMappings=[{"containerPort": 8000, "hostPort": 0}]), networkMode=None)
    fixed = definition(container(portMappings=[{"containerPort": 8000, "hostPort": 8000}]), networkMode="bridge")
    assert same(none, zero)
    assert not same(none, fixed)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (container(environment=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]),
         container(environment=[{"name": "B", "value": "2"}, {"name": "A", "value": "1"}])),
        (container(mountPoints=[{"sourceVolume": "a", "containerPath": "/a"}]),
         container(mountPoints=[{"containerPath": "/a", "sourceVolume": "a", "readOnly": False}])),
        (container(logConfiguration={"logDriver": "awslogs", "options": {}}),
         container(logConfiguration={"logDriver": "awslogs"})),
        (container(essential=True), container(cpu=0)),
    ],
)  # fmt: skip
def test_order_and_emptiness_make_no_difference(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Where ECS sees none either."""
    assert same(definition(one), definition(other))


@pytest.mark.parametrize(
    "change",
    [
        {"image": "gateway:2"},
        {"environment": [{"name": "A", "value": "1"}]},
        {"essential": False},
        {"cpu": 10},
        {"command": ["b", "a"]},
        {"secrets": [{"name": "A", "valueFrom": "a"}]},
        {"portMappings": [{"containerPort": 8000, "protocol": "udp"}]},
    ],
)
def test_real_differences_are_seen(change: dict[str, Any]) -> None:
    """In any field of a container."""
    assert not same(definition(container(command=["a", "b"])), definition(container(command=["a", "b"]) | change))


@pytest.mark.parametrize(
    ("member", "one", "other", "equal"),
    [
        ("cpu", "1 vCPU", "1024", True),
        ("cpu", "1vcpu", "512", False),
        ("memory", "2 GB", "2048", True),
        ("memory", "512 MB", "512", True),
        ("memory", "much GB", "much gb", False),
        ("memory", 512, 512, True),
        ("networkMode", "awsvpc", "host", False),
    ],
)
def test_units_are_read(member: str, one: object, other: object, equal: bool) -> None:
    """AWS keeps CPU units and MiB."""
    assert same(definition(**{member: one}), definition(**{member: other})) is equal


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), json_values))
def test_everything_is_the_same_as_itself(document: dict[str, Any]) -> None:
    """Whatever stands in it, comparing raises nothing."""
    assert same(document, json.loads(json.dumps(document)))


def test_size_is_that_of_the_registration_without_spaces() -> None:
    """AWS counts bytes, not characters, and not what it answers beside."""
    document = {"family": "é", "revision": 7}
    assert size(document) == len('{"family":"é"}'.encode())


@pytest.mark.parametrize("wrapped", [True, False])
def test_file_may_be_what_the_aws_command_prints_or_takes(wrapped: bool) -> None:
    """`describe-task-definition` wraps it, and puts the tags beside."""
    tags = [{"key": "team", "value": "agents"}, {"key": "aws:cloudformation:stack-name", "value": "x"}]
    inner = answered(definition())
    text = json.dumps({"taskDefinition": inner, "tags": tags} if wrapped else inner | {"tags": tags})
    found = read_file(text, name="task.json")
    assert found.document == registration(inner)
    assert found.tags == {"team": "agents"}


def test_file_without_tags_says_nothing_of_them() -> None:
    """So that those of the revision before are kept."""
    assert read_file(json.dumps(definition()), name="task.json").tags is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "task.json is no JSON"),
        ("{hunter2", "task.json is no JSON"),
        ("[" * 100_000, "task.json is no JSON"),
        ('"hunter2"', "no task definition"),
        ('[{"name": "gateway"}]', "no task definition"),
        ('{"ContainerDefinitions": []}', "no task definition"),
        ('{"containerDefinitions": "hunter2", "family": "a"}', "no task definition"),
        ('{"containerDefinitions": [], "famly": "hunter2"}', "fields that a task definition doesn't: famly"),
        ('{"containerDefinitions": []}', "has no 'family'"),
        ('{"containerDefinitions": [], "family": ""}', "has no 'family'"),
        ('{"containerDefinitions": [], "family": "a", "tags": {"a": "hunter2"}}', "tags that aren't a list"),
        ('{"containerDefinitions": [], "family": "a", "tags": ["hunter2"]}', "tags that aren't a list"),
    ],
)
def test_other_files_are_refused_without_their_text(text: str, message: str) -> None:
    """A file may hold plain secrets: only names of fields are told."""
    with pytest.raises(ConfigurationError, match=message) as refused:
        read_file(text, name="task.json")
    assert "hunter2" not in f"{refused.value.message} {refused.value.hint}"


def test_tags_of_aws_s_own_are_not_given() -> None:
    """AWS refuses them."""
    assert own_tags({"aws:x": "1", "team": "2"}) == {"team": "2"}
