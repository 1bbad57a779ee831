"""The files around the example gateway: nothing secret in them, nothing runs with more rights than it needs."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from source_support import tree_of
from tickctl.core.variables import VARIABLES

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs/examples/gateway"
OWN_VARIABLES = {"ALLOWED_ORIGINS", "RABBITMQ_URL"}
ADMINISTRATORS_VARIABLES = {"SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY", "TICKCTL_ADMIN_TOKEN"}
SECRETS = {"SUPABASE_ANON_KEY", "SUPABASE_JWT_SECRET", "RABBITMQ_URL"}


def variables(name: str) -> dict[str, str]:
    """Return what an example of an env file sets."""
    lines = (EXAMPLE / "services" / name).read_text().splitlines()
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {name: value for name, _, value in pairs}


@pytest.fixture(scope="module")
def compose() -> Any:
    """What compose.yaml says."""
    yaml = pytest.importorskip("yaml", reason="PyYAML reads compose.yaml")
    return yaml.safe_load((EXAMPLE / "compose.yaml").read_text())


def test_the_parts_of_the_system_are_there(compose: Any) -> None:
    """The gateway, and what runs beside it."""
    assert set(compose["services"]) == {"gateway", "rabbitmq", "redis", "chromadb"}


def test_secrets_come_from_files_alone(compose: Any) -> None:
    """Neither written down nor put together from variables; each service has the files that are meant for it."""
    files = {name: service.get("env_file", []) for name, service in compose["services"].items()}
    assert files == {
        "gateway": ["services/.env", "services/keys.env"],
        "rabbitmq": ["services/rabbitmq.env"],
        "redis": [],
        "chromadb": [],
    }
    for service in compose["services"].values():
        assert "environment" not in service
        assert "args" not in service.get("build", {})
    assert "${" not in (EXAMPLE / "compose.yaml").read_text()
    for file in {file for found in files.values() for file in found}:
        assert (EXAMPLE / f"{file}.example").is_file()


def test_no_service_has_more_rights_than_it_needs(compose: Any) -> None:
    """No capabilities, no way to new ones, nothing writable but volumes; root only where the image has nobody else."""
    for name, service in compose["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True, name
        assert "privileged" not in service, name
        assert re.fullmatch(r"\d+:\d+", service["user"]), name
        assert service["user"] != "0:0" or name == "chromadb"


def test_ports_are_open_to_this_machine_only(compose: Any) -> None:
    """All of them on the loopback interface."""
    ports = [port for service in compose["services"].values() for port in service["ports"]]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_service_is_watched(compose: Any) -> None:
    """By a check of its own, or the image's; and volumes are declared."""
    for name, service in compose["services"].items():
        assert "healthcheck" in service or (name == "gateway" and "HEALTHCHECK" in dockerfile())
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in compose["volumes"]


def test_what_the_build_names_is_there(compose: Any) -> None:
    """Context and Dockerfile, and every file that is copied into the image."""
    build = compose["services"]["gateway"]["build"]
    context = EXAMPLE / build["context"]
    assert context.resolve() == ROOT
    assert (context / build["dockerfile"]).samefile(EXAMPLE / "Dockerfile")


def dockerfile() -> str:
    """Return the Dockerfile, with each instruction on one line."""
    return (EXAMPLE / "Dockerfile").read_text().replace("\\\n", "")


def copied() -> list[str]:
    """Return the files of the build context that the Dockerfile copies."""
    copies = [line.split()[1:-1] for line in dockerfile().splitlines() if line.startswith("COPY ")]
    return [source for sources in copies for source in sources if not sources[0].startswith("--from")]


def test_the_image_runs_as_a_number_that_is_not_root() -> None:
    """The last user is one, and nothing after it needs more."""
    instructions = [line.split()[0] for line in dockerfile().splitlines() if line and not line.startswith("#")]
    users = re.findall(r"^USER (.+)$", dockerfile(), re.MULTILINE)
    assert users == ["10001:10001"]
    assert instructions.index("USER") > len(instructions) - 1 - instructions[::-1].index("COPY")


def test_the_image_holds_no_secret() -> None:
    """No variable is set but Python's and the path, nothing is passed in, and no env file could be copied."""
    assert set(re.findall(r"(\w+)=", "".join(re.findall(r"^ENV .+$", dockerfile(), re.MULTILINE)))) == {
        "PATH",
        "PYTHONUNBUFFERED",
    }
    assert not re.search(r"^(ARG|ADD) ", dockerfile(), re.MULTILINE)
    assert not any("services" in source or source in {".", "*"} for source in copied())


def test_the_build_sees_only_what_it_copies() -> None:
    """All else is left out by default, env files of any name included."""
    rules = (EXAMPLE / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [rule for rule in rules if not rule.startswith("#")]
    assert rules[0] == "*"
    let_in = [rule[1:] for rule in rules if rule.startswith("!")]
    assert not any("env" in rule or "services" in rule for rule in let_in)
    for source in copied():
        assert (ROOT / source).exists()
        assert any(Path(source).match(rule) for rule in let_in), source


def test_every_module_of_the_example_is_in_the_image() -> None:
    """What main.py imports is copied beside it."""
    assert {path.name for path in EXAMPLE.glob("*.py")} == {
        Path(source).name for source in copied() if source.endswith(".py")
    }


def test_the_project_file_names_what_the_build_needs() -> None:
    """The readme and the licence that pyproject.toml wants are copied, and the extra that is installed is there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {project["readme"], *project["license-files"]} <= set(copied())
    assert "gateway" in project["optional-dependencies"]


def test_settings_and_secrets_are_kept_apart() -> None:
    """What may be read by everybody is in one file, and what must not in another; each variable is one that is read."""
    settings, secrets = variables(".env.example"), variables("keys.env.example")
    assert not settings.keys() & SECRETS
    assert secrets.keys() == SECRETS
    known = VARIABLES.keys() | OWN_VARIABLES
    assert (settings.keys() | secrets.keys()) <= known
    assert not (settings.keys() | secrets.keys()) & ADMINISTRATORS_VARIABLES


@pytest.mark.parametrize("name", [".env.example", "keys.env.example", "rabbitmq.env.example"])
def test_examples_hold_no_values(name: str) -> None:
    """Somebody who forgets one gets an error, and not somebody else's secret."""
    given = {value for value in variables(name).values() if value}
    assert given <= {"gateway", "amqp://gateway:<password>@rabbitmq/"}


@pytest.mark.parametrize("name", [".env", "keys.env", "rabbitmq.env", "production.env"])
def test_git_ignores_the_copies(name: str) -> None:
    """Filled-in files are never committed by accident."""
    checked = subprocess.run(["git", "check-ignore", "-q", str(EXAMPLE / "services" / name)], cwd=ROOT, check=False)
    assert checked.returncode in {0, 128}  # 128: not in a repository, as in an unpacked archive


def test_the_variables_of_the_example_are_those_that_it_reads() -> None:
    """What main.py asks the environment for is in the examples."""
    tree = tree_of(EXAMPLE / "main.py")
    asked = {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "os.environ.get"
        and isinstance(node.args[0], ast.Constant)
    }
    assert asked == OWN_VARIABLES
