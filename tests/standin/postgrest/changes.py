"""Writing to tables: enough of it to show what is refused, and that nothing more is."""

import json
from collections.abc import Sequence
from typing import Any

from standin.http import JSON, Answer
from standin.postgrest import missing, statements
from standin.postgrest.config import Config
from standin.postgrest.errors import RestError
from standin.postgrest.pool import Pool
from standin.postgrest.query import Column, Query
from standin.postgrest.ranges import content_range
from standin.postgrest.resolution import parse_json
from standin.postgrest.schema_cache import Table
from standin.postgrest.statements import Statement
from standin.postgrest.transaction import Context, Rows, run

_APPLIED = ("resolution", "missing", "return", "tx", "timezone", "max-affected")


def change(table: Table, query: Query, context: Context, pool: Pool, config: Config, media: str) -> Answer:
    """Carry out POST, PUT, PATCH or DELETE on a table.

    Raises:
        RestError: the body or the database refuses.
    """
    wanted = context.preferences.get("return")
    returning = query.select if wanted == "representation" else ()
    if wanted == "headers-only":
        returning = tuple(map(Column, table.key))
    single = bool(returning) and media.startswith("application/vnd.pgrst.object")
    source = _source(table, query, context, returning)
    text = statements.body(media, scalar=False, single=single) if returning else statements.sql.SQL("''")
    rows = run(Statement(source, text), context, pool, config, single=single)
    return _answer(table, rows, context, media)


def _source(table: Table, query: Query, context: Context, returning: Sequence[Column]) -> Any:
    request = context.request
    if request.method == "DELETE":
        return statements.delete(table, query, returning=returning)
    body = parse_json(request.body.decode(errors="replace"))
    rows = body if isinstance(body, list) else [body]
    columns = query.columns or _columns(rows)
    unknown = next((column for column in columns if column not in table.columns), None)
    if unknown is not None:
        raise missing.column(table, unknown)
    if request.method == "PATCH":
        return statements.update(table, columns, json.dumps(body), query, returning=returning)
    resolution = "merge-duplicates" if request.method == "PUT" else context.preferences.get("resolution")
    return statements.insert(
        table,
        columns,
        json.dumps(rows),
        returning=returning,
        conflict=query.on_conflict or table.key,
        resolution=resolution,
        with_defaults=context.preferences.get("missing") == "default",
    )


def _columns(rows: Sequence[Any]) -> tuple[str, ...]:
    names = {tuple(sorted(row)) for row in rows}
    if len(names) > 1:
        raise RestError("PGRST102", "All object keys must match")
    return next(iter(names), ())


def _answer(table: Table, rows: Rows, context: Context, media: str) -> Answer:
    method = context.request.method
    headers = list(context.preferences.applied(*_APPLIED))
    shown = content_range(rows, 0) if method == "PATCH" else "*/*"
    if method != "PUT":
        headers.insert(0, ("Content-Range", shown))
    wanted = context.preferences.get("return")
    if wanted == "headers-only" and rows.shown == 1:
        key = json.loads(rows.body)[0]
        located = "&".join(f"{name}=eq.{value}" for name, value in key.items())
        headers.insert(0, ("Location", f"/{table.name}?{located}"))
    if wanted == "representation":
        headers.append(("Content-Type", JSON if media == "application/json" else f"{media}; charset=utf-8"))
        body = rows.body.encode()
        return Answer(_created(rows) if method == "POST" else 200, (*headers, *rows.headers), body)
    return Answer(_created(rows) if method == "POST" else 204, (*headers, *rows.headers))


def _created(rows: Rows) -> int:
    """Return 200 where an upsert found all rows there already."""
    return 200 if rows.updated and rows.updated == rows.shown else 201
