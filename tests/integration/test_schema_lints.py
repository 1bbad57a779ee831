"""Supabase's database lints, read strictly: none finds anything in our schema, whatever its level.

Numbers and meanings: https://supabase.com/docs/guides/database/database-advisors; the queries are our own. Where the
documentation leaves it open, the stricter reading counts: every schema but Supabase's own, every level, INFO too. Left
out are lints of what no migration of ours makes: extensions (0014, 0022), queues (0019), storage buckets (0025) and
replication slots (0031); and of what only time tells: bloat (0020).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg.rows import DictRow

from check_support import broken, connected
from quota_support import Database
from schema_support import apply
from tickctl.adapters.schema_check import check
from tickctl.sql import access_token_hook

# What the queries speak of: relations and functions outside of PostgreSQL's and Supabase's own schemas.
_WORDS = """
with our_schema as (
    select oid, nspname from pg_namespace
    where nspname !~ '^pg_' and nspname not in ('information_schema', 'auth')
),
relation as (
    select c.*, n.nspname, c.oid::regclass::text as name
    from pg_class as c join our_schema as n on n.oid = c.relnamespace
),
reader as (select oid, rolname from pg_roles where rolname in ('anon', 'authenticated')),
policy as (
    select p.*, r.name as relation, r.nspname, r.relrowsecurity,
        coalesce(pg_get_expr(p.polqual, p.polrelid), '') as condition,
        coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '') as new_row
    from pg_policy as p join relation as r on r.oid = p.polrelid
),
function as (
    select p.*, n.nspname, p.oid::regprocedure::text as name
    from pg_proc as p join our_schema as n on n.oid = p.pronamespace
)
"""


@dataclass(frozen=True)
class Lint:
    """What the lint selects, and a mistake that it must notice."""

    query: str
    mistake: str


_TABLE = "create table public.mistake (id uuid primary key, other uuid);"
LINTS = {
    "0001 unindexed foreign keys": Lint(
        """
        select k.conrelid::regclass, k.conname from pg_constraint as k join relation as r on r.oid = k.conrelid
        where k.contype = 'f' and not exists (
            select from pg_index as i where i.indrelid = k.conrelid and i.indisvalid
                and (i.indkey::smallint[])[0:cardinality(k.conkey) - 1] = k.conkey
        )
        """,
        f"{_TABLE} alter table public.mistake add foreign key (other) references auth.users (id)",
    ),
    "0002 auth users exposed": Lint(
        """
        select distinct v.name from relation as v
        join pg_rewrite as w on w.ev_class = v.oid
        join pg_depend as d on d.objid = w.oid and d.refobjid = 'auth.users'::regclass
        cross join reader as r
        where v.relkind in ('v', 'm') and (
            has_table_privilege(r.oid, v.oid, 'select') or has_any_column_privilege(r.oid, v.oid, 'select')
        )
        """,
        "create view public.mistake as select id from auth.users; grant select on public.mistake to anon",
    ),
    # Both ways in which it was ever asked: some call stands outside of a subselect, or no subselect begins with it.
    "0003 auth RLS initplan": Lint(
        r"""
        select p.relation, p.polname from policy as p
        cross join lateral (select lower(p.condition || ' ' || p.new_row) as text) as e
        where e.text ~ '(?<!select )\m(auth\.(uid|jwt|role|email)\(\)|current_setting\()'
        """,
        "create policy mistake on public.profiles for select using (auth.uid() = user_id)",
    ),
    "0004 no primary key": Lint(
        """
        select r.name from relation as r where r.relkind in ('r', 'p')
            and not exists (select from pg_index as i where i.indrelid = r.oid and i.indisprimary)
        """,
        "create table public.mistake (id uuid)",
    ),
    "0006 multiple permissive policies": Lint(
        """
        select p.relation, r.rolname, a.command from policy as p
        join pg_roles as r on p.polroles @> array[r.oid] or p.polroles = array[0::oid]
        join (values ('r'), ('a'), ('w'), ('d')) as a (command) on p.polcmd in (a.command, '*')
        where p.polpermissive
        group by p.relation, r.rolname, a.command having count(*) > 1
        """,
        "create policy mistake on public.profiles for all using (false)",
    ),
    "0007 policy exists RLS disabled": Lint(
        "select p.relation, p.polname from policy as p where not p.relrowsecurity",
        "alter table public.profiles disable row level security",
    ),
    "0008 RLS enabled no policy": Lint(
        """
        select r.name from relation as r
        where r.relkind in ('r', 'p') and r.relrowsecurity
            and not exists (select from policy as p where p.polrelid = r.oid)
        """,
        f"{_TABLE} alter table public.mistake enable row level security",
    ),
    # Stricter than asked for: also an index whose columns another one begins with.
    "0009 duplicate index": Lint(
        """
        select a.indexrelid::regclass::text, b.indexrelid::regclass::text
        from pg_index as a join relation as r on r.oid = a.indrelid
        join pg_index as b on b.indrelid = a.indrelid and b.indexrelid <> a.indexrelid
        where a.indexprs is null and b.indexprs is null and a.indpred is null and b.indpred is null
            and not a.indisunique
            and (b.indkey::smallint[])[0:a.indnatts - 1] = (a.indkey::smallint[])[0:a.indnatts - 1]
        union all
        select min(i.indexname), max(i.indexname) from pg_indexes as i join our_schema as n on n.nspname = i.schemaname
        group by i.schemaname, i.tablename, replace(i.indexdef, i.indexname, '') having count(*) > 1
        """,
        "create index mistake on public.profiles (user_id)",
    ),
    "0010 security definer view": Lint(
        """
        select v.name from relation as v where v.relkind = 'v'
            and not coalesce(v.reloptions && array['security_invoker=true', 'security_invoker=on'], false)
        """,
        "create view public.mistake as select 1 as one",
    ),
    "0011 function search path mutable": Lint(
        """
        select f.name from function as f
        where not exists (select from unnest(f.proconfig) as s where s like 'search_path=%')
        """,
        "create function public.mistake() returns int language sql as 'select 1'",
    ),
    "0012 auth allow anonymous sign-ins": Lint(
        """
        select p.relation, p.polname from policy as p
        where p.polpermissive
            and exists (
                select from unnest(p.polroles) as r (oid)
                where r.oid = 0
                    or pg_has_role('authenticated', r.oid, 'usage') or pg_has_role(r.oid, 'authenticated', 'usage')
            )
            and replace(p.condition, ' ', '') not like '%auth.jwt()%->>%is_anonymous%'
        """,
        "create policy mistake on public.profiles for select to authenticated using ((select auth.uid()) = user_id)",
    ),
    # In every schema of ours, though only exposed ones are asked about.
    "0013 RLS disabled in public": Lint(
        "select r.name from relation as r where r.relkind in ('r', 'p') and not r.relrowsecurity",
        _TABLE,
    ),
    "0015 RLS references user metadata": Lint(
        "select p.relation, p.polname from policy as p where p.condition || p.new_row ~ 'user_meta_?data'",
        "create policy mistake on public.profiles for select"
        " using ((select auth.jwt()) -> 'user_metadata' ->> 'admin' = 'true')",
    ),
    "0016 materialized view in API": Lint(
        """
        select v.name from relation as v cross join reader as r
        where v.relkind = 'm' and has_table_privilege(r.oid, v.oid, 'select')
        """,
        "create materialized view public.mistake as select 1 as one; grant select on public.mistake to anon",
    ),
    "0017 foreign table in API": Lint(
        "select r.name from relation as r where r.relkind = 'f'",
        "create foreign data wrapper w; create server s foreign data wrapper w;"
        " create foreign table public.mistake (a int) server s",
    ),
    "0018 unsupported reg types": Lint(
        """
        select r.name, a.attname from pg_attribute as a join relation as r on r.oid = a.attrelid
        where not a.attisdropped and a.atttypid = any (array[
            'regcollation', 'regconfig', 'regdictionary', 'regnamespace',
            'regoper', 'regoperator', 'regproc', 'regprocedure'
        ]::regtype[])
        """,
        "create table public.mistake (a regproc)",
    ),
    "0021 foreign key to auth unique": Lint(
        """
        select r.name, k.conname from pg_constraint as k join relation as r on r.oid = k.conrelid
        join pg_class as t on t.oid = k.confrelid
        join pg_index as i on i.indexrelid = k.conindid
        where k.contype = 'f' and t.relnamespace = 'auth'::regnamespace and not i.indisprimary
        """,
        "create table public.mistake (phone text references auth.users (phone))",
    ),
    # By name, in any table that can be read; the e-mail is a sensitive column as well, and guarded by its policy.
    "0023 sensitive columns exposed": Lint(
        """
        select t.name, a.attname from relation as t join pg_attribute as a on a.attrelid = t.oid and a.attnum > 0
        cross join reader as r
        where t.relkind in ('r', 'p', 'v', 'm') and has_column_privilege(r.oid, t.oid, a.attnum, 'select')
            and a.attname ~* '(password|secret|token|jwt|key|session|otp|recovery|phone|address|card|iban|metadata)'
        """,
        "create view public.mistake with (security_invoker = on) as select id as session_id from auth.sessions;"
        " grant select on public.mistake to authenticated",
    ),
    "0024 permissive RLS policy": Lint(
        """
        select p.relation, p.polname from policy as p
        where p.polpermissive and (
            p.condition in ('true', '(1 = 1)') or p.new_row in ('true', '(1 = 1)')
            or p.condition = '' and p.polcmd <> 'a' or p.new_row = '' and p.polcmd = 'a'
        )
        """,
        "create policy mistake on public.profiles for select using (true)",
    ),
    # With pg_graphql installed, these names are seen; which they are is a decision, not an oversight.
    "0026 pg_graphql anon table exposed": Lint(
        """
        select t.name from relation as t
        where t.relkind in ('r', 'v', 'm', 'f') and has_table_privilege('anon', t.oid, 'select')
        """,
        "grant select on public.profiles to anon",
    ),
    "0027 pg_graphql authenticated table exposed": Lint(
        """
        select t.name from relation as t
        where t.relkind in ('r', 'v', 'm', 'f') and has_table_privilege('authenticated', t.oid, 'select')
            and t.name not in ('profiles', 'user_daily_usage')
        """,
        "grant select on tick.charge to authenticated",
    ),
    "0028 anon security definer function executable": Lint(
        """
        select f.name from function as f
        where f.prosecdef and has_function_privilege('anon', f.oid, 'execute') and f.nspname <> 'tick'
        """,
        "alter function public.settle_ticks security definer",
    ),
    "0029 authenticated security definer function executable": Lint(
        """
        select f.name from function as f
        where f.prosecdef and has_function_privilege('authenticated', f.oid, 'execute') and f.nspname <> 'tick'
        """,
        "alter function public.my_ticks security definer",
    ),
    "0030 autovacuum disabled": Lint(
        "select r.name from relation as r where r.reloptions::text ~ 'autovacuum_enabled=(false|off|no|0)'",
        "alter table public.user_daily_usage set (autovacuum_enabled = false)",
    ),
    "0030 invalid index": Lint(
        "select r.name from pg_index as i join relation as r on r.oid = i.indrelid where not i.indisvalid",
        "update pg_index set indisvalid = false where indexrelid = 'public.profiles_pkey'::regclass",
    ),
    "0030 RLS policy null auth disjunct": Lint(
        r"""
        select p.relation, p.polname from policy as p
        where p.condition ~* '(auth\.\w+\(\)|current_setting\([^()]*\))( as \w+\))? is null'
        """,
        "create policy mistake on public.profiles for select"
        " using ((select auth.uid()) is null or (select auth.uid()) = user_id)",
    ),
}


def find(connection: psycopg.Connection, lint: str) -> list[object]:
    """Return what a lint selects; as the lints ask for it, names outside of public are written in full."""
    connection.execute("set search_path = ''")
    connection.execute("set search_path = public")
    return connection.execute((_WORDS + LINTS[lint].query).encode()).fetchall()


@pytest.fixture(scope="module")
def connection(shared_database: Database) -> Iterator[psycopg.Connection]:
    """A superuser's connection to a database with all of our schema, the hook included."""
    with connected(shared_database.superuser_url) as connection:
        connection.execute("set role postgres")
        connection.execute(access_token_hook().text.encode())
        connection.execute("reset role")
        yield connection


