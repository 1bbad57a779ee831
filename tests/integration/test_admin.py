"""What operators read and change, and who counts as one."""

import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from quota_support import Clock, Database, User
from tickctl.core.quota import (
    Decision,
    LimitOutcome,
    QuotaAdmin,
    ServiceRole,
    SettleOutcome,
    UserFilter,
    consume,
    settle,
)
from tickctl.errors import ConflictError, CredentialsRefusedError, InvalidInputError, NotFoundError, TickctlError

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_a_user_is_named_by_id_or_email_in_any_case(database: Database) -> None:
    """People paste either."""
    user = database.add_user("Ada@Example.com")
    admin = database.admin()
    assert admin.show(user.id.upper()) == admin.show("ada@example.COM") == admin.show("Ada@Example.com")
    assert admin.show(user.id).user_id == user.id


@pytest.mark.parametrize(
    "reference", ["", "nobody", "%", "_da@example.com", "f3abecf0-4f1b-4eb7-aefa-b058303994da", "'; drop table x; --"]
)
def test_an_unknown_user_is_not_found(database: Database, reference: str) -> None:
    """Nothing in a reference is a pattern."""
    database.add_user("ada@example.com")
    with pytest.raises(NotFoundError):
        database.admin().show(reference)


def test_a_mistyped_email_gets_near_matches(database: Database) -> None:
    """The three most similar, best first, and none that are not similar."""
    for name in ("alice", "alicia", "malice", "bob", "alice2"):
        database.add_user(f"{name}@example.com")
    with pytest.raises(NotFoundError) as caught:
        database.admin().show("alcie@example.com")
    assert caught.value.suggestions[0] == "alice@example.com"
    assert len(caught.value.suggestions) == 3
    assert "bob@example.com" not in caught.value.suggestions


def test_an_email_of_several_users_is_a_conflict(database: Database) -> None:
    """Single sign-on can give one address to several users; the id says which."""
    one = database.add_user("ada@example.com")
    database.add_user("ada@example.com", is_sso_user=True)
    with pytest.raises(ConflictError):
        database.admin().set_limit("ada@example.com", 5)
    assert database.admin().show(one.id).daily_tick_limit == 32
    assert database.admin().resolve(["ada@example.com"])[0].user_id is None


def test_a_deleted_user_is_found_by_id_only(database: Database) -> None:
    """A soft-deleted row must not stand in the way of a new account with the same address."""
    old = database.add_user("ada@example.com", is_sso_user=True, deleted_at=NOON)
    new = database.add_user("ada@example.com")
    admin = database.admin()
    assert admin.show("ada@example.com").user_id == new.id
    assert admin.show(old.id).user_id == old.id
    assert [user.quota.user_id for user in admin.list().items] == [new.id]


def test_a_limit_is_set_once_and_logged_once(database: Database) -> None:
    """Setting what is set already writes nothing."""
    user, admin = database.add_user(), database.admin()
    change = admin.set_limit(user.id, 100, reason="beta")
    assert (change.outcome, change.previous_limit, change.state.daily_tick_limit) == (LimitOutcome.CHANGED, 32, 100)
    again = admin.set_limit(user.id, 100, reason="again")
    assert (again.outcome, again.previous_limit) == (LimitOutcome.UNCHANGED, 100)
    (entry,) = admin.audit_log().items
    assert (entry.action, entry.actor, entry.actor_id) == ("set_limit", "service_role", None)
    assert (entry.operator, entry.reason) == ("tester@host", "beta")
    assert (entry.user_id, entry.email) == (user.id, user.email)
    assert (entry.before, entry.after) == ({"daily_tick_limit": 32}, {"daily_tick_limit": 100})


def test_a_limit_holds_from_the_next_request_on(database: Database) -> None:
    """No request writes a limit back; lowering below what is used leaves nothing, not less than nothing."""
    user, admin, functions = database.add_user(), database.admin(), database.functions()
    consume(functions, user.caller, 20)
    assert admin.set_limit(user.id, 10).state.ticks_remaining == 0
    assert consume(functions, user.caller, 1).decision is Decision.QUOTA_EXHAUSTED
    assert admin.set_limit(user.id, None).state.ticks_remaining is None
    assert consume(functions, user.caller, 1000).decision is Decision.GRANTED
    assert admin.show(user.id).daily_tick_limit is None


