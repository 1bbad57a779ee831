"""`tickctl explain`: what the gateway would answer, from every place where quotas live, and nothing is touched."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from asgi_support import PATIENCE
from cli_support import Result, Tickctl, environment, run_tickctl
from gateway_support import until
from quota_support import Database
from standin import PASSWORD, Fault, ProjectKeys, StandIn, standing_in
from tickctl.adapters.embedded import EmbeddedDatabase

EXAMPLE = Path(__file__).parents[2] / "docs/examples/gateway"
FIELDS = [
    "admitted",
    "status",
    "code",
    "message",
    "hint",
    "command",
    "user_id",
    "email",
    "ticks",
    "quota",
    "steps",
    "headers",
    "body",
]
STEPS = ["header", "signature", "claims", "ticks", "account", "session", "confirmation", "quota"]


@pytest.fixture(scope="module")
def shop(shared_database: Database) -> Iterator[StandIn]:
    """A project for all tests of this file; its users are each test's own."""
    with standing_in(shared_database) as served:
        yield served


def changed(project: StandIn, token: str, **claims: Any) -> str:
    """Return a token with other claims and a good signature."""
    import jwt  # noqa: PLC0415 - for this alone

    whole = jwt.decode(token, options={"verify_signature": False})
    return project.keys.sign(whole | claims)


def gateway_env(project: StandIn) -> dict[str, str]:
    """Return what services/.env and services/keys.env hold."""
    return project.settings_env("publishable") | {"SUPABASE_JWT_SECRET": project.jwt_secret}


# The example, with five faults.


@contextmanager
def example(folder: Path, settings: Mapping[str, str]) -> Iterator[httpx.Client]:
    """Run the example gateway with these settings for as long as the block lasts."""
    variables = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        output = stack.enter_context((folder / "gateway.log").open("ab"))
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "main:app", "--app-dir", EXAMPLE, "--fd", str(listener.fileno())],
            env=variables | dict(settings),
            cwd=folder,
            stdout=output,
            stderr=output,
            pass_fds=[listener.fileno()],
        )
        stack.callback(process.wait, PATIENCE)
        stack.callback(process.send_signal, signal.SIGINT)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = stack.enter_context(httpx.Client(base_url=address, trust_env=False, timeout=PATIENCE))
        until(lambda: process.poll() is not None or _serves(client), "the gateway did not start")
        yield client


def _serves(client: httpx.Client) -> bool:
    try:
        return client.get("/health").is_success
    except httpx.TransportError:
        return False


def answers(client: httpx.Client, token: str, ticks: int) -> httpx.Response:
    """Send a task to the example."""
    task = {"prompt": "hello", "max_ticks": ticks}
    return client.post("/tasks", headers={"Authorization": f"Bearer {token}"}, json=task)


def test_five_faults_of_the_example_gateway_are_each_named(shop: StandIn, tickctl: Tickctl, tmp_path: Path) -> None:
    """An expired token, an unconfirmed user, an exhausted quota, a wrong JWT secret, a database that is down."""
    good, unconfirmed = shop.new_user(), shop.new_user()
    token, other = shop.token(good), shop.token(unconfirmed)
    with shop.database.superuser() as connection:
        connection.execute("update auth.users set email_confirmed_at = null where email = %s", [unconfirmed])
    hour_ago = int(time.time()) - 3600
    expired = changed(shop, token, iat=hour_ago - 3600, exp=hour_ago)
    settings = gateway_env(shop)
    told: dict[str, tuple[Any, ...]] = {}

    def look(name: str, client: httpx.Client, token: str, ticks: int, env: Mapping[str, str]) -> None:
        found = tickctl("explain", "-", "--ticks", str(ticks), "--json", stdin=token, env=env).json
        reply = answers(client, token, ticks)
        assert (found["status"], found["body"]) == (reply.status_code, reply.json()), name
        (step,) = [step["name"] for step in found["steps"] if step["result"] in {"fail", "cannot_tell"}]
        told[name] = (found["status"], found["code"], step, found["command"])

    with example(tmp_path, settings) as client:
        assert answers(client, token, 30).status_code == 202
        look("expired", client, expired, 1, settings)
        look("unconfirmed", client, other, 1, settings)
        look("exhausted", client, token, 5, settings)
        with shop.faults.troubled(Fault(hang_up=True), "/rest"):
            look("down", client, token, 1, settings)
    wrong = settings | {"SUPABASE_JWT_SECRET": "not the secret of this project, but of another"}
    with example(tmp_path, wrong) as client:
        look("secret", client, token, 1, wrong)
    assert told == {
        "expired": (401, "expired", "claims", None),
        "unconfirmed": (
            403,
            "email_not_confirmed",
            "confirmation",
            f"tickctl users resend-confirmation {unconfirmed}",
        ),
        "exhausted": (429, "quota_exhausted", "quota", f"tickctl quota grant {good} 3"),
        "secret": (401, "bad_signature", "signature", "tickctl secrets push"),
        "down": (503, "unreachable", "account", None),
    }


