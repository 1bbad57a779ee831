"""What PostgREST remembers of the database until it is told to look again: functions, tables, roles' settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg.rows import dict_row

_FUNCTIONS = """
select
    n.nspname as schema,
    p.proname as name,
    p.provolatile <> 'v' as read_only,
    p.proretset as returns_set,
    p.prorettype = 'void'::regtype as returns_void,
    -- OUT and TABLE columns, or a composite type, make rows; everything else is one value.
    (t.typtype = 'c' or coalesce(p.proargmodes::text[] && '{o,b,t}', false)) as returns_rows,
    (
        select coalesce(json_agg(json_build_object(
            'name', coalesce(p.proargnames[a.place], ''),
            'type', format_type(a.type_oid, null),
            'required', a.place <= p.pronargs - p.pronargdefaults
        ) order by a.place), '[]')
        from unnest(p.proargtypes) with ordinality as a (type_oid, place)
    ) as parameters,
    coalesce(p.proconfig, '{}') as settings
from pg_proc as p
join pg_namespace as n on n.oid = p.pronamespace
join pg_type as t on t.oid = p.prorettype
where n.nspname = any(%s) and p.prokind = 'f'
order by p.oid
"""

_TABLES = """
select
    n.nspname as schema,
    c.relname as name,
    (
        select json_object_agg(a.attname, format_type(a.atttypid, null) order by a.attnum)
        from pg_attribute as a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    ) as columns,
    (
        select coalesce(json_agg(a.attname order by a.attnum), '[]')
        from pg_index as i join pg_attribute as a on a.attrelid = c.oid and a.attnum = any(i.indkey)
        where i.indrelid = c.oid and i.indisprimary
    ) as key
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = any(%s) and c.relkind in ('r', 'v', 'm', 'f', 'p')
"""

# What `alter role ... set` says of the roles that the login role may become; it holds for their transactions.
_ROLES = """
select r.rolname as role, split_part(s.setting, '=', 1) as name, substr(s.setting, strpos(s.setting, '=') + 1) as value
from pg_auth_members as m
join pg_roles as login on login.oid = m.member and login.rolname = current_user
join pg_roles as r on r.oid = m.roleid
join pg_db_role_setting as kept on kept.setrole = r.oid
join lateral unnest(kept.setconfig) as s (setting) on true
where kept.setdatabase in (0, (select d.oid from pg_database as d where d.datname = current_database()))
order by kept.setdatabase
"""

_TIME_ZONES = "select name from pg_timezone_names"

# `db-hoisted-tx-settings`: settings of a function that must hold before it is called.
_HOISTED = ("statement_timeout", "plan_filter.statement_cost_limit", "default_transaction_isolation")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a function; `name` is "" where it has none."""

    name: str
    type: str
    required: bool


@dataclass(frozen=True, slots=True)
class Function:
    """A function that can be called."""

    schema: str
    name: str
    parameters: tuple[Parameter, ...]
    read_only: bool
    returns_set: bool
    returns_void: bool
    returns_rows: bool
    settings: Mapping[str, str]

    @property
    def signature(self) -> str:
        """As in the messages about functions that are too many."""
        arguments = ", ".join(f"{parameter.name} => {parameter.type}" for parameter in self.parameters)
        return f"{self.schema}.{self.name}({arguments})"


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view that can be read or written."""

    schema: str
    name: str
    columns: Mapping[str, str]
    key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SchemaCache:
    """One look at the database."""

    functions: Sequence[Function]
    tables: Mapping[tuple[str, str], Table]
    role_settings: Mapping[str, Mapping[str, str]]
    time_zones: frozenset[str]

    def named(self, schema: str, name: str) -> list[Function]:
        """Return the functions of a name."""
        return [function for function in self.functions if (function.schema, function.name) == (schema, name)]


def load(connection: psycopg.Connection, schemas: Sequence[str]) -> SchemaCache:
    """Look at the database, as the login role sees it."""
    with connection.cursor(row_factory=dict_row) as cursor:
        functions = [
            Function(
                row["schema"],
                row["name"],
                tuple(Parameter(**parameter) for parameter in row["parameters"]),
                row["read_only"],
                row["returns_set"],
                row["returns_void"],
                row["returns_rows"],
                {name: value for name, _, value in (s.partition("=") for s in row["settings"]) if name in _HOISTED},
            )
            for row in cursor.execute(_FUNCTIONS, [list(schemas)])
        ]
        tables = {
            (row["schema"], row["name"]): Table(row["schema"], row["name"], row["columns"], tuple(row["key"]))
            for row in cursor.execute(_TABLES, [list(schemas)])
        }
        roles: dict[str, dict[str, str]] = {}
        for row in cursor.execute(_ROLES):
            roles.setdefault(row["role"], {})[row["name"]] = row["value"]
        zones = frozenset(row["name"] for row in cursor.execute(_TIME_ZONES))
    return SchemaCache(functions, tables, roles, zones)
