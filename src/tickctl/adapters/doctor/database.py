"""Looks at a database over a direct connection: the schema's plan, which is rolled back, and the hook."""

from contextlib import closing
from typing import Final

import psycopg

from tickctl.adapters import schema
from tickctl.adapters.postgres import connect
from tickctl.core.doctor.facts import Database, Problem, Schema, Unread
from tickctl.core.secret import Secret
from tickctl.errors import CredentialsRefusedError, TickctlError, UnreachableError

_HOOK: Final = """
select from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
where n.nspname = 'tick' and p.proname = 'access_token_hook'
"""


def look_at(url: Secret, place: str) -> Database:
    """Return what a database says.

    Args:
        url: of the connection.
        place: what to call it.

    Raises:
        ConfigurationError: the URL can't be read, or names a database that does not exist.
        CredentialsRefusedError: the server refused the user or the password.
        UnreachableError: no connection came about.
    """
    with closing(connect(url)) as connection:
        try:
            hook: bool | Unread = connection.execute(_HOOK).fetchone() is not None
        except psycopg.Error as error:
            hook = Unread(f"the database didn't say whether the hook is installed (SQLSTATE {error.sqlstate})")
        return Database(f"{place} as {connection.info.user}", _schema(connection), hook)


def _schema(connection: schema.Connection) -> Schema | Problem | Unread:
    try:
        plan = schema.outstanding(connection)
    except (UnreachableError, CredentialsRefusedError) as error:  # who may not look can't tell
        return Unread(error.message, error.hint)
    except TickctlError as error:
        return Problem(error.message, error.hint)
    steps = tuple(step.text for step in plan.steps) if plan.changes else ()
    return Schema(steps, plan.blockers)
