"""`tickctl quota list|history|top|audit-log`."""

import json
import uuid

import pytest

from cli_support import Tickctl


@pytest.fixture
def team(tickctl: Tickctl) -> list[str]:
    """Three users who share a made-up domain: one unlimited, one blocked, one as they come."""
    domain = f"{uuid.uuid4().hex[:12]}.example"
    emails = [f"{name}@{domain}" for name in ("ann", "ben", "cat")]
    for email, confirmed in zip(emails, (True, True, False), strict=True):
        assert tickctl("local", "add-user", email, *([] if confirmed else ["--unconfirmed"])).code == 0
    tickctl("quota", "set", emails[0], "unlimited")
    tickctl("quota", "set", emails[1], "0")
    return emails


def use(tickctl: Tickctl, user: str, ticks: int) -> None:
    """Write down that a user consumed ticks today."""
    result = tickctl(
        "local",
        "psql",
        "--",
        "-qc",
        "insert into public.user_daily_usage (user_id, usage_date, ticks_used)"
        f" select id, (now() at time zone 'UTC')::date, {ticks} from auth.users where email = '{user}'",
    )
    assert result.code == 0, result.err


def domain_of(team: list[str]) -> str:
    """Return what only this team's addresses contain."""
    return team[0].split("@")[1]


def test_list_pages_through_everybody_once(tickctl: Tickctl, team: list[str]) -> None:
    """The cursor of one page is the start of the next."""
    found, after = [], []
    for _ in range(3):
        page = tickctl("quota", "list", "--search", domain_of(team), "--limit", "1", "--json", *after).json
        found += [user["email"] for user in page["users"]]
        after = ["--after", str(page["next"])]
    assert found == team
    assert page["next"] is None


@pytest.mark.parametrize(
    ("flag", "index"), [("--unlimited", 0), ("--blocked", 1), ("--exhausted", 1), ("--unconfirmed", 2)]
)
def test_list_filters(tickctl: Tickctl, team: list[str], flag: str, index: int) -> None:
    """Who has no limit, who is blocked, who has nothing left."""
    page = tickctl("quota", "list", flag, "--search", domain_of(team), "--json").json
    assert [user["email"] for user in page["users"]] == [team[index]]


def test_list_search_takes_wildcards_literally(tickctl: Tickctl, team: list[str]) -> None:
    """A per cent sign is not everybody."""
    assert tickctl("quota", "list", "--search", f"%{domain_of(team)}", "--json").json["users"] == []


def test_list_filters_exclude_each_other(tickctl: Tickctl) -> None:
    """What would the answer be?"""
    assert tickctl("quota", "list", "--exhausted", "--unlimited").code == 2


@pytest.mark.parametrize("cursor", ["x", "", "eyJ", "ééé", "a" * 3000])
def test_bad_cursor_is_wrong_usage(tickctl: Tickctl, cursor: str) -> None:
    """A cursor that was not given out is refused, not guessed at."""
    assert tickctl("quota", "list", "--after", cursor).code == 2
    assert tickctl("quota", "audit-log", "--after", cursor).code == 2


def test_list_in_a_pipe_is_tab_separated_and_whole(tickctl: Tickctl, team: list[str]) -> None:
    """Cut and awk see every column and nothing is shortened."""
    header, *rows = tickctl("quota", "list", "--search", domain_of(team)).out.splitlines()
    names = header.split("\t")
    assert [dict(zip(names, row.split("\t"), strict=True))["email"] for row in rows] == team


def test_an_empty_list_in_a_pipe_has_the_same_header(tickctl: Tickctl, team: list[str]) -> None:
    """What reads the columns by name finds them, and nobody in them."""
    header = tickctl("quota", "list", "--search", domain_of(team)).out.splitlines()[0]
    assert tickctl("quota", "list", "--search", f"no{domain_of(team)}").out.splitlines() == [header]


def test_the_log_says_who_was_made_an_administrator(tickctl: Tickctl, terminal: Tickctl, user: str) -> None:
    """In words, as the other changes."""
    assert tickctl("admin", "add", user).code == 0
    assert "administrator no -> yes" in terminal("quota", "audit-log", "--user", user).out
    tickctl("admin", "remove", user, "--yes")


def test_list_as_ndjson_is_one_document_a_line(tickctl: Tickctl, team: list[str]) -> None:
    """Streams are read line by line."""
    lines = tickctl("quota", "list", "--search", domain_of(team), "--ndjson").out.splitlines()
    assert [json.loads(line)["email"] for line in lines] == team


def test_list_on_a_terminal_fits_80_columns(terminal: Tickctl, team: list[str]) -> None:
    """A table for people, with a word for no limit."""
    result = terminal("quota", "list", "--search", domain_of(team), env={"NO_COLOR": "1"})
    assert [line for line in result.out.splitlines() if len(line) > 80 and "nothing is configured" not in line] == []
    assert "unlimited" in result.out
    assert "\033[3" not in result.out


def test_history_shows_every_day_as_a_bar(tickctl: Tickctl, terminal: Tickctl, user: str) -> None:
    """Days without usage are days too."""
    days = tickctl("quota", "history", user, "--days", "5", "--json").json["days"]
    assert len(days) == 5
    assert days == sorted(days, key=lambda day: day["usage_date"])
    assert set(days[0]) == {"usage_date", "ticks_used", "ticks_granted", "charges"}
    use(tickctl, user, 16)
    last = [line for line in terminal("quota", "history", user, "--days", "5").out.splitlines() if line][-2]
    assert last.startswith(days[4]["usage_date"])
    assert "█" in last
    assert last.endswith("16")


@pytest.mark.parametrize("days", ["0", "-1", "367", "x"])
def test_odd_numbers_of_days_are_wrong_usage(tickctl: Tickctl, user: str, days: str) -> None:
    """A year and a day is the most."""
    assert tickctl("quota", "history", user, "--days", days).code == 2


def test_top_names_who_consumed_most(tickctl: Tickctl, user: str) -> None:
    """The largest consumer comes first."""
    use(tickctl, user, 900000)
    best = tickctl("quota", "top", "--limit", "1", "--json").json["users"][0]
    assert (best["email"], best["ticks_used"]) == (user, 900000)
    tickctl("quota", "reset", user, "--yes")


def test_audit_log_pages_from_new_to_old(tickctl: Tickctl, user: str) -> None:
    """Newest first, and the cursor goes back in time."""
    for limit in ("1", "2", "3"):
        tickctl("quota", "set", user, limit)
    first = tickctl("quota", "audit-log", "--user", user, "--limit", "2", "--json").json
    rest = tickctl("quota", "audit-log", "--user", user, "--after", first["next"], "--json").json
    limits = [entry["after"]["daily_tick_limit"] for entry in first["entries"] + rest["entries"]]
    assert limits == [3, 2, 1]
    assert rest["next"] is None


def test_setting_the_same_limit_again_leaves_no_trace(tickctl: Tickctl, user: str) -> None:
    """The log holds changes."""
    tickctl("quota", "set", user, "32")
    assert tickctl("quota", "audit-log", "--user", user, "--json").json["entries"] == []
