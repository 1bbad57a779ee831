"""The same as one SQL text: for the SQL editor, for psql, for `supabase/migrations`."""

import json
from importlib.metadata import version
from typing import Final

from psycopg import sql

from tickctl.adapters.schema.requirements import all_requirements, as_json, query
from tickctl.sql import SqlFile, access_token_hook, migrations, record_installed, repeatables

# An arbitrary number that two simultaneous installations agree on.
LOCK: Final = 7_413_091_865_526_040
LOCK_TIMEOUT: Final = "10s"
"""How long to wait for a table; for another installation we wait as long as it takes."""
SETTINGS: Final = (
    "set local client_min_messages = 'error'; set local statement_timeout = 0;"
    # Names in what the catalogue prints are then complete, whatever this role's search path is.
    " set local search_path = ''; set local timezone = 'UTC'; set local datestyle = 'ISO'"
)
_SETTINGS: Final = ("client_min_messages", "statement_timeout", "search_path", "timezone", "datestyle", "lock_timeout")
_ASKED: Final = frozenset({"refused", "denied", "newer", "blocker", "install", "change", "merge", "archive"})

_HEADER: Final = """\
-- The schema of tickctl for a Supabase project, whether empty or with tables of its own.
--
-- One statement, so all or nothing wherever it is run: in the SQL editor, by psql, as a migration. It can be run
-- again, and then changes nothing. Run it as postgres. `tickctl schema apply` does the same, and first shows its plan.
"""
_SCRIPT: Final = """\
do $tickctl$
declare
    settings jsonb := '{{}}';
    name text;
    requirement jsonb;
    violations jsonb;
    violation jsonb;
    is_outdated boolean := false;
    blockers text[] := '{{}}';
begin
    foreach name in array {names} loop
        settings := settings || jsonb_build_object(name, current_setting(name));
    end loop;
    {settings};
    perform set_config('lock_timeout', '0', true);
    perform pg_advisory_xact_lock({lock});
    perform set_config('lock_timeout', '{lock_timeout}', true);
    for requirement in select * from jsonb_array_elements({requirements}) loop
        begin
            execute format('select coalesce(jsonb_agg(to_jsonb(v)), ''[]'') from (%s)'
                ' as v (object, message, fix, ours, dependants)', requirement ->> 'query') into violations;
        exception
            -- What it speaks of isn't there, or not yet.
            when undefined_table or undefined_column or undefined_function or undefined_object or invalid_schema_name
            then violations := '[]';
        end;
        for violation in select * from jsonb_array_elements(violations) loop
            if requirement ->> 'kind' = 'install' then
                is_outdated := true;
            elsif requirement ->> 'kind' in ('change', 'merge', 'archive') and (violation ->> 'ours')::boolean then
                if blockers = '{{}}' then
                    execute violation ->> 'fix';
                end if;
                is_outdated := true;
            else
                blockers := blockers || (violation ->> 'message');
            end if;
        end loop;
        if (requirement ->> 'is_last')::boolean and blockers = '{{}}' and is_outdated then
            execute {tables};
        end if;
        exit when (requirement ->> 'is_last')::boolean and blockers <> '{{}}';
    end loop;
    if blockers <> '{{}}' then
        raise exception 'tickctl can''t install its schema: %', array_to_string(blockers, '; ') using errcode = '55000';
    end if;
    if is_outdated then
        execute {functions};
        execute {record};
    end if;
    notify pgrst, 'reload schema';
    foreach name in array {names} loop
        perform set_config(name, settings ->> name, true);
    end loop;
end
$tickctl$;
"""


def record(sources: tuple[SqlFile, ...]) -> str:
    """Return the statements that remember which files have run, and each object as it is now."""
    digests = sql.Literal(as_json(sources)).as_string()
    release = sql.Literal(version("tickctl")).as_string()
    return f"""
        insert into tick.migration (name, digest, applied_at)
        select f.name, f.digest, now() from jsonb_to_recordset({digests}) as f (name text, digest text)
        union all
        select 'tickctl', {release}, now()
        on conflict (name) do update set digest = excluded.digest, applied_at = excluded.applied_at
        where migration.digest <> excluded.digest;
        {record_installed()}
    """  # noqa: S608 - literals of our own


def as_one_file(*, hook: bool = False) -> str:
    """Return one SQL statement that does what `apply` does, and remembers it as `apply` does.

    Args:
        hook: whether to install the optional access-token hook; it is not kept up to date without.
    """
    sources = (*migrations(), *repeatables(), *((access_token_hook(),) if hook else ()))
    file_list = as_json(sources)
    questions = [requirement for requirement in all_requirements() if requirement.kind in _ASKED]
    last = [requirement.id for requirement in questions if requirement.kind == "install"][-1]
    requirements = [
        {"kind": each.kind, "query": query(each, file_list), "is_last": each.id == last} for each in questions
    ]
    tables = [file.text for file in sources if file.name.startswith("migrations/")]
    functions = [file.text for file in sources if not file.name.startswith("migrations/")]
    return _HEADER + _SCRIPT.format(
        names=f"array{[*_SETTINGS]}::text[]",
        settings=SETTINGS,
        lock=LOCK,
        lock_timeout=LOCK_TIMEOUT,
        requirements=_quoted(json.dumps(requirements), "tickctl_requirements"),
        tables=_quoted("\n".join(tables), "tickctl_tables"),
        functions=_quoted("\n".join(functions), "tickctl_functions"),
        record=_quoted(record(sources), "tickctl_record"),
    )


def _quoted(text: str, tag: str) -> str:
    return f"${tag}$\n{text}${tag}$"
