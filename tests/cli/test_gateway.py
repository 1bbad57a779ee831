"""`tickctl gateway serve`: what it prints is pasted into a shell, and does what it says."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from cli_support import COMMAND, Tickctl, environment

# The shell expands what is pasted; what it would have given to curl, it prints instead, each request ended by a line.
_SHELL = f"""
curl() {{ printf '%s\\n' "$@" --; }}
tickctl() {{ '{sys.executable}' -m tickctl "$@"; }}
"""
_NO_PROJECT = {"PGHOST": "nowhere.example.com"}
_LINE = re.compile(r"(?:\d{3}|---) [a-z_]+(?:  [0-9a-f-]{36})?(?:  \d+ ticks?)?  \d+\.\d ms")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment for a database of this file alone, to be stopped and started."""
    return {"TICKCTL_HOME": str(tmp_path_factory.mktemp("gateway") / "home"), **_NO_PROJECT}


@dataclass
class Gateway:
    """A gateway that runs, and what it has printed."""

    process: subprocess.Popen[str]
    text: str
    env: dict[str, str]
    errors: Path

    def paste(self, *about: str) -> list[httpx.Response]:
        """Paste the blocks that these comments introduce, send the requests in them, and return their answers."""
        blocks = [line for line in self.text.splitlines() if re.match(r"export |TOKEN=ey", line)]
        for words in about:
            blocks += [block for block in self.text.split("\n\n") if words in block.partition("\n")[0]]
        script = "\n".join([_SHELL, *blocks])
        done = subprocess.run(["sh", "-ec", script], env=self.env, capture_output=True, text=True, check=True)
        return [_sent(words.split("\n")) for words in done.stdout.split("\n--\n") if "http://" in words]

    @property
    def lines(self) -> list[str]:
        """The lines that it has written for requests."""
        return [line for line in self.errors.read_text().splitlines() if line.endswith(" ms")]

    def end(self, with_signal: int = signal.SIGINT) -> int:
        """End it as Ctrl-C does, and return the exit code."""
        self.process.send_signal(with_signal)
        return self.process.wait(timeout=30)


def _sent(words: list[str]) -> httpx.Response:
    """Send what curl would."""
    words = words[words.index(next(word for word in words if word.startswith("http://"))) :]
    options = list(zip(words[1::2], words[2::2], strict=True))
    headers = [tuple(value.split(": ", 1)) for name, value in options if name == "-H"]
    (body,) = (value for name, value in options if name == "-d")
    return httpx.post(words[0], headers=headers, content=body, timeout=20, trust_env=False)


@contextmanager
def started(tmp_path: Path, env: dict[str, str], *options: str) -> Iterator[Gateway]:
    """Run the gateway in an empty folder until the end of the block."""
    whole = environment(tmp_path, env)
    errors = tmp_path / "stderr.txt"
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            [*COMMAND, "gateway", "serve", *options],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=whole,
            cwd=tmp_path,
        )
    assert process.stdout is not None
    with process.stdout as stdout:
        try:
            text = ""
            while not re.search(r"^(\{|TOKEN=\$\()", text, re.MULTILINE):
                line = stdout.readline()
                assert line, errors.read_text()
                text += line
            yield Gateway(process, text, whole, errors)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(timeout=30)


@pytest.fixture
def run(tickctl: Tickctl, own: dict[str, str]) -> Callable[..., str]:
    """Run another command on the same database; returns its standard output."""

    def run(*arguments: str) -> str:
        result = tickctl(*arguments, env=own)
        assert result.code == 0, result.err
        return result.out

    return run


