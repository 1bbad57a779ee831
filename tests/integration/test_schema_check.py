"""The check of a database: green on ours, and every hole that somebody makes into it is named."""

import json
from collections.abc import Iterator

import psycopg
import pytest

from check_support import broken, by_id, connected
from quota_support import Database
from tickctl.adapters import schema
from tickctl.adapters.schema_check import Part, Result, check
from tickctl.adapters.schema_check.private_probes import callers
from tickctl.errors import ConfigurationError, UnreachableError
from tickctl.sql import requirements


def test_our_schema_is_all_green(database: Database) -> None:
    """As the role that migrations run as: nothing is broken, everything can be told, and it says so in words."""
    with connected(database.postgres_url) as connection:
        schema.apply(connection, hook=True)
        findings = check(connection)
    assert {(f.id, f.result, f.detail) for f in findings if f.result in {Result.BROKEN, Result.UNKNOWN}} == set()
    assert {f.id for f in findings if f.result is Result.NOTE} == {"hook-installed", "exposed-schemas-elsewhere"}
    assert {f.part for f in findings} == set(Part)
    assert all(f.title and (f.result is Result.NOTE or not f.detail) for f in findings)
    silent = {"refused", "denied", "note", "remark", "offer"}
    assert by_id(findings).keys() >= {r.id for r in requirements() if r.kind not in silent}


def test_a_superuser_sees_the_same(database: Database) -> None:
    """Where one is to be had, as on a server of one's own."""
    with connected(database.superuser_url) as connection:
        assert broken(check(connection)) == set()


def _contents(database: Database) -> dict[str, object]:
    with database.superuser() as connection:
        tables = connection.execute(
            "select oid::regclass::text as name from pg_class where relkind = 'r' and relnamespace in"
            " ('public'::regnamespace, 'tick'::regnamespace, 'auth'::regnamespace) order by 1"
        ).fetchall()
        return {
            table["name"]: connection.execute(f"select * from {table['name']} order by 1".encode()).fetchall()
            for table in tables
        } | {
            "sequences": connection.execute(
                "select sequencename, last_value from pg_sequences where sequencename <> 'audit_id_seq'"
            ).fetchall()
        }


def test_nothing_is_left_behind(database: Database) -> None:
    """Every row of every table is as before; of what no rollback turns back, the log's numbers alone go on."""
    database.add_user()
    before = _contents(database)
    with connected(database.postgres_url) as connection:
        check(connection)
    assert _contents(database) == before


def test_an_interrupted_check_leaves_nothing_behind(database: Database) -> None:
    """Whenever that happens, and the connection can be used afterwards."""
    before = _contents(database)
    with connected(database.postgres_url) as connection:
        for moment in (1, 30, 60):
            left = iter(range(moment))

            def interrupt(left: Iterator[int] = left) -> None:
                if next(left, None) is None:
                    raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                check(connection, advance=interrupt)
            assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert _contents(database) == before


def test_a_killed_check_leaves_nothing_behind(database: Database) -> None:
    """The server rolls back what its client can't; who asked is told that the connection was lost."""
    before = _contents(database)
    with connected(database.postgres_url) as connection, database.superuser() as killer:

        def kill() -> None:
            killer.execute("select pg_terminate_backend(%s)", [connection.info.backend_pid])

        with pytest.raises(UnreachableError):
            check(connection, advance=kill)
    assert _contents(database) == before


def test_the_gateway_goes_on_meanwhile(database: Database) -> None:
    """At every moment of the check others consume and are changed without waiting."""
    user = database.add_user(limit=None)
    with connected(database.postgres_url) as connection, connected(database.authenticator_url) as gateway:
        gateway.execute("set lock_timeout = '50ms'")

        def consume() -> None:
            with gateway.transaction():
                gateway.execute("set local role authenticated")
                gateway.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(user.claims)])
                row = gateway.execute("select (public.consume_ticks(1, gen_random_uuid())).decision").fetchone()
                assert row == ("granted",)

        findings = check(connection, advance=consume)
    assert broken(findings) == set()
    assert database.ledger(user).popitem()[1] == (len(findings), len(findings))


def test_a_lock_is_not_waited_for(database: Database) -> None:
    """Whoever waits for a lock makes others wait; the check then says that it can't tell."""
    with connected(database.postgres_url) as connection, database.superuser() as other, other.transaction():
        other.execute("lock table auth.users in share mode")
        found = by_id(check(connection))
    assert found["throw-away-users"].result is Result.UNKNOWN
    assert "55P03" in found["throw-away-users"].detail
    assert found["as-installed"].result is Result.OK


