"""Taking over tables that were there before, and what is around them."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from adoption_support import ADA, BEN, EVE, GOOD_PROFILES, NOBODY, TUTORIAL, limits, prepare, usage
from quota_support import Database
from schema_support import HAND_MADE, apply, connected
from tickctl.adapters import schema
from tickctl.adapters.schema import StepKind
from tickctl.adapters.schema_check import Result, check
from tickctl.core.quota import Decision


def test_a_table_that_a_request_could_own_changes_hands(bare_database: Database) -> None:
    """Row-level security doesn't concern owners."""
    prepare(bare_database, GOOD_PROFILES)
    with bare_database.superuser() as connection:
        connection.execute("alter table public.profiles owner to authenticated")
    done = apply(bare_database)
    assert "public.profiles belongs to postgres from now on, no longer to authenticated" in [s.text for s in done.steps]


def test_the_unsafe_project_becomes_safe(bare_database: Database) -> None:
    """The whole way: the check names the holes, the plan lists the changes, and afterwards the check finds nothing."""
    prepare(bare_database, HAND_MADE)
    with connected(bare_database) as connection:
        connection.execute(
            f"insert into public.profiles (id, daily_tick_limit) values ('{ADA}', 1000), ('{BEN}', 0);"
            "insert into public.user_daily_usage (user_id, usage_date, ticks_used)"
            f" values ('{ADA}', '2026-01-02', 30), ('{ADA}', '2026-01-02', 30), ('{BEN}', '2026-01-03', null);"
            "create function public.record_usage(who uuid, n integer) returns void language sql security definer as"
            " 'update public.user_daily_usage set ticks_used = n where user_id = who';"
            "create view public.leaders as select email, daily_tick_limit from public.profiles;".encode()
        )
        holes = {finding.id for finding in check(connection) if finding.result is Result.BROKEN}
        assert {"policy-write", "write-grants", "views-readable", "functions-definer"} <= holes
    texts = "\n".join(f"{step.kind} {step.text}" for step in apply(bare_database).steps)
    for told in (
        'drop policy "Users manage own profile" on public.profiles, for all to public using (auth.uid() = id)',
        'drop policy "Public profiles are viewable"',
        "revoke DELETE, INSERT,",
        "merge 1 row of public.user_daily_usage",
        "change view public.leaders",
        "revoke EXECUTE on public.record_usage(uuid,integer)",
        "note public.profiles: 1 row with a limit of 0, which means blocked here",
    ):
        assert told in texts
    with connected(bare_database) as connection:
        assert limits(connection) == (1000, 0, 32)
        assert usage(connection) == ((ADA, "2026-01-02", 60), (BEN, "2026-01-03", 0))
        assert [finding for finding in check(connection) if finding.result is Result.BROKEN] == []
    # Its own code goes on as before: the trigger that knows only `id`, and a front end that reads.
    late = bare_database.add_user("late@example.com")
    with bare_database.acting_as("authenticated", late.claims) as connection:
        mine = connection.execute("select id::text, user_id::text, username, email, daily_tick_limit from profiles")
        assert [*mine.fetchall()] == [
            {"id": late.id, "user_id": late.id, "username": "late", "email": "late@example.com", "daily_tick_limit": 32}
        ]


def test_profiles_that_need_more_than_tickctl_knows_are_left_to_others(bare_database: Database) -> None:
    """It says so, and serves users without a profile by the default."""
    prepare(
        bare_database,
        "create table public.profiles (id uuid primary key references auth.users (id), name text not null);"
        f"insert into public.profiles values ('{ADA}', 'Ada');",
    )
    notes = [step.text for step in apply(bare_database).steps if step.kind is StepKind.NOTE]
    assert any(
        "needs a value for name, which tickctl does not know, so it can make no profiles" in note for note in notes
    )
    late = bare_database.add_user("late@example.com")
    for cost, decision in ((32, Decision.GRANTED), (1, Decision.QUOTA_EXHAUSTED)):
        answer = bare_database.functions().call("consume_ticks", {"ticks": cost}, caller=late.caller)
        assert answer[0]["decision"] == decision
    with connected(bare_database) as connection:
        connection.execute("insert into public.profiles (id, name) values (%s, 'Late')", [late.id])
        assert limits(connection, [ADA, late.id]) == (32, 32)


def test_id_and_user_id_stay_equal_whoever_writes_which(bare_database: Database) -> None:
    """Code of before knows `id`, tickctl knows `user_id`; who contradicts himself is refused."""
    prepare(bare_database, HAND_MADE)
    apply(bare_database)
    pairs = "select id::text, user_id::text from public.profiles order by 1"
    with connected(bare_database) as connection:
        connection.execute("delete from public.profiles")
        connection.execute("insert into public.profiles (id) values (%s)", [ADA])
        connection.execute("insert into public.profiles (user_id) values (%s)", [BEN])
        assert connection.execute(pairs).fetchall() == [(ADA, ADA), (BEN, BEN)]
        connection.execute("update public.profiles set id = %s where id = %s", [EVE, ADA])
        connection.execute("update public.profiles set user_id = %s where id = %s", [ADA, BEN])
        assert connection.execute(pairs).fetchall() == [(ADA, ADA), (EVE, EVE)]
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("insert into public.profiles (id, user_id) values (%s, %s)", [BEN, ADA])


