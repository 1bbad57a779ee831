"""Opens the database itself, for what no API offers: installing and examining the schema."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from tickctl.cli.console.run import BackendName, Run
from tickctl.cli.open.backend import choose, embedded
from tickctl.errors import ConfigurationError

if TYPE_CHECKING:
    from tickctl.adapters.schema import Connection


@contextmanager
def open_database(run: Run) -> Iterator[tuple["Connection", str]]:
    """Open a connection; yields it, and where and as whom it is.

    Raises:
        ConfigurationError: the connection string is missing, or can't be used.
        CredentialsRefusedError: the server refused the user or the password.
        UnreachableError: no connection came about.
    """
    from tickctl.adapters.postgres import connect
    from tickctl.core.secret import Secret

    match choose(run.settings, run.backend):
        case BackendName.LOCAL:
            database = embedded(run)
            with database.use() as server, closing(connect(Secret(server.url()))) as connection:
                yield connection, f"embedded database in {database.home} as {connection.info.user}"
        case name:
            if run.settings.db_url is None:
                raise ConfigurationError(
                    "SUPABASE_DB_URL is not set, and the project's API can't do this",
                    hint="copy the connection string (session pooler, or direct) from the project's Connect dialog",
                )
            target_text = (
                run.settings.supabase_url if name is BackendName.SUPABASE else "the database of SUPABASE_DB_URL"
            )
            with closing(connect(run.settings.db_url)) as connection:
                yield connection, f"{target_text or 'the project'} over a direct connection as {connection.info.user}"
