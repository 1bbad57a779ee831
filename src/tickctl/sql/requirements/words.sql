-- What the requirements speak of. In a WITH before each query stand those of these words that it uses, in this order; a
-- bracket at the beginning of a line ends each. Names come out in full, since the queries run with an empty search_path.

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
    where pg_has_role(a.oid, r.oid, 'member')
)

-- Whatever is granted to one of these can be used by a user through the API.
api_grantee as (
    select 0::oid as oid, 'PUBLIC' as name
    union all
    select g.oid, g.rolname::text
    from pg_catalog.pg_roles as g
    where not g.rolsuper and exists (select from api_role as r where pg_has_role(r.oid, g.oid, 'usage'))
)

-- The two tables in public, as far as they are there.
public_table as (
    select c.*, n.nspname || '.' || c.relname as name,
        coalesce(exists (select from tick.migration as m where m.name = 'public.' || c.relname and m.digest = 'adopted'),
            false) as is_adopted
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = 'public' and c.relname in ('profiles', 'user_daily_usage')
)

-- All that is ours as a whole.
our_relation as (
    select c.*, n.nspname as schema, n.nspname || '.' || c.relname as name
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and (
        n.nspname = 'tick'
        or n.nspname = 'public' and c.relname = 'user_daily_usage'
        or n.nspname = 'public' and c.relname = 'profiles'
            and exists (select from tick.migration as m where m.name = 'public.profiles' and m.digest = 'made')
    )
)

our_function as (
    select p.*, n.nspname as schema, p.oid::regprocedure::text as name
    from pg_catalog.pg_proc as p
    join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    where p.prokind in ('f', 'p') and (
        n.nspname = 'tick'
        or n.nspname = 'public' and (
            p.proname in ('consume_ticks', 'settle_ticks', 'my_ticks') or p.proname like 'tick\_admin\_%')
    )
)

-- Each thing that is ours as it is now, in a line. Of tables that the project may have had before, only our columns.
our_object (object, text) as (
    select 'function ' || f.name, pg_get_functiondef(f.oid) || pg_get_userbyid(f.proowner) || (
        select string_agg(concat_ws(' ', a.grantee, a.privilege_type, a.is_grantable), ',' order by a.grantee, a.privilege_type)
        from (
            select case when x.grantee = 0 then '' else x.grantee::regrole::text end, x.privilege_type, x.is_grantable
            from aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) as x
        ) as a (grantee, privilege_type, is_grantable)
    )
    from our_function as f
    union all
    select case r.relkind when 'v' then 'view ' when 'S' then 'sequence ' else 'table ' end || r.name,
        concat_ws(' ', r.relkind, r.relpersistence, r.relrowsecurity, pg_get_userbyid(r.relowner),
            case r.relkind when 'v' then r.reloptions::text || pg_get_viewdef(r.oid) end, (
                select string_agg(concat_ws(' ', a.grantee, a.privilege_type, a.is_grantable), ','
                    order by a.grantee, a.privilege_type)
                from (
                    select case when x.grantee = 0 then '' else x.grantee::regrole::text end, x.privilege_type,
                        x.is_grantable
                    from aclexplode(coalesce(
                        r.relacl, acldefault(case r.relkind when 'S' then 's' else 'r' end::"char", r.relowner)
                    )) as x
                ) as a (grantee, privilege_type, is_grantable)
            ))
    from our_relation as r
    union all
    select 'column ' || c.oid::regclass || '.' || a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod),
        a.attnotnull, a.attgenerated,
        case when c.relname <> 'profiles' then pg_get_expr(d.adbin, d.adrelid) end,
        case when r.oid is not null then a.attacl::text end)
    from pg_catalog.pg_attribute as a
    join pg_catalog.pg_class as c on c.oid = a.attrelid and c.relkind = 'r'
    left join our_relation as r on r.oid = c.oid
    left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attnum > 0 and not a.attisdropped and (
        c.relnamespace = to_regnamespace('tick')
        or c.oid = to_regclass('public.user_daily_usage')
            and a.attname in ('user_id', 'usage_date', 'ticks_used', 'ticks_granted', 'refunds')
        or c.oid = to_regclass('public.profiles')
            and (a.attname = 'daily_tick_limit' or a.attname = 'user_id' and r.oid is not null)
    )
    union all
    select concat_ws(' ', 'constraint', k.conname, 'on', k.conrelid::regclass),
        concat_ws(' ', pg_get_constraintdef(k.oid), k.convalidated)
    from pg_catalog.pg_constraint as k
    where k.connamespace = to_regnamespace('tick') and k.contype <> 'n'
        or k.conrelid in (select r.oid from our_relation as r where r.schema = 'public')
            and k.contype in ('p', 'u', 'f', 'c')
        or k.conrelid = to_regclass('public.profiles') and k.conname = 'profiles_daily_tick_limit_in_range'
    union all
    select 'index ' || i.indexrelid::regclass, concat_ws(' ', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisready)
    from pg_catalog.pg_index as i
    join our_relation as r on r.oid = i.indrelid
    union all
    select concat_ws(' ', 'policy', p.polname, 'on', r.name), concat_ws(' ', p.polpermissive, p.polroles::regrole[]::text,
        p.polcmd, pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
    from pg_catalog.pg_policy as p
    join our_relation as r on r.oid = p.polrelid
    union all
    select concat_ws(' ', 'trigger', t.tgname, 'on', t.tgrelid::regclass), concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled)
    from pg_catalog.pg_trigger as t
    join our_function as f on f.oid = t.tgfoid
    where not t.tgisinternal and f.proname <> 'mirror_profile_id'
    union all
    select concat_ws(' ', 'rule', w.rulename, 'on', r.name), pg_get_ruledef(w.oid)
    from pg_catalog.pg_rewrite as w
    join our_relation as r on r.oid = w.ev_class and r.relkind = 'r'
    union all
    select 'schema tick', concat_ws(' ', pg_get_userbyid(n.nspowner), (
        select string_agg(concat_ws(' ', a.grantee::regrole, a.privilege_type, a.is_grantable), ','
            order by a.grantee::regrole::text, a.privilege_type)
        from aclexplode(n.nspacl) as a where a.grantee <> coalesce(to_regrole('supabase_auth_admin')::oid, 0)
    ))
    from pg_catalog.pg_namespace as n where n.nspname = 'tick'
)

