"""The gateway of docs/examples/gateway, as a process, over a project's API and over PostgreSQL."""

import importlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from asgi_support import PATIENCE, running
from gateway_support import SECRET, Where, database_of, token_of, until
from quota_support import Database, User
from standin import Fault, StandIn
from standin.keys import ProjectKeys
from tickctl.adapters.embedded.server import LOCAL_ISSUER

EXAMPLE = Path(__file__).parents[2] / "docs/examples/gateway"


def settings_of(where: Where) -> dict[str, str]:
    """Return the variables of services/.env and services/keys.env."""
    if isinstance(where, Database):
        return {
            "SUPABASE_DB_URL": where.authenticator_url,
            "SUPABASE_JWT_SECRET": SECRET,
            "SUPABASE_JWT_ISSUER": LOCAL_ISSUER,
        }
    return {
        "SUPABASE_URL": where.url,
        "SUPABASE_ANON_KEY": where.anon_key,
    }


@contextmanager
def stopped(where: Where) -> Iterator[None]:
    """Take the store away for as long as the block lasts."""
    if isinstance(where, StandIn):
        with where.faults.troubled(Fault(hang_up=True)):
            yield
        return
    allow = sql.SQL("alter database {} with allow_connections {}")
    with psycopg.connect(where.superuser_url, dbname="template1", autocommit=True) as connection:
        connection.execute(allow.format(sql.Identifier(where.name), sql.Literal(False)))
        connection.execute(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = %s", [where.name]
        )
        yield
        connection.execute(allow.format(sql.Identifier(where.name), sql.Literal(True)))


@dataclass
class Process:
    """The gateway as a process."""

    where: Where
    client: httpx.Client
    log: Path

    def post(self, token: str | None, ticks: Any = 5, **task: Any) -> httpx.Response:
        """Send a task."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.client.post("/tasks", headers=headers, json={"prompt": "hello", "max_ticks": ticks, **task})

    def token(self, user: User) -> str:
        """Return an access token."""
        return token_of(self.where, user)


@contextmanager
def example(
    where: Where, folder: Path, *, settings: Mapping[str, str] | None = None, **variables: str
) -> Iterator[Process]:
    """Run `uvicorn main:app` with the variables that the gateway needs, and no others; Ctrl-C ends it."""
    settings = settings_of(where) if settings is None else settings
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    log = folder / "log"
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("wb") as output:
        port, descriptor = listener.getsockname()[1], listener.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "main:app", "--app-dir", EXAMPLE, "--fd", str(descriptor)],
            env=environment | settings | variables,
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[descriptor],
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE) as client:
            until(lambda: process.poll() is not None or serves(client), "the gateway did not start")
            yield Process(where, client, log)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
    assert "Application shutdown complete" in log.read_text()


def serves(client: httpx.Client) -> bool:
    """Whether the gateway answers already."""
    try:
        return client.get("/health").json() == {"status": "ok"}
    except httpx.TransportError:
        return False


@pytest.fixture(params=["project", "postgres"])
def where(
    request: pytest.FixtureRequest, database: Database, make_standin: Callable[..., AbstractContextManager[StandIn]]
) -> Iterator[Where]:
    """Both stores: a project's API with the publishable key and published signing keys, and PostgreSQL."""
    if request.param == "postgres":
        yield database
        return
    with make_standin(keys=ProjectKeys(signing="ES256")) as project:
        yield project


def test_what_its_guide_promises(where: Where, tmp_path: Path) -> None:
    """202 until the ticks are spent, 429, 401, 403, 503 while the store is away, and 202 again; no token in the log."""
    users = database_of(where)
    user, other = users.add_user(limit=12), users.add_user()
    stranger = users.add_user(confirmed=False)
    with example(where, tmp_path) as gateway:
        accepted = [gateway.post(gateway.token(user)) for _ in range(2)]
        exhausted = gateway.post(gateway.token(user))
        signed, foreign = gateway.token(user).rpartition("."), gateway.token(other).rpartition(".")
        tampered = gateway.post(f"{signed[0]}.{foreign[2]}")
        unconfirmed = gateway.post(gateway.token(stranger))
        with stopped(where):
            began = time.monotonic()
            away = gateway.post(gateway.token(other))
            assert time.monotonic() - began < 10
            assert gateway.client.get("/health").status_code == 200
        until(lambda: gateway.post(gateway.token(other), 1).status_code == 202, "the gateway did not recover")
        sent = [gateway.token(someone) for someone in (user, other, stranger)]
        logged = gateway.log.read_text()
    assert [answer.status_code for answer in accepted] == [202, 202]
    assert [answer.headers["RateLimit"].split(";")[1] for answer in accepted] == ["r=7", "r=2"]
    assert re.fullmatch(r"[0-9a-f-]{36}", accepted[0].json()["task_id"])
    assert (exhausted.status_code, exhausted.json()["code"]) == (429, "quota_exhausted")
    assert int(exhausted.headers["Retry-After"]) > 0
    assert (tampered.status_code, tampered.json()["code"]) == (401, "bad_signature")
    assert (unconfirmed.status_code, unconfirmed.json()["code"]) == (403, "email_not_confirmed")
    assert (away.status_code, away.headers["Retry-After"]) == (503, "5")
    assert users.ledger(user).popitem()[1] == (10, 10)
    assert not any(token.split(".")[2] in logged for token in sent)


