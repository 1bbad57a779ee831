"""Settings: where values come from, and what is refused."""

from pathlib import Path

import pytest

from tickctl.core.secrets import Secret
from tickctl.errors import ConfigurationError
from tickctl.settings import Settings, is_loopback, load


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


def test_values_of_files_are_literal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dollar in a secret stays a dollar, whatever the shell holds."""
    monkeypatch.setenv("HOME_OF_DOLLARS", "expanded")
    path = write(tmp_path / "x.env", "SUPABASE_JWT_SECRET='pa$HOME_OF_DOLLARS${HOME_OF_DOLLARS}'\n")
    assert load({}, [path]).jwt_secret == Secret("pa$HOME_OF_DOLLARS${HOME_OF_DOLLARS}")


def test_empty_values_count_as_not_given() -> None:
    """An empty variable must not switch the embedded database off, nor become an empty key."""
    settings = load({"SUPABASE_URL": "", "SUPABASE_JWT_SECRET": ""}, [])
    assert settings == Settings()
    assert settings.project_variable is None


@pytest.mark.parametrize("name", ["SUPABASE_URL", "SUPABASE_JWT_SECRET", "SUPABASE_DB_URL", "TICKCTL_ADMIN_TOKEN"])
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
    names = (*project, "TICKCTL_TOKEN", "TICKCTL_ADMIN_TOKEN", "TICKCTL_GATEWAY_PASSWORD")
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
