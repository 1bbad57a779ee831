"""`tickctl verify-token` for tokens that a project issued, with its published keys and its Auth server."""

from collections.abc import Callable, Iterator

import pytest

from cli_support import Tickctl
from quota_support import Database
from standin import ProjectKeys, StandIn, standing_in

Event = Callable[[StandIn, str, str], None]


@pytest.fixture(scope="module")
def asymmetric(shared_database: Database) -> Iterator[StandIn]:
    """A project that signs with the new kind of keys and publishes them."""
    with standing_in(shared_database, keys=ProjectKeys("ES256")) as project:
        yield project


def ban(project: StandIn, email: str, token: str) -> None:
    """Ban the user."""
    project.change_user(project.id_of(email), ban_duration="24h")


def delete(project: StandIn, email: str, token: str) -> None:
    """Delete the user."""
    project.auth("DELETE", f"/admin/users/{project.id_of(email)}", key=project.secret_key)


def sign_out(project: StandIn, email: str, token: str) -> None:
    """End the session."""
    project.auth("POST", "/logout?scope=local", token=token)


def nothing(project: StandIn, email: str, token: str) -> None:
    """Leave everything as it is."""


@pytest.mark.parametrize(
    ("happens", "reason"),
    [(nothing, "valid"), (ban, "user_banned"), (delete, "user_deleted"), (sign_out, "session_revoked")],
)
def test_the_account_decides(asymmetric: StandIn, tickctl: Tickctl, happens: Event, reason: str) -> None:
    """A token outlives what happens to its user; the Auth server knows."""
    email = asymmetric.new_user()
    token = asymmetric.token(email)
    happens(asymmetric, email, token)
    result = tickctl("verify-token", "-", "--json", stdin=token, env=asymmetric.settings_env("publishable"))
    verdict = result.json
    assert (verdict["reason"], result.code) == (reason, 0 if reason == "valid" else 1)
    assert (verdict["algorithm"], verdict["key_id"]) == ("ES256", asymmetric.keys.key_id)
    if reason == "valid":
        assert (verdict["email"], verdict["confirmation_source"], verdict["not_checked"]) == (email, "auth-server", [])


def test_token_of_another_project_is_refused(asymmetric: StandIn, standin: StandIn, tickctl: Tickctl) -> None:
    """Signed in order, but not here."""
    token = standin.token(standin.new_user())
    env = asymmetric.settings_env("publishable") | {"SUPABASE_JWT_SECRET": standin.jwt_secret}
    result = tickctl("verify-token", "-", "--json", stdin=token, env=env)
    assert (result.json["reason"], result.code) == ("wrong_issuer", 1)
