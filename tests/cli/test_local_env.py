"""`tickctl local env`: somebody's own application on the embedded database, with nothing but what it prints."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from asgi_support import PATIENCE
from cli_support import COMMAND, Tickctl, environment
from gateway_support import until
from tickctl.settings import load

APPLICATION = """
from tickctl.gateway import TickGate


async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 202})
    await send({"type": "http.response.body"})


app = TickGate(app, protect={"POST /tasks"})
"""
GUIDE = Path(__file__).parents[2] / "docs" / "GATEWAY.md"
NAMES = ["SUPABASE_DB_URL", "SUPABASE_JWT_SECRET", "SUPABASE_JWT_ISSUER"]


def from_the_guide(application: str) -> str:
    """Return the guide's command, which runs another application in place of its own."""
    (command,) = re.findall(r"^\$ \((settings=.*)\)$", GUIDE.read_text(), re.MULTILINE)
    assert "tickctl" in command
    assert "uvicorn main:app" in command
    return str(command).replace("tickctl", " ".join(COMMAND)).replace("uvicorn main:app", application)


@contextmanager
def served(folder: Path, env: dict[str, str]) -> Iterator[httpx.Client]:
    """Run the application as its author would, by the guide's command."""
    (folder / "main.py").write_text(APPLICATION)
    log_file = folder / "log.txt"
    with socket.create_server(("127.0.0.1", 0)) as listener, log_file.open("wb") as log:
        uvicorn = f"exec {sys.executable} -m uvicorn main:app --lifespan off --fd {listener.fileno()}"
        process = subprocess.Popen(
            ["sh", "-c", from_the_guide(f"unset TICKCTL_HOME && {uvicorn}")],
            env=env,
            cwd=folder,
            stdout=log,
            stderr=log,
            pass_fds=[listener.fileno()],
        )
        try:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE) as client:
                until(lambda: process.poll() is not None or answers(client), "the application's start")
                assert process.poll() is None, log_file.read_text()
                yield client
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)


def answers(client: httpx.Client) -> bool:
    """Whether the application answers already."""
    try:
        return client.get("/").is_success
    except httpx.TransportError:
        return False


def test_an_application_runs_with_it(tickctl: Tickctl, home: Path, tmp_path: Path) -> None:
    """Its users are admitted until their ticks of the day run out."""
    assert tickctl("local", "add-user", "grace@example.com").code == 0
    assert tickctl("quota", "set", "grace@example.com", "5").code == 0
    token = tickctl("local", "token", "grace@example.com").out.strip()
    headers = {"Authorization": f"Bearer {token}"}
    with served(tmp_path, environment(tmp_path, {"TICKCTL_HOME": str(home)})) as client:
        statuses = [client.post("/tasks", json={"max_ticks": 3}, headers=headers).status_code for _ in range(2)]
        assert client.post("/tasks", json={"max_ticks": 1}).status_code == 401
    assert statuses == [202, 429]


def test_it_is_an_env_file_shell_commands_or_json(tickctl: Tickctl, tmp_path: Path) -> None:
    """All of them say the same."""
    as_json = tickctl("local", "env", "--json").json
    assert list(as_json) == NAMES
    (tmp_path / "gateway.env").write_text(tickctl("local", "env").out)
    settings = load({}, [tmp_path / "gateway.env"])
    assert settings.db_url is not None
    assert settings.jwt_secret is not None
    assert [settings.db_url.reveal(), settings.jwt_secret.reveal(), settings.jwt_issuer] == list(as_json.values())
    script = (
        tickctl("local", "env", "--export").out + 'exec "$0" -c "import json, os; print(json.dumps(dict(os.environ)))"'
    )
    shell = subprocess.run(["sh", "-ec", script, sys.executable], env={}, capture_output=True, check=True)
    assert as_json.items() <= json.loads(shell.stdout).items()


@pytest.mark.parametrize("options", [[], ["--export"], ["--json"]])
def test_settings_of_a_database_that_does_not_run_are_of_no_use(
    tickctl: Tickctl, tmp_path: Path, options: list[str]
) -> None:
    """The hint starts it; nothing is printed that a shell would evaluate."""
    result = tickctl("local", "env", *options, env={"TICKCTL_HOME": str(tmp_path / "none")})
    assert (result.code, result.out) == (5, "")
    assert "tickctl local start" in result.err


def test_without_them_the_application_does_not_start(tmp_path: Path) -> None:
    """It would run on whatever project an env file names."""
    script = from_the_guide("echo started")
    env = environment(tmp_path, {"TICKCTL_HOME": str(tmp_path / "none")})
    shell = subprocess.run(["sh", "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert shell.returncode != 0
    assert "started" not in shell.stdout


def test_a_project_that_an_application_would_prefer_is_named(tickctl: Tickctl) -> None:
    """The gate asks the API where one is configured, so the printed settings alone wouldn't count."""
    project = {"SUPABASE_URL": "https://abc.supabase.co", "SUPABASE_ANON_KEY": "sb_publishable_x"}
    result = tickctl("local", "env", "--json", env=project)
    assert list(result.json) == NAMES
    assert result.err.startswith("warning: SUPABASE_URL and SUPABASE_ANON_KEY are set")
    assert tickctl("local", "env", "--json").err == ""