# Who is asked, and for what.


@pytest.mark.parametrize("identity", ["publishable", "secret-key", "connection", "admin"])
def test_only_reading_is_asked_for(shop: StandIn, tickctl: Tickctl, identity: str) -> None:
    """Whoever explains: published keys, the user's account, the user's day; and nothing is charged."""
    token = shop.token(shop.new_user())
    env = gateway_env(shop) | shop.settings_env(identity)
    shop.faults.requests.clear()
    result = tickctl("explain", "-", "--json", stdin=token, env=env)
    assert (result.code, result.json["code"]) == (0, "granted")
    reading = {"consume_ticks", "user", "jwks.json"}
    assert {request.path.rpartition("/")[2] for request in shop.faults.requests} <= reading
    assert tickctl("explain", "-", "--json", stdin=token, env=env).json["quota"]["ticks_used"] == 0


def test_offline_nobody_is_asked(shop: StandIn, tickctl: Tickctl) -> None:
    """The token alone is judged; the rest can't be told."""
    token = shop.token(shop.new_user())
    shop.faults.requests.clear()
    result = tickctl("explain", "-", "--offline", "--json", stdin=token, env=gateway_env(shop))
    assert (result.code, result.json["admitted"], result.json["status"]) == (5, None, None)
    assert [step["result"] for step in result.json["steps"]] == ["pass"] * 4 + ["cannot_tell"] + ["not_reached"] * 3
    refused = tickctl("explain", f"{token[:-4]}AAAA", "--offline", "--json", env=gateway_env(shop))
    assert (refused.code, refused.json["code"], refused.json["command"]) == (1, "bad_signature", None)
    assert shop.faults.requests == []


def test_fetched_keys_are_not_kept(shared_database: Database, tickctl: Tickctl, tmp_path: Path) -> None:
    """Though other commands do: a look leaves nothing behind, and offline it takes what they have left."""
    home = tmp_path / "home"
    home.mkdir()
    with standing_in(shared_database, keys=ProjectKeys("ES256")) as project:
        token = project.token(project.new_user())
        env = project.settings_env("publishable") | {"HOME": str(home)}
        assert tickctl("explain", "-", stdin=token, env=env).code == 0
        blind = tickctl("explain", "-", "--offline", "--json", stdin=token, env=env)
        assert (blind.code, blind.json["status"], blind.json["steps"][1]["result"]) == (5, None, "cannot_tell")
        assert tree(home) == {}
        assert tickctl("verify-token", "-", stdin=token, env=env).code == 0
        kept = tree(home)
        assert kept
        offline = tickctl("explain", "-", "--offline", "--json", stdin=token, env=env).json
        assert offline["steps"][1]["result"] == "pass"
        assert tree(home) == kept


