"""Help, version, and the promise that both come quickly."""

import subprocess
import sys
from pathlib import Path

import pytest

from cli_support import Tickctl
from tickctl import __version__
from tickctl.cli.console.exit_codes import BY_ERROR, ExitCode
from tickctl.core.variables import VARIABLES
from tickctl.errors import TickctlError

LISTED = {name for name, variable in VARIABLES.items() if variable.is_listed}

HEAVY = {"jwt", "cryptography", "boto3", "supabase", "httpx", "psycopg", "rich", "dotenv", "pydantic"}
ROOT = Path(__file__).parents[2]


def test_version_is_the_package_s(tickctl: Tickctl) -> None:
    """One number, in one place."""
    assert tickctl("--version").out == f"tickctl {__version__}\n"


def test_no_arguments_show_the_help(tickctl: Tickctl) -> None:
    """Somebody who types the bare name wants to know what there is."""
    result = tickctl()
    assert result.code == 0
    assert "verify-token" in result.out


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], *([*name.split(), "--help"] for name in ("quota", "verify-token", "secrets check"))],
)
def test_help_loads_no_heavy_library(arguments: list[str]) -> None:
    """Clients, terminals and cryptography are loaded by the commands that use them."""
    program = (
        "import sys; from tickctl.cli.main import run; run(sys.argv[1:]);"
        f"print(sorted({HEAVY} & set(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    assert result.stderr == "[]\n"


def test_exit_codes_are_the_contract_s(tickctl: Tickctl) -> None:
    """These numbers never change."""
    assert sorted(map(int, tickctl("help", "exit-codes", "--json").json)) == [0, 1, 2, 3, 4, 5, 6, 7, 70, 130]


def test_every_error_has_an_exit_code() -> None:
    """A new class of error needs its place in the table."""
    assert set(BY_ERROR) == set(TickctlError.__subclasses__())
    assert len(set(BY_ERROR.values())) == len(BY_ERROR)
    assert not {ExitCode.YES, ExitCode.BUG, ExitCode.INTERRUPTED} & set(BY_ERROR.values())


def test_example_file_names_every_variable(tickctl: Tickctl) -> None:
    """keys.env.example, `help environment` and the settings speak of the same variables."""
    lines = (ROOT / "keys.env.example").read_text().splitlines()
    named = {line.removeprefix("#").removesuffix("=") for line in lines if line.endswith("=")}
    assert named | {"NO_COLOR"} == LISTED == set(tickctl("help", "environment", "--json").json)
    assert not any(line and not line.startswith("#") for line in lines)


def test_settings_read_only_variables_that_are_documented() -> None:
    """A variable that is read but not named is a secret door."""
    source = (ROOT / "src" / "tickctl" / "settings.py").read_text()
    read = {
        word
        for word in source.replace('"', " ").replace("`", " ").split()
        if word.startswith(("SUPABASE_", "TICKCTL_"))
    }
    names = {word.strip(".,:;()") for word in read} - {"SUPABASE_", "TICKCTL_"}
    assert names <= LISTED
