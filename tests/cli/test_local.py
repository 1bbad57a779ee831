"""`tickctl local`: the embedded database from the command line."""

import stat
import uuid
from pathlib import Path

import jwt
import pytest

from cli_support import Tickctl


@pytest.fixture
def own(tmp_path: Path) -> dict[str, str]:
    """The environment for a database of this test alone."""
    return {"TICKCTL_HOME": str(tmp_path / "own")}


def test_status_says_no_with_exit_code_1_where_nothing_runs(tickctl: Tickctl, own: dict[str, str]) -> None:
    """A script can ask, and asking makes nothing."""
    result = tickctl("local", "status", "--json", env=own)
    assert result.code == 1
    assert result.json["running"] is False
    assert not Path(own["TICKCTL_HOME"]).exists()


def test_status_of_the_running_database(tickctl: Tickctl, home: Path) -> None:
    """Where it is and since when."""
    status = tickctl("local", "status", "--json").json
    assert (status["running"], status["kept"], status["home"]) == (True, True, str(home))
    assert status["size_bytes"] > 0
    assert status["started_at"].endswith("Z")


def test_data_outlives_the_server_and_reset_removes_it(tickctl: Tickctl, own: dict[str, str]) -> None:
    """Each command starts and stops the database by itself; only reset forgets."""
    assert tickctl("local", "add-user", "a@example.com", env=own).code == 0
    assert tickctl("local", "status", env=own).code == 1
    assert tickctl("quota", "show", "A@EXAMPLE.COM", env=own).code == 0
    assert tickctl("local", "reset", env=own).code == 2
    assert tickctl("local", "reset", "--dry-run", env=own).code == 0
    assert tickctl("quota", "show", "a@example.com", env=own).code == 0
    assert tickctl("local", "reset", "--yes", env=own).code == 0
    assert tickctl("quota", "show", "a@example.com", env=own).code == 6
    assert tickctl("local", "reset", "--yes", env=own).code == 0


def test_reset_leaves_what_is_not_its_own(tickctl: Tickctl, tmp_path: Path) -> None:
    """TICKCTL_HOME pointing at the wrong folder must not cost somebody their files."""
    (tmp_path / "thesis.txt").write_text("years of work")
    for command in (["local", "reset", "--yes"], ["local", "start"], ["quota", "list"]):
        result = tickctl(*command, env={"TICKCTL_HOME": str(tmp_path)})
        assert result.code == 3, result.err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_added_user_twice_is_a_conflict(tickctl: Tickctl, user: str) -> None:
    """Whatever the case of the letters."""
    assert tickctl("local", "add-user", user.upper()).code == 7


def test_added_user_can_be_tried_out_first(tickctl: Tickctl) -> None:
    """A dry run finds what the real one would, and adds nobody."""
    email = f"{uuid.uuid4().hex[:12]}@example.com"
    tried = tickctl("local", "add-user", email, "--dry-run", "--json")
    assert (tried.code, tried.json["user_id"], tried.json["email"]) == (0, None, email)
    assert tickctl("local", "add-user", email).code == 0
    assert tickctl("local", "add-user", email, "--dry-run").code == 7


@pytest.mark.parametrize(
    "email", ["", "x", "a@b", "a b@example.com", "a@exa mple.com", "a@exam\nple.com", "@example.com"]
)
def test_what_is_no_email_is_wrong_usage(tickctl: Tickctl, email: str) -> None:
    """Nothing is stored under a name that nobody can type again."""
    assert tickctl("local", "add-user", "--", email).code == 2


def test_token_is_one_line_and_of_this_folder_only(tickctl: Tickctl, own: dict[str, str], user: str) -> None:
    """Another folder has another secret."""
    token = tickctl("local", "token", user).out
    assert token.count("\n") == 1
    claims = jwt.decode(token.strip(), options={"verify_signature": False})
    assert claims["email"] == user
    assert tickctl("local", "token", user, "--json").json["token"].count(".") == 2
    result = tickctl("verify-token", "-", "--json", stdin=token, env=own)
    assert (result.code, result.json["reason"]) == (1, "bad_signature")


def test_token_of_nobody_is_not_found(tickctl: Tickctl) -> None:
    """Only users have tokens."""
    assert tickctl("local", "token", f"{uuid.uuid4().hex}@example.com").code == 6


def test_secret_of_the_folder_is_private(tickctl: Tickctl, home: Path, token: str) -> None:
    """It signs tokens; nobody else may read it."""
    assert token
    assert stat.S_IMODE((home / "jwt-secret").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_psql_passes_arguments_and_its_exit_code_on(tickctl: Tickctl) -> None:
    """It is psql, just connected."""
    assert tickctl("local", "psql", "--", "-Atc", "select 6 * 7").out == "42\n"
    assert tickctl("local", "psql", "--", "-vON_ERROR_STOP=1", "-c", "select 1/0").code == 1
    assert tickctl("local", "psql", "-U", "authenticator", "--", "-Atc", "select current_user").out == "authenticator\n"


def test_psql_opens_this_database_whatever_the_shell_says(tickctl: Tickctl) -> None:
    """PGSERVICE and its kind must not lead elsewhere."""
    env = {"PGSERVICE": "production", "PGHOSTADDR": "192.0.2.1", "PGDATABASE": "other"}
    assert tickctl("local", "psql", "--", "-Atc", "select current_database()", env=env).out == "postgres\n"


def test_users_of_the_api_can_only_read_their_own_rows(tickctl: Tickctl, user: str) -> None:
    """The embedded database has the production policies."""
    sql = "set role authenticated; update public.profiles set daily_tick_limit = 9"
    result = tickctl("local", "psql", "-U", "authenticator", "--", "-c", sql)
    assert "permission denied" in result.err
    assert tickctl("quota", "show", user, "--json").json["daily_tick_limit"] == 32
