"""Why no usable answer came, and what to do: one table for all requests.

The messages of httpx are never shown, since they can quote headers.
"""

import socket
import ssl
from typing import Final, NamedTuple

import httpx

from tickctl.errors import UnreachableError

_TRY_AGAIN: Final = "check the address and the network, and try again"
# OpenSSL's X509_V_ERR_… (openssl/x509_vfy.h).
_CERTIFICATES: Final = {
    10: "the certificate has expired",
    18: "the certificate is signed by itself",
    19: "the certificate comes from an unknown authority",
    20: "the certificate comes from an unknown authority",
    21: "the certificate comes from an unknown authority",
    62: "the certificate is for another host",
    64: "the certificate is for another host",
}


class RefusedAnswerError(Exception):
    """An answer that is not read to its end."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class Reason(NamedTuple):
    """Why no usable answer came.

    Attributes:
        problem: what went wrong.
        hint: what to do about it.
        sent: whether the request was sent, so that it may have been carried out.
        broken: whether the connection broke, so that asking again may help.
    """

    problem: str
    hint: str = _TRY_AGAIN
    sent: bool = False
    broken: bool = False

    def error(self, host: str) -> UnreachableError:
        """Return the error to raise about a host."""
        return UnreachableError(f"{host}: {self.problem}", hint=self.hint)


def late(seconds: float) -> Reason:
    """Return the reason of an answer that didn't come within so many seconds."""
    return Reason(f"no answer within {seconds:g} s", "check the network, and try again in a while", sent=True)


def reason_of(error: Exception) -> Reason:
    """Return the reason behind an error of httpx."""
    if isinstance(error, RefusedAnswerError):
        return Reason(error.problem, "check SUPABASE_URL", sent=True)
    if isinstance(error, httpx.ConnectError):
        return _connect_reason(error)
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), Reason("no connection"))


# The first that fits.
_REASONS: Final = (
    (httpx.ProxyError, Reason("the proxy on the way refused", "check HTTPS_PROXY")),
    (httpx.ConnectTimeout, Reason("no connection in time")),
    (httpx.PoolTimeout, Reason("too many calls at once", "try again in a while")),
    (httpx.TransportError, Reason("the connection was lost", "try again", sent=True, broken=True)),
)


def _connect_reason(error: BaseException) -> Reason:
    """Return why no connection came about, by the errors that httpx made its own of."""
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case socket.gaierror():
                hint = "check the reference in SUPABASE_URL; a project that has been paused for long has no address"
                return Reason("the host has no address", hint)
            case ssl.SSLCertVerificationError():
                problem = _CERTIFICATES.get(cause.verify_code, "the certificate is not valid")
                hint = "check SUPABASE_URL; SSL_CERT_FILE names the certificates of an authority of your own"
                return Reason(problem, hint)
            case ssl.SSLError():
                return Reason("no encrypted connection came about", "check SUPABASE_URL and what stands between")
            case ConnectionRefusedError():
                return Reason("nothing listens there", "check SUPABASE_URL, and whether the project runs")
        cause = cause.__cause__ or cause.__context__
    return Reason("no connection")