@pytest.mark.parametrize(("current", "expected"), [(32, 31), (32, None), (None, 32), (0, None)])
def test_a_limit_that_is_not_as_expected_is_left_alone(
    database: Database, current: int | None, expected: int | None
) -> None:
    """Whoever decided on an old value decides again; unlimited is a value like any other."""
    user, admin = database.add_user(limit=current), database.admin()
    logged = admin.audit_log().items
    change = admin.set_limit(user.id, 5, check_expected=True, expected_limit=expected)
    assert (change.outcome, change.previous_limit) == (LimitOutcome.CONFLICT, current)
    assert change.state.daily_tick_limit == current
    assert admin.audit_log().items == logged
    assert admin.set_limit(user.id, 5, check_expected=True, expected_limit=current).changed


@pytest.mark.parametrize("limit", [-1, 1_000_000_001, 2**31])
def test_a_limit_has_a_range(database: Database, limit: int) -> None:
    """Refused before anything is written."""
    user, admin = database.add_user(), database.admin()
    with pytest.raises(InvalidInputError):
        admin.set_limit(user.id, limit)
    with pytest.raises(InvalidInputError):
        admin.set_limits([(user.id, limit)])
    assert admin.show(user.id).daily_tick_limit == 32


def test_the_range_of_a_limit_ends_where_it_says(database: Database) -> None:
    """Both ends are inside."""
    user, admin = database.add_user(), database.admin()
    assert admin.set_limit(user.id, 1_000_000_000).changed
    assert admin.set_limit(user.id, 0).changed


def test_an_import_sets_all_or_nothing(database: Database) -> None:
    """One bad entry, and no limit of the chunk is changed."""
    one, two, admin = database.add_user(), database.add_user(), database.admin()
    with pytest.raises(InvalidInputError):
        admin.set_limits([(one.id, 1), (two.id, -1)])
    assert admin.show(one.id).daily_tick_limit == 32
    stranger = str(uuid.uuid4())
    results = {r.user_id: r for r in admin.set_limits([(one.id, 1), (two.id, 32), (stranger, 3)], reason="r")}
    assert results[one.id].changed
    assert results[one.id].previous_limit == 32
    assert results[two.id].outcome is LimitOutcome.UNCHANGED
    assert results[stranger].outcome is LimitOutcome.NOT_FOUND
    assert len(admin.audit_log().items) == 1


@pytest.mark.parametrize(
    "entries",
    [
        None,
        {},
        "text",
        [1],
        [None],
        [{}],
        [{"user_id": "00000000-0000-4000-8000-000000000001"}],
        [{"daily_tick_limit": 1}],
        [{"user_id": "x", "daily_tick_limit": 1}],
        [{"user_id": "00000000-0000-4000-8000-000000000001", "daily_tick_limit": 1.5}],
        [{"user_id": "00000000-0000-4000-8000-000000000001", "daily_tick_limit": "many"}],
        [{"user_id": "00000000-0000-4000-8000-00000000000a", "daily_tick_limit": 1}] * 2,
        [
            {"user_id": "00000000-0000-4000-8000-00000000000a", "daily_tick_limit": 1},
            {"user_id": "00000000-0000-4000-8000-00000000000A", "daily_tick_limit": 2},
        ],
        [{}] * 1001,
    ],
)
def test_an_import_that_is_not_well_formed_is_refused(database: Database, entries: object) -> None:
    """A limit that was left out, above all, must not become unlimited."""
    with pytest.raises(InvalidInputError):
        database.functions().call("tick_admin_set_limits", {"entries": entries}, caller=ServiceRole())


def test_references_are_resolved_in_their_order(database: Database) -> None:
    """Ids, e-mails and strangers, also twice the same."""
    ada, bob = database.add_user("ada@example.com"), database.add_user("bob@example.com", limit=None)
    given = ["nobody", bob.id, "ADA@example.com", bob.id.upper(), ""]
    found = database.admin().resolve(given)
    assert [user.user_ref for user in found] == given
    assert [user.user_id for user in found] == [None, bob.id, ada.id, bob.id, None]
    assert [user.daily_tick_limit for user in found] == [None, None, 32, None, None]
    assert database.admin().resolve([]) == ()