def test_a_changed_token_is_told_from_a_wrong_secret(shop: StandIn, tickctl: Tickctl) -> None:
    """The Auth server refuses the first as well; where it can't be asked, both are possible."""
    token = shop.token(shop.new_user())
    hints = {
        "ours": tickctl("explain", f"{token[:-4]}AAAA", "--json", env=gateway_env(shop)).json["hint"],
        "unknown": tickctl("explain", f"{token[:-4]}AAAA", "--json", "--offline", env=gateway_env(shop)).json["hint"],
    }
    assert "refuses the token as well" in hints["ours"]
    assert hints["unknown"].startswith("either SUPABASE_JWT_SECRET")
    with shop.faults.troubled(Fault(hang_up=True), "/auth/v1/user"):
        away = tickctl("explain", f"{token[:-4]}AAAA", "--json", env=gateway_env(shop)).json
    assert away["hint"] == hints["unknown"]


def test_a_stranger_s_token_is_shown_to_nobody(shop: StandIn, tickctl: Tickctl) -> None:
    """Pasted by mistake, another project's token may be in force: this project's server must not get to see it."""
    claims = {"iss": "https://another.example/auth/v1", "sub": "x", "aud": "authenticated", "exp": 9_999_999_999}
    token = jwt.encode(claims, "another project's secret, which is long enough", algorithm="HS256")
    shop.faults.requests.clear()
    refused = tickctl("explain", "-", "--json", stdin=token, env=gateway_env(shop))
    assert (refused.code, refused.json["code"], refused.json["command"]) == (1, "bad_signature", None)
    assert [request.path for request in shop.faults.requests if "/user" in request.path] == []


def test_a_session_of_login_is_used_as_long_as_it_needs_no_renewal(
    shop: StandIn, tickctl: Tickctl, tmp_path: Path
) -> None:
    """A look must not spend the refresh token: the file stays as it is."""
    email = f"admin-{os.urandom(6).hex()}@example.com"
    shop.add_admin(email)
    env = gateway_env(shop) | {"HOME": str(tmp_path / "home")}
    assert tickctl("login", email, "--password-stdin", stdin=PASSWORD, env=env).code == 0
    (kept,) = (tmp_path / "home/.local/state/tickctl/sessions").glob("*.json")
    user = shop.new_user()
    assert tickctl("explain", "--user", user, env=env).code == 0
    session = json.loads(kept.read_text())
    kept.write_text(json.dumps(session | {"expires_at": time.time() - 1}))
    before = kept.read_bytes()
    result = tickctl("explain", "--user", user, "--json", env=env)
    assert (result.code, result.error["code"]) == (4, "credentials_refused")
    # A token is explained with its user's own rights.
    assert tickctl("explain", "-", stdin=shop.token(user), env=env).code == 0
    assert kept.read_bytes() == before


