"""Timestamps are RFC 3339 or nothing."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickctl.core.tokens.timestamps import parse_timestamp


@given(st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001
def test_timestamps_of_postgres_are_read(moment: datetime) -> None:
    """What `to_jsonb(timestamptz)` writes means the same instant here."""
    assert parse_timestamp(moment.isoformat()) == moment.timestamp()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-01T00:00:00Z", 1767225600),
        ("2026-01-01t00:00:00z", 1767225600),
        ("2026-01-01 01:00:00+01:00", 1767225600),
        ("2026-01-01T00:00:00.5Z", 1767225600.5),
    ],
)
def test_the_forms_of_rfc_3339_are_read(text: str, seconds: float) -> None:
    """Lower case, a space and fractions are allowed by section 5.6."""
    assert parse_timestamp(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "never",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T25:00:00Z",
        "2026-W01-1T00:00:00Z",
        "20260101T000000Z",
        "2026-01-01T00:00:00Z\n",
        " 2026-01-01T00:00:00Z",
        "\u0662026-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:59x",
        "infinity",
    ],
)
def test_other_texts_are_no_timestamps(text: str) -> None:
    """Half a time, an impossible one, Go's zero value, white space or foreign digits."""
    assert parse_timestamp(text) is None
