"""The stand-in for PostgREST answers what real ones were recorded to answer; see tests/transcripts/README.md."""

import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from http.client import responses
from pathlib import Path
from typing import Any

import psycopg
import pytest

from quota_support import Database, created
from standin.http import Answer, Request
from standin.keys import base64url
from standin.postgrest import Config, PostgREST, Version
from tickctl.adapters.embedded import Server

FOLDER = Path(__file__).parents[1] / "transcripts"
SECRET = "the-recorded-secret-had-39-characters.."
# Configurations other than the usual one, by the name that the records give them.
SERVERS: Mapping[str, Mapping[str, Any]] = {
    "strict": {
        "jwt_aud": "lab-aud",
        "db_pre_request": "public.pre_request",
        "db_tx_end_override": True,
        "server_trace_header": "X-Request-Id",
        "db_max_rows": 10,
    },
    "no anonymous role": {"db_anon_role": None},
    "one connection": {"db_pool": 1, "db_pool_acquisition_timeout": 0.01},
    "nested role": {"jwt_role_claim_key": ("app_metadata", "role")},
    "no secret": {"jwt_keys": None},
    "started late": {},
}
# PostgREST's phrases, of which Python has the newer one from 3.13 on.
PHRASES = {**responses, 416: "Requested Range Not Satisfiable"}
# Words that depend on how far two names look alike to a library that the stand-in does without.
GUESSES = ("Perhaps you meant to call the function public.",)


@dataclass
class Replay:
    """A database as it was recorded over, and the servers before it."""

    database: Database
    version: Version
    now: float = 0
    servers: dict[str, PostgREST] = field(default_factory=dict)

    def ask(self, record: Mapping[str, Any]) -> Answer:
        """Send a recorded request, at the recorded time."""
        self.now = parsedate_to_datetime(record["response"]["headers"]["Date"]).timestamp()
        request, token = _request(record["request"])
        answer = self.server(record.get("server", ""))(request)
        if request.method == "HEAD":
            answer = replace(answer, body=b"")
        return answer if token is None else replace(answer, body=answer.body.replace(*token))

    def server(self, name: str) -> PostgREST:
        """Return the server with a configuration, started when it is first needed."""
        if name not in self.servers:
            keys = {"keys": [{"kty": "oct", "alg": "HS256", "k": base64url(SECRET.encode())}]}
            config = Config(self.database.authenticator_url, keys, version=self.version, now=lambda: self.now)
            self.servers[name] = PostgREST(replace(config, **SERVERS.get(name, {})))
        return self.servers[name]

    def close(self) -> None:
        """Close all servers' connections."""
        for server in self.servers.values():
            server.close()

    def execute(self, statement: str) -> None:
        """Do something to the database as its owner."""
        with self.database.owner() as connection:
            connection.execute(statement)

    def stop(self) -> None:
        """Let the database take no connections, and end those that there are."""
        self._allow(False)
        self.end_requests("pg_terminate_backend", everybody=True)

    def start(self) -> None:
        """Let the database take connections again."""
        self._allow(True)

    def _allow(self, allowed: bool) -> None:
        name = self.database.name
        with psycopg.connect(self.database.superuser_url.replace(name, "template1"), autocommit=True) as connection:
            connection.execute(f"alter database {name} allow_connections {allowed}")

    def end_requests(self, function: str, *, everybody: bool = False) -> None:
        """Call a function such as pg_cancel_backend for the request that sleeps, or for all connections."""
        url = self.database.superuser_url.replace(self.database.name, "template1")
        condition = "true" if everybody else "wait_event = 'PgSleep'"
        with psycopg.connect(url, autocommit=True) as connection:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                ended = connection.execute(
                    f"select {function}(pid) from pg_stat_activity where datname = %s and {condition}",
                    [self.database.name],
                ).fetchall()
                if ended or everybody:
                    return
        raise AssertionError("no request was seen sleeping")


def _request(recorded: Mapping[str, Any]) -> tuple[Request, tuple[bytes, bytes] | None]:
    """Return the request with its token made anew, and how to write the token's name for it again."""
    headers = {name.lower(): value for name, value in recorded["headers"].items()}
    replaced = None
    if "token" in recorded:
        name = next(value[value.index("<") :] for value in headers.values() if "<token" in value)
        token = _token(name, **recorded["token"])
        headers = {key: value.replace(name, token) for key, value in headers.items()}
        replaced = (token.encode(), name.encode())
    body = (recorded.get("body") or "").encode()
    return Request(recorded["method"], recorded["path"], headers, body), replaced


