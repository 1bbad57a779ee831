"""`tickctl secrets pull`: a private env file that appears whole, and never over another one."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from aws_support import SECRET, TO, Operator
from terminal_support import converse
from tickctl.cli.console.files import private_file
from tickctl.core.secrets.checks import GitFacts
from tickctl.core.secrets.env_files import EnvFile, read, values
from tickctl.errors import InvalidInputError

HELD = {"B": 'it\'s "quoted" $HOME\n#2 \\', "A": "plain", "EMPTY": "", "ÜBER": "é"}
FIRST, SECOND = ("a" * 36, "b" * 36)
NOWHERE = "99999999-9999-4999-8999-999999999999"


@pytest.fixture
def stored(operator: Operator) -> Operator:
    """An operator whose secret has two versions."""
    client = operator.aws.client("secretsmanager")
    client.create_secret(Name=SECRET, SecretString='{"A":"before"}', ClientRequestToken=FIRST)
    client.put_secret_value(SecretId=SECRET, SecretString=json.dumps(HELD), ClientRequestToken=SECOND)
    return operator


def test_pulled_file_reads_back_and_is_private(stored: Operator) -> None:
    """Exactly the values of the current version, whatever characters they hold; nothing is left beside it."""
    result = stored.here("pull", *TO, "--output", "pulled.env")
    assert (result.code, result.out) == (0, "")
    file = stored.folder / "pulled.env"
    assert {name: value.reveal() for name, value in values(read([EnvFile("x", file.read_text())])).items()} == HELD
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"wrote 4 keys of secret {SECRET} in AWS account 123456789012, eu-west-1, version {SECOND}" in result.err
    assert not [path for path in stored.folder.iterdir() if path.name.startswith(".tickctl-")]
    assert not any(value in result.err for value in ("plain", "quoted", "before"))


@pytest.mark.parametrize("version", [FIRST, "previous"])
def test_earlier_version_can_be_pulled(stored: Operator, version: str) -> None:
    """By its id, or as the previous one."""
    result = stored.here("pull", *TO, "--version", version, "-o", "before.env", "--json")
    assert (stored.folder / "before.env").read_text() == "A=before\n"
    document = result.json
    assert document.pop("arn").startswith("arn:aws:secretsmanager:eu-west-1:123456789012:secret:")
    assert document == {
        "secret_id": SECRET,
        "version_id": FIRST,
        "file": "before.env",
        "keys": ["A"],
        "dry_run": False,
    }


def test_current_is_a_version_s_name_as_well(stored: Operator) -> None:
    """For scripts that have a variable in its place."""
    assert stored.here("pull", *TO, "--version", "current", "-o", "x.env", "--json").json["version_id"] == SECOND


def test_dry_run_writes_nothing(stored: Operator) -> None:
    """It reads the secret, so that the plan is the real one."""
    result = stored.here("pull", *TO, "--output", "pulled.env", "--dry-run", "--json")
    assert (result.code, result.json["dry_run"]) == (0, True)
    assert "would write 4 keys of secret" in result.err
    assert not (stored.folder / "pulled.env").exists()


def test_existing_file_is_left_alone(stored: Operator) -> None:
    """AWS isn't even asked."""
    file = stored.folder / "pulled.env"
    file.write_text("MINE=1\n")
    result = stored.here("pull", *TO, "--output", "pulled.env")
    assert (result.code, file.read_text()) == (2, "MINE=1\n")
    assert "pulled.env exists already" in result.err
    assert stored.aws.calls == []


def test_existing_file_is_written_over_when_told_twice(stored: Operator) -> None:
    """--force says which, --yes that it is meant; the new file is private whatever the old one was."""
    file = stored.folder / "pulled.env"
    file.write_text("MINE=1\n")
    file.chmod(0o644)
    refused = stored.here("pull", *TO, "--output", "pulled.env", "--force")
    assert (refused.code, file.read_text()) == (2, "MINE=1\n")
    assert "not confirmed: write over pulled.env" in refused.err
    planned = stored.here("pull", *TO, "--output", "pulled.env", "--force", "--dry-run")
    assert "over what it holds" in planned.err
    assert stored.here("pull", *TO, "--output", "pulled.env", "--force", "--yes").code == 0
    assert "A=plain" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_person_is_asked_before_a_file_is_written_over(stored: Operator) -> None:
    """A no leaves it as it is."""
    file = stored.folder / "pulled.env"
    file.write_text("MINE=1\n")
    arguments = ["secrets", "pull", *TO, "--output", str(file), "--force"]
    asked = {f"write over {file}? [y/N]: ": "n"}
    assert converse(arguments, asked, stored.environ).code == 130
    assert file.read_text() == "MINE=1\n"


