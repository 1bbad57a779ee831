"""One careful GET: https except on loopback, no redirects, no cookies, bounded in size and time."""

import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from tickctl.errors import ConfigurationError, UnreachableError
from tickctl.settings import is_loopback

TIMEOUT: Final = 5.0
MAX_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said; `content_type` is "" where it did not say."""

    status: int
    content_type: str
    body: bytes


def guarded_get(
    url: str, headers: dict[str, str] | None = None, *, timeout: float = TIMEOUT, limit: int = MAX_BYTES
) -> Answer:
    """Get a URL over a connection of its own, whatever the status of the answer.

    Each call has its own client: nothing that one user's request brought, a cookie for instance, goes out with
    another's.

    Args:
        url: https, or http on the loopback interface.
        headers: to send along; their values appear in no message.
        timeout: seconds for connecting and for each wait, and from the start to the end of the body. The last is
            looked at as the body arrives.
        limit: the longest body, in bytes.

    Raises:
        ConfigurationError: this URL is never asked.
        UnreachableError: no whole answer came.
    """
    import httpx  # noqa: PLC0415 - HS256 needs no network, and httpx takes longer to load than everything else

    host = _checked_host(url)
    # A proxy from the environment is meant for the outside world.
    client = httpx.Client(follow_redirects=False, timeout=timeout, trust_env=not is_loopback(host))
    # Compressed bodies are not asked for: a small one can unpack to any size.
    asked = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
    deadline = time.monotonic() + timeout
    try:
        with client, client.stream("GET", url, headers=asked) as response:
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise _no_answer(host, "the answer is compressed")
            body = bytearray()
            for chunk in response.iter_raw():
                body += chunk
                if len(body) > limit:
                    raise _no_answer(host, f"the answer is longer than {limit // 1024} KiB")
                if time.monotonic() > deadline:
                    raise _no_answer(host, f"the answer took longer than {timeout:g} s")
            return Answer(response.status_code, response.headers.get("Content-Type", ""), bytes(body))
    # The messages of httpx can quote headers.
    except httpx.TimeoutException:
        raise _no_answer(host, f"no answer within {timeout:g} s") from None
    except httpx.ConnectError:
        raise _no_answer(host, "no connection") from None
    except (httpx.HTTPError, httpx.InvalidURL):
        raise _no_answer(host, "the exchange failed") from None


def _checked_host(url: str) -> str:
    hint = "give an https URL; plain http is accepted on the loopback interface only"
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.username is not None or not url.isprintable() or any(char in url for char in ' \\"'):
        raise ConfigurationError("the address to ask is not a URL without credentials", hint=hint)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ConfigurationError(f"{host} would be asked without encryption", hint=hint)
    return host


def _no_answer(host: str, problem: str) -> UnreachableError:
    return UnreachableError(f"{host}: {problem}", hint="check the address and the network, and try again")
