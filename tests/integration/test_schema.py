"""What every object of the schema has in common."""

import pytest

from quota_support import Database
from schema_support import connected
from tickctl.adapters import schema


def _uninstall(database: Database) -> None:
    with database.superuser() as connection:
        connection.execute("drop schema tick cascade; drop table public.profiles, public.user_daily_usage cascade;")
        # The functions that answer with a type of the private schema have gone with it; the others have not.
        left = connection.execute(
            "select oid::regprocedure as f from pg_proc where pronamespace = 'public'::regnamespace"
        )
        for row in left.fetchall():
            connection.execute(f"drop function {row['f']}".encode())


# Each selects what should not exist.
LINTS = {
    "a SECURITY DEFINER function where PostgREST would serve it": """
        select oid::regprocedure from pg_proc where prosecdef and pronamespace = 'public'::regnamespace
    """,
    "a function whose search_path the caller chooses": """
        select oid::regprocedure from pg_proc as p
        where p.pronamespace in ('tick'::regnamespace, 'public'::regnamespace)
            and not coalesce('search_path=""' = any (p.proconfig), false)
    """,
    "a function that PUBLIC or anon may execute": """
        select oid::regprocedure from pg_proc as p
        where p.pronamespace in ('tick'::regnamespace, 'public'::regnamespace)
            and (p.proacl is null or has_function_privilege('anon', p.oid, 'execute')
                or exists (select from aclexplode(p.proacl) as a where a.grantee = 0))
    """,
    "two functions of one name": """
        select proname from pg_proc where pronamespace in ('tick'::regnamespace, 'public'::regnamespace)
        group by pronamespace, proname having count(*) > 1
    """,
    "a function that writes and is not VOLATILE": """
        select oid::regprocedure from pg_proc as p
        where p.pronamespace = 'tick'::regnamespace and p.provolatile <> 'v'
            and p.prosrc ~* '\\m(insert into|delete from|for update|for no key update)\\M|^\\s*update '
    """,
    "a table with row-level security and no policy": """
        select c.oid::regclass from pg_class as c
        where c.relnamespace in ('tick'::regnamespace, 'public'::regnamespace) and c.relkind = 'r' and c.relrowsecurity
            and not exists (select from pg_policy as p where p.polrelid = c.oid)
    """,
    "a policy that lets the anonymously signed in pass": """
        select tablename, policyname from pg_policies
        where schemaname in ('tick', 'public') and permissive = 'PERMISSIVE'
            and replace(qual, ' ', '') not like '%auth.jwt()->>''is_anonymous''%'
    """,
    "a table without row-level security": """
        select oid::regclass from pg_class
        where relnamespace in ('tick'::regnamespace, 'public'::regnamespace) and relkind = 'r' and not relrowsecurity
    """,
    "a policy for more than reading": """
        select polname from pg_policy where polrelid in (select oid from pg_class
            where relnamespace in ('tick'::regnamespace, 'public'::regnamespace)) and polcmd <> 'r' and polpermissive
    """,
    "a policy that asks who calls once for each row": """
        select polname, pg_get_expr(polqual, polrelid) from pg_policy
        where polrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)
            and pg_get_expr(polqual, polrelid) !~ '\\( *SELECT auth.uid\\(\\)'
    """,
    "a view that reads with its owner's rights": """
        select oid::regclass from pg_class
        where relnamespace in ('tick'::regnamespace, 'public'::regnamespace) and relkind = 'v'
            and not coalesce('security_invoker=true' = any (reloptions), false)
    """,
    "a foreign key without an index that begins with it": """
        select conrelid::regclass, conname from pg_constraint as c
        where c.contype = 'f' and c.connamespace in ('tick'::regnamespace, 'public'::regnamespace)
            and not exists (
                select from pg_index as i
                where i.indrelid = c.conrelid and (i.indkey::smallint[])[0:cardinality(c.conkey) - 1] = c.conkey
            )
    """,
    "a privilege on the private schema's tables": """
        select c.oid::regclass, r.rolname from pg_class as c
        cross join pg_roles as r
        where c.relnamespace = 'tick'::regnamespace and c.relkind in ('r', 'v')
            and r.rolname in ('anon', 'authenticated', 'service_role', 'authenticator')
            and has_table_privilege(r.oid, c.oid, 'select, insert, update, delete, truncate, references, trigger')
    """,
    "a right of users to write, to a table or to a column": """
        select c.oid::regclass, r.rolname from pg_class as c
        cross join pg_roles as r
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
            and r.rolname in ('anon', 'authenticated', 'service_role')
            and (has_table_privilege(r.oid, c.oid, 'insert, update, delete, truncate, references, trigger')
                or has_any_column_privilege(r.oid, c.oid, 'insert, update, references'))
    """,
    "a way for anon into the private schema": """
        select 1 where has_schema_privilege('anon', 'tick', 'usage') or has_schema_privilege('public', 'tick', 'usage')
            or has_schema_privilege('authenticated', 'tick', 'create')
    """,
    "a function of ours that is not the owner's": """
        select oid::regprocedure from pg_proc
        where pronamespace in ('tick'::regnamespace, 'public'::regnamespace) and proowner <> 'postgres'::regrole
    """,
}


