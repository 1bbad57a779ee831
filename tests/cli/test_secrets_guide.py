"""docs/SECRETS.md can be followed to the letter, and shows what the commands say."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from aws_support import EXAMPLE, FILLED, Operator, fill
from guide_support import agrees, plain, shown, type_command, unsaid
from strict_aws import CLUSTER, Step, StrictAws, given_service
from strict_aws.arranged import definition
from tickctl.adapters.profiles import find_profiles
from tickctl.core.ecs.key_states import KeyState
from tickctl.core.secrets.iam import Holder
from tickctl.core.tokens.policy import DEFAULT_LEEWAY

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "SECRETS.md").read_text()
COLUMNS: Final = 100
OLD: Final = "q8WVkm2vT5yzR7nB4xK9pL3sD6fG1hJ0"
NEW: Final = "x1YbZc3aE5gI7kM9oQ2sU4wV6yA8bD0f"


class Reader:
    """Somebody who follows the page on a terminal, in a folder like the example's."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator

    def type(self, command: str) -> tuple[int, list[str]]:
        """Run a command; return its exit code, and what the terminal shows."""
        return type_command(command, self.operator.folder, self.operator.environ, COLUMNS)

    def rotate(self) -> None:
        """Put the new JWT secret beside the old one."""
        self.operator.write(SUPABASE_JWT_SECRET=NEW, SUPABASE_JWT_SECRET_PREVIOUS=OLD)

    def forget(self) -> None:
        """Take the line of the previous secret away."""
        file = self.operator.folder / "services" / "keys.env"
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join(line for line in lines if "_PREVIOUS" not in line))


@pytest.fixture
def reader(operator: Operator, aws: StrictAws) -> Reader:
    """A reader with the example's files, the page's profiles, and a service that runs without the secret."""
    folder = operator.folder
    fill(folder, FILLED | {"SUPABASE_JWT_SECRET": OLD, "TRANSLATION_API_PASSWORD": "correct-horse-battery"})
    shutil.copy(EXAMPLE / ".gitignore", folder)
    shutil.copy(EXAMPLE / "task-definition.json", folder)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    (folder / "tickctl.toml").write_text(profiles())
    given_service(aws, document=definition(environment={"LOG_LEVEL": "info"}))
    aws.roll_out("gateway", Step.COMPLETED)
    return Reader(operator)


def profiles() -> str:
    """Return the page's tickctl.toml."""
    [block] = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    return str(block)


def test_the_page_can_be_followed_to_the_letter(reader: Reader) -> None:
    """Every command ends well, in its order, and shows what stands there."""
    diff = 'tickctl secrets diff --env-name production || echo "exit code $?"'
    push = "tickctl secrets push --env-name production --yes"
    by_hand = {
        (diff, 1): lambda: reader.operator.write(RABBITMQ_URL="amqps://gateway:new@rabbitmq.internal:5671/"),
        (push, 2): reader.rotate,
        (push, 3): lambda: reader.operator.write(SUPABASE_JWT_SECRET_PREVIOUS=""),
        ('tickctl secrets diff --env-name production --prune || echo "exit code $?"', 1): reader.forget,
    }
    times: dict[str, int] = {}
    wrong = []
    for each in shown(PAGE):
        times[each.command] = times.get(each.command, 0) + 1
        prepare = by_hand.pop((each.command, times[each.command]), None)
        if prepare:
            prepare()
        code, said = reader.type(each.command)
        if code or not agrees(plain(each.lines), plain(said)):
            wrong.append("\n".join([f"$ {each.command}", *said, f"({code})"]))
    assert not wrong, "\n\n".join(wrong)
    assert not by_hand
    assert reader.operator.stored()["SUPABASE_JWT_SECRET"] == NEW
    assert "SUPABASE_JWT_SECRET_PREVIOUS" not in reader.operator.stored()
    assert [task["SUPABASE_JWT_SECRET"] for task in reader.operator.aws.running("gateway")] == [NEW] * 2