-- Schemas that requests might reach: PostgREST's own list of them may be kept outside the database. What stands in
-- Supabase's own schemas is Supabase's business.
reachable_schema as (
    select n.oid, n.nspname::text as name, n.nspname in (
        'cron', 'extensions', 'graphql', 'graphql_public', 'net', 'pgbouncer', 'pgmq', 'pgsodium', 'realtime', 'storage',
        'supabase_functions', 'supabase_migrations', 'vault'
    ) as supabase
    from pg_catalog.pg_namespace as n
    where n.nspname not in ('pg_catalog', 'information_schema', 'auth', 'tick') and n.nspname !~ '^pg_'
        and exists (select from api_role as r where has_schema_privilege(r.oid, n.oid, 'usage'))
)

-- Functions of the project, with their text less comments and in lower case, and who or what leads to them: API roles
-- that may call them, or triggers.
foreign_function as (
    select p.oid, p.oid::regprocedure::text as name, p.prosecdef, p.proowner, p.proargnames, p.prosrc,
        lower(regexp_replace(regexp_replace(pg_get_functiondef(p.oid), '/\*.*?\*/', ' ', 'g'), '--[^\n]*', ' ', 'g')) as text,
        p.prorettype = 'trigger'::regtype as is_trigger,
        p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype) and exists (
            select from reachable_schema as s join api_role as r on r.name in ('anon', 'authenticated')
            where s.oid = p.pronamespace and has_schema_privilege(r.oid, s.oid, 'usage')
                and has_function_privilege(r.oid, p.oid, 'execute')
        ) as is_served
    from pg_catalog.pg_proc as p
    join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    where p.prokind in ('f', 'p') and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'auth', 'tick')
        and not exists (select from our_function as o where o.oid = p.oid)
        and not exists (
            select from pg_catalog.pg_depend as d
            where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
        )
)

-- What of the project's depends on an object, in words.
dependant as (
    select d.refclassid, d.refobjid, d.refobjsubid, case
            when d.classid = 'pg_catalog.pg_rewrite'::regclass then (
                select case c.relkind when 'm' then 'materialized view ' else 'view ' end || c.oid::regclass
                from pg_catalog.pg_rewrite as w join pg_catalog.pg_class as c on c.oid = w.ev_class where w.oid = d.objid)
            else pg_describe_object(d.classid, d.objid, d.objsubid)
        end as name
    from pg_catalog.pg_depend as d
    where d.deptype = 'n' and d.classid in (
        'pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_policy'::regclass, 'pg_catalog.pg_trigger'::regclass,
        'pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_constraint'::regclass, 'pg_catalog.pg_attrdef'::regclass
    )
)

-- A table's view of itself: our tables, and all views that read one of them, directly or through others.
reading as (
    select r.oid as relation, r.name as source
    from our_relation as r
    where r.relkind in ('r', 'v')
    union
    select c.oid, 'auth.users'
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = 'auth' and c.relname = 'users'
    union
    select w.ev_class, reading.source
    from reading
    join pg_catalog.pg_depend as d
        on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = reading.relation
        and d.classid = 'pg_catalog.pg_rewrite'::regclass
    join pg_catalog.pg_rewrite as w on w.oid = d.objid and w.ev_class <> reading.relation
)
