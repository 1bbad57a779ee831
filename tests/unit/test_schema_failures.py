"""What PostgreSQL says while the schema is installed becomes an error with a remedy."""

import psycopg
import pytest

from tickctl.adapters.schema.failures import refusal, reported
from tickctl.errors import ConfigurationError, CredentialsRefusedError, TickctlError, UnreachableError


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (psycopg.OperationalError("server closed the connection"), UnreachableError),
        (psycopg.errors.AdminShutdown(), UnreachableError),
        (psycopg.errors.DiskFull(), UnreachableError),
        (psycopg.errors.LockNotAvailable(), UnreachableError),
        (psycopg.errors.DeadlockDetected(), UnreachableError),
        (psycopg.errors.QueryCanceled(), UnreachableError),
        (psycopg.errors.InsufficientPrivilege(), CredentialsRefusedError),
        (psycopg.errors.ReadOnlySqlTransaction(), ConfigurationError),
        (psycopg.errors.CheckViolation(), ConfigurationError),
        (psycopg.errors.DependentObjectsStillExist(), ConfigurationError),
    ],
    ids=lambda value: value.__class__.__name__ if isinstance(value, Exception) else value.__name__,
)
def test_every_error_of_the_database_has_a_remedy(raised: psycopg.Error, expected: type[TickctlError]) -> None:
    """And nothing of psycopg's comes along, whose messages may quote rows and settings."""
    with pytest.raises(TickctlError) as caught, reported():
        raise raised
    assert type(caught.value) is expected
    assert caught.value.hint
    assert caught.value.__cause__ is None
    assert "server closed" not in caught.value.message


@pytest.mark.parametrize(
    ("kind", "message", "expected"),
    [
        ("newer", "set up by a newer version", ConfigurationError),
        ("denied", "weak may not create schemas", CredentialsRefusedError),
        ("refused", "this is not the database of a Supabase project: it has no role anon", ConfigurationError),
        ("refused", "the database ran another text of migrations/0001_tables.sql", ConfigurationError),
        ("refused", "there is a schema tick that tickctl did not make", ConfigurationError),
        ("refused", "Supabase Auth is too old, or of another kind: auth.users has no is_anonymous", ConfigurationError),
    ],
)
def test_every_refusal_has_a_remedy(kind: str, message: str, expected: type[TickctlError]) -> None:
    """What the planner says of the whole database."""
    error = refusal(kind, message)
    assert type(error) is expected
    assert error.message == message
    assert error.hint


@pytest.mark.parametrize("kind", ["create", "change", "blocker", "note"])
def test_a_step_is_no_refusal(kind: str) -> None:
    """Not even one that blocks: those are listed together."""
    assert refusal(kind, "public.profiles is a view") is None
