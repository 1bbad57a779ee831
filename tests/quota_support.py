"""What tests of quotas share: a database of their own, users in it, and calls as PostgREST makes them."""

import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import DictRow, dict_row

from tickctl.adapters.embedded import Server
from tickctl.adapters.postgres import PostgresFunctions
from tickctl.core.quota import QuotaAdmin, SignedInUser
from tickctl.core.secret import Secret


@dataclass(frozen=True)
class User:
    """A row of auth.users with one session."""

    id: str
    email: str | None
    session_id: str

    @property
    def claims(self) -> dict[str, str]:
        """The claims of an access token of this user, as far as the database looks at them."""
        return {"role": "authenticated", "aud": "authenticated", "sub": self.id, "session_id": self.session_id}

    @property
    def caller(self) -> SignedInUser:
        """This user, calling a function."""
        return calling(self.claims)


def calling(claims: Mapping[str, Any]) -> SignedInUser:
    """Return a caller with these claims, verified or not."""
    return SignedInUser(claims=claims, token=Secret("a token that a direct connection has no use for"))


@dataclass
class Database:
    """One database of the server."""

    name: str
    superuser_url: str
    postgres_url: str
    authenticator_url: str
    _opened: list[PostgresFunctions] = field(default_factory=list)

    def functions(self, *, owner: bool = False) -> PostgresFunctions:
        """Open the functions as PostgREST's login role, or as the owner."""
        opened = PostgresFunctions(Secret(self.postgres_url if owner else self.authenticator_url))
        self._opened.append(opened)
        return opened

    def admin(self) -> QuotaAdmin:
        """Open the administration."""
        return QuotaAdmin(self.functions(), "tester@host")

    def close(self) -> None:
        """Close what `functions` opened."""
        for opened in self._opened:
            opened.close()

    @contextmanager
    def superuser(self) -> Iterator[psycopg.Connection[DictRow]]:
        """Connect as one who may do everything, to set things up that Supabase Auth sets up in a project."""
        # What hangs shall fail.
        bounded = "-c statement_timeout=20s"
        with psycopg.connect(self.superuser_url, autocommit=True, row_factory=dict_row, options=bounded) as connection:
            yield connection

    @contextmanager
    def owner(self) -> Iterator[psycopg.Connection[DictRow]]:
        """Connect as the owner of our tables and functions."""
        with psycopg.connect(self.postgres_url, autocommit=True, row_factory=dict_row) as connection:
            yield connection

    @contextmanager
    def acting_as(self, role: str, claims: Mapping[str, Any] | None = None) -> Iterator[psycopg.Connection[DictRow]]:
        """Be in a transaction such as PostgREST opens for a request; it is rolled back at the end."""
        with psycopg.connect(self.authenticator_url, row_factory=dict_row) as connection:
            context = "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true)"
            connection.execute(context, [role, json.dumps(claims or {"role": role})])
            yield connection
            connection.rollback()

    def run(self, statements: str) -> None:
        """Execute statements as the owner."""
        with self.owner() as connection:
            connection.execute(statements)

    def add_user(
        self, email: str | None = None, *, confirmed: bool = True, limit: int | str | None = "default", **columns: Any
    ) -> User:
        """Add a user with a session, as Supabase Auth does; `limit` is the daily limit if not the default."""
        user_id, session_id = str(uuid.uuid4()), str(uuid.uuid4())
        email = email or f"{user_id[:8]}@example.com"
        # Supabase Auth gives all its users this instance.
        row = {"id": user_id, "instance_id": str(uuid.UUID(int=0)), "email": email, **columns}
        with self.superuser() as connection:
            confirmed_at = sql.SQL(", email_confirmed_at") if confirmed else sql.SQL("")
            insert = sql.SQL("insert into auth.users ({}{}) values ({}{})").format(
                sql.SQL(", ").join(map(sql.Identifier, row)),
                confirmed_at,
                sql.SQL(", ").join(sql.Placeholder() * len(row)),
                sql.SQL(", '2020-01-01Z'") if confirmed else sql.SQL(""),
            )
            connection.execute(insert, list(row.values()))
            connection.execute("insert into auth.sessions (id, user_id) values (%s, %s)", [session_id, user_id])
            if limit != "default":
                connection.execute(
                    "update public.profiles set daily_tick_limit = %s where user_id = %s", [limit, user_id]
                )
        return User(user_id, email, session_id)

    def change_user(self, user: User, **columns: Any) -> None:
        """Change columns of a user in auth.users."""
        assignments = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in columns)
        with self.superuser() as connection:
            connection.execute(
                sql.SQL("update auth.users set {} where id = %s").format(assignments), [*columns.values(), user.id]
            )

    def wait_for_lock(self, waiters: int = 1, *, user: str = "authenticator") -> list[int]:
        """Wait until so many connections of a role wait for a lock, and return their backends' pids."""
        waiting = (
            "select pid from pg_stat_activity"
            f" where usename = '{user}' and datname = current_database() and wait_event_type = 'Lock'"
        )
        deadline = time.monotonic() + 30
        with self.superuser() as watcher:
            while time.monotonic() < deadline:
                pids = [row["pid"] for row in watcher.execute(waiting.encode())]
                if len(pids) == waiters:
                    return pids
        raise AssertionError(f"not {waiters} were seen waiting for a lock")

    def wait_for_end(self, backend: int) -> None:
        """Wait until a backend has gone, and with it what it had not committed."""
        deadline = time.monotonic() + 30
        with self.superuser() as watcher:
            while time.monotonic() < deadline:
                if not watcher.execute("select from pg_stat_activity where pid = %s", [backend]).fetchall():
                    return
        raise AssertionError("the backend is still there")

    def ledger(self, user: User) -> dict[str, tuple[int, int]]:
        """Return by day what is counted as used, and what the charges of that day add up to."""
        with self.owner() as connection:
            rows = connection.execute(
                """
                select coalesce(d.usage_date, c.usage_date)::text as day, coalesce(d.ticks_used, 0)::bigint as used,
                    coalesce(c.charged, 0)::bigint as charged
                from (select * from public.user_daily_usage where user_id = %(id)s) as d
                full join (
                    select usage_date, sum(coalesce(ticks_settled, ticks)) as charged
                    from tick.charge where user_id = %(id)s group by usage_date
                ) as c on c.usage_date = d.usage_date
                order by 1
                """,
                {"id": user.id},
            )
            return {row["day"]: (row["used"], row["charged"]) for row in rows}


