"""One careful request: https except on loopback, no redirects, no cookies, bounded in size and time."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from tickctl.core.json import JsonObject
from tickctl.core.urls import is_loopback, is_safe
from tickctl.errors import ConfigurationError, InvalidInputError

if TYPE_CHECKING:
    import httpx

TIMEOUT: Final = 5.0
MAX_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said; a header that it did not send is ""."""

    status: int
    content_type: str
    body: bytes
    retry_after: str = ""
    date: str = ""


def guarded_get(
    url: str, headers: Mapping[str, str] | None = None, *, timeout: float = TIMEOUT, limit: int = MAX_BYTES
) -> Answer:
    """Get a URL over a connection of its own, whatever the status of the answer.

    Each call has its own client: nothing that one user's request brought, a cookie for instance, goes out with
    another's.

    Args:
        url: https, or http on the loopback interface.
        headers: to send along; their values appear in no message.
        timeout: seconds from the start to the end of the body; finding the host's address may take longer.
        limit: the longest body, in bytes.

    Raises:
        ConfigurationError: this URL is never asked.
        UnreachableError: no whole answer came.
    """
    return _exchange("GET", url, headers, timeout=timeout, limit=limit)


def guarded_post(
    url: str,
    payload: JsonObject,
    headers: Mapping[str, str] | None = None,
    *,
    timeout: float = TIMEOUT,
    limit: int = MAX_BYTES,
) -> Answer:
    """Post a JSON object; everything else is as for `guarded_get`. What is posted appears in no message.

    Raises:
        InvalidInputError: a text can't be written as UTF-8.
    """
    try:
        body = json.dumps(payload, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidInputError("a text can't be written as UTF-8") from None
    headers = {"Content-Type": "application/json", **(headers or {})}
    return _exchange("POST", url, headers, content=body, timeout=timeout, limit=limit)


def _exchange(
    method: Literal["GET", "POST"],
    url: str,
    headers: Mapping[str, str] | None,
    *,
    content: bytes | None = None,
    timeout: float,
    limit: int,
) -> Answer:
    host = _checked_host(url)
    # Compressed bodies are not asked for: a small one can unpack to any size.
    sent = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
    return asyncio.run(_answer(_Request(method, url, host, sent, content), timeout, limit))


class _Request(NamedTuple):
    method: str
    url: str
    host: str
    headers: dict[str, str]
    content: bytes | None


async def _answer(request: _Request, seconds: float, limit: int) -> Answer:
    import httpx  # noqa: PLC0415 - HS256 needs no network, and httpx takes longer to load than everything else

    from tickctl.adapters.http.reasons import RefusedAnswerError, late, reason_of  # noqa: PLC0415

    # A proxy from the environment is meant for the outside world. The time-outs of httpx hold for each wait; a server
    # that sends a byte now and then never meets one.
    trust_env = not is_loopback(request.host)
    try:
        async with (
            asyncio.timeout(seconds),
            httpx.AsyncClient(follow_redirects=False, timeout=None, trust_env=trust_env) as client,  # noqa: S113
            client.stream(request.method, request.url, headers=request.headers, content=request.content) as response,
        ):
            body = await _body(response, limit)
    except TimeoutError:
        raise late(seconds).error(request.host) from None
    except (httpx.HTTPError, httpx.InvalidURL, RefusedAnswerError) as error:
        raise reason_of(error).error(request.host) from None
    names = ("Content-Type", "Retry-After", "Date")
    content_type, retry_after, date = (response.headers.get(name, "") for name in names)
    return Answer(response.status_code, content_type, body, retry_after, date)


async def _body(response: "httpx.Response", limit: int) -> bytes:
    from tickctl.adapters.http.reasons import RefusedAnswerError  # noqa: PLC0415

    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise RefusedAnswerError("the answer is compressed")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limit:
            raise RefusedAnswerError(f"the answer is longer than {limit // 1024} KiB")
    return bytes(body)


def _checked_host(url: str) -> str:
    hint = "give an https URL; plain http is accepted on the loopback interface only"
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.username is not None or not url.isprintable() or any(char in url for char in ' \\"'):
        raise ConfigurationError("the address to ask is not a URL without credentials", hint=hint)
    if not is_safe(parts):
        raise ConfigurationError(f"{host} would be asked without encryption", hint=hint)
    return host
