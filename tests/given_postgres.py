"""A PostgreSQL that was given by URL, made to look like a hosted Supabase project's; instead of the embedded one.

It is meant to be thrown away: roles are made in it, and stay.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from standin.given import DATABASE_URL as URL
from tickctl.adapters import schema

OLDEST = 150000
# Before PostgreSQL 16 a membership has no options; the member's own INHERIT decides, and is what they say.
_OPTIONS_SINCE = 160000
_OPTIONS = (" with inherit false, set true", " with inherit true, set true")
_LOGINS = ("postgres", "authenticator")
# Two workers of one test run must not make the same roles at once.
_LOCK = 8_514_202_976_637_151


@dataclass(frozen=True, slots=True)
class GivenServer:
    """Has the methods of `tickctl.adapters.embedded.Server` that tests of the database use."""

    superuser_url: str

    def url(self, user: str = "postgres", database: str = "postgres") -> str:
        """Return the libpq URL for a role; `supabase_admin` is the superuser, whatever its name is."""
        parts = {name: str(value) for name, value in conninfo_to_dict(self.superuser_url).items()}
        superuser, host, port = parts.pop("user"), parts.pop("host"), parts.pop("port", "5432")
        parts.pop("dbname", None)
        if user == "supabase_admin":
            user = superuser
        else:
            parts["password"] = self.password
        # The password among the options, as user@host is what tests look for in the URLs of the embedded database.
        return f"postgresql://{quote(user, safe='')}@{host}:{port}/{quote(database, safe='')}?{urlencode(parts)}"

    @property
    def password(self) -> str:
        """The password of the roles that log in; every worker of a test run comes to the same one."""
        return hashlib.sha256(self.superuser_url.encode()).hexdigest()

    @property
    def psql_path(self) -> Path:
        """The client on this machine."""
        found = shutil.which("psql")
        if found is None:
            pytest.skip("there is no psql on this machine")
        return Path(found)

    def environment(self, *, user: str = "postgres", database: str = "postgres") -> dict[str, str]:
        """Return the variables that lead `psql` here."""
        names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
        parts = conninfo_to_dict(self.url(user, database))
        return {variable: str(parts[name]) for name, variable in names.items() if name in parts}


def given(url: str) -> GivenServer:
    """Return the server behind a superuser's URL, with Supabase's roles in it.

    Raises:
        pytest.UsageError: it is too old, or the URL is not that of a superuser who may keep being one.
    """
    server = GivenServer(url)
    with psycopg.connect(server.url("supabase_admin"), autocommit=True) as connection:
        row = connection.execute("select current_user, rolsuper from pg_roles where rolname = current_user").fetchone()
        assert row is not None
        if not row[1] or row[0] in _LOGINS:
            raise pytest.UsageError(
                f"{URL} must be that of a superuser, and not of `postgres`, who is none at Supabase"
            )
        if connection.info.server_version < OLDEST:
            raise pytest.UsageError(f"{URL} is a server older than PostgreSQL 15")
        _make_roles(connection, server)
    return server


def _make_roles(connection: psycopg.Connection, server: GivenServer) -> None:
    text = (resources.files("tickctl.sql") / "embedded" / "1-roles.sql").read_text()
    if connection.info.server_version < _OPTIONS_SINCE:
        for options in _OPTIONS:
            text = text.replace(options, "")
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
        connection.execute(text.encode())
        for role in _LOGINS:
            connection.execute(
                sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(server.password))
            )
        # Tables without statistics look large to the planner, so that it compiles small queries, for a second each.
        for name in (connection.info.user, *_LOGINS):
            connection.execute(sql.SQL("alter role {} set jit = off").format(sql.Identifier(name)))


@contextmanager
def template(server: GivenServer, name: str) -> Iterator[str]:
    """Make a database with Supabase's schema and ours, to clone; yields its name."""
    named = sql.Identifier(name)
    with psycopg.connect(server.url("supabase_admin"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(named))
        connection.execute(sql.SQL("create database {} owner postgres template template0").format(named))
        with psycopg.connect(server.url("supabase_admin", name)) as inside:
            # The rest of 1-roles.sql, which is about one database: the schema of everybody.
            inside.execute("revoke create on schema public from public")
            inside.execute("grant usage on schema public to postgres, anon, authenticated, service_role")
            inside.execute((resources.files("tickctl.sql") / "embedded" / "2-auth.sql").read_bytes())
        with psycopg.connect(server.url("postgres", name), autocommit=True) as owner:
            schema.apply(owner)
        yield name
        connection.execute(sql.SQL("drop database {} with (force)").format(named))
