"""`tickctl users list|show|resend-confirmation`."""

import json
import uuid

import pytest

from cli_support import Tickctl
from standin import Project, StandIn

ACCOUNT = {"email_confirmed_at", "created_at", "last_sign_in_at", "banned_until", "is_anonymous", "sessions"}
QUOTA = {
    "user_id",
    "email",
    "email_confirmed",
    "daily_tick_limit",
    "usage_date",
    "ticks_used",
    "ticks_granted",
    "ticks_remaining",
    "resets_at",
    "time_zone",
}
SENT = {"user_id", "email", "email_confirmed", "sent", "dry_run"}


@pytest.fixture(scope="module")
def env(project: Project) -> dict[str, str]:
    """The quickest way to the project that also reaches its Auth server."""
    return project.settings_env("connection")


@pytest.fixture(scope="module")
def tag(project: Project) -> str:
    """What the addresses of these four users have in common: one of each kind, in the order of the list."""
    tag = uuid.uuid4().hex[:8]
    project.add_user(f"a-plain@{tag}.example")
    project.sign_in(f"a-plain@{tag}.example")
    project.sign_in(f"a-plain@{tag}.example")
    project.change_user(project.add_user(f"b-banned@{tag}.example"), ban_duration="24h")
    project.add_user(f"c-new@{tag}.example", confirmed=False)
    project.add_user(f"d-never@{tag}.example")
    return tag


def test_list_answers_with_the_documented_fields(tickctl: Tickctl, env: dict[str, str], tag: str) -> None:
    """What Auth knows and what the quota is, for each."""
    users = tickctl("users", "list", "--search", f"@{tag}", "--json", env=env).json["users"]
    assert [user["email"].split("@")[0] for user in users] == ["a-plain", "b-banned", "c-new", "d-never"]
    assert all(set(user) == QUOTA | ACCOUNT for user in users)
    assert [user["sessions"] for user in users] == [2, 0, 0, 0]
    assert [user["email_confirmed"] for user in users] == [True, True, False, True]
    assert [user["email_confirmed_at"] is not None for user in users] == [True, True, False, True]
    assert [user["banned_until"] is not None for user in users] == [False, True, False, False]
    assert [user["last_sign_in_at"] is not None for user in users] == [True, False, False, False]


@pytest.mark.parametrize(("option", "expected"), [("--unconfirmed", "c-new"), ("--banned", "b-banned")])
def test_filters_show_only_those(tickctl: Tickctl, env: dict[str, str], tag: str, option: str, expected: str) -> None:
    """One at a time."""
    users = tickctl("users", "list", option, "--search", f"@{tag}", "--json", env=env).json["users"]
    assert [user["email"] for user in users] == [f"{expected}@{tag}.example"]


def test_filters_exclude_each_other(tickctl: Tickctl, env: dict[str, str]) -> None:
    """Whether both or either was meant is not guessed."""
    result = tickctl("users", "list", "--unconfirmed", "--banned", env=env)
    assert result.code == 2


def test_pages_follow_each_other(tickctl: Tickctl, env: dict[str, str], tag: str) -> None:
    """By the cursor that each but the last one gives."""
    seen, after = [], []
    for _ in range(2):
        page = tickctl("users", "list", "--search", f"@{tag}", "--limit", "2", *after, "--json", env=env).json
        seen += [user["email"][0] for user in page["users"]]
        after = ["--after", page["next"]]
    assert (seen, page["next"]) == (["a", "b", "c", "d"], None)


def test_list_in_lines_is_one_document_each(tickctl: Tickctl, env: dict[str, str], tag: str) -> None:
    """For `| head` and `| jq`."""
    lines = tickctl("users", "list", "--search", f"@{tag}", "--ndjson", env=env).out.splitlines()
    assert [json.loads(line)["email"][0] for line in lines] == ["a", "b", "c", "d"]


def test_list_in_a_pipe_is_whole(tickctl: Tickctl, env: dict[str, str], tag: str) -> None:
    """Tab-separated, with a header and times to the second."""
    header, *rows = (
        line.split("\t") for line in tickctl("users", "list", "--search", f"@{tag}", env=env).out.splitlines()
    )
    first = dict(zip(header, rows[0], strict=True))
    assert first["email"] == f"a-plain@{tag}.example"
    assert (first["email_confirmed"], first["sessions"], first["banned_until"]) == ("yes", "2", "")
    assert first["last_sign_in_at"].endswith("Z")


