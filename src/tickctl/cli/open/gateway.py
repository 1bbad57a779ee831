"""Opens what `tickctl explain` asks; nothing is started, renewed or written for that."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tickctl.cli.console.run import BackendName, IdentityName, Run
from tickctl.cli.open.backend import choose, embedded, operator_name
from tickctl.cli.open.identity import (
    choose_identity,
    database_url,
    project_url,
    publishable_key,
    secret_key,
    session_file,
    signed_in_user,
)
from tickctl.errors import ConfigurationError, CredentialsRefusedError, UnreachableError

if TYPE_CHECKING:
    from tickctl.adapters.embedded import EmbeddedDatabase
    from tickctl.core.json import JsonObject
    from tickctl.core.quota import Caller, QuotaAdmin, SqlFunctions
    from tickctl.core.secret import Secret
    from tickctl.core.tokens import KeySource, Policy, UserDirectory
    from tickctl.settings import Settings


@dataclass(frozen=True, slots=True)
class Sources:
    """What a gateway of these settings would use.

    Attributes:
        keys: the keys for tokens.
        policy: the rules for tokens.
        functions: the store; `None` where nobody is to be asked.
        auth: the Auth server, where there is one to be asked.
    """

    keys: "KeySource"
    policy: "Policy"
    functions: "SqlFunctions | None" = None
    auth: "UserDirectory | None" = None


@contextmanager
def open_sources(run: Run, *, offline: bool) -> Iterator[Sources]:
    """Open what a gateway of these settings would use.

    Raises:
        ConfigurationError: no gateway could begin with these settings.
    """
    from tickctl.adapters import project
    from tickctl.core.tokens.policy import DEFAULT_LEEWAY

    backend, policy = choose(run.settings, run.backend), project.policy(run.settings, leeway=DEFAULT_LEEWAY)
    with ExitStack() as stack:
        if backend is BackendName.LOCAL:
            yield _embedded_sources(run, policy, stack, offline=offline)
        else:
            yield _project_sources(run.settings, backend, policy, stack, offline=offline)


@contextmanager
def open_reader(run: Run) -> Iterator["QuotaAdmin"]:
    """Open the administration for a look at a user.

    Raises:
        InvalidInputError: this identity is not to be had at this place.
        ConfigurationError: nothing says as whom.
        CredentialsRefusedError: the session of `tickctl login` is over, or would have to be renewed.
    """
    from tickctl.core.quota import QuotaAdmin

    backend = choose(run.settings, run.backend)
    identity = choose_identity(run, backend)
    with ExitStack() as stack:
        if backend is BackendName.LOCAL:
            yield QuotaAdmin(_embedded_functions(embedded(run), stack), operator_name(run.environ))
        else:
            functions, caller = _administration(run.settings, identity, stack)
            yield QuotaAdmin(functions, operator_name(run.environ), caller=caller)


def _embedded_sources(run: Run, policy: "Policy", stack: ExitStack, *, offline: bool) -> Sources:
    from tickctl.adapters.embedded import LOCAL_ISSUER
    from tickctl.core.tokens import KeySet, StaticKeys

    database = embedded(run)
    secret = database.known_secret()
    if secret is None:
        raise ConfigurationError(
            f"the embedded database in {database.home} has made no token yet",
            hint="set SUPABASE_URL and SUPABASE_ANON_KEY, or see 'tickctl local token --help'",
        )
    functions = None if offline else _embedded_functions(database, stack, "authenticator")
    return Sources(StaticKeys(KeySet.from_secret(secret)), replace(policy, issuer=LOCAL_ISSUER), functions)


def _embedded_functions(database: "EmbeddedDatabase", stack: ExitStack, *user: str) -> "SqlFunctions":
    """Return the functions of the embedded database, which isn't started for this."""
    from tickctl.core.secret import Secret

    try:
        server = database.running()
    except UnreachableError as error:
        return _Unreachable(error)
    return _over_postgres(Secret(server.url(*user)), stack)


@dataclass(frozen=True, slots=True)
class _Unreachable:
    """The functions of a database that does not run."""

    error: UnreachableError

    def call(self, name: str, arguments: "JsonObject", *, caller: "Caller") -> "list[JsonObject]":  # noqa: ARG002
        """Say so."""
        raise self.error


def _project_sources(
    settings: "Settings", backend: BackendName, policy: "Policy", stack: ExitStack, *, offline: bool
) -> Sources:
    from tickctl.adapters import project

    # Fetched keys are not kept: that would be writing. Without the network, a copy of earlier commands has to do.
    keys = project.keys(settings, cache_folder=project.cache_folder() if offline else None, fetch=not offline)
    if offline:
        return Sources(keys, policy)
    auth = project.auth_server(settings) if settings.supabase_url and settings.anon_key else None
    return Sources(keys, policy, _store(settings, backend, stack), auth)


def _store(settings: "Settings", backend: BackendName, stack: ExitStack) -> "SqlFunctions":
    """Open the functions where a gateway of these settings would call them."""
    from tickctl.gateway.configuration import api_of, database_of

    if backend is BackendName.POSTGRES:
        return _over_postgres(database_url(settings), stack)
    if (api := api_of(settings)) is not None:
        from tickctl.adapters.api import ApiFunctions

        return stack.enter_context(ApiFunctions(*api))
    return _over_postgres(database_of(settings), stack)


def _administration(
    settings: "Settings", identity: IdentityName, stack: ExitStack
) -> "tuple[SqlFunctions, Caller | None]":
    """Open the functions as an operator, and return as whom to call them; `None` is whoever holds the key.

    Raises:
        ConfigurationError: this identity is not configured.
        CredentialsRefusedError: the session of `tickctl login` would have to be renewed.
    """
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
    """Return the functions over a direct connection, which is opened by the first call."""
    from tickctl.adapters.postgres import PostgresFunctions

    return stack.enter_context(PostgresFunctions(url))