def test_a_grant_is_for_today(database: Database, clock: Clock) -> None:
    """It adds to today's allowance, adds up, and is gone tomorrow."""
    user, admin = database.add_user(), database.admin()
    assert admin.grant(user.id, 8).ticks_remaining == 40
    state = admin.grant(user.email or "", 2, reason="sorry")
    assert (state.ticks_granted, state.ticks_remaining) == (10, 42)
    assert consume(database.functions(), user.caller, 42).decision is Decision.GRANTED
    newest = admin.audit_log().items[0]
    assert newest.before == {"usage_date": "2026-11-23", "ticks_granted": 8}
    assert newest.after == {"usage_date": "2026-11-23", "ticks_granted": 10}
    clock.set(NOON + timedelta(days=1))
    assert admin.show(user.id).ticks_remaining == 32


@pytest.mark.parametrize("ticks", [0, -5, 1_000_000_001])
def test_a_grant_has_a_range(database: Database, ticks: int) -> None:
    """Nothing is taken away by granting."""
    user = database.add_user()
    with pytest.raises(InvalidInputError):
        database.admin().grant(user.id, ticks)


def test_a_reset_forgets_the_use_of_today(database: Database, clock: Clock) -> None:
    """Charges still add up to the use, a later settlement gives nothing back twice, grants and other days stay."""
    user, admin, functions = database.add_user(), database.admin(), database.functions()
    consume(functions, user.caller, 3)
    clock.set(NOON + timedelta(days=1))
    admin.grant(user.id, 5)
    consume(functions, user.caller, 4)
    charge = consume(functions, user.caller, 10).charge_id
    assert charge is not None
    state = admin.reset(user.id, reason="complaint")
    assert (state.ticks_used, state.ticks_granted, state.ticks_remaining) == (0, 5, 37)
    assert database.ledger(user) == {"2026-11-23": (3, 3), "2026-11-24": (0, 0)}
    consume(functions, user.caller, 1)
    assert settle(functions, ServiceRole(), charge, 0).outcome is SettleOutcome.ALREADY_SETTLED
    assert database.ledger(user)["2026-11-24"] == (1, 1)
    newest = admin.audit_log().items[0]
    assert (newest.action, newest.reason) == ("reset", "complaint")
    assert newest.before == {"usage_date": "2026-11-24", "ticks_used": 14}


def test_a_reset_of_nothing_writes_nothing(database: Database) -> None:
    """Neither the log nor a row of the day."""
    user, admin = database.add_user(), database.admin()
    assert admin.reset(user.id).ticks_used == 0
    assert admin.audit_log().items == ()


def test_a_list_pages_through_everybody_once(database: Database) -> None:
    """In the order of e-mails; users without one of their own come last, by id."""
    names = ["b", "a", "c", "d", "aa"]
    users = [database.add_user(f"{name}@example.com") for name in names]
    twins = [database.add_user("twin@example.com", is_sso_user=True) for _ in range(3)]
    phones = [database.add_user() for _ in range(2)]
    for phone in phones:
        database.change_user(phone, email=None)
    admin, seen, after = database.admin(), [], None
    while True:
        page = admin.list(limit=3, after=after)
        assert page.next is None or len(page.items) == 3
        seen += [user.quota.user_id for user in page.items]
        after = page.next
        if after is None:
            break
    by_name = {user.email: user.id for user in users}
    expected = [by_name[f"{name}@example.com"] for name in ["a", "aa", "b", "c", "d"]]
    assert seen == expected + sorted(user.id for user in (*phones, *twins))
    assert [user.quota.user_id for user in admin.list(limit=100).items] == seen
    assert admin.list(limit=len(seen)).next is None


def test_a_long_list_is_fetched_in_parts(database: Database) -> None:
    """One call of the function gives at most a thousand; a longer list is as easily asked for."""
    with database.superuser() as connection:
        connection.execute(
            "insert into auth.users (id, email) select gen_random_uuid(), 'u' || i || '@example.com'"
            " from generate_series(1, 2300) as i"
        )
    page = database.admin().list(limit=2100)
    assert len({user.quota.user_id for user in page.items}) == 2100
    assert len(database.admin().list(limit=2100, after=page.next).items) == 200