@pytest.mark.parametrize(
    "env",
    [
        {"SUPABASE_URL": "https://x.supabase.co"},
        {"SUPABASE_JWT_SECRET": "a secret of 32 characters or more, as it must be"},
        {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_ANON_KEY": "sb_secret_Kd83hfUw92nvLq0xTz64bMsr"},
    ],
)
def test_settings_with_which_no_gateway_starts_are_a_wrong_configuration(tickctl: Tickctl, env: dict[str, str]) -> None:
    """No store, no project, a secret key in the place of the publishable one."""
    result = tickctl("explain", "x.y.z", "--json", env=env)
    assert (result.code, result.error["code"]) == (3, "configuration")
    assert "sb_secret" not in result.err


# The embedded database.


def explain(tickctl: Tickctl, token: str, *options: str, code: int) -> Any:
    """Explain a token of the embedded database, which must not be repeated; return the JSON."""
    result = tickctl("explain", "-", "--json", *options, stdin=token)
    assert result.code == code, result.err
    assert list(result.json) == FIELDS
    assert sorted(step["name"] for step in result.json["steps"]) == sorted(STEPS)
    for part in token.split("."):
        assert part not in result.out + result.err
    return result.json


def test_a_request_that_would_be_let_through(tickctl: Tickctl, user: str, token: str) -> None:
    """All steps pass, and nothing has been taken; `Bearer` before the token makes no difference."""
    found = explain(tickctl, token, "--ticks", "5", code=0)
    assert (found["admitted"], found["status"], found["code"], found["body"]) == (True, None, "granted", None)
    assert (found["command"], found["hint"], found["email"], found["ticks"]) == (None, None, user, 5)
    assert [step["name"] for step in found["steps"]] == STEPS
    assert {step["result"] for step in found["steps"]} == {"pass"}
    assert list(found["headers"]) == ["RateLimit-Policy", "RateLimit"]
    assert ";r=27;" in found["headers"]["RateLimit"]
    again = tickctl("explain", f"bearer {token}", "--ticks", "5", "--json").json
    assert again | {"headers": {}} == found | {"headers": {}}
    assert found["quota"].items() <= tickctl("quota", "show", user, "--json").json.items()
    assert tickctl("quota", "history", user, "--days", "1", "--json").json["days"][0]["charges"] == 0


@pytest.mark.parametrize(
    ("before", "ticks", "status", "code", "command"),
    [
        ([], "40", 429, "cost_exceeds_limit", "tickctl quota set {user} 40"),
        ([["set", "0"]], "5", 429, "cost_exceeds_limit", "tickctl quota set {user} 5"),
        ([["set", "0"], ["grant", "9"]], "5", 429, "cost_exceeds_limit", "tickctl quota set {user} 5"),
        ([["grant", "9"]], "50", 429, "cost_exceeds_limit", "tickctl quota set {user} 50"),
    ],
)
def test_the_command_that_is_named_changes_the_answer(
    tickctl: Tickctl,
    user: str,
    token: str,
    before: list[list[str]],
    ticks: str,
    status: int,
    code: str,
    command: str,
) -> None:
    """Typed as it stands there."""
    for change in before:
        assert tickctl("quota", change[0], user, *change[1:]).code == 0
    found = explain(tickctl, token, "--ticks", ticks, code=1)
    assert (found["admitted"], found["status"], found["code"]) == (False, status, code)
    assert found["command"] == command.format(user=user)
    assert tickctl(*shlex.split(found["command"])[1:]).code == 0
    explain(tickctl, token, "--ticks", ticks, code=0)


def test_what_is_used_counts_in_the_command(home: Path, tickctl: Tickctl, user: str, token: str) -> None:
    """A grant of exactly what is missing."""
    spend(home, user, 30)
    found = explain(tickctl, token, "--ticks", "5", code=1)
    assert (found["code"], found["command"]) == ("quota_exhausted", f"tickctl quota grant {user} 3")
    assert found["hint"].startswith("or wait until ")
    assert found["body"]["ticks_used"] == 30
    assert int(found["headers"]["Retry-After"]) > 0
    assert tickctl(*found["command"].split()[1:]).code == 0
    explain(tickctl, token, "--ticks", "5", code=0)
    cost = explain(tickctl, token, "--ticks", "36", code=1)
    assert cost["command"] == f"tickctl quota set {user} 63"
    assert tickctl(*cost["command"].split()[1:]).code == 0
    explain(tickctl, token, "--ticks", "36", code=0)


def spend(home: Path, email: str, ticks: int) -> None:
    """Take ticks from a user."""
    from tickctl.adapters.embedded import accounts  # noqa: PLC0415 - for this alone
    from tickctl.adapters.postgres import PostgresFunctions  # noqa: PLC0415
    from tickctl.core.quota import SignedInUser, consume  # noqa: PLC0415
    from tickctl.core.secret import Secret  # noqa: PLC0415

    with (
        EmbeddedDatabase(home).use() as server,
        PostgresFunctions(Secret(server.url("authenticator"))) as functions,
    ):
        caller = SignedInUser(accounts.open_session(server, email).claims, Secret("of no use here"))
        consume(functions, caller, ticks)


@pytest.mark.parametrize("ticks", ["0", "1000001", "9" * 30])
def test_ticks_out_of_range_are_told(tickctl: Tickctl, token: str, ticks: str) -> None:
    """As the gateway's 422."""
    found = explain(tickctl, token, "--ticks", ticks, code=1)
    assert (found["status"], found["code"], found["command"]) == (422, "invalid_ticks", None)


def test_a_token_as_of_another_time(tickctl: Tickctl, user: str, token: str) -> None:
    """Expired by then; on the embedded database a command makes another."""
    found = explain(tickctl, token, "--at", "2100-01-01T00:00:00Z", code=1)
    assert (found["status"], found["code"]) == (401, "expired")
    assert found["headers"]["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
    assert found["command"] == f"tickctl local token {user}"
    assert found["quota"] is None


def test_an_unconfirmed_user_of_the_embedded_database_gets_no_mail(tickctl: Tickctl) -> None:
    """So no command is named that couldn't be carried out; for development there is a switch, which is said."""
    email = f"new-{os.urandom(6).hex()}@example.com"
    tickctl("local", "add-user", email, "--unconfirmed")
    token = tickctl("local", "token", email).out.strip()
    found = explain(tickctl, token, code=1)
    assert (found["status"], found["code"], found["command"]) == (403, "email_not_confirmed", None)
    allowed = tickctl("explain", "-", stdin=token, env={"SUPABASE_ALLOW_UNCONFIRMED": "true"})
    assert allowed.code == 0
    assert "warning: SUPABASE_ALLOW_UNCONFIRMED" in allowed.err


@pytest.mark.usefixtures("token")  # without any, the database has no key yet
@pytest.mark.parametrize("garbage", ["", "a\nb\n.c", "é.ü.x", "Bearer", "x" * 70_000])
def test_garbage_is_refused_and_not_repeated(tickctl: Tickctl, garbage: str) -> None:
    """Whatever it is, the header is to blame."""
    result = tickctl("explain", "-", "--json", stdin=garbage)
    assert result.code == 1, result.err
    assert result.json["steps"][0]["result"] == "fail"
    assert len(garbage) <= len("Bearer") or garbage not in result.out + result.err


def test_a_user_in_the_place_of_a_token(tickctl: Tickctl, user: str) -> None:
    """The token's steps are assumed."""
    result = tickctl("explain", "--user", user, "--ticks", "33", "--json")
    assert result.code == 1
    assert list(result.json) == FIELDS
    results = {step["name"]: step["result"] for step in result.json["steps"]}
    assert [name for name, how in results.items() if how == "assumed"] == ["header", "signature", "claims", "session"]
    assert (result.json["code"], result.json["email"]) == ("cost_exceeds_limit", user)
    assert tickctl("explain", "--user", result.json["user_id"]).code == 0
    unknown = tickctl("explain", "--user", user.replace("user-", "uesr-"))
    assert unknown.code == 6
    assert user in unknown.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--user", "ada@example.com", "token"],
        ["--user", "ada@example.com", "--offline"],
        ["--user", "ada@example.com", "--at", "5"],
        [],
        ["token", "--file", "file"],
        ["token", "--ticks", "many"],
        ["token", "--at", "yesterday"],
        ["token", "--as", "secret-key"],
        ["--as", "secret-key", "--backend", "local", "--user", "x"],
    ],
)
def test_what_can_t_be_meant_is_wrong_usage(tickctl: Tickctl, arguments: list[str]) -> None:
    """Two things to explain, or nothing."""
    assert tickctl("explain", *arguments).code == 2