def test_other_triggers_see_nothing_of_it(bare_database: Database) -> None:
    """Nobody's `updated_at` moves, nobody's audit fills up, nobody's guard gets in the way; all are on as before."""
    prepare(
        bare_database,
        f"""
        create table public.profiles (
            user_id uuid, daily_tick_limit integer, updated_at timestamptz default '2020-01-01Z');
        insert into public.profiles values ('{ADA}', 5), ('{ADA}', 6), ('{NOBODY}', 7);
        create function public.guard() returns trigger language plpgsql as 'begin raise exception ''not so''; end';
        create trigger a_guard before update or delete on public.profiles for each row execute function public.guard();
        create trigger b_guard before update on public.profiles for each row execute function public.guard();
        create trigger c_guard before update on public.profiles for each row execute function public.guard();
        alter table public.profiles disable trigger b_guard;
        alter table public.profiles enable always trigger c_guard;
        """,
    )
    states = "select tgname, tgenabled::text from pg_trigger where tgname like '_\\_guard' order by 1"
    with connected(bare_database) as connection:
        before = connection.execute(states).fetchall()
        apply(bare_database)
        assert connection.execute(states).fetchall() == before
        ada = connection.execute(
            "select daily_tick_limit, updated_at = '2020-01-01Z' from profiles where user_id = %s", [ADA]
        )
        assert ada.fetchall() == [(6, True)]


def test_what_was_taken_out_is_kept_word_for_word(bare_database: Database) -> None:
    """With all its columns, and why."""
    prepare(
        bare_database,
        f"""
        create table public.profiles (user_id uuid, daily_tick_limit integer, note text);
        insert into public.profiles values ('{NOBODY}', 7, 'who?'), ('{ADA}', 5, 'small'), ('{ADA}', 6, 'large');
        create function public.settle_ticks(n integer) returns integer language sql as 'select n';
        """,
    )
    apply(bare_database)
    with connected(bare_database) as connection:
        kept = connection.execute('select reason, table_name, "row" from tick.adopted order by reason').fetchall()
    (double, function, orphan) = ((reason, table, row.get("note")) for reason, table, row in kept)
    assert double == ("another row of this user had a limit as high", "public.profiles", "small")
    assert function == ("it had the name of a function of tickctl", "pg_proc", None)
    assert orphan == ("no such user", "public.profiles", "who?")
    assert "FUNCTION public.settle_ticks(n integer)" in kept[1][2]["definition"]


def test_the_project_is_told_what_its_own_code_will_notice(bare_database: Database) -> None:
    """Columns that users wrote or showed to others, and policies of other tables that look at everybody's rows."""
    prepare(
        bare_database,
        TUTORIAL + "create policy famous on public.post using (exists ("
        "select from public.profiles as p where p.id = author and p.avatar_url is not null))",
    )
    notes = [step.text for step in apply(bare_database).steps if step.kind is StepKind.NOTE]
    assert notes == [
        (
            "public.profiles: users read their own row and write none from now on; what they are to write, or show to "
            "others (username, avatar_url), needs a table of its own"
        ),
        (
            "policy famous on public.post reads public.profiles, of which users see only their own row from now on, "
            "and visitors none"
        ),
    ]


def test_rows_that_come_at_the_last_moment_are_seen(bare_database: Database) -> None:
    """What is done is planned again once nobody else can write."""
    day = f"insert into public.user_daily_usage values ('{ADA}', '2026-01-02', 1)"
    prepare(
        bare_database,
        f"create table public.user_daily_usage (user_id uuid, usage_date date, ticks_used bigint); {day}",
    )
    with connected(bare_database) as connection, connected(bare_database) as writer, ThreadPoolExecutor(1) as pool:
        with writer.transaction():
            writer.execute(day.encode())
            assert not any(step.kind is StepKind.MERGE for step in schema.plan(connection).steps)
            done = pool.submit(schema.apply, connection)
            bare_database.wait_for_lock(user="postgres")
        assert any(step.kind is StepKind.MERGE for step in done.result(timeout=30).steps)
        assert usage(connection) == ((ADA, "2026-01-02", 2),)


def test_keys_of_other_tables_stay(bare_database: Database) -> None:
    """A table that refers to profiles(id) goes on doing so."""
    prepare(bare_database, TUTORIAL)
    apply(bare_database)
    with connected(bare_database) as connection:
        keys = connection.execute(
            "select pg_get_constraintdef(oid) from pg_constraint where conrelid = 'post'::regclass"
        )
        assert keys.fetchall() == [("FOREIGN KEY (author) REFERENCES profiles(id)",)]
        assert connection.execute("select author::text, title from post").fetchall() == [(ADA, "first")]


def test_a_database_in_order_is_not_read_row_by_row(database: Database) -> None:
    """However many users there are, finding out that nothing is to be done takes the same time."""
    database.add_user()
    with connected(database) as connection, connection.transaction():
        assert schema.apply(connection) == schema.Plan()
        read = connection.execute(
            "select relname, seq_scan + idx_scan from pg_stat_xact_user_tables"
            " where relname in ('profiles', 'user_daily_usage', 'users', 'charge')"
        )
        assert {name: number for name, number in read if number} == {}