def test_a_list_can_be_filtered(database: Database, clock: Clock) -> None:
    """Exhausted includes the blocked: nobody of either can do anything today."""
    exhausted, unlimited, blocked = (database.add_user(f"{n}@example.com", limit=n) for n in (3, None, 0))
    database.add_user("free@example.com")
    unconfirmed = database.add_user("new@example.com", confirmed=False)
    banned = database.add_user("bad@example.com", banned_until=NOON + timedelta(seconds=1))
    database.add_user("was-bad@example.com", banned_until=NOON)
    consume(database.functions(), exhausted.caller, 3)
    admin = database.admin()
    ids = {kind: {user.quota.user_id for user in admin.list(kind).items} for kind in UserFilter}
    assert ids[UserFilter.EXHAUSTED] == {exhausted.id, blocked.id}
    assert ids[UserFilter.UNLIMITED] == {unlimited.id}
    assert ids[UserFilter.BLOCKED] == {blocked.id}
    assert ids[UserFilter.UNCONFIRMED] == {unconfirmed.id}
    assert ids[UserFilter.BANNED] == {banned.id}
    assert len(ids[UserFilter.ALL]) == 7


def test_a_list_and_an_overview_tell_of_the_account(database: Database, clock: Clock) -> None:
    """Times as Supabase Auth keeps them, and the sessions that have not ended."""
    early, late = NOON - timedelta(days=9), NOON - timedelta(hours=1)
    user = database.add_user("ada@example.com", created_at=early, last_sign_in_at=late, banned_until="infinity")
    with database.superuser() as connection:
        connection.execute(
            "insert into auth.sessions (id, user_id, not_after)"
            " select gen_random_uuid(), %s, t from unnest(array[%s, %s]::timestamptz[]) as t",
            [user.id, NOON, NOON + timedelta(seconds=1)],
        )
    admin = database.admin()
    overview = admin.overview("ADA@example.com")
    assert overview.quota == admin.show(user.id)
    assert (overview.created_at, overview.last_sign_in_at) == (early, late)
    assert overview.email_confirmed_at == datetime(2020, 1, 1, tzinfo=UTC)
    assert overview.banned_until == datetime(9999, 12, 31, tzinfo=UTC)
    assert (overview.is_anonymous, overview.sessions) == (False, 2)
    assert admin.list().items == (overview,)
    with pytest.raises(NotFoundError):
        admin.overview("nobody@example.com")


@pytest.mark.parametrize(
    ("search", "found"), [("ADA", 1), ("example.com", 3), ("%", 1), ("_", 1), ("\\", 1), ("zzz", 0)]
)
def test_a_search_is_taken_literally(database: Database, search: str, found: int) -> None:
    """`%` and `_` are characters of an e-mail like others."""
    for email in ("ada@example.com", "100%_sure@example.com", "back\\slash@example.com"):
        database.add_user(email)
    assert len(database.admin().list(search=search).items) == found


def test_history_shows_every_day(database: Database, clock: Clock) -> None:
    """Days on which nothing happened are there, too; the oldest comes first."""
    user, functions = database.add_user(), database.functions()
    consume(functions, user.caller, 3)
    consume(functions, user.caller, 4)
    clock.set(NOON + timedelta(days=2))
    database.admin().grant(user.id, 9)
    days = database.admin().history(user.id, 4)
    assert [(d.usage_date, d.ticks_used, d.ticks_granted, d.charges) for d in days] == [
        (date(2026, 11, 22), 0, 0, 0),
        (date(2026, 11, 23), 7, 0, 2),
        (date(2026, 11, 24), 0, 0, 0),
        (date(2026, 11, 25), 0, 9, 0),
    ]
    for wrong in (0, 367):
        with pytest.raises(InvalidInputError):
            database.admin().history(user.id, wrong)


