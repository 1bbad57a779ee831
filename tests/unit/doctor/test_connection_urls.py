"""Whether a connection is encrypted, by its URL."""

import pytest

from tickctl.core.audit.urls import CONNECTION_NAMES, Judgement, judge_url
from tickctl.core.findings import Result
from tickctl.core.secret import Secret

FAIL, PASS, WARNING, UNKNOWN = Result.FAIL, Result.PASS, Result.WARNING, Result.CANNOT_TELL


def judged(name: str, value: str, *, local: bool = False) -> Judgement | None:
    """Judge a value that is no secret here."""
    return judge_url(name, Secret(value), local=local)


def result(name: str, value: str, *, local: bool = False) -> Result | None:
    """Return the result alone."""
    judgement = judged(name, value, local=local)
    return judgement.result if judgement else None


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("RABBITMQ_URL", "amqps://user:word@rabbitmq.internal:5671/", PASS),
        ("RABBITMQ_URL", "amqp://user:word@rabbitmq.internal/", FAIL),
        ("RABBITMQ_URL", "AMQP://rabbitmq.internal/", FAIL),
        ("RABBITMQ_URL", "amqps://rabbitmq.internal/?verify=verify_none", FAIL),
        ("RABBITMQ_URL", "amqps://rabbitmq.internal/?no_verify_ssl=1", FAIL),
        ("REDIS_URL", "rediss://redis.internal:6379/0", PASS),
        ("REDIS_URL", "redis://redis.internal:6379/0", FAIL),
        ("REDIS_URL", "rediss://redis.internal?ssl_cert_reqs=none", FAIL),
        ("REDIS_URL", "rediss://redis.internal?SSL_CERT_REQS=CERT_NONE", FAIL),
        ("REDIS_URL", "rediss://redis.internal?ssl_cert_reqs=required", PASS),
        ("REDIS_URL", "rediss://redis.internal?ssl_check_hostname=false", FAIL),
        ("CHROMA_URL", "https://chroma.internal", PASS),
        ("CHROMA_URL", "http://chroma.internal:8000", FAIL),
        ("CHROMA_URL", "chroma.internal:8000", UNKNOWN),
        ("MODEL_API_URL", "http://10.0.0.5/v1", FAIL),
        ("MODEL_API_URL", "https://[half", UNKNOWN),
        ("MODEL_API_URL", "gopher://model", UNKNOWN),
        ("CELERY_BROKER_URL", "amqps://a/;amqp://b/", FAIL),
        ("NODES_URLS", "https://a,http://b", FAIL),
        ("EVENTS_URI", "ws://events.internal", FAIL),
        ("QUEUE_DSN", "nats://queue", None),
        ("GREETING", "http://example.com", None),
        ("HOME_URL", "not a url", None),
        ("RABBITMQ_URL", "  ", None),
    ],
)
def test_scheme_decides(name: str, value: str, expected: Result | None) -> None:
    """Those that encrypt, and do so with whom they should."""
    assert result(name, value) is expected


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "[::1]", "redis.localhost"])
def test_this_machine_needs_no_encryption(host: str) -> None:
    """A sidecar talks over the loopback interface of the task."""
    assert result("REDIS_URL", f"redis://{host}:6379/0") is PASS


@pytest.mark.parametrize("host", ["localhost.example.com", "128.0.0.1", "0.0.0.0", "redis", "[::2]"])
def test_what_only_looks_like_this_machine_is_another(host: str) -> None:
    """Names are compared from their end."""
    assert result("REDIS_URL", f"redis://{host}:6379/0") is FAIL


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("postgresql://u:p@db.example.com/postgres?sslmode=verify-full", PASS),
        ("postgresql://u:p@db.example.com/postgres?sslmode=verify-ca", PASS),
        ("postgresql+psycopg://u:p@db.example.com/postgres?sslmode=verify-full", PASS),
        ("postgres://u:p@db.example.com/postgres?sslmode=require", WARNING),
        ("postgresql://u:p@db.example.com/postgres?sslmode=prefer", FAIL),
        ("postgresql://u:p@db.example.com/postgres?sslmode=allow", FAIL),
        ("postgresql://u:p@db.example.com/postgres?sslmode=disable", FAIL),
        ("postgresql://u:p@db.example.com/postgres", FAIL),
        ("postgresql://u:p@db.example.com/postgres?sslmode=sometimes", UNKNOWN),
        ("postgresql://db.example.com/postgres?sslmode=verify-full&sslmode=disable", FAIL),
        ("postgresql://localhost:5432/postgres", PASS),
        ("postgresql://[::1]:5432,127.0.0.1/postgres", PASS),
        ("postgresql://localhost,db.example.com/postgres", FAIL),
        ("postgresql://localhost/postgres?host=db.example.com", FAIL),
        ("postgresql://localhost/postgres?hostaddr=203.0.113.5", FAIL),
        ("postgresql:///postgres?host=/var/run/postgresql", PASS),
        ("host=db.example.com dbname=postgres", FAIL),
        ("host=db.example.com sslmode=verify-full", PASS),
        ("host='db.example.com' sslmode='require'", WARNING),
        ("host=localhost hostaddr=203.0.113.5", FAIL),
        ("host=/run/postgresql user=postgres", PASS),
        ("dbname=postgres", UNKNOWN),
    ],
)
def test_postgresql_says_it_in_sslmode(value: str, expected: Result) -> None:
    """Without a word, libpq does without encryption where the server has none; the last word counts."""
    assert result("SUPABASE_DB_URL", value) is expected


@pytest.mark.parametrize(
    ("name", "value"),
    [("RABBITMQ_URL", "amqp://rabbitmq/"), ("SUPABASE_DB_URL", "postgresql://db/postgres?sslmode=require")],
)
def test_local_set_up_may_talk_in_the_clear(name: str, value: str) -> None:
    """It is said all the same."""
    judgement = judged(name, value, local=True)
    assert judgement is not None
    assert judgement.result is Result.NOT_APPLICABLE
    assert judgement.mend is None
    assert result("RABBITMQ_URL", "amqps://rabbitmq/", local=True) is PASS


@pytest.mark.parametrize("name", sorted(CONNECTION_NAMES))
def test_nothing_of_a_value_is_told_but_its_scheme(name: str) -> None:
    """Passwords stand in URLs."""
    for scheme in ("amqp", "redis", "http", "postgresql", "whatever"):
        for rest in ("://operator:pa55word@host.internal/path?sslmode=pa55word", ":pa55word"):
            judgement = judged(name, scheme + rest)
            assert judgement is not None
            text = f"{judgement}"
            assert all(word not in text for word in ("pa55word", "operator", "host.internal", "whatever"))
            assert judgement.mend
