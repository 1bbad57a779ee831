"""Opens the place where quotas live, by `--backend`, `--as` and what is configured."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tickctl.cli.console.run import BackendName, IdentityName, Run
from tickctl.cli.open.identity import (
    choose_identity,
    database_url,
    project_url,
    publishable_key,
    secret_key,
    signed_in_user,
)
from tickctl.errors import ConfigurationError

if TYPE_CHECKING:
    from tickctl.adapters.embedded import EmbeddedDatabase
    from tickctl.core.quota import Caller, QuotaAdmin, SqlFunctions
    from tickctl.core.secret import Secret
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
    variable = settings.project_variable
    if variable is None:
        return BackendName.LOCAL
    raise ConfigurationError(
        f"{variable} is set but SUPABASE_URL is not",
        hint="set SUPABASE_URL, or say --backend postgres (with SUPABASE_DB_URL) or --backend local",
    )


def home_of(run: Run) -> Path:
    """Return the folder of the embedded database: `TICKCTL_HOME`, else the platform's data folder."""
    from tickctl.adapters.embedded import default_home

    return run.settings.home or default_home(run.environ)


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


@dataclass(frozen=True)
class AdminSession:
    """An operator at work.

    Attributes:
        quotas: the administration.
        functions: what it calls.
        target: where, and as whom, for people.
        identity: which identity was chosen; never `AUTO`.
    """

    quotas: "QuotaAdmin"
    functions: "SqlFunctions"
    target: str
    identity: IdentityName


@contextmanager
def open_admin(run: Run) -> Iterator[AdminSession]:
    """Open the administration of quotas and users, at the place and as the identity that are asked for.

    Raises:
        InvalidInputError: this identity is not to be had at this place.
        ConfigurationError: settings are missing or can't be used.
        CredentialsRefusedError: the token or session of a signed-in user is over.
    """
    from tickctl.core.quota import QuotaAdmin, ServiceRole

    backend = choose(run.settings, run.backend)
    identity = choose_identity(run, backend)
    caller: Caller = ServiceRole()
    with ExitStack() as stack:
        if backend is BackendName.LOCAL:
            functions, target = _embedded_functions(run, stack)
        elif identity is IdentityName.CONNECTION:
            functions, target = _connection(run.settings, backend, stack)
        else:
            functions, target, caller = _api(run.settings, identity, stack)
        yield AdminSession(
            QuotaAdmin(functions, operator_name(run.environ), caller=caller), functions, target, identity
        )


@contextmanager
def open_quotas(run: Run) -> Iterator[tuple["QuotaAdmin", str]]:
    """Open the administration of quotas; yields it, and where and as whom it acts."""
    with open_admin(run) as admin:
        yield admin.quotas, admin.target


def _embedded_functions(run: Run, stack: ExitStack) -> tuple["SqlFunctions", str]:
    from tickctl.adapters.postgres import PostgresFunctions
    from tickctl.core.secret import Secret

    database = embedded(run)
    url = Secret(stack.enter_context(database.use()).url())
    target = f"embedded database in {database.home}"
    return stack.enter_context(PostgresFunctions(url)), _as_role(target, url)


def _connection(settings: "Settings", backend: BackendName, stack: ExitStack) -> tuple["SqlFunctions", str]:
    from tickctl.adapters.postgres import PostgresFunctions

    url = database_url(settings)
    target_text = project_url(settings) if backend is BackendName.SUPABASE else "the database of SUPABASE_DB_URL"
    return stack.enter_context(PostgresFunctions(url)), _as_role(f"{target_text} over a direct connection", url)


def _api(settings: "Settings", identity: IdentityName, stack: ExitStack) -> tuple["SqlFunctions", str, "Caller"]:
    from tickctl.adapters.api import ApiFunctions
    from tickctl.core.quota import ServiceRole

    url = project_url(settings)
    caller: Caller
    if identity is IdentityName.SECRET_KEY:
        key, caller, name = secret_key(settings), ServiceRole(), "service_role (secret key)"
    else:
        key = publishable_key(settings)
        caller, name = signed_in_user(settings)
    return stack.enter_context(ApiFunctions(url, key)), f"{url} as {name}", caller


def _as_role(target: str, url: "Secret") -> str:
    from tickctl.adapters.postgres import login_role

    role = login_role(url)
    return f"{target} as {role}" if role else target


def operator_name(environ: Mapping[str, str]) -> str:
    """Return who is typing, as far as the machine knows: `user@host`. A label for the audit log, not a proof."""
    import pwd
    import socket

    user = environ.get("SUDO_USER")
    if not user:
        try:
            user = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