def test_top_adds_up_days(database: Database, clock: Clock) -> None:
    """Who used most, over as many days as asked for; whoever used nothing is not on it."""
    one, two, functions = database.add_user(limit=50), database.add_user(), database.functions()
    database.add_user()
    consume(functions, one.caller, 20)
    clock.set(NOON + timedelta(days=1))
    consume(functions, one.caller, 1)
    consume(functions, two.caller, 5)
    admin = database.admin()
    assert [(e.user_id, e.ticks_used) for e in admin.top(1)] == [(two.id, 5), (one.id, 1)]
    assert [(e.user_id, e.ticks_used, e.daily_tick_limit) for e in admin.top(2, 1)] == [(one.id, 21, 50)]


def test_the_log_outlives_the_user(database: Database) -> None:
    """Found by the id, or by the e-mail that the user had."""
    user, admin = database.add_user("gone@example.com"), database.admin()
    admin.set_limit(user.id, 1)
    admin.set_limit(database.add_user().id, 2)
    with database.superuser() as connection:
        connection.execute("delete from auth.users where id = %s", [user.id])
    for reference in (user.id, user.id.upper(), "GONE@example.com"):
        assert [entry.user_id for entry in admin.audit_log(reference).items] == [user.id]
    for stranger in ("nobody@example.com", str(uuid.uuid4())):
        with pytest.raises(NotFoundError):
            admin.audit_log(stranger)


def test_the_log_pages_newest_first(database: Database) -> None:
    """Each entry once, over any number of pages; a user with no entries has an empty log."""
    user, other, admin = database.add_user(), database.add_user(), database.admin()
    for limit in range(5):
        admin.set_limit(user.id, limit)
    first = admin.audit_log(user.id, limit=3)
    rest = admin.audit_log(user.id, limit=3, after=first.next)
    assert [e.after["daily_tick_limit"] for e in (*first.items, *rest.items)] == [4, 3, 2, 1, 0]
    assert rest.next is None
    assert admin.audit_log(other.id).items == ()


@pytest.mark.parametrize(
    "statement",
    [
        "update tick.audit set reason = 'forged'",
        "delete from tick.audit",
        "delete from tick.audit where false",
        "truncate tick.audit",
        "truncate tick.audit restart identity cascade",
    ],
)
def test_the_log_is_only_added_to(database: Database, statement: str) -> None:
    """Not even its owner changes it by mistake."""
    user, admin = database.add_user(), database.admin()
    admin.set_limit(user.id, 1)
    with database.owner() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)
    assert len(admin.audit_log().items) == 1


def test_labels_have_their_lengths(database: Database) -> None:
    """What is too long for the log is refused, not cut off."""
    user, functions = database.add_user(), database.functions()
    with pytest.raises(InvalidInputError):
        QuotaAdmin(functions, "o" * 256).set_limit(user.id, 1)
    with pytest.raises(InvalidInputError):
        QuotaAdmin(functions, "o").grant(user.id, 1, reason="r" * 1001)
    assert QuotaAdmin(functions, "o" * 255).set_limit(user.id, 1, reason="r" * 1000).changed


def test_user_tells_what_verification_asks(database: Database, clock: Clock) -> None:
    """The live row of the user, and whether the session goes on."""
    user = database.add_user("ada@example.com", banned_until=NOON)
    admin = database.admin()
    record = admin.user("ADA@example.com", user.session_id)
    assert (record.user_id, record.email, record.is_anonymous) == (user.id, "ada@example.com", False)
    assert record.email_confirmed_at == datetime(2020, 1, 1, tzinfo=UTC)
    assert (record.banned_until, record.deleted_at, record.session_active) == (NOON, None, True)
    assert admin.user(user.id).session_active is None
    assert admin.user(user.id, str(uuid.uuid4())).session_active is False
    assert admin.user(user.id, database.add_user().session_id).session_active is False


def _make_admin(database: Database, user: User) -> None:
    with database.functions(owner=True) as functions:
        assert QuotaAdmin(functions, "owner").add_admin(user.id).changed


