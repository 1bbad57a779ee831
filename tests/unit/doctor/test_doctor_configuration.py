"""Where each variable is found, and which other place gives it another value."""

from pathlib import Path

import pytest

from tickctl.adapters.doctor.configuration import read_configuration
from tickctl.core.doctor.facts import Configuration, Found
from tickctl.settings import load


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(environ: dict[str, str], **files: str) -> Configuration:
    """Read a configuration of these variables and files."""
    paths = [Path(name) for name in files]
    for path in paths:
        path.write_text(files[str(path)])
    return read_configuration(load(environ, paths), environ, paths)


def test_environment_goes_first_and_later_files_over_earlier_ones() -> None:
    """As the settings have it."""
    environ = {"SUPABASE_URL": "https://environment.example"}
    settings = read(environ, one="SUPABASE_URL=https://one.example\nTICKCTL_SECRET_ID=a\n", two="TICKCTL_SECRET_ID=b\n")
    assert settings.found == (
        Found("SUPABASE_URL", "environment", ("one",)),
        Found("TICKCTL_SECRET_ID", "two", ("one",)),
    )
    assert settings.value("SUPABASE_URL") == settings.url == "https://environment.example"
    assert settings.value("TICKCTL_SECRET_ID") == "b"


def test_same_value_twice_is_no_difference() -> None:
    """Nothing would change if the other one counted."""
    settings = read({}, one="SUPABASE_URL=https://x.example\n", two="SUPABASE_URL=https://x.example\n")
    assert settings.found == (Found("SUPABASE_URL", "two"),)


def test_last_assignment_of_a_file_is_the_file_s() -> None:
    """A file that changes its mind differs from nobody."""
    settings = read({}, one="TICKCTL_SECRET_ID=a\nTICKCTL_SECRET_ID=b\n")
    assert settings.found == (Found("TICKCTL_SECRET_ID", "one"),)
    assert settings.value("TICKCTL_SECRET_ID") == "b"


def test_file_that_is_named_twice_counts_where_it_stands_last() -> None:
    """As the settings have it."""
    paths = [Path(name) for name in ("one", "two", "one")]
    Path("one").write_text("TICKCTL_SECRET_ID=a\n")
    Path("two").write_text("TICKCTL_SECRET_ID=b\n")
    settings = read_configuration(load({}, paths), {}, paths)
    assert settings.found == (Found("TICKCTL_SECRET_ID", "one", ("two",)),)
    assert load({}, paths).secret_id == settings.value("TICKCTL_SECRET_ID") == "a"


def test_empty_values_are_not_there() -> None:
    """As the settings have it, an empty value overrides nothing."""
    settings = read({"SUPABASE_URL": ""}, one="TICKCTL_SECRET_ID=a\n", two="TICKCTL_SECRET_ID=\n")
    assert settings.found == (Found("TICKCTL_SECRET_ID", "one"),)
    assert settings.has_project is False


def test_connections_of_the_environment_count_too() -> None:
    """Other variables of the shell are nobody's business."""
    settings = read({"RABBITMQ_URL": "amqp://rabbitmq", "EDITOR_URL": "http://x"}, one="OTHER_URL=http://y\n")
    assert settings.found == (Found("RABBITMQ_URL", "environment"),)
    assert set(settings.entries) == {"RABBITMQ_URL", "OTHER_URL"}


def test_project_and_its_half() -> None:
    """What needs the address is named where that is missing."""
    whole = read({"SUPABASE_URL": "http://127.0.0.1:54321", "SUPABASE_ANON_KEY": "x"})
    assert (whole.has_project, whole.on_loopback, whole.needs_url) == (True, True, None)
    half = read({"SUPABASE_ANON_KEY": "x"})
    assert (half.has_project, half.on_loopback, half.needs_url) == (True, False, "SUPABASE_ANON_KEY")
    assert read({"SUPABASE_URL": "https://x.example"}).on_loopback is False


def test_values_are_not_shown() -> None:
    """Not even to whoever prints it."""
    assert "p4ssword" not in repr(read({"SUPABASE_JWT_SECRET": "p4ssword"}))
