"""Profiles: what they may say, where they are looked for, and what is refused."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tickctl.adapters.profiles import complete, find_profiles
from tickctl.core.secrets.profile import Profiles, parse
from tickctl.core.secrets.shapes import secret_shape
from tickctl.core.secrets.target import Target
from tickctl.errors import ConfigurationError

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway/production-AbCdEf"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl"
FULL = """
default-env = "staging"
[env.staging]
[env.production]
secret-id = "gateway/production"
region = "eu-west-1"
account = "123456789012"
kms-key = "alias/gateway"
tags = { team = "agents" }
cluster = "main"
services = ["gateway"]
task-definitions = ["gateway", "ecs/gateway.json"]
containers = ["gateway"]
env-files = ["services/.env", "services/keys.env"]
required = ["SUPABASE_URL"]
required-from = "keys.env.example"
"""


def write(path: Path, text: str) -> Path:
    """Make a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def production(**fields: object) -> Mapping[str, Any]:
    """Return a document with one profile, which holds these keys."""
    return {"env": {"production": {name.replace("_", "-"): value for name, value in fields.items()}}}


def found(folder: Path) -> Profiles:
    """Return the profiles for a folder, where there are some."""
    profiles = find_profiles(folder)
    assert profiles is not None
    return profiles


def test_a_profile_says_all_that_a_push_needs(tmp_path: Path) -> None:
    """Every key ends in the target, and files are meant from the profile's own folder."""
    write(tmp_path / "tickctl.toml", FULL)
    profiles = found(tmp_path)
    assert profiles.default == "staging"
    profile = profiles.named("production")
    assert profile.required_from == "keys.env.example"
    assert profile.target == Target(
        env_name="production",
        secret_id="gateway/production",
        region="eu-west-1",
        account="123456789012",
        kms_key="alias/gateway",
        tags={"team": "agents"},
        cluster="main",
        services=("gateway",),
        task_definitions=("gateway", "ecs/gateway.json"),
        containers=("gateway",),
        env_files=("services/.env", "services/keys.env"),
        required=("SUPABASE_URL",),
    )


def test_pyproject_holds_the_same_in_a_table_of_its_own(tmp_path: Path) -> None:
    """One file less for projects in Python."""
    write(tmp_path / "tickctl.toml", FULL)
    own = found(tmp_path)
    (tmp_path / "tickctl.toml").unlink()
    write(
        tmp_path / "pyproject.toml",
        FULL.replace("[env.", "[tool.tickctl.env.").replace("def", "[tool.tickctl]\ndef", 1),
    )
    shared = found(tmp_path)
    assert (shared.default, shared.by_name) == (own.default, own.by_name)
    assert shared.file == "pyproject.toml"


def test_required_names_come_from_an_example_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that the example assigns, with a value or without; comments require nothing."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "tickctl.toml", FULL)
    write(tmp_path / "keys.env.example", "# ONE=\nSUPABASE_URL=\nTWO=<two>\nTWO=\n")
    assert complete(found(Path.cwd()).named("production")).required == ("SUPABASE_URL", "TWO")
    assert complete(found(Path.cwd()).named("staging")).required == ()


def test_an_arn_says_the_region(tmp_path: Path) -> None:
    """It stands in it, so nobody has to repeat it."""
    assert parse(production(secret_id=ARN), file="t").named("production").target.region == "eu-west-1"


