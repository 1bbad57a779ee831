"""What an attacker tries who holds a valid token and the publishable key, as SQL; and what must stay so.

Everything is run as PostgREST would run it: the role switched to, the claims set, one transaction. What needs SQL of
the attacker's own, such as setting request.jwt.claims, is out of reach: PostgREST serves tables and functions of
`public` only, none of which does that, and this is tested as well.
"""

import re
import uuid

import psycopg
import pytest
from psycopg import sql

from quota_support import Clock, Database, User
from tickctl.core.quota import ServiceRole, consume

DENIED = "42501"


def sqlstate(database: Database, role: str, user: User | None, statement: str) -> str | None:
    """Return the SQLSTATE that a statement fails with, or None when it succeeds."""
    with database.acting_as(role, user.claims if user else None) as connection:
        try:
            connection.execute(statement.encode())
        except psycopg.Error as error:
            return error.sqlstate
        return None


@pytest.fixture(scope="module")
def user(shared_database: Database) -> User:
    """A user of the shared database, who has used a tick today."""
    added = shared_database.add_user()
    with shared_database.functions() as functions:
        consume(functions, added.caller, 1)
    return added


WRITES = [
    "update public.profiles set daily_tick_limit = 1000000",
    "update public.profiles set daily_tick_limit = null where user_id = auth.uid()",
    "update public.profiles set user_id = gen_random_uuid()",
    "insert into public.profiles values (auth.uid(), 9) on conflict (user_id) do update set daily_tick_limit = 9",
    "insert into public.profiles (user_id) values (gen_random_uuid())",
    "delete from public.profiles",
    "truncate public.profiles",
    "update public.user_daily_usage set ticks_used = 0",
    "update public.user_daily_usage set ticks_granted = 1000",
    "insert into public.user_daily_usage values (auth.uid(), '2000-01-01', 0, 1000000)",
    "delete from public.user_daily_usage",
    "truncate public.user_daily_usage",
    "select * from public.profiles for update",
    "select * from public.user_daily_usage for share",
    "merge into public.profiles as p using (select 1) as s on true when matched then update set daily_tick_limit = 9",
    "copy public.profiles from stdin",
    "lock table public.profiles in access exclusive mode",
    "alter table public.profiles disable row level security",
    "create policy p on public.profiles for all to authenticated using (true)",
    "drop table public.user_daily_usage",
    "create trigger t before insert on public.user_daily_usage execute function suppress_redundant_updates_trigger()",
    "create table public.mine (a integer references public.profiles)",
    "create function public.mine() returns integer language sql as 'select 1'",
    "create schema mine",
]
PRIVATE = [
    *(f"select * from tick.{table}" for table in ("charge", "settings", "admin", "audit", "migration")),
    "select * from tick.installed",
    "select * from tick.adopted",
    "select * from tick.override",
    "select * from tick.request",
    "select * from tick.profile",
    "select * from tick.session",
    "select * from tick.caller",
    "update tick.profile set daily_tick_limit = 9",
    "insert into tick.override values (auth.uid(), null)",
    "delete from tick.request",
    "select * from tick.account",
    "select * from tick.quota",
    "select * from tick.overview",
    "select * from tick.today",
    "select tick.list_source('all')",
    "select tick.store_limit(auth.uid(), 9)",
    "select tick.profile_key()",
    "select tick.undoable('a', 'b', 'c')",
    "select tick.raise_for_project('P0001', 'a', 'b', 'c', 'd')",
    "select tick.require_user()",
    "insert into tick.admin (user_id) values (auth.uid())",
    "update tick.settings set default_limit = null",
    "update tick.charge set ticks_settled = 0",
    "delete from tick.audit",
    "select tick.open_day(auth.uid(), '2026-11-23')",
    "select tick.change_limit(null, null, auth.uid(), 9, false, null)",
    "select tick.record(null, null, 'x', auth.uid(), '{}', '{}', null)",
    "select tick.require_admin()",
    "select tick.require_operator()",
    "select tick.trusted_caller()",
    "select tick.state_of(auth.uid())",
    "select tick.users_named('x')",
    "select * from tick.clock",
    "create or replace view tick.clock as select '2020-01-01'::timestamptz as moment",
    "select * from auth.users",
    "select * from auth.sessions",
    "set session authorization postgres",
]
ADMIN = [
    "select public.tick_admin_show(auth.uid()::text)",
    "select public.tick_admin_overview(auth.uid()::text)",
    "select public.tick_admin_members()",
    "select public.tick_admin_add(auth.uid()::text)",
    "select public.tick_admin_remove(auth.uid()::text)",
    "select tick.admin_add(auth.uid()::text, null, null)",
    "select tick.admin_remove(auth.uid()::text, null, null)",
    "select public.tick_admin_suggest('a')",
    "select public.tick_admin_list()",
    "select public.tick_admin_resolve('[]')",
    "select public.tick_admin_history(auth.uid()::text)",
    "select public.tick_admin_top()",
    "select public.tick_admin_audit()",
    "select public.tick_admin_user(auth.uid()::text)",
    "select public.tick_admin_set_limit(auth.uid()::text, null)",
    "select public.tick_admin_set_limits('[]')",
    "select public.tick_admin_grant(auth.uid()::text, 1000)",
    "select public.tick_admin_reset(auth.uid()::text)",
    "select tick.admin_set_limit(auth.uid()::text, null, null, null, false, null)",
    "select tick.admin_grant(auth.uid()::text, 1000, null, null)",
    "select tick.admin_reset(auth.uid()::text, null, null)",
]


