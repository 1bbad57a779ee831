"""`tickctl demo`."""

import typer

from tickctl.cli.console.exit_codes import ExitCode
from tickctl.cli.console.run import Run, command


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "demo", examples="tickctl demo")(demo)


def demo(run: Run) -> ExitCode:
    """Show the main job in a minute, on real parts.

    A real PostgreSQL runs in a temporary folder meanwhile; nothing is left behind.
    """
    from tickctl.cli.commands.demo.demonstration import perform

    return perform(run)
