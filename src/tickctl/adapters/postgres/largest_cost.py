"""The one setting of the database that no function tells."""

import psycopg

from tickctl.adapters.postgres.connecting import connect
from tickctl.core.secrets import Secret
from tickctl.errors import TickctlError


def largest_cost(url: Secret) -> int | None:
    """Return the most ticks that a request may ask for; `None` where this role may not read it, or nobody answers."""
    try:
        with connect(url) as connection:
            connection.execute("set statement_timeout = '5s'")
            row = connection.execute("select largest_cost from tick.settings").fetchone()
    except (TickctlError, psycopg.Error):
        return None
    return row[0] if row is not None and isinstance(row[0], int) else None
