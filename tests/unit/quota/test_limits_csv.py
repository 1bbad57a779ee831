"""The CSV form of limits, by property: whatever is written is read back, whatever is read never surprises."""

import csv
import io
from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from tickctl.core.quota import QuotaState
from tickctl.core.quota.limits_csv import BadLine, LimitRow, read_limits, write_limits

LIMITS = st.none() | st.integers(0, 1_000_000_000)


def state(number: int, email: str, limit: int | None) -> QuotaState:
    """Return a user's state with an id made of a number."""
    return QuotaState(
        user_id=f"00000000-0000-4000-8000-{number:012}",
        email=email,
        email_confirmed=True,
        daily_tick_limit=limit,
        usage_date=date(2026, 11, 23),
        ticks_used=0,
        ticks_granted=0,
        ticks_remaining=limit,
        resets_at=datetime(2026, 11, 24, tzinfo=UTC),
        time_zone="UTC",
    )


@given(st.lists(st.tuples(st.text(), LIMITS), max_size=20))
def test_written_limits_are_read_back(users: list[tuple[str, int | None]]) -> None:
    """Addresses with commas, quotes, line breaks and formulas come through; nobody's limit is lost."""
    states = [state(number, email.replace("\0", ""), limit) for number, (email, limit) in enumerate(users)]
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerows(write_limits(states))
    file.seek(0)
    rows, bad = read_limits(file)
    assert bad == []
    assert [(row.user, row.daily_tick_limit) for row in rows] == [(s.user_id, s.daily_tick_limit) for s in states]


@given(st.text(), st.text(alphabet='",\n\ra1', max_size=40))
def test_any_text_is_rows_or_bad_lines(header: str, body: str) -> None:
    """No input makes the reader raise, and every row has a user and a limit in range."""
    for text in (f"{header}\n{body}", f"user,daily_tick_limit\n{body}"):
        rows, bad = read_limits(text.splitlines(keepends=True))
        assert all(isinstance(line, BadLine) and line.line >= 0 for line in bad)
        assert all(isinstance(row, LimitRow) and row.user for row in rows)


@given(st.sampled_from("=+-@"), st.text(max_size=10))
def test_no_cell_begins_like_a_formula(sign: str, rest: str) -> None:
    """Excel and its kind execute cells that begin with = + - or @."""
    *_, row = write_limits([state(1, sign + rest, 5)])
    assert not row[1].startswith(("=", "+", "-", "@"))