@pytest.mark.parametrize("options", [[], ["--force", "--yes"]])
@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "pipe", "device"])
def test_only_plain_files_are_written(stored: Operator, kind: str, options: list[str]) -> None:
    """Never through a symlink, never to a terminal; and what was there stays."""
    other, output = stored.folder / "other", stored.folder / "output"
    other.write_text("MINE=1\n")
    match kind:
        case "link":
            output.symlink_to(other)
        case "dangling":
            output.symlink_to(stored.folder / "nowhere")
        case "folder":
            output.mkdir()
        case "pipe":
            os.mkfifo(output)
        case _:
            output = Path("/dev/stdout")
    result = stored.here("pull", *TO, "--output", str(output), *options)
    assert (result.code, result.out) == (2, "")
    assert "is no plain file" in result.err
    assert (other.read_text(), (stored.folder / "nowhere").exists()) == ("MINE=1\n", False)


def test_standard_output_is_refused(stored: Operator) -> None:
    """Values would be on a terminal, or in a build's log."""
    result = stored.here("pull", *TO, "--output", "-")
    assert (result.code, result.out) == (2, "")
    assert "secrets exec" in result.err


def test_folder_that_is_not_there(stored: Operator) -> None:
    """Said with the system's reason."""
    result = stored.here("pull", *TO, "--output", "nowhere/pulled.env")
    assert result.code == 2
    assert "can't write nowhere/pulled.env: No such file or directory" in result.err


def test_value_that_no_env_file_can_hold_leaves_no_file(operator: Operator) -> None:
    """It is named; nothing half-written is left."""
    text = json.dumps({"A": "1", "NUL": "hunter2\0"})
    operator.aws.client("secretsmanager").create_secret(Name=SECRET, SecretString=text)
    before = set(operator.folder.iterdir())
    result = operator.here("pull", *TO, "--output", "pulled.env")
    assert result.code == 3
    assert "NUL" in result.err
    assert "hunter2" not in result.err
    assert set(operator.folder.iterdir()) == before


@pytest.mark.parametrize(
    ("version", "code", "said"),
    [
        (NOWHERE, 6, f"has no version {NOWHERE}"),
        ("1", 2, "no version's id"),
        ("previous", 6, "has no previous version"),
    ],
)
def test_missing_versions(operator: Operator, version: str, code: int, said: str) -> None:
    """Not there is 6, nonsense is 2."""
    operator.aws.client("secretsmanager").create_secret(Name=SECRET, SecretString="{}")
    result = operator.here("pull", *TO, "--version", version, "--output", "pulled.env")
    assert result.code == code
    assert said in result.err


def test_token_pasted_as_version_is_not_repeated(stored: Operator) -> None:
    """It is as long as an id, and AWS's answer would quote it."""
    result = stored.here("pull", *TO, "--version", "sb_secret_mN3vXq81tQw0Lr5KcYpZ000000000", "--output", "x.env")
    assert result.code == 2
    assert "mN3vXq81" not in result.err
    assert stored.aws.calls == []


def test_file_that_git_would_take_along_is_warned_about(stored: Operator) -> None:
    """Not ignored, or tracked already; an ignored one is fine."""
    subprocess.run(["git", "init", "-q", "."], cwd=stored.folder, check=True)
    assert "git doesn't ignore pulled.env" in stored.here("pull", *TO, "-o", "pulled.env").err
    subprocess.run(["git", "add", "pulled.env"], cwd=stored.folder, check=True)
    assert "git tracks pulled.env" in stored.here("pull", *TO, "-o", "pulled.env", "--force", "--yes").err
    (stored.folder / ".gitignore").write_text("*.private\n")
    assert "warning" not in stored.here("pull", *TO, "-o", "a.private").err


def test_git_that_cannot_tell_is_warned_about(stored: Operator) -> None:
    """In a repository, without a git to ask."""
    (stored.folder / ".git").mkdir()
    result = stored.here("pull", *TO, "-o", "pulled.env", env={"PATH": str(stored.folder)})
    assert result.code == 0
    assert "can't tell whether git ignores pulled.env" in result.err


def test_file_that_appears_while_aws_is_asked_is_left_alone(stored: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look at the beginning is for the person; what counts is the moment of writing."""
    file = stored.folder / "pulled.env"

    def meanwhile(*_arguments: object) -> GitFacts:
        file.write_text("theirs")
        return GitFacts(repository=False)

    monkeypatch.setattr("tickctl.adapters.git.look_up", meanwhile)
    result = stored.here("pull", *TO, "--output", "pulled.env")
    assert (result.code, file.read_text()) == (2, "theirs")
    assert "pulled.env exists already; it was left as it is" in result.err


@pytest.mark.parametrize("kind", ["file", "link"])
def test_name_that_is_taken_meanwhile_is_left_alone(tmp_path: Path, kind: str) -> None:
    """Somebody makes the file, or a link, while ours is written."""
    taken = tmp_path / "taken"

    def race() -> None:
        with private_file(taken, exclusive=True) as stream:
            stream.write("ours")
            if kind == "file":
                taken.write_text("theirs")
            else:
                taken.symlink_to(tmp_path / "nowhere")

    with pytest.raises(InvalidInputError, match="exists already"):
        race()
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
    assert taken.is_symlink() or taken.read_text() == "theirs"


def test_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as FAT, which has no private files either."""

    def refuse(*_names: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("tickctl.files.os.link", refuse)
    with (
        pytest.raises(InvalidInputError, match="Operation not permitted"),
        private_file(tmp_path / "f", exclusive=True),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
