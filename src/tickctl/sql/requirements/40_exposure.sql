-- What lies around tickctl's tables and belongs to the project, or to Supabase: told, with the statement that would
-- change it, and left alone. `option` steps are carried out by `schema apply` where they are asked for.

-- name: profiles-row-security
-- title: row-level security is on for public.profiles
-- kind: option
select t.name, 'row-level security is off on public.profiles: requests read and write the rows of others as far as grants allow',
    format('alter table public.profiles enable row level security; create policy profiles_read_own on public.profiles'
        ' for select to authenticated using ((select auth.uid()) = %I)', tick.profile_key()),
    u.is_allowed, u.names
from public_table as t
cross join lateral (
    -- Whatever runs with the rights of a role that row-level security binds. Sign-ups would end.
    select string_agg(x.name, ', ' order by x.name) as names, coalesce(bool_and(x.name !~ '^trigger '), true) as is_allowed
    from (
        select format('trigger %s on auth.users, which runs %s as supabase_auth_admin', g.tgname, f.name) as name
        from pg_catalog.pg_trigger as g
        join foreign_function as f on f.oid = g.tgfoid
        where g.tgrelid = 'auth.users'::regclass and not f.prosecdef and f.text ~ '\mprofiles\M'
        union all
        select format('what %s may do: %s', a.grantee::regrole, string_agg(lower(a.privilege_type), ', ' order by a.privilege_type))
        from aclexplode(t.relacl) as a
        join pg_catalog.pg_roles as r on r.oid = a.grantee
        where a.grantee <> t.relowner and not r.rolbypassrls and not r.rolsuper
            and a.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE') and r.rolname <> 'supabase_auth_admin'
        group by a.grantee
    ) as x
) as u
where t.name = 'public.profiles' and t.is_adopted and not t.relrowsecurity;

-- name: profiles-policies
-- title: users write only their own rows of public.profiles
-- kind: finding
select p.policyname, format('policy %I on public.profiles lets %s %s the rows of everybody', p.policyname,
        array_to_string(p.roles, ', '), case p.cmd when 'ALL' then 'write' else lower(p.cmd) end),
    format('drop policy %I on public.profiles', p.policyname), false, null
from public_table as t
join pg_catalog.pg_policies as p on p.schemaname = 'public' and p.tablename = 'profiles'
where t.name = 'public.profiles' and t.is_adopted and t.relrowsecurity and p.permissive = 'PERMISSIVE'
    and p.cmd in ('ALL', 'UPDATE', 'DELETE') and p.qual = 'true'
    and p.roles && array['public', 'anon', 'authenticated']::name[]
    and exists (
        select from api_grantee as g
        where g.name in ('PUBLIC', 'anon', 'authenticated')
            and exists (
                select from aclexplode(t.relacl) as a where a.grantee = g.oid and a.privilege_type in ('UPDATE', 'DELETE')));

-- name: limit-functions
-- title: no function lends users its owner's rights over limits and usage
-- kind: option
select f.name, format('%s runs with the rights of %s, users may call it, and it writes %s: every use is in the audit log',
        f.name, f.proowner::regrole, w.what),
    format('revoke execute on routine %s from public, anon, authenticated', f.name), u.names is null, u.names
from foreign_function as f
cross join lateral (
    select case
        when f.text ~ '\m(update|into|from|merge)\s+(only\s+)?("?public"?\.)?"?user_daily_usage\M'
            and f.text ~ '\m(insert|update|delete|merge)\M' then 'public.user_daily_usage'
        when f.text ~ '\m"?tick"?\s*\.\s*"?(charge|settings|admin|audit|override|migration)\M' then 'tickctl''s private tables'
        when f.text ~ '\mdaily_tick_limit\M' and f.text ~ '\m(insert|update|merge)\M' then 'daily_tick_limit'
    end as what
) as w
cross join lateral (
    select string_agg(d.name, ', ' order by d.name) as names
    from dependant as d where d.refclassid = 'pg_catalog.pg_proc'::regclass and d.refobjid = f.oid
) as u
where f.prosecdef and f.is_served and w.what is not null
order by f.name;

-- name: limit-triggers
-- title: triggers of the project that write limits
-- kind: note
select g.tgname, format('trigger %I on %s (%s) writes daily_tick_limit%s', g.tgname, g.tgrelid::regclass, f.name, case
        when f.prosecdef then ' with the rights of ' || f.proowner::regrole || ': each change is in the audit log'
        else ': it may do so for operators and the server, and is refused for users' end),
    null, false, null
from pg_catalog.pg_trigger as g
join foreign_function as f on f.oid = g.tgfoid
where not g.tgisinternal and g.tgenabled <> 'D'
    and f.text ~ '\mdaily_tick_limit\M' and f.text ~ '(:=|\mset\M|\minsert\M)[^;]*\mdaily_tick_limit\M|\mdaily_tick_limit\s*:?='
