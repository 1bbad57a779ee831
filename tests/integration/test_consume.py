"""`consume_ticks`, `settle_ticks` and `my_ticks`, one caller at a time."""

import uuid
from datetime import UTC, date, datetime, timedelta

import pytest

from quota_support import Clock, Database, User, calling
from tickctl.core.quota import (
    Anonymous,
    Decision,
    ServiceRole,
    SettleOutcome,
    consume,
    my_ticks,
    refund_digest,
    settle,
)
from tickctl.core.secret import Secret
from tickctl.errors import ConfigurationError, InvalidInputError, NotFoundError

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_a_grant_counts_and_says_what_is_left(database: Database, clock: Clock) -> None:
    """The answer holds the whole state of the day after the request."""
    user = database.add_user()
    answer = consume(database.functions(), user.caller, 5)
    assert answer.charge_id is not None
    assert (answer.decision, answer.daily_tick_limit, answer.ticks_granted) == (Decision.GRANTED, 32, 0)
    assert (answer.ticks_used, answer.ticks_remaining) == (5, 27)
    assert (answer.usage_date, answer.now) == (date(2026, 11, 23), NOON)
    assert answer.resets_at == datetime(2026, 11, 24, tzinfo=UTC)
    assert database.ledger(user) == {"2026-11-23": (5, 5)}


def test_the_last_ticks_can_be_used_and_not_one_more(database: Database) -> None:
    """Both the first request of the day and later ones are held to the limit."""
    user, functions = database.add_user(limit=10), database.functions()
    assert consume(functions, user.caller, 11).decision is Decision.COST_EXCEEDS_LIMIT
    assert consume(functions, user.caller, 10).decision is Decision.GRANTED
    refused = consume(functions, user.caller, 1)
    assert (refused.decision, refused.ticks_used, refused.ticks_remaining) == (Decision.QUOTA_EXHAUSTED, 10, 0)
    assert refused.charge_id is None


def test_the_first_request_of_a_day_is_guarded_too(database: Database) -> None:
    """A day without a row allows no more than one with a row."""
    user = database.add_user(limit=3)
    assert consume(database.functions(), user.caller, 4).decision is Decision.COST_EXCEEDS_LIMIT
    assert database.ledger(user) == {}


def test_null_is_unlimited_and_zero_is_blocked(database: Database) -> None:
    """The two limits that mean something else than a number of ticks."""
    functions, unlimited, blocked = database.functions(), database.add_user(limit=None), database.add_user(limit=0)
    answer = consume(functions, unlimited.caller, 1_000_000)
    assert (answer.decision, answer.daily_tick_limit, answer.ticks_remaining) == (Decision.GRANTED, None, None)
    answer = consume(functions, blocked.caller, 1)
    assert (answer.decision, answer.daily_tick_limit, answer.ticks_remaining) == (Decision.COST_EXCEEDS_LIMIT, 0, 0)


def test_a_blocked_user_stays_blocked_whatever_was_granted(database: Database) -> None:
    """A grant adds to a limit; it is no limit of its own."""
    user = database.add_user(limit=0)
    assert database.admin().grant(user.id, 100).ticks_remaining == 0
    assert consume(database.functions(), user.caller, 1).decision is Decision.COST_EXCEEDS_LIMIT


def test_a_user_without_a_profile_has_the_default_limit(database: Database) -> None:
    """Counting makes no profiles: the table may belong to the project."""
    user, functions = database.add_user(), database.functions()
    with database.owner() as connection:
        connection.execute("delete from public.profiles")
        connection.execute("update tick.settings set default_limit = 7")
        assert consume(functions, user.caller, 8).decision is Decision.COST_EXCEEDS_LIMIT
        assert consume(functions, user.caller, 7).decision is Decision.GRANTED
        assert connection.execute("select from public.profiles").fetchall() == []