def test_a_rollback_by_the_circuit_breaker_looks_as_on_the_page(reader: Reader) -> None:
    """The lines of a failed deployment are real ones."""
    [block] = re.findall(r"^```\n(warning: .*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    command = "tickctl secrets push --env-name production --yes"
    code, said = reader.type(f"{command} --task-definition task-definition.json")
    assert code == 0, said
    reader.operator.write(RABBITMQ_URL="amqps://gateway:wrong@rabbitmq.internal:5671/")
    reader.operator.aws.roll_out("gateway", Step.IN_PROGRESS, Step.ROLLED_BACK)
    code, said = reader.type(f"{command} --poll 0")
    assert code == 1
    assert [line for line in plain(block.splitlines()) if line not in plain(said)] == []


def test_the_example_s_way_to_production_can_be_gone(reader: Reader) -> None:
    """Its commands look first, and need no profile."""
    text = (EXAMPLE / "README.md").read_text()
    section = text[text.index("## From Compose to production") :]
    [block] = re.findall(r"```console\n(.*?)```", section, flags=re.DOTALL)
    (reader.operator.folder / "tickctl.toml").unlink()
    commands = [line.strip().removeprefix("$ ") for line in block.replace("\\\n", "").splitlines() if line.strip()]
    assert [command.split()[2] for command in commands] == ["check", "push"]
    for command in commands:
        code, said = reader.type(command)
        assert code == 0, said
    assert reader.operator.versions() == 0


def test_the_readme_shows_what_the_page_shows() -> None:
    """So that its lines are real ones, too."""
    readme = (ROOT / "README.md").read_text()
    section = readme[readme.index("## Secrets to ECS") :]
    [block, *_] = re.findall(r"```console\n(.*?)```", section, flags=re.DOTALL)
    answers = [line for line in block.splitlines() if not line.startswith("$ ")]
    assert len(answers) > 5
    known = plain(PAGE.splitlines())
    assert [line for line in plain(answers) if line not in known] == []


def test_every_message_of_the_troubleshooting_tables_is_said_by_the_program() -> None:
    """A reader searches the page for what stands on the screen."""
    trouble = PAGE[PAGE.index("## 12.") :]
    assert len(re.findall(r"^\| `", trouble, re.MULTILINE)) > 30
    assert unsaid(trouble) == []


def test_every_state_and_every_holder_of_a_policy_is_explained() -> None:
    """Scripts read the states, and people choose among the policies."""
    tables = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    named = {name for cell in tables for name in re.findall(r"`([a-z_-]+)`", cell)}
    assert {state.value for state in KeyState} | {holder.value for holder in Holder} <= named


def test_the_profiles_of_the_page_are_read(tmp_path: Path) -> None:
    """All of their keys are known."""
    (tmp_path / "tickctl.toml").write_text(profiles())
    found = find_profiles(tmp_path)
    assert found is not None
    assert set(found.by_name) == set(tomllib.loads(profiles())["env"]) == {"production", "staging"}
    assert found.named("production").target.cluster == CLUSTER


def test_the_trust_policy_admits_one_repository_s_environment() -> None:
    """Neither every repository, nor every branch of one."""
    [trust] = [json.loads(block) for block in re.findall(r"```json\n(\{.*?)```", PAGE, flags=re.DOTALL)]
    [statement] = trust["Statement"]
    condition = statement["Condition"]
    assert set(condition) == {"StringEquals"}
    assert set(condition["StringEquals"]) == {
        "token.actions.githubusercontent.com:aud",
        "token.actions.githubusercontent.com:sub",
    }
    assert "*" not in json.dumps(trust)


def test_the_workflow_has_no_more_rights_than_it_needs() -> None:
    """It may be vouched for and read the code; its files are private from the first byte, and it has no AWS key."""
    yaml = pytest.importorskip("yaml", reason="PyYAML reads the workflow")
    [block] = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    workflow: Any = yaml.safe_load(block)
    job = workflow["jobs"]["push"]
    assert workflow["permissions"] == {}
    assert job["permissions"] == {"id-token": "write", "contents": "read"}
    [writing] = [step for step in job["steps"] if "env" in step]
    assert writing["run"].startswith("umask 077\n")
    assert "AWS_" not in block
    assert job["steps"][-1] == {"run": "tickctl secrets push --env-name production --yes"}


def test_the_overlap_is_as_long_as_the_page_says() -> None:
    """A token's life, and what the gateway grants for clocks that differ."""
    assert f"The gateway grants {DEFAULT_LEEWAY}\n   seconds on top" in PAGE
