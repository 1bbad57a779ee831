"""Builds what verification needs for the Supabase project that the settings name."""

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tickctl.adapters.auth_server import AuthServer
from tickctl.adapters.jwks import DiskCopy, fetch_jwks
from tickctl.core.tokens import KeySet, KeySource, Policy, RemoteKeys, StaticKeys
from tickctl.core.urls import is_loopback
from tickctl.errors import ConfigurationError, UnreachableError
from tickctl.files import read_regular
from tickctl.settings import Settings

LARGEST_JWKS_FILE: Final = 256 * 1024


def policy(settings: Settings, *, leeway: int) -> Policy:
    """Return the rules for this project's tokens.

    Without SUPABASE_URL and SUPABASE_JWT_ISSUER the issuer stays unchecked, and verdicts say so.
    """
    return Policy(
        issuer=issuer(settings),
        audience=settings.jwt_audience,
        leeway=leeway,
        require_confirmed=not settings.allow_unconfirmed,
        confirmed_claim=tuple(settings.confirmed_claim.split(".")) if settings.confirmed_claim else (),
    )


def issuer(settings: Settings) -> str | None:
    """Return the `iss` of the project's tokens; `None` where nothing tells."""
    if settings.jwt_issuer is None and settings.supabase_url:
        # A custom domain doesn't change the issuer of hosted projects; SUPABASE_JWT_ISSUER is for them.
        return f"{settings.supabase_url}/auth/v1"
    return settings.jwt_issuer


def keys(settings: Settings, *, cache_folder: Path | None, fetch: bool = True) -> KeySource:
    """Return the keys: the configured secret and key set, and the published ones where there is an address.

    Args:
        settings: what was configured.
        cache_folder: where published keys are kept between processes; None keeps them in memory only.
        fetch: whether the network may be used; without it only the kept copy is.

    Raises:
        ConfigurationError: there is nothing to check signatures with, or what there is can't be used.
    """
    local = _shared_secrets(settings)
    if settings.jwks:
        local = local.merge(KeySet.from_jwks(_jwks_text(settings.jwks), allow_symmetric=True))
    if url := jwks_url(settings):
        copy = DiskCopy(cache_folder, url) if cache_folder else None
        return RemoteKeys((lambda: fetch_jwks(url)) if fetch else _no_network, local=local, copy=copy)
    if not (settings.jwt_secret or settings.jwks):
        raise ConfigurationError(
            "there is no key to check signatures with",
            hint="set SUPABASE_URL, and SUPABASE_JWT_SECRET if the project signs with HS256",
        )
    return StaticKeys(local)


def jwks_url(settings: Settings) -> str | None:
    """Return where the project's keys are published; None where no project is configured."""
    return settings.jwks_url or (settings.supabase_url and f"{settings.supabase_url}/auth/v1/.well-known/jwks.json")


def needs_auth_server(settings: Settings) -> bool:
    """Whether only the Auth server can say if an e-mail is confirmed, and it can be asked."""
    decided = settings.allow_unconfirmed or settings.confirmed_claim
    return bool(settings.supabase_url and settings.anon_key and not decided)


def auth_server(settings: Settings) -> AuthServer:
    """Return the project's Auth server.

    Raises:
        ConfigurationError: its address or the publishable key is missing.
    """
    if not (settings.supabase_url and settings.anon_key):
        raise ConfigurationError(
            "SUPABASE_URL and SUPABASE_ANON_KEY are needed to ask the Auth server",
            hint="set both, or use --offline",
        )
    return AuthServer(settings.supabase_url, settings.anon_key)


def cache_folder() -> Path:
    """Return the folder for published keys between commands."""
    from platformdirs import user_cache_path  # noqa: PLC0415 - HS256 needs no cache

    return user_cache_path("tickctl")


def _shared_secrets(settings: Settings) -> KeySet:
    """Return the HS256 secret, and the one before it while it is being changed; nothing tells them apart later."""
    loopback = _on_loopback(settings)
    if not settings.jwt_secret:
        if settings.jwt_secret_previous:
            raise ConfigurationError(
                "SUPABASE_JWT_SECRET_PREVIOUS is set, and SUPABASE_JWT_SECRET is not",
                hint="set SUPABASE_JWT_SECRET to the secret that signs now, or take the previous one away as well",
            )
        return KeySet()
    keys = KeySet.from_secret(settings.jwt_secret, loopback=loopback)
    if settings.jwt_secret_previous:
        try:
            keys = keys.merge(KeySet.from_secret(settings.jwt_secret_previous, loopback=loopback))
        except ConfigurationError as error:
            raise ConfigurationError(
                f"SUPABASE_JWT_SECRET_PREVIOUS can't be used: {error.message}", hint=error.hint
            ) from None
    return keys


def _on_loopback(settings: Settings) -> bool:
    return settings.supabase_url is not None and is_loopback(urlsplit(settings.supabase_url).hostname or "")


def _jwks_text(value: str) -> str:
    """Return SUPABASE_JWKS itself if it is JSON, else what the file of that name holds."""
    if value.startswith("{"):
        return value
    hint = 'give the JSON text {"keys": [...]} or the path of a file with it'
    try:
        return read_regular(Path(value), LARGEST_JWKS_FILE).content.decode()
    except (OSError, ValueError):
        raise ConfigurationError("SUPABASE_JWKS is neither JSON nor a readable file", hint=hint) from None


def _no_network() -> bytes:
    raise UnreachableError("--offline allows no request")