PAST, FUTURE = NOON - timedelta(seconds=1), NOON + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("columns", "decision"),
    [
        ({"deleted_at": PAST, "banned_until": FUTURE}, Decision.USER_DELETED),
        ({"banned_until": FUTURE, "is_anonymous": True}, Decision.USER_BANNED),
        ({"banned_until": NOON}, Decision.GRANTED),
        ({"is_anonymous": True, "email_confirmed_at": None}, Decision.ANONYMOUS),
        ({"email_confirmed_at": None}, Decision.EMAIL_NOT_CONFIRMED),
    ],
)
def test_the_live_row_of_the_user_decides(
    database: Database, clock: Clock, columns: dict[str, object], decision: Decision
) -> None:
    """What the token was issued for is history; the first reason that holds is given."""
    user = database.add_user()
    database.change_user(user, **columns)
    assert consume(database.functions(), user.caller, 1).decision is decision
    assert (database.ledger(user) != {}) is (decision is Decision.GRANTED)


def test_a_user_who_is_gone_is_not_found(database: Database) -> None:
    """Deletion takes everything of the user's along; the answer says nothing but that."""
    user, functions = database.add_user(), database.functions()
    consume(functions, user.caller, 1)
    with database.superuser() as connection:
        connection.execute("delete from auth.users where id = %s", [user.id])
        for table in ("public.profiles", "public.user_daily_usage", "tick.charge"):
            assert connection.execute(f"select from {table}").fetchall() == []
    answer = consume(functions, user.caller, 1)
    assert (answer.decision, answer.daily_tick_limit, answer.ticks_used) == (Decision.USER_NOT_FOUND, 0, 0)
    assert answer.ticks_remaining == 0


@pytest.mark.parametrize("session", ["none", "unknown", "somebody else's", "expired"])
def test_a_session_that_has_ended_is_revoked(database: Database, clock: Clock, session: str) -> None:
    """Log-out removes the session; the token lives on, but not here."""
    user, other = database.add_user(), database.add_user()
    claims = dict(user.claims)
    match session:
        case "none":
            del claims["session_id"]
        case "unknown":
            claims["session_id"] = str(uuid.uuid4())
        case "somebody else's":
            claims["session_id"] = other.session_id
        case "expired":
            with database.superuser() as connection:
                connection.execute("update auth.sessions set not_after = %s where user_id = %s", [NOON, user.id])
    assert consume(database.functions(), calling(claims), 1).decision is Decision.SESSION_REVOKED


def test_unconfirmed_users_can_be_let_through(database: Database) -> None:
    """For development, where no e-mail is sent."""
    user = database.add_user(confirmed=False)
    assert consume(database.functions(), user.caller, 1, require_confirmed=False).decision is Decision.GRANTED


def test_a_request_key_is_granted_once(database: Database) -> None:
    """The repeated request is told so, with the charge of the first, and counts nothing."""
    user, functions = database.add_user(), database.functions()
    first = consume(functions, user.caller, 5, "key", "digest")
    again = consume(functions, user.caller, 5, "key", "digest")
    assert (again.decision, again.charge_id, again.ticks_used) == (Decision.UNDER_WAY, first.charge_id, 5)
    assert database.ledger(user)[str(first.usage_date)] == (5, 5)


@pytest.mark.parametrize(
    ("seconds", "settled", "decision"),
    [
        (0, None, Decision.UNDER_WAY),
        (59, None, Decision.UNDER_WAY),
        (60, None, Decision.ALREADY_ACCEPTED),
        (0, 3, Decision.ALREADY_ACCEPTED),
        (0, 0, Decision.GRANTED),
    ],
)
@pytest.mark.parametrize("limit", [5, 32])
def test_a_request_is_under_way_for_a_minute_or_until_it_is_settled(
    database: Database, clock: Clock, limit: int, seconds: int, settled: int | None, decision: Decision
) -> None:
    """So long it may fail and be refunded; with ticks left and without."""
    user, functions = database.add_user(limit=limit), database.functions()
    charge = consume(functions, user.caller, 5, "key").charge_id
    assert charge is not None
    if settled is not None:
        settle(functions, ServiceRole(), charge, settled)
    clock.set(NOON + timedelta(seconds=seconds))
    assert consume(functions, user.caller, 5, "key").decision is decision


