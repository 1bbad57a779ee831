-- What the assertions speak of. In a WITH before each query stand those of these words that it uses, in this order; a
-- bracket at the beginning of a line ends each. Names come out in full, since the check runs with an empty search_path.
-- This version's functions, files and indexes are filled in as JSON.

-- Supabase's roles of the API.
known_role as (
    select r.oid, r.rolname::text as name
    from pg_catalog.pg_roles as r
    where r.rolname in ('anon', 'authenticated', 'service_role', 'authenticator')
)

-- Those whose rights a request can have: PostgREST becomes whatever role the token names, if its own login may.
api_role as (
    select k.oid, k.name
    from known_role as k
    union
    select r.oid, r.rolname::text
    from pg_catalog.pg_roles as r
    join pg_catalog.pg_roles as a on a.rolname = 'authenticator' and not a.rolsuper
    where pg_catalog.pg_has_role(a.oid, r.oid, 'member')
)

-- Whatever is granted to one of these can be used through the API.
api_grantee as (
    select 0::oid as oid, 'PUBLIC' as name
    union all
    select g.oid, g.rolname::text
    from pg_catalog.pg_roles as g
    where not g.rolsuper and exists (select from api_role as r where pg_catalog.pg_has_role(r.oid, g.oid, 'usage'))
)

our_relation as (
    select c.*, n.nspname as schema, n.nspname || '.' || c.relname as name
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
        and (n.nspname = 'tick' or n.nspname = 'public' and c.relname in ('profiles', 'user_daily_usage'))
)

our_table as (
    select * from our_relation where relkind in ('r', 'p')
)

-- Policies, with their expressions as PostgreSQL writes them, and whether they show users no more than their own rows:
-- by that condition alone, or narrowed by others after an AND.
policy as (
    select t.name as relation, t.schema, p.polname as name, p.polcmd as command, p.polpermissive as permissive,
        p.polroles as roles, e.condition, e.new_row,
        coalesce(exists (
            select
            from (values ('(( SELECT auth.uid() AS uid) = user_id)'), ('(user_id = ( SELECT auth.uid() AS uid))')) as own (rows)
            where e.condition = own.rows or pg_catalog.starts_with(e.condition, '(' || own.rows || ' AND ')
        ), false) as own_rows,
        coalesce(e.condition, 'false') = 'false' and coalesce(e.new_row, 'false') = 'false' as no_rows
    from pg_catalog.pg_policy as p
    join our_table as t on t.oid = p.polrelid
    cross join lateral (
        select
            pg_catalog.pg_get_expr(p.polqual, p.polrelid) as condition,
            pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) as new_row
    ) as e
)

expected_function as (
    select f.*
    from pg_catalog.jsonb_to_recordset(:functions) as f (
        schema text, name text, digest text, definer boolean, volatility text, settings text[], callers text[],
        optional boolean
    )
)

expected_file as (
    select f.* from pg_catalog.jsonb_to_recordset(:files) as f (name text, digests text[])
)

expected_index as (
    select i.* from pg_catalog.jsonb_to_recordset(:indexes) as i (schema text, relation text, name text)
)

-- All that stands in our schema, and in `public` what has one of our names.
our_function as (
    select p.*, n.nspname as schema, p.oid::pg_catalog.regprocedure::text as name
    from pg_catalog.pg_proc as p
    join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    where n.nspname = 'tick'
        or exists (select from expected_function as e where e.schema = n.nspname and e.name = p.proname)
)

-- Schemas that requests might reach: PostgREST's own list of them may be kept outside the database. What stands in
-- Supabase's own schemas is Supabase's business.
reachable_schema as (
    select n.oid, n.nspname::text as name, n.nspname in (
        'cron', 'extensions', 'graphql', 'graphql_public', 'net', 'pgbouncer', 'pgmq', 'pgsodium', 'realtime', 'storage',
        'supabase_functions', 'supabase_migrations', 'vault'
    ) as supabase
    from pg_catalog.pg_namespace as n
    where n.nspname not in ('pg_catalog', 'information_schema', 'auth', 'tick')
        and exists (
            select from api_role as r where pg_catalog.has_schema_privilege(r.oid, n.oid, 'usage')
        )
)

-- Who could act as the owner of what is ours, or with more than a request's rights.
powerful_role as (
    select r.oid, r.rolname::text as name
    from pg_catalog.pg_roles as r
    where r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolreplication or r.rolname like 'pg\_%'
        or r.rolname in ('postgres', 'authenticator', 'supabase_auth_admin')
        or r.oid in (select relowner from our_relation union select proowner from our_function)
)

-- Our tables and Auth's users, and all views that read one of these, directly or through others.
reading as (
    select t.oid as relation
    from our_table as t
    union
    select c.oid
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = 'auth' and c.relname = 'users'
    union
    select r.ev_class
    from reading
    join pg_catalog.pg_depend as d
        on d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.refobjid = reading.relation
        and d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    join pg_catalog.pg_rewrite as r on r.oid = d.objid and r.ev_class <> reading.relation
)
