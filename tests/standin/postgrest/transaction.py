"""One request, one transaction: the caller's role and claims, the statement, and what PostgreSQL says to it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from standin.http import Request
from standin.postgrest.config import Config
from standin.postgrest.errors import RestError, from_sqlstate
from standin.postgrest.pool import Pool, lost_connection
from standin.postgrest.preferences import Preferences
from standin.postgrest.statements import Statement
from standin.postgrest.tokens import Identity


@dataclass(frozen=True, slots=True)
class Context:
    """As whom and how a statement runs."""

    identity: Identity
    request: Request
    schema: str
    read_only: bool
    settings: Mapping[str, str]
    """Of the role and of the function, for the length of the transaction."""
    preferences: Preferences


@dataclass(frozen=True, slots=True)
class Rows:
    """What a statement gave."""

    body: str
    shown: int
    total: int | None
    updated: int
    status: int | None
    headers: tuple[tuple[str, str], ...]


def run(statement: Statement, context: Context, pool: Pool, config: Config, *, single: bool = False) -> Rows:
    """Execute a statement and commit.

    `single` is whether exactly one row was asked for; otherwise nothing is kept.

    Raises:
        RestError: whatever PostgreSQL raised; PGRST116, PGRST124, PGRST112.
    """
    with pool.connection() as connection:
        try:
            connection.execute(f"begin isolation level read committed read {'only' if context.read_only else 'write'}")
            connection.execute(_settings(context))
            if config.db_pre_request:
                connection.execute(sql.SQL("select {}()").format(sql.Identifier(*config.db_pre_request.split("."))))
            with connection.cursor(row_factory=dict_row) as cursor:
                row = cursor.execute(statement.text).fetchone()
            assert row is not None
            rows = _rows(row)
            _check(rows, context, single=single, version=config.version)
            rolled_back = context.preferences.get("tx") == "rollback"
            connection.execute("rollback" if rolled_back else "commit")
        except psycopg.Error as error:
            raise _refused(error, connection, context, config) from None
        return rows


def planned(source: sql.Composable, context: Context, pool: Pool) -> int:
    """Return how many rows the planner expects of a query."""
    with pool.connection() as connection:
        connection.execute("begin read only")
        connection.execute(_settings(context))
        row = connection.execute(sql.SQL("explain (format json) {}").format(source)).fetchone()
        connection.execute("rollback")
        assert row is not None
        return int(row[0][0]["Plan"]["Plan Rows"])


def _settings(context: Context) -> sql.Composed:
    request = context.request
    cookies = dict(part.split("=", 1) for part in (request.header("cookie") or "").split("; ") if "=" in part)
    headers = {name: value for name, value in request.headers.items() if name != "cookie"}
    searched = f'"{context.schema}", "public"'
    settings = {
        "search_path": searched,
        "role": context.identity.role,
        "request.jwt.claims": json.dumps(context.identity.claims, sort_keys=True, separators=(",", ":")),
        "request.method": request.method,
        "request.path": request.path,
        "request.headers": json.dumps(headers),
        "request.cookies": json.dumps(cookies),
        **context.settings,
    }
    zone = context.preferences.get("timezone")
    if zone is not None:
        settings["timezone"] = zone
    calls = (
        sql.SQL("set_config({}, {}, true)").format(sql.Literal(name), sql.Literal(value))
        for name, value in settings.items()
    )
    return sql.SQL("select {}").format(sql.SQL(", ").join(calls))


def _rows(row: Mapping[str, Any]) -> Rows:
    try:
        status = None if row["status"] is None else int(row["status"])
    except ValueError:
        raise RestError("PGRST112", "response.status guc must be a valid status code") from None
    given = json.loads(row["headers"]) if row["headers"] else []
    headers = tuple((name, value) for one in given for name, value in one.items())
    return Rows(row["body"], row["shown"], row["total"], row["updated"], status, headers)


def _check(rows: Rows, context: Context, *, single: bool, version: int) -> None:
    if single and rows.shown != 1:
        message = "Cannot coerce the result to a single JSON object"
        if version < 14:
            message = "JSON object requested, multiple (or no) rows returned"
        raise RestError("PGRST116", message, f"The result contains {rows.shown} rows")
    most = context.preferences.max_affected
    if most is not None and not context.read_only and rows.shown > most:
        message = "Query result exceeds max-affected preference constraint"
        raise RestError("PGRST124", message, f"The query affects {rows.shown} rows")


def _refused(error: psycopg.Error, connection: psycopg.Connection, context: Context, config: Config) -> RestError:
    if connection.broken or connection.closed or error.sqlstate is None:
        return lost_connection()
    diagnosis = error.diag
    return from_sqlstate(
        error.sqlstate,
        diagnosis.message_primary or "",
        diagnosis.message_detail,
        diagnosis.message_hint,
        anonymous=context.identity.anonymous,
        version=config.version,
    )
