"""`tickctl quota import|export`: limits of many users as CSV."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tickctl.cli.console.confirm import AssumeYes, DryRun, confirm
from tickctl.cli.console.quotas import Reason
from tickctl.cli.console.run import Run, command
from tickctl.cli.open.backend import open_quotas
from tickctl.errors import InvalidInputError

if TYPE_CHECKING:
    from tickctl.core.quota import QuotaAdmin, QuotaState
    from tickctl.core.quota.limits_csv import BadLine, LimitRow

CHUNK = 500
"""Rows in one transaction of an import, and in one page of an export."""
LARGEST_FILE = 64 * 1024 * 1024
"""Bytes: about a million users. A larger file is a mistake."""
SHOWN_PROBLEMS = 20


def register(app: typer.Typer) -> None:
    """Add the commands."""
    add = "tickctl quota"
    command(app, "import", backend=True, examples=f"{add} import limits.csv --dry-run\n{add} import limits.csv --yes")(
        import_limits
    )
    command(app, "export", backend=True, examples=f"{add} export > limits.csv\n{add} export --output limits.csv")(
        export_limits
    )


def import_limits(
    run: Run,
    file: Annotated[str, typer.Argument(metavar="FILE.csv", help="The file; '-' reads standard input.")],
    reason: Reason = None,
    dry_run: DryRun = False,
    yes: AssumeYes = False,
) -> None:
    """Set the limits of many users from a CSV file.

    The header names daily_tick_limit and one of user_id, user (id or e-mail), email. Every line is checked, and every
    user looked up, before the first limit is written. Rows are then written in transactions of 500; when that is
    interrupted, the same command finishes the rest, since a limit that is set already is left alone.
    """
    rows = _read(file)
    with open_quotas(run) as (quotas, target):
        plan, unchanged = _plan(run, quotas, rows)
        summary = f"change {len(plan)} limits on {target} ({unchanged} already as in the file)"
        if plan and not dry_run:
            confirm(summary, assume_yes=yes)
        written = _write(run, quotas, plan, reason, dry_run=dry_run)
        changed = 0 if dry_run else written
        if dry_run:
            run.output.notice(f"would {summary}")
        elif plan:
            run.output.notice(f"changed {changed} limits on {target}")
        else:
            run.output.notice(f"nothing to do on {target}: all limits as in the file")
    counts = {"rows": len(rows), "planned": len(plan), "changed": changed, "unchanged": unchanged, "dry_run": dry_run}
    if run.json:
        run.output.document(counts)
    else:
        run.output.record(counts)


def export_limits(
    run: Run,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write this file (mode 0600) instead of standard output.")
    ] = None,
    yes: AssumeYes = False,
) -> None:
    """Write everybody's limit and usage of today as CSV.

    `tickctl quota import` reads the same form.
    """
    import csv

    from tickctl.cli.console.files import private_file
    from tickctl.core.quota.limits_csv import write_limits

    if output and output.exists():
        confirm(f"overwrite {output}", assume_yes=yes)
    with open_quotas(run) as (quotas, _target):
        everybody = _everybody(run, quotas)
        if output:
            with private_file(output) as stream:
                csv.writer(stream, lineterminator="\n").writerows(write_limits(everybody))
            run.output.notice(f"wrote {output}")
            if run.json:
                run.output.document({"file": str(output)})
        elif run.json:
            from tickctl.cli.console.quotas import state_json

            run.output.document({"users": [state_json(state) for state in everybody]})
        else:
            csv.writer(sys.stdout, lineterminator="\n").writerows(write_limits(everybody))


def _read(file: str) -> "list[LimitRow]":
    import io

    from tickctl.core.quota.limits_csv import read_limits
    from tickctl.files import read_text

    stream = sys.stdin.buffer if file == "-" else None
    hint = "name a CSV file, or '-'"
    text = read_text(Path(file), LARGEST_FILE, hint=hint, stream=stream, error=InvalidInputError)
    if "\0" in text:
        raise InvalidInputError(f"{file} is not text", hint="save it as CSV in UTF-8")
    rows, bad = read_limits(io.StringIO(text, newline=""))
    if bad:
        raise _refusal(bad)
    return rows


def _plan(run: Run, quotas: "QuotaAdmin", rows: "list[LimitRow]") -> "tuple[list[tuple[str, int | None]], int]":
    """Look every user up; return the changes to make, and how many rows are as they should be."""
    from tickctl.core.quota.limits_csv import BadLine

    plan: list[tuple[str, int | None]] = []
    bad: list[BadLine] = []
    lines: dict[str, int] = {}
    unchanged = 0
    with run.output.progress("looking up users", len(rows)) as advance:
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            for row, user in zip(chunk, quotas.resolve([row.user for row in chunk]), strict=True):
                if user.user_id is None:
                    bad.append(BadLine(row.line, "names a user that doesn't exist"))
                    continue
                user_id = str(user.user_id)
                if lines.setdefault(user_id, row.line) != row.line:
                    bad.append(BadLine(row.line, f"names the same user as line {lines[user_id]}"))
                elif user.daily_tick_limit == row.daily_tick_limit:
                    unchanged += 1
                else:
                    plan.append((user_id, row.daily_tick_limit))
            advance(len(chunk))
    if bad:
        raise _refusal(bad)
    return plan, unchanged


def _write(
    run: Run, quotas: "QuotaAdmin", plan: list[tuple[str, int | None]], reason: str | None, *, dry_run: bool
) -> int:
    changed = 0
    try:
        with run.output.progress("trying limits" if dry_run else "setting limits", len(plan)) as advance:
            for start in range(0, len(plan), CHUNK):
                chunk = plan[start : start + CHUNK]
                changed += sum(result.changed for result in quotas.set_limits(chunk, reason=reason, dry_run=dry_run))
                advance(len(chunk))
    except BaseException:
        if not dry_run:
            run.output.warning(f"stopped after {changed} of {len(plan)} changes; the same command does the rest")
        raise
    return changed


def _everybody(run: Run, quotas: "QuotaAdmin") -> "Iterator[QuotaState]":
    after = None
    with run.output.progress("reading users") as advance:
        while True:
            page = quotas.list(limit=CHUNK, after=after)
            yield from (user.quota for user in page.items)
            advance(len(page.items))
            if not (after := page.next):
                return


def _refusal(bad: "list[BadLine]") -> InvalidInputError:
    ordered = sorted(bad, key=lambda line: line.line)
    problems = "; ".join(f"line {line.line} {line.problem}" for line in ordered[:SHOWN_PROBLEMS])
    more = f"; and {len(bad) - SHOWN_PROBLEMS} more" if len(bad) > SHOWN_PROBLEMS else ""
    return InvalidInputError(f"nothing was written: {problems}{more}", hint="mend these lines and run it again")
