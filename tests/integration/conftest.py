"""A database for each test: made once with the schema in it, then cloned."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count

import psycopg
import pytest
from psycopg import sql

from quota_support import Clock, Database
from tickctl.adapters.embedded import Server

TEMPLATE = "quota_template"
_numbers = count(1)


@pytest.fixture(scope="session")
def quota_template(server: Server) -> str:
    """The name of a database with Supabase's schema and ours, to clone; nobody connects to it."""
    with psycopg.connect(server.url("supabase_admin", "template1"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} owner postgres template postgres").format(sql.Identifier(TEMPLATE))
        )
    return TEMPLATE


@contextmanager
def _clone(server: Server, template: str) -> Iterator[Database]:
    name = f"quota_{next(_numbers)}"
    urls = (server.url(role, name) for role in ("supabase_admin", "postgres", "authenticator"))
    with psycopg.connect(server.url("supabase_admin", "template1"), autocommit=True) as connection:
        connection.execute(
            # Copying files is quicker than logging pages where the log isn't made safe anyway.
            sql.SQL("create database {} owner postgres template {} strategy file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        made = Database(name, *urls)
        yield made
        made.close()
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def database(server: Server, quota_template: str) -> Iterator[Database]:
    """A database of this test's own."""
    with _clone(server, quota_template) as made:
        yield made


@pytest.fixture(scope="module")
def shared_database(server: Server, quota_template: str) -> Iterator[Database]:
    """A database for all tests of a file that leave nothing behind, or nothing that others of them notice."""
    with _clone(server, quota_template) as made:
        yield made


@pytest.fixture
def clock(database: Database) -> Clock:
    """The clock of the test's database; it begins at noon of 23 November 2026, UTC."""
    with database.owner() as connection:
        connection.execute(
            """
            create table tick.test_clock (moment timestamptz);
            insert into tick.test_clock values (now());
            create or replace function tick.clock() returns timestamptz
            language sql stable security definer set search_path = ''
            as 'select moment from tick.test_clock';
            """
        )
    hands = Clock(database)
    hands.set(datetime(2026, 11, 23, 12, tzinfo=UTC))
    return hands
