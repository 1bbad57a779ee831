"""Which env files a secrets command reads, and what it says of them."""

from pathlib import Path

import pytest

from tickctl.cli.console.output import Output, Style
from tickctl.cli.console.run import BackendName, IdentityName, Run
from tickctl.cli.open.env_files import chosen_files, load_files, read_files
from tickctl.core.secret import Secret
from tickctl.core.secrets.env_files import Refusal, RefusalKind
from tickctl.core.secrets.target import Target
from tickctl.errors import ConfigurationError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "services").mkdir()
    return tmp_path


def a_run(*env_files: str) -> Run:
    """Make a run with `--env-file`s."""
    return Run(Output(Style()), BackendName.AUTO, IdentityName.AUTO, tuple(map(Path, env_files)) or None)


def test_options_go_before_the_profile(capsys: pytest.CaptureFixture[str]) -> None:
    """Which go before the files of Compose; stderr says which they are."""
    Path("services/.env").write_text("")
    target = Target(env_files=("p.env", "q.env"))
    assert chosen_files(a_run("a.env", "b.env"), target) == (Path("a.env"), Path("b.env"))
    assert chosen_files(a_run(), target) == (Path("p.env"), Path("q.env"))
    assert capsys.readouterr() == ("", "env files: a.env, b.env\nenv files: p.env, q.env\n")


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (["services/.env", "services/keys.env"], "env files: services/.env, services/keys.env\n"),
        (["services/.env"], "env files: services/.env; there is no services/keys.env\n"),
        (["services/keys.env"], "env files: services/keys.env; there is no services/.env\n"),
    ],
)
def test_files_of_compose_are_taken_where_none_is_named(
    there: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing one is said, since a push without it would be another set; those of an administrator are left."""
    for name in [*there, ".env", "keys.env"]:
        Path(name).write_text("A=1\n")
    assert chosen_files(a_run(), Target()) == tuple(map(Path, there))
    assert capsys.readouterr().err == said


def test_no_file_at_all_is_an_error() -> None:
    """Nothing is not an empty set of secrets."""
    Path(".env").write_text("A=1\n")
    with pytest.raises(ConfigurationError, match=r"neither services/\.env nor services/keys\.env") as caught:
        chosen_files(a_run(), Target())
    assert "--env-file" in str(caught.value.hint)


def test_files_are_read_together_and_without_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless a variable is let through by name; then it is taken if the shell has it."""
    monkeypatch.setenv("FROM_SHELL", "shell")
    Path("services/.env").write_text("A=1\n")
    Path("services/keys.env").write_text("B=$A\nC=$FROM_SHELL\n")
    refused = read_files(a_run(), Target())
    assert [entry.value for entry in refused] == [Secret("1"), Secret("1"), None]
    assert refused[2].refusal == Refusal(RefusalKind.SHELL, "FROM_SHELL")
    allowed = read_files(a_run(), Target(), allow_shell=["FROM_SHELL", "NOT_THERE"])
    assert allowed[2].value == Secret("shell")


def refused_names() -> set[str]:
    """Return the names whose references are refused for what Compose reads beside the files of the services."""
    entries = read_files(a_run(), Target())
    return {entry.name for entry in entries if entry.refusal and entry.refusal.kind is RefusalKind.SHELL}


@pytest.mark.parametrize("compose", ["compose.yaml", "docker-compose.yml", "services/compose.yml"])
def test_env_file_of_the_compose_project_goes_before_these_files(compose: str) -> None:
    """Compose lets it decide what references mean, though it gives nothing of it to the container."""
    Path("services/.env").write_text("A=1\nB=1\nX=$A\nY=$B\n")
    Path(".env").write_text("A=2\nlow\n")
    assert refused_names() == set()
    Path(compose).write_text("")
    assert refused_names() == {"X"}


def test_env_file_of_the_project_may_be_one_of_them() -> None:
    """Then only what is assigned again means something else to Compose."""
    Path("services/compose.yaml").write_text("")
    Path("services/.env").write_text("A=1\nB=1\nX=$A\nY=$B\n")
    assert refused_names() == set()
    Path("services/keys.env").write_text("A=2\nZ=$A\n")
    assert refused_names() == {"X", "Z"}


def test_byte_order_mark_is_kept_for_the_reader() -> None:
    """Other readers of the same text have rules of their own for it."""
    Path("x.env").write_bytes(b"\xef\xbb\xbfA=1\r\n")
    (file,) = load_files(a_run("x.env"), Target())
    assert (file.name, file.text) == ("x.env", "\ufeffA=1\r\n")


def test_named_file_that_is_missing_is_an_error() -> None:
    """A mistyped name must not mean fewer secrets."""
    with pytest.raises(ConfigurationError, match=r"can't read nope\.env: No such file"):
        load_files(a_run("nope.env"), Target())


@pytest.mark.parametrize(
    ("run", "target", "hint"),
    [
        (a_run("gone.env"), Target(), "--env-file"),
        (a_run(), Target(env_name="staging", env_files=("gone.env",)), "env-files of the profile staging"),
    ],
)
def test_the_hint_is_about_whoever_named_the_missing_file(run: Run, target: Target, hint: str) -> None:
    """Not about an option that nobody gave."""
    with pytest.raises(ConfigurationError, match=r"can't read gone\.env") as caught:
        load_files(run, target)
    assert hint in (caught.value.hint or "")
