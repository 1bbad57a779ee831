"""Shows what a look at a system has found, and says it in an exit code: for `doctor` and `audit`."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from tickctl.cli.console.exit_codes import ExitCode
from tickctl.cli.console.run import Run
from tickctl.core.findings import Finding, Result, verdict

# In this order, so that what matters stands last in its group.
_WORDS: Final = {
    Result.NOT_APPLICABLE: "-",
    Result.PASS: "ok",
    Result.WARNING: "warning",
    Result.CANNOT_TELL: "cannot tell",
    Result.FAIL: "FAIL",
}
_RANKS: Final = tuple(_WORDS)
_COLOURS: Final = {
    Result.PASS: "green",
    Result.WARNING: "yellow",
    Result.CANNOT_TELL: "yellow",
    Result.FAIL: "red",
}
_WIDTH: Final = max(map(len, _WORDS.values())) + 2
_COLUMNS: Final = ("code", "result", "subject", "message", "mend")


def present(
    run: Run,
    findings: Iterable[Finding],
    *,
    heading: Callable[[Finding], str],
    about: Mapping[str, object] | None = None,
    extra: Callable[[Finding], Mapping[str, str | None]] | None = None,
    rank: Callable[[Finding], str] | None = None,
) -> ExitCode:
    """Show findings; the exit code is 0, 1 where something fails, 5 where only something can't be told.

    Args:
        run: how to answer.
        findings: all of them, in the order of their groups.
        heading: the title of a finding's group; groups come in the order of their first finding.
        about: further members of the JSON document, such as what was looked at.
        extra: further fields of each finding, for JSON and for pipes; the same names for all.
        rank: how bad a failure is, in a word for people at a terminal; the same for all findings of a code.
    """
    all_findings = list(findings)
    groups = list(dict.fromkeys(map(heading, all_findings)))
    ordered = sorted(all_findings, key=lambda finding: (groups.index(heading(finding)), _RANKS.index(finding.result)))
    ok = verdict(ordered)
    rows = [_fields(finding) | dict(extra(finding) if extra else {}) for finding in ordered]
    if run.json:
        run.output.document({"ok": ok, **(about or {}), "findings": rows})
    elif run.output.style.terminal:
        _print(run, ordered, heading, rank)
        run.output.coloured(_summary(ordered), {True: "green", False: "red", None: "yellow"}[ok])
    else:
        columns = tuple(rows[0]) if rows else _COLUMNS
        run.output.table(columns, [list(row.values()) for row in rows])
        run.output.notice(_summary(ordered))
    return {True: ExitCode.YES, False: ExitCode.NO, None: ExitCode.CANNOT_TELL}[ok]


def _fields(finding: Finding) -> dict[str, str | None]:
    return {
        "code": finding.code,
        "result": finding.result,
        "subject": finding.subject,
        "message": finding.message,
        "mend": finding.mend,
    }


def _print(
    run: Run,
    found: Sequence[Finding],
    heading: Callable[[Finding], str],
    rank: Callable[[Finding], str] | None,
) -> None:
    """Write each group under its title; what is equal but for its subject stands in one line."""
    groups: dict[str, dict[tuple[Result, str, str | None], list[str]]] = {}
    for finding in found:
        ranked = f" ({rank(finding)})" if rank and finding.result in {Result.FAIL, Result.WARNING} else ""
        alike = finding.result, finding.message + ranked, finding.mend
        groups.setdefault(heading(finding), {}).setdefault(alike, []).append(finding.subject)
    for title, lines in groups.items():
        run.output.paragraph(title)
        for (result, message, mend), subjects in lines.items():
            first = f"  {_WORDS[result]:{_WIDTH}}"
            text = f"{_together(subjects, all_of=result in {Result.FAIL, Result.WARNING})}: {message}"
            run.output.paragraph(text, first=first, colour=_COLOURS.get(result))
            if mend:
                run.output.paragraph(mend, first=f"  {'':{_WIDTH}}mend: ")
        run.output.text()


def _together(subjects: Sequence[str], *, all_of: bool) -> str:
    """Return several subjects as one text; where nothing has to be done about them, two and a number will do."""
    unique = list(dict.fromkeys(subjects))
    if all_of or len(unique) <= 3:  # noqa: PLR2004 - "and 1 more" would be no shorter
        return "; ".join(unique)
    return f"{'; '.join(unique[:2])} and {len(unique) - 2} more"


def _summary(found: Sequence[Finding]) -> str:
    counts = Counter(finding.result for finding in found)
    parts = [
        f"{counts[result]} {one if counts[result] == 1 else many}"
        for result, one, many in (
            (Result.FAIL, "failure", "failures"),
            (Result.CANNOT_TELL, "thing that can't be told", "things that can't be told"),
            (Result.WARNING, "warning", "warnings"),
            (Result.PASS, "check passed", "checks passed"),
            (Result.NOT_APPLICABLE, "not applicable", "not applicable"),
        )
        if counts[result]
    ]
    return ", ".join(parts) or "nothing was looked at"
