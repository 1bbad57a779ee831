"""Builds the token verifier that the configuration asks for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from tickctl.cli.console.run import BackendName, Run
from tickctl.cli.open.backend import choose, embedded, open_admin

if TYPE_CHECKING:
    from tickctl.core.tokens import TokenVerifier


class Network(StrEnum):
    """Whether the Auth server may be asked."""

    AUTO = "auto"
    ONLINE = "online"
    OFFLINE = "offline"


@contextmanager
def open_verifier(run: Run, *, network: Network, leeway: int) -> Iterator["TokenVerifier"]:
    """Open the verifier for the configured project, or for the embedded database where nothing is configured.

    Raises:
        ConfigurationError: nothing to check signatures with, or a setting that can't be used.
    """
    from tickctl.core.tokens import TokenVerifier

    settings = run.settings
    if settings.allow_unconfirmed:
        run.output.warning("SUPABASE_ALLOW_UNCONFIRMED lets users in whose e-mail is not confirmed")
    backend = choose(settings, run.backend)
    if backend is BackendName.LOCAL:
        with _embedded_project(run, network, leeway) as verifier:
            yield verifier
        return
    from tickctl.adapters import project

    policy = project.policy(settings, leeway=leeway)
    keys = project.keys(settings, cache_folder=project.cache_folder(), fetch=network is not Network.OFFLINE)
    if backend is BackendName.POSTGRES and network is not Network.OFFLINE:
        from tickctl.adapters.users import DatabaseUsers

        with open_admin(run) as admin:
            yield TokenVerifier(keys, policy, DatabaseUsers(admin.functions))
    elif network is Network.ONLINE or (network is Network.AUTO and project.needs_auth_server(settings)):
        yield TokenVerifier(keys, policy, project.auth_server(settings))
    else:
        yield TokenVerifier(keys, policy)


@contextmanager
def _embedded_project(run: Run, network: Network, leeway: int) -> Iterator["TokenVerifier"]:
    """Verify with the folder's own secret; its database knows who confirmed the e-mail, its hook's claim may say so."""
    from tickctl.adapters import project
    from tickctl.adapters.embedded import LOCAL_ISSUER
    from tickctl.adapters.postgres import PostgresFunctions
    from tickctl.adapters.users import DatabaseUsers
    from tickctl.core.secret import Secret
    from tickctl.core.tokens import KeySet, StaticKeys, TokenVerifier

    database = embedded(run)
    policy = replace(project.policy(run.settings, leeway=leeway), issuer=LOCAL_ISSUER)
    with database.use() as server, PostgresFunctions(Secret(server.url())) as functions:
        keys = StaticKeys(KeySet.from_secret(database.jwt_secret()))
        yield TokenVerifier(keys, policy, None if network is Network.OFFLINE else DatabaseUsers(functions))
