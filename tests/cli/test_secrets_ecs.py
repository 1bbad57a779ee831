"""`tickctl secrets ecs`: what a task definition needs, and completing one."""

import json
from pathlib import Path

import pytest

from aws_support import FILLED, TO, Operator
from strict_aws.arranged import definition

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway/production-AbCdEf"
BY_ARN = ("--secret-arn", ARN)


@pytest.fixture
def task(operator: Operator) -> Path:
    """A task definition in a file."""
    path = operator.folder / "task.json"
    document = definition("gateway", containers=("gateway", "log"), environment={"RABBITMQ_URL": "x", "LEVEL": "info"})
    path.write_text(json.dumps(document))
    return path


def test_block_needs_no_aws_if_the_arn_is_given(operator: Operator) -> None:
    """Each key by its name; nothing is asked."""
    result = operator.here("ecs", *BY_ARN)
    assert result.code == 0
    block = json.loads(result.out)
    assert {"name": "RABBITMQ_URL", "valueFrom": f"{ARN}:RABBITMQ_URL::"} in block
    assert {one["name"] for one in block} >= set(FILLED)
    assert operator.aws.calls == []
    assert operator.here("ecs", *BY_ARN, "--json").json == block


def test_arn_comes_from_aws_otherwise(operator: Operator) -> None:
    """By one request, which needs no right to read values."""
    assert operator.here("push", *TO, "--yes").code == 0
    operator.aws.all_well()
    result = operator.here("ecs", *TO, "--json")
    assert result.code == 0
    assert operator.aws.operations == ["DescribeSecret"]
    arn = operator.state()["ARN"]
    assert all(one["valueFrom"] == f"{arn}:{one['name']}::" for one in result.json)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--secret-arn", ARN.removesuffix("-AbCdEf")], 3, "lacks the hyphen and the six characters"),
        (["--secret-arn", "gateway"], 3, "not the ARN of a secret"),
        (TO, 6, "no secret gateway/production"),
        ([], 3, "which secret"),
        ([*BY_ARN, "--in-place"], 2, "need --task-definition"),
        ([*BY_ARN, "--output", "x.json"], 2, "need --task-definition"),
        ([*BY_ARN, "--container", "a"], 2, "need --task-definition"),
        ([*BY_ARN, "--task-definition", "task.json", "-i", "-o", "x.json"], 2, "exclude each other"),
        ([*BY_ARN, "--task-definition", "task.json"], 3, "--container: gateway, log"),
        ([*BY_ARN, "--task-definition", "task.json", "--container", "web"], 3, "no container web"),
        ([*BY_ARN, "--task-definition", "nowhere.json"], 3, "can't read nowhere.json: No such file"),
        ([*BY_ARN, "--task-definition", "services"], 3, "can't read services"),
        ([*BY_ARN, "--task-definition", "task.json", "--container", "log", "-o", "no/x.json"], 3, "can't write no/x"),
    ],
)
def test_what_can_t_be_meant_is_refused(
    operator: Operator, task: Path, arguments: list[str], code: int, message: str
) -> None:
    """Each with its exit code."""
    result = operator.here("ecs", *arguments)
    assert result.code == code
    assert message in result.err
    assert result.out == ""


@pytest.mark.parametrize(("content", "message"), [(b"\xff\xfe", "not UTF-8"), (b" " * 2_000_000, "larger than")])
def test_other_files_are_refused(operator: Operator, content: bytes, message: str) -> None:
    """Before they are taken for a definition."""
    (operator.folder / "task.json").write_bytes(content)
    result = operator.here("ecs", *BY_ARN, "--task-definition", "task.json")
    assert (result.code, message in result.err) == (3, True)


def test_definition_is_completed_on_stdout(operator: Operator, task: Path) -> None:
    """The chosen container gets all keys; plain values become references everywhere; the file stays."""
    before = task.read_text()
    result = operator.here("ecs", *BY_ARN, "--task-definition", "task.json", "--container", "gateway")
    assert result.code == 0
    gateway, log = json.loads(result.out)["containerDefinitions"]
    assert {one["name"] for one in gateway["secrets"]} >= set(FILLED)
    assert gateway["environment"] == log["environment"] == [{"name": "LEVEL", "value": "info"}]
    assert log["secrets"] == [{"name": "RABBITMQ_URL", "valueFrom": f"{ARN}:RABBITMQ_URL::"}]
    assert "container log: no longer has as plain values RABBITMQ_URL" in result.err
    assert task.read_text() == before


def test_references_to_other_keys_of_the_secret_stay(operator: Operator) -> None:
    """AWS isn't asked which keys there are, so none is known to be gone."""
    document = definition("gateway")
    document["containerDefinitions"][0]["secrets"] = [{"name": "OTHER", "valueFrom": f"{ARN}:OTHER::"}]
    (operator.folder / "task.json").write_text(json.dumps(document | {"tags": [{"key": "team", "value": "agents"}]}))
    result = operator.here("ecs", *BY_ARN, "--task-definition", "task.json")
    completed = json.loads(result.out)
    assert completed["containerDefinitions"][0]["secrets"][0] == {"name": "OTHER", "valueFrom": f"{ARN}:OTHER::"}
    assert completed["tags"] == [{"key": "team", "value": "agents"}]


def test_file_is_completed_in_place_once(operator: Operator, task: Path) -> None:
    """Its mode stays, and a second run finds nothing to do."""
    task.chmod(0o640)
    arguments = ("ecs", *BY_ARN, "--task-definition", "task.json", "--container", "gateway", "--in-place")
    dry = operator.here(*arguments, "--dry-run")
    assert (dry.code, "would write task.json" in dry.err) == (0, True)
    assert "secrets" not in task.read_text()
    assert operator.here(*arguments).code == 0
    assert "secrets" in task.read_text()
    assert task.stat().st_mode & 0o777 == 0o640
    completed = json.dumps(json.loads(task.read_text()))  # the same, otherwise written
    task.write_text(completed)
    again = operator.here(*arguments)
    assert "nothing differs" in again.err
    assert task.read_text() == completed
    assert sorted(path.name for path in operator.folder.iterdir() if path.name.startswith(".tick")) == []


def test_link_is_replaced_and_not_followed(operator: Operator, task: Path) -> None:
    """Whoever planted it gets nothing."""
    elsewhere = operator.folder / "elsewhere"
    elsewhere.write_text("stays")
    (operator.folder / "out.json").symlink_to(elsewhere)
    result = operator.here(
        "ecs", *BY_ARN, "--task-definition", "task.json", "--container", "gateway", "--output", "out.json"
    )
    assert result.code == 0
    assert elsewhere.read_text() == "stays"
    assert not (operator.folder / "out.json").is_symlink()


def test_file_that_can_t_be_written_leaves_nothing_behind(
    operator: Operator, task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, for instance: the file stays as it was."""
    before = task.read_text()

    def full(_descriptor: int, _mode: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fchmod", full)
    result = operator.here("ecs", *BY_ARN, "--task-definition", "task.json", "--container", "log", "--in-place")
    assert (result.code, "No space left on device" in result.err) == (3, True)
    assert task.read_text() == before
    assert [path.name for path in operator.folder.iterdir() if path.name.startswith(".tick")] == []