def test_an_administrator_may_what_an_operator_may_and_is_logged_by_id(database: Database) -> None:
    """A signed-in user in tick.admin; from the moment of removal, no more."""
    boss, user = database.add_user(), database.add_user()
    _make_admin(database, boss)
    admin = QuotaAdmin(database.functions(), "says boss", caller=boss.caller)
    assert admin.set_limit(user.id, 1).changed
    entry = admin.audit_log().items[0]
    assert (entry.actor, entry.actor_id, entry.operator) == (boss.id, boss.id, "says boss")
    database.admin().remove_admin(boss.id)
    with pytest.raises(CredentialsRefusedError):
        admin.show(user.id)


def test_administrators_are_added_listed_and_removed(database: Database, clock: Clock) -> None:
    """Each change once and in the log; the first to be added stands first."""
    ann, ben = database.add_user("ann@example.com"), database.add_user("ben@example.com")
    admin = database.admin()
    change = admin.add_admin("BEN@example.com", reason="on call")
    assert (change.user_id, change.email, change.changed) == (ben.id, ben.email, True)
    assert not admin.add_admin(ben.id).changed
    clock.set(NOON + timedelta(minutes=1))
    admin.add_admin(ann.id)
    assert [(a.email, a.added_at) for a in admin.admins()] == [
        (ben.email, NOON),
        (ann.email, NOON + timedelta(minutes=1)),
    ]
    assert admin.remove_admin(ben.id, reason="left").changed
    assert not admin.remove_admin(ben.id).changed
    assert [a.user_id for a in admin.admins()] == [ann.id]
    entries = [(e.action, e.email, e.reason, e.before, e.after) for e in reversed(admin.audit_log().items)]
    no, yes = {"administrator": False}, {"administrator": True}
    assert entries == [
        ("admin_add", ben.email, "on call", no, yes),
        ("admin_add", ann.email, None, no, yes),
        ("admin_remove", ben.email, "left", yes, no),
    ]
    with pytest.raises(NotFoundError):
        admin.add_admin("nobody@example.com")


def test_an_administrator_makes_and_unmakes_none(database: Database) -> None:
    """Or a stolen token could make itself permanent; to see who there is, is allowed."""
    boss, user = database.add_user(), database.add_user()
    _make_admin(database, boss)
    admin = QuotaAdmin(database.functions(), "boss", caller=boss.caller)
    assert [a.user_id for a in admin.admins()] == [boss.id]
    for refused in (admin.add_admin, admin.remove_admin):
        with pytest.raises(CredentialsRefusedError):
            refused(user.id)
        with pytest.raises(CredentialsRefusedError):
            refused(boss.id)
    assert [a.user_id for a in database.admin().admins()] == [boss.id]


@pytest.mark.parametrize("unfit", ["unconfirmed", "anonymous", "deleted"])
def test_who_is_not_known_for_certain_becomes_no_administrator(database: Database, unfit: str) -> None:
    """An address that nobody has confirmed may have been typed in by somebody else."""
    match unfit:
        case "unconfirmed":
            user = database.add_user(confirmed=False)
        case "anonymous":
            user = database.add_user(is_anonymous=True)
        case "deleted":
            user = database.add_user(deleted_at=NOON)
    with pytest.raises(InvalidInputError, match="administrator"):
        database.admin().add_admin(user.id)
    assert database.admin().admins() == ()


def test_the_log_tells_the_secret_key_from_a_direct_connection(database: Database) -> None:
    """PostgREST logs in as authenticator; everybody else is named by the role that they logged in as."""
    user = database.add_user()
    for functions in (database.functions(), database.functions(owner=True)):
        QuotaAdmin(functions, "op").grant(user.id, 1)
    assert [e.actor for e in database.admin().audit_log().items] == ["postgres", "service_role"]


@pytest.mark.parametrize("change", ["banned", "deleted", "logged out", "logged out and in again", "session expired"])
def test_an_administrator_out_of_standing_may_nothing(database: Database, change: str) -> None:
    """A token of somebody who was banned, deleted or logged out since is worth nothing."""
    boss = database.add_user()
    _make_admin(database, boss)
    match change:
        case "banned":
            database.change_user(boss, banned_until="infinity")
        case "deleted":
            database.change_user(boss, deleted_at=NOON)
        case "logged out":
            with database.superuser() as connection:
                connection.execute("delete from auth.sessions")
        case "logged out and in again":
            with database.superuser() as connection:
                connection.execute("update auth.sessions set id = gen_random_uuid()")
        case "session expired":
            with database.superuser() as connection:
                connection.execute("update auth.sessions set not_after = '2020-01-01Z'")
    reason = {"banned": "is banned", "deleted": "was deleted"}.get(change, "session has ended")
    with pytest.raises(CredentialsRefusedError, match=reason):
        QuotaAdmin(database.functions(), "boss", caller=boss.caller).show(boss.id)


