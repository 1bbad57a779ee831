"""What every kind of test may ask for: one real PostgreSQL for the whole run, databases in it, Supabase projects."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from given_postgres import GivenServer, given, template
from quota_support import Database, created
from schema_support import make_bare
from standin import GivenProject, Project, StandIn, standing_in
from standin.given import DATABASE_URL
from standin.given import URL as SUPABASE_URL
from tickctl.adapters.embedded import EmbeddedDatabase, Server

if TYPE_CHECKING:
    from aws_support import Operator
    from strict_aws import StrictAws

TEMPLATE = "quota_template"


def pytest_configure() -> None:
    """Let Ctrl-C be Ctrl-C for tests of it: a shell's background jobs, and so all their children, ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def embedded_database(tmp_path_factory: pytest.TempPathFactory) -> EmbeddedDatabase:
    """The embedded database that `server` runs in; each pytest-xdist worker has a temporary folder of its own."""
    return EmbeddedDatabase(tmp_path_factory.mktemp("server") / "home", durable=False)


@pytest.fixture(scope="session")
def embedded_server(embedded_database: EmbeddedDatabase) -> Iterator[Server]:
    """The embedded database, running, for tests that are about it: leave its databases as they are."""
    with embedded_database.use() as running:
        yield running


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Server | GivenServer:
    """A PostgreSQL with Supabase's roles, for all tests: the one that was given, or else the embedded one."""
    url = os.environ.get(DATABASE_URL)
    if url and not os.environ.get(SUPABASE_URL):
        return given(url)
    running = request.getfixturevalue("embedded_server")
    assert isinstance(running, Server)
    return running


@pytest.fixture(scope="session")
def quota_template(server: Server | GivenServer) -> Iterator[str]:
    """The name of a database with Supabase's schema and ours, to clone; nobody connects to it."""
    if isinstance(server, GivenServer):
        with template(server, f"quota_template_{os.getpid()}") as made:
            yield made
        return
    with psycopg.connect(server.url("supabase_admin", "template1"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} owner postgres template postgres").format(sql.Identifier(TEMPLATE))
        )
    yield TEMPLATE


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
def bare_template(server: Server, quota_template: str) -> Iterator[str]:
    """The name of a database with Supabase's schema alone, to clone; nobody connects to it."""
    with created(server, quota_template) as made:
        make_bare(made)
        yield made.name


@pytest.fixture
def bare_database(server: Server, bare_template: str) -> Iterator[Database]:
    """A database of this test's own, as a project has it that never heard of tickctl."""
    with created(server, bare_template) as made:
        yield made


@pytest.fixture
def bare_twin(server: Server, bare_template: str) -> Iterator[Database]:
    """Another database like `bare_database`, to compare with."""
    with created(server, bare_template) as made:
        yield made


@pytest.fixture(scope="session")
def project(request: pytest.FixtureRequest) -> Iterator[Project]:
    """A Supabase project for the whole run: the one that was given, or else a stand-in.

    Add users with addresses of their own (`new_user`), and leave everything else as it is.
    """
    if os.environ.get(SUPABASE_URL):
        given_project = GivenProject(os.environ)
        yield given_project
        given_project.close()
        return
    server, name = request.getfixturevalue("server"), request.getfixturevalue("quota_template")
    with created(server, name) as made, standing_in(made) as served:
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


@pytest.fixture
def aws() -> "Iterator[StrictAws]":
    """An AWS account of the test's own: arrange it, script trouble, look at the calls that came."""
    # moto takes more than a second to load, which only tests of AWS should pay.
    from strict_aws import strict_aws  # noqa: PLC0415

    with strict_aws() as account:
        yield account


@pytest.fixture
def operator(
    aws: "StrictAws", tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> "Operator":
    """An operator of that account who has filled in the example's env files, before the first push."""
    from aws_support import Operator, fill  # noqa: PLC0415 - as above

    fill(tmp_path)
    return Operator(aws, tmp_path, monkeypatch, capsys)
