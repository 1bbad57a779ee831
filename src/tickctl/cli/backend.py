"""Opens the place where quotas live, by `--backend` and what is configured."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tickctl.cli.run import BackendName, Run
from tickctl.errors import ConfigurationError

if TYPE_CHECKING:
    from tickctl.adapters.embedded import EmbeddedDatabase
    from tickctl.adapters.postgres import PostgresFunctions
    from tickctl.core.quota import QuotaAdmin
    from tickctl.settings import Settings


def choose(settings: "Settings", asked: BackendName) -> BackendName:
    """Return the backend that `auto` stands for: the project if one is named, else the embedded database.

    Raises:
        ConfigurationError: only half of a project is configured; that never means the embedded database.
    """
    if asked is not BackendName.AUTO:
        return asked
    if settings.supabase_url:
        return BackendName.SUPABASE
    if not settings.names_a_project:
        return BackendName.LOCAL
    found = next(name for name in settings.sources if name.startswith(("SUPABASE_", "TICKCTL_ADMIN")))
    raise ConfigurationError(
        f"{found} is set but SUPABASE_URL is not",
        hint="set SUPABASE_URL, or say --backend postgres (with SUPABASE_DB_URL) or --backend local",
    )


def home_of(run: Run) -> Path:
    """Return the folder of the embedded database: `TICKCTL_HOME`, else the platform's data folder."""
    from tickctl.adapters.embedded import default_home

    return run.settings.home or default_home(os.environ)


def embedded(run: Run) -> "EmbeddedDatabase":
    """Return the embedded database, saying so where nobody asked for it by name."""
    home = home_of(run)
    if run.backend is BackendName.AUTO:
        run.output.notice(f"nothing is configured: using the embedded database in {home}")
    return open_home(run, home)


def open_home(run: Run, home: Path, *, durable: bool = True) -> "EmbeddedDatabase":
    """Return the embedded database in a folder, out of reach of the shell's settings for other databases.

    libpq reads PGSERVICE, PGHOSTADDR, PGOPTIONS and their kind in every connection of this process and of psql.
    """
    from tickctl.adapters.embedded import EmbeddedDatabase

    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
    return EmbeddedDatabase(home, durable=durable, notify=run.output.notice)


@contextmanager
def open_functions(run: Run) -> Iterator[tuple["PostgresFunctions", str]]:
    """Open the SQL functions; yields them and a description of the target, for people.

    Raises:
        ConfigurationError: the backend's settings are missing.
    """
    from tickctl.adapters.postgres import PostgresFunctions
    from tickctl.core.secrets import Secret

    match choose(run.settings, run.backend):
        case BackendName.LOCAL:
            database = embedded(run)
            with database.use() as server, PostgresFunctions(Secret(server.url())) as functions:
                yield functions, f"embedded database in {database.home}"
        case name:
            if not run.settings.db_url:
                raise ConfigurationError(
                    "SUPABASE_DB_URL is not set",
                    hint="copy the connection string from the project's Connect dialog into SUPABASE_DB_URL",
                )
            where = run.settings.supabase_url if name is BackendName.SUPABASE else "the database of SUPABASE_DB_URL"
            with PostgresFunctions(run.settings.db_url) as functions:
                yield functions, f"{where} over a direct connection"


@contextmanager
def open_quotas(run: Run) -> Iterator[tuple["QuotaAdmin", str]]:
    """Open the administration of quotas; yields it and a description of the target."""
    from tickctl.core.quota import QuotaAdmin

    with open_functions(run) as (functions, target):
        yield QuotaAdmin(functions, operator=operator_name()), target


def operator_name() -> str:
    """Return who is typing, as far as the machine knows: `user@host`. A label for the audit log, not a proof."""
    import pwd
    import socket

    user = os.environ.get("SUDO_USER")
    if not user:
        try:
            user = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
