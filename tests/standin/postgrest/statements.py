"""The SQL of a request: a source of rows, and around it what makes one text of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from standin.postgrest.query import Column, Filter, Order, Query
from standin.postgrest.schema_cache import Function, Parameter, Table

_ALL = (Column("*"),)
_NOTHING = sql.SQL("")
_CALLED = sql.Identifier("called")
# True always; on the way it counts the rows that were there before, in a setting of the transaction.
_COUNTED = sql.SQL(
    "set_config('standin.updated',"
    " (coalesce(nullif(current_setting('standin.updated', true), ''), '0')::int + 1)::text, true) <> ''"
)


@dataclass(frozen=True, slots=True)
class Statement:
    """What is executed: `source` gives rows, `body` is the expression that turns them into the answer's text.

    `called` gives the rows of a function's call, of which `source` and `total` then take what they need: a function is
    called once, whatever is asked of its rows.
    """

    source: sql.Composable
    body: sql.Composable
    total: sql.Composable | None = None
    called: sql.Composable | None = None

    @property
    def text(self) -> sql.Composed:
        """One statement with one row: how many rows there are in all, how many of them are here, and the body."""
        called = sql.SQL("called as materialized ({}), ").format(self.called) if self.called else sql.SQL("")
        return sql.SQL(
            "with {}source as ({}) select {} as total, (select count(*) from source) as shown, {} as body,"
            " nullif(current_setting('response.headers', true), '') as headers,"
            " nullif(current_setting('response.status', true), '') as status,"
            " coalesce(nullif(current_setting('standin.updated', true), ''), '0')::int as updated"
        ).format(called, self.source, self.total or sql.SQL("null::bigint"), self.body)


def call(function: Function, given: Sequence[str], document: str) -> sql.Composed:
    """Return the rows of a call with named arguments out of a JSON object."""
    name = sql.Identifier(function.schema, function.name)
    used = [parameter for parameter in function.parameters if parameter.name in given]
    if not used:
        return _row_or_scalar(function, sql.SQL("{}()").format(name))
    passed = sql.SQL(", ").join(
        sql.SQL("{} => arguments.{}").format(sql.Identifier(p.name), sql.Identifier(p.name)) for p in used
    )
    record = sql.SQL("{}, ").format(_record(sql.SQL("json_to_record"), used, document))
    return _row_or_scalar(function, sql.SQL("{}({})").format(name, passed), record)


def call_unnamed(function: Function, value: str) -> sql.Composed:
    """Return the rows of a call of a function whose only parameter has no name: the whole body is its argument."""
    name = sql.Identifier(function.schema, function.name)
    argument = sql.SQL("{}::{}").format(sql.Literal(value), sql.SQL(function.parameters[0].type))
    return _row_or_scalar(function, sql.SQL("{}({})").format(name, argument))


def _row_or_scalar(function: Function, call: sql.Composed, arguments: sql.Composable = _NOTHING) -> sql.Composed:
    if function.returns_rows:
        return sql.SQL("select one.* from {}lateral {} as one").format(arguments, call)
    return sql.SQL("select one.scalar from {}lateral (select {} as scalar) as one").format(arguments, call)


def of_call(query: Query) -> sql.Composed:
    """Return the source that takes the wanted rows of a call."""
    return sql.SQL("select {} from called{}{}{}").format(_selected(query.select, _CALLED), *_clauses(query, _CALLED))


def counted_of_call(query: Query) -> sql.Composed:
    """Return how many rows of a call fit, as an expression."""
    return sql.SQL("(select count(*) from called{})").format(_where(query.filters, _CALLED))


def _record(kind: sql.SQL, columns: Sequence[Parameter], document: str) -> sql.Composed:
    typed = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type)) for column in columns
    )
    return sql.SQL("{}({}::json) as arguments ({})").format(kind, sql.Literal(document), typed)


def read(table: Table, query: Query) -> sql.Composed:
    """Return the source for reading a table."""
    return sql.SQL("select {} from {}{}{}{}").format(
        _selected(query.select, _name(table)), _name(table), *_clauses(query, _name(table))
    )


def counted(table: Table, query: Query) -> sql.Composed:
    """Return how many rows of a table fit, as an expression."""
    return sql.SQL("(select count(*) from {}{})").format(_name(table), _where(query.filters, _name(table)))


def insert(
    table: Table,
    columns: Sequence[str],
    document: str,
    *,
    returning: Sequence[Column],
    conflict: Sequence[str],
    resolution: str | None,
    with_defaults: bool,
) -> sql.Composed:
    """Return the source for inserting a JSON array of objects."""
    if not columns:
        return sql.SQL("select {} from {} where false").format(_selected(returning or _ALL, _name(table)), _name(table))
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    typed = [Parameter(column, table.columns[column], required=True) for column in columns]
    rows = sql.SQL("select {} from {}").format(names, _record(sql.SQL("json_to_recordset"), typed, document))
    if with_defaults:
        rows = _with_defaults(columns, document)
    upsert = sql.SQL("")
    if resolution and conflict:
        target = sql.SQL(", ").join(map(sql.Identifier, conflict))
        assigned = sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(column)) for column in columns
        )
        upsert = sql.SQL(" on conflict ({}) do nothing").format(target)
        if resolution == "merge-duplicates":
            upsert = sql.SQL(" on conflict ({}) do update set {} where {}").format(target, assigned, _COUNTED)
    return sql.SQL("insert into {} ({}) {}{} returning {}").format(
        _name(table), names, rows, upsert, _returned(table, returning)
    )


def _with_defaults(columns: Sequence[str], document: str) -> sql.Composed:
    """Return rows of values in which a missing member is the column's default."""

    def value(row: dict[str, Any], column: str) -> sql.Composable:
        if column not in row:
            return sql.SQL("default")
        given = row[column]
        return sql.Literal(given if given is None or isinstance(given, str) else json.dumps(given))

    rows = (sql.SQL("({})").format(sql.SQL(", ").join(value(row, c) for c in columns)) for row in json.loads(document))
    return sql.SQL("values {}").format(sql.SQL(", ").join(rows))