@pytest.mark.parametrize("statement", [*WRITES, *PRIVATE, *ADMIN])
def test_no_user_writes_or_looks_behind(shared_database: Database, user: User, statement: str) -> None:
    """Refused for lack of privilege, for signed-in users and for the publishable key alone."""
    assert sqlstate(shared_database, "authenticated", user, statement) == DENIED
    assert sqlstate(shared_database, "anon", None, statement) == DENIED


@pytest.mark.parametrize(
    "statement",
    [
        "select * from public.profiles",
        "select * from public.user_daily_usage",
        "select public.my_ticks()",
        "select public.consume_ticks(1, gen_random_uuid())",
        "select tick.decide(1, gen_random_uuid(), null, null, null, true, true)",
    ],
)
def test_the_publishable_key_alone_sees_and_does_nothing(shared_database: Database, statement: str) -> None:
    """Whoever is not signed in has no ticks and no rows."""
    assert sqlstate(shared_database, "anon", None, statement) == DENIED


def test_users_see_their_own_rows_and_nobody_else_s(database: Database) -> None:
    """What front ends read directly."""
    user, other, functions = database.add_user(), database.add_user(), database.functions()
    for caller in (user, other):
        consume(functions, caller.caller, 3)
    with database.acting_as("authenticated", user.claims) as connection:
        profiles = connection.execute("select user_id::text, daily_tick_limit from public.profiles").fetchall()
        usage = connection.execute("select user_id::text, ticks_used from public.user_daily_usage").fetchall()
    assert profiles == [{"user_id": user.id, "daily_tick_limit": 32}]
    assert usage == [{"user_id": user.id, "ticks_used": 3}]


def test_the_anonymously_signed_in_see_nothing(database: Database) -> None:
    """They have no ticks; their token says what they are, and Supabase Auth makes a new one when that changes."""
    user = database.add_user()
    for claim, rows in ((True, 0), (False, 1)):
        with database.acting_as("authenticated", {**user.claims, "is_anonymous": claim}) as connection:
            assert len(connection.execute("select from public.profiles").fetchall()) == rows


@pytest.mark.parametrize("statement", [s for s in WRITES if s.startswith(("update", "insert", "delete", "truncate"))])
def test_the_secret_key_changes_limits_through_functions_only(shared_database: Database, statement: str) -> None:
    """Otherwise the log would not be complete."""
    assert sqlstate(shared_database, "service_role", None, statement) == DENIED


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("null", "22023"),
        ("0", "22023"),
        ("-1", "22023"),
        ("-2147483648", "22023"),
        ("2147483647", "22023"),
        ("'2147483648'", "22003"),
        ("'1e3'", "22P02"),
        ("'NaN'", "22P02"),
        ("1, key => ''", "22023"),
        ("1, key => repeat('k', 256)", "22023"),
        ("1, key => 'k', digest => repeat('d', 129)", "22023"),
    ],
)
def test_no_amount_of_ticks_is_free(database: Database, arguments: str, code: str) -> None:
    """Each is refused with its own code, and nothing is counted, not even backwards."""
    user = database.add_user()
    consume(database.functions(), user.caller, 5)
    assert (
        sqlstate(
            database,
            "authenticated",
            user,
            "select public.consume_ticks(charge_id => gen_random_uuid(), ticks => " + _named(arguments),
        )
        == code
    )
    assert list(database.ledger(user).values()) == [(5, 5)]


