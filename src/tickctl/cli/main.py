"""The entry point, which holds the one error boundary."""

import signal
import sys
from collections.abc import Sequence
from types import FrameType

import typer

from tickctl.cli.app import build_app
from tickctl.cli.console.boundary import abandon_stdout, open_closed_streams, report, require_stdout
from tickctl.cli.console.exit_codes import ExitCode


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; every error ends here, in one line and one hint."""
    try:
        require_stdout()
        command = typer.main.get_command(build_app(arguments))
        result = command(arguments, prog_name="tickctl", standalone_mode=False)
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 - the boundary: nothing may pass it
        return report(error, as_json=bool({"--json", "--ndjson"} & set(arguments)))
    return int(result or ExitCode.YES)


def main() -> None:
    """Run the process's own command line."""
    signal.signal(signal.SIGTERM, _terminate)
    open_closed_streams()
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:  # told already by the boundary, which flushes first
        abandon_stdout()
    sys.exit(code)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    """Leave through the `with` blocks, so that a database started for this command is stopped."""
    raise KeyboardInterrupt
