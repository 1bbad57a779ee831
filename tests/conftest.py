"""What every kind of test may ask for: one real PostgreSQL for the whole run, databases in it, Supabase projects."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import psycopg
import pytest
from psycopg import sql

from quota_support import Database, created
from standin import Project, StandIn, standing_in
from tickctl.adapters.embedded import EmbeddedDatabase, Server

TEMPLATE = "quota_template"


@pytest.fixture(scope="session")
def embedded_database(tmp_path_factory: pytest.TempPathFactory) -> EmbeddedDatabase:
    """The embedded database that `server` runs in; each pytest-xdist worker has a temporary folder of its own."""
    return EmbeddedDatabase(tmp_path_factory.mktemp("server") / "home", durable=False)


@pytest.fixture(scope="session")
def server(embedded_database: EmbeddedDatabase) -> Iterator[Server]:
    """A running PostgreSQL with Supabase's roles and our schema, for all tests: leave its databases as they are."""
    with embedded_database.use() as running:
        yield running


@pytest.fixture(scope="session")
def quota_template(server: Server) -> str:
    """The name of a database with Supabase's schema and ours, to clone; nobody connects to it."""
    with psycopg.connect(server.url("supabase_admin", "template1"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} owner postgres template postgres").format(sql.Identifier(TEMPLATE))
        )
    return TEMPLATE


@pytest.fixture
def database(server: Server, quota_template: str) -> Iterator[Database]:
    """A database of this test's own."""
    with created(server, quota_template) as made:
        yield made


@pytest.fixture(scope="module")
def shared_database(server: Server, quota_template: str) -> Iterator[Database]:
    """A database for all tests of a file that leave nothing behind, or nothing that others of them notice."""
    with created(server, quota_template) as made:
        yield made


@pytest.fixture(scope="session")
def project(server: Server, quota_template: str) -> Iterator[Project]:
    """A Supabase project for the whole run: add users with addresses of their own, and leave all else as it is."""
    with created(server, quota_template) as made, standing_in(made) as served:
        yield served


@pytest.fixture
def make_standin(database: Database) -> Callable[..., AbstractContextManager[StandIn]]:
    """Make stand-ins over the test's own database, with options such as `version=12`."""
    return lambda **options: standing_in(database, **options)


@pytest.fixture
def standin(database: Database) -> Iterator[StandIn]:
    """A stand-in over the test's own database: configure it, break it, look at what it was sent."""
    with standing_in(database) as served:
        yield served