def test_what_is_printed_does_what_it_says(tmp_path: Path, own: dict[str, str], run: Callable[..., str]) -> None:
    """202 with what is left, 429 with when to come again, 401, 403, 503 without the database, and 202 once more."""
    with started(tmp_path, own, "--port", "0", "--limit", "5", "--email", "a@example.com") as gateway:
        (first,) = gateway.paste("Paste into another terminal")
        assert (first.status_code, first.json()["email"]) == (202, "a@example.com")
        assert first.headers["RateLimit"].startswith('"daily-ticks";r=4;t=')
        assert first.headers["RateLimit-Policy"] == '"daily-ticks";q=5;w=86400'

        assert [answer.status_code for answer in gateway.paste("All of it")] == [202, 202, 202, 202, 429, 429]
        (exhausted,) = gateway.paste("Paste into another terminal")
        assert exhausted.json()["code"] == "quota_exhausted"
        assert int(exhausted.headers["Retry-After"]) > 0

        (tampered,) = gateway.paste("tampered")
        assert (tampered.status_code, tampered.json()["code"]) == (401, "bad_signature")
        assert tampered.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')

        (unconfirmed,) = gateway.paste("not confirmed")
        assert (unconfirmed.status_code, unconfirmed.json()["code"]) == (403, "email_not_confirmed")

        assert "\ntickctl quota set a@example.com 100\ntickctl local stop\ntickctl local start\n" in gateway.text
        run("quota", "set", "a@example.com", "100")
        (more,) = gateway.paste("Paste into another terminal")
        assert more.status_code == 202
        assert more.headers["RateLimit"].startswith('"daily-ticks";r=94;')

        run("local", "stop")
        (away,) = gateway.paste("Paste into another terminal")
        assert (away.status_code, away.json()["code"]) == (503, "unreachable")
        assert int(away.headers["Retry-After"]) > 0
        run("local", "start")
        (back,) = gateway.paste("Paste into another terminal")
        assert back.status_code == 202
        assert json.loads(run("quota", "show", "a@example.com", "--json"))["ticks_used"] == 7
    run("local", "stop")


def test_comments_do_no_harm_where_a_shell_takes_them_for_commands(tmp_path: Path, own: dict[str, str]) -> None:
    """As zsh does unless told otherwise: no quote may swallow what follows, and all fits a terminal but the token."""
    with started(tmp_path, own, "--port", "0") as gateway:
        lines = gateway.text.splitlines()
    assert not [line for line in lines if line.startswith("#") and re.search(r"['\"`;&|()<>*?!$]", line)]
    assert not [line for line in lines if len(line) > 80 and not line.startswith(("TOKEN=", "export "))]


def test_new_token_is_had_as_shown(tmp_path: Path, own: dict[str, str], run: Callable[..., str]) -> None:
    """When the first one is over, or the session with it."""
    with started(tmp_path, own, "--port", "0", "--email", "b@example.com", "--limit", "3") as gateway:
        run("local", "psql", "-U", "supabase_admin", "--", "-qc", "delete from auth.sessions")
        (revoked,) = gateway.paste("Paste into another terminal")
        assert (revoked.status_code, revoked.json()["code"]) == (401, "session_revoked")
        assert gateway.paste("A new token", "All of it")[0].status_code == 202


def test_each_request_has_a_line_and_no_token_is_in_it(tmp_path: Path, own: dict[str, str]) -> None:
    """Status, decision, user, ticks and time; what is not protected has none."""
    with started(tmp_path, own, "--port", "0", "--json", "--limit", "unlimited") as gateway:
        document = json.loads(gateway.text)
        url, token = document["url"], document["token"]
        for authorization in (f"Bearer {token}", f"Bearer {token}x", "Basic Zm9vOmJhcg=="):
            httpx.post(f"{url}/tasks", headers={"Authorization": authorization}, json={"max_ticks": 2}, trust_env=False)
        assert httpx.get(f"{url}/health", trust_env=False).json() == {"status": "ok"}
        assert gateway.end() == 0
    assert [line.split("  ")[0] for line in gateway.lines] == ["202 granted", "401 bad_signature", "401 no_credentials"]
    assert all(_LINE.fullmatch(line) for line in gateway.lines)
    assert f"  {document['user_id']}  2 ticks  " in gateway.lines[0]
    assert token[-20:] not in gateway.errors.read_text()