@pytest.mark.parametrize(
    ("document", "words", "hint"),
    [
        (production(servces=["gateway"]), "t: env.production.servces is no key", "did you mean services?"),
        (production(password="x"), "env.production.password is no key", "known are secret-id"),
        ({"environments": {}}, "environments is no key", "known are"),
        ({"env": []}, "env must be a table", None),
        ({"env": {"production": "x"}}, "env.production must be a table", None),
        ({"env": {"pro duction": {}}}, "whose name isn't one", "letters"),
        ({"default-env": "prod", "env": {"production": {}}}, "default-env names a profile", "there is production"),
        ({"default-env": "prod"}, "default-env names a profile", "none at all"),
        ({"default-env": 1}, "default-env must be text", "in quotes"),
        (production(account=123456789012), "env.production.account must be text", "12 digits in quotes"),
        (production(account="1234"), "env.production.account is not an account's 12 digits", None),
        (production(region="Ireland"), "env.production.region is not a region", None),
        (production(secret_id="gateway production"), "secret-id is not a secret's name", None),
        (production(secret_id=""), "secret-id is not a secret's name", None),
        (production(kms_key="gateway"), "kms-key is not a KMS key", None),
        (production(services="gateway"), "services must be a list", "between brackets"),
        (production(services=["a", 1]), "services[1] must be text", None),
        (production(services=["a", "a"]), "services names something twice", None),
        (production(containers=["a b"]), "containers[0] is not containers' names", None),
        (production(task_definitions=["a b"]), "task-definitions[0] is not families", None),
        (production(required=["A=b"]), "required[0] is not variables' names", None),
        (production(tags=["a"]), "tags must be a table", None),
        (production(tags={"aws:x": "y"}), "tags has a name that is no tag's", None),
        (production(tags={"x": 1}), "tags.x must be text", None),
        (
            production(secret_id=ARN, region="us-east-1"),
            "region is another one than that of secret-id",
            "remove region",
        ),
        (production(secret_id=ARN, account="1" * 12), "account is another one", "remove account"),
        (production(required_from=7), "required-from must be text", None),
    ],
)
def test_what_a_profile_cannot_mean_is_refused(document: Mapping[str, Any], words: str, hint: str | None) -> None:
    """A misspelt key would otherwise leave something undone and say that all went well."""
    with pytest.raises(ConfigurationError) as caught:
        parse(document, file="t")
    assert words in caught.value.message
    assert hint is None or hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (JWT, "a token"),
        ("sb_secret_abcdefgh12345678", "a Supabase secret key"),
        ("AKIAIOSFODNN7EXAMPLE", "an AWS access key"),
        ("amqps://gateway:hunter2hunter2@rabbit/", "a URL with a password"),
        ("redis://:hunter2hunter2@cache/0", "a URL with a password"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE", "a private key"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "a GitHub token"),
        ("sk-proj-0123456789abcdefghij", "an API key"),
    ],
)
@pytest.mark.parametrize("place", ["secret-id", "tags", "required", "key", "profile", "tag"])
def test_secrets_are_refused_in_every_place_and_never_repeated(value: str, shape: str, place: str) -> None:
    """The file is committed; and its errors end in logs."""
    fields: dict[str, object] = {
        "secret-id": {"secret-id": value},
        "tags": {"tags": {"team": value}},
        "required": {"required": [value]},
        "key": {value: "x"},
        "profile": {},
        "tag": {"tags": {value: "x"}},
    }[place]
    with pytest.raises(ConfigurationError) as caught:
        parse({"env": {value if place == "profile" else "production": fields}}, file="t")
    said = f"{caught.value.message} {caught.value.hint}"
    assert value[4:20] not in said
    assert place in {"key", "profile", "tag"} or shape in said


@pytest.mark.parametrize(
    "text", ["gateway/production", "https://a.example/x@y", "postgresql://host/db", "task-force", ""]
)
def test_names_and_addresses_do_not_look_like_secrets(text: str) -> None:
    """What a profile is for must not be refused."""
    assert secret_shape(text) is None