def test_it_is_told_to_people_and_to_pipes(
    tickctl: Tickctl, terminal: Tickctl, user: str, token: str, tmp_path: Path
) -> None:
    """A table with the answer as HTTP has it; lines with tabs."""
    (tmp_path / "token").write_text(token)
    shown = terminal("explain", "--file", "token", "--ticks", "40", env={"NO_COLOR": "1"})
    assert shown.code == 1
    lines = shown.out.splitlines()
    assert "rejected: cost_exceeds_limit" in lines
    assert "HTTP 429 Too Many Requests" in lines
    assert f"to change it  tickctl quota set {user} 40" in lines
    assert 'code: "cost_exceeds_limit"' in lines
    assert max(map(len, lines[1:])) <= 80
    granted = terminal("explain", "--file", "token", env={"NO_COLOR": "1"})
    assert "allowed" in granted.out
    assert "The application answers; the gateway adds\nRateLimit-Policy: " in granted.out
    assert tickctl("quota", "set", user, "unlimited").code == 0
    assert "the gateway adds nothing." in terminal("explain", "--file", "token").out
    unknown = terminal("explain", "--file", "token", "--offline", env={"NO_COLOR": "1"})
    assert "cannot tell" in unknown.out
    assert "not known" in unknown.out
    piped = tickctl("explain", "--file", "token", "--ticks", "2000000")
    assert "answer\trejected\nstatus\t422\ncode\tinvalid_ticks\n" in piped.out
    assert "ticks\tfail\tticks must be from 1 to 1000000\naccount\tnot_reached\t\n" in piped.out
    assert '\nbody\t{"type":"about:blank"' in piped.out


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Return what is below a folder, with sizes and times."""
    found = {str(path): path.lstat() for path in folder.rglob("*")}
    return {name: (status.st_size, status.st_mtime_ns) for name, status in found.items()}


def test_nothing_is_started_or_written(tmp_path: Path) -> None:
    """Neither on a bare machine nor where the embedded database only rests."""
    home, empty = tmp_path / "home", tmp_path / "empty"
    empty.mkdir()

    def run(*arguments: str, stdin: str = "") -> Result:
        env = environment(empty, {"TICKCTL_HOME": str(home)})
        return run_tickctl(*arguments, stdin=stdin, env=env, cwd=empty)

    bare = run("explain", "a.b.c", "--json")
    assert (bare.code, bare.error["code"]) == (3, "configuration")
    assert "tickctl local token" in (bare.error["hint"] or "")
    assert run("explain", "--user", "ada@example.com").code == 5
    assert not home.exists()
    assert tree(empty) == {}
    run("local", "add-user", "ada@example.com")
    token = run("local", "token", "ada@example.com").out
    before = tree(home), tree(empty)
    resting = run("explain", "-", "--json", stdin=token)
    assert (resting.code, resting.json["status"], resting.json["command"]) == (5, 503, "tickctl local start")
    assert run("explain", "--user", "ada@example.com").code == 5
    assert run("explain", "-", "--offline", stdin=token).code == 5
    assert (tree(home), tree(empty)) == before
    assert run("local", "status").code == 1
    assert run("local", "start").code == 0
    try:
        before = tree(home / "conf"), tree(empty)
        assert run("explain", "-", stdin=token).code == 0
        assert (tree(home / "conf"), tree(empty)) == before
        assert run("local", "status").code == 0
    finally:
        run("local", "stop")


@pytest.mark.parametrize("backend", ["postgres", "supabase"])
def test_a_direct_connection_is_enough(shop: StandIn, tickctl: Tickctl, backend: str) -> None:
    """As for a gateway without the API."""
    token = shop.token(shop.new_user())
    env = {
        "SUPABASE_DB_URL": shop.database_url,
        "SUPABASE_JWT_SECRET": shop.jwt_secret,
        "SUPABASE_JWT_ISSUER": f"{shop.url}/auth/v1",
    }
    env |= {"SUPABASE_URL": shop.url} if backend == "supabase" else {}
    options = ("--backend", backend, "--json")
    assert tickctl("explain", "-", *options, stdin=token, env=env).code == 0
    found = tickctl("explain", "-", *options, "--ticks", "1000001", stdin=token, env=env)
    assert (found.code, found.json["code"]) == (1, "invalid_ticks")
    costly = tickctl("explain", "-", *options, "--ticks", "40", stdin=token, env=env).json
    assert costly["command"].endswith(f" 40 --backend {backend}")
    over_the_api = tickctl("explain", "-", "--ticks", "1000001", "--json", stdin=token, env=gateway_env(shop))
    assert (over_the_api.code, over_the_api.json["code"]) == (1, "invalid_ticks")
