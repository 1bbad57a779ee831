"""`tickctl secrets`: one module for each command, and what they share."""

import importlib
from typing import Final

import typer

# In the order of the help.
_COMMANDS: Final[tuple[str, ...]] = (
    "check",
    "diff",
    "push",
    "status",
    "rollback",
    "list",
    "pull",
    "exec",
    "ecs",
    "policy",
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for name in _COMMANDS:
        importlib.import_module(f"tickctl.cli.commands.secrets.{name}").register(app)
