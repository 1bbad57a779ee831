"""Which docker builds would be sent an env file."""

import os
from pathlib import Path

import pytest

from tickctl.adapters.build_context import build_contexts
from tickctl.adapters.file_facts import look_at
from tickctl.core.secrets.checks import BuildContext, GitFacts
from tickctl.errors import ConfigurationError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an env file, which is the working folder."""
    monkeypatch.chdir(tmp_path)
    put("services/keys.env")
    return tmp_path


def put(name: str, text: str = "") -> None:
    """Make a file and the folders above it."""
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)


def contexts() -> list[tuple[str, str, bool | None]]:
    """Return the builds for the env file, as they are shown."""
    found = build_contexts(Path("services/keys.env"), top=Path())
    return [(context.folder, context.ignore_file, context.excluded) for context in found]


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.worker", "api.Dockerfile", "Containerfile"])
@pytest.mark.parametrize("folder", [".", "services"])
def test_a_folder_with_a_dockerfile_is_a_context(folder: str, name: str) -> None:
    """`docker build .` is what people run; the file may lie in the folder or below it."""
    put(f"{folder}/{name}")
    ignore_file = os.path.normpath(f"{folder}/.dockerignore")
    assert contexts() == [(folder, ignore_file, False)]
    put(ignore_file, "**/*.env\n")
    assert contexts() == [(folder, ignore_file, True)]


def test_folders_beside_and_above_are_not_asked(project: Path) -> None:
    """They aren't sent the file, or aren't part of the project."""
    put("other/Dockerfile")
    (project / "services" / "inner").mkdir()
    put("services/inner/Dockerfile")
    assert contexts() == []
    put("Dockerfile")
    assert build_contexts(Path("services/keys.env")) == ()
    assert build_contexts(Path("services/keys.env"), top=Path("other")) == ()


def test_a_dockerfile_s_own_ignore_file_goes_first() -> None:
    """As BuildKit has it."""
    put("Dockerfile")
    put(".dockerignore", "nothing\n")
    put("Dockerfile.dockerignore", "*\n")
    assert contexts() == [(".", "Dockerfile.dockerignore", True)]


@pytest.mark.parametrize(
    "text",
    [
        "services:\n  api:\n    build: .\n",
        "services:\n  api:\n    build: './'   # here\n    image: x\n",
        "services:\n  api:\n    build:\n      context: .\n\n# usual\n      dockerfile: Dockerfile\n  b: {}\n",
        'services:\n  api:\n    build: {context: ".", dockerfile: Dockerfile}\n',
        "services:\n  api:\n    build:\n      dockerfile: Dockerfile\n",
    ],
)
@pytest.mark.parametrize("name", ["compose.yaml", "docker-compose.yml", "compose.override.yaml"])
def test_compose_files_name_contexts(name: str, text: str) -> None:
    """In each of the ways to write it."""
    put(name, text)
    assert contexts() == [(".", ".dockerignore", False)]


def test_compose_says_from_where_a_dockerfile_is_built(project: Path) -> None:
    """So its own folder is no context of it."""
    put("services/Dockerfile")
    put(
        "docker/compose.yaml",
        "services:\n  a:\n    build:\n      context: ../web\n      dockerfile: ../services/Dockerfile\n",
    )
    assert contexts() == [("services", "services/.dockerignore", False)]
    (project / "docker" / "compose.yaml").rename(project / "services" / "compose.yaml")
    assert contexts() == []


@pytest.mark.parametrize(
    "value", ["${CONTEXT}", "https://git.example/x.git", "git@git.example:x.git", "*anchor", "&a", "../outside"]
)
def test_contexts_that_cannot_hold_the_file_are_left_out(value: str) -> None:
    """Other machines' folders, other folders of this one, and what only Compose can work out."""
    put("compose.yaml", f"services:\n  a:\n    build: {value}\n  b:\n    image: x\n    context: .\n")
    assert contexts() == []


def test_an_ignore_file_without_a_meaning_cannot_be_told() -> None:
    """Malformed, or too large to be one: it may name the file."""
    put("Dockerfile")
    put(".dockerignore", "[\n")
    assert contexts() == [(".", ".dockerignore", None)]
    put(".dockerignore", "#" * (1024 * 1024 + 1))
    assert contexts() == [(".", ".dockerignore", None)]


def test_the_gateway_example_sends_no_env_file() -> None:
    """It is what people begin with."""
    path = ROOT / "docs" / "examples" / "gateway" / "services" / "keys.env"
    found = build_contexts(path, top=ROOT)
    assert [context.excluded for context in found] == [True]
    assert found[0].folder == str(ROOT)


def test_facts_are_of_what_a_link_leads_to(project: Path) -> None:
    """The link itself holds nothing."""
    put("Dockerfile")
    (project / "services" / "keys.env").chmod(0o640)
    (project / "link.env").symlink_to("services/keys.env")
    facts = look_at(Path("link.env"), {})
    assert (facts.name, facts.mode, facts.owned) == ("link.env", 0o640, True)
    assert facts.leads_to == str(project.resolve() / "services" / "keys.env")
    assert facts.git == GitFacts(repository=False)
    assert facts.contexts == (BuildContext(".", ".dockerignore", excluded=False),)
    assert look_at(Path("services/keys.env"), {}).leads_to is None


def test_the_working_tree_bounds_the_search(project: Path) -> None:
    """From a sub-folder as well; what lies above the repository isn't part of it."""
    put("Dockerfile")
    (project / "services" / ".git").write_text("gitdir: nowhere\n")
    assert look_at(Path("services/keys.env"), {}).contexts == ()


def test_a_missing_file_is_an_error() -> None:
    """A mistyped name must not pass all checks."""
    with pytest.raises(ConfigurationError, match="No such file"):
        look_at(Path("nope.env"), {})
