"""Brings a database to the state of `tickctl/sql`, and says beforehand what that takes."""

from typing import Final, TypeAlias

import psycopg
from psycopg.rows import TupleRow

from tickctl.adapters.schema.failures import reported
from tickctl.adapters.schema.plan import Plan, Step, StepKind
from tickctl.errors import ConfigurationError
from tickctl.sql import SqlFile, migrations, repeatables

Connection: TypeAlias = psycopg.Connection[TupleRow]

# An arbitrary number that two simultaneous installations agree on.
_LOCK: Final = 7_413_091_865_526_040


def plan(connection: Connection, *, hook: bool = False) -> Plan:
    """Return what `apply` would do, changing nothing.

    Raises:
        TickctlError: as `apply`.
    """
    with reported():
        return _plan(pending(connection))


def apply(connection: Connection, *, hook: bool = False) -> Plan:
    """Bring the database to this version's schema, in one transaction, and return what was done.

    Runs as the owner of the schema (`postgres` on Supabase, not a superuser). Idempotent: an up-to-date database is
    only read. Two runs at once wait for each other.

    Raises:
        ConfigurationError: the database was set up by another version of tickctl that this one can't follow.
        CredentialsRefusedError: this role may not do it.
        UnreachableError: the database refused for another reason, or went away.

    Whatever is raised, nothing was changed.
    """
    with reported():
        return _apply(connection)


def as_one_file(*, hook: bool = False) -> str:
    """Return the same as one SQL text."""
    raise NotImplementedError


def _plan(files: list[SqlFile]) -> Plan:
    return Plan(tuple(Step(StepKind.CREATE, file.name) for file in files))


def _apply(connection: Connection) -> Plan:
    if not pending(connection):
        return Plan()
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
        # A lock that doesn't come soon is given up: everybody else queues behind whoever waits for one.
        connection.execute("set local lock_timeout = '10s'")
        connection.execute("set local client_min_messages = 'warning'")
        files = pending(connection)
        for file in files:
            connection.execute(file.text.encode())
            connection.execute(
                "insert into tick.migration (name, digest, applied_at) values (%s, %s, now())"
                " on conflict (name) do update set digest = excluded.digest, applied_at = excluded.applied_at",
                [file.name, file.digest],
            )
        if files:
            connection.execute("notify pgrst, 'reload schema'")
    return _plan(files)


def pending(connection: Connection) -> list[SqlFile]:
    """Return the files that `apply` would run, in order.

    Raises:
        ConfigurationError: as `apply`.
    """
    applied = _applied(connection)
    known = migrations()
    for name in applied:
        if name.startswith("migrations/") and name not in {file.name for file in known}:
            raise ConfigurationError(
                f"the database was set up by a newer version of tickctl, which ran {name}",
                hint="upgrade tickctl",
            )
    for file in known:
        if applied.get(file.name, file.digest) != file.digest:
            raise ConfigurationError(
                f"the database ran another text of {file.name}",
                hint="use the version of tickctl that set it up, or a newer one",
            )
    repeated = repeatables()
    new = [file for file in known if file.name not in applied]
    changed = any(applied.get(file.name) != file.digest for file in repeated)
    return [*new, *repeated] if new or changed else []


def _applied(connection: Connection) -> dict[str, str]:
    """Return the digest of each file that the database has run."""
    with connection.transaction():
        # Not to_regclass, which may still remember that there was no such table when it was asked before the wait.
        found = connection.execute(
            "select from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace"
            " where n.nspname = 'tick' and c.relname = 'migration'"
        )
        if found.fetchone() is None:
            return {}
        return dict(connection.execute("select name, digest from tick.migration").fetchall())
