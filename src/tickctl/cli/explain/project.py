"""A project as `tickctl explain` looks at it: what a gateway would use, and who knows more. No session is renewed."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tickctl.cli.explain.sources import Sources, over_postgres, reads_largest_cost
from tickctl.cli.identity import (
    choose_identity,
    database_url,
    project_url,
    publishable_key,
    secret_key,
    session_file,
    signed_in_user,
)
from tickctl.cli.run import BackendName, IdentityName, Run
from tickctl.cli.verifier import Network
from tickctl.errors import CredentialsRefusedError, TickctlError

if TYPE_CHECKING:
    from tickctl.core.quota import Caller, SqlFunctions
    from tickctl.core.secrets import Secret
    from tickctl.core.tokens import ConfirmationSource, Denial, UserDirectory, UserState
    from tickctl.settings import Settings


def project_sources(run: Run, backend: BackendName, network: Network, stack: ExitStack) -> Sources:
    """Return what a gateway of these settings would use, and whom else there is to ask.

    Raises:
        ConfigurationError: no gateway could begin with these settings.
    """
    from tickctl.adapters import project
    from tickctl.core.tokens.policy import DEFAULT_LEEWAY

    settings, offline = run.settings, network is Network.OFFLINE
    policy = project.policy(settings, leeway=DEFAULT_LEEWAY)
    # Fetched keys are not kept: that would be writing. Without the network, a copy of earlier commands has to do.
    keys = project.keys(settings, cache_folder=project.cache_folder() if offline else None, fetch=not offline)
    if offline:
        return Sources(keys, policy)
    auth = project.auth_server(settings) if settings.supabase_url and settings.anon_key else None
    if network is Network.ONLINE:
        directory: UserDirectory | None = project.auth_server(settings)
    else:
        directory = _one_of(_database_users(run, backend, stack), auth)
    store = _store(settings, backend, stack)
    return Sources(keys, policy, store, directory, reads_largest_cost(settings.db_url), auth)


def _store(settings: "Settings", backend: BackendName, stack: ExitStack) -> "SqlFunctions":
    """Open the functions where a gateway of these settings would call them."""
    from tickctl.gateway.configuration import api_of, database_of

    if backend is BackendName.POSTGRES:
        return over_postgres(database_url(settings), stack)
    if (api := api_of(settings)) is not None:
        from tickctl.adapters.api import ApiFunctions

        return stack.enter_context(ApiFunctions(*api))
    return over_postgres(database_of(settings), stack)


def _database_users(run: Run, backend: BackendName, stack: ExitStack) -> "UserDirectory | None":
    """Return the database as the directory, where an administrator's rights are at hand or were asked for."""
    from tickctl.adapters.users import DatabaseUsers

    try:
        identity = choose_identity(run, backend)
        return DatabaseUsers(*administration(run.settings, identity, stack))
    except TickctlError:
        if run.identity is not IdentityName.AUTO:
            raise
        return None


def _one_of(first: "UserDirectory | None", second: "UserDirectory | None") -> "UserDirectory | None":
    return _Either(first, second) if first and second else first or second


def administration(
    settings: "Settings", identity: IdentityName, stack: ExitStack
) -> "tuple[SqlFunctions, Caller | None]":
    """Open the functions as an operator, and return as whom to call them; `None` is whoever holds the key.

    Raises:
        ConfigurationError: this identity is not configured.
        CredentialsRefusedError: the session of `tickctl login` would have to be renewed.
    """
    if identity is IdentityName.CONNECTION:
        return over_postgres(database_url(settings), stack), None
    from tickctl.adapters.api import ApiFunctions

    url = project_url(settings)
    if identity is IdentityName.SECRET_KEY:
        return stack.enter_context(ApiFunctions(url, secret_key(settings))), None
    caller = _standing_user(settings)
    return stack.enter_context(ApiFunctions(url, publishable_key(settings))), caller


def _standing_user(settings: "Settings") -> "Caller":
    """Return the signed-in administrator, whose session isn't renewed for this."""
    from tickctl.adapters.signed_in import MARGIN

    if settings.admin_token is None:
        session = session_file(settings).load()
        if session is not None and session.ends_before(time.time() + MARGIN):
            raise CredentialsRefusedError(
                "the session of 'tickctl login' has to be renewed, and a look does no such thing",
                hint="'tickctl admin list' renews it",
            )
    return signed_in_user(settings)[0]


@dataclass(frozen=True, slots=True)
class _Either:
    """A directory, and another one where the first does not answer."""

    first: "UserDirectory"
    second: "UserDirectory"

    @property
    def source(self) -> "ConfirmationSource":
        """The first, as long as it answers."""
        return self.first.source

    def lookup(self, subject: str, session_id: str, token: "Secret") -> "UserState | Denial":
        """Ask the first, or else the second."""
        try:
            return self.first.lookup(subject, session_id, token)
        except TickctlError:
            return self.second.lookup(subject, session_id, token)
