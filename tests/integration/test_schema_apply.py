"""Installing the schema into a Supabase project, and keeping it up to date."""

from concurrent.futures import ThreadPoolExecutor

from quota_support import Database
from schema_support import apply, apply_over, catalogue, connected
from tickctl.adapters import schema
from tickctl.adapters.schema import StepKind
from tickctl.sql import migrations, repeatables


def test_apply_installs_everything_once(bare_database: Database) -> None:
    """In a database that has users already; nobody needs to be asked, and a second run finds nothing to do."""
    user = bare_database.add_user("early@example.com")
    done = apply(bare_database)
    assert {step.kind for step in done.steps} == {StepKind.CREATE}
    assert not done.asks
    with connected(bare_database) as connection:
        row = connection.execute("select user_id::text, daily_tick_limit from public.profiles").fetchone()
        ran = {name for (name,) in connection.execute("select name from tick.migration")}
    assert row == (user.id, 32)
    assert ran == {
        *(file.name for file in (*migrations(), *repeatables())),
        "public.profiles",
        "public.user_daily_usage",
        "tickctl",
    }


def test_plan_changes_nothing(bare_database: Database) -> None:
    """Not even in the session that asked."""
    with connected(bare_database) as connection:
        first = schema.plan(connection)
        assert first == schema.plan(connection)
        left = connection.execute(
            "select to_regnamespace('tick'), to_regclass('public.profiles'),"
            " (select count(*) from pg_proc where pronamespace = pg_my_temp_schema())"
        )
        assert left.fetchone() == (None, None, 0)


def test_apply_leaves_nothing_in_the_session(bare_database: Database) -> None:
    """What planned it is gone, and settings are as they were."""
    with connected(bare_database) as connection:
        schema.apply(connection)
        left = connection.execute("select count(*) from pg_proc where pronamespace = pg_my_temp_schema()").fetchone()
        settings = connection.execute(
            "select current_setting('lock_timeout'), current_setting('statement_timeout'),"
            " current_setting('client_min_messages')"
        ).fetchone()
    assert (left, settings) == ((0,), ("0", "0", "notice"))


def test_apply_needs_no_superuser(database: Database) -> None:
    """On Supabase, nobody is one."""
    with connected(database) as connection:
        row = connection.execute("select rolsuper from pg_roles where rolname = current_user").fetchone()
    assert row == (False,)


def test_two_that_apply_at_once_wait_for_each_other(bare_database: Database) -> None:
    """One does the work, the others have nothing left to do."""

    def install(_number: int) -> bool:
        with connected(bare_database) as connection:
            return schema.apply(connection).changes

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(install, range(4))) == [False, False, False, True]


def test_a_changed_function_file_runs_all_of_them_again(database: Database) -> None:
    """And the grants after them; migrations are left alone, and PostgREST is told."""
    with connected(database) as connection, connected(database) as listener:
        listener.execute("listen pgrst")
        connection.execute("update tick.migration set digest = 'old' where name = 'functions/40_consume.sql'")
        connection.execute("grant execute on function tick.open_day to anon")
        done = schema.apply(connection)
        assert [(step.kind, step.text) for step in done.steps] == [
            (StepKind.UPDATE, "tables, functions, triggers and policies of this version"),
            (StepKind.UPDATE, "function tick.open_day(uuid,date) was changed"),
        ]
        row = connection.execute("select has_function_privilege('anon', 'tick.open_day(uuid, date)', 'execute')")
        assert row.fetchone() == (False,)
        assert [notice.payload for notice in listener.notifies(timeout=5, stop_after=1)] == ["reload schema"]


def test_the_hook_comes_when_asked_for_and_stays(database: Database) -> None:
    """Nothing else is done for it; once there it is kept as this version has it, asked for or not."""
    with connected(database) as connection:
        installed = schema.apply(connection, hook=True).steps
        assert [(step.kind, step.text) for step in installed] == [(StepKind.CREATE, "the optional access-token hook")]
        assert schema.plan(connection) == schema.plan(connection, hook=True) == schema.Plan()
        before = catalogue(connection)
        connection.execute("grant execute on function tick.access_token_hook to authenticated")
        connection.execute("update tick.migration set digest = 'old' where name like 'optional/%'")
        assert [step.kind for step in apply_over(connection).steps] == [StepKind.UPDATE]
        assert catalogue(connection) == before