@pytest.mark.parametrize(("ticks", "digest"), [(6, "digest"), (5, "other"), (5, None)])
def test_a_request_key_stands_for_one_request(database: Database, ticks: int, digest: str | None) -> None:
    """The same key for another amount or another body is a mistake of the client's, not a repetition."""
    user, functions = database.add_user(), database.functions()
    consume(functions, user.caller, 5, "key", "digest")
    assert consume(functions, user.caller, ticks, "key", digest).decision is Decision.KEY_CONFLICT


def test_a_repeated_request_is_recognised_when_nothing_is_left(database: Database) -> None:
    """Being granted before matters more than whether it could be granted now."""
    user, functions = database.add_user(limit=5), database.functions()
    consume(functions, user.caller, 5, "key")
    assert consume(functions, user.caller, 5, "key").decision is Decision.UNDER_WAY


def test_a_request_key_holds_beyond_midnight(database: Database, clock: Clock) -> None:
    """A client that repeats a request after midnight is not charged a second time."""
    user, functions = database.add_user(), database.functions()
    consume(functions, user.caller, 5, "key")
    clock.set(NOON + timedelta(days=1))
    again = consume(functions, user.caller, 5, "key")
    assert (again.decision, again.usage_date, again.ticks_used) == (
        Decision.ALREADY_ACCEPTED,
        date(2026, 11, 24),
        0,
    )


def test_request_keys_belong_to_their_user(database: Database) -> None:
    """Nobody can use up another's key, or find out that it was used."""
    one, other, functions = database.add_user(), database.add_user(), database.functions()
    consume(functions, one.caller, 5, "key")
    assert consume(functions, other.caller, 5, "key").decision is Decision.GRANTED


def test_a_refused_request_does_not_use_up_its_key(database: Database) -> None:
    """The same request can be granted tomorrow."""
    user, functions = database.add_user(limit=5), database.functions()
    consume(functions, user.caller, 3)
    assert consume(functions, user.caller, 3, "key").decision is Decision.QUOTA_EXHAUSTED
    database.admin().grant(user.id, 1)
    assert consume(functions, user.caller, 3, "key").decision is Decision.GRANTED


def test_refusals_write_nothing(database: Database) -> None:
    """A client that keeps asking leaves no dead rows behind."""
    user, functions = database.add_user(limit=5), database.functions()
    consume(functions, user.caller, 5, "used")
    count = "select pg_current_xact_id()::text::bigint as xact"
    with database.superuser() as connection:
        before = connection.execute(count).fetchone()
        for key in (None, "new"):
            consume(functions, user.caller, 1, key)
            consume(functions, user.caller, 6, key)
        consume(functions, user.caller, 5, "used")
        consume(functions, user.caller, 4, "used")
        after = connection.execute(count).fetchone()
    assert before is not None
    assert after is not None
    # Transactions that write nothing get no number: only the one that asks for the second count has got one since.
    assert after["xact"] - before["xact"] == 1


@pytest.mark.parametrize("ticks", [0, -1, 1_000_001, 2**31 - 1, 2**31, 10**12, -(10**30)])
def test_ticks_out_of_range_are_an_error(database: Database, ticks: int) -> None:
    """Neither 0 nor a negative number is free, and one too large for the type is not another function's."""
    user = database.add_user(limit=None)
    with pytest.raises(InvalidInputError):
        consume(database.functions(), user.caller, ticks)
    assert database.ledger(user) == {}


@pytest.mark.parametrize("ticks", [None, 1.5, "5.0", "1e3", "five", True, [], {}, "", "nan"])
def test_ticks_that_are_no_whole_number_are_an_error(database: Database, ticks: object) -> None:
    """SQL reads an integer where it can be one and nothing else."""
    user = database.add_user()
    with pytest.raises(InvalidInputError):
        database.functions().call("consume_ticks", {"ticks": ticks, "charge_id": str(uuid.uuid4())}, caller=user.caller)


