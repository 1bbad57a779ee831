"""Timestamps as Supabase writes them."""

import re
from datetime import datetime
from typing import Final

_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})\Z"
)


def parse_timestamp(text: str) -> float | None:
    """Return the epoch seconds of an RFC 3339 timestamp (section 5.6), or `None` if the text is none.

    A time before 1970 counts as none: Go, in which Auth is written, spells "never" as the year 1.
    """
    if _RFC_3339.match(text) is None:
        return None
    try:
        seconds = datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError):
        return None
    return seconds if seconds > 0 else None
