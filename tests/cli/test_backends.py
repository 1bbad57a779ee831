"""Every admin command answers the same, wherever the quotas live and as whomever the operator acts."""

import csv
import io
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cli_support import Result, Tickctl, environment, run_tickctl
from standin import PASSWORD, Fault, Project, StandIn, json_answer
from tickctl.adapters.embedded import EmbeddedDatabase, accounts
from tickctl.adapters.postgres import PostgresFunctions
from tickctl.core.json import Json
from tickctl.core.quota import SignedInUser
from tickctl.core.secret import Secret

SECRET = "sb_secret_Kd83hfUw92nvLq0xTz64bMsr_0a1b2c3d"
UNKNOWN = "nobody-has-this-address@example.com"


@dataclass(frozen=True)
class Way:
    """One way to the quotas.

    Attributes:
        name: of the test's parameter.
        options: said with every command.
        env: variables for every command.
        actor: as whom the audit log names the operator.
        actor_id: the user id in the log, of operators who are users.
        add_user: adds a user and returns the address.
        consume: consumes ticks as a user.
    """

    name: str
    options: tuple[str, ...]
    env: Mapping[str, str]
    actor: str
    actor_id: str | None
    add_user: Callable[[], str]
    consume: Callable[[str, int], object]


@pytest.fixture(scope="module", params=["local", "database", "secret-key", "admin", "login"])
def way(request: pytest.FixtureRequest, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Way:
    """Each of them, once for all tests."""
    if request.param == "local":
        return _local(home)
    project: Project = request.getfixturevalue("project")
    env, actor = _credentials(project, request.param, home, tmp_path_factory.mktemp("login"))
    return Way(
        request.param,
        ("--backend", "postgres" if request.param == "database" else "supabase"),
        env,
        actor,
        actor if request.param in {"admin", "login"} else None,
        project.new_user,
        lambda email, ticks: project.rest("POST", "/rpc/consume_ticks", charge(ticks), token=project.token(email)),
    )


def charge(ticks: int) -> dict[str, Json]:
    """Return the arguments of a new charge."""
    return {"ticks": ticks, "charge_id": str(uuid.uuid4())}


def _credentials(project: Project, name: str, home: Path, empty: Path) -> tuple[dict[str, str], str]:
    """Return the variables of a way, and as whom the log names it."""
    if name not in {"admin", "login"}:
        return project.settings_env(name), "service_role" if name == "secret-key" else "postgres"
    email = f"{name}-{uuid.uuid4().hex[:12]}@example.com"
    user_id = project.add_admin(email)
    env = project.settings_env("publishable")
    if name == "admin":
        return env | {"TICKCTL_ADMIN_TOKEN": project.token(email)}, user_id
    return _signed_in(env, email, home, empty), user_id


def _signed_in(env: Mapping[str, str], email: str, home: Path, empty: Path) -> dict[str, str]:
    """Sign a user in and return the variables with which commands find the session: that of an empty home folder."""
    kept = {**env, "HOME": str(empty)}
    result = run_tickctl("login", email, "--password-stdin", stdin=PASSWORD, env=environment(home, kept), cwd=empty)
    assert result.code == 0, result.err
    return kept


def _local(home: Path) -> Way:
    database = EmbeddedDatabase(home)

    def add_user() -> str:
        email = f"user-{uuid.uuid4().hex[:12]}@example.com"
        with database.use() as server:
            accounts.add_user(server, email)
        return email

    def consume(email: str, ticks: int) -> None:
        with database.use() as server, PostgresFunctions(Secret(server.url("authenticator"))) as functions:
            caller = SignedInUser(accounts.open_session(server, email).claims, Secret("of no use here"))
            functions.call("consume_ticks", charge(ticks), caller=caller)

    return Way("local", ("--backend", "local"), {}, "postgres", None, add_user, consume)


@dataclass
class Operator:
    """Runs commands in one way."""

    way: Way
    run: Tickctl
    email: str

    def __call__(self, *command: str, stdin: str = "") -> Result:
        """Run a command that answers in JSON, whatever comes of it."""
        return self.run(*command, *self.way.options, "--json", stdin=stdin, env=self.way.env)


@pytest.fixture
def operator(way: Way, tickctl: Tickctl) -> Operator:
    """An operator, and a fresh user for the test."""
    return Operator(way, tickctl, way.add_user())


def today(email: str, **changes: object) -> dict[str, object]:
    """Return what is answered of a fresh user, but for the id."""
    date = datetime.now(UTC).date()
    fresh = {
        "email": email,
        "email_confirmed": True,
        "daily_tick_limit": 32,
        "usage_date": date.isoformat(),
        "ticks_used": 0,
        "ticks_granted": 0,
        "ticks_remaining": 32,
        "resets_at": f"{date + timedelta(days=1)}T00:00:00Z",
        "time_zone": "UTC",
    }
    return fresh | changes


def without_id(answer: Mapping[str, object]) -> dict[str, object]:
    """Return an answer without the user's id, which must be one."""
    assert uuid.UUID(str(answer["user_id"]))
    return {name: value for name, value in answer.items() if name != "user_id"}


def test_limits_are_set_and_shown(operator: Operator) -> None:
    """With what was before, without overwriting what somebody else set; and the log tells who proved to be what."""
    email = operator.email
    assert without_id(operator("quota", "show", email.upper()).json) == today(email)
    changed = today(email, daily_tick_limit=50, ticks_remaining=50, previous=32)
    assert without_id(operator("quota", "set", email, "50", "--reason", "beta tester").json) == changed
    conflict = operator("quota", "set", email, "60", "--expect", "32")
    assert (conflict.code, conflict.error["code"], conflict.out) == (7, "conflict", "")
    tried = today(email, daily_tick_limit=60, ticks_remaining=60, previous=50)
    assert without_id(operator("quota", "set", email, "60", "--dry-run").json) == tried
    assert operator("quota", "show", email).json["daily_tick_limit"] == 50
    (entry,) = operator("quota", "audit-log", "--user", email).json["entries"]
    assert (entry["action"], entry["reason"]) == ("set_limit", "beta tester")
    assert (entry["before"], entry["after"]) == ({"daily_tick_limit": 32}, {"daily_tick_limit": 50})
    assert (entry["actor"], entry["actor_id"]) == (operator.way.actor, operator.way.actor_id)
    assert "@" in entry["operator"]


def test_ticks_are_granted_and_forgotten(operator: Operator) -> None:
    """Of today, as the user has used it."""
    email = operator.email
    operator.way.consume(email, 7)
    granted = today(email, ticks_used=7, ticks_granted=5, ticks_remaining=30)
    assert without_id(operator("quota", "grant", email, "5").json) == granted
    top = operator("quota", "top", "--limit", "1000").json["users"]
    assert [entry["ticks_used"] for entry in top if entry["email"] == email] == [7]
    days = operator("quota", "history", email, "--days", "2").json["days"]
    assert [(day["ticks_used"], day["ticks_granted"], day["charges"]) for day in days] == [(0, 0, 0), (7, 5, 1)]
    forgotten = today(email, ticks_granted=5, ticks_remaining=37)
    assert without_id(operator("quota", "reset", email, "--yes").json) == forgotten


def test_lists_are_the_same(operator: Operator) -> None:
    """Searched and in pages; users and their quotas."""
    (listed,) = operator("quota", "list", "--search", operator.email).json["users"]
    (seen,) = operator("users", "list", "--search", operator.email).json["users"]
    assert listed == seen
    assert {name: seen[name] for name in today("")} == today(operator.email)
    assert (seen["sessions"], seen["last_sign_in_at"], seen["banned_until"], seen["is_anonymous"]) == (
        0,
        None,
        None,
        False,
    )
    first = operator("quota", "list", "--limit", "1").json
    second = operator("quota", "list", "--limit", "1", "--after", first["next"]).json
    assert first["users"][0]["email"] < second["users"][0]["email"]


def test_files_come_and_go(operator: Operator) -> None:
    """A file with an unknown user in it changes nothing."""
    email = operator.email
    header = "email,daily_tick_limit\n"
    written = operator("quota", "import", "-", "--yes", stdin=f"{header}{email},77\n")
    assert (written.code, written.json["changed"]) == (0, 1)
    unknown = operator("quota", "import", "-", "--yes", stdin=f"{header}{email},5\n{UNKNOWN},5\n")
    assert (unknown.code, unknown.out) == (2, "")
    exported = operator.run("quota", "export", *operator.way.options, env=operator.way.env)
    (row,) = [row for row in csv.DictReader(io.StringIO(exported.out)) if row["email"] == email]
    assert (row["daily_tick_limit"], row["ticks_used"], row["ticks_remaining"]) == ("77", "0", "77")


def test_administrators_are_made_by_those_who_are_more_than_that(operator: Operator) -> None:
    """A stolen token must not make itself permanent."""
    added = operator("admin", "add", operator.email)
    listed = {each["email"] for each in operator("admin", "list").json["administrators"]}
    removed = operator("admin", "remove", operator.email, "--yes")
    if operator.way.actor_id is None:
        assert (added.json["changed"], removed.json["changed"], operator.email in listed) == (True, True, True)
    else:
        assert (added.code, removed.code, operator.email in listed) == (4, 4, False)


@pytest.mark.parametrize("command", [("quota", "show"), ("users", "show")], ids=" ".join)
def test_unknown_users_are_not_found(way: Way, tickctl: Tickctl, command: tuple[str, ...]) -> None:
    """And nothing is answered."""
    result = tickctl(*command, UNKNOWN, *way.options, "--json", env=way.env)
    assert (result.code, result.error["code"], result.out) == (6, "not_found", "")


# Where there is no answer


@pytest.fixture
def refused_env(way: Way, project: Project, home: Path, tmp_path: Path) -> dict[str, str]:
    """Credentials of the same kind, of somebody who is no administrator."""
    nobody = project.new_user()
    match way.name:
        case "database":
            return {"SUPABASE_DB_URL": way.env["SUPABASE_DB_URL"].replace("postgres@", "of_nobody@", 1)}
        case "secret-key":
            return {"SUPABASE_SECRET_KEY": "sb_secret_of_another_project_0123456789"}
        case "admin":
            return {"TICKCTL_ADMIN_TOKEN": project.token(nobody)}
        case "login":
            return _signed_in(way.env, nobody, home, tmp_path)
        case _:
            pytest.skip("whoever may open the folder is an administrator")


def test_refused_credentials_are_told_apart(way: Way, tickctl: Tickctl, refused_env: dict[str, str]) -> None:
    """Exit code 4, whoever refuses."""
    result = tickctl("quota", "show", UNKNOWN, *way.options, "--json", env={**way.env, **refused_env})
    assert (result.code, result.error["code"], result.out) == (4, "credentials_refused", "")
    for name, value in refused_env.items():
        assert value not in result.err or name in {"SUPABASE_URL", "HOME"}


@pytest.fixture
def trouble(way: Way, project: Project) -> Iterator[dict[str, str]]:
    """Nobody answers, or somebody else does."""
    match way.name:
        case "local":
            pytest.skip("it is started when it is needed")
        case "database":
            yield {"SUPABASE_DB_URL": "postgresql://postgres:secret@127.0.0.1:1/postgres"}
        case _:
            if not isinstance(project, StandIn):
                pytest.skip("a real project has no trouble on request")
            with project.faults.troubled(Fault(json_answer(503, {"message": "name resolution failed"})), "/rest/v1"):
                yield {}


def test_servers_that_are_away_are_a_cannot_tell(way: Way, tickctl: Tickctl, trouble: dict[str, str]) -> None:
    """Exit code 5: neither a yes nor a no."""
    result = tickctl("quota", "show", UNKNOWN, *way.options, "--json", env={**way.env, **trouble})
    assert (result.code, result.error["code"], result.out) == (5, "unreachable", "")
    assert json.loads(result.err.splitlines()[-1])["error"]["hint"]


def test_an_unreachable_project_is_explained_in_the_same_words(tickctl: Tickctl) -> None:
    """Whichever of its servers a command asks."""
    token = jwt.encode({"sub": "x"}, ec.generate_private_key(ec.SECP256R1()), "ES256", headers={"kid": "k"})
    env = {"SUPABASE_URL": "http://127.0.0.1:1", "SUPABASE_ANON_KEY": "sb_publishable_x", "SUPABASE_SECRET_KEY": SECRET}
    quotas = tickctl("quota", "list", "--json", env=env)
    verified = tickctl("verify-token", "-", "--json", stdin=token, env=env)
    assert (quotas.code, verified.code) == (5, 5)
    problem = "127.0.0.1: nothing listens there"
    assert (quotas.error["message"], verified.json["message"]) == (
        problem,
        f"the project's signing keys can't be fetched: {problem}",
    )
    assert quotas.error["hint"] == verified.json["hint"]
