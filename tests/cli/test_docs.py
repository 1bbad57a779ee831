"""The pages say what the commands do."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import typer

from tickctl.cli.app import build_app
from tickctl.cli.console.exit_codes import ExitCode
from tickctl.core.audit.catalogue import Check
from tickctl.core.tokens import Reason
from tickctl.sql import requirements

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "CLI.md").read_text()


@pytest.fixture(scope="module")
def docs() -> ModuleType:
    """The script that writes the help blocks."""
    spec = importlib.util.spec_from_file_location("docs", ROOT / "scripts" / "docs.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands() -> list[str]:
    """Return every command line of the tool, by asking the tool."""
    root = typer.main.get_command(build_app())
    lines = []
    for name, command in root.commands.items():
        below = getattr(command, "commands", None)
        lines += [f"tickctl {name} {part}" for part in below] if below else [f"tickctl {name}"]
    return lines


@pytest.mark.parametrize("command", commands())
def test_every_command_has_its_help_on_the_page(command: str) -> None:
    """A command that nobody can read about isn't finished."""
    assert f"$ {command} --help" in PAGE


def test_help_blocks_are_what_the_commands_print(docs: ModuleType) -> None:
    """`python scripts/docs.py` brings them up to date."""
    assert docs.updated(PAGE) == PAGE


def test_the_table_of_the_audit_is_the_catalogue(docs: ModuleType) -> None:
    """`python scripts/docs.py` brings it up to date, mends included."""
    page = (ROOT / "docs" / "SECURITY.md").read_text()
    assert docs.with_audit(page) == page
    assert all(f"`{check.value}`" in docs.audit_tables() for check in Check)


def test_every_reason_and_exit_code_is_on_the_page() -> None:
    """Stable codes are documented codes."""
    assert [reason for reason in Reason if f"`{reason.value}`" not in PAGE] == []
    assert [code for code in ExitCode if f"| {int(code)} | {code.meaning} |" not in PAGE] == []


def test_every_requirement_of_the_catalogue_is_on_the_page() -> None:
    """And nothing else: scripts look for these ids."""
    lists = re.findall(r"^\* `catalogue`.*?(?=^\* |\n\n)", PAGE, re.DOTALL | re.MULTILINE)
    on_the_page = {name for part in lists for name in re.findall(r"`([a-z-]+)`", part)} - {"catalogue"}
    not_findings = {"refused", "denied", "hook"}
    assert on_the_page == {each.id for each in requirements() if each.kind not in not_findings}
