"""What makes a fresh PostgreSQL look like a hosted Supabase project: roles, the schema `auth`, our migrations."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from importlib import resources
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import sql

from tickctl.adapters import schema
from tickctl.adapters.embedded.failures import disk_full, says_disk_full
from tickctl.adapters.embedded.postmaster import latest_log
from tickctl.adapters.embedded.startup import SUPERUSER
from tickctl.errors import ConfigurationError, TickctlError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

    from tickctl.adapters.embedded.home import Home
    from tickctl.adapters.embedded.server import Server

_CONNECT_SECONDS: Final = 10


def bootstrap(server: Server, home: Home) -> None:
    """Bring the database up to what this tickctl wants; one query when it already is.

    Everything can be run again, so that a process killed half-way leaves nothing to repair: the stamp comes last.

    Raises:
        UnreachableError: the database does not answer, or its disk is full.
    """
    with _reported(home), _connect(server, SUPERUSER) as connection:
        connection.autocommit = True
        fingerprint = _fingerprint()
        if _stamp(connection) == fingerprint:
            return
        with connection.transaction():
            for file in _sql_files(resources.files("tickctl.sql") / "embedded"):
                connection.execute(file.read_bytes())
        _apply_migrations(server)
        connection.execute(sql.SQL("comment on schema auth is {}").format(fingerprint))


def _apply_migrations(server: Server) -> None:
    # As the role that runs migrations in a hosted project, which is no superuser there either.
    with _connect(server, "postgres") as connection:
        schema.apply(connection)


def _stamp(connection: psycopg.Connection) -> str | None:
    row = connection.execute("select pg_catalog.obj_description(to_regnamespace('auth'), 'pg_namespace')").fetchone()
    return None if row is None else row[0]


def _fingerprint() -> str:
    """Return a digest of all SQL that comes with this tickctl."""
    digest = hashlib.sha256()
    for file in _sql_files(resources.files("tickctl.sql")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return f"tickctl {digest.hexdigest()[:32]}"


def _sql_files(folder: Traversable) -> Iterator[Traversable]:
    """Yield the .sql files in a folder and below it, in the order of their names."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _sql_files(entry)
        elif entry.name.endswith(".sql"):
            yield entry


def _connect(server: Server, user: str) -> psycopg.Connection:
    return psycopg.connect(server.url(user), connect_timeout=_CONNECT_SECONDS)


@contextmanager
def _reported(home: Home) -> Iterator[None]:
    try:
        yield
    except (psycopg.Error, TickctlError) as error:
        # A server whose disk is full may be too far gone to say so to its clients.
        if isinstance(error, psycopg.errors.DiskFull) or says_disk_full(latest_log(home)):
            raise disk_full(home.path) from error
        if isinstance(error, ConfigurationError):
            raise
        raise UnreachableError(
            f"the embedded database could not be set up: {_said(error)}",
            hint=f"see {home.log}; `tickctl local reset` makes a new one",
        ) from error


def _said(error: psycopg.Error | TickctlError) -> str:
    if isinstance(error, TickctlError):
        return error.message
    return error.diag.message_primary or type(error).__name__