def _named(arguments: str) -> str:
    return arguments.replace("key =>", "request_key =>").replace("digest =>", "request_digest =>") + ")"


def test_nobody_names_the_user_whose_ticks_are_used(database: Database) -> None:
    """There is no argument for it, and no second function of the name that has one."""
    user, victim = database.add_user(), database.add_user()
    for call in (
        f"(1, gen_random_uuid(), user_id => '{victim.id}')",
        f"(ticks => 1, charge_id => gen_random_uuid(), whose => '{victim.id}')",
        f"('{victim.id}', 1)",
    ):
        code = sqlstate(database, "authenticated", user, f"select public.consume_ticks{call}")
        assert code in {"42883", "22P02"}
    assert database.ledger(victim) == {}


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12", "Asia/Kathmandu"])
def test_the_session_s_time_zone_does_not_move_the_day(database: Database, clock: Clock, zone: str) -> None:
    """PostgREST sets it from a header of the client's."""
    user = database.add_user()
    with database.acting_as("authenticated", user.claims) as connection:
        connection.execute("select set_config('timezone', %s, true)", [zone])
        answer = connection.execute("select (public.consume_ticks(32, gen_random_uuid())).*").fetchone()
        assert answer is not None
        assert str(answer["usage_date"]) == "2026-11-23"
        assert answer["resets_at"].timestamp() == 1_795_478_400
        again = connection.execute("select (public.consume_ticks(1, gen_random_uuid())).decision").fetchone()
    assert again == {"decision": "quota_exhausted"}


@pytest.mark.parametrize(
    "setting",
    [
        "datestyle = 'german'",
        "intervalstyle = 'sql_standard'",
        "search_path = pg_temp, public",
        "transform_null_equals = on",
        "row_security = off",
        "array_nulls = off",
        "session_replication_role = replica",
        "lc_time = 'C'",
        "standard_conforming_strings = off",
    ],
)
def test_no_setting_of_the_session_changes_the_answer(database: Database, clock: Clock, setting: str) -> None:
    """Nor would a client get to them; some are refused outright."""
    user = database.add_user()
    consume(database.functions(), user.caller, 30)
    with database.acting_as("authenticated", user.claims) as connection:
        connection.execute("savepoint before")
        try:
            connection.execute(f"set local {setting}".encode())
        except psycopg.errors.InsufficientPrivilege:
            connection.execute("rollback to before")
        answers = [
            connection.execute(f"select (public.consume_ticks({n}, gen_random_uuid())).decision".encode()).fetchone()
            for n in (3, 2, 1)
        ]
    assert [answer and answer["decision"] for answer in answers] == ["quota_exhausted", "granted", "quota_exhausted"]


