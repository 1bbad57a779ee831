"""Installing the schema into a Supabase project, and keeping it up to date."""

import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import psycopg
import pytest

from quota_support import Database
from schema_support import HAND_MADE, apply, apply_over, catalogue, connected, held_up
from tickctl.adapters import schema
from tickctl.adapters.embedded import Server
from tickctl.adapters.schema import StepKind
from tickctl.errors import ConfigurationError, ConflictError, CredentialsRefusedError, UnreachableError
from tickctl.sql import SUPERSEDED, function_sources, migrations, repeatables

FIRST_SCHEMA = Path(__file__).parents[1] / "data" / "first_schema.sql"
SOMEBODY = "00000000-0000-4000-8000-000000000001"
REPAIRED = "functions, views, triggers, rights and policies as they were: they were altered since"


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


def test_a_migration_that_ran_with_another_text_stops_everything(database: Database) -> None:
    """What was built from it can't be known."""
    with connected(database) as connection:
        connection.execute("update tick.migration set digest = 'other' where name like 'migrations/%'")
        with pytest.raises(ConfigurationError, match=r"0001_tables\.sql"):
            schema.apply(connection)


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


def test_a_database_of_a_newer_version_is_left_alone(database: Database) -> None:
    """Putting older functions over newer tables would break it."""
    with connected(database) as connection:
        connection.execute("insert into tick.migration values ('migrations/9999_later.sql', 'x', now())")
        connection.execute("update tick.migration set digest = 'old' where name = 'policies.sql'")
        for use in (schema.plan, schema.apply):
            with pytest.raises(ConfigurationError, match="newer") as caught:
                use(connection)
            assert caught.value.hint == "upgrade tickctl"
        row = connection.execute("select digest from tick.migration where name = 'policies.sql'").fetchone()
    assert row == ("old",)


def test_functions_of_a_newer_version_are_left_alone(database: Database) -> None:
    """A new version need not bring new tables; of one version, the text that runs last wins."""
    with connected(database) as connection:
        connection.execute("update tick.migration set digest = 'old' where name = 'policies.sql'")
        for newer in ("99.0", "99.0.0rc1", "0.10000"):
            connection.execute("update tick.migration set digest = %s where name = 'tickctl'", [newer])
            with pytest.raises(ConfigurationError, match=f"set up by tickctl {newer}, and this is"):
                schema.apply(connection)
        connection.execute("update tick.migration set digest = '0.0.9' where name = 'tickctl'")
        assert [step.kind for step in schema.apply(connection).steps] == [StepKind.UPDATE]
        remembered = connection.execute("select digest from tick.migration where name = 'tickctl'").fetchone()
    assert remembered == (version("tickctl"),)


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


