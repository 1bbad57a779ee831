"""Users, sessions and refresh tokens in the schema `auth`, written as Auth's own role."""

import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

# A part of Auth's own table that the embedded database does without.
_REFRESH_TOKENS = """
create table if not exists auth.refresh_tokens (
    id bigint generated always as identity primary key,
    token varchar(255) unique,
    user_id varchar(255),
    revoked boolean,
    created_at timestamptz,
    updated_at timestamptz,
    parent varchar(255),
    session_id uuid references auth.sessions (id) on delete cascade
);
create index if not exists refresh_tokens_session_id_revoked_idx on auth.refresh_tokens (session_id, revoked);
alter table auth.refresh_tokens enable row level security;
"""


@dataclass(frozen=True, slots=True)
class Store:
    """Reads and writes Auth's tables; `url` is that of a user who may become `supabase_auth_admin`."""

    url: str

    @contextmanager
    def transaction(self) -> Iterator["Transaction"]:
        """Do several things at once, or none of them."""
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            connection.execute("set local role supabase_auth_admin")
            yield Transaction(connection)

    def prepare(self) -> None:
        """Make what the embedded database lacks."""
        with self.transaction() as store:
            store.connection.execute(_REFRESH_TOKENS)


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction as Auth."""

    connection: psycopg.Connection[DictRow]

    def user(self, user_id: str) -> DictRow | None:
        """Return a user by id."""
        return self._one("select * from auth.users where id = %s", user_id)

    def user_by_email(self, email: str) -> DictRow | None:
        """Return a user by address, which Auth stores in lower case."""
        return self._one("select * from auth.users where email = %s and not is_sso_user", email.lower())

    def users(self, page: int, per_page: int) -> tuple[list[DictRow], int]:
        """Return one page of users, the newest first, and how many there are."""
        total = self._one("select count(*) as n from auth.users")
        rows = self.connection.execute(
            "select * from auth.users order by created_at desc nulls last, id limit %s offset %s",
            [per_page, (page - 1) * per_page],
        )
        return rows.fetchall(), total["n"] if total else 0

    def add_user(self, email: str, password_hash: str, *, confirmed: bool, metadata: dict[str, Any]) -> DictRow:
        """Add a user who signs in with a password."""
        user_id = str(uuid.uuid4())
        told = {"email": email, "email_verified": confirmed, "phone_verified": False, "sub": user_id, **metadata}
        row = self._one(
            "insert into auth.users (id, aud, role, email, encrypted_password, email_confirmed_at,"
            " raw_app_meta_data, raw_user_meta_data, created_at, updated_at)"
            " values (%s, 'authenticated', 'authenticated', %s, %s, case when %s then now() end, %s, %s, now(), now())"
            " returning *",
            user_id,
            email.lower(),
            password_hash,
            confirmed,
            Jsonb({"provider": "email", "providers": ["email"]}),
            Jsonb(told),
        )
        assert row is not None
        return row

    def change_user(self, user_id: str, **columns: Any) -> DictRow:
        """Change columns of a user."""
        assigned = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in columns)
        values = [Jsonb(value) if isinstance(value, dict) else value for value in columns.values()]
        statement = sql.SQL("update auth.users set {}, updated_at = now() where id = %s returning *").format(assigned)
        row = self.connection.execute(statement, [*values, user_id]).fetchone()
        assert row is not None
        return row

    def delete_user(self, user_id: str) -> None:
        """Delete a user and, by cascade, all that is theirs."""
        self.connection.execute("delete from auth.users where id = %s", [user_id])

    def open_session(self, user_id: str) -> str:
        """Begin a session and return its id."""
        session_id = str(uuid.uuid4())
        self.connection.execute(
            "insert into auth.sessions (id, user_id, created_at, updated_at, aal)"
            " values (%s, %s, now(), now(), 'aal1')",
            [session_id, user_id],
        )
        return session_id

    def session(self, session_id: str) -> DictRow | None:
        """Return a session."""
        return self._one("select * from auth.sessions where id = %s", session_id)

    def close_sessions(self, user_id: str, *, only: str | None = None, but: str | None = None) -> None:
        """End sessions of a user: all, only one, or all but one."""
        self.connection.execute(
            "delete from auth.sessions where user_id = %s and (%s::uuid is null or id = %s)"
            " and (%s::uuid is null or id <> %s)",
            [user_id, only, only, but, but],
        )

    def issue_refresh_token(self, user_id: str, session_id: str, *, parent: str | None = None) -> str:
        """Add a refresh token to a session; the parent is worth nothing from now on."""
        token = secrets.token_urlsafe(9)
        if parent is not None:
            self.connection.execute(
                "update auth.refresh_tokens set revoked = true, updated_at = now() where token = %s", [parent]
            )
        self.connection.execute(
            "insert into auth.refresh_tokens (token, user_id, revoked, created_at, updated_at, parent, session_id)"
            " values (%s, %s, false, now(), now(), %s, %s)",
            [token, user_id, parent, session_id],
        )
        return token

    def refresh_token(self, token: str) -> DictRow | None:
        """Return a refresh token, locked until the transaction ends."""
        return self._one("select * from auth.refresh_tokens where token = %s for update", token)

    def active_refresh_token(self, session_id: str) -> DictRow | None:
        """Return the newest token of a session that still counts."""
        return self._one(
            "select * from auth.refresh_tokens where session_id = %s and not revoked order by id desc limit 1",
            session_id,
        )

    def revoke_refresh_tokens(self, session_id: str) -> None:
        """Let none of a session's tokens count."""
        self.connection.execute(
            "update auth.refresh_tokens set revoked = true, updated_at = now() where session_id = %s", [session_id]
        )

    def hook(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        """Call a hook in the database as Auth does."""
        self.connection.execute("set local statement_timeout = '2s'")
        name = sql.Identifier(*function.split("."))
        row = self.connection.execute(sql.SQL("select {}(%s) as answer").format(name), [Jsonb(event)]).fetchone()
        assert row is not None
        return dict(row["answer"])

    def _one(self, statement: str, *values: Any) -> DictRow | None:
        return self.connection.execute(statement, values).fetchone()


def is_banned(user: DictRow) -> bool:
    """Whether a user may not sign in now."""
    until: datetime | None = user["banned_until"]
    return until is not None and until > datetime.now(UTC)
