"""`tickctl schema check`: whether the database keeps its promise."""

from typing import TYPE_CHECKING, Final

import typer

from tickctl.cli.console.exit_codes import ExitCode
from tickctl.cli.console.run import Run, command
from tickctl.cli.open.database import open_database

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tickctl.adapters.schema_check import Finding

# In this order, so that what matters stands last, next to the prompt.
_WORDS: Final = {"ok": "ok", "note": "note", "unknown": "cannot tell", "broken": "BROKEN"}
_COLOURS: Final = {"ok": "green", "unknown": "yellow", "broken": "red"}
_APPLY: Final = "tickctl schema apply"


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "check",
        backend=True,
        identity=False,
        examples="tickctl schema check\ntickctl schema check --backend local\n"
        "tickctl schema check --json | jq '.findings[] | select(.result == \"broken\")'",
    )(check_schema)


def check_schema(run: Run) -> ExitCode:
    """Prove that users can't bypass their quota.

    The check reads the catalogue. Then temporary users sign up and try to raise their limit, lower their usage, read
    and write rows of others, act as administrators, and so on. Everything is one transaction that is rolled back:
    no existing row is changed, and nobody waits for it. Exit code 1 means that something is broken; 5 that nothing is,
    but that some requirements could not be checked.
    """
    from tickctl.adapters.schema_check import check

    with open_database(run) as (connection, target):
        run.output.notice(f"checking {target}")
        with run.output.progress("checking") as advance:
            findings = check(connection, advance=advance)
    order = list(_WORDS)
    ranked = sorted(findings, key=lambda finding: order.index(finding.result))
    worst = order.index(ranked[-1].result)
    code = {"broken": ExitCode.NO, "unknown": ExitCode.CANNOT_TELL}.get(order[worst], ExitCode.YES)
    if run.json:
        run.output.document(
            {"target": target, "ok": code is ExitCode.YES, "findings": [_fields(finding) for finding in ranked]}
        )
    elif run.output.style.terminal:
        _print(run, ranked)
    else:
        rows = [list(_fields(finding).values()) for finding in ranked]
        run.output.table(("id", "part", "title", "result", "detail", "mend"), rows)
    if not run.json:
        _sum_up(run, ranked)
    return code


def _fields(finding: "Finding") -> dict[str, str | None]:
    return {
        "id": finding.id,
        "part": finding.part,
        "title": finding.title,
        "result": finding.result,
        "detail": finding.detail or None,
        "mend": finding.mend,
    }


def _print(run: Run, findings: "Sequence[Finding]") -> None:
    width = max(map(len, _WORDS.values())) + 2
    for finding in findings:
        word = _WORDS[finding.result]
        run.output.paragraph(finding.title, first=f"{word:{width}}", colour=_COLOURS.get(finding.result))
        if finding.detail:
            run.output.paragraph(finding.detail, first=" " * width)
        if finding.mend and finding.mend != _APPLY:
            label = "mend" if finding.result == "broken" else "hint"
            run.output.paragraph(finding.mend, first=f"{'':{width}}{label}: ")


def _sum_up(run: Run, findings: "Sequence[Finding]") -> None:
    """Say in one line how it is, and in another what mends it."""
    results = [str(finding.result) for finding in findings]
    broken, unknown = results.count("broken"), results.count("unknown")
    requirements = len(results) - results.count("note")
    if broken:
        line, colour = f"{broken} of {requirements} requirements are broken", "red"
    elif unknown:
        line, colour = f"nothing is broken, but of {requirements} requirements {unknown} can't be told", "yellow"
    else:
        line, colour = f"all {requirements} requirements are kept", "green"
    if broken and unknown:
        line += f", and {unknown} can't be told"
    if run.output.style.terminal:
        run.output.coloured(line, colour)
    else:
        run.output.notice(line)
    mended = sum(finding.mend == _APPLY and finding.result == "broken" for finding in findings)
    if mended:
        amount = "it" if mended == broken == 1 else f"{mended} of them" if mended < broken else "all of them"
        run.output.notice(f"'{_APPLY}' mends {amount}; with --dry-run it shows how")