order by g.tgname;

-- name: functions-run-sql
-- title: no function runs SQL that a request gives it
-- kind: finding
-- Whoever runs SQL of their own can become the secret key: PostgREST's login may switch to it at any time. Known by the
-- argument that is executed as it comes.
select f.name, f.name || ' executes an argument', format('revoke execute on function %s from public, anon, authenticated', f.name),
    false, null
from foreign_function as f
join reachable_schema as s on not s.supabase
join pg_catalog.pg_proc as p on p.oid = f.oid and p.pronamespace = s.oid
where exists (select from api_role as r where has_function_privilege(r.oid, f.oid, 'execute'))
    and exists (
        select
        from (
            select regexp_replace(a.name, '(\W)', '\\\1', 'g') from unnest(f.proargnames) as a (name) where a.name <> ''
            union all
            values ('\$[0-9]+')
        ) as argument (pattern)
        where f.prosrc ~* ('\m(execute|query_to_xml\s*\()\s*"?' || argument.pattern || '"?(\W|$)')
    )
order by 1;

-- name: views-readable
-- title: no view shows tickctl's tables with its owner's rights
-- kind: finding
select distinct v.oid::regclass::text, v.oid::regclass || case v.relkind
        when 'm' then ' holds rows of ' || g.source || ' that no policy guards'
        else ' reads ' || g.source || ' with the rights of ' || pg_get_userbyid(v.relowner) end,
    case v.relkind when 'm' then format('revoke all on %s from anon, authenticated', v.oid::regclass)
        else format('alter view %s set (security_invoker = true)', v.oid::regclass) end, false, null
from reading as g
join pg_catalog.pg_class as v on v.oid = g.relation and v.relkind in ('v', 'm')
join reachable_schema as s on s.oid = v.relnamespace
where g.source <> 'auth.users' and (
        v.relkind = 'm'
        or not exists (select from pg_options_to_table(v.reloptions) as o
            where o.option_name = 'security_invoker' and o.option_value::boolean)
    )
    and exists (
        select from api_role as r
        where r.name <> 'service_role' and (
            has_table_privilege(r.oid, v.oid, 'select, insert, update, delete')
            or has_any_column_privilege(r.oid, v.oid, 'select, insert, update'))
    )
order by 1;

-- name: views-of-accounts
-- title: views of yours that show accounts
-- kind: remark
select distinct v.oid::regclass::text, v.oid::regclass || ' shows rows of auth.users to users',
    null, false, null
from reading as g
join pg_catalog.pg_class as v on v.oid = g.relation and v.relkind in ('v', 'm')
join reachable_schema as s on s.oid = v.relnamespace
where g.source = 'auth.users'
    and not exists (select from pg_options_to_table(v.reloptions) as o
        where o.option_name = 'security_invoker' and o.option_value::boolean)
    and exists (select from api_role as r where r.name in ('anon', 'authenticated') and has_table_privilege(r.oid, v.oid, 'select'));

-- name: exposed-schemas
-- title: no setting in the database exposes a private schema
-- kind: finding
-- With the system's own schema exposed, a request can call set_config and be whoever it likes.
select distinct setting, setting, 'take tick out of the exposed schemas: in the project''s API settings, or in the role''s pgrst.db_schemas', false, null
from pg_catalog.pg_db_role_setting as s
cross join lateral unnest(s.setconfig) as setting
where (s.setrole = 0 or s.setrole in (select r.oid from api_role as r))
    and (s.setdatabase = 0 or s.setdatabase = (select d.oid from pg_catalog.pg_database as d where d.datname = current_database()))
    and setting ~ '^pgrst\.db_schemas?=(.*,)?\s*"?(tick|pg_catalog)"?\s*(,|$)'
order by 1;

-- name: role-attributes
-- title: the API's roles have no power of their own
-- kind: finding
select r.rolname::text, r.rolname || ' has ' || attribute.name,
    format('alter role %s nosuperuser nobypassrls nocreaterole nocreatedb noreplication, as a superuser', r.rolname), false, null
from pg_catalog.pg_roles as r
join known_role as a on a.oid = r.oid
cross join lateral (values
    ('SUPERUSER', r.rolsuper),
    ('BYPASSRLS', r.rolbypassrls and r.rolname <> 'service_role'),
    ('CREATEROLE', r.rolcreaterole),
    ('CREATEDB', r.rolcreatedb),
    ('REPLICATION', r.rolreplication)
) as attribute (name, held)
where attribute.held
order by 1;

