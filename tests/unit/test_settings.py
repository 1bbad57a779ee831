"""Settings: where values come from, and what is refused."""

import os
from pathlib import Path

import pytest

from tickctl.core.secret import Secret
from tickctl.core.urls import is_loopback
from tickctl.errors import ConfigurationError
from tickctl.settings import Settings, load


def write(path: Path, text: str) -> Path:
    """Make a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_environment_goes_before_files_and_later_files_before_earlier(tmp_path: Path) -> None:
    """The nearest source wins, and its place is remembered without the value."""
    first = write(tmp_path / "a.env", "SUPABASE_JWT_AUDIENCE=first\nSUPABASE_JWT_ISSUER=first\nSUPABASE_JWKS=first\n")
    second = write(tmp_path / "b.env", "SUPABASE_JWT_ISSUER=second\nSUPABASE_JWKS=second\n")
    settings = load({"SUPABASE_JWKS": "environment"}, [first, second])
    assert (settings.jwt_audience, settings.jwt_issuer, settings.jwks) == ("first", "second", "environment")
    assert settings.sources["SUPABASE_JWT_ISSUER"] == str(second)
    assert settings.sources["SUPABASE_JWKS"] == "environment"


def test_default_files_are_read_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """services/.env, services/keys.env, .env, keys.env: those that exist, the last one over the others."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "services" / ".env", "SUPABASE_JWT_ISSUER=services\nSUPABASE_JWKS=services\n")
    write(tmp_path / "keys.env", "SUPABASE_JWKS=keys\n")
    settings = load({})
    assert (settings.jwt_issuer, settings.jwks) == ("services", "keys")


def test_files_named_by_hand_replace_the_default_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--env-file means these files and no others."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / ".env", "SUPABASE_JWT_ISSUER=default\n")
    assert load({}, [write(tmp_path / "mine.env", "SUPABASE_JWKS=mine\n")]).jwt_issuer is None


def test_values_of_files_are_those_of_the_container(tmp_path: Path) -> None:
    """A dollar between single quotes stays one; a reference to what a file sets is replaced, as Compose does it."""
    text = "SUPABASE_URL=https://project.example\nSUPABASE_JWT_SECRET='pa$HOME${HOME}'\n"
    more = "SUPABASE_JWKS_URL=${SUPABASE_URL}/keys\nSUPABASE_JWKS=${NONE:-none}\n"
    files = [write(tmp_path / "a.env", text), write(tmp_path / "b.env", more)]
    settings = load({"HOME": "expanded"}, files)
    assert settings.jwt_secret == Secret("pa$HOME${HOME}")
    assert (settings.jwks_url, settings.jwks) == ("https://project.example/keys", "none")


@pytest.mark.parametrize("name", ["SUPABASE_JWT_SECRET", "TICKCTL_TOKEN", "AWS_SECRET_ACCESS_KEY"])
@pytest.mark.parametrize("value", ["pa$HOME", "pa$word9", "${HOME:-x}", "'a\0b'"])
def test_value_that_is_not_certain_is_refused(tmp_path: Path, name: str, value: str) -> None:
    """The container would get what the shell has, or nothing: the message names the place and the mend, no value."""
    path = write(tmp_path / "x.env", f"A=1\n{name}={value}\n")
    with pytest.raises(ConfigurationError) as caught:
        load({"HOME": "expanded"}, [path])
    assert caught.value.message.startswith(f"{path}:2: {name} ")
    assert caught.value.hint
    assert "word9" not in f"{caught.value.message} {caught.value.hint}"


def test_refused_value_does_not_matter_where_it_does_not_count(tmp_path: Path) -> None:
    """The environment or a later file gives it, or tickctl has no use for it."""
    text = "SUPABASE_JWKS=$NONE\nOTHER=$NONE\nTICKCTL_TOKEN=$NONE\n"
    files = [write(tmp_path / "a.env", text), write(tmp_path / "b.env", "TICKCTL_TOKEN=later\n")]
    settings = load({"SUPABASE_JWKS": "given"}, files)
    assert (settings.jwks, settings.token) == ("given", Secret("later"))


def test_later_refused_value_is_not_replaced_by_an_earlier_one(tmp_path: Path) -> None:
    """Whoever overrides a value means the new one."""
    path = write(tmp_path / "x.env", "TICKCTL_TOKEN=old\nTICKCTL_TOKEN=$NONE\n")
    with pytest.raises(ConfigurationError, match=r"x\.env:2: TICKCTL_TOKEN"):
        load({}, [path])


def test_name_without_a_value_counts_as_not_given(tmp_path: Path) -> None:
    """As Compose has it: the environment gives it or nobody."""
    path = write(tmp_path / "x.env", "SUPABASE_JWKS=first\nSUPABASE_JWKS\nTICKCTL_TOKEN\nSUPABASE_JWT_SECRET\n")
    settings = load({"TICKCTL_TOKEN": "environment"}, [path])
    assert (settings.jwks, settings.token, settings.jwt_secret) == ("first", Secret("environment"), None)


def test_aws_variables_are_taken_from_files_where_the_environment_has_none(tmp_path: Path) -> None:
    """boto3 reads the environment by itself; keys are masked, the region is needed in messages."""
    text = "AWS_REGION=eu-west-1\nAWS_ACCESS_KEY_ID=id\nAWS_SECRET_ACCESS_KEY=key\nAWS_SESSION_TOKEN=token\n"
    settings = load({"AWS_ACCESS_KEY_ID": "other", "AWS_PROFILE": "p"}, [write(tmp_path / "x.env", text)])
    assert settings.aws == {
        "AWS_REGION": Secret("eu-west-1"),
        "AWS_SECRET_ACCESS_KEY": Secret("key"),
        "AWS_SESSION_TOKEN": Secret("token"),
    }
    assert settings.secrets == (Secret("key"), Secret("token"))
    assert settings.sources["AWS_ACCESS_KEY_ID"] == "environment"