_numbers = count(1)


@contextmanager
def created(server: Server, template: str) -> Iterator[Database]:
    """Give a copy of a database for as long as the block lasts."""
    # A server that was given by URL is shared with the other workers of a run.
    name = f"quota_{os.getpid()}_{next(_numbers)}"
    urls = (server.url(role, name) for role in ("supabase_admin", "postgres", "authenticator"))
    with psycopg.connect(server.url("supabase_admin", "template1"), autocommit=True) as connection:
        connection.execute(
            # Copying files is quicker than logging pages where the log isn't made safe anyway.
            sql.SQL("create database {} owner postgres template {} strategy file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        made = Database(name, *urls)
        yield made
        made.close()
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@dataclass(frozen=True)
class Clock:
    """The database's clock, in our hands."""

    database: Database

    def set(self, moment: datetime) -> None:
        """Let it be that moment, until it is set again."""
        with self.database.owner() as connection:
            connection.execute("update tick.test_clock set moment = %s", [moment])

    def set_zone(self, zone: str) -> None:
        """Let days begin at midnight in another time zone."""
        with self.database.owner() as connection:
            connection.execute("update tick.settings set time_zone = %s", [zone])


# Zone, an instant, and the end of its day, all but the zone in UTC.
ODD_DAYS = [
    ("UTC", "2026-11-23T12:00", "2026-11-24T00:00"),
    ("Asia/Kathmandu", "2026-11-23T18:15", "2026-11-24T18:15"),
    # 23 and 25 hours.
    ("Europe/Paris", "2026-03-28T23:00", "2026-03-29T22:00"),
    ("Europe/Paris", "2026-10-24T22:00", "2026-10-25T23:00"),
    # Midnight is skipped: 23:59 is followed by 01:00.
    ("America/Havana", "2026-03-07T12:00", "2026-03-08T05:00"),
    ("Africa/Cairo", "2026-04-23T12:00", "2026-04-23T22:00"),
    ("Asia/Beirut", "2026-03-28T12:00", "2026-03-28T22:00"),
    ("America/Sao_Paulo", "2017-10-14T12:00", "2017-10-15T03:00"),
    # Midnight comes twice: 00:59 is followed by 00:00 of the same date; the first begins the day.
    ("America/Havana", "2026-10-31T12:00", "2026-11-01T04:00"),
    ("America/Havana", "2026-11-01T04:30", "2026-11-02T05:00"),
    # The last hour comes twice: 23:59 is followed by 23:00.
    ("America/Sao_Paulo", "2018-02-17T12:00", "2018-02-18T03:00"),
    ("Africa/Cairo", "2026-10-29T12:00", "2026-10-29T22:00"),
    # Back at 00:01: the date changes, changes back, and changes again.
    ("America/St_Johns", "2010-11-06T12:00", "2010-11-07T02:30"),
    ("America/St_Johns", "2010-11-07T02:30:30", "2010-11-07T02:31"),
    ("America/St_Johns", "2010-11-07T02:31", "2010-11-07T03:30"),
    # A whole day is left out.
    ("Pacific/Apia", "2011-12-29T12:00", "2011-12-30T10:00"),
    ("Pacific/Kwajalein", "1993-08-21T00:00", "1993-08-21T12:00"),
    # From 23:30 to 00:30.
    ("America/Toronto", "1919-03-30T12:00", "1919-03-31T04:30"),
]
