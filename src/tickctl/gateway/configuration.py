"""Builds a gate from the settings that the command line reads as well."""

import logging
import os
from typing import TYPE_CHECKING, Final

from tickctl.adapters import project
from tickctl.core.quota import AsyncSqlFunctions
from tickctl.core.secret import Secret
from tickctl.core.tokens import Policy
from tickctl.core.tokens.policy import DEFAULT_LEEWAY
from tickctl.errors import ConfigurationError
from tickctl.gateway.gate import Gate
from tickctl.gateway.observation import Observer
from tickctl.gateway.options import STORE_SHARE, GateOptions
from tickctl.settings import Settings, load

if TYPE_CHECKING:
    from tickctl.adapters.api import AsyncApiFunctions
    from tickctl.adapters.postgres import AsyncPostgresFunctions

_log: Final = logging.getLogger("tickctl.gateway")


def build_gate(
    settings: Settings | None = None,
    *,
    store: AsyncSqlFunctions | None = None,
    options: GateOptions | None = None,
    observe: Observer | None = None,
) -> Gate:
    """Return a gate for the project that the settings name.

    Args:
        settings: from the environment and env files unless given.
        store: the database's functions; unless given, the project's API with the publishable key
            (SUPABASE_URL and SUPABASE_ANON_KEY), else PostgreSQL (SUPABASE_DB_URL).
        options: how it judges and answers.
        observe: called with each decision, and again when the handler is done.

    Raises:
        ConfigurationError: something is missing or can't be used. Nothing is asked over the network here.
    """
    try:
        return _gate(load(os.environ) if settings is None else settings, store, options or GateOptions(), observe)
    except ConfigurationError as error:
        if error.hint:
            error.add_note(error.hint)  # a server shows a traceback, where the command line shows both
        raise


def _gate(settings: Settings, store: AsyncSqlFunctions | None, options: GateOptions, observe: Observer | None) -> Gate:
    keys = project.keys(settings, cache_folder=None)
    policy = project.policy(settings, leeway=DEFAULT_LEEWAY)
    _warn(settings, policy)
    if store is not None:
        return Gate(keys, policy, store, options=options, observe=observe)
    own = _store(settings, STORE_SHARE * options.timeout)
    return Gate(keys, policy, own, options=options, observe=observe, close=own.aclose)


def api_of(settings: Settings) -> tuple[str, Secret] | None:
    """Return address and key of the API that is the store; `None` where it is PostgreSQL.

    Raises:
        ConfigurationError: the key is none for a gateway.
    """
    if not (settings.supabase_url and settings.anon_key):
        return None
    from tickctl.adapters.api.address import host_of  # noqa: PLC0415 - a gateway has one of the two
    from tickctl.adapters.api.keys import ApiKey, KeyKind  # noqa: PLC0415

    if ApiKey.of(settings.anon_key, host_of(settings.supabase_url)).kind is not KeyKind.PUBLISHABLE:
        raise ConfigurationError(
            "SUPABASE_ANON_KEY is a secret key, which has no place in a gateway",
            hint="set it to the publishable key, which begins with sb_publishable_, or to the anon key",
        )
    return settings.supabase_url, settings.anon_key


def database_of(settings: Settings) -> Secret:
    """Return the connection string of the store, where it is PostgreSQL.

    Raises:
        ConfigurationError: there is none.
    """
    if settings.db_url is None:
        raise ConfigurationError(
            "nothing says where quotas are kept",
            hint="set SUPABASE_URL and SUPABASE_ANON_KEY, or SUPABASE_DB_URL for a database without the API",
        )
    return settings.db_url


def _store(settings: Settings, timeout: float) -> "AsyncApiFunctions | AsyncPostgresFunctions":
    if (api := api_of(settings)) is not None:
        from tickctl.adapters.api import AsyncApiFunctions  # noqa: PLC0415 - a gateway has one of the two

        return AsyncApiFunctions(*api, timeout=timeout)
    url = database_of(settings)
    from tickctl.adapters.postgres import AsyncPostgresFunctions  # noqa: PLC0415

    return AsyncPostgresFunctions(url, timeout=timeout, prepare=True)


def _warn(settings: Settings, policy: Policy) -> None:
    if settings.allow_unconfirmed:
        _log.warning("SUPABASE_ALLOW_UNCONFIRMED lets users in whose e-mail is not confirmed")
    if settings.jwt_secret_previous:
        _log.warning("tokens of SUPABASE_JWT_SECRET_PREVIOUS are accepted: take it away when the last of them is over")
    if policy.issuer is None:
        _log.warning("the issuer of tokens is not checked: set SUPABASE_URL or SUPABASE_JWT_ISSUER")
    over_the_api = settings.supabase_url and settings.anon_key
    if settings.secret_key or settings.admin_token or (over_the_api and settings.db_url):
        _log.warning("a key for administrators is among the gateway's settings, which has no use for it: take it away")
