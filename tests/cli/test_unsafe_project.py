"""A project with hand-made, unsafe tables becomes a safe one, as its users and its operator see it through the API."""

import uuid
from collections.abc import Iterator

import pytest

from cli_support import Tickctl
from quota_support import Database
from schema_support import HAND_MADE
from standin import PASSWORD, Refused, StandIn, standing_in

ADA, BOB = "ada@example.com", "bob@example.com"


@pytest.fixture
def unsafe(bare_database: Database) -> Iterator[StandIn]:
    """Two users who have used the service for a day, and its tables as somebody made them by hand."""
    bare_database.run(HAND_MADE)
    with standing_in(bare_database) as project:
        for email in (ADA, BOB):
            user_id = project.add_user(email)
            bare_database.run(
                f"update public.profiles set daily_tick_limit = 100 where id = '{user_id}';"
                # Two rows for one day, as two requests at once leave them.
                f"insert into public.user_daily_usage (user_id, ticks_used) values ('{user_id}', 5), ('{user_id}', 6)"
            )
        yield project


def rows_of(project: StandIn, email: str) -> tuple[dict[str, int], int]:
    """Return what a front end reads with the user's token: every limit by address, and the sum of all usage."""
    token = project.token(email)
    profiles = project.rest("GET", "/profiles?select=email,daily_tick_limit", token=token)
    usage = project.rest("GET", "/user_daily_usage?select=ticks_used", token=token)
    return {row["email"]: row["daily_tick_limit"] for row in profiles}, sum(row["ticks_used"] for row in usage)


def help_themselves(project: StandIn, email: str, limit: int) -> list[int]:
    """Try what anybody can type into a browser's console, and return the status of each refusal."""
    token, user_id = project.token(email), project.id_of(email)
    refusals = []
    for method, path, body in (
        ("PATCH", f"/profiles?id=eq.{user_id}", {"daily_tick_limit": limit}),
        ("PATCH", f"/user_daily_usage?user_id=eq.{user_id}", {"ticks_used": 0}),
        ("DELETE", f"/user_daily_usage?user_id=eq.{user_id}", None),
    ):
        try:
            project.rest(method, path, body, token=token)
        except Refused as refused:
            refusals.append(refused.status)
    return refusals


def test_unsafe_project_becomes_a_safe_one(unsafe: StandIn, tickctl: Tickctl) -> None:
    """Nothing is lost on the way, the API knows of it at once, and nobody can help themselves any more."""
    by_key, direct = unsafe.settings_env("secret-key"), unsafe.settings_env("connection")
    assert help_themselves(unsafe, BOB, 1_000_000) == []
    assert rows_of(unsafe, ADA) == ({ADA: 100, BOB: 1_000_000}, 11)
    # What the API's own cache doesn't know may be there all the same, so this is no certain no.
    assert tickctl("quota", "show", ADA, env=by_key).code == 5
    assert tickctl("schema", "check", env=direct).code == 1

    planned = tickctl("schema", "apply", "--dry-run", "--json", env=direct)
    assert (planned.code, planned.json["blockers"]) == (0, []), planned.err
    applied = tickctl("schema", "apply", "--yes", "--json", env=direct)
    assert (applied.code, applied.json["steps"]) == (0, planned.json["steps"]), applied.err

    checked = tickctl("schema", "check", env=direct)
    assert checked.code == 0, checked.out
    assert help_themselves(unsafe, BOB, 2_000_000) == [403, 403, 403]
    # Who sees which profile is the project's own business.
    assert rows_of(unsafe, ADA) == ({ADA: 100, BOB: 1_000_000}, 11)
    shown = tickctl("quota", "show", ADA, "--json", env=by_key).json
    assert (shown["daily_tick_limit"], shown["ticks_used"], shown["ticks_remaining"]) == (100, 11, 89)
    charge = {"ticks": 89, "charge_id": str(uuid.uuid4())}
    granted = unsafe.rest("POST", "/rpc/consume_ticks", charge, token=unsafe.token(ADA))
    assert (granted["decision"], granted["ticks_remaining"]) == ("granted", 0)
    signed_up = unsafe.auth("POST", "/signup", {"email": "eve@example.com", "password": PASSWORD})
    assert signed_up["email"] == "eve@example.com"
