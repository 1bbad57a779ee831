"""Whether a connection URL encrypts what goes over it, judged by its scheme; shared by `doctor` and `audit`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qs, urlsplit

from tickctl.core.findings import Result
from tickctl.core.secret import Secret
from tickctl.core.urls import is_loopback

CONNECTION_NAMES: Final = frozenset(
    {
        "RABBITMQ_URL",
        "REDIS_URL",
        "CHROMA_URL",
        "MODEL_API_URL",
        "SUPABASE_URL",
        "SUPABASE_JWKS_URL",
        "SUPABASE_DB_URL",
    }
)
"""Variables that hold a connection whatever their value looks like."""

_NAMES: Final = re.compile(r"(?:.*_)?(?:URLS?|URI|DSN|BROKER|ENDPOINT)", re.IGNORECASE)
# The scheme that sends everything in the clear, and the one to write instead.
_CLEAR: Final[Mapping[str, str]] = {
    "amqp": "amqps",
    "redis": "rediss",
    "valkey": "valkeys",
    "http": "https",
    "ws": "wss",
    "mqtt": "mqtts",
}
_ENCRYPTED: Final = frozenset(_CLEAR.values())
_POSTGRES: Final = frozenset({"postgres", "postgresql"})
# PostgreSQL, libpq, "SSL Support": what is tried, what is demanded, and what also tells the server from an impostor.
_VERIFYING: Final = frozenset({"verify-ca", "verify-full"})
_SSLMODES: Final = frozenset({"disable", "allow", "prefer", "require"}) | _VERIFYING
_DEFAULT_SSLMODE: Final = "prefer"
# How clients are told to believe any certificate: redis-py and Celery, RabbitMQ's own, aio-pika.
_UNVERIFIED: Final[Mapping[str, frozenset[str]]] = {
    "ssl_cert_reqs": frozenset({"none", "cert_none"}),
    "verify": frozenset({"verify_none"}),
    "no_verify_ssl": frozenset({"1", "true", "yes"}),
    "ssl_check_hostname": frozenset({"false", "0", "no"}),
}
_PAIR: Final = re.compile(r"(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s']*)")
_WORST_FIRST: Final = (Result.FAIL, Result.CANNOT_TELL, Result.WARNING, Result.PASS)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a URL tells of its connection; the message goes after the variable's name.

    Attributes:
        result: never NOT_APPLICABLE unless the judge was told that all is local.
        message: such as "is not encrypted: its scheme is redis". Nothing of the value but a known scheme is in it.
        mend: what to write instead.
    """

    result: Result
    message: str
    mend: str | None = None


def judge_url(name: str, value: Secret, *, local: bool = False) -> Judgement | None:
    """Return what a variable tells about the encryption of a connection; None where it is no connection URL.

    A list of addresses (for a cluster, or several brokers) is as good as its worst.

    Args:
        name: of the variable.
        value: of the variable.
        local: whether this is a set-up on one machine, where services may talk in the clear.
    """
    text = value.reveal().strip()
    if not text or not (name in CONNECTION_NAMES or _NAMES.fullmatch(name)):
        return None
    judgements = [judged for part in _parts(text) if (judged := _judge(part)) is not None]
    if not judgements:
        if name not in CONNECTION_NAMES:
            return None
        judgements = [
            Judgement(Result.CANNOT_TELL, "is no URL that says how it connects", "write it with a scheme, as in https")
        ]
    worst = min(judgements, key=lambda judgement: _WORST_FIRST.index(judgement.result))
    if local and worst.result in {Result.FAIL, Result.WARNING}:
        return Judgement(Result.NOT_APPLICABLE, f"{worst.message}, which may be so on one machine")
    return worst


def _parts(text: str) -> Iterator[str]:
    """Yield the URLs of a list, separated as Celery, Kombu and lists of origins separate them."""
    if "://" not in text:
        yield text
        return
    yield from filter(None, re.split(r"[;\s]+|,(?=[A-Za-z][A-Za-z0-9+.-]*://)", text))


def _judge(text: str) -> Judgement | None:
    """Judge one URL or libpq connection string; None where its form says nothing."""
    scheme, separator, _ = text.partition("://")
    if not separator:
        pairs = _pairs(text)
        return _postgres(pairs, [pairs.get("hostaddr", ""), pairs["host"]]) if "host" in pairs else None
    # What follows a plus is the driver, as in postgresql+psycopg.
    scheme = scheme.lower().partition("+")[0]
    if scheme not in _ENCRYPTED | _CLEAR.keys() | _POSTGRES:
        return None
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        return Judgement(Result.CANNOT_TELL, "is a URL that can't be read", "correct it")
    options = {key.lower(): values[-1].lower() for key, values in parse_qs(parts.query).items()}
    if scheme in _POSTGRES:
        return _postgres(options, _postgres_hosts(parts, options))
    return _by_scheme(scheme, host, options)


def _by_scheme(scheme: str, host: str, given: Mapping[str, str]) -> Judgement:
    if is_loopback(host):
        return Judgement(Result.PASS, "stays on this machine")
    if better := _CLEAR.get(scheme):
        return Judgement(Result.FAIL, f"is not encrypted: its scheme is {scheme}", f"write {better}://")
    if option := next((name for name, values in _UNVERIFIED.items() if given.get(name) in values), None):
        message = f"is encrypted, but for whoever answers: {option} turns off the look at the certificate"
        return Judgement(Result.FAIL, message, f"remove {option}, and give the authority's certificate if need be")
    return Judgement(Result.PASS, "is encrypted")


def _postgres(given: Mapping[str, str], hosts: list[str]) -> Judgement:
    named = [host for host in hosts if host]
    if all(host.startswith(("/", "@")) or is_loopback(host) for host in named):
        return Judgement(Result.PASS, "stays on this machine")
    mode = given.get("sslmode", _DEFAULT_SSLMODE)
    if mode in _VERIFYING:
        return Judgement(Result.PASS, "is encrypted")
    mend = "add sslmode=verify-full, with sslrootcert and the project's certificate"
    if mode not in _SSLMODES:
        return Judgement(Result.CANNOT_TELL, "has an sslmode that PostgreSQL doesn't know", mend)
    if mode == "require":
        return Judgement(Result.WARNING, "is encrypted, but sslmode=require doesn't ask who answers", mend)
    reason = f"sslmode={mode}" if "sslmode" in given else f"without sslmode, {mode} counts, which"
    return Judgement(Result.FAIL, f"may not be encrypted: {reason} does without where it has to", mend)


def _pairs(text: str) -> dict[str, str]:
    """Return the settings of a libpq connection string, `host=... sslmode=...`."""
    return {key.lower(): value.strip("'").lower() for key, value in _PAIR.findall(text)}


def _postgres_hosts(parts: SplitResult, given: Mapping[str, str]) -> list[str]:
    """Return all hosts: libpq takes a list of them, and host and hostaddr of the query before the URL's own."""
    if "hostaddr" in given or "host" in given:
        return [host for name in ("hostaddr", "host") for host in given.get(name, "").split(",")]
    return [re.sub(r":\d*$", "", host).strip("[]").lower() for host in parts.netloc.rpartition("@")[2].split(",")]