def run_by_psql(server: Server, database: Database, *options: str) -> None:
    """Run the one text as a file, as people do who have no tickctl at hand."""
    done = subprocess.run(
        [server.psql_path, "-X", "-q", "-v", "ON_ERROR_STOP=1", *options, "-f", "-", database.postgres_url],
        input=schema.as_one_file(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def run_by_editor(server: Server, database: Database) -> None:
    """Run the one text as Supabase's SQL editor does: sent as it is."""
    with connected(database) as connection:
        connection.execute(schema.as_one_file().encode())
        # Not even the settings of the session are other than before.
        left = connection.execute("select current_setting('lock_timeout'), current_setting('client_min_messages')")
        assert left.fetchone() == ("0", "notice")


WAYS: dict[str, Callable[[Server, Database], None]] = {
    "psql": run_by_psql,
    "psql in one transaction": lambda server, database: run_by_psql(server, database, "-1"),
    "SQL editor": run_by_editor,
}


@pytest.mark.parametrize("there", ["nothing", "hand-made tables"])
@pytest.mark.parametrize("way", WAYS)
def test_the_text_does_what_apply_does(
    server: Server, bare_database: Database, bare_twin: Database, way: str, there: str
) -> None:
    """The same catalogue, the same rows, the same memory of it; a second run changes nothing."""
    for database in (bare_database, bare_twin):
        with connected(database) as connection:
            if there != "nothing":
                connection.execute(HAND_MADE.encode())
            connection.execute("insert into auth.users (id, email) values (%s, 'early@example.com')", [SOMEBODY])
            if there != "nothing":
                connection.execute(
                    "insert into public.user_daily_usage (user_id, usage_date, ticks_used)"
                    " values (%(id)s, '2026-01-01', 1), (%(id)s, '2026-01-01', 2)",
                    {"id": SOMEBODY},
                )
    apply(bare_twin)
    for _twice in range(2):
        WAYS[way](server, bare_database)
        with connected(bare_database) as connection, connected(bare_twin) as twin:
            assert schema.plan(connection) == schema.Plan()
            assert catalogue(connection) == [
                line.replace(bare_twin.name, bare_database.name) for line in catalogue(twin)
            ]
            for table in ("public.profiles", "public.user_daily_usage", "tick.settings"):
                rows = connection.execute(f"select * from {table}".encode()).fetchall()
                assert rows == twin.execute(f"select * from {table}".encode()).fetchall()
            remembered = "select name, digest from tick.migration order by name"
            assert connection.execute(remembered).fetchall() == twin.execute(remembered).fetchall()


def test_the_text_refuses_as_a_whole(bare_database: Database) -> None:
    """With everything that is in the way in one message, and nothing changed."""
    with connected(bare_database) as connection:
        connection.execute(
            "create table public.user_daily_usage (day date); create view public.profiles as select 1 as a"
        )
        before = catalogue(connection)
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as caught:
            connection.execute(schema.as_one_file().encode())
        assert catalogue(connection) == before
    message = caught.value.diag.message_primary or ""
    assert "public.profiles is a view" in message
    assert "public.user_daily_usage has no column user_id" in message


def test_the_text_says_the_same_each_time() -> None:
    """So that a migration that is there already is recognised."""
    assert schema.as_one_file() == schema.as_one_file()
    assert schema.as_one_file(hook=True) != schema.as_one_file()


def test_apply_that_loses_its_connection_leaves_the_old_state(bare_database: Database) -> None:
    """In the middle of its work, and said to be unknown to nobody: an unfinished transaction changes nothing."""
    with held_up(bare_database), ThreadPoolExecutor(1) as pool, connected(bare_database) as connection:
        before = catalogue(connection)
        with connected(bare_database) as other:
            done = pool.submit(schema.apply, connection)
            (pid,) = bare_database.wait_for_lock(user="postgres")
            other.execute("select pg_terminate_backend(%s)", [pid])
            with pytest.raises(UnreachableError):
                done.result(timeout=30)
            assert catalogue(other) == before


def test_apply_gives_up_when_somebody_does_not_let_go(bare_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for a table makes everybody else wait; nothing has changed then."""
    monkeypatch.setattr("tickctl.adapters.schema.install.LOCK_TIMEOUT", "50ms")
    with held_up(bare_database), connected(bare_database) as connection:
        before = catalogue(connection)
        with pytest.raises(UnreachableError, match="did not let go"):
            schema.apply(connection)
        assert catalogue(connection) == before


def test_another_plan_than_the_one_agreed_to_is_not_carried_out(bare_database: Database) -> None:
    """Somebody was quicker, and made a table."""
    with connected(bare_database) as connection:
        agreed = schema.plan(connection)
        connection.execute("create table public.profiles (user_id uuid primary key)")
        before = catalogue(connection)
        with pytest.raises(ConflictError):
            schema.apply(connection, expected=agreed)
        assert catalogue(connection) == before


def test_a_role_without_rights_is_told_so(bare_database: Database) -> None:
    """All that it lacks, or what it may not even look at."""
    with bare_database.superuser() as connection:
        connection.execute("create role weak login; grant usage on schema auth to weak; create role blind login")
    try:
        for role, told in (("weak", "weak may not create schemas"), ("blind", "permission denied for schema auth")):
            url = bare_database.postgres_url.replace("postgres@", f"{role}@", 1)
            with psycopg.connect(url, autocommit=True) as connection:
                for use in (schema.plan, schema.apply):
                    with pytest.raises(CredentialsRefusedError) as caught:
                        use(connection)
                    assert told in caught.value.message
    finally:
        with bare_database.superuser() as connection:
            connection.execute("drop owned by weak, blind; drop role weak; drop role blind")


def test_the_schema_of_another_role_is_left_to_it(database: Database) -> None:
    """Functions of two owners could not call each other."""
    with database.superuser() as connection:
        connection.execute("alter schema tick owner to supabase_admin; grant usage on schema tick to postgres")
    with connected(database) as connection, pytest.raises(CredentialsRefusedError, match="belongs to supabase_admin"):
        schema.apply(connection)


def test_a_database_that_can_only_be_read_is_refused(bare_database: Database) -> None:
    """A replica, for one."""
    with connected(bare_database) as connection:
        connection.execute("set default_transaction_read_only = on")
        with pytest.raises(ConfigurationError, match="only be read"):
            schema.plan(connection)


def test_an_auth_server_of_long_ago_is_refused(bare_database: Database) -> None:
    """Its tables tell less than the rules ask for."""
    with bare_database.superuser() as connection:
        connection.execute("alter table auth.users drop column is_anonymous, drop column banned_until")
    with connected(bare_database) as connection, pytest.raises(ConfigurationError) as caught:
        schema.plan(connection)
    assert caught.value.message.endswith("auth.users has no banned_until, is_anonymous")
    assert "upgrade the project" in str(caught.value.hint)


def test_a_schema_of_that_name_that_is_not_ours_is_left_alone(bare_database: Database) -> None:
    """Unless it is empty."""
    with connected(bare_database) as connection:
        connection.execute("create schema tick")
        assert schema.plan(connection).changes
        connection.execute("create table tick.tock (a integer)")
        with pytest.raises(ConfigurationError, match="did not make"):
            schema.apply(connection)


# What somebody may do to an installed schema, and what the plan says about it.
DAMAGE = {
    "function text": (
        (
            "create or replace function public.my_ticks() returns tick.quota_state language sql"
            " as 'select null::tick.quota_state'"
        ),
        REPAIRED,
    ),
    "function runs as its owner": ("alter function public.my_ticks security definer", REPAIRED),
    "function without search_path": ("alter function tick.my_ticks reset search_path", REPAIRED),
    "function dropped": ("drop function public.my_ticks", REPAIRED),
    "function for everybody": ("grant execute on function tick.settle_ticks to public", REPAIRED),
    "function for the login role": (
        "grant execute on function tick.settle_ticks to authenticator",
        "EXECUTE on function tick.settle_ticks",
    ),
    "overload": (
        "create function public.my_ticks(a integer) returns integer language sql as 'select 1'",
        "function public.my_ticks(integer)",
    ),
    "row security off": ("alter table public.profiles disable row level security", "row-level security is on"),
    "row security off, private": ("alter table tick.charge disable row level security", REPAIRED),
    "policy": ("create policy more on public.profiles for all using (true)", "policy more on public.profiles"),
    "policy, private": ("create policy more on tick.audit for select using (true)", "policy more on tick.audit"),
    "own policy altered": ("alter policy profiles_read_own on public.profiles using (true)", REPAIRED),
    "own policy dropped": ("drop policy profiles_read_own on public.profiles", REPAIRED),
    "rule": (
        "create rule double as on update to tick.charge do also delete from tick.audit",
        "rule double on tick.charge",
    ),
    "grant": (
        "grant update, delete on public.profiles to authenticated",
        "DELETE, UPDATE on public.profiles from authenticated",
    ),
    "grant on a column": (
        "grant update (email) on public.profiles to authenticated",
        "UPDATE (email) on public.profiles from authenticated",
    ),
    "grant to all": ("grant select on public.profiles to public", "SELECT on public.profiles from public"),
    "grant to the secret key": (
        "grant insert on public.user_daily_usage to service_role",
        "INSERT on public.user_daily_usage from service_role",
    ),
    "grant, private": ("grant select on tick.charge to authenticated", "SELECT on tick.charge from authenticated"),
    "grant withdrawn": ("revoke select on public.profiles from authenticated", REPAIRED),
    "schema for anon": ("grant usage on schema tick to anon", "USAGE on schema tick from anon"),
    "schema to create in": ("grant create on schema public to authenticated", "CREATE on schema public"),
    "database to create in": ("grant create on database {database} to anon", "CREATE on database"),
    "default privileges": (
        "alter default privileges in schema tick grant all on tables to anon",
        "what new tables of postgres in schema tick grant to anon",
    ),
    "default privileges everywhere": (
        "alter default privileges grant select on tables to authenticated",
        "what new tables of postgres grant to authenticated",
    ),
    "trigger off": ("alter table public.user_daily_usage disable trigger forget_charges", REPAIRED),
    "trigger dropped": ("drop trigger forget_charges on public.user_daily_usage", REPAIRED),
    "view of all": (
        "create view public.everybody as select * from public.profiles; grant select on public.everybody to anon",
        "view public.everybody shows",
    ),
    "view of a view": (
        (
            "create view public.everybody_first with (security_invoker = on) as select * from public.profiles;"
            "create view public.everybody as select * from public.everybody_first;"
            "grant select on public.everybody to anon"
        ),
        "view public.everybody shows",
    ),
    "copy of all": (
        (
            "create materialized view public.everybody as select * from public.profiles;"
            "grant select on public.everybody to authenticated"
        ),
        "everything on public.everybody",
    ),
    "function around": (
        (
            "create function public.bump() returns void language sql security definer"
            " as 'update public.profiles set daily_tick_limit = 9'"
        ),
        "EXECUTE on public.bump()",
    ),
    "check dropped": (
        "alter table public.profiles drop constraint profiles_daily_tick_limit_in_range",
        "limits are from 0 to 1000000000",
    ),
    "check, private": ("alter table tick.charge drop constraint charge_ticks_in_range", "charge_ticks_in_range"),
    "key dropped": ("alter table public.user_daily_usage drop constraint user_daily_usage_pkey", "is unique"),
    "key, private": ("alter table tick.admin drop constraint admin_pkey", "tick.admin"),
    "reference dropped": ("alter table public.profiles drop constraint profiles_user_id_fkey", "go with their user"),
    "reference, private": ("alter table tick.admin drop constraint admin_user_id_fkey", "tick.admin"),
    "index dropped": ("drop index tick.charge_user_day", "charge_user_day"),
    "table dropped": ("drop table public.user_daily_usage cascade", "public.user_daily_usage anew"),
    "table dropped, private": ("drop table tick.charge cascade", "tick.charge anew"),
    "null allowed": ("alter table public.user_daily_usage alter column ticks_used drop not null", "never null"),
    "default taken away": (
        "alter table public.user_daily_usage alter column ticks_granted drop default",
        "0 by default",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_apply_mends(shared_database: Database, damage: str) -> None:
    """What was done to an installed schema is named, and undone; people's own views and functions stay."""
    statement, told = DAMAGE[damage]
    theirs = ("everybody", "bump")
    with connected(shared_database) as connection, connection.transaction(force_rollback=True):
        before = catalogue(connection)
        connection.execute(statement.replace("{database}", shared_database.name).encode())
        done = apply_over(connection)
        assert any(told in step.text for step in done.steps), done.steps
        assert done.asks or damage.startswith(("index", "table"))
        assert [line for line in catalogue(connection) if not any(name in line for name in theirs)] == before
