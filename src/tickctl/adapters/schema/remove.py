"""Takes away what is tickctl's, and undoes what it changed of the project's own."""

from typing import Final, LiteralString

import psycopg
from psycopg.rows import tuple_row

from tickctl.adapters.schema.failures import reported
from tickctl.adapters.schema.requirements import Absent, Connection, all_requirements, ask
from tickctl.adapters.schema.script import LOCK, LOCK_TIMEOUT, SETTINGS
from tickctl.adapters.schema.steps import Plan, Step, StepKind
from tickctl.errors import ConfigurationError, ConflictError

_INSTALLED: Final = "select to_regclass('tick.migration') is not null"
_HOOK: Final = "select to_regprocedure('tick.access_token_hook(jsonb)') is not null"
_TABLES: Final = "select name, digest = 'made' from tick.migration where name like 'public.%' order by name desc"
_UNDO: Final = "select table_name, reason, undo from tick.adopted where undo is not null order by id desc"
_ROWS: Final = "select count(*) from tick.adopted where undo is null"
# Of these names, those that call into the schema are tickctl's.
_FUNCTIONS: Final = r"""
select string_agg(p.oid::regprocedure::text, ', ') from pg_catalog.pg_proc as p
where p.pronamespace = 'public'::regnamespace and p.prosrc ~ '\mtick\.'
    and (p.proname in ('consume_ticks', 'settle_ticks', 'my_ticks') or p.proname like 'tick\_admin\_%')
"""
_KEPT: Final = """
create table if not exists public.tickctl_adopted (table_name text, "row" jsonb, reason text, at timestamptz);
alter table public.tickctl_adopted enable row level security;
revoke all on public.tickctl_adopted from public, anon, authenticated, service_role;
insert into public.tickctl_adopted
select a.table_name, a."row", a.reason, a.at from tick.adopted as a where a.undo is null order by a.id
"""
_HOOK_IN_USE: Final = (
    "tick.access_token_hook is installed: while Supabase Auth calls it, nobody can sign in without it."
    " Switch it off in the project's Auth settings (Hooks), then add --with-hook"
)
_IS_UPGRADED: Final = "select exists (select from tick.migration where name like 'migrations/0001%')"
# Versions before 0006_tables.sql made these where the project had none, and recorded nothing.
_UNRECORDED: Final = """
select
    format('public.%I.%I stays: whether an older tickctl or the project added it isn''t known', c.table_name, c.name),
    format('alter table public.%I drop column %I', c.table_name, c.name)
from (values ('profiles', 'daily_tick_limit'), ('user_daily_usage', 'ticks_granted')) as c (table_name, name)
join pg_catalog.pg_attribute as a
    on a.attrelid = to_regclass('public.' || c.table_name) and a.attname = c.name and not a.attisdropped
union all
select 'policy profiles_read_own on public.profiles stays: tickctl made it, and users read their own row by it',
    'drop policy profiles_read_own on public.profiles'
from pg_catalog.pg_policy as p
where p.polrelid = to_regclass('public.profiles') and p.polname = 'profiles_read_own'
"""
_OURS: Final[dict[str, LiteralString]] = {
    "public.user_daily_usage": (
        "drop policy if exists user_daily_usage_read_own on public.user_daily_usage;"
        " revoke select on public.user_daily_usage from authenticated, service_role"
    ),
    "public.profiles": "select",
}


def removal(connection: Connection, *, keep_usage: bool = False, hook: bool = False) -> Plan:
    """Return what `remove` would do: it is done, and rolled back.

    Args:
        connection: outside a transaction, or in one that may be used and is left as it was.
        keep_usage: whether public.user_daily_usage and public.profiles stay as they are.
        hook: whether the access-token hook may go; while Supabase Auth calls it, nobody could sign in without.

    Raises:
        TickctlError: as for `tickctl.adapters.schema.plan`.
    """
    with reported(), connection.transaction(force_rollback=True):
        return _removed(connection, keep_usage=keep_usage, hook=hook)


