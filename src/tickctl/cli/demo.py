"""`tickctl demo`."""

import typer

from tickctl.cli.exit_codes import ExitCode
from tickctl.cli.run import Run, command


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "demo", examples="tickctl demo")(demo)


def demo(run: Run) -> ExitCode:
    """Show the main job in a minute, on real parts.

    A real PostgreSQL runs in a temporary folder meanwhile; nothing is left behind.
    """
    from tickctl.cli.demonstration import perform

    return perform(run)