def update(
    table: Table, columns: Sequence[str], document: str, query: Query, *, returning: Sequence[Column]
) -> sql.Composed:
    """Return the source for changing rows."""
    if not columns:
        return sql.SQL("select {} from {} where false").format(_selected(returning or _ALL, _name(table)), _name(table))
    typed = [Parameter(column, table.columns[column], required=True) for column in columns]
    assigned = sql.SQL(", ").join(sql.SQL("{0} = arguments.{0}").format(sql.Identifier(column)) for column in columns)
    return sql.SQL("update {} set {} from (select * from {}) as arguments{} returning {}").format(
        _name(table),
        assigned,
        _record(sql.SQL("json_to_record"), typed, document),
        _where(query.filters, _name(table)),
        _returned(table, returning),
    )


def delete(table: Table, query: Query, *, returning: Sequence[Column]) -> sql.Composed:
    """Return the source for deleting rows."""
    return sql.SQL("delete from {}{} returning {}").format(
        _name(table), _where(query.filters, _name(table)), _returned(table, returning)
    )


def _returned(table: Table, columns: Sequence[Column]) -> sql.Composable:
    # Without a wish to see rows nothing is read of them, which would need the right to read.
    return _selected(columns, _name(table)) if columns else sql.SQL("1 as nothing")


def body(media: str, *, scalar: bool, single: bool) -> sql.Composable:
    """Return the expression that makes the answer's text."""
    if media == "text/csv":
        first = "(select json_object_keys(row_to_json(s)) as key from (select * from source limit 1) as s)"
        keys = f"(select string_agg(key, ',') from {first} as k)"
        lines = "(select string_agg(substr(s::text, 2, length(s::text) - 2), E'\\n') from source as s)"
        return sql.SQL(f"coalesce({keys}, '') || E'\\n' || coalesce({lines}, '')")
    row = "s.scalar" if scalar else "s"
    if "nulls=stripped" in media:
        row = f"json_strip_nulls(row_to_json({row}))"
    if single:
        return sql.SQL(f"coalesce((select (json_agg({row}) -> 0)::text from source as s), 'null')")
    return sql.SQL(f"(select coalesce(json_agg({row}), '[]')::text from source as s)")


def _selected(columns: Sequence[Column], of: sql.Composable) -> sql.Composed:
    def one(column: Column) -> sql.Composable:
        if column.name == "*":
            return sql.SQL("{}.*").format(of)
        value: sql.Composable = sql.SQL("{}.{}").format(of, sql.Identifier(column.name))
        if column.cast:
            value = sql.SQL("{}::{}").format(value, sql.Identifier(column.cast))
        shown = column.alias or (column.name if column.cast else None)
        return sql.SQL("{} as {}").format(value, sql.Identifier(shown)) if shown else value

    return sql.SQL(", ").join(one(column) for column in columns)


def _clauses(query: Query, of: sql.Composable) -> tuple[sql.Composable, sql.Composable, sql.Composable]:
    return _where(query.filters, of), _order(query.order, of), _limit(query)


def _where(filters: Sequence[Filter], of: sql.Composable) -> sql.Composable:
    if not filters:
        return sql.SQL("")
    return sql.SQL(" where {}").format(sql.SQL(" and ").join(_condition(one, of) for one in filters))


def _condition(one: Filter, of: sql.Composable) -> sql.Composed:
    value: sql.Composable = sql.Literal(one.value.replace("*", "%") if one.operator.endswith("like") else one.value)
    if one.operator == "in":
        value = sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, one.values)))
    elif one.operator == "is":
        value = sql.SQL(one.value.replace("_", " "))  # one of a few words, as the grammar says
    condition = sql.SQL("{}.{} {} {}").format(of, sql.Identifier(one.column), sql.SQL(one.operator), value)
    return sql.SQL("not ({})").format(condition) if one.negated else condition


def _order(order: Sequence[Order], of: sql.Composable) -> sql.Composable:
    if not order:
        return sql.SQL("")
    terms = (
        sql.SQL("{}.{} {}{}").format(
            of,
            sql.Identifier(one.column),
            sql.SQL(one.direction),
            sql.SQL(f" nulls {one.nulls}") if one.nulls else sql.SQL(""),
        )
        for one in order
    )
    return sql.SQL(" order by {}").format(sql.SQL(", ").join(terms))


def _limit(query: Query) -> sql.Composable:
    limit: Any = sql.SQL("") if query.limit is None else sql.SQL(" limit {}").format(sql.Literal(query.limit))
    offset = sql.SQL(" offset {}").format(sql.Literal(query.offset)) if query.offset else sql.SQL("")
    return sql.SQL("{}{}").format(limit, offset)


def _name(table: Table) -> sql.Identifier:
    return sql.Identifier(table.schema, table.name)
