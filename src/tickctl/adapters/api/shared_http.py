"""The connections to a project's API that all callers share: bounded, and without memory of any of them."""

import logging
import ssl
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httpx
from postgrest import AsyncPostgrestClient

from tickctl.adapters.http.reasons import RefusedAnswerError, reason_of
from tickctl.core.json import JsonObject
from tickctl.core.quota.postgrest import ApiAnswer
from tickctl.core.urls import is_loopback
from tickctl.errors import ConfigurationError, InvalidInputError, TickctlError

LARGEST_ANSWER: Final = 4 * 1024 * 1024
"""Bytes; the longest answers are pages of 1000 users or log entries."""
REQUESTS: Final = 500
"""After so many requests new connections are made.

A server that ends an HTTP/2 connection after its number of requests (nginx after 1 000, Supabase after 10 000) says so
while answers are under way, and httpcore gives those up.
"""
_IDLE: Final = 20.0
"""Seconds that an unused connection is kept: less than servers do, lest one hang up while a request is on its way."""

_HEADERS: Final = {
    "User-Agent": "tickctl",
    "Accept": "application/json",
    # A small compressed body can unpack to any size.
    "Accept-Encoding": "identity",
}
_CALLER: Final = {"X-Client-Info": "tickctl"}  # rather than the machine's particulars


@dataclass(frozen=True, slots=True)
class Failure:
    """No usable answer came.

    Attributes:
        error: what to tell.
        sent: whether the request was, so that it may have been carried out.
        broken: whether the connection broke, so that asking again may help.
    """

    error: TickctlError
    sent: bool = False
    broken: bool = False


@dataclass(slots=True)
class _Client:
    http: httpx.AsyncClient
    requests_left: int = REQUESTS
    under_way: int = 0


class SharedHttp:
    """Posts function calls to one PostgREST; what a request carries is in its own headers only.

    Nothing here ends an exchange that has begun: a time-out of httpcore's would end all requests of an HTTP/2
    connection, not only the late one.

    Args:
        rest_url: as `rest_url` gives it.
        connections: how many at once at most; HTTP/2 needs one.
        patience: seconds that a request waits for a connection to be free, and for one to be made.
    """

    def __init__(self, rest_url: str, *, connections: int, patience: float) -> None:
        self._rest_url = rest_url
        self._host = urlsplit(rest_url).hostname or ""
        self._connections = connections
        self._patience = patience
        self._client: _Client | None = None
        # At level DEBUG, hpack writes every header to the log, the tokens in them included.
        hpack = logging.getLogger("hpack")
        if hpack.level == logging.NOTSET:
            hpack.setLevel(logging.INFO)

    async def post(self, name: str, arguments: JsonObject, headers: dict[str, str]) -> ApiAnswer | Failure:
        """Call a function; the failure is returned, not raised, so that nothing refers to the request any more.

        Raises:
            ConfigurationError: the environment names a proxy or certificates that can't be used.
            InvalidInputError: the arguments can't be written as JSON in UTF-8.
        """
        client, spent = self._turn()
        try:
            if spent is not None and not spent.under_way:
                await spent.http.aclose()
            # A builder for this one request, so that no other can find the caller's token in it.
            builder = AsyncPostgrestClient(self._rest_url, headers=_CALLER | headers, http_client=client.http)
            parameters = cast("dict[str, Any]", dict(arguments))  # its annotation is narrower than what it encodes
            # Sent, not executed: `execute` repeats some requests and loses the status of others.
            sent = builder.rpc(name, parameters).request.send(httpx.Headers())
            response = await cast("Awaitable[httpx.Response]", sent)  # its overloads have lost that it is one
        except (httpx.TransportError, RefusedAnswerError) as error:
            return self._failure(error)
        except UnicodeEncodeError:
            return Failure(InvalidInputError("a text can't be written as UTF-8"))
        finally:
            client.under_way -= 1
            if client is not self._client and not client.under_way:
                await client.http.aclose()
        headers_received = response.headers
        return ApiAnswer(
            status=response.status_code,
            body=response.content,
            content_type=headers_received.get("Content-Type", ""),
            content_range=headers_received.get("Content-Range", ""),
            retry_after=headers_received.get("Retry-After", ""),
        )

    async def aclose(self) -> None:
        """Close the connections; a later request makes others."""
        client, self._client = self._client, None
        if client is not None:
            await client.http.aclose()

    def _turn(self) -> tuple[_Client, _Client | None]:
        """Return the client for one more request, and the one before it, if this is the first of a new one."""
        spent = None
        if self._client is None or not self._client.requests_left:
            spent, self._client = self._client, _Client(self._new_client())
        self._client.requests_left -= 1
        self._client.under_way += 1
        return self._client, spent

    def _new_client(self) -> httpx.AsyncClient:
        try:
            return httpx.AsyncClient(
                headers=_HEADERS,
                verify=self._certificates(),
                http2=True,
                # A proxy from the environment is meant for the outside world.
                trust_env=not is_loopback(self._host),
                follow_redirects=False,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
                timeout=httpx.Timeout(None, connect=self._patience, pool=self._patience),
                limits=httpx.Limits(
                    max_connections=self._connections,
                    max_keepalive_connections=self._connections,
                    keepalive_expiry=_IDLE,
                ),
                event_hooks={"response": [_bound]},
            )
        except (ImportError, ValueError, httpx.InvalidURL):
            raise ConfigurationError(
                "the proxy that the environment names can't be used", hint="check HTTPS_PROXY and ALL_PROXY"
            ) from None

    def _certificates(self) -> ssl.SSLContext:
        if self._rest_url.startswith("http:"):
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, and is made in no time
        try:
            return httpx.create_ssl_context()
        except OSError:
            raise ConfigurationError(
                "the certificates that the environment names can't be read", hint="check SSL_CERT_FILE and SSL_CERT_DIR"
            ) from None

    def _failure(self, error: Exception) -> Failure:
        reason = reason_of(error)
        return Failure(reason.error(self._host), sent=reason.sent, broken=reason.broken)


class _BoundedStream(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        length = 0
        async for chunk in self._stream:
            length += len(chunk)
            if length > LARGEST_ANSWER:
                raise RefusedAnswerError(f"the answer is longer than {LARGEST_ANSWER // 1024} KiB")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _bound(response: httpx.Response) -> None:
    """Limit what is read of a body; httpx calls this when the headers have come."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise RefusedAnswerError("the answer is compressed")
    response.stream = _BoundedStream(cast("httpx.AsyncByteStream", response.stream))