def test_json_is_one_document_with_a_whole_request(tmp_path: Path, own: dict[str, str]) -> None:
    """For scripts: nothing else comes on standard output, and the request needs no variable."""
    with started(tmp_path, own, "--port", "0", "--json", "--email", "Other@Example.com", "--limit", "3") as gateway:
        document = json.loads(gateway.text)
        script = f"{_SHELL}\n{document['curl']}"
        words = subprocess.run(
            ["sh", "-ec", script], env=gateway.env, capture_output=True, text=True, check=True
        ).stdout
        answer = _sent(words.removesuffix("\n--\n").split("\n"))
        assert gateway.end() == 0
    assert (answer.status_code, answer.json()["email"]) == (202, "other@example.com")
    assert set(document) == {
        "url",
        "user_id",
        "email",
        "daily_tick_limit",
        "ticks_remaining",
        "token",
        "expires_at",
        "curl",
    }
    assert (document["daily_tick_limit"], document["ticks_remaining"]) == (3, 3)


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM])
def test_ends_in_order_and_stops_the_database(
    tmp_path: Path, own: dict[str, str], tickctl: Tickctl, with_signal: int
) -> None:
    """To be interrupted is how this command ends, so that is no failure."""
    with started(tmp_path, own, "--port", "0") as gateway:
        assert tickctl("local", "status", env=own).code == 0
        assert gateway.end(with_signal) == 0
    assert "with the settings of 'tickctl local env'\n" in gateway.errors.read_text()
    assert gateway.errors.read_text().endswith("ended\n")
    assert tickctl("local", "status", env=own).code == 1


def test_says_once_that_the_unconfirmed_get_in(tmp_path: Path, own: dict[str, str], run: Callable[..., str]) -> None:
    """The setting counts here as in a gateway, and is never silent."""
    run("local", "add-user", "c@example.com", "--unconfirmed")
    env = own | {"SUPABASE_ALLOW_UNCONFIRMED": "true"}
    with started(tmp_path, env, "--port", "0", "--json", "--quiet", "--email", "c@example.com") as gateway:
        document = json.loads(gateway.text)
        headers = {"Authorization": f"Bearer {document['token']}"}
        answer = httpx.post(f"{document['url']}/tasks", headers=headers, json={"max_ticks": 1}, trust_env=False)
    assert answer.status_code == 202
    assert gateway.errors.read_text().count("SUPABASE_ALLOW_UNCONFIRMED") == 1


def test_takes_another_port_where_the_usual_one_is_taken(tmp_path: Path, own: dict[str, str]) -> None:
    """Trying something out must not fail because of what else runs; a port that was asked for is another matter."""
    with socket.socket() as taken:
        with suppress(OSError):  # it is taken already
            taken.bind(("127.0.0.1", 8000))
            taken.listen()
        with started(tmp_path, own, "--json") as gateway:
            url = json.loads(gateway.text)["url"]
            assert httpx.get(f"{url}/health", trust_env=False).status_code == 200
    assert re.fullmatch(r"http://127\.0\.0\.1:(?!8000$)\d+", url)


def test_port_that_is_taken_is_said(tickctl: Tickctl, own: dict[str, str]) -> None:
    """In a line, before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = tickctl("gateway", "serve", "--port", str(taken.getsockname()[1]), "--json", env=own)
    assert (result.code, result.error["code"]) == (2, "invalid_input")
    assert "--port" in str(result.error["hint"])


@pytest.mark.parametrize(
    ("env", "arguments", "code"),
    [
        ({"SUPABASE_URL": "https://abc.supabase.co"}, [], 3),
        ({"SUPABASE_ANON_KEY": "sb_publishable_x"}, [], 3),
        ({"SUPABASE_DB_URL": "postgresql://x@127.0.0.1/x"}, ["--backend", "postgres"], 2),
        ({}, ["--backend", "supabase"], 2),
        ({}, ["--limit", "-1"], 2),
        ({}, ["--email", "nobody"], 2),
        ({}, ["--port", "65536"], 2),
    ],
)
def test_refuses_what_it_is_not_for(
    tickctl: Tickctl, own: dict[str, str], env: dict[str, str], arguments: list[str], code: int
) -> None:
    """It never seems to stand before a project, and says where to read on."""
    result = tickctl("gateway", "serve", *arguments, env=own | env)
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith("error: ")


def test_says_what_to_install(tickctl: Tickctl, own: dict[str, str], tmp_path: Path) -> None:
    """The extra is for those who want a gateway; all others are told its name."""
    (tmp_path / "fastapi.py").write_text("raise ModuleNotFoundError('no fastapi', name='fastapi')")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    result = tickctl("gateway", "serve", "--json", env=own | {"PYTHONPATH": path})
    assert (result.code, result.error["message"]) == (3, "fastapi is not installed")
    assert "tickctl[local,gateway]" in str(result.error["hint"])