def test_secret_in_aws_has_a_name() -> None:
    """The secrets commands take it where no option says another."""
    assert load({"TICKCTL_SECRET_ID": " gateway/production "}, []).secret_id == "gateway/production"


def test_empty_values_count_as_not_given() -> None:
    """An empty variable must not switch the embedded database off, nor become an empty key."""
    settings = load({"SUPABASE_URL": "", "SUPABASE_JWT_SECRET": ""}, [])
    assert settings == Settings()
    assert settings.project_variable is None


@pytest.mark.parametrize(
    "name",
    [
        "SUPABASE_URL",
        "SUPABASE_JWT_SECRET",
        "SUPABASE_JWT_SECRET_PREVIOUS",
        "SUPABASE_DB_URL",
        "TICKCTL_ADMIN_TOKEN",
    ],
)
def test_any_project_variable_names_a_project(name: str) -> None:
    """Half a configuration must be noticed, whichever half it is."""
    assert load({name: "https://project.example"}, []).project_variable == name


@pytest.mark.parametrize(
    "url",
    [
        "project.example",
        "ftp://project.example",
        "http://project.example",
        "http://127.0.0.1.example",
        "https://user:password@project.example",
        "https://project.example?x=1",
        "https://project.example#x",
        "https://project.example:port",
        "https://pro ject.example",
        "https://[::1",
        "https://",
    ],
)
def test_unsafe_or_malformed_urls_are_refused_without_being_repeated(url: str) -> None:
    """Plain http leaves the machine, credentials leak, typos reach nobody; the message shows none of it."""
    with pytest.raises(ConfigurationError) as caught:
        load({"SUPABASE_URL": url}, [])
    assert url not in caught.value.message
    assert "SUPABASE_URL" in caught.value.message


@pytest.mark.parametrize(
    "url", ["https://project.example/", "http://localhost:54321", "http://[::1]:1", "http://127.0.0.2"]
)
def test_https_and_loopback_urls_are_accepted(url: str) -> None:
    """A trailing slash is dropped, so that paths can be appended."""
    assert load({"SUPABASE_URL": url}, []).supabase_url == url.rstrip("/")


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("TRUE", True), ("false", False)])
def test_allow_unconfirmed_is_true_or_false(value: str, expected: bool) -> None:
    """The switch takes two words."""
    assert load({"SUPABASE_ALLOW_UNCONFIRMED": value}, []).allow_unconfirmed is expected


@pytest.mark.parametrize("value", ["1", "yes", "on", "tru"])
def test_allow_unconfirmed_takes_no_other_word(value: str) -> None:
    """Guessing at a security switch is refused."""
    with pytest.raises(ConfigurationError, match="SUPABASE_ALLOW_UNCONFIRMED"):
        load({"SUPABASE_ALLOW_UNCONFIRMED": value}, [])


def test_malformed_line_is_named_by_number_without_its_text(tmp_path: Path) -> None:
    """The line may be half a secret."""
    path = write(tmp_path / "x.env", 'A=1\nSUPABASE_JWT_SECRET="half-a-secret\n')
    with pytest.raises(ConfigurationError) as caught:
        load({}, [path])
    assert caught.value.message.startswith(f"{path}:2")
    assert "half-a-secret" not in caught.value.message


@pytest.mark.parametrize("content", [b"A=\xff\n", b"x" * (1024 * 1024 + 1)])
def test_files_that_are_no_env_files_are_refused(tmp_path: Path, content: bytes) -> None:
    """Not UTF-8, or far too large: a mistake, said plainly."""
    path = tmp_path / "x.env"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"x\.env"):
        load({}, [path])


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_what_is_no_regular_file_is_refused(tmp_path: Path, kind: str) -> None:
    """A pipe would wait for its writer, a device never end."""
    path = Path("/dev/zero") if kind == "device" else tmp_path / kind
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(ConfigurationError, match=f"can't read {path}: it is not a regular file"):
        load({}, [path])


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    """A mistyped --env-file must not quietly mean another configuration."""
    with pytest.raises(ConfigurationError, match="No such file"):
        load({}, [tmp_path / "nope.env"])


def test_byte_order_mark_is_not_part_of_the_first_name(tmp_path: Path) -> None:
    """Some editors write one."""
    path = tmp_path / "x.env"
    path.write_bytes(b"\xef\xbb\xbfSUPABASE_JWKS=x\n")
    assert load({}, [path]).jwks == "x"


def test_settings_show_no_secret() -> None:
    """A settings object may end up in a log or a traceback."""
    project = ("SUPABASE_ANON_KEY", "SUPABASE_JWT_SECRET", "SUPABASE_SECRET_KEY", "SUPABASE_DB_URL")
    names = (
        *project,
        "SUPABASE_JWT_SECRET_PREVIOUS",
        "TICKCTL_TOKEN",
        "TICKCTL_ADMIN_TOKEN",
    )
    settings = load(dict.fromkeys(names, "value-to-hide"), [])
    assert "value-to-hide" not in repr(settings)
    assert len(settings.secrets) == len(names)


def test_secret_key_goes_before_service_role_key() -> None:
    """Both may be set during a migration; the new one counts."""
    both = {"SUPABASE_SECRET_KEY": "new", "SUPABASE_SERVICE_ROLE_KEY": "old"}
    assert load(both, []).secret_key == Secret("new")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("a.localhost", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost.example", False),
        ("0.0.0.0", False),
    ],
)
def test_loopback_means_this_machine_only(host: str, expected: bool) -> None:
    """Names that merely begin like a loopback address are somebody else's."""
    assert is_loopback(host) is expected
