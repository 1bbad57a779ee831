"""Taking over tables that were there before, and what is around them."""

from concurrent.futures import ThreadPoolExecutor

from adoption_support import ADA, NOBODY, TUTORIAL, prepare, usage
from quota_support import Database
from schema_support import apply, connected
from tickctl.adapters import schema
from tickctl.adapters.schema import StepKind


def test_other_triggers_see_nothing_of_it(bare_database: Database) -> None:
    """Nobody's `updated_at` moves, nobody's audit fills up, nobody's guard gets in the way; all are on as before."""
    prepare(
        bare_database,
        f"""
        create table public.profiles (
            user_id uuid, daily_tick_limit bigint, updated_at timestamptz default '2020-01-01Z');
        insert into public.profiles values ('{ADA}', 6), ('{NOBODY}', 7);
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
        create table public.user_daily_usage (user_id uuid, usage_date date, ticks_used integer, note text);
        insert into public.user_daily_usage values
            ('{NOBODY}', '2026-01-02', 7, 'who?'), ('{ADA}', '2026-01-02', 5, 'one'), ('{ADA}', '2026-01-02', 6, 'two');
        """,
    )
    apply(bare_database)
    with connected(bare_database) as connection:
        kept = connection.execute(
            "select reason, table_name, \"row\" ->> 'note' from tick.adopted where undo is null order by 1"
        ).fetchall()
    assert [(table, note) for _reason, table, note in kept] == [
        ("public.user_daily_usage", "two"),
        ("public.user_daily_usage", "who?"),
    ]


def test_rows_that_come_at_the_last_moment_are_seen(bare_database: Database) -> None:
    """What is done is planned again once nobody else can write."""
    day = f"insert into public.user_daily_usage values ('{ADA}', '2026-01-02', 1)"
    prepare(
        bare_database,
        f"create table public.user_daily_usage (user_id uuid, usage_date date, ticks_used bigint); {day}",
    )
    with connected(bare_database) as connection, connected(bare_database) as writer, ThreadPoolExecutor(1) as pool:
        assert not any(step.kind is StepKind.MERGE for step in schema.plan(connection).steps)
        with writer.transaction():
            writer.execute(day.encode())
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
