"""The entry point: builds the command tree and holds the one error boundary."""

import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated

import typer

from tickctl import __version__
from tickctl.cli import (
    admin,
    demo,
    help_topics,
    local,
    login,
    quota,
    quota_files,
    quota_lists,
    schema,
    schema_check,
    users,
    verify_token,
)
from tickctl.cli.boundary import abandon_stdout, open_closed_streams, report, require_stdout
from tickctl.cli.exit_codes import ExitCode

app = typer.Typer(
    name="tickctl",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:
    if value:
        sys.stdout.write(f"tickctl {__version__}\n")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Check tokens, show and set quotas: for services on Supabase Auth and AWS ECS.

    Without any configuration, commands work on an embedded database; `tickctl demo` shows all of it in a minute.
    """
    if context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")


verify_token.register(app)
quota_app = typer.Typer(help="Show and change how many ticks users have.")
for part in (quota, quota_lists, quota_files):
    part.register(quota_app)
app.add_typer(quota_app, name="quota")
users_app = typer.Typer(help="Look at the accounts behind the quotas.")
users.register(users_app)
app.add_typer(users_app, name="users")
admin_app = typer.Typer(help="Say who may administer when signed in.")
admin.register(admin_app)
app.add_typer(admin_app, name="admin")
schema_app = typer.Typer(help="Install tickctl's tables and functions in a database, and keep them in order.")
schema.register(schema_app)
schema_check.register(schema_app)
app.add_typer(schema_app, name="schema")
login.register(app)
local_app = typer.Typer(help="The embedded database: PostgreSQL in a folder of yours.")
local.register(local_app)
app.add_typer(local_app, name="local")
demo.register(app)
help_topics.register(app)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; every error ends here, in one line and one hint."""
    try:
        require_stdout()
        result = typer.main.get_command(app)(arguments, prog_name="tickctl", standalone_mode=False)
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
