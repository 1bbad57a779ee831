"""`tickctl schema show|apply|remove|migration`: the tables and functions in a project's database."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tickctl.cli.console.confirm import AssumeYes, DryRun, confirm
from tickctl.cli.console.exit_codes import ExitCode
from tickctl.cli.console.run import Run, command
from tickctl.cli.open.database import open_database
from tickctl.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tickctl.adapters.schema import Plan

WithHook = Annotated[
    bool,
    typer.Option("--with-hook", help="Also install the access-token hook, which adds e-mail confirmation to tokens."),
]
_FOLDER: Final = Path("supabase", "migrations")
_SUFFIX: Final = "_tickctl.sql"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    add = "tickctl schema"
    command(
        app,
        "apply",
        backend=True,
        identity=False,
        examples=f"{add} apply --dry-run\n{add} apply\n{add} apply --with-hook --yes",
    )(apply_schema)
    command(
        app,
        "remove",
        backend=True,
        identity=False,
        examples=f"{add} remove --dry-run\n{add} remove --keep-usage",
    )(remove_schema)
    command(app, "show", examples=f"{add} show | pbcopy   (for the SQL editor)\n{add} show --with-hook > tickctl.sql")(
        show
    )
    command(app, "migration", examples=f"{add} migration\n{add} migration --output db/tickctl.sql")(migration)


def apply_schema(
    run: Run,
    dry_run: DryRun = False,
    yes: AssumeYes = False,
    with_hook: WithHook = False,
    rls: Annotated[
        bool, typer.Option("--rls", help="Also enable row-level security on a profiles table of yours.")
    ] = False,
    revoke_execute: Annotated[
        bool,
        typer.Option(
            "--revoke-execute", help="Also revoke EXECUTE on your functions that write limits from API roles."
        ),
    ] = False,
    drop_leftovers: Annotated[
        bool, typer.Option("--drop-leftovers", help="Also drop columns that an older tickctl added to profiles.")
    ] = False,
) -> ExitCode:
    """Install the tables and functions, or bring them up to date.

    The plan comes first. A profiles table of yours keeps its policies, grants, triggers and functions: tickctl adds
    the limit, and triggers that guard it. Problems with other objects of yours are listed, and fixed only if you pass
    the option. Everything is one transaction; a second run finds nothing to do. Exit code 1 means that you have to
    change something by hand first.
    """
    from tickctl.adapters import schema
    from tickctl.adapters.schema_check.catalogue import OPTIONS

    asked_for = {"--rls": rls, "--revoke-execute": revoke_execute, "--drop-leftovers": drop_leftovers}
    options = {requirement for requirement, option in OPTIONS.items() if asked_for[option]}
    with open_database(run) as (connection, target):
        plan = schema.plan(connection, hook=with_hook, options=options)

        def carry_out() -> "Plan":
            return schema.apply(connection, hook=with_hook, options=options, expected=plan)

        return _carry_out(run, target, plan, carry_out, dry_run=dry_run, yes=yes, nothing="the schema is up to date")


def remove_schema(
    run: Run,
    dry_run: DryRun = False,
    yes: AssumeYes = False,
    keep_usage: Annotated[
        bool, typer.Option("--keep-usage", help="Keep profiles and user_daily_usage as they are.")
    ] = False,
    with_hook: Annotated[
        bool, typer.Option("--with-hook", help="Also remove the access-token hook; switch it off in Auth first.")
    ] = False,
) -> ExitCode:
    """Remove everything that tickctl installed.

    Tables that were there before tickctl stay, and its changes to them are undone. Charges, the audit log and the
    settings are deleted, and so are tables that tickctl created, with their rows, unless you pass --keep-usage.
    """
    from tickctl.adapters import schema

    with open_database(run) as (connection, target):
        plan = schema.removal(connection, keep_usage=keep_usage, hook=with_hook)

        def carry_out() -> "Plan":
            return schema.remove(connection, keep_usage=keep_usage, hook=with_hook, expected=plan)

        return _carry_out(run, target, plan, carry_out, dry_run=dry_run, yes=yes, nothing="tickctl is not installed")


def _carry_out(
    run: Run, target: str, plan: "Plan", carry_out: "Callable[[], Plan]", *, dry_run: bool, yes: bool, nothing: str
) -> ExitCode:
    """Show a plan, ask where that is due, and carry it out; one that has nothing to do tells the API to reload."""
    if plan.blockers:
        run.output.notice(f"nothing was changed on {target}: clear this away first")
    elif dry_run:
        run.output.notice(f"would do on {target}:" if plan.changes else f"nothing to do on {target}")
    elif not plan.changes:
        run.output.notice(f"nothing to do on {target}: {nothing}")
    else:
        run.output.notice(f"on {target}:")
    if not run.json:
        _print_plan(run, plan)
    if not (plan.blockers or dry_run):
        if plan.asks:
            confirm(f"change what is there on {target}", assume_yes=yes)
        if plan.changes:
            run.output.notice("at work; whoever interrupts this leaves everything as it was")
        done = carry_out()
        if plan.changes:
            run.output.notice(f"done on {target}" if done.changes else f"somebody else has done it on {target}")
    if run.json:
        run.output.document(
            {
                "target": target,
                "changed": plan.changes and not (plan.blockers or dry_run),
                "dry_run": dry_run,
                "steps": [
                    {"kind": step.kind, "text": step.text, "fix": step.fix, "dependants": step.dependants}
                    for step in plan.steps
                ],
                "blockers": plan.blockers,
            }
        )
    return ExitCode.NO if plan.blockers else ExitCode.YES


def show(run: Run, with_hook: WithHook = False) -> None:
    """Print what `schema apply` does as one SQL statement, for the SQL editor.

    It does everything or nothing, works with tables that are already there, and can be run again. Options of
    `schema apply` that change other objects of yours have no counterpart here.
    """
    from tickctl.adapters.schema import as_one_file

    text = as_one_file(hook=with_hook)
    if run.json:
        run.output.document({"sql": text})
    else:
        run.output.text(text.rstrip("\n"))


def migration(
    run: Run,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write, or a folder for a new one.", show_default=False),
    ] = None,
    with_hook: WithHook = False,
    dry_run: DryRun = False,
) -> None:
    """Write what `schema apply` does as a migration of the Supabase CLI.

    The file goes to supabase/migrations and is named for the time in UTC. Existing files are never overwritten, and
    nothing is written if the last migration of tickctl has the same content.
    """
    from tickctl.adapters.schema import as_one_file

    text = as_one_file(hook=with_hook)
    folder = output or _FOLDER
    if output is None and not _FOLDER.parent.is_dir():
        raise InvalidInputError(
            "there is no folder 'supabase' here",
            hint="go to where 'supabase init' was run, or name a file with --output",
        )
    is_folder = output is None or output.is_dir()
    path = folder / f"{datetime.now(UTC):%Y%m%d%H%M%S}{_SUFFIX}" if is_folder else folder
    if is_folder and (same := _last_if_same(folder, text)):
        run.output.notice(f"nothing to do: {same} says the same")
        path, written = same, False
    elif dry_run:
        if path.exists():
            raise _exists(path)
        if output is not None and not path.parent.is_dir():
            raise _unwritable(path, "there is no such folder")
        run.output.notice(f"would write {path}")
        written = False
    else:
        _write_new(path, text)
        run.output.notice(f"wrote {path}; 'supabase db push' runs it")
        written = True
    if run.json:
        run.output.document({"file": str(path), "written": written, "dry_run": dry_run})
    else:
        run.output.text(str(path))


def _print_plan(run: Run, plan: "Plan") -> None:
    """Print what stands in the way, or the steps: tickctl's own, changes to what is there, and what is left alone."""
    ours = [step for step in plan.steps if step.kind in {"create", "update", "remove"}]
    changes = [step for step in plan.steps if step.kind.asks and step not in ours]
    notes = [step for step in plan.steps if step.kind == "note"]
    for blocker in plan.blockers:
        _line(run, "blocked", blocker)
    for heading, steps in (
        ("", ours),
        ("changes to your own objects:", changes),
        ("left alone:", notes),
    ):
        if steps and heading:
            run.output.notice(heading)
        for step in steps:
            _line(run, step.kind, step.text)
            if run.output.style.terminal:
                for label, text in (("used by", step.dependants), ("fix", step.fix)):
                    if text:
                        run.output.paragraph(text, first=f"{'':9}{label}: ")


def _line(run: Run, kind: str, text: str) -> None:
    run.output.paragraph(text, first=f"{kind:8} " if run.output.style.terminal else f"{kind}\t")


def _last_if_same(folder: Path, text: str) -> Path | None:
    """Return the latest file of ours in a folder if it holds this text."""
    ours = sorted(folder.glob(f"*{_SUFFIX}")) if folder.is_dir() else []
    try:
        return ours[-1] if ours and ours[-1].read_text(encoding="utf-8") == text else None
    except (OSError, UnicodeDecodeError):
        return None


def _write_new(path: Path, text: str) -> None:
    try:
        if path.parent == _FOLDER:
            path.parent.mkdir(exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise _unwritable(path, error.strerror) from None


def _unwritable(path: Path, problem: str | None) -> InvalidInputError:
    return InvalidInputError(f"can't write {path}: {problem}", hint="name a folder of yours")


def _exists(path: Path) -> InvalidInputError:
    return InvalidInputError(f"{path} is there already", hint="name another file with --output")
