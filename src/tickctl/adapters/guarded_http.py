"""One careful request: https except on loopback, no redirects, no cookies, bounded in size and time."""

import json
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Timer
from types import TracebackType
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

from tickctl.core.json import JsonObject
from tickctl.core.loopback import is_loopback
from tickctl.errors import ConfigurationError, InvalidInputError, UnreachableError

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
    import httpx  # noqa: PLC0415 - HS256 needs no network, and httpx takes longer to load than everything else

    host = _checked_host(url)
    # A proxy from the environment is meant for the outside world.
    client = httpx.Client(follow_redirects=False, timeout=timeout, trust_env=not is_loopback(host))
    # Compressed bodies are not asked for: a small one can unpack to any size.
    asked = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
    late = _no_answer(host, f"no answer within {timeout:g} s")
    with _Deadline(timeout) as deadline, client:
        try:
            extensions = {"trace": deadline.watch}
            with client.stream(method, url, headers=asked, content=content, extensions=extensions) as response:
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    raise _no_answer(host, "the answer is compressed")
                body = bytearray()
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > limit:
                        raise _no_answer(host, f"the answer is longer than {limit // 1024} KiB")
        # The messages of httpx can quote headers.
        except httpx.TimeoutException:
            raise late from None
        except httpx.ConnectError:
            raise late if deadline.passed else _no_answer(host, "no connection") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise late if deadline.passed else _no_answer(host, "the exchange failed") from None
        if deadline.passed:  # a body of unknown length seems to end where we hung up
            raise late
        told = (response.headers.get(name, "") for name in ("Content-Type", "Retry-After", "Date"))
        content_type, retry_after, date = told
        return Answer(response.status_code, content_type, bytes(body), retry_after, date)


class _Deadline:
    """Hangs up when the time is over.

    The time-outs of httpx hold for each wait; a server that sends a byte now and then never meets one.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._line: socket.socket | None = None
        self._timer = Timer(seconds, self._hang_up)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._timer.join()
        if self._line is not None:
            self._line.close()

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() >= self._end

    def watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Note the connection: httpcore calls this at each of its steps (https://www.encode.io/httpcore/extensions)."""
        if event.endswith("connect_tcp.complete") and self._line is None:
            # A descriptor of our own: TLS takes the first one over, and may close it while we are hanging up. Where
            # there are no more descriptors, the time-outs of httpx have to do.
            with suppress(OSError):
                self._line = info["return_value"].get_extra_info("socket").dup()
            if self.passed:  # and the timer found no connection yet
                self._hang_up()

    def _hang_up(self) -> None:
        if self._line is not None:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)


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