def _token(name: str, header: Mapping[str, Any], claims: Any) -> str:
    """Sign by hand: what no library would sign is the point of some of them."""
    payload = claims if isinstance(claims, str) else json.dumps(claims)
    signed = f"{base64url(json.dumps(header).encode())}.{base64url(payload.encode())}"
    if header["alg"] == "none":
        return f"{signed}."
    secret = SECRET[::-1] if "bad signature" in name else SECRET
    digest = "sha512" if header["alg"] == "HS512" else "sha256"
    return f"{signed}.{base64url(hmac.digest(secret.encode(), signed.encode(), digest))}"


@contextmanager
def _meanwhile(action: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=action)
    thread.start()
    yield
    thread.join()


def _replayed(replay: Replay, record: Mapping[str, Any]) -> Answer:
    """Do what was done before or during a recorded request, and send it."""
    match record["name"]:
        case "function created after the schema cache was loaded (stale cache)":
            replay.execute("create function public.fresh() returns int language sql as 'select 1'")
        case "the same after NOTIFY pgrst, reload schema":
            replay.execute("notify pgrst, 'reload schema'")
        case "backend terminated while the request runs (pg_terminate_backend)":
            with _meanwhile(lambda: replay.end_requests("pg_terminate_backend")):
                return replay.ask(record)
        case "query cancelled (pg_cancel_backend)":
            with _meanwhile(lambda: replay.end_requests("pg_cancel_backend")):
                return replay.ask(record)
        case "request in flight while the database stops (fast shutdown)":
            with _meanwhile(lambda: replay.end_requests("pg_terminate_backend")):
                answer = replay.ask(record)
            replay.stop()
            return answer
        case "first successful request after the database came back":
            replay.start()
        case "pool acquisition timeout (PGRST003, 504)":
            server = replay.server(record["server"])
            with server._pool.connection():
                return replay.ask(record)
    return replay.ask(record)


@pytest.fixture(scope="module")
def recorded_database(server: Server) -> Iterator[Callable[[], Any]]:
    """Make databases as the records were made over."""

    @contextmanager
    def make() -> Iterator[Database]:
        with created(server, "template0") as database:
            with database.superuser() as connection:
                connection.execute("do $$ begin create role not_granted; exception when duplicate_object then end $$")
                for role, timeout in (("authenticator", "0"), ("anon", "0"), ("authenticated", "1s")):
                    connection.execute(
                        f"alter role {role} in database {database.name} set statement_timeout = '{timeout}'"
                    )
                connection.execute(f"alter database {database.name} set timezone = 'Etc/UTC'")
            with database.owner() as connection:
                connection.execute((FOLDER / "schema.sql").read_bytes())
            yield database

    yield make
    with psycopg.connect(server.url("supabase_admin", "template1"), autocommit=True) as connection:
        connection.execute("drop role if exists not_granted")


@pytest.mark.parametrize("version", [12, 14])
def test_answers_are_the_recorded_ones(version: Version, recorded_database: Callable[[], Any]) -> None:
    """Status, reason, body and headers of each, in the order of the record."""
    records = json.loads((FOLDER / f"postgrest-{version}.json").read_text())
    with recorded_database() as database:
        replay = Replay(database, version)
        try:
            differences = {
                record["name"]: difference
                for record in records
                if (difference := _difference(record["response"], _replayed(replay, record)))
            }
        finally:
            replay.close()
    assert differences == {}


def _difference(recorded: Mapping[str, Any], answer: Answer) -> dict[str, tuple[Any, Any]]:
    """Return what differs: recorded and answered."""
    expected, actual = _comparable(recorded), _comparable(_as_record(answer))
    return {
        name: (expected.get(name), actual.get(name))
        for name in expected | actual
        if expected.get(name) != actual.get(name)
    }


def _as_record(answer: Answer) -> dict[str, Any]:
    reason = answer.reason or PHRASES.get(answer.status, "")
    return {"status": answer.status, "reason": reason, "headers": dict(answer.headers), "body": answer.body.decode()}


def _comparable(record: Mapping[str, Any]) -> dict[str, Any]:
    headers = {name.lower(): value for name, value in record["headers"].items() if name != "Date"}
    body: Any = record["body"]
    if body and "json" in headers.get("content-type", ""):
        body = json.loads(body)
        hint = body.get("hint") if isinstance(body, dict) else None
        if isinstance(hint, str) and hint.startswith(GUESSES) and "(" not in hint:
            body["hint"] = "some function"
    return {"status": record["status"], "reason": record["reason"].lower(), "body": body, **headers}
