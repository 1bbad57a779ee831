"""The address of a project, checked before a key or a token goes there."""

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httpx

from tickctl.core.urls import is_safe
from tickctl.errors import ConfigurationError

_EXAMPLE: Final = "write it like https://<project-ref>.supabase.co"
# A name or an IPv4 address, or an IPv6 address; a port.
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\])(?::[0-9]+)?")
_FOREIGN: Final = re.compile(r"""[^!-~]|[\\"<>^`{|}]""")
_DASHBOARDS: Final = ("supabase.com", "www.supabase.com", "app.supabase.com", "supabase.io", "app.supabase.io")
_DATABASE: Final = re.compile(r"db\.[a-z]+\.supabase\.(?:co|in)|.+\.pooler\.supabase\.com")
_REFERENCE: Final = re.compile(r"/project/([a-z]{20})(?:/|\Z)")
# What people copy along: the address of one of the project's services.
_SERVICE: Final = re.compile(r"/(?:rest|auth|storage|realtime|functions|graphql|pg-meta)(?:-admin)?/v[0-9]+(?:/|\Z)")


def rest_url(url: str) -> str:
    """Return where the project's functions are called: its address with /rest/v1.

    Args:
        url: the project's address, `https://<ref>.supabase.co` or that of a self-hosted project, which may lie under
            a path; plain http is for the loopback interface.

    Raises:
        ConfigurationError: this is another address, or one that nothing secret may be sent to.
    """
    parts = _parts(url)
    host = parts.hostname or ""
    if host in _DASHBOARDS:
        reference = _REFERENCE.search(parts.path)
        hint = f"write https://{reference[1]}.supabase.co" if reference else _EXAMPLE
        raise ConfigurationError("the project's address is that of Supabase's dashboard", hint=hint)
    if _DATABASE.fullmatch(host):
        raise ConfigurationError(
            "the project's address is that of its database", hint=f"that is for SUPABASE_DB_URL; {_EXAMPLE}"
        )
    if match := _SERVICE.search(parts.path):
        raise ConfigurationError(
            "the project's address goes on to one of its services", hint=f"leave off {match[0]} and what follows"
        )
    if not is_safe(parts):
        raise ConfigurationError(
            "the project's address is not https", hint="plain http is accepted on the loopback interface only"
        )
    return url.rstrip("/") + "/rest/v1"


def host_of(url: str) -> str:
    """Return the host's name in a URL that `rest_url` has accepted."""
    return urlsplit(url).hostname or ""


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
        _ = httpx.URL(url).host  # which decodes internationalized names
    except (ValueError, httpx.InvalidURL):
        raise ConfigurationError("the project's address is not a URL", hint=_EXAMPLE) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError("the project's address is not an https URL", hint=_EXAMPLE)
    if _FOREIGN.search(url) or not _HOST.fullmatch(parts.netloc.rpartition("@")[2]):
        raise ConfigurationError("the project's address holds characters that no address has", hint=_EXAMPLE)
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigurationError("the project's address carries credentials, a query or a fragment", hint=_EXAMPLE)
    return parts