@pytest.mark.parametrize(("key", "digest"), [("", None), ("k" * 256, None), ("k", "d" * 129), ("k\0", None)])
def test_keys_and_digests_have_their_lengths(database: Database, key: str, digest: str | None) -> None:
    """A key that can't be kept must not be ignored."""
    user = database.add_user()
    with pytest.raises(InvalidInputError):
        consume(database.functions(), user.caller, 1, key, digest)
    assert consume(database.functions(), user.caller, 1, "k" * 255, "d" * 128).decision is Decision.GRANTED


def test_my_ticks_tells_and_takes_nothing(database: Database, clock: Clock) -> None:
    """Also of a user who has no row of the day, and none is written for asking."""
    user, functions = database.add_user("Ada@example.com"), database.functions()
    state = my_ticks(functions, user.caller)
    assert (state.user_id, state.email, state.ticks_used, state.ticks_remaining) == (user.id, "Ada@example.com", 0, 32)
    assert (state.email_confirmed, state.time_zone, state.usage_date) == (True, "UTC", date(2026, 11, 23))
    assert database.ledger(user) == {}
    consume(functions, user.caller, 3)
    assert my_ticks(functions, user.caller).ticks_remaining == 29


def test_my_ticks_needs_a_user(database: Database) -> None:
    """A token of a user who is gone has no state."""
    with pytest.raises(NotFoundError):
        my_ticks(database.functions(), User(str(uuid.uuid4()), "", str(uuid.uuid4())).caller)


def test_settling_gives_back_once(database: Database) -> None:
    """The second settlement changes nothing and tells the first."""
    user, functions = database.add_user(), database.functions()
    charge = consume(functions, user.caller, 10).charge_id
    assert charge is not None
    first = settle(functions, ServiceRole(), charge, 4)
    assert (first.outcome, first.ticks_charged, first.ticks_settled) == (SettleOutcome.SETTLED, 10, 4)
    assert (first.charge_id, first.user_id) == (charge, user.id)
    again = settle(functions, ServiceRole(), charge, 0)
    assert (again.outcome, again.ticks_settled) == (SettleOutcome.ALREADY_SETTLED, 4)
    assert again.settled_at == first.settled_at
    assert list(database.ledger(user).values()) == [(4, 4)]


def test_settling_goes_to_the_day_of_the_charge(database: Database, clock: Clock) -> None:
    """A task that ends after midnight gives nothing to the new day."""
    user, functions = database.add_user(), database.functions()
    charge = consume(functions, user.caller, 10).charge_id
    assert charge is not None
    clock.set(NOON + timedelta(days=1))
    consume(functions, user.caller, 2)
    settled = settle(functions, ServiceRole(), charge, 0)
    assert (settled.usage_date, settled.settled_at) == (date(2026, 11, 23), NOON + timedelta(days=1))
    assert database.ledger(user) == {"2026-11-23": (0, 0), "2026-11-24": (2, 2)}


@pytest.mark.parametrize("ticks", [-1, 11, 2**31, None])
def test_a_settlement_lies_within_the_charge(database: Database, ticks: int | None) -> None:
    """Nothing is charged on top, and nothing beyond the charge given back."""
    user, functions = database.add_user(), database.functions()
    charge = consume(functions, user.caller, 10).charge_id
    with pytest.raises(InvalidInputError):
        functions.call("settle_ticks", {"charge_id": charge, "ticks_actual": ticks}, caller=ServiceRole())
    assert list(database.ledger(user).values()) == [(10, 10)]


def test_an_unknown_charge_is_not_found(database: Database) -> None:
    """And that is an answer, not an error: the user may have been deleted."""
    answer = settle(database.functions(), ServiceRole(), str(uuid.uuid4()), 0)
    assert (answer.outcome, answer.charge_id, answer.ticks_charged) == (SettleOutcome.NOT_FOUND, None, None)


