"""`tickctl secrets check`: what may be wrong with env files, before they are pushed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tickctl.cli.console.exit_codes import ExitCode
from tickctl.cli.console.options import AllowShell, EnvName
from tickctl.cli.console.run import Run, command
from tickctl.core.secrets.checks.finding import Purpose, Result

if TYPE_CHECKING:
    from tickctl.core.secrets.checks import Finding
    from tickctl.core.secrets.target import Target

# In this order, so that what matters stands last, next to the prompt.
_WORDS: Final = {
    Result.NOTE: "note",
    Result.WARNING: "warning",
    Result.CANNOT_TELL: "cannot tell",
    Result.FAIL: "FAIL",
}
_COLOURS: Final = {Result.FAIL: "red", Result.CANNOT_TELL: "yellow", Result.WARNING: "yellow"}
_WIDTH: Final = max(map(len, _WORDS.values())) + 2
_TOGETHER: Final = "all files together"


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "check",
        env_files="An env file to check instead of services/.env and services/keys.env; repeatable.",
        examples="tickctl secrets check\n"
        "tickctl secrets check --env-name production --strict\n"
        "tickctl secrets check --env-file services/.env --for local\n"
        "tickctl secrets check --json | jq '.findings[] | select(.result == \"fail\")'",
    )(check)


def check(
    run: Run,
    env_name: EnvName = None,
    required_from: Annotated[
        Path | None,
        typer.Option(
            "--required-from", help="A file that names the keys which must be there, such as keys.env.example."
        ),
    ] = None,
    purpose: Annotated[
        Purpose, typer.Option("--for", help="What the files are for; locally, development switches are only noted.")
    ] = Purpose.PRODUCTION,
    allow_shell: AllowShell = None,
    strict: Annotated[bool, typer.Option("--strict", help="Count warnings as failures.")] = False,
) -> ExitCode:
    """Look for what is wrong with env files.

    That is what they say, and where they lie; only names are shown.

    Exit code 0: nothing that has to be mended. Exit code 1: something has to be. Exit code 5: nothing that could be
    seen, but something could not be found out. Keys that must be there are those of the profile or of
    --required-from, else those of the example beside each file, such as services/keys.env.example.
    """
    from tickctl.cli.open.env_files import chosen_files
    from tickctl.cli.open.target import profile
    from tickctl.core.secrets.checks import verdict

    target = profile(run, env_name)
    paths = chosen_files(run, target)
    order = list(_WORDS)
    all_findings = _findings(run, target, paths, required_from, purpose, allow_shell or ())
    findings = sorted(all_findings, key=lambda finding: order.index(finding.result))
    ok = verdict(findings, strict=strict)
    if run.json:
        run.output.document(
            {
                "files": list(map(str, paths)),
                "env_name": target.env_name,
                "for": purpose,
                "ok": ok,
                "findings": [_fields(finding) for finding in findings],
            }
        )
    elif run.output.style.terminal:
        _print(run, paths, findings)
    else:
        columns = ("code", "result", "file", "line", "key", "message", "mend")
        run.output.table(columns, [list(_fields(finding).values()) for finding in findings])
    if not run.json:
        _sum_up(run, findings, ok=ok)
    return {True: ExitCode.YES, False: ExitCode.NO, None: ExitCode.CANNOT_TELL}[ok]


def _findings(
    run: Run,
    target: "Target",
    paths: Sequence[Path],
    required_from: Path | None,
    purpose: Purpose,
    allow_shell: Sequence[str],
) -> Iterator["Finding"]:
    from tickctl.adapters.env_files import load_env_files, python_dotenv
    from tickctl.adapters.examples import expectations
    from tickctl.adapters.file_facts import look_at
    from tickctl.cli.open.env_files import read_entries
    from tickctl.core.secrets.checks import check_entries, differing, placed, unreadable
    from tickctl.core.secrets.env_files.differences import OtherReader, differences, docker_run
    from tickctl.errors import ConfigurationError

    files = load_env_files(paths, read_file=run.read_env_file)
    expected = expectations(target, paths, required_from=required_from)
    for path in paths:
        yield from placed(look_at(path, run.environ))
    try:
        entries = read_entries(run, files, allow_shell=allow_shell)
    except ConfigurationError as error:
        yield unreadable(error, files)
        return
    yield from check_entries(entries, expected, purpose)
    readers = {OtherReader.PYTHON_DOTENV: python_dotenv, OtherReader.DOCKER_RUN: docker_run}
    yield from map(differing, differences(files, entries, readers))


def _fields(finding: "Finding") -> dict[str, str | int | None]:
    return {
        "code": finding.check,
        "result": finding.result,
        "file": finding.file,
        "line": finding.line,
        "key": finding.key,
        "message": finding.message,
        "mend": finding.mend,
    }


def _print(run: Run, paths: Sequence[Path], findings: "Sequence[Finding]") -> None:
    """Write what was found, file by file; those without any are named too, since they were looked at."""
    for name in (*dict.fromkeys(map(str, paths)), None):
        own = [finding for finding in findings if finding.file == name]
        if own or name:
            run.output.paragraph(name or _TOGETHER)
        if name and not own:
            run.output.paragraph("nothing found", first=f"  {'ok':{_WIDTH}}", colour="green")
        for finding in own:
            location = f"line {finding.line}: " if finding.line else ""
            first = f"  {_WORDS[finding.result]:{_WIDTH}}"
            run.output.paragraph(f"{location}{finding.message}", first=first, colour=_COLOURS.get(finding.result))
            if finding.mend:
                run.output.paragraph(finding.mend, first=f"  {'':{_WIDTH}}mend: ")


def _sum_up(run: Run, findings: "Sequence[Finding]", *, ok: bool | None) -> None:
    """Say in one line how it is."""
    counts = Counter(finding.result for finding in findings)
    parts = [
        f"{counts[result]} {one if counts[result] == 1 else many}"
        for result, one, many in (
            (Result.FAIL, "failure", "failures"),
            (Result.CANNOT_TELL, "thing that can't be told", "things that can't be told"),
            (Result.WARNING, "warning", "warnings"),
            (Result.NOTE, "note", "notes"),
        )
        if counts[result]
    ]
    line = ", ".join(parts) or "nothing found"
    if ok:
        line = f"nothing has to be mended; {line}" if parts else line
    if run.output.style.terminal:
        run.output.coloured(line, {True: "green", False: "red", None: "yellow"}[ok])
    else:
        run.output.notice(line)
