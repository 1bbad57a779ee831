"""The clock of a test's database."""

from datetime import UTC, datetime

import pytest

from quota_support import Clock, Database


@pytest.fixture
def clock(database: Database) -> Clock:
    """The clock of the test's database; it begins at noon of 23 November 2026, UTC."""
    with database.owner() as connection:
        connection.execute(
            """
            create table tick.test_clock (moment timestamptz);
            insert into tick.test_clock values (now());
            create or replace view tick.clock with (security_invoker = true) as select moment from tick.test_clock;
            """
        )
    hands = Clock(database)
    hands.set(datetime(2026, 11, 23, 12, tzinfo=UTC))
    return hands
