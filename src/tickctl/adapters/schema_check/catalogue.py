"""What the database says about itself, by the requirements that `schema apply` fixes."""

from collections.abc import Iterator
from typing import Final

import psycopg

from tickctl.adapters.schema.install import REPAIRS
from tickctl.adapters.schema.requirements import Absent, Violation, all_requirements, as_json, ask, files
from tickctl.adapters.schema_check.finding import APPLY, Finding, Part, Result, joined
from tickctl.adapters.schema_check.trial import Trial
from tickctl.sql import Requirement

OPTIONS: Final = {
    "profiles-row-security": "--rls",
    "limit-functions": "--revoke-execute",
    "leftovers": "--drop-leftovers",
}
"""The option of `schema apply` that fixes what belongs to the project, by requirement."""
_NOTES: Final = frozenset({"note", "offer", "remark"})
_NOT_ASKED: Final = frozenset({"refused", "denied"})


def look(trial: Trial) -> Iterator[Finding]:
    """Check the catalogue.

    Raises:
        psycopg.Error: the connection is lost.
    """
    connection = trial.connection
    sources = files(connection, hook=False)
    file_list = as_json(sources)
    is_hooked = any(file.name.startswith("optional/") for file in sources)
    is_installed = True
    for requirement in all_requirements():
        if requirement.kind in _NOT_ASKED or (requirement.kind == "hook" and not is_hooked):
            continue
        try:
            violations = ask(connection, requirement, file_list)
        except psycopg.Error as error:
            if error.sqlstate is None:
                raise
            yield _unknown(requirement, f"{error.diag.message_primary} (SQLSTATE {error.sqlstate})")
            continue
        if isinstance(violations, Absent):
            # Of what isn't there nothing can be told; that it isn't there has been told.
            if requirement.kind not in _NOTES and is_installed:
                yield _unknown(requirement, violations.message)
            continue
        is_installed = is_installed and not any(violation.object == "schema tick" for violation in violations)
        if violations or requirement.kind not in _NOTES:
            yield _finding(requirement, list(violations))


def _finding(requirement: Requirement, violations: list[Violation]) -> Finding:
    part = Part.HOOK if requirement.kind == "hook" else Part.CATALOGUE
    if not violations:
        return Finding(requirement.id, part, requirement.title, Result.OK)
    result = Result.NOTE if requirement.kind in _NOTES else Result.BROKEN
    return Finding(
        requirement.id,
        part,
        requirement.title,
        result,
        joined([violation.message for violation in violations]),
        _fix(requirement, violations),
    )


def _fix(requirement: Requirement, violations: list[Violation]) -> str | None:
    if requirement.kind in REPAIRS:
        return APPLY
    if requirement.kind == "blocker":
        return f"fix that, then run {APPLY}"
    if requirement.kind == "newer":
        return "upgrade tickctl"
    fixes = [violation.fix for violation in violations if violation.fix]
    if requirement.id not in OPTIONS:
        return joined(fixes) or None
    blocking = [violation.dependants for violation in violations if violation.dependants and not violation.ours]
    if blocking:
        return f"{joined(fixes)}, once nothing depends on it any more: {joined(blocking)}"
    return f"{APPLY} {OPTIONS[requirement.id]}, which runs: {joined(fixes)}"


def _unknown(requirement: Requirement, detail: str) -> Finding:
    return Finding(requirement.id, Part.CATALOGUE, requirement.title, Result.UNKNOWN, detail)
