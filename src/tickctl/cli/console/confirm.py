"""Asking before something is removed or overwritten."""

import sys
from typing import Annotated

import typer

from tickctl.cli.console.redact import printable
from tickctl.errors import InvalidInputError

AssumeYes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Show what would change, and change nothing.")]


def confirm(plan: str, *, assume_yes: bool) -> None:
    """Ask on the terminal whether to carry out a plan.

    Raises:
        InvalidInputError: there is no terminal to ask on, and `--yes` was not given.
        typer.Abort: the answer was not yes.
    """
    if assume_yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidInputError(f"not confirmed: {plan}", hint="add --yes to do it without being asked")
    typer.confirm(f"{printable(plan)}?", abort=True, err=True)
