"""Installing the schema into a Supabase project, and keeping it up to date."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from quota_support import Database
from schema_support import apply, apply_over, catalogue, connected
from tickctl.adapters import schema
from tickctl.adapters.schema import StepKind
from tickctl.sql import SUPERSEDED, function_sources, migrations, repeatables

FIRST_SCHEMA = Path(__file__).parents[1] / "data" / "first_schema.sql"


def test_apply_installs_everything_once(bare_database: Database) -> None:
    """In a database that has users already; nobody needs to be asked, and a second run finds nothing to do."""
    user = bare_database.add_user("early@example.com")
    done = apply(bare_database)
    assert {step.kind for step in done.steps} == {StepKind.CREATE}
    assert not done.asks
    with connected(bare_database) as connection:
        row = connection.execute("select user_id::text, email, daily_tick_limit from public.profiles").fetchone()
        ran = {name for (name,) in connection.execute("select name from tick.migration")}
    assert row == (user.id, "early@example.com", 32)
    assert ran == {file.name for file in (*migrations(), *repeatables())} | {"state", "tickctl"}


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
        assert [step.kind for step in done.steps] == [StepKind.UPDATE]
        row = connection.execute("select has_function_privilege('anon', 'tick.open_day(uuid, date)', 'execute')")
        assert row.fetchone() == (False,)
        assert [notice.payload for notice in listener.notifies(timeout=5, stop_after=1)] == ["reload schema"]


def test_a_text_that_was_replaced_on_purpose_is_no_obstacle(database: Database) -> None:
    """Embedded databases of earlier versions ran it."""
    with connected(database) as connection:
        connection.execute(
            "update tick.migration set digest = %s where name = 'migrations/0001_tables.sql'", [next(iter(SUPERSEDED))]
        )
        assert schema.plan(connection) == schema.Plan()


def test_the_first_databases_are_brought_up_to_date(bare_database: Database, bare_twin: Database) -> None:
    """Their limits, usage and charges stay, and they end as those that begin today."""
    with connected(bare_database) as connection:
        connection.execute(FIRST_SCHEMA.read_bytes())
        user = bare_database.add_user("early@example.com", limit=5)
        answer = bare_database.functions().call("consume_ticks", {"ticks": 2}, caller=user.caller)
        assert answer[0]["decision"] == "granted"
        assert not apply_over(connection).asks
        rows = connection.execute(
            "select p.daily_tick_limit, d.ticks_used, c.ticks from public.profiles as p"
            " join public.user_daily_usage as d using (user_id) join tick.charge as c using (user_id)"
        )
        assert rows.fetchall() == [(5, 2, 2)]
    apply(bare_twin)
    with connected(bare_database) as connection, connected(bare_twin) as twin:
        assert catalogue(connection) == [line.replace(bare_twin.name, bare_database.name) for line in catalogue(twin)]


def test_migrations_are_numbered_without_gaps() -> None:
    """So that two branches that add one collide where people see it."""
    assert [int(file.name.removeprefix("migrations/")[:4]) for file in migrations()] == [
        *range(1, len(migrations()) + 1)
    ]


def test_the_hook_comes_when_asked_for_and_stays(database: Database) -> None:
    """Nothing else is done for it; once there it is kept as this version has it, asked for or not."""
    with connected(database) as connection:
        installed = schema.apply(connection, hook=True).steps
        assert [(step.kind, step.text) for step in installed] == [(StepKind.CREATE, "the optional access token hook")]
        assert schema.plan(connection) == schema.plan(connection, hook=True) == schema.Plan()
        before = catalogue(connection)
        connection.execute("grant execute on function tick.access_token_hook to authenticated")
        connection.execute("update tick.migration set digest = 'old' where name like 'optional/%'")
        assert [step.kind for step in apply_over(connection).steps] == [StepKind.UPDATE]
        assert catalogue(connection) == before


def test_function_sources_are_what_the_database_has(database: Database) -> None:
    """So that whoever compares them finds only what somebody has changed."""
    with connected(database) as connection:
        schema.apply(connection, hook=True)
        stored = dict(
            connection.execute(
                "select pronamespace::regnamespace || '.' || proname, prosrc from pg_proc"
                " where pronamespace in ('tick'::regnamespace, 'public'::regnamespace) and prosqlbody is null"
            ).fetchall()
        )
    assert function_sources() == stored