def test_a_temporary_table_does_not_stand_in_for_ours(database: Database) -> None:
    """Names inside the functions are qualified; operators and types come from pg_catalog."""
    user = database.add_user(limit=1)
    consume(database.functions(), user.caller, 1)
    with database.acting_as("authenticated", user.claims) as connection:
        connection.execute("create temp table settings as select 'UTC'::text as time_zone, 9 as largest_cost")
        connection.execute("create temp table user_daily_usage (user_id uuid, usage_date date, ticks_used bigint)")
        connection.execute("set local search_path = pg_temp, public")
        answer = connection.execute("select (public.consume_ticks(1, gen_random_uuid())).decision").fetchone()
    assert answer == {"decision": "quota_exhausted"}


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({}, DENIED),
        ({"role": "authenticated"}, DENIED),
        ({"role": "anon", "sub": "USER"}, DENIED),
        ({"role": "service_role", "sub": "USER"}, DENIED),
        ({"sub": "USER"}, DENIED),
        ({"role": "authenticated", "sub": None}, DENIED),
        ({"role": "authenticated", "sub": "not a uuid"}, "22P02"),
        ({"role": "authenticated", "sub": ["USER"]}, "22P02"),
        ({"role": ["authenticated"], "sub": "USER"}, DENIED),
        ({"role": "authenticated", "sub": "USER", "session_id": "x"}, "22P02"),
        ({"role": "authenticated", "sub": "USER"}, DENIED),
        ({"role": "authenticated", "sub": "USER", "aud": "elsewhere"}, DENIED),
        ({"role": "authenticated", "sub": "USER", "aud": ["authenticated", "elsewhere"]}, DENIED),
        ({"role": "authenticated", "sub": "USER", "aud": "authenticated", "client_id": "x"}, DENIED),
    ],
)
def test_claims_that_name_no_user_use_nobody_s_ticks(database: Database, claims: dict[str, object], code: str) -> None:
    """Even where the role would let the call through."""
    user = database.add_user()
    meant = {
        name: [user.id] if value == ["USER"] else user.id if value == "USER" else value
        for name, value in claims.items()
    }
    with database.acting_as("authenticated", meant or {"x": 1}) as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute("select public.consume_ticks(1, gen_random_uuid())")
    assert caught.value.sqlstate == code


def test_claims_do_not_make_an_operator(database: Database) -> None:
    """The role that PostgREST switched to counts, and it comes from a signed token; what else is claimed does not."""
    user = database.add_user()
    claims = {**user.claims, "app_metadata": {"role": "service_role"}, "admin": True, "is_admin": True}
    for role_claim in ("service_role", "postgres", "supabase_admin", "authenticated"):
        calling = database.acting_as("authenticated", {**claims, "role": role_claim})
        with calling as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select public.tick_admin_list()")


def test_no_function_that_users_can_call_sets_a_setting(database: Database) -> None:
    """request.jwt.claims is out of reach: whoever could set it in the API could be anybody."""
    with database.superuser() as connection:
        callable_by_users = connection.execute(
            """
            select p.oid::regprocedure::text as name, p.prosrc as body
            from pg_proc as p
            where p.pronamespace = 'public'::regnamespace
                and (has_function_privilege('authenticated', p.oid, 'execute')
                    or has_function_privilege('anon', p.oid, 'execute'))
            """
        ).fetchall()
    assert len(callable_by_users) == 18
    for function in callable_by_users:
        assert len(re.findall(r"tick\.\w+\(", function["body"])) == 1, function["name"]
        assert "set_config" not in function["body"]


@pytest.mark.parametrize("name", ["my_ticks", "tick_admin_list", "tick_admin_show", "tick_admin_audit"])
def test_what_reads_works_where_nothing_can_be_written(database: Database, name: str) -> None:
    """PostgREST runs stable functions in read-only transactions."""
    user = database.add_user()
    arguments = sql.Literal(user.id) if name == "tick_admin_show" else sql.SQL("")
    role, claims = ("authenticated", user.claims) if name == "my_ticks" else ("service_role", ServiceRole().claims)
    with database.acting_as(role, claims) as connection:
        connection.execute("set transaction read only")
        call = sql.SQL("select count(*) as rows from public.{}({})").format(sql.Identifier(name), arguments)
        row = connection.execute(call).fetchone()
    assert row is not None
    assert row["rows"] >= (0 if name == "tick_admin_audit" else 1)


def test_a_charge_of_nobody_s_is_not_told_from_one_of_others(database: Database) -> None:
    """Whoever doesn't know its secret learns nothing, for a number out of range neither."""
    user, other = database.add_user(), database.add_user()
    charge = consume(database.functions(), other.caller, 5).charge_id
    answers = []
    for which in (charge, uuid.uuid4()):
        for actual in (0, 6):
            with database.acting_as("authenticated", user.claims) as connection:
                query = f"select (public.settle_ticks('{which}', {actual}, 'guessed')).*"
                answers.append(connection.execute(query.encode()).fetchone())
    assert answers == [dict.fromkeys(answers[0] or {}) | {"outcome": "not_found"}] * 4