-- name: role-memberships
-- title: no request can become a more powerful role
-- kind: finding
select r.name, r.name || ' is a member of ' || p.rolname, format('revoke %I from %I', p.rolname, r.name), false, null
from known_role as r
join pg_catalog.pg_roles as x on x.oid = r.oid and not x.rolsuper
join pg_catalog.pg_roles as p on p.oid <> r.oid and pg_has_role(r.oid, p.oid, 'member') and (
    p.rolsuper or p.rolbypassrls or p.rolcreaterole or p.rolreplication or p.rolname like 'pg\_%'
    or p.rolname in ('postgres', 'authenticator', 'supabase_auth_admin')
    or p.oid in (select o.relowner from our_relation as o))
where r.name <> 'authenticator'
order by 1, 2;

-- name: owners
-- title: no request can be the owner of the tables
-- kind: finding
select o.name, o.name || ' belongs to ' || pg_get_userbyid(o.relowner) || ', whom '
    || string_agg(r.name, ', ' order by r.name) || ' can be',
    format('alter table %s owner to postgres, or take the membership away', o.name), false, null
from our_relation as o
join api_role as r on pg_has_role(r.oid, o.relowner, 'member')
join pg_catalog.pg_roles as x on x.oid = r.oid and not x.rolsuper
group by o.name, o.relowner
order by 1;

-- name: create-grants
-- title: nobody may create objects through the API
-- kind: finding
select g.name, g.name || ' may create objects in schema ' || n.nspname, format('revoke create on schema %s from %s', n.nspname, lower(g.name)), false, null
from pg_catalog.pg_namespace as n
cross join lateral aclexplode(n.nspacl) as a
join api_grantee as g on g.oid = a.grantee
where n.nspname in ('tick', 'public') and a.privilege_type = 'CREATE'
union all
select g.name, g.name || ' may create schemas', format('revoke create on database %I from %s', d.datname, lower(g.name)), false, null
from pg_catalog.pg_database as d
cross join lateral aclexplode(d.datacl) as a
join api_grantee as g on g.oid = a.grantee
where d.datname = current_database() and a.privilege_type = 'CREATE';

-- name: auth-grants
-- title: nobody may write to accounts and sessions through the API
-- kind: finding
-- What accounts and sessions say decides who may consume; reading is for the project to decide, where row-level security
-- has a say in it.
select distinct t.relname::text, g.name || ': ' || a.privilege_type || ' on auth.' || t.relname,
    format('revoke all on auth.%I from %s, as supabase_auth_admin', t.relname, lower(g.name)), false, null
from pg_catalog.pg_class as t
join pg_catalog.pg_namespace as n on n.oid = t.relnamespace
cross join lateral (
    select a.grantee, a.privilege_type from aclexplode(t.relacl) as a
    union
    select a.grantee, a.privilege_type
    from pg_catalog.pg_attribute as c cross join lateral aclexplode(c.attacl) as a where c.attrelid = t.oid
) as a
join api_grantee as g on g.oid = a.grantee
where n.nspname = 'auth' and t.relname in ('users', 'sessions') and (a.privilege_type <> 'SELECT' or not t.relrowsecurity)
order by 2;

-- name: foreign-triggers
-- title: triggers of yours on tickctl's tables
-- kind: remark
select r.name, r.name || ': ' || x.tgname || ' calls ' || x.tgfoid::regprocedure, null, false, null
from pg_catalog.pg_trigger as x
join our_relation as r on r.oid = x.tgrelid
where not x.tgisinternal and x.tgenabled <> 'D' and not exists (select from our_function as f where f.oid = x.tgfoid);

-- name: pre-request
-- title: a function of yours runs before each request
-- kind: remark
select setting, setting, null, false, null
from pg_catalog.pg_db_role_setting as s
cross join lateral unnest(s.setconfig) as setting
where setting ~ '^pgrst\.db_pre_request=.' and (s.setrole = 0 or s.setrole in (select k.oid from known_role as k));

-- name: publications
-- title: changes to tickctl's tables are published
-- kind: remark
select r.name, p.pubname || ' publishes ' || r.name, null, false, null
from our_relation as r
join pg_catalog.pg_publication_tables as p on p.schemaname = r.schema and p.tablename = r.relname
order by 2;

-- name: graphql
-- title: pg_graphql
-- kind: remark
select e.extname::text, 'pg_graphql is installed: signed-in users see the names of tables and columns in its schema, but no rows of others',
    null, false, null
from pg_catalog.pg_extension as e
where e.extname = 'pg_graphql';

-- name: exposed-schemas-elsewhere
-- title: which schemas PostgREST serves
-- kind: remark
select 'PostgREST', 'set outside the database, in the project''s API settings: tick must not be among them', null, false, null
where not exists (
    select
    from pg_catalog.pg_db_role_setting as s
    cross join lateral unnest(s.setconfig) as setting
    where setting ~ '^pgrst\.db_schemas?=' and (s.setrole = 0 or s.setrole in (select r.oid from api_role as r))
);
