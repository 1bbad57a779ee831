"""Which rows of all are shown: the `Range` header, limits, and what `Content-Range` says of it."""

import re
from dataclasses import replace

from standin.http import Request
from standin.postgrest.errors import RestError
from standin.postgrest.query import Query
from standin.postgrest.transaction import Rows

_RANGE = re.compile(r"(\d+)-(\d*)")


def limited(query: Query, request: Request, most: int | None) -> Query:
    """Return the query with the header's range and the server's own limit in it.

    Raises:
        RestError: PGRST103.
    """
    found = _RANGE.fullmatch(request.header("range") or "")
    if found and request.method == "GET" and query.limit is None and not query.offset:
        first, last = int(found[1]), found[2]
        if last and int(last) < first:
            raise RestError(
                "PGRST103",
                "Requested range not satisfiable",
                "The lower boundary must be lower than or equal to the upper boundary in the Range header.",
            )
        query = replace(query, offset=first, limit=int(last) - first + 1 if last else None)
    if most is not None:
        query = replace(query, limit=most if query.limit is None else min(most, query.limit))
    return query


def content_range(rows: Rows, offset: int) -> str:
    """Return the header's value, as in `0-9/25`."""
    shown = f"{offset}-{offset + rows.shown - 1}" if rows.shown else "*"
    return f"{shown}/{'*' if rows.total is None else rows.total}"


def status_of(rows: Rows, offset: int) -> int:
    """Return 200 for all rows, 206 for some of them, 416 where the first one asked for lies beyond the last."""
    if rows.total is None:
        return 200
    if offset > rows.total:
        return 416
    return 206 if rows.shown < rows.total else 200