def test_a_failing_trigger_of_somebody_s_is_no_yes(database: Database) -> None:
    """Sign-ups that fail keep the probes from being tried; that is neither green nor broken."""
    with database.superuser() as connection:
        connection.execute(
            "create function public.fails() returns trigger language plpgsql as"
            " 'begin raise exception ''no sign-ups today''; end'; "
            "create trigger a_fails before insert on auth.users for each row execute function public.fails()"
        )
    with connected(database.postgres_url) as connection:
        findings = check(connection)
    assert [(f.id, f.detail) for f in findings if f.result is Result.UNKNOWN] == [
        ("throw-away-users", "nothing could be tried: no sign-ups today (SQLSTATE P0001)")
    ]
    assert broken(findings) == set()


def test_a_role_that_may_not_look_is_no_yes(database: Database) -> None:
    """PostgREST's login role may read the catalogue, but neither our settings nor Auth's users."""
    with connected(database.authenticator_url) as connection:
        found = by_id(check(connection))
    assert {i for i, f in found.items() if f.result is Result.UNKNOWN} >= {
        "settings",
        "throw-away-users",
        "version",
    }
    assert {i: f.detail for i, f in found.items() if f.result is Result.BROKEN} == {}


def test_rows_that_a_role_does_not_see_are_not_taken_for_none(database: Database) -> None:
    """A role of the operator's own, whom row-level security keeps from Auth's users."""
    with psycopg.connect(database.superuser_url) as connection, connection.transaction(force_rollback=True):
        connection.execute(
            "create role operator; grant usage on schema auth, tick to operator;"
            " grant select on all tables in schema auth, tick, public to operator;"
            " set local session authorization operator"
        )
        found = by_id(check(connection))
    assert found["version"].result is Result.UNKNOWN
    assert "row-level security" in found["version"].detail


@pytest.mark.parametrize("missing", ["sessions", "users"])
def test_a_database_without_supabase_s_auth_is_refused(database: Database, missing: str) -> None:
    """There is nothing to check in it, and that is a mistake in the configuration."""
    with database.superuser() as connection:
        connection.execute(f"alter table auth.{missing} rename to elsewhere".encode())
    with connected(database.postgres_url) as connection, pytest.raises(ConfigurationError, match="no database of a"):
        check(connection)


def test_a_project_without_any_of_it_is_broken(bare_database: Database) -> None:
    """What is missing is named, nothing crashes, and what can't be tried is not taken for good."""
    with connected(bare_database.postgres_url) as connection:
        found = by_id(check(connection))
    assert {i for i, f in found.items() if f.result is Result.BROKEN} == {"installed"}
    assert {i for i, f in found.items() if f.result is Result.UNKNOWN} == {"throw-away-rows"}
    assert found["installed"].mend == "tickctl schema apply"


def test_each_function_has_its_callers(database: Database) -> None:
    """The few that requests may call, by name; everything else is for nobody."""
    with connected(database.postgres_url) as connection:
        rows = connection.execute(
            "select n.nspname || '.' || p.proname, array(select r.rolname::text from pg_roles as r"
            " where r.rolname in ('anon', 'authenticated', 'service_role')"
            " and has_function_privilege(r.oid, p.oid, 'execute') order by r.rolname)"
            " from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace where n.nspname = 'tick'"
            " or n.nspname = 'public' and p.prosrc like '%tick.%'"
        )
        granted = {name: tuple(roles) for name, roles in rows}
    assert granted == {name: callers(name) for name in granted}
    assert {name for name, roles in granted.items() if roles == ("service_role",)} == {
        "public.tick_admin_add", "tick.admin_add", "public.tick_admin_remove", "tick.admin_remove"
    }  # fmt: skip


def test_nothing_is_mended_behind_a_newer_version(database: Database) -> None:
    """What it has changed is not for an older one to put back."""
    with database.owner() as connection:
        connection.execute("insert into tick.migration values ('migrations/9999_later.sql', 'x', now())")
        connection.execute(
            "create or replace function tick.check_page_size(page_size integer) returns void"
            " language plpgsql immutable set search_path = pg_catalog, pg_temp as 'begin return; end'"
        )
    with connected(database.postgres_url) as connection:
        found = by_id(check(connection))
    assert {i: f.mend for i, f in found.items() if f.result is Result.BROKEN} == {
        "version-newer": "upgrade tickctl",
        "as-installed": "upgrade tickctl",
    }
