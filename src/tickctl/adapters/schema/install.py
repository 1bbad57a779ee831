"""Brings a database to the state of `tickctl/sql`, and says beforehand what that takes.

A plan is an installation that is rolled back, so what is announced is what is done. What it takes is found by the
requirements of `tickctl/sql/requirements`, the same that `schema check` reports.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Never

import psycopg

from tickctl.adapters.schema.failures import refusal, reported
from tickctl.adapters.schema.requirements import (
    Absent,
    Connection,
    Violation,
    all_requirements,
    as_json,
    ask,
    files,
)
from tickctl.adapters.schema.script import LOCK, LOCK_TIMEOUT, SETTINGS, record
from tickctl.adapters.schema.steps import Plan, Step, StepKind
from tickctl.errors import ConfigurationError, ConflictError
from tickctl.sql import Requirement, SqlFile
from tickctl.sql.files import HOOK

REPAIRS: Final = frozenset({"install", "change", "merge", "archive"})
"""Kinds of requirements that installing fixes where the object is tickctl's."""
_OPTIONAL: Final = frozenset({"option", "offer"})
_REFUSALS: Final = frozenset({"refused", "denied", "newer"})
# What a fix fails with when the rows, or triggers of the project, don't admit it.
_NOT_ADMITTED: Final = ("22", "23", "P0")


class _Blocked(Exception):  # noqa: N818 - no error: the plan's end
    """Nothing more can be planned."""


def plan(connection: Connection, *, hook: bool = False, options: Collection[str] = ()) -> Plan:
    """Return what `apply` would do: it is done, and rolled back.

    Args:
        connection: outside a transaction, or in one that may be used and is left as it was.
        hook: whether the optional access-token hook is wanted, too; where it is installed it always is.
        options: ids of requirements of kind `option` that are to be fixed as well.

    Raises:
        ConfigurationError: this is no Supabase project's database, or a newer version of tickctl has set it up.
        CredentialsRefusedError: this role may not do it.
        UnreachableError: the database could not answer.
    """
    with reported(), _transaction(connection, keep=False) as cursor:
        return _carried_out(connection, cursor, hook=hook, options=options)


