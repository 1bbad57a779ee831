"""What integration tests share beyond their databases: the clock, and both of the gateway's stores."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from gateway_support import Where
from quota_support import Clock, Database
from standin import standing_in
from standin.keys import ProjectKeys


@pytest.fixture(scope="module", params=["pool", "api"])
def where(request: pytest.FixtureRequest, shared_database: Database) -> Iterator[Where]:
    """What a gateway's store goes to: the database, or a project over it whose tokens a published key signs."""
    if request.param == "pool":
        yield shared_database
        return
    with standing_in(shared_database, keys=ProjectKeys(signing="ES256")) as project:
        yield project


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
