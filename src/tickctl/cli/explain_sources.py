"""Opens what `tickctl explain` looks at: what a gateway would use, and who knows more. It starts and renews nothing."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tickctl.cli.backend import choose, embedded, operator_name
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
from tickctl.errors import ConfigurationError, CredentialsRefusedError, TickctlError, UnreachableError

if TYPE_CHECKING:
    from pathlib import Path

    from tickctl.core.json import JsonObject
    from tickctl.core.quota import Caller, QuotaAdmin, SqlFunctions
    from tickctl.core.secrets import Secret
    from tickctl.core.tokens import KeySource, Policy, UserDirectory
    from tickctl.settings import Settings


@dataclass(frozen=True, slots=True)
class Sources:
    """What there is to look at.

    Attributes:
        keys: the keys that the gateway would have.
        policy: its rules.
        functions: its store; `None` where nobody is to be asked.
        directory: who knows of bans, deletions and sessions, if anybody does.
        largest_cost: see `Explainer`.
        auth: the Auth server, where there is one to be asked.
    """

    keys: "KeySource"
    policy: "Policy"
    functions: "SqlFunctions | None" = None
    directory: "UserDirectory | None" = None
    largest_cost: Callable[[], int | None] = lambda: None
    auth: "UserDirectory | None" = None


@dataclass(frozen=True, slots=True)
class Reader:
    """Who may look at any user."""

    quotas: "QuotaAdmin"
    policy: "Policy"
    largest_cost: Callable[[], int | None]


@contextmanager
def open_sources(run: Run, network: Network) -> Iterator[Sources]:
    """Open what a gateway of these settings would use.

    Raises:
        ConfigurationError: no gateway could begin with these settings.
    """
    _warn(run)
    backend = choose(run.settings, run.backend)
    with ExitStack() as stack:
        if backend is BackendName.LOCAL:
            yield _embedded_sources(run, network, stack)
        else:
            yield _project_sources(run, backend, network, stack)


@contextmanager
def open_reader(run: Run) -> Iterator[Reader]:
    """Open the administration for a look at a user.

    Raises:
        InvalidInputError: this identity is not to be had at this place.
        ConfigurationError: nothing says as whom.
        CredentialsRefusedError: the session of `tickctl login` is over, or would have to be renewed.
    """
    from tickctl.adapters import project
    from tickctl.core.quota import QuotaAdmin
    from tickctl.core.tokens.policy import DEFAULT_LEEWAY

    _warn(run)
    backend = choose(run.settings, run.backend)
    identity = choose_identity(run, backend)
    policy = project.policy(run.settings, leeway=DEFAULT_LEEWAY)
    caller: Caller | None = None
    with ExitStack() as stack:
        if backend is BackendName.LOCAL:
            functions, url = _embedded_reading(run, stack)
        else:
            url = run.settings.db_url
            functions, caller = _administration(run.settings, identity, stack)
        yield Reader(QuotaAdmin(functions, operator_name(), caller=caller), policy, _largest_cost(url))


def _warn(run: Run) -> None:
    if run.settings.allow_unconfirmed:
        run.output.warning("SUPABASE_ALLOW_UNCONFIRMED lets users in whose e-mail is not confirmed")


def _project_sources(run: Run, backend: BackendName, network: Network, stack: ExitStack) -> Sources:
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
        directory = _database_users(run, backend, stack) or auth
    store = _store(settings, backend, stack)
    return Sources(keys, policy, store, directory, _largest_cost(settings.db_url), auth)


def _store(settings: "Settings", backend: BackendName, stack: ExitStack) -> "SqlFunctions":
    """Open the functions where a gateway of these settings would call them."""
    from tickctl.gateway.configuration import api_of, database_of

    if backend is BackendName.POSTGRES:
        return _over_postgres(database_url(settings), stack)
    if (api := api_of(settings)) is not None:
        from tickctl.adapters.api import ApiFunctions

        return stack.enter_context(ApiFunctions(*api))
    return _over_postgres(database_of(settings), stack)


def _database_users(run: Run, backend: BackendName, stack: ExitStack) -> "UserDirectory | None":
    """Return the database as the directory, where an administrator's rights are at hand or were asked for."""
    from tickctl.adapters.users import DatabaseUsers

    try:
        identity = choose_identity(run, backend)
        return DatabaseUsers(*_administration(run.settings, identity, stack))
    except TickctlError:
        if run.identity is not IdentityName.AUTO:
            raise
        return None


def _administration(
    settings: "Settings", identity: IdentityName, stack: ExitStack
) -> "tuple[SqlFunctions, Caller | None]":
    if identity is IdentityName.CONNECTION:
        return _over_postgres(database_url(settings), stack), None
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


def _over_postgres(url: "Secret", stack: ExitStack) -> "SqlFunctions":
    from tickctl.adapters.postgres import PostgresFunctions

    return stack.enter_context(PostgresFunctions(url))


def _largest_cost(url: "Secret | None") -> Callable[[], int | None]:
    if url is None:
        return lambda: None
    from tickctl.adapters.postgres.largest_cost import largest_cost

    return lambda: largest_cost(url)


def _embedded_sources(run: Run, network: Network, stack: ExitStack) -> Sources:
    """Look at the embedded database if it runs; its key is known all the same."""
    from tickctl.adapters import project
    from tickctl.adapters.embedded import LOCAL_ISSUER
    from tickctl.adapters.users import DatabaseUsers
    from tickctl.core.secrets import Secret
    from tickctl.core.tokens import KeySet, StaticKeys
    from tickctl.core.tokens.policy import DEFAULT_LEEWAY

    if network is Network.ONLINE:
        raise ConfigurationError("the embedded database has no Auth server", hint="leave --online out")
    database = embedded(run)
    secret = database.known_secret()
    if secret is None:
        raise ConfigurationError(
            f"the embedded database in {database.home} has made no token yet",
            hint="set SUPABASE_URL and SUPABASE_ANON_KEY, or see 'tickctl local token --help'",
        )
    keys = StaticKeys(KeySet.from_secret(secret))
    policy = replace(project.policy(run.settings, leeway=DEFAULT_LEEWAY), issuer=LOCAL_ISSUER)
    if network is Network.OFFLINE:
        return Sources(keys, policy)
    server = database.look()
    if server is None:
        return Sources(keys, policy, _NotRunning(database.home))
    url = Secret(server.url())
    gateway = _over_postgres(Secret(server.url("authenticator")), stack)
    directory = DatabaseUsers(_over_postgres(url, stack))
    return Sources(keys, policy, gateway, directory, _largest_cost(url))


def _embedded_reading(run: Run, stack: ExitStack) -> "tuple[SqlFunctions, Secret | None]":
    from tickctl.core.secrets import Secret

    database = embedded(run)
    server = database.look()
    if server is None:
        return _NotRunning(database.home), None
    url = Secret(server.url())
    return _over_postgres(url, stack), url


@dataclass(frozen=True, slots=True)
class _NotRunning:
    """The embedded database while nobody uses it: a look doesn't start it."""

    home: "Path"

    def call(self, name: str, arguments: "JsonObject", *, caller: "Caller") -> "list[JsonObject]":  # noqa: ARG002
        """Say so."""
        raise UnreachableError(
            f"the embedded database in {self.home} does not run", hint="'tickctl local start' starts it"
        )
