"""`tickctl help exit-codes|environment`."""

from enum import StrEnum
from typing import Annotated

import typer

from tickctl.cli.console.exit_codes import ExitCode
from tickctl.cli.console.run import Run, command
from tickctl.core.variables import VARIABLES


class Topic(StrEnum):
    """What there is to read about."""

    EXIT_CODES = "exit-codes"
    ENVIRONMENT = "environment"


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "help", examples="tickctl help exit-codes\ntickctl help environment --json")(show_help)


def show_help(run: Run, topic: Annotated[Topic, typer.Argument(help="What to read about.")]) -> None:
    """Explain exit codes or environment variables."""
    rows: dict[str, str]
    match topic:
        case Topic.EXIT_CODES:
            rows = {str(int(code)): code.meaning for code in ExitCode}
        case Topic.ENVIRONMENT:
            rows = {name: one.meaning for name, one in VARIABLES.items() if one.is_listed}
    if run.json:
        run.output.document(rows)
    else:
        run.output.table(["code" if topic is Topic.EXIT_CODES else "variable", "meaning"], list(rows.items()))