@pytest.mark.parametrize("who", ["nobody in particular", "the user", "another user"])
def test_whoever_knows_the_secret_settles_the_charge(database: Database, who: str) -> None:
    """That is the gateway; with another secret, or none, there is no such charge."""
    user, other, functions = database.add_user(), database.add_user(), database.functions()
    secret, charge = Secret("known to the gateway alone"), str(uuid.uuid4())
    consume(functions, user.caller, 10, charge_id=charge, refund=refund_digest(secret))
    caller = {"nobody in particular": Anonymous(), "the user": user.caller, "another user": other.caller}[who]
    for wrong in (None, Secret(""), Secret(refund_digest(secret))):
        assert settle(functions, caller, charge, 0, wrong).outcome is SettleOutcome.NOT_FOUND
    assert settle(functions, caller, charge, 4, secret).outcome is SettleOutcome.SETTLED
    assert list(database.ledger(user).values()) == [(4, 4)]


def test_a_charge_without_a_digest_is_for_operators_alone(database: Database) -> None:
    """No secret fits none."""
    user, functions = database.add_user(), database.functions()
    charge = consume(functions, user.caller, 10).charge_id
    assert charge is not None
    for secret in (None, Secret("")):
        assert settle(functions, user.caller, charge, 0, secret).outcome is SettleOutcome.NOT_FOUND
    assert settle(functions, ServiceRole(), charge, 0).outcome is SettleOutcome.SETTLED


def test_the_same_charge_id_again_is_the_same_charge(database: Database) -> None:
    """The caller asks again for an answer that was lost, also when the charge used up the day."""
    user, functions, charge = database.add_user(limit=5), database.functions(), str(uuid.uuid4())
    for key in (None, "key"):
        answers = [consume(functions, user.caller, 5, key, charge_id=charge) for _ in range(3)]
        assert [(answer.decision, answer.charge_id, answer.ticks_used) for answer in answers] == [
            (Decision.GRANTED, charge, 5)
        ] * 3
        database.admin().reset(user.id)
        charge = str(uuid.uuid4())
    assert list(database.ledger(user).values()) == [(0, 0)]


@pytest.mark.parametrize(
    ("ticks", "key", "decision"),
    [(3, None, Decision.KEY_CONFLICT), (2, "other", Decision.KEY_CONFLICT), (2, None, Decision.GRANTED)],
)
def test_another_request_under_a_charge_id_is_a_conflict(
    database: Database, ticks: int, key: str | None, decision: Decision
) -> None:
    """What was charged is not what is asked for now."""
    user, functions, charge = database.add_user(), database.functions(), str(uuid.uuid4())
    consume(functions, user.caller, 2, charge_id=charge)
    assert consume(functions, user.caller, ticks, key, charge_id=charge).decision is decision
    assert list(database.ledger(user).values()) == [(2, 2)]


def test_a_charge_that_was_settled_is_not_granted_again(database: Database) -> None:
    """Its request has come to an end."""
    user, functions, charge = database.add_user(), database.functions(), str(uuid.uuid4())
    consume(functions, user.caller, 2, charge_id=charge)
    settle(functions, ServiceRole(), charge, 0)
    assert consume(functions, user.caller, 2, charge_id=charge).decision is Decision.ALREADY_ACCEPTED
    assert list(database.ledger(user).values()) == [(0, 0)]


def test_another_user_s_charge_id_is_refused(database: Database) -> None:
    """And nothing of that charge is told."""
    user, other, functions, charge = database.add_user(), database.add_user(), database.functions(), str(uuid.uuid4())
    consume(functions, user.caller, 2, charge_id=charge)
    with pytest.raises(InvalidInputError, match="in use"):
        consume(functions, other.caller, 2, charge_id=charge)
    assert database.ledger(other) == {}


def test_a_key_is_free_again_when_its_charge_was_given_back(database: Database) -> None:
    """All of it; a part of it is a request that was carried out."""
    user, functions = database.add_user(), database.functions()
    for actual, again in ((0, Decision.GRANTED), (1, Decision.ALREADY_ACCEPTED)):
        charge = consume(functions, user.caller, 2, f"key {actual}", "digest").charge_id
        assert charge is not None
        assert consume(functions, user.caller, 2, f"key {actual}", "digest").decision is Decision.UNDER_WAY
        settle(functions, ServiceRole(), charge, actual)
        assert consume(functions, user.caller, 2, f"key {actual}", "digest").decision is again
    assert list(database.ledger(user).values()) == [(3, 3)]