def apply(
    connection: Connection, *, hook: bool = False, options: Collection[str] = (), expected: Plan | None = None
) -> Plan:
    """Bring the database to this version's schema, in one transaction, and return what was done.

    Runs as the owner of the schema (`postgres` on Supabase, not a superuser). Idempotent: an up-to-date database is
    only read, and the API is told to read the functions again all the same. Two runs at once wait for each other.

    Args:
        connection: in autocommit mode; otherwise the caller's transaction decides.
        hook: as for `plan`.
        options: as for `plan`.
        expected: what somebody agreed to; another plan is not carried out, but for one that has nothing left to do.

    Raises:
        ConfigurationError: as for `plan`; or blockers that somebody has to clear away first.
        CredentialsRefusedError: this role may not do it.
        ConflictError: the plan is no longer the expected one.
        UnreachableError: somebody holds the tables, or the database went away.

    Whatever is raised, nothing was changed.
    """
    with reported(), _transaction(connection, keep=True) as cursor:
        cursor.execute("set local lock_timeout = 0")
        cursor.execute("select pg_advisory_xact_lock(%s)", [LOCK])
        cursor.execute("select set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        done = _carried_out(connection, cursor, hook=hook, options=options)
        if done.blockers:
            raise ConfigurationError("; ".join(done.blockers), hint="nothing was changed; clear this away first")
        if expected is not None and done != expected and done.changes:
            raise ConflictError(
                "the database has changed since the plan was shown", hint="nothing was changed; run it again"
            )
        cursor.execute("notify pgrst, 'reload schema'")
    return done


def outstanding(connection: Connection) -> Plan:
    """Return what would have to be fixed, reading only; for those who must not hold anybody up.

    Raises:
        TickctlError: as for `plan`.
    """
    steps: list[Step] = []
    blockers: list[str] = []
    with reported(), connection.transaction(force_rollback=True):
        connection.execute(f"{SETTINGS}; set local lock_timeout = '1s'".encode())
        file_list = as_json(files(connection, hook=False))
        for requirement in all_requirements():
            violations = ask(connection, requirement, file_list)
            if isinstance(violations, Absent):
                continue
            _refuse(requirement, violations)
            if requirement.kind == "blocker":
                blockers += [violation.message for violation in violations]
            elif requirement.kind in REPAIRS:
                steps += [Step(StepKind.CHANGE, v.message) for v in violations if v.ours]
    return Plan(tuple(steps), tuple(blockers))


def _carried_out(
    connection: Connection, cursor: "psycopg.Cursor[tuple[object, ...]]", *, hook: bool, options: Collection[str]
) -> Plan:
    sources = files(connection, hook=hook)
    work = _Work(connection, cursor, sources, frozenset(options))
    try:
        work.run()
    except _Blocked:
        return Plan(blockers=tuple(work.blockers))
    return Plan(tuple(work.steps))


class _Work:
    """One installation: steps are carried out as they are found."""

    def __init__(
        self,
        connection: Connection,
        cursor: "psycopg.Cursor[tuple[object, ...]]",
        sources: tuple[SqlFile, ...],
        options: frozenset[str],
    ) -> None:
        self._connection = connection
        self._cursor = cursor
        self._sources = sources
        self._tables = [file for file in sources if file.name.startswith("migrations/")]
        self._functions = [file for file in sources if not file.name.startswith("migrations/")]
        self._file_list = as_json(sources)
        self._options = options
        self.steps: list[Step] = []
        self.blockers: list[str] = []

    def run(self) -> None:
        """Carry everything out; raises `_Blocked` where it can't be."""
        requirements = all_requirements()
        last_install = max(place for place, r in enumerate(requirements) if r.kind == "install")
        installing, fixing = requirements[: last_install + 1], requirements[last_install + 1 :]
        missing = self._missing(installing)
        if missing:
            self._announce(missing)
            for file in self._tables:
                self._execute(file.text)
        if self._fix(fixing) or missing:
            for file in self._functions:
                self._execute(file.text)
            if not any(violation.object.endswith(".sql") for violation in missing):
                # This version's own objects, which must be again what they were.
                self._must_be_repaired([r for r in installing if r.id == "as-installed"])
            self._execute(record(self._sources))
            self._must_be_repaired(installing)

    def _missing(self, requirements: Sequence[Requirement]) -> list[Violation]:
        missing: list[Violation] = []
        for requirement in requirements:
            violations = self._ask(requirement)
            if requirement.kind == "install":
                missing += violations
            elif requirement.kind == "blocker":
                self._block(violations)
        self._stop_if_blocked()
        return missing

    def _must_be_repaired(self, requirements: Sequence[Requirement]) -> None:
        for requirement in requirements:
            if requirement.kind == "install":
                self._block([_by_hand(violation) for violation in self._ask(requirement)])
        self._stop_if_blocked()

    def _announce(self, violations: list[Violation]) -> None:
        outdated = [violation for violation in violations if violation.object.endswith(".sql")]
        is_new = any(violation.object == "schema tick" for violation in violations)
        if outdated and not is_new and [violation.object for violation in outdated] != [HOOK]:
            self.steps.append(Step(StepKind.UPDATE, "tables, functions, triggers and policies of this version"))
        for violation in violations:
            if violation.object == HOOK and "has not run" in violation.message:
                self.steps.append(Step(StepKind.CREATE, "the optional access-token hook"))
            elif violation not in outdated:
                self.steps.append(Step(_announced_kind(violation), violation.message))

    def _fix(self, requirements: Sequence[Requirement]) -> bool:
        fixed = False
        for requirement in requirements:
            violations = self._ask(requirement)
            if requirement.kind == "blocker":
                self._block(violations)
            # Of what is in the way, all is told; nothing is done any more.
            if requirement.kind == "blocker" or self.blockers:
                continue
            for violation in violations:
                asked_for = requirement.id in self._options
                if requirement.kind == "note" or (requirement.kind in _OPTIONAL and not asked_for):
                    self.steps.append(_note(violation))
                elif requirement.kind in REPAIRS | _OPTIONAL and not violation.ours:
                    self._block([violation])
                elif requirement.kind in REPAIRS | _OPTIONAL:
                    self._execute(violation.fix or "", violation)
                    kind = StepKind.OPTION if requirement.kind in _OPTIONAL else StepKind(requirement.kind)
                    self.steps.append(Step(kind, violation.message, dependants=violation.dependants))
                    fixed = True
                elif requirement.kind == "finding":
                    self.steps.append(_note(violation))
        self._stop_if_blocked()
        return fixed

    def _ask(self, requirement: Requirement) -> list[Violation]:
        try:
            violations = ask(self._connection, requirement, self._file_list)
        except psycopg.Error as error:
            if not (error.sqlstate or "").startswith(_NOT_ADMITTED):
                raise
            self._fail(f"{requirement.title}: {error.diag.message_primary}")
        if isinstance(violations, Absent):
            return []
        _refuse(requirement, list(violations))
        return list(violations)

    def _execute(self, statements: str, violation: Violation | None = None) -> None:
        try:
            self._cursor.execute(statements.encode())
        except psycopg.Error as error:
            if violation is None or not (error.sqlstate or "").startswith(_NOT_ADMITTED):
                raise
            self._fail(f"{violation.message}: {error.diag.message_primary}")

    def _block(self, violations: list[Violation]) -> None:
        for violation in violations:
            used_by = f"; used by {violation.dependants}" if violation.dependants else ""
            self.blockers.append(f"{violation.message}{used_by}")

    def _fail(self, blocker: str) -> Never:
        """Stop at once: after an error the transaction can't go on."""
        self.blockers.append(blocker)
        raise _Blocked

    def _stop_if_blocked(self) -> None:
        if self.blockers:
            raise _Blocked


def _announced_kind(violation: Violation) -> StepKind:
    if violation.message.endswith(("tickctl did not make", " goes")):
        return StepKind.REMOVE
    is_new = violation.object == "schema tick" or violation.message == f"table {violation.object}"
    return StepKind.CREATE if is_new else StepKind.UPDATE


def _note(violation: Violation) -> Step:
    return Step(StepKind.NOTE, violation.message, violation.fix, violation.dependants)


def _by_hand(violation: Violation) -> Violation:
    return Violation(violation.object, f"{violation.message}, and can't be repaired: do it by hand", None, False, None)


def _refuse(requirement: Requirement, violations: "list[Violation] | tuple[Violation, ...] | object") -> None:
    if requirement.kind in _REFUSALS and isinstance(violations, list) and violations:
        error = refusal(requirement.kind, violations[0].message)
        if error is not None:
            raise error


@contextmanager
def _transaction(connection: Connection, *, keep: bool) -> Iterator["psycopg.Cursor[tuple[object, ...]]"]:
    """Be in a transaction with settings of its own; it is rolled back at the end unless it is to be kept."""
    with connection.transaction(force_rollback=not keep), connection.cursor() as cursor:
        cursor.execute(SETTINGS.encode())
        cursor.execute("select set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        yield cursor
