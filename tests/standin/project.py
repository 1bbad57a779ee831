"""A Supabase project for tests: the stand-in's address and keys, and what tests do with it."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg

from quota_support import Database
from standin.auth import Auth, AuthConfig, Store
from standin.faults import Faults
from standin.gateway import AUTH, REST, Gateway
from standin.http import LoopbackServer
from standin.keys import ProjectKeys
from standin.postgrest import Config, PostgREST, Version

PASSWORD = "correct horse battery staple"
MAX_ROWS = 1000
"""Supabase's default for "Max rows" in the settings of the API."""


def unique_address(name: str) -> str:
    """Return an e-mail address that no other test has."""
    return f"{name}-{uuid.uuid4().hex[:12]}@example.com"


class Refused(Exception):  # noqa: N818 - what happened
    """An answer that says no."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


class Project:
    """What a test may do with a project, be it the stand-in or a real one.

    Attributes:
        url: its address, without a path.
        anon_key: the publishable key.
        secret_key: the secret key.
        database_url: a direct connection as `postgres`.
        is_standin: whether it may be broken, configured anew, and looked into.
        made: the ids of the users that were added, by address.
    """

    url: str
    anon_key: str
    secret_key: str
    database_url: str
    is_standin: bool

    def __init__(self, *, encrypted: bool = True) -> None:
        self.made: dict[str, str] = {}
        self._admin: str | None = None
        # Reading everybody's certificates takes longer than making a stand-in, and it has none.
        self._client = httpx.Client(trust_env=False, timeout=30, verify=encrypted)

    def add_user(self, email: str, password: str = PASSWORD, *, confirmed: bool = True) -> str:
        """Add a user through Auth and return the id; e-mail addresses must be unique in the project."""
        given = {"email": email, "password": password, "email_confirm": confirmed}
        user_id = str(self.auth("POST", "/admin/users", given, key=self.secret_key)["id"])
        self.made[email] = user_id
        return user_id

    def new_user(self, *, confirmed: bool = True) -> str:
        """Add a user whose address nobody else has, and return the address."""
        email = unique_address("user")
        self.add_user(email, confirmed=confirmed)
        return email

    def id_of(self, email: str) -> str:
        """Return the id of a user whom this project object has added."""
        return self.made[email]

    def change_user(self, user_id: str, **changes: Any) -> None:
        """Change a user through Auth: `ban_duration="24h"`, `email_confirm=True`."""
        self.auth("PUT", f"/admin/users/{user_id}", changes, key=self.secret_key)

    def sign_in(self, email: str, password: str = PASSWORD) -> dict[str, Any]:
        """Sign a user in and return what Auth says: `access_token`, `refresh_token`, `user` and so on."""
        return self.auth("POST", "/token?grant_type=password", {"email": email, "password": password})

    def refresh(self, refresh_token: str) -> dict[str, Any]:
        """Continue a session and return what Auth says."""
        return self.auth("POST", "/token?grant_type=refresh_token", {"refresh_token": refresh_token})

    def token(self, email: str, password: str = PASSWORD) -> str:
        """Sign a user in and return the access token."""
        return str(self.sign_in(email, password)["access_token"])

    def add_admin(self, email: str) -> str:
        """Add a user who administers quotas, and return the id."""
        user_id = self.add_user(email)
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute("insert into tick.admin (user_id) values (%s)", [user_id])
        return user_id

    def settings_env(self, identity: str) -> dict[str, str]:
        """Return the variables with which tickctl reaches this project.

        `identity` is "secret-key", "service-role-key" (the legacy one), "connection" (the project with its connection
        string), "database" (nothing but the connection string), "admin" (an administrator's token) or "publishable"
        (nothing that proves anything, as before `tickctl login`).
        """
        url = {"SUPABASE_URL": self.url, "SUPABASE_ANON_KEY": self.anon_key}
        match identity:
            case "secret-key":
                return url | {"SUPABASE_SECRET_KEY": self.secret_key}
            case "connection":
                return url | {"SUPABASE_DB_URL": self.database_url}
            case "database":
                return {"SUPABASE_DB_URL": self.database_url}
            case "admin":
                return url | {"TICKCTL_ADMIN_TOKEN": self.token(self._administrator())}
            case "publishable":
                return url
            case _:
                raise AssertionError(f"there is no identity {identity}")

    def _administrator(self) -> str:
        if self._admin is None:
            self._admin = unique_address("administrator")
            self.add_admin(self._admin)
        return self._admin

    def auth(self, method: str, path: str, body: Any = None, *, key: str | None = None, token: str = "") -> Any:
        """Send a request to Auth and return the JSON answer; an answer that says no raises Refused."""
        return self.send(method, AUTH + path, body, key=key, token=token)

    def rest(self, method: str, path: str, body: Any = None, *, key: str | None = None, token: str = "") -> Any:
        """Send a request to PostgREST and return the JSON answer; an answer that says no raises Refused."""
        return self.send(method, REST + path, body, key=key, token=token)

    def send(self, method: str, path: str, body: Any, *, key: str | None, token: str) -> Any:
        """Send a request with an API key, the publishable one if none is given, and perhaps a user's token."""
        headers = {"apikey": key or self.anon_key}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        answer = self._client.request(method, self.url + path, headers=headers, json=body)
        if answer.status_code >= httpx.codes.MULTIPLE_CHOICES:
            raise Refused(answer.status_code, answer.json() if answer.content else None)
        return answer.json() if answer.content else None

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


@dataclass
class Clock:
    """The time by which tokens are issued and judged; the database keeps its own."""

    ahead: float = 0

    def __call__(self) -> float:
        """Return the time in seconds since 1970."""
        return time.time() + self.ahead

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.ahead += seconds


class StandIn(Project):
    """A project over one database of the test's PostgreSQL.

    Attributes:
        service_role_key: the legacy service_role key.
        jwt_secret: the legacy JWT secret.
        keys: all keys.
        auth_server: Auth, to be configured anew or looked at.
        clock: the time of both servers, to be advanced.
        faults: trouble to order; it also keeps the requests.
        database: the database behind it.
    """

    is_standin = True

    def __init__(
        self,
        database: Database,
        *,
        version: Version = 14,
        keys: ProjectKeys | None = None,
        auth: AuthConfig | None = None,
    ) -> None:
        super().__init__(encrypted=False)
        self.database = database
        self.database_url = database.postgres_url
        self.keys = keys or ProjectKeys()
        self.anon_key, self.secret_key = self.keys.publishable, self.keys.secret
        self.service_role_key, self.jwt_secret = self.keys.legacy_service_role, self.keys.jwt_secret
        self.clock = Clock()
        store = Store(database.superuser_url)
        store.prepare()
        self.auth_server = Auth(store, self.keys, auth or AuthConfig(), now=self.clock)
        config = Config(
            database.authenticator_url,
            self.keys.verifying_set,
            version=version,
            db_max_rows=MAX_ROWS,
            now=self.clock,
        )
        self.postgrest = PostgREST(config)
        self.faults = Faults(Gateway(self.keys, self.auth_server, self.postgrest))
        self._server = LoopbackServer(self.faults, "standin")
        self.url = self._server.url
        self.auth_server.url = self.url + AUTH

    def settings_env(self, identity: str) -> dict[str, str]:
        """See `Project.settings_env`; the legacy key is known here."""
        if identity == "service-role-key":
            env = super().settings_env("publishable")
            return env | {"SUPABASE_SERVICE_ROLE_KEY": self.service_role_key}
        return super().settings_env(identity)

    def close(self) -> None:
        """Stop serving."""
        super().close()
        self._server.close()
        self.postgrest.close()


@contextmanager
def standing_in(database: Database, **options: Any) -> Iterator[StandIn]:
    """Serve a project for as long as the block lasts."""
    project = StandIn(database, **options)
    try:
        yield project
    finally:
        project.close()
    assert not project.postgrest.repeated, "40001 was raised, which a real PostgREST repeats for ever"
