"""The embedded database looks like a hosted Supabase project where it matters to us."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from tickctl.adapters.embedded import Server


@pytest.fixture(scope="module")
def server(embedded_server: Server) -> Server:
    """The embedded one always: it is what these tests are about."""
    return embedded_server


@pytest.fixture
def postgres(server: Server) -> Iterator[psycopg.Connection]:
    """A connection as the role that runs migrations; what it changes is rolled back."""
    with psycopg.connect(server.url()) as connection, connection.transaction(force_rollback=True):
        yield connection


@pytest.fixture
def authenticator(server: Server) -> Iterator[psycopg.Connection]:
    """A connection as PostgREST makes it."""
    with (
        psycopg.connect(server.url("authenticator")) as connection,
        connection.transaction(force_rollback=True),
    ):
        yield connection


@pytest.mark.parametrize(
    ("role", "rights"),
    [
        # superuser, inherits, creates roles, creates databases, logs in, replicates, bypasses row security
        ("supabase_admin", (True, True, True, True, True, True, True)),
        ("postgres", (False, True, True, True, True, False, True)),
        ("anon", (False, True, False, False, False, False, False)),
        ("authenticated", (False, True, False, False, False, False, False)),
        ("service_role", (False, True, False, False, False, False, True)),
        ("authenticator", (False, False, False, False, True, False, False)),
        ("supabase_auth_admin", (False, False, True, False, False, False, False)),
    ],
)
def test_the_roles_have_the_rights_they_have_there(
    postgres: psycopg.Connection, role: str, rights: tuple[bool, ...]
) -> None:
    """One wrong right here, and a test proves nothing about production."""
    found = postgres.execute(
        "select rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls"
        " from pg_roles where rolname = %s",
        [role],
    ).fetchone()
    assert found == rights


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_the_authenticator_becomes_an_api_role_and_has_no_rights_of_its_own(
    authenticator: psycopg.Connection, role: str
) -> None:
    """It takes a role on; it inherits none."""
    found = authenticator.execute(
        "select pg_has_role('authenticator', %(role)s, 'set'), pg_has_role('authenticator', %(role)s, 'usage')",
        {"role": role},
    ).fetchone()
    assert found == (True, False)
    authenticator.execute(f"set local role {role}".encode())
    assert authenticator.execute("select current_user").fetchone() == (role,)


@pytest.mark.parametrize("role", ["postgres", "supabase_auth_admin", "supabase_admin"])
def test_the_authenticator_becomes_nobody_else(authenticator: psycopg.Connection, role: str) -> None:
    """A forged `role` claim leads nowhere."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        authenticator.execute(f"set local role {role}".encode())


@pytest.mark.parametrize(("role", "limit"), [("anon", "3s"), ("authenticated", "8s"), ("authenticator", "8s")])
def test_api_roles_have_a_statement_time_out(postgres: psycopg.Connection, role: str, limit: str) -> None:
    """The hosted defaults."""
    found = postgres.execute("select rolconfig from pg_roles where rolname = %s", [role]).fetchone()
    assert found is not None
    assert f"statement_timeout={limit}" in found[0]


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "authenticator"])
def test_api_roles_create_nothing(authenticator: psycopg.Connection, role: str) -> None:
    """Neither in `public` nor in `auth`, nor schemas."""
    found = authenticator.execute(
        "select has_schema_privilege(%(role)s, 'public', 'create'), has_schema_privilege(%(role)s, 'auth', 'create'),"
        " has_database_privilege(%(role)s, 'postgres', 'create'), has_schema_privilege(%(role)s, 'public', 'usage')",
        {"role": role},
    ).fetchone()
    assert found == (False, False, False, True)


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
@pytest.mark.parametrize("table", ["auth.users", "auth.sessions"])
def test_api_roles_do_not_see_accounts(authenticator: psycopg.Connection, role: str, table: str) -> None:
    """Not even the service role: it asks the Auth server."""
    authenticator.execute(f"set local role {role}".encode())
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        authenticator.execute(f"select from {table}".encode())


def test_a_new_table_is_granted_to_nobody(postgres: psycopg.Connection) -> None:
    """As in projects since 2026: migrations grant what is to be reached through the API."""
    postgres.execute("create table public.fresh (id int)")
    for role in ("anon", "authenticated", "service_role"):
        found = postgres.execute("select has_table_privilege(%s, 'public.fresh', 'select')", [role]).fetchone()
        assert found == (False,)


def test_our_schema_is_installed_by_the_migrating_role(postgres: psycopg.Connection) -> None:
    """As `schema apply` does it in a hosted project; a superuser's tables would prove less."""
    found = postgres.execute(
        "select tableowner from pg_tables where (schemaname, tablename) = ('public', 'profiles')"
    ).fetchone()
    assert found == ("postgres",)


def test_migrations_may_refer_to_accounts_and_put_triggers_on_them(postgres: psycopg.Connection) -> None:
    """What ours do, and no more: the schema stays Auth's."""
    postgres.execute("create table public.pet (owner uuid references auth.users (id) on delete cascade)")
    postgres.execute("create function public.noop() returns trigger language plpgsql as 'begin return new; end'")
    postgres.execute("create trigger noop after insert on auth.users for each row execute function public.noop()")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        postgres.execute("create table auth.mine (id int)")


