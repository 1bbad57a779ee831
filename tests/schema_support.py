"""What tests of the schema share: a project's database without tickctl, and hand-made tables to put into it."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import psycopg

from quota_support import Database
from tickctl.adapters import schema
from tickctl.adapters.schema import StepKind


def make_bare(database: Database) -> None:
    """Take from a database all that is ours, and give it the default privileges that Supabase hands out."""
    with database.superuser() as connection:
        connection.execute("drop schema if exists tick cascade")
        connection.execute("drop table if exists public.profiles, public.user_daily_usage cascade")
        left = connection.execute(
            "select oid::regprocedure as function from pg_proc where pronamespace = 'public'::regnamespace"
        ).fetchall()
        for row in left:
            connection.execute(f"drop function {row['function']}".encode())
        # As projects of most years have it.
        for kind in ("tables", "functions", "sequences"):
            connection.execute(
                f"alter default privileges for role postgres in schema public grant all on {kind}"
                " to anon, authenticated, service_role".encode()
            )


@contextmanager
def connected(database: Database) -> Iterator[schema.Connection]:
    """Connect as the owner, as `apply` wants it."""
    with psycopg.connect(database.postgres_url, autocommit=True) as connection:
        yield connection


def apply(database: Database, *, hook: bool = False, options: Collection[str] = ()) -> schema.Plan:
    """Install the schema, and see that it is what was announced and that nothing but notes is left."""
    with connected(database) as connection:
        return apply_over(connection, hook=hook, options=options)


def apply_over(connection: schema.Connection, *, hook: bool = False, options: Collection[str] = ()) -> schema.Plan:
    """Install the schema over a connection, as `apply`."""
    announced = schema.plan(connection, hook=hook, options=options)
    assert announced.blockers == (), announced.blockers
    done = schema.apply(connection, hook=hook, options=options)
    assert done == announced
    again = schema.plan(connection, options=options)
    assert {step.kind for step in again.steps} <= {StepKind.NOTE}, again.steps
    assert not again.blockers
    assert schema.outstanding(connection) == schema.Plan()
    return done


def catalogue(connection: schema.Connection) -> list[str]:
    """Return everything that the schemas `public` and `tick` consist of, one thing a line, in an order of its own."""
    path = connection.execute("select current_setting('search_path'), set_config('search_path', '', false)").fetchone()
    lines = [line for (line,) in connection.execute(_CATALOGUE.encode())]
    connection.execute("select set_config('search_path', %s, false)", [path and path[0]])
    return lines


_CATALOGUE = """
with schemas as (select oid from pg_namespace where nspname in ('public', 'tick')),
relations as (select c.* from pg_class as c join schemas as s on s.oid = c.relnamespace),
rights (what, acl) as (
    select p.oid::regprocedure::text, p.proacl from pg_proc as p join schemas as s on s.oid = p.pronamespace
    union all select c.oid::regclass::text, coalesce(c.relacl, acldefault('r', c.relowner))
    from relations as c where c.relkind in ('r', 'v')
    union all select a.attrelid::regclass || '.' || a.attname, a.attacl
    from pg_attribute as a join relations as c on c.oid = a.attrelid
    union all select 'schema ' || nspname, nspacl from pg_namespace
    union all select 'database', coalesce(datacl, acldefault('d', datdba))
    from pg_database where datname = current_database()
    union all select concat_ws(' ', 'new', defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype), defaclacl
    from pg_default_acl
),
lines (line) as (
    select pg_get_functiondef(p.oid) || p.proowner::regrole
    from pg_proc as p join schemas as s on s.oid = p.pronamespace where p.prokind = 'f'
    union all
    select concat_ws(' ', r.what, a.grantee::regrole, a.privilege_type, a.is_grantable)
    from rights as r cross join lateral aclexplode(r.acl) as a
    union all
    select concat_ws(' ', c.oid::regclass, c.relkind, c.relowner::regrole, c.relrowsecurity, c.reloptions,
        case c.relkind when 'v' then pg_get_viewdef(c.oid) end)
    from relations as c
    union all
    select concat_ws(' ', c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
        pg_get_expr(d.adbin, d.adrelid))
    from relations as c
    join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef as d on d.adrelid = c.oid and d.adnum = a.attnum
    union all
    select concat_ws(' ', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
    from pg_constraint as k join schemas as s on s.oid = k.connamespace
    union all
    select pg_get_indexdef(i.indexrelid) from pg_index as i join relations as c on c.oid = i.indrelid
    union all
    select concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled) from pg_trigger as t where not t.tgisinternal
    union all
    select concat_ws(' ', schemaname, tablename, policyname, permissive, roles, cmd, qual, with_check) from pg_policies
    union all
    select pg_get_ruledef(r.oid) from pg_rewrite as r join relations as c on c.oid = r.ev_class and c.relkind <> 'v'
)
select line from lines order by line
"""


@contextmanager
def held_up(database: Database) -> Iterator[None]:
    """Hand-made tables, and somebody who reads a view that `apply` comes to when half of its work is done."""
    with connected(database) as connection, connected(database) as reader:
        connection.execute(HAND_MADE.encode())
        connection.execute("create view public.accounts as select id, email from auth.users")
        with reader.transaction():
            reader.execute("select from public.accounts")
            yield


# The tables of a project that followed a public implementation of daily quotas: unsafe in every way.
HAND_MADE = """
create table public.profiles (
    id uuid primary key references auth.users (id),
    email text unique,
    username text,
    daily_tick_limit integer not null default 32
);
create table public.user_daily_usage (
    id bigint generated always as identity primary key,
    user_id uuid references auth.users (id),
    usage_date date default current_date,
    ticks_used integer default 0
);
alter table public.profiles enable row level security;
create policy "Users manage own profile" on public.profiles for all using (auth.uid() = id);
create policy "Users manage own usage" on public.user_daily_usage for all using (auth.uid() = user_id);
create policy "Public profiles are viewable" on public.profiles for select using (true);
create function public.handle_new_user() returns trigger language plpgsql security definer as $$
begin
    insert into public.profiles (id, email, username) values (new.id, new.email, split_part(new.email, '@', 1));
    return new;
end
$$;
create trigger on_auth_user_created after insert on auth.users
for each row execute function public.handle_new_user();
"""