@pytest.mark.parametrize(
    ("factor", "level", "admitted"),
    [
        ("verified", "aal1", False),
        ("verified", None, False),
        ("verified", "aal2", True),
        ("unverified", "aal1", True),
    ],
)
def test_an_administrator_with_a_second_factor_must_have_shown_it(
    database: Database, factor: str, level: str | None, admitted: bool
) -> None:
    """In this very session, by its row; whoever knows the password alone is no administrator."""
    boss, other = database.add_user(), database.add_user()
    _make_admin(database, boss)
    with database.superuser() as connection:
        connection.execute("update auth.sessions set aal = 'aal2' where user_id = %s", [other.id])
        connection.execute("update auth.sessions set aal = %s where user_id = %s", [level, boss.id])
        connection.execute(
            "insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)"
            " values (gen_random_uuid(), %s, 'totp', %s, now(), now())",
            [boss.id, factor],
        )
    admin = QuotaAdmin(database.functions(), "boss", caller=boss.caller)
    if admitted:
        assert admin.show(boss.id).user_id == boss.id
    else:
        with pytest.raises(CredentialsRefusedError, match="second factor"):
            admin.show(boss.id)


def test_a_project_without_second_factors_has_administrators(database: Database) -> None:
    """Auth of some years ago had no table of them."""
    boss = database.add_user()
    _make_admin(database, boss)
    with database.superuser() as connection:
        connection.execute("drop table auth.mfa_factors")
    assert QuotaAdmin(database.functions(), "boss", caller=boss.caller).show(boss.id).user_id == boss.id


def test_the_owner_on_a_direct_connection_is_an_operator(database: Database) -> None:
    """As in the SQL editor; the log names the session's user."""
    user = database.add_user()
    with database.owner() as connection:
        connection.execute("select public.tick_admin_set_limit(%s, 3)", [user.id])
        row = connection.execute("select actor, actor_id, operator from tick.audit").fetchone()
    assert row == {"actor": "postgres", "actor_id": None, "operator": None}


def test_nobody_else_on_a_direct_connection_is_an_operator(database: Database) -> None:
    """Not even a superuser passes for the owner; who may become the owner can say so."""
    with database.superuser() as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select public.tick_admin_list()")
        connection.execute("set session authorization postgres")
        connection.execute("select public.tick_admin_list()")


def test_sign_up_makes_the_profile(database: Database) -> None:
    """In a table that tickctl made, front ends find each user's limit."""
    with database.owner() as connection:
        connection.execute("update tick.settings set default_limit = 9")
        user = database.add_user()
        row = connection.execute("select user_id::text, daily_tick_limit from public.profiles").fetchone()
    assert row == {"user_id": user.id, "daily_tick_limit": 9}


def test_every_change_of_a_limit_is_logged_whoever_made_it(database: Database) -> None:
    """By hand in the dashboard as well as by command, with the name that the database knows."""
    user, admin = database.add_user("ada@example.com"), database.admin()
    database.run(f"update public.profiles set daily_tick_limit = 5 where user_id = '{user.id}'")
    database.run(f"delete from public.profiles where user_id = '{user.id}'")
    database.run(f"insert into public.profiles (user_id, daily_tick_limit) values ('{user.id}', null)")
    admin.set_limit(user.id, 6, reason="asked for")
    entries = [
        (e.actor, e.operator, e.before["daily_tick_limit"], e.after["daily_tick_limit"], e.reason)
        for e in reversed(admin.audit_log("ada@example.com").items)
    ]
    assert entries == [
        ("postgres", None, 32, 5, None),
        ("postgres", None, 5, 32, None),
        ("postgres", None, 32, None, None),
        ("service_role", "tester@host", None, 6, "asked for"),
    ]


