"""What a run is about: options, environment and profile, and what happens where they disagree."""

from pathlib import Path
from typing import Any

import pytest

from tickctl.cli.console.output import Output, Style
from tickctl.cli.console.run import BackendName, IdentityName, Run
from tickctl.cli.open.target import profile, secret_of, target
from tickctl.core.secrets.target import Target
from tickctl.errors import ConfigurationError, InvalidInputError

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway/production-AbCdEf"
PROFILES = """
[env.production]
secret-id = "gateway/production"
region = "eu-west-1"
cluster = "main"
services = ["gateway"]
task-definitions = ["gateway"]
containers = ["app"]
[env.bare]
cluster = "bare"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with profiles, and a shell that says nothing of AWS."""
    monkeypatch.chdir(tmp_path)
    for name in ("TICKCTL_SECRET_ID", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "tickctl.toml").write_text(PROFILES)
    return tmp_path


def run() -> Run:
    """Return a run of a command, without any option of its own."""
    return Run(output=Output(Style()), backend=BackendName.AUTO, identity=IdentityName.AUTO, env_files=None)


def test_a_profile_says_everything() -> None:
    """One word on the command line is enough."""
    found = target(run(), env_name="production")
    assert (found.secret_id, found.region, found.cluster) == ("gateway/production", "eu-west-1", "main")
    assert (found.services, found.task_definitions, found.containers) == (("gateway",), ("gateway",), ("app",))


def test_options_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the profile and over the environment, each for itself."""
    monkeypatch.setenv("TICKCTL_SECRET_ID", "from/environment")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    found = target(
        run(),
        env_name="production",
        secret_id="mine",
        region="eu-north-1",
        cluster="c",
        services=["s"],
        task_definitions=["t"],
        containers=["x"],
    )
    assert (found.secret_id, found.region, found.cluster) == ("mine", "eu-north-1", "c")
    assert (found.services, found.task_definitions, found.containers) == (("s",), ("t",), ("x",))
    assert found.env_name == "production"


def test_the_environment_stands_in_for_what_nobody_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a profile, or where the profile is silent."""
    monkeypatch.setenv("TICKCTL_SECRET_ID", "from/environment")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for env_name in (None, "bare"):
        found = target(run(), env_name=env_name)
        assert (found.secret_id, found.region) == ("from/environment", "us-east-1")
    monkeypatch.setenv("AWS_REGION", "us-east-2")
    assert target(run(), env_name=None).region == "us-east-2"


def test_env_files_say_it_too(folder: Path) -> None:
    """As for every other command."""
    (folder / ".env").write_text("TICKCTL_SECRET_ID=from/file\nAWS_REGION=us-east-1\n")
    found = target(run(), env_name="bare")
    assert (found.secret_id, found.region) == ("from/file", "us-east-1")


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("TICKCTL_SECRET_ID", "gateway/staging", "means another secret than profile production"),
        ("TICKCTL_SECRET_ID", ARN.replace("production", "staging"), "means another secret than profile production"),
        ("AWS_REGION", "us-east-1", "means another region than profile production"),
        ("AWS_DEFAULT_REGION", "us-east-1", "means another region than profile production"),
    ],
)
@pytest.mark.parametrize("place", ["environment", ".env"])
@pytest.mark.parametrize("default", [True, False])
def test_a_profile_and_an_environment_that_disagree_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str, place: str, default: bool
) -> None:
    """Half of one environment and half of another: that is how production gets the values of staging."""
    if place == "environment":
        monkeypatch.setenv(variable, value)
    else:
        (folder / ".env").write_text(f"{variable}={value}\n")
    if default:
        (folder / "tickctl.toml").write_text('default-env = "production"\n' + PROFILES)
    with pytest.raises(ConfigurationError) as caught:
        target(run(), env_name=None if default else "production")
    assert caught.value.message.startswith(f"{variable} ")
    assert words in caught.value.message
    assert (".env" in caught.value.message) is (place == ".env")


@pytest.mark.parametrize(
    "option", ["env_name", "secret_id", "region", "cluster", "services", "task_definitions", "containers"]
)
@pytest.mark.parametrize(
    "value",
    ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl", "sb_secret_hunter2hunter2", "hunter2-of-the-env-file"],
)
def test_a_secret_in_a_name_s_place_is_not_shown(folder: Path, option: str, value: str) -> None:
    """People paste; and the names of things are shown to everybody."""
    (folder / ".env").write_text("SUPABASE_JWT_SECRET=hunter2-of-the-env-file\n")
    given: dict[str, Any] = {"env_name": None}
    given[option] = [value] if option in {"services", "task_definitions", "containers"} else value
    with pytest.raises(InvalidInputError) as caught:
        target(run(), **given)
    assert caught.value.message.startswith(f"--{option.replace('_', '-').removesuffix('s')} is given ")
    assert value not in f"{caught.value.message} {caught.value.hint}"


def test_a_secret_in_the_environment_s_names_is_not_shown_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """TICKCTL_SECRET_ID is a name, whatever it sounds like."""
    monkeypatch.setenv("TICKCTL_SECRET_ID", "sb_secret_hunter2hunter2")
    with pytest.raises(InvalidInputError, match="TICKCTL_SECRET_ID is given a Supabase secret key"):
        target(run(), env_name=None)


def test_an_environment_that_agrees_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name and the ARN with that name mean the same."""
    monkeypatch.setenv("TICKCTL_SECRET_ID", ARN)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert target(run(), env_name="production").secret_id == "gateway/production"


def test_an_arn_brings_its_region(folder: Path) -> None:
    """And contradicts any other."""
    (folder / "tickctl.toml").unlink()
    assert target(run(), env_name=None, secret_id=ARN).region == "eu-west-1"
    with pytest.raises(ConfigurationError, match="the secret's ARN is of eu-west-1"):
        target(run(), env_name=None, secret_id=ARN, region="us-east-1")


def test_the_default_profile_is_named_when_it_is_used(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody should learn from the bill which one it was."""
    (folder / "tickctl.toml").write_text('default-env = "production"\n' + PROFILES)
    assert profile(run(), None).env_name == "production"
    assert capsys.readouterr().err == "using profile production, the default of tickctl.toml\n"
    assert profile(run(), "bare").env_name == "bare"
    assert capsys.readouterr().err == ""


def test_without_profiles_none_can_be_named(folder: Path) -> None:
    """And none is needed."""
    (folder / "tickctl.toml").unlink()
    assert profile(run(), None) == Target()
    with pytest.raises(ConfigurationError, match="there is no profile production"):
        profile(run(), "production")


def test_a_secret_must_be_named_somewhere() -> None:
    """The hint has the ways to do so."""
    assert secret_of(Target(secret_id="x")) == "x"
    with pytest.raises(ConfigurationError, match="nothing says which secret") as caught:
        secret_of(Target())
    for way in ("--secret-id", "TICKCTL_SECRET_ID", "--env-name"):
        assert way in str(caught.value.hint)
    with pytest.raises(ConfigurationError, match="profile bare names no secret"):
        secret_of(Target(env_name="bare"))