def remove(
    connection: Connection, *, keep_usage: bool = False, hook: bool = False, expected: Plan | None = None
) -> Plan:
    """Take away what is tickctl's in one transaction, and return what was done; arguments are those of `removal`.

    Raises:
        ConfigurationError: something of the project's stands in the way.
        ConflictError: the plan is no longer the expected one.
        TickctlError: as for `tickctl.adapters.schema.apply`. Whatever is raised, nothing was changed.
    """
    with reported(), connection.transaction():
        done = _removed(connection, keep_usage=keep_usage, hook=hook)
        if done.blockers:
            raise ConfigurationError("; ".join(done.blockers), hint="nothing was changed")
        if expected is not None and done != expected and done.changes:
            raise ConflictError(
                "the database has changed since the plan was shown", hint="nothing was changed; run it again"
            )
        connection.execute("notify pgrst, 'reload schema'")
    return done


def _removed(connection: Connection, *, keep_usage: bool, hook: bool) -> Plan:
    connection.execute(SETTINGS.encode())
    connection.execute("select pg_advisory_xact_lock(%s)", [LOCK])
    connection.execute("select set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
    if not _one(connection, _INSTALLED):
        return Plan()
    if _one(connection, _HOOK) and not hook:
        return Plan(blockers=(_HOOK_IN_USE,))
    tables: dict[str, bool] = dict(connection.execute(_TABLES).fetchall())
    undo = connection.execute(_UNDO).fetchall()
    is_upgraded = _one(connection, _IS_UPGRADED)
    steps = [Step(StepKind.REMOVE, "schema tick: functions, triggers, charges, the audit log and all settings")]
    if rows := _one(connection, _ROWS):
        steps.append(
            Step(StepKind.NOTE, f"{rows} rows that were taken out of tables are kept in public.tickctl_adopted")
        )
        connection.execute(_KEPT)
    steps += _leftovers(connection)
    if functions := _one(connection, _FUNCTIONS):
        connection.execute(f"drop function {functions}".encode())
        steps.append(Step(StepKind.REMOVE, "functions of schema public, which the API serves"))
    connection.execute("drop schema tick cascade")
    if keep_usage:
        steps += [Step(StepKind.NOTE, f"{name} stays, with its rows, rights and policies") for name in tables]
        return Plan(tuple(steps))
    for name, is_made in tables.items():
        if is_made:
            connection.execute(f"drop table {name}".encode())
            steps.append(Step(StepKind.REMOVE, f"table {name}, with its rows"))
            continue
        connection.execute(_OURS[name])
        for _, reason, statement in (entry for entry in undo if entry[0] == name):
            steps.append(_undone(connection, str(reason), str(statement)))
    if is_upgraded:
        steps += [Step(StepKind.NOTE, text, fix) for text, fix in connection.execute(_UNRECORDED)]
    return Plan(tuple(steps))


def _leftovers(connection: Connection) -> list[Step]:
    """Let inserts do without the copy of id that a trigger filled so far; whether it may go, the project knows."""
    requirement = next(each for each in all_requirements() if each.id == "leftovers")
    violations = ask(connection, requirement, "[]")
    if isinstance(violations, Absent) or not violations:
        return []
    optional = _undone(connection, requirement.title, "alter table public.profiles alter user_id drop not null")
    notes = [Step(StepKind.NOTE, each.message, each.fix, each.dependants) for each in violations]
    return [optional, *notes]


def _undone(connection: Connection, reason: str, statement: str) -> Step:
    try:
        with connection.transaction():
            connection.execute(statement.encode())
    except psycopg.Error as error:
        if error.sqlstate is None:
            raise
        return Step(StepKind.NOTE, f"can't be undone, since {error.diag.message_primary}: {reason}", statement)
    return Step(StepKind.CHANGE, statement)


def _one(connection: Connection, query: LiteralString) -> object:
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(query).fetchone()
    return None if row is None else row[0]