@pytest.mark.parametrize("lint", LINTS)
def test_the_lint_is_silent(connection: psycopg.Connection, lint: str) -> None:
    """Not one of our tables, views, policies, indexes and functions is in its list."""
    assert find(connection, lint) == []


@pytest.mark.parametrize("lint", LINTS)
def test_the_lint_asks_the_right_question(connection: psycopg.Connection, lint: str) -> None:
    """It notices the mistake that it is for."""
    with connection.transaction(force_rollback=True):
        connection.execute(LINTS[lint].mistake.encode())
        assert find(connection, lint) != []


def test_no_index_is_unused(database: Database) -> None:
    """Lint 0005: each index that is not there for uniqueness is used by a call of ours, once tables are large."""
    user = database.add_user("somebody@example.com")
    database.add_user("unlimited@example.com", limit=None)
    calls = [
        *(f"select public.tick_admin_list('{kind}')" for kind in ("all", "exhausted", "unlimited", "blocked")),
        *(f"select public.tick_admin_list('{kind}')" for kind in ("unconfirmed", "banned")),
        "select public.tick_admin_list('all', 'some')",
        "select public.tick_admin_show('somebody@example.com')",
        "select public.tick_admin_suggest('sombody@example.com')",
        "select public.tick_admin_set_limit('somebody@example.com', 7)",
        "select public.tick_admin_audit('somebody@example.com')",
        "select public.tick_admin_top(7)",
        "select public.tick_admin_reset('somebody@example.com')",
    ]
    unused = (
        "select indexrelname from pg_stat_user_indexes as s join pg_index as i on i.indexrelid = s.indexrelid"
        " where s.schemaname in ('tick', 'public') and s.idx_scan = 0 and not i.indisunique"
    )

    def use(connection: psycopg.Connection[DictRow], *statements: str) -> None:
        # As if tables were so large that reading all of them is out of the question.
        for statement in ("set local enable_seqscan = off", *statements, "select pg_stat_force_next_flush()"):
            connection.execute(statement.encode())
        connection.commit()

    with database.acting_as("authenticated", user.claims) as connection:
        use(connection, "select public.consume_ticks(1, gen_random_uuid())")
    with database.acting_as("service_role") as connection:
        use(connection, *calls)
    with database.superuser() as connection:
        with connection.transaction():
            connection.execute("set local enable_seqscan = off")
            connection.execute("delete from auth.users where id = %s", [user.id])
            connection.execute("select pg_stat_force_next_flush()")
        assert connection.execute(unused.encode()).fetchall() == []


def test_generous_default_privileges_leave_no_hole(bare_database: Database) -> None:
    """Projects made in other years grant everything new, everywhere, to everybody."""
    with bare_database.owner() as connection:
        for kind in ("tables", "functions", "sequences"):
            connection.execute(
                f"alter default privileges grant all on {kind} to anon, authenticated, service_role".encode()
            )
    apply(bare_database, hook=True)
    with connected(bare_database.postgres_url) as connection:
        assert broken(check(connection)) == set()
        assert {lint: find(connection, lint) for lint in LINTS if find(connection, lint)} == {}
