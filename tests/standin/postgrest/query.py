"""The query string: which columns, which rows, in what order, how many; the part of the grammar that tests need."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

from standin.postgrest.errors import RestError

_RESERVED = ("select", "order", "limit", "offset", "columns", "on_conflict")
_COMPARISONS = {
    "eq": "=",
    "neq": "<>",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "like": "like",
    "ilike": "ilike",
    "is": "is",
    "in": "in",
}
_FILTER = re.compile(rf"(?P<not>not\.)?(?P<operator>{'|'.join(_COMPARISONS)})\.(?P<value>.*)", re.DOTALL)
_COLUMN = re.compile(r"(?:(?P<alias>\w+):)?(?P<name>\*|\w+)(?:::(?P<cast>\w+))?")
_ORDER = re.compile(r"(?P<name>\w+)(?:\.(?P<direction>asc|desc))?(?:\.nulls(?P<nulls>first|last))?")
_EMBED = re.compile(r"(\w+)\(")
_IS = ("null", "true", "false", "unknown", "not_null")


@dataclass(frozen=True, slots=True)
class Column:
    """One item of `select`; `name` may be `*`."""

    name: str
    alias: str | None = None
    cast: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """`column operator value`; for `in`, the values are in `values`."""

    column: str
    operator: str
    value: str
    negated: bool = False
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """One item of `order`."""

    column: str
    direction: str
    nulls: str | None


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query string; `parameters` are a function's arguments in a GET."""

    select: tuple[Column, ...]
    filters: tuple[Filter, ...]
    order: tuple[Order, ...]
    limit: int | None
    offset: int
    columns: tuple[str, ...] | None
    on_conflict: tuple[str, ...]
    parameters: dict[str, str]
    embeds: tuple[str, ...]
    canonical: str
    """Sorted and encoded, as in `Content-Location`."""


def parse(text: str, *, function_call: bool = False) -> Query:
    """Read a query string.

    Args:
        text: what follows the question mark.
        function_call: whether values that are no filters are arguments of a function.

    Raises:
        RestError: PGRST100.
    """
    pairs = parse_qsl(text, keep_blank_values=True)
    single = dict(pairs)
    filters = []
    parameters = {}
    for name, value in pairs:
        if name in _RESERVED:
            continue
        if function_call and not _FILTER.fullmatch(value):
            parameters[name] = value
        else:
            filters.append(_filter(name, value))
    selected = single.get("select", "*")
    embeds = tuple(_EMBED.findall(selected))
    return Query(
        select=() if embeds else tuple(_column(item) for item in selected.split(",") if item),
        filters=tuple(filters),
        order=tuple(_order(item) for item in single.get("order", "").split(",") if item),
        limit=_number(single.get("limit")),
        offset=_number(single.get("offset")) or 0,
        columns=tuple(single["columns"].split(",")) if "columns" in single else None,
        on_conflict=tuple(name for name in single.get("on_conflict", "").split(",") if name),
        parameters=parameters,
        embeds=embeds,
        canonical="&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(pairs)),
    )


def _column(item: str) -> Column:
    found = _COLUMN.fullmatch(item.strip())
    if found is None:
        raise _unreadable("select parameter", item)
    return Column(found["name"], found["alias"], found["cast"])


def _filter(column: str, text: str) -> Filter:
    found = _FILTER.fullmatch(text)
    if found is None or (found["operator"] == "is" and found["value"] not in _IS):
        raise RestError(
            "PGRST100",
            f'"failed to parse filter ({text})" (line 1, column 1)',
            f'unexpected "{text[:1]}" expecting "not" or operator (eq, gt, ...)',
        )
    values = tuple(found["value"].strip("()").split(",")) if found["operator"] == "in" else ()
    return Filter(column, _COMPARISONS[found["operator"]], found["value"], bool(found["not"]), values)


def _order(item: str) -> Order:
    found = _ORDER.fullmatch(item)
    if found is None:
        raise _unreadable("order", item)
    return Order(found["name"], found["direction"] or "asc", found["nulls"])


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def _unreadable(what: str, text: str) -> RestError:
    return RestError("PGRST100", f'"failed to parse {what} ({text})" (line 1, column 1)', f'unexpected "{text[:1]}"')
