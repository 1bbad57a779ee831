"""Installations that do not happen: refused, failed or interrupted, and everything is as it was."""

from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import psycopg
import pytest

from quota_support import Database
from schema_support import catalogue, connected, held_up
from tickctl.adapters import schema
from tickctl.adapters.schema import StepKind
from tickctl.errors import ConfigurationError, ConflictError, CredentialsRefusedError, UnreachableError


def test_a_database_of_a_newer_version_is_left_alone(database: Database) -> None:
    """Putting older functions over newer tables would break it."""
    with connected(database) as connection:
        connection.execute("insert into tick.migration values ('migrations/9999_later.sql', 'x', now())")
        connection.execute("update tick.migration set digest = 'old' where name = 'policies.sql'")
        for use in (schema.plan, schema.apply):
            with pytest.raises(ConfigurationError, match="newer") as caught:
                use(connection)
            assert caught.value.hint == "upgrade tickctl"
        row = connection.execute("select digest from tick.migration where name = 'policies.sql'").fetchone()
    assert row == ("old",)


def test_functions_of_a_newer_version_are_left_alone(database: Database) -> None:
    """A new version need not bring new tables; of one version, the text that runs last wins."""
    with connected(database) as connection:
        connection.execute("update tick.migration set digest = 'old' where name = 'policies.sql'")
        for newer in ("99.0", "99.0.0rc1", "0.10000"):
            connection.execute("update tick.migration set digest = %s where name = 'tickctl'", [newer])
            with pytest.raises(ConfigurationError, match=f"set up by tickctl {newer}, and this is"):
                schema.apply(connection)
        connection.execute("update tick.migration set digest = '0.0.9' where name = 'tickctl'")
        assert [step.kind for step in schema.apply(connection).steps] == [StepKind.UPDATE]
        remembered = connection.execute("select digest from tick.migration where name = 'tickctl'").fetchone()
    assert remembered == (version("tickctl"),)


def test_apply_that_loses_its_connection_leaves_the_old_state(bare_database: Database) -> None:
    """In the middle of its work, and said to be unknown to nobody: an unfinished transaction changes nothing."""
    with held_up(bare_database), ThreadPoolExecutor(1) as pool, connected(bare_database) as connection:
        before = catalogue(connection)
        with connected(bare_database) as other:
            done = pool.submit(schema.apply, connection)
            (pid,) = bare_database.wait_for_lock(user="postgres")
            other.execute("select pg_terminate_backend(%s)", [pid])
            with pytest.raises(UnreachableError):
                done.result(timeout=30)
            assert catalogue(other) == before


def test_apply_gives_up_when_somebody_does_not_let_go(bare_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for a table makes everybody else wait; nothing has changed then."""
    monkeypatch.setattr("tickctl.adapters.schema.install.LOCK_TIMEOUT", "50ms")
    with held_up(bare_database), connected(bare_database) as connection:
        before = catalogue(connection)
        with pytest.raises(UnreachableError, match="did not let go"):
            schema.apply(connection)
        assert catalogue(connection) == before


def test_another_plan_than_the_one_agreed_to_is_not_carried_out(bare_database: Database) -> None:
    """Somebody was quicker, and made a table."""
    with connected(bare_database) as connection:
        agreed = schema.plan(connection)
        connection.execute("create table public.profiles (user_id uuid primary key)")
        before = catalogue(connection)
        with pytest.raises(ConflictError):
            schema.apply(connection, expected=agreed)
        assert catalogue(connection) == before


def test_a_role_without_rights_is_told_so(bare_database: Database) -> None:
    """All that it lacks, or what it may not even look at."""
    with bare_database.superuser() as connection:
        connection.execute("create role weak login; grant usage on schema auth to weak; create role blind login")
    try:
        for role, told in (("weak", "weak may not create schemas"), ("blind", "permission denied for schema auth")):
            url = bare_database.postgres_url.replace("postgres@", f"{role}@", 1)
            with psycopg.connect(url, autocommit=True) as connection:
                for use in (schema.plan, schema.apply):
                    with pytest.raises(CredentialsRefusedError) as caught:
                        use(connection)
                    assert told in caught.value.message
    finally:
        with bare_database.superuser() as connection:
            connection.execute("drop owned by weak, blind; drop role weak; drop role blind")


def test_the_schema_of_another_role_is_left_to_it(database: Database) -> None:
    """Functions of two owners could not call each other."""
    with database.superuser() as connection:
        connection.execute("alter schema tick owner to supabase_admin; grant usage on schema tick to postgres")
    with (
        connected(database) as connection,
        pytest.raises(CredentialsRefusedError, match="not the owner of the schema tick: supabase_admin"),
    ):
        schema.apply(connection)


def test_a_database_that_can_only_be_read_is_refused(bare_database: Database) -> None:
    """A replica, for one."""
    with connected(bare_database) as connection:
        connection.execute("set default_transaction_read_only = on")
        with pytest.raises(ConfigurationError, match="only be read"):
            schema.plan(connection)


def test_an_auth_server_of_long_ago_is_refused(bare_database: Database) -> None:
    """Its tables tell less than the rules ask for."""
    with bare_database.superuser() as connection:
        connection.execute("alter table auth.users drop column is_anonymous, drop column banned_until")
    with connected(bare_database) as connection, pytest.raises(ConfigurationError) as caught:
        schema.plan(connection)
    assert caught.value.message.endswith("auth.users has no banned_until, is_anonymous")
    assert "upgrade the project" in str(caught.value.hint)


def test_a_schema_of_that_name_that_is_not_ours_is_left_alone(bare_database: Database) -> None:
    """Unless it is empty."""
    with connected(bare_database) as connection:
        connection.execute("create schema tick")
        assert schema.plan(connection).changes
        connection.execute("create table tick.tock (a integer)")
        with pytest.raises(ConfigurationError, match="did not make"):
            schema.apply(connection)