def test_a_deleted_user_s_limit_is_not_changed_and_it_is_said(database: Database) -> None:
    """Supabase Auth keeps the row of who was deleted softly, which an id still finds."""
    user, admin = database.add_user(), database.admin()
    database.change_user(user, deleted_at=NOON)
    for change in (lambda: admin.set_limit(user.id, 5), lambda: admin.grant(user.id, 5)):
        with pytest.raises(NotFoundError, match="this user was deleted"):
            change()
    assert admin.audit_log().items == ()


@pytest.mark.parametrize("search", ["ADA@", "ada@example.com", "{id}", "{start}", "+4930123", "30123"])
def test_users_are_found_by_address_id_and_phone(database: Database, search: str) -> None:
    """By a part of the address or of the number, and by the beginning of the id."""
    user = database.add_user("ada@example.com", phone="4930123456")
    database.add_user("ben@example.org", phone="4940999999")
    text = search.format(id=user.id, start=user.id[:13])
    assert [found.quota.user_id for found in database.admin().list(search=text).items] == [user.id]


@pytest.mark.parametrize(
    "breakage",
    [
        "alter table public.profiles rename to elsewhere",
        "alter table public.profiles add constraint never check (false) not valid",
        "delete from tick.settings",
        "lock table public.profiles in access exclusive mode",
    ],
)
def test_sign_up_never_fails_or_hangs_for_the_profile(database: Database, breakage: str) -> None:
    """Whatever is wrong with our tables, people can sign up; the profile is made later."""
    with database.owner() as connection, connection.transaction():
        connection.execute(breakage)
        if not breakage.startswith("lock"):
            # Otherwise held by this transaction while the other signs up.
            connection.execute("commit")
            connection.execute("begin")
        user = database.add_user()
        database.change_user(user, email="new@example.com")
    with database.superuser() as connection:
        assert connection.execute("select email from auth.users").fetchone() == {"email": "new@example.com"}


def test_errors_tell_no_more_than_the_caller_gave(database: Database) -> None:
    """A message that reaches an unprivileged caller holds no row of anybody."""
    user, other = database.add_user(), database.add_user("private@example.com")
    with pytest.raises(TickctlError) as caught:
        QuotaAdmin(database.functions(), "x", caller=user.caller).show(other.id)
    assert "private" not in f"{caught.value.message} {caught.value.hint}"


WRITES: dict[str, Callable[[QuotaAdmin, User, bool], object]] = {
    "set_limit": lambda admin, user, dry_run: admin.set_limit(user.id, 7, dry_run=dry_run),
    "set_limits": lambda admin, user, dry_run: admin.set_limits([(user.id, 7)], dry_run=dry_run),
    "grant": lambda admin, user, dry_run: admin.grant(user.id, 7, dry_run=dry_run),
    "reset": lambda admin, user, dry_run: admin.reset(user.id, dry_run=dry_run),
    "add_admin": lambda admin, user, dry_run: admin.add_admin(user.id, dry_run=dry_run),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_dry_run_answers_as_the_write_does_and_keeps_nothing(database: Database, name: str) -> None:
    """It is the write itself, taken back."""
    user = database.add_user("somebody@example.com")
    consume(database.functions(), user.caller, 3)
    admin = database.admin()

    def stored() -> list[object]:
        with database.owner() as connection:
            tables = ("public.profiles", "public.user_daily_usage", "tick.audit", "tick.admin")
            return [connection.execute(f"select * from {table}".encode()).fetchall() for table in tables]

    before = stored()
    tried = WRITES[name](admin, user, True)
    assert stored() == before
    assert WRITES[name](admin, user, False) == tried
    assert stored() != before


def test_a_dry_run_meets_deferred_constraints(database: Database) -> None:
    """They would refuse the write only at its end."""
    user = database.add_user()
    with database.owner() as connection:
        connection.execute(
            "create function public.no() returns trigger language plpgsql as"
            " 'begin raise exception ''not on Fridays''; end'; create constraint trigger no"
            " after update on public.profiles deferrable initially deferred for each row execute function public.no()"
        )
    for dry_run in (True, False):
        with pytest.raises(TickctlError, match="not on Fridays"):
            database.admin().set_limit(user.id, 7, dry_run=dry_run)