@pytest.mark.parametrize("lint", LINTS)
def test_the_catalogue_holds_no(shared_database: Database, lint: str) -> None:
    """Each rule that all our objects keep, asked of the database itself."""
    with shared_database.superuser() as connection:
        assert connection.execute(LINTS[lint].encode()).fetchall() == []


def test_generous_default_privileges_leave_no_hole(database: Database) -> None:
    """Projects made in other years grant everything new in public to everybody."""
    _uninstall(database)
    with connected(database) as connection:
        everybody = "anon, authenticated, service_role"
        for kind in ("tables", "functions", "sequences"):
            for where in ("in schema public", ""):
                connection.execute(f"alter default privileges {where} grant all on {kind} to {everybody}".encode())
        schema.apply(connection)
        for lint, query in LINTS.items():
            assert connection.execute(query.encode()).fetchall() == [], lint


MISTAKES = {
    "a SECURITY DEFINER function where PostgREST would serve it": "alter function public.my_ticks security definer",
    "a function whose search_path the caller chooses": "alter function tick.open_day reset search_path",
    "a function that PUBLIC or anon may execute": "grant execute on function tick.open_day to public",
    "two functions of one name": (
        "create function public.my_ticks(a integer) returns integer language sql as 'select 1'"
    ),
    "a function that writes and is not VOLATILE": "alter function tick.open_day stable",
    "a table with row-level security and no policy": "drop policy nobody on tick.charge",
    "a policy that lets the anonymously signed in pass": (
        "create policy p on public.profiles for select using ((select auth.uid()) = user_id)"
    ),
    "a table without row-level security": "alter table tick.charge disable row level security",
    "a policy for more than reading": "create policy p on public.profiles for all using (true)",
    "a policy that asks who calls once for each row": (
        "create policy p on public.profiles for select using (auth.uid() = user_id)"
    ),
    "a view that reads with its owner's rights": "create view public.v as select 1",
    "a foreign key without an index that begins with it": (
        "alter table tick.charge add foreign key (user_id, id) references public.mistake"
    ),
    "a privilege on the private schema's tables": "grant select on tick.quota to authenticated",
    "a right of users to write, to a table or to a column": "grant update (email) on public.profiles to authenticated",
    "a way for anon into the private schema": "grant usage on schema tick to anon",
    "a function of ours that is not the owner's": "alter function public.my_ticks owner to supabase_admin",
}


@pytest.mark.parametrize("lint", LINTS)
def test_the_catalogue_is_asked_the_right_question(shared_database: Database, lint: str) -> None:
    """Each rule notices what breaks it."""
    with shared_database.superuser() as connection, connection.transaction(force_rollback=True):
        connection.execute("create table public.mistake (a uuid, b uuid, primary key (a, b))")
        connection.execute("alter table public.mistake enable row level security")
        connection.execute(MISTAKES[lint].encode())
        assert connection.execute(LINTS[lint].encode()).fetchall() != []
