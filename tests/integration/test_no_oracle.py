"""Who may not administer learns nothing by asking: the functions decide who calls before they look at anything else."""

import json
import uuid

import psycopg
import pytest

from quota_support import Database, User

ADDRESS = "somebody@example.com"
FUNCTIONS = """
select p.proname::text as name, array(select format_type(t.type, null)
    from unnest(p.proargtypes) with ordinality as t (type, place) order by t.place) as types
from pg_proc as p
where p.pronamespace = 'public'::regnamespace and p.proname like 'tick\\_admin\\_%'
    and has_function_privilege('authenticated', p.oid, 'execute')
order by 1
"""
READS = """
select seq_scan + seq_tup_read + idx_scan + idx_tup_fetch from pg_stat_xact_user_tables
where schemaname = 'auth' and relname = 'users'
"""
# Nothing that a function could do something with.
NONSENSE = {
    "text": "'x'",
    "integer": "-1",
    "bigint": "-1",
    "boolean": "null",
    "uuid": "null",
    "jsonb": "'[[{}]]'",
}


def call(function: dict[str, object], text: str) -> str:
    """Return a call with this for each text, and nonsense for the rest."""
    types = function["types"]
    assert isinstance(types, list)
    arguments = ", ".join(f"{text if kind == 'text' else NONSENSE[kind]}::{kind}" for kind in types)
    return f"select public.{function['name']}({arguments})"


@pytest.fixture(scope="module")
def functions(shared_database: Database) -> list[dict[str, object]]:
    """What signed-in users can call and administrators may."""
    with shared_database.owner() as connection:
        found = connection.execute(FUNCTIONS).fetchall()
    assert len(found) >= 14
    return found


@pytest.fixture(scope="module")
def user(shared_database: Database) -> User:
    """Somebody signed in, beside the owner of the address."""
    shared_database.add_user(ADDRESS)
    return shared_database.add_user()


def test_each_function_refuses_before_it_looks_at_its_arguments(
    shared_database: Database, functions: list[dict[str, object]], user: User
) -> None:
    """Existing address, unknown one, an id, rubbish, nothing, a megabyte: one answer."""
    texts = (f"'{ADDRESS}'", "'nobody@example.com'", f"'{user.id}'", "''", "null", "repeat('a', 1000000)")
    expected = ("42501", "this needs an administrator")
    with shared_database.acting_as("authenticated", user.claims) as connection:
        for function in functions:
            for text in texts:
                with pytest.raises(psycopg.Error) as caught, connection.transaction():
                    connection.execute(call(function, text).encode())
                error = caught.value
                assert (error.sqlstate, error.diag.message_primary) == expected, (function["name"], text[:30])


def test_each_function_reads_users_as_often_whoever_is_asked_for(
    shared_database: Database, functions: list[dict[str, object]], user: User
) -> None:
    """So the time that a refusal takes tells nothing about an address."""
    with psycopg.connect(shared_database.superuser_url, autocommit=True) as connection:
        context = "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', %s, true)"
        for function in functions:
            counts = set()
            for text in (f"'{ADDRESS}'", "'nobody@example.com'", f"'{uuid.uuid4()}'"):
                with connection.transaction(force_rollback=True):
                    (before,) = connection.execute(READS.encode()).fetchone() or (0,)
                    connection.execute(context, [json.dumps(user.claims)])
                    # Counts outlive the savepoint.
                    with pytest.raises(psycopg.Error), connection.transaction():
                        connection.execute(call(function, text).encode())
                    (after,) = connection.execute(READS.encode()).fetchone() or (0,)
                    counts.add(after - before)
            assert len(counts) == 1, (function["name"], counts)
