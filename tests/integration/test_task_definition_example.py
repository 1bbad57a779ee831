"""The example's task definition: AWS takes it, nothing is secret in it, and it runs what Docker Compose ran."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from strict_aws import StrictAws
from tickctl.core.ecs.registration import read_file
from tickctl.core.ecs.task_definition import rewrite

EXAMPLE = Path(__file__).parents[2] / "docs/examples/gateway"
TEXT = (EXAMPLE / "task-definition.json").read_text()
DOCKERFILE = (EXAMPLE / "Dockerfile").read_text().replace("\\\n", "")
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway/production-AbC1dE"


def keys() -> set[str]:
    """Return the names of the example's settings and secrets."""
    texts = [(EXAMPLE / "services" / name).read_text() for name in (".env.example", "keys.env.example")]
    return {name for text in texts for name in re.findall(r"^([A-Z_]+)=", text, re.MULTILINE)}


@pytest.fixture
def document() -> Any:
    """The task definition."""
    return json.loads(TEXT)


@pytest.fixture
def container(document: Any) -> Any:
    """Its one container."""
    [found] = document["containerDefinitions"]
    return found


def test_aws_takes_it_as_it_is(aws: StrictAws, document: Any) -> None:
    """Every field is one that RegisterTaskDefinition knows."""
    registered = aws.client("ecs").register_task_definition(**document)["taskDefinition"]
    assert (registered["family"], registered["revision"]) == ("gateway", 1)


def test_aws_takes_it_completed(aws: StrictAws) -> None:
    """All names of the env files become references to keys of one secret."""
    completed = rewrite(read_file(TEXT, name="x").document, arn=ARN, keys=keys(), known=keys())
    registered = aws.client("ecs").register_task_definition(**completed.document)["taskDefinition"]
    [found] = registered["containerDefinitions"]
    assert {each["name"]: each["valueFrom"] for each in found["secrets"]} == {key: f"{ARN}:{key}::" for key in keys()}
    assert found.get("environment", []) == []


def test_no_setting_stands_in_it(container: Any) -> None:
    """Neither secret nor plain: the secret is the one place where settings are."""
    assert "environment" not in container
    assert "environmentFiles" not in container
    assert "secrets" not in container
    assert not [name for name in keys() if name in TEXT]


def test_the_container_is_locked_up_as_with_compose(container: Any) -> None:
    """The same user as in the image, nothing writable, no capability."""
    assert [container["user"]] == re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE)
    assert container["readonlyRootFilesystem"] is True
    assert container["linuxParameters"] == {"capabilities": {"drop": ["ALL"]}}
    assert "privileged" not in container


def test_it_is_watched_as_the_image_is(container: Any) -> None:
    """ECS doesn't look at the image's own health check, so it stands here again."""
    [(interval, timeout, start, command)] = re.findall(
        r"^HEALTHCHECK --interval=(\d+)s --timeout=(\d+)s --start-period=(\d+)s\s+CMD (\[.+\])$",
        DOCKERFILE,
        re.MULTILINE,
    )
    check = container["healthCheck"]
    assert check["command"] == ["CMD", *json.loads(command)]
    assert [check["interval"], check["timeout"], check["startPeriod"]] == [int(interval), int(timeout), int(start)]


def test_it_has_the_time_to_finish_that_compose_gives(container: Any) -> None:
    """Longer than the server waits for requests, and the gate for settlements after that."""
    [grace] = re.findall(r"stop_grace_period: (\d+)s", (EXAMPLE / "compose.yaml").read_text())
    assert container["stopTimeout"] == int(grace)


def test_its_port_is_the_image_s(container: Any) -> None:
    """One port, that of the gateway."""
    assert [str(each["containerPort"]) for each in container["portMappings"]] == re.findall(
        r"^EXPOSE (\d+)$", DOCKERFILE, re.MULTILINE
    )


def test_roles_image_and_account_are_made_up(document: Any, container: Any) -> None:
    """AWS's own example account; two roles, since what starts a task needs more than what it runs."""
    assert document["executionRoleArn"] != document["taskRoleArn"]
    assert set(re.findall(r"\d{12}", TEXT)) == {"123456789012"}
    assert not container["image"].endswith(":latest")
