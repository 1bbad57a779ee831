"""Who stands on which list of users, whatever happened since they were put there."""

from datetime import UTC, datetime, timedelta

import pytest

from quota_support import Clock, Database, User
from tickctl.core.quota import Decision, QuotaAdmin, ServiceRole, UserFilter, consume, settle

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def listed(admin: QuotaAdmin, kind: UserFilter = UserFilter.ALL) -> list[str]:
    """Return the ids on a list."""
    return [user.quota.user_id for user in admin.list(kind, limit=100).items]


def exhaust(database: Database, user: User, ticks: int = 32) -> str:
    """Let a user use up the day, and return the charge."""
    answer = consume(database.functions(), user.caller, ticks)
    assert (answer.decision, answer.ticks_remaining) == (Decision.GRANTED, 0)
    assert answer.charge_id is not None
    return answer.charge_id


@pytest.mark.parametrize("relief", ["grant", "higher limit", "no limit", "reset", "settlement", "midnight"])
def test_who_has_ticks_again_is_not_exhausted(database: Database, clock: Clock, relief: str) -> None:
    """Whatever gave them back; and who comes to the end again is there again, once."""
    user, admin = database.add_user(), database.admin()
    charge = exhaust(database, user)
    assert listed(admin, UserFilter.EXHAUSTED) == [user.id]
    again = 32
    match relief:
        case "grant":
            again = admin.grant(user.id, 5).ticks_granted
        case "higher limit":
            admin.set_limit(user.id, 40)
            again = 8
        case "no limit":
            admin.set_limit(user.id, None)
        case "reset":
            admin.reset(user.id)
        case "settlement":
            settle(database.functions(), ServiceRole(), charge, 30)
            again = 2
        case "midnight":
            clock.set(NOON + timedelta(days=1))
    assert listed(admin, UserFilter.EXHAUSTED) == []
    if relief != "no limit":
        exhaust(database, user, again)
        assert listed(admin, UserFilter.EXHAUSTED) == [user.id]


def test_who_never_had_the_ticks_is_exhausted_too(database: Database) -> None:
    """A limit lowered to what is used, or below; by hand as well as by command."""
    one, two, admin = database.add_user("a@example.com"), database.add_user("b@example.com"), database.admin()
    for user in (one, two):
        consume(database.functions(), user.caller, 10)
    assert listed(admin, UserFilter.EXHAUSTED) == []
    admin.set_limit(one.id, 10)
    with database.owner() as connection:
        connection.execute("update public.profiles set daily_tick_limit = 3 where user_id = %s", [two.id])
    assert listed(admin, UserFilter.EXHAUSTED) == [one.id, two.id]
    admin.set_limit(two.id, 0)
    assert listed(admin, UserFilter.EXHAUSTED) == [one.id, two.id]
    admin.set_limit(two.id, 4)
    assert listed(admin, UserFilter.EXHAUSTED) == [one.id, two.id]
    for limit in (None, 10):
        admin.set_limit(one.id, limit)
    assert listed(admin, UserFilter.EXHAUSTED) == [one.id, two.id]
    admin.set_limit(one.id, 11)
    admin.set_limit(two.id, 11)
    assert listed(admin, UserFilter.EXHAUSTED) == []


def test_the_exhausted_and_the_blocked_are_one_list(database: Database) -> None:
    """In one order, over any number of pages."""
    users = [database.add_user(f"{name}@example.com", limit=0 if name in "bd" else 5) for name in "abcde"]
    for user in users[::2]:
        exhaust(database, user, 5)
    admin, seen, after = database.admin(), [], None
    for _ in users:
        page = admin.list(UserFilter.EXHAUSTED, limit=1, after=after)
        seen += [user.quota.user_id for user in page.items]
        after = page.next
    assert (seen, after) == ([user.id for user in users], None)


def test_confirming_an_email_leaves_the_list(database: Database) -> None:
    """And a change of the address, which Supabase Auth wants confirmed anew, comes back to it, in its new place."""
    user, other = (
        database.add_user("b@example.com", confirmed=False),
        database.add_user("c@example.com", confirmed=False),
    )
    phone = database.add_user(confirmed=False)
    database.change_user(phone, email=None)
    admin = database.admin()
    assert listed(admin, UserFilter.UNCONFIRMED) == [user.id, other.id, phone.id]
    database.change_user(user, email_confirmed_at=NOON)
    assert listed(admin, UserFilter.UNCONFIRMED) == [other.id, phone.id]
    database.change_user(user, email="d@example.com", email_confirmed_at=None)
    assert listed(admin, UserFilter.UNCONFIRMED) == [other.id, user.id, phone.id]


def test_a_ban_ends_by_itself_or_by_hand(database: Database, clock: Clock) -> None:
    """The list is of those who are banned now."""
    user, other = database.add_user("a@example.com"), database.add_user("b@example.com")
    admin = database.admin()
    for banned in (user, other):
        database.change_user(banned, banned_until=NOON + timedelta(hours=1))
    assert listed(admin, UserFilter.BANNED) == [user.id, other.id]
    database.change_user(other, banned_until=None)
    assert listed(admin, UserFilter.BANNED) == [user.id]
    clock.set(NOON + timedelta(hours=1))
    assert listed(admin, UserFilter.BANNED) == []


@pytest.mark.parametrize("kind", list(UserFilter))
def test_the_deleted_are_on_no_list(database: Database, kind: UserFilter) -> None:
    """Supabase Auth keeps their rows when it is told to; one that comes back is listed as before."""
    limit = {UserFilter.UNLIMITED: None, UserFilter.BLOCKED: 0}.get(kind, 32)
    user = database.add_user(confirmed=False, banned_until="infinity", limit=limit)
    if kind is UserFilter.EXHAUSTED:
        with database.owner() as connection:
            connection.execute(
                "insert into public.user_daily_usage (user_id, usage_date, ticks_used)"
                " select %s, usage_date, 32 from tick.today",
                [user.id],
            )
    admin = database.admin()
    assert listed(admin, kind) == [user.id]
    database.change_user(user, deleted_at=NOON)
    assert listed(admin, kind) == []
    database.change_user(user, deleted_at=None)
    assert listed(admin, kind) == [user.id]


def test_a_list_goes_on_where_it_ended_though_the_email_changed(database: Database) -> None:
    """Whoever moves between two pages is not a reason to leave others out."""
    users = [database.add_user(f"{name}@example.com") for name in "abc"]
    admin = database.admin()
    first = admin.list(limit=1)
    database.change_user(users[0], email="z@example.com")
    rest = admin.list(limit=10, after=first.next)
    assert [user.quota.user_id for user in rest.items] == [users[1].id, users[2].id, users[0].id]


def test_a_user_without_a_profile_is_on_the_list(database: Database) -> None:
    """With the default limit: lists are of users, not of profiles."""
    user, admin = database.add_user("ada@example.com"), database.admin()
    database.run("delete from public.profiles")
    assert listed(admin) == [user.id]
    assert admin.show("ada@example.com").daily_tick_limit == 32
