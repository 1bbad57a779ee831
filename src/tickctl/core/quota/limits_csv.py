"""The CSV form of limits: what `quota export` writes and `quota import` reads.

RFC 4180 with a header line. A reader needs `daily_tick_limit` and one of `user_id`, `user`, `email`; the other columns
of an export are ignored, so that an exported and edited file can be imported as it is.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tickctl.core.quota.model import QuotaState

COLUMNS: Final = (
    "user_id",
    "email",
    "daily_tick_limit",
    "usage_date",
    "ticks_used",
    "ticks_granted",
    "ticks_remaining",
)
USER_COLUMNS: Final = ("user_id", "user", "email")
UNLIMITED: Final = "unlimited"
LARGEST_LIMIT: Final = 1_000_000_000

# A spreadsheet takes a cell that begins with one of these for a formula; an e-mail address may begin so.
_FORMULA: Final = ("=", "+", "-", "@")


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One line of an import: whom it names, the limit (None is unlimited) and where it stands."""

    line: int
    user: str
    daily_tick_limit: int | None


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that can't be imported, and why; the line's own text is not repeated."""

    line: int
    problem: str


def read_limits(lines: Iterable[str]) -> tuple[list[LimitRow], list[BadLine]]:
    """Read all lines; every problem is found before anything is done about any row."""
    reader = csv.reader(lines, strict=True)
    rows: list[LimitRow] = []
    bad: list[BadLine] = []
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if problem := _header_problem(header):
            return [], [BadLine(1, problem)]
        user_at = next(header.index(name) for name in USER_COLUMNS if name in header)
        limit_at = header.index("daily_tick_limit")
        for fields in reader:
            if not any(field.strip() for field in fields):
                continue
            match _row(reader.line_num, fields, len(header), user_at, limit_at):
                case LimitRow() as row:
                    rows.append(row)
                case BadLine() as line:
                    bad.append(line)
    except csv.Error:
        bad.append(BadLine(reader.line_num, "is not well-formed CSV"))
    bad += _repeated(rows)
    return rows, bad


def write_limits(states: Iterable[QuotaState]) -> Iterator[list[str]]:
    """Yield the header and a row for each state, safe to open in a spreadsheet."""
    yield list(COLUMNS)
    for state in states:
        yield [
            state.user_id,
            _safe(state.email or ""),
            limit_field(state.daily_tick_limit),
            str(state.usage_date),
            str(state.ticks_used),
            str(state.ticks_granted),
            limit_field(state.ticks_remaining),
        ]


def _safe(email: str) -> str:
    """Return an address that neither a spreadsheet nor a terminal takes for more than text; the id tells who it is."""
    text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in email)
    return f"'{text}" if text.startswith(_FORMULA) else text


def limit_field(limit: int | None) -> str:
    """Return a limit as it stands in a file."""
    return UNLIMITED if limit is None else str(limit)


def parse_limit(text: str) -> int | None:
    """Read a limit: ASCII digits from 0 (blocked) to 1 000 000 000, or `unlimited` (None).

    Raises:
        ValueError: anything else.
    """
    if text.lower() == UNLIMITED:
        return None
    if text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST_LIMIT)) and int(text) <= LARGEST_LIMIT:
        return int(text)
    raise ValueError("not a limit")


def _header_problem(header: list[str]) -> str | None:
    if "daily_tick_limit" not in header:
        return "the header has no daily_tick_limit column"
    if not any(name in header for name in USER_COLUMNS):
        return "the header has no user_id, user or email column"
    unknown = set(header) - {*COLUMNS, *USER_COLUMNS}
    if unknown or len(set(header)) < len(header):
        return "the header has unknown or repeated columns"
    return None


def _row(line: int, fields: list[str], width: int, user_at: int, limit_at: int) -> LimitRow | BadLine:
    if len(fields) != width:
        return BadLine(line, f"has {len(fields)} fields where the header has {width}")
    user = fields[user_at].strip().removeprefix("'")
    if not user:
        return BadLine(line, "names no user")
    try:
        return LimitRow(line, user, parse_limit(fields[limit_at].strip()))
    except ValueError:
        return BadLine(line, f"daily_tick_limit is neither 0 to {LARGEST_LIMIT} nor 'unlimited'")


def _repeated(rows: list[LimitRow]) -> list[BadLine]:
    first: dict[str, int] = {}
    bad = []
    for row in rows:
        first_line = first.setdefault(row.user.lower(), row.line)
        if first_line != row.line:
            bad.append(BadLine(row.line, f"names the same user as line {first_line}"))
    return bad