@pytest.mark.parametrize(
    "arguments",
    [
        {"charge_id": None},
        {"charge_id": "x"},
        {"charge_id": str(uuid.UUID(int=1)), "refund_digest": "0" * 63},
        {"charge_id": str(uuid.UUID(int=1)), "refund_digest": "x" * 64},
    ],
    ids=["no id", "no uuid", "a short digest", "no digest"],
)
def test_a_charge_has_an_id_and_a_whole_digest(database: Database, arguments: dict[str, str | None]) -> None:
    """Or nobody could settle it."""
    user = database.add_user()
    with pytest.raises(InvalidInputError):
        database.functions().call("consume_ticks", {"ticks": 1, **arguments}, caller=user.caller)
    assert database.ledger(user) == {}


def test_a_gateway_of_the_version_before_charges_nothing(database: Database) -> None:
    """It calls without a charge id, and is told that the function is another one."""
    user = database.add_user()
    old = {"ticks": 1, "require_confirmed": True, "request_key": "k", "request_digest": "d"}
    with pytest.raises(ConfigurationError, match="another version"):
        database.functions().call("consume_ticks", old, caller=user.caller)
    assert database.ledger(user) == {}


def test_a_limit_of_a_user_for_whom_no_profile_can_be_made_is_kept_elsewhere(database: Database) -> None:
    """Where the table wants more of a row than anybody knows; it goes when there is a profile."""
    user, functions, admin = database.add_user(), database.functions(), database.admin()
    database.run("delete from public.profiles; alter table public.profiles add column name text not null")
    assert admin.set_limit(user.id, 7).previous_limit == 32
    assert consume(functions, user.caller, 8).decision is Decision.COST_EXCEEDS_LIMIT
    database.run(f"insert into public.profiles (user_id, name) values ('{user.id}', 'x')")
    assert admin.show(user.id).daily_tick_limit == 7
    assert admin.set_limit(user.id, 9).previous_limit == 7
    with database.owner() as connection:
        assert connection.execute("select from tick.override").fetchall() == []
        assert connection.execute("select daily_tick_limit from public.profiles").fetchone() == {"daily_tick_limit": 9}
    assert [(e.before, e.after) for e in admin.audit_log(user.id, limit=1).items] == [
        ({"daily_tick_limit": 7}, {"daily_tick_limit": 9})
    ]


def test_a_day_ends_at_midnight_of_the_stored_zone(database: Database, clock: Clock) -> None:
    """A minute before midnight in Kathmandu (UTC+5:45) and a minute after are two days."""
    clock.set_zone("Asia/Kathmandu")
    user, functions = database.add_user(limit=5), database.functions()
    midnight = datetime(2026, 11, 23, 18, 15, tzinfo=UTC)
    clock.set(midnight - timedelta(seconds=1))
    before = consume(functions, user.caller, 5)
    assert (before.usage_date, before.resets_at) == (date(2026, 11, 23), midnight)
    clock.set(midnight)
    after = consume(functions, user.caller, 5)
    assert (after.decision, after.usage_date) == (Decision.GRANTED, date(2026, 11, 24))
    assert after.resets_at == midnight + timedelta(days=1)


def test_only_names_of_time_zones_can_be_stored(database: Database, clock: Clock) -> None:
    """Offsets in POSIX style mean the opposite of what they look like; abbreviations mean several things."""
    for zone in ("UTC+3", "Mars/Phobos", "europe/paris", "posix/UTC", "", "<+03>-3"):
        with pytest.raises(Exception, match="unknown time zone"):
            clock.set_zone(zone)


def test_a_user_deleted_while_asking_is_no_conflict_of_rows(database: Database) -> None:
    """The row of the day can't be made for a user who is gone by then; nothing is left behind."""
    with database.owner() as connection:
        connection.execute("select tick.open_day(%s, '2026-11-23')", [str(uuid.uuid4())])
        assert connection.execute("select from public.user_daily_usage").fetchall() == []
