"""`tickctl schema show|apply|migration`: the tables and functions in a project's database."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tickctl.cli.confirm import AssumeYes, DryRun, confirm
from tickctl.cli.database import open_database
from tickctl.cli.exit_codes import ExitCode
from tickctl.cli.run import Run, command
from tickctl.errors import InvalidInputError

if TYPE_CHECKING:
    from tickctl.adapters.schema import Plan

WithHook = Annotated[
    bool,
    typer.Option("--with-hook", help="Also install the access-token hook, which says whether e-mails are confirmed."),
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
    command(app, "show", examples=f"{add} show | pbcopy   (for the SQL editor)\n{add} show --with-hook > tickctl.sql")(
        show
    )
    command(app, "migration", examples=f"{add} migration\n{add} migration --output db/tickctl.sql")(migration)


def apply_schema(run: Run, dry_run: DryRun = False, yes: AssumeYes = False, with_hook: WithHook = False) -> ExitCode:
    """Install the tables and functions, or bring them up to date.

    The plan comes first. Tables that are there already are taken over with every row; what changes, goes or is
    revoked is listed, and asked about. All of it is one transaction; run again, it finds nothing to do. Exit code 1
    says that something has to be cleared away by hand first.
    """
    from tickctl.adapters import schema

    with open_database(run) as (connection, target):
        plan = schema.plan(connection, hook=with_hook)
        if plan.blockers:
            run.output.notice(f"nothing was changed on {target}: clear this away first")
        elif dry_run:
            run.output.notice(f"would do on {target}:" if plan.changes else f"nothing to do on {target}")
        elif not plan.changes:
            run.output.notice(f"nothing to do on {target}: the schema is up to date")
        else:
            run.output.notice(f"on {target}:")
        if not run.json:
            _print_plan(run, plan)
        changes = plan.changes and not (plan.blockers or dry_run)
        if changes:
            if plan.asks:
                confirm(f"change what is there on {target}", assume_yes=yes)
            run.output.notice("at work; whoever interrupts this leaves everything as it was")
            plan = schema.apply(connection, hook=with_hook, expected=plan)
            run.output.notice(f"done on {target}")
    if run.json:
        run.output.document(
            {
                "target": target,
                "changed": changes,
                "dry_run": dry_run,
                "steps": [{"kind": step.kind, "text": step.text} for step in plan.steps],
                "blockers": plan.blockers,
            }
        )
    return ExitCode.NO if plan.blockers else ExitCode.YES


def show(run: Run, with_hook: WithHook = False) -> None:
    """Print what `schema apply` does as one SQL statement, for the SQL editor.

    Wherever it is run, it does all or nothing, takes tables over that are there already, and can be run again.
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
        Path | None, typer.Option("--output", "-o", help="This file, or a new one in this folder.", show_default=False)
    ] = None,
    with_hook: WithHook = False,
    dry_run: DryRun = False,
) -> None:
    """Write what `schema apply` does as a migration of the Supabase CLI.

    The file goes to supabase/migrations and is named for the time in UTC. A file that is there is never overwritten;
    when the last one that tickctl wrote there says the same, no other is written.
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
    lines = [("blocked", blocker) for blocker in plan.blockers] + [(step.kind, step.text) for step in plan.steps]
    for kind, text in lines:
        if run.output.style.terminal:
            run.output.paragraph(text, first=f"{kind:8} ")
        else:
            run.output.paragraph(text, first=f"{kind}\t")


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