@pytest.mark.parametrize(
    "statement", ["copy (select 1) to '/tmp/x'", "copy pg_class to program 'true'", "alter role postgres superuser",
                  "set role supabase_admin", "select pg_read_file('PG_VERSION')"],
)  # fmt: skip
def test_the_migrating_role_is_no_superuser(postgres: psycopg.Connection, statement: str) -> None:
    """What it can't do there, it can't do here, and it doesn't get out of the database."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        postgres.execute(statement.encode())


def test_the_columns_are_those_of_supabase_auth(postgres: psycopg.Connection) -> None:
    """By name and type."""
    rows = postgres.execute(
        "select table_name, column_name, case data_type when 'character varying' then 'varchar' else udt_name end,"
        " is_nullable from information_schema.columns where table_schema = 'auth'"
    ).fetchall()
    found = {(table, column): (kind, nullable == "YES") for table, column, kind, nullable in rows}
    users = {column: kind for (table, column), kind in found.items() if table == "users"}
    assert users == {
        "id": ("uuid", False),
        "aud": ("varchar", True),
        "role": ("varchar", True),
        "email": ("varchar", True),
        "encrypted_password": ("varchar", True),
        "email_confirmed_at": ("timestamptz", True),
        "last_sign_in_at": ("timestamptz", True),
        "raw_app_meta_data": ("jsonb", True),
        "raw_user_meta_data": ("jsonb", True),
        "created_at": ("timestamptz", True),
        "updated_at": ("timestamptz", True),
        "phone": ("text", True),
        "phone_confirmed_at": ("timestamptz", True),
        "confirmed_at": ("timestamptz", True),
        "banned_until": ("timestamptz", True),
        "is_sso_user": ("bool", False),
        "deleted_at": ("timestamptz", True),
        "is_anonymous": ("bool", False),
        "instance_id": ("uuid", True),
    }
    sessions = {column: kind for (table, column), kind in found.items() if table == "sessions"}
    assert sessions == {
        "id": ("uuid", False),
        "user_id": ("uuid", False),
        "created_at": ("timestamptz", True),
        "updated_at": ("timestamptz", True),
        "aal": ("aal_level", True),
        "not_after": ("timestamptz", True),
        "oauth_client_id": ("uuid", True),
    }


def test_an_account_s_sessions_go_with_it(postgres: psycopg.Connection) -> None:
    """No session without a user."""
    user = uuid4()
    postgres.execute("insert into auth.users (id) values (%s)", [user])
    postgres.execute("insert into auth.sessions (id, user_id) values (gen_random_uuid(), %s)", [user])
    postgres.execute("delete from auth.users where id = %s", [user])
    assert postgres.execute("select count(*) from auth.sessions where user_id = %s", [user]).fetchone() == (0,)


def test_single_sign_on_may_repeat_an_address(postgres: psycopg.Connection) -> None:
    """So an address names one account or, with single sign-on, several."""
    insert = "insert into auth.users (id, email, is_sso_user) values (gen_random_uuid(), 'twice@example.com', %s)"
    for sso in (False, True, True):
        postgres.execute(insert, [sso])
    with pytest.raises(psycopg.errors.UniqueViolation):
        postgres.execute(insert, [False])


def test_a_phone_alone_confirms_an_account_but_no_e_mail(postgres: psycopg.Connection) -> None:
    """`confirmed_at` is the trap, `email_confirmed_at` the truth."""
    row = postgres.execute(
        "insert into auth.users (id, phone_confirmed_at) values (gen_random_uuid(), '2026-01-01Z')"
        " returning confirmed_at = '2026-01-01Z', email_confirmed_at"
    ).fetchone()
    assert row == (True, None)


SUBJECT = "7c4d1a52-3f0e-4b27-9a3b-0d7f3c1e2a11"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, (None, None, None, None)),
        ({"request.jwt.claims": ""}, (None, None, None, None)),
        (
            {"request.jwt.claims": f'{{"sub": "{SUBJECT}", "role": "authenticated", "email": "a@b.co"}}'},
            (SUBJECT, "authenticated", "a@b.co", SUBJECT),
        ),
        ({"request.jwt.claims": '{"role": "anon"}'}, (None, "anon", None, None)),
        (
            {"request.jwt.claim.sub": SUBJECT, "request.jwt.claim.role": "anon", "request.jwt.claim.email": "x@y.zz"},
            (SUBJECT, "anon", "x@y.zz", None),
        ),
    ],
)
def test_the_caller_is_read_from_the_claims(
    authenticator: psycopg.Connection, settings: dict[str, str], expected: tuple[str | None, ...]
) -> None:
    """By the functions that policies are written with."""
    for name, value in settings.items():
        authenticator.execute("select set_config(%s, %s, true)", [name, value])
    authenticator.execute("set local role authenticated")
    row = authenticator.execute("select auth.uid()::text, auth.role(), auth.email(), auth.jwt() ->> 'sub'").fetchone()
    assert row == expected


def test_times_are_utc_and_text_is_unicode(postgres: psycopg.Connection) -> None:
    """Whatever this machine is set to."""
    row = postgres.execute("select current_setting('timezone'), current_setting('server_encoding')").fetchone()
    assert row == ("UTC", "UTF8")
    assert postgres.execute("select lower('ÄÖ'), 'a' < 'B'").fetchone() == ("äö", False)
