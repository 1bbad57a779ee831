"""A gateway as its operator runs it: a process with an environment, that ends on SIGTERM."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import httpx
import pytest

from asgi_support import PATIENCE
from gateway_processes import TESTS, GatewayProcess, gateways
from gateway_support import Where, database_of, token_of, until
from postgres_line import line_to
from quota_support import Database, User
from standin import StandIn
from standin.keys import ProjectKeys


@pytest.fixture(params=["pool", "api"])
def where(request: pytest.FixtureRequest) -> Where:
    """The database, or a project over it."""
    found = request.getfixturevalue("database" if request.param == "pool" else "standin")
    assert isinstance(found, Where)
    return found


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Threads for what waits meanwhile."""
    with ThreadPoolExecutor(4) as made:
        yield made


def post(gateway: GatewayProcess, where: Where, user: User, path: str = "/tasks", ticks: int = 1) -> httpx.Response:
    """Send a request with a good token."""
    headers = {"Authorization": f"Bearer {token_of(where, user)}"}
    with httpx.Client(base_url=gateway.url, trust_env=False, verify=False, timeout=PATIENCE) as client:  # noqa: S501
        return client.post(path, json={"max_ticks": ticks}, headers=headers)


def used(where: Where, user: User) -> int:
    """Return what is taken from a user."""
    return sum(used for used, _ in database_of(where).ledger(user).values())


def is_listening(gateway: GatewayProcess) -> bool:
    """Tell whether new connections are taken."""
    with suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", gateway.port), PATIENCE).close()
        return True
    return False


def test_what_is_under_way_is_finished_on_sigterm(where: Where, tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    """No new connections; the request that is inside gets its answer; then the process ends by itself."""
    user = database_of(where).add_user()
    entered, release = tmp_path / "entered", tmp_path / "release"
    for pipe in (entered, release):
        os.mkfifo(pipe)
    with gateways(where, tmp_path, 1, ENTERED=str(entered), RELEASE=str(release)) as (gateway,):
        waiting: Future[httpx.Response] = threads.submit(post, gateway, where, user, "/slow", 3)
        assert threads.submit(entered.read_bytes).result(PATIENCE) == b"!"
        gateway.terminate()
        until(lambda: not is_listening(gateway), "it takes no more requests")
        assert gateway.process.poll() is None
        threads.submit(release.write_bytes, b"!").result(PATIENCE)
        reply = waiting.result(PATIENCE)
        assert reply.status_code == 202
        assert reply.json()["user"] == user.id
        gateway.wait()
    assert used(where, user) == 3


def test_what_is_granted_late_is_given_back_before_the_end(database: Database, tmp_path: Path) -> None:
    """The store is silent until after SIGTERM: its late grant is still heard, and settled."""
    user = database.add_user()
    with line_to(database.authenticator_url) as line:
        with gateways(database, tmp_path, 1, SUPABASE_DB_URL=line.url, TIMEOUT="2") as (gateway,):
            assert post(gateway, database, user).status_code == 202
            line.hold()
            assert post(gateway, database, user, ticks=5).status_code == 503
            assert used(database, user) == 6
            gateway.terminate()
            until(lambda: not is_listening(gateway), "it has begun to stop")
            line.release()
            gateway.wait()
        assert used(database, user) == 1, gateway.log.read_text()


def test_published_keys_are_all_it_needs(
    make_standin: Callable[..., AbstractContextManager[StandIn]], tmp_path: Path
) -> None:
    """A project whose tokens are signed with ES256: the address and the publishable key, and no secret of any kind."""
    with (
        make_standin(keys=ProjectKeys(signing="ES256")) as project,
        gateways(project, tmp_path, 1, SUPABASE_JWT_SECRET="") as (gateway,),
    ):
        email = project.new_user()
        headers = {"Authorization": f"Bearer {project.token(email)}", "Content-Type": "application/json"}
        url = f"{gateway.url}/tasks"
        with httpx.Client(trust_env=False, verify=False, timeout=PATIENCE) as client:  # noqa: S501 - nothing is encrypted
            replies = [client.post(url, content=b'{"max_ticks":16}', headers=headers) for _ in range(3)]
            # Signed out: the token is as good as before, the session is not.
            project.auth("POST", "/logout", token=headers["Authorization"].removeprefix("Bearer "))
            replies.append(client.post(url, content=b'{"max_ticks":16}', headers=headers))
        assert [reply.status_code for reply in replies] == [202, 202, 429, 401]
        assert replies[-1].json()["code"] == "session_revoked"
        fetched = [request for request in project.faults.requests if request.path.endswith("jwks.json")]
        assert len(fetched) == 1


def test_its_log_tells_who_and_what_and_no_secret(where: Where, tmp_path: Path) -> None:
    """At the most talkative level there is, over all that it did: no token, no key, no password, no body."""
    database = database_of(where)
    user = database.add_user(limit=1)
    with gateways(where, tmp_path, 1) as (gateway,):
        told = [post(gateway, where, user).status_code, post(gateway, where, user).status_code]
        assert told == [202, 429]
        headers = {"Authorization": "Bearer tell-nobody-this-token", "Idempotency-Key": '"tell-nobody-this-key"'}
        body = json.dumps({"max_ticks": 1, "task": "tell-nobody-this-task"})
        with httpx.Client(trust_env=False, verify=False, timeout=PATIENCE) as client:  # noqa: S501 - nothing is encrypted
            assert client.post(f"{gateway.url}/tasks", content=body, headers=headers).status_code == 401
        gateway.terminate()
        gateway.wait()
    log = gateway.log.read_text()
    assert f"granted user={user.id}" in log
    assert f"quota_exhausted user={user.id}" in log
    assert "tell-nobody" not in log
    token = token_of(where, user)
    assert not [part for part in token.split(".") if part in log]
    secrets = {where.anon_key, where.jwt_secret} if isinstance(where, StandIn) else {"the HS256 secret"}
    assert not [secret for secret in secrets if secret in log]


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "no key to check signatures with"),
        ({"SUPABASE_JWT_SECRET": "a secret that only these tests have"}, "where quotas are kept"),
        ({"SUPABASE_URL": "http://project.example"}, "https"),
        ({"SUPABASE_JWT_SECRET": "tell-nobody", "SUPABASE_DB_URL": "postgresql://a"}, "too short"),
    ],
    ids=["nothing", "no store", "plain http", "a short secret"],
)
def test_it_does_not_start_without_knowing_what_to_check(
    tmp_path: Path, environment: dict[str, str], words: str
) -> None:
    """A gate that can't judge isn't built; the reason is in what the process leaves, and no value is."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(TESTS), **environment}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        result = subprocess.run(
            [sys.executable, "-m", "gateway_worker", str(listener.fileno())],
            pass_fds=[listener.fileno()],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert result.returncode == 1
    assert "ConfigurationError" in result.stderr
    assert words in result.stderr
    assert "tell-nobody" not in result.stderr