def test_list_fits_a_terminal(terminal: Tickctl, env: dict[str, str], tag: str) -> None:
    """Of times, the day is enough there; bans are shown where there are any."""
    plain = terminal("users", "list", "--search", f"a-plain@{tag}", env=env | {"NO_COLOR": "1"}).out
    heading, _, row = plain.splitlines()
    assert heading.split() == ["email", "confirmed", "signed", "in", "sessions", "created"]
    assert row.split()[0] == f"a-plain@{tag}.example"
    assert row.split()[-2] == "2"
    everybody = terminal("users", "list", "--search", f"@{tag}", env=env | {"NO_COLOR": "1"}).out
    assert max(len(line) for line in everybody.splitlines()) <= 80
    assert "banned to" in everybody
    (new,) = [line for line in everybody.splitlines() if "c-new" in line]
    assert new.split()[1] == "no"


def test_show_is_the_same_user(tickctl: Tickctl, env: dict[str, str], tag: str) -> None:
    """By e-mail or by id; the fields are those of the list."""
    listed = tickctl("users", "list", "--banned", "--search", f"@{tag}", "--json", env=env).json["users"][0]
    by_email = tickctl("users", "show", f"B-Banned@{tag}.example", "--json", env=env).json
    assert by_email == listed
    assert tickctl("users", "show", listed["user_id"], "--json", env=env).json == listed
    assert f"email\t{listed['email']}" in tickctl("users", "show", listed["user_id"], env=env).out


def test_unknown_user_is_not_found(tickctl: Tickctl, env: dict[str, str], tag: str) -> None:
    """With near matches, for whatever is asked."""
    for command in ("show", "resend-confirmation"):
        result = tickctl("users", command, f"c-nwe@{tag}.example", env=env)
        assert result.code == 6
        assert f"c-new@{tag}.example" in result.err


def test_embedded_database_lists_its_users(tickctl: Tickctl, user: str) -> None:
    """They have accounts as well, if without passwords."""
    found = tickctl("users", "show", user, "--json").json
    assert set(found) == QUOTA | ACCOUNT
    assert found["email_confirmed"] is True


def test_confirmation_mail_is_sent_again(standin: StandIn, tickctl: Tickctl) -> None:
    """By Auth itself; the answer says to whom."""
    user_id = standin.add_user("new@example.com", confirmed=False)
    env = standin.settings_env("connection")
    planned = tickctl("users", "resend-confirmation", "new@example.com", "--dry-run", "--json", env=env)
    assert (planned.code, planned.json["sent"], planned.json["dry_run"]) == (0, False, True)
    assert standin.auth_server.mails.sent == []
    result = tickctl("users", "resend-confirmation", user_id, "--json", env=env)
    assert result.code == 0, result.err
    assert set(result.json) == SENT
    assert (result.json["email"], result.json["sent"]) == ("new@example.com", True)
    assert standin.auth_server.mails.sent == ["new@example.com"]
    assert standin.url in result.err
    again = tickctl("users", "resend-confirmation", user_id, env=env)
    assert again.code == 5
    assert "try again in" in again.err
    assert standin.auth_server.mails.sent == ["new@example.com"]


def test_confirmed_address_gets_no_mail(tickctl: Tickctl, env: dict[str, str], tag: str) -> None:
    """That is no error: what was wanted is so already."""
    result = tickctl("users", "resend-confirmation", f"a-plain@{tag}.example", "--json", env=env)
    assert (result.code, result.json["sent"], result.json["email_confirmed"]) == (0, False, True)
    assert "already" in result.err


def test_mail_is_asked_for_with_the_publishable_key(standin: StandIn, tickctl: Tickctl) -> None:
    """Nothing more is needed for it, so nothing more is shown."""
    standin.add_user("new@example.com", confirmed=False)
    tickctl("users", "resend-confirmation", "new@example.com", env=standin.settings_env("secret-key"))
    (asked,) = [request for request in standin.faults.requests if request.path == "/auth/v1/resend"]
    assert asked.headers["apikey"] == standin.anon_key
    assert "authorization" not in asked.headers


def test_embedded_database_sends_no_mail(tickctl: Tickctl, user: str) -> None:
    """There is no Auth server behind it."""
    result = tickctl("users", "resend-confirmation", user)
    assert result.code == 3
    assert "no mail" in result.err


@pytest.mark.parametrize("missing", ["SUPABASE_URL", "SUPABASE_ANON_KEY"])
def test_mail_needs_the_project_and_its_publishable_key(
    tickctl: Tickctl, env: dict[str, str], tag: str, missing: str
) -> None:
    """A connection string leads to no Auth server."""
    backend = ["--backend", "postgres"] if missing == "SUPABASE_URL" else []
    result = tickctl("users", "resend-confirmation", f"c-new@{tag}.example", *backend, env=env | {missing: ""})
    assert result.code == 3
    assert missing in result.err


def test_user_without_an_address_can_confirm_none(standin: StandIn, tickctl: Tickctl) -> None:
    """As users who signed up by phone."""
    user = standin.database.add_user(phone="15555550100")
    standin.database.change_user(user, email=None)
    result = tickctl("users", "resend-confirmation", user.id, env=standin.settings_env("connection"))
    assert result.code == 2
    assert "no e-mail" in result.err