def test_a_new_limit_and_a_request_key_count_at_once(where: Where, tmp_path: Path) -> None:
    """The other rows of its guide's table: more ticks for the asking, and a task that is sent twice is one task."""
    users = database_of(where)
    user = users.add_user(limit=3)
    with example(where, tmp_path) as gateway:
        before = gateway.post(gateway.token(user))
        users.admin().set_limit(user.id, 100)
        headers = {"Authorization": f"Bearer {gateway.token(user)}", "Idempotency-Key": '"a1"'}
        twice = [
            gateway.client.post("/tasks", headers=headers, json={"prompt": "hello", "max_ticks": 5}) for _ in range(2)
        ]
    assert (before.status_code, before.json()["code"]) == (429, "cost_exceeds_limit")
    assert [answer.status_code for answer in twice] == [202, 409]
    assert twice[1].json()["code"] == "already_accepted"
    assert users.ledger(user).popitem()[1] == (5, 5)


def test_its_settings_may_be_in_files(where: Where, tmp_path: Path) -> None:
    """Below the folder that it is started in, as Docker Compose reads them."""
    (tmp_path / "services").mkdir()
    for number, (name, value) in enumerate(settings_of(where).items()):
        file = tmp_path / "services" / (".env", "keys.env")[number % 2]
        with file.open("a") as lines:
            lines.write(f"{name}={value}\n")
    with example(where, tmp_path, settings={}) as gateway:
        assert gateway.post(gateway.token(database_of(where).add_user())).status_code == 202


def test_health_needs_no_token_and_costs_nothing(database: Database, tmp_path: Path) -> None:
    """It tells neither versions nor settings, and is no task."""
    with example(database, tmp_path) as gateway:
        answer = gateway.client.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "RateLimit" not in answer.headers


def test_pages_of_other_origins_may_use_it(database: Database, tmp_path: Path) -> None:
    """Those of ALLOWED_ORIGINS, also to read refusals."""
    origin = "https://app.example.com"
    asking = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, idempotency-key",
    }
    with example(database, tmp_path, ALLOWED_ORIGINS=f"https://other.example.com {origin}") as gateway:
        preflight = gateway.client.options("/tasks", headers={"Origin": origin, **asking})
        refused = gateway.client.post("/tasks", headers={"Origin": origin})
        foreign = gateway.client.options("/tasks", headers={"Origin": "https://evil.example.com", **asking})
    assert preflight.status_code == 200
    assert refused.status_code == 401
    assert refused.headers["Access-Control-Allow-Origin"] == origin
    assert "Retry-After" in refused.headers["Access-Control-Expose-Headers"]
    assert foreign.status_code == 400


def test_without_settings_it_does_not_start(tmp_path: Path) -> None:
    """It says what is missing, and with which variables to mend it."""
    command = [sys.executable, "-m", "uvicorn", "main:app", "--app-dir", EXAMPLE, "--port", "0"]
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    run = subprocess.run(command, env=kept, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode != 0
    assert "set SUPABASE_URL" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The example's modules in this process."""
    monkeypatch.syspath_prepend(EXAMPLE)
    yield importlib.import_module("main")
    for name in ("main", "task_queue"):
        sys.modules.pop(name, None)


def test_a_queue_that_takes_nothing_costs_nothing(where: Where, imported: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The handler answers 503, and the gate gives the ticks back: over the API as its own user."""
    queue = importlib.import_module("task_queue").MemoryQueue(largest=1)
    imported.app.dependency_overrides[imported.queue_of] = lambda: queue
    for name, value in settings_of(where).items():
        monkeypatch.setenv(name, value)
    users = database_of(where)
    user = users.add_user()
    with running(imported.app) as server:
        gateway = Process(where, server.client(), Path())
        answers = [gateway.post(gateway.token(user)) for _ in range(2)]
        until(lambda: users.ledger(user).popitem()[1] == (5, 5), "the charge was not given back")
    assert [answer.status_code for answer in answers] == [202, 503]
    assert answers[1].headers["Retry-After"] == "5"
    task = queue.tasks.get_nowait()
    assert task == {
        "task_id": answers[0].json()["task_id"],
        "user_id": user.id,
        "charge_id": task["charge_id"],
        "prompt": "hello",
        "max_ticks": 5,
    }
    json.dumps(task)


def test_a_task_that_does_not_fit_costs_nothing(where: Where, tmp_path: Path) -> None:
    """FastAPI's 422 comes after the gate, and nothing was done for the ticks."""
    user = database_of(where).add_user()
    with example(where, tmp_path) as gateway:
        assert gateway.post(gateway.token(user), surprise=1).status_code == 422
        until(lambda: database_of(where).ledger(user).popitem()[1] == (0, 0), "the charge was not given back")


def test_the_document_names_the_gates_answers(imported: Any) -> None:
    """Its /docs page asks for a token and shows problem details."""
    operation = imported.app.openapi()["paths"]["/tasks"]["post"]
    assert operation["security"]
    assert set(operation["responses"]) >= {"202", "401", "403", "409", "422", "429", "503"}