def test_parents_are_asked_up_to_the_root_of_the_working_tree(tmp_path: Path) -> None:
    """From anywhere in the project; the nearest file counts, and paths are shown from here."""
    inner = tmp_path / "project" / "services" / "gateway"
    inner.mkdir(parents=True)
    write(tmp_path / "project" / "tickctl.toml", FULL)
    assert find_profiles(inner) is None
    (tmp_path / "project" / ".git").mkdir()
    profiles = found(inner)
    assert profiles.file == "../../tickctl.toml"
    assert profiles.named("production").target.env_files == ("../../services/.env", "../../services/keys.env")
    write(tmp_path / "project" / "services" / "pyproject.toml", "[project]\nname = 'x'\n[tool.other]\n")
    assert found(inner) == profiles
    write(tmp_path / "project" / "services" / "pyproject.toml", "[tool.tickctl.env.local]\n")
    assert list(found(inner).by_name) == ["local"]


def test_nothing_above_the_working_tree_counts(tmp_path: Path) -> None:
    """A file in a home folder or in /tmp was not meant for this project."""
    write(tmp_path / "tickctl.toml", FULL)
    (tmp_path / "project" / ".git").mkdir(parents=True)
    assert find_profiles(tmp_path / "project") is None
    assert find_profiles(tmp_path) is not None


def test_two_files_in_one_folder_are_refused(tmp_path: Path) -> None:
    """Nobody could tell which counts."""
    write(tmp_path / "tickctl.toml", FULL)
    write(tmp_path / "pyproject.toml", "[tool.tickctl]\n")
    with pytest.raises(ConfigurationError, match=r"both tickctl\.toml and pyproject\.toml"):
        find_profiles(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"secret-id = hunter2hunter2\n", "tickctl.toml is not TOML: line 1, column"),
        (b"a = 'hunter2hunter2", "tickctl.toml is not TOML"),
        (b"a = '\xff'\n", "tickctl.toml is not TOML"),
        (b"a = " + b"[" * 100_000, "tickctl.toml is not TOML"),
        (b"#" * (1024 * 1024 + 1), "can't read tickctl.toml: it is larger than 1024 KiB"),
    ],
)
def test_what_is_no_toml_is_said_without_its_text(tmp_path: Path, text: bytes, words: str) -> None:
    """Somebody may have put a secret there."""
    (tmp_path / "tickctl.toml").write_bytes(text)
    with pytest.raises(ConfigurationError) as caught:
        find_profiles(tmp_path)
    assert words in caught.value.message
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    """`tool.tickctl = 1` is a mistake, not a missing table."""
    write(tmp_path / "pyproject.toml", "[tool]\ntickctl = 1\n")
    with pytest.raises(ConfigurationError, match="must be a table"):
        find_profiles(tmp_path)


def test_what_others_may_have_written_is_refused(tmp_path: Path) -> None:
    """Whoever writes this file says to which AWS account the secrets go."""
    write(tmp_path / "tickctl.toml", FULL).chmod(0o666)
    with pytest.raises(ConfigurationError, match="others than you"):
        find_profiles(tmp_path)


def test_a_pyproject_that_says_nothing_of_tickctl_may_be_anybody_s(tmp_path: Path) -> None:
    """It sends nothing anywhere."""
    write(tmp_path / "pyproject.toml", "[project]\nname = 'x'\n").chmod(0o666)
    assert find_profiles(tmp_path) is None


def test_a_pipe_in_the_file_s_place_is_refused_at_once(tmp_path: Path) -> None:
    """Nobody waits for its writer."""
    os.mkfifo(tmp_path / "tickctl.toml")
    with pytest.raises(ConfigurationError, match="not a regular file"):
        find_profiles(tmp_path)


def test_a_folder_in_the_file_s_place_is_refused(tmp_path: Path) -> None:
    """It can't be read, and that is said."""
    (tmp_path / "tickctl.toml").mkdir()
    with pytest.raises(ConfigurationError, match=r"tickctl\.toml"):
        find_profiles(tmp_path)


def test_an_unknown_profile_is_answered_with_those_that_there_are(tmp_path: Path) -> None:
    """The next command is the right one."""
    write(tmp_path / "tickctl.toml", FULL)
    with pytest.raises(ConfigurationError, match="has no profile prod") as caught:
        found(tmp_path).named("prod")
    assert caught.value.hint == "it has production, staging"
