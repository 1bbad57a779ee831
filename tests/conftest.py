"""What every kind of test may ask for: one real PostgreSQL for the whole run, or for each worker of it."""

from collections.abc import Iterator

import pytest

from tickctl.adapters.embedded import EmbeddedDatabase, Server


@pytest.fixture(scope="session")
def embedded_database(tmp_path_factory: pytest.TempPathFactory) -> EmbeddedDatabase:
    """The embedded database that `server` runs in; each pytest-xdist worker has a temporary folder of its own."""
    return EmbeddedDatabase(tmp_path_factory.mktemp("server") / "home", durable=False)


@pytest.fixture(scope="session")
def server(embedded_database: EmbeddedDatabase) -> Iterator[Server]:
    """A running PostgreSQL with Supabase's roles and our schema, for all tests: leave its databases as they are."""
    with embedded_database.use() as running:
        yield running
