"""The embedded database as `tickctl explain` looks at it: only if it runs. It isn't started for this."""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tickctl.cli.backend import embedded
from tickctl.cli.explain.sources import Sources, over_postgres, reads_largest_cost
from tickctl.cli.run import Run
from tickctl.cli.verifier import Network
from tickctl.errors import ConfigurationError, UnreachableError

if TYPE_CHECKING:
    from pathlib import Path

    from tickctl.core.json import JsonObject
    from tickctl.core.quota import Caller, SqlFunctions
    from tickctl.core.secrets import Secret


def embedded_sources(run: Run, network: Network, stack: ExitStack) -> Sources:
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
    gateway = over_postgres(Secret(server.url("authenticator")), stack)
    directory = DatabaseUsers(over_postgres(url, stack))
    return Sources(keys, policy, gateway, directory, reads_largest_cost(url))


def embedded_reading(run: Run, stack: ExitStack) -> "tuple[SqlFunctions, Secret | None]":
    """Return the functions as the owner, and where they are if the database runs."""
    from tickctl.core.secrets import Secret

    database = embedded(run)
    server = database.look()
    if server is None:
        return _NotRunning(database.home), None
    url = Secret(server.url())
    return over_postgres(url, stack), url


@dataclass(frozen=True, slots=True)
class _NotRunning:
    """The embedded database while nobody uses it: a look doesn't start it."""

    home: "Path"

    def call(self, name: str, arguments: "JsonObject", *, caller: "Caller") -> "list[JsonObject]":  # noqa: ARG002
        """Say so."""
        raise UnreachableError(
            f"the embedded database in {self.home} does not run", hint="'tickctl local start' starts it"
        )
