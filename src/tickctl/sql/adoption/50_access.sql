-- Who may what: everything that others have allowed and that would open what ours close.

-- Everybody (0), the roles that requests run as, and those whose rights these inherit.
create or replace function pg_temp.tick_api_roles() returns oid[]
language sql stable set search_path = ''
as $$
    select array_agg(r.oid) || 0::oid
    from pg_catalog.pg_roles as r
    where not r.rolsuper and exists (
        select from pg_catalog.pg_roles as api
        where api.rolname in ('anon', 'authenticated', 'service_role', 'authenticator')
            and pg_has_role(api.oid, r.oid, 'usage')
    )
$$;

-- The function with a signature, null where there is none. Before PostgreSQL 16 a type that is unknown is an error.
create or replace function pg_temp.tick_function_id(signature text) returns oid
language plpgsql stable set search_path = ''
as $$
begin
    return to_regprocedure(signature)::oid;
exception
    when undefined_object or invalid_schema_name then return null;
end
$$;

-- The signatures of the functions in our files; null where the database has no such function.
create or replace function pg_temp.tick_functions(files jsonb, out name text, out id oid) returns setof record
language sql stable set search_path = ''
as $$
    select definition[1], pg_temp.tick_function_id(format('%s(%s)', definition[1], (
        select string_agg(regexp_replace(btrim(argument, E' \n'), '^\S+\s+|\s+default\s.*$', '', 'g'), ',' order by place)
        from regexp_split_to_table(definition[2], ',') with ordinality as a (argument, place)
        where btrim(argument, E' \n') <> ''
    )))
    from jsonb_array_elements(files) as f (file)
    cross join regexp_matches(
        f.file ->> 'text', 'create or replace function ([a-z_]+\.[a-z_]+)\(([^)]*)\)', 'g') as m (definition)
    where f.file ->> 'run' <> 'once'
$$;

-- Functions that PostgREST could take for ours. What they were is kept.
create or replace function pg_temp.tick_namesakes(files jsonb)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    installed constant boolean := to_regclass('tick.migration') is not null;
    namesake record;
begin
    for namesake in
        select p.oid, p.oid::regprocedure::text as signature, p.prokind, (
                select string_agg(pg_describe_object(d.classid, d.objid, d.objsubid), ', ')
                from pg_catalog.pg_depend as d
                where d.refclassid = 'pg_catalog.pg_proc'::regclass and d.refobjid = p.oid and d.deptype <> 'i'
            ) as used_by,
            pg_has_role(p.proowner, 'usage') as is_mine, p.proowner::regrole as owner_name
        from pg_catalog.pg_proc as p
        join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
        where n.nspname in ('public', 'tick')
            and n.nspname || '.' || p.proname in (select f.name from pg_temp.tick_functions(files) as f)
            and not (installed and p.oid in (select f.id from pg_temp.tick_functions(files) as f where f.id is not null))
    loop
        if namesake.used_by is not null or not namesake.is_mine then
            return query select 0.0, 'blocker', format('a function of that name is in the way: %s, %s; rename or drop it',
                namesake.signature, coalesce('used by ' || namesake.used_by, 'which belongs to ' || namesake.owner_name)),
                null;
        else
            return query select 2.0, 'drop', format('function %s', namesake.signature), format(
                'insert into tick.adopted (table_name, "row", reason) values (%L, %L, %L); drop routine %s',
                'pg_proc', jsonb_build_object('signature', namesake.signature, 'definition',
                    case when namesake.prokind in ('f', 'p') then pg_get_functiondef(namesake.oid) end),
                'it had the name of a function of tickctl', namesake.signature);
        end if;
    end loop;
end
$$;

-- Policies and rights on our tables, which may exist before and beside ours.
create or replace function pg_temp.tick_rights(files jsonb) returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    api_roles constant oid[] := pg_temp.tick_api_roles();
begin
    return query
        select 2.5, 'drop', format('policy %I on %s, for %s to %s%s%s', p.policyname, t.id, lower(p.cmd),
                array_to_string(p.roles, ', '), ' using ' || p.qual, ' with check ' || p.with_check),
            format('drop policy %I on %s', p.policyname, t.id)
        from pg_catalog.pg_policies as p
        cross join lateral (select format('%I.%I', p.schemaname, p.tablename)) as t (id)
        where t.id in ('public.profiles', 'public.user_daily_usage') and p.policyname <> p.tablename || '_read_own'
            -- In the private schema only those may stay that admit nobody.
            or p.schemaname = 'tick' and p.permissive = 'PERMISSIVE'
            and (coalesce(p.qual, 'false') <> 'false' or coalesce(p.with_check, 'false') <> 'false')
        order by t.id, p.policyname;
    return query
        select 2.5, 'drop', format('rule %I on %s: %s', r.rulename, r.ev_class::regclass, pg_get_ruledef(r.oid)),
            format('drop rule %I on %s', r.rulename, r.ev_class::regclass)
        from pg_catalog.pg_rewrite as r
        join pg_catalog.pg_class as c on c.oid = r.ev_class
        where c.relkind = 'r' and (c.relnamespace = to_regnamespace('tick')
            or c.oid in (to_regclass('public.profiles'), to_regclass('public.user_daily_usage')));
    return query
        select 6.0, 'change', format('%s: row-level security is on', c.oid::regclass),
            format('alter table %s enable row level security', c.oid::regclass)
        from pg_catalog.pg_class as c
        where c.oid in (to_regclass('public.profiles'), to_regclass('public.user_daily_usage')) and not c.relrowsecurity;

    return query
        with held as (
            select c.oid as id, c.relkind, c.relowner, a.grantee, a.privilege_type, a.is_grantable, null::name as column_name
            from pg_catalog.pg_class as c cross join lateral aclexplode(c.relacl) as a
            union all
            select c.oid, c.relkind, c.relowner, a.grantee, a.privilege_type, a.is_grantable, t.attname
            from pg_catalog.pg_class as c
            join pg_catalog.pg_attribute as t on t.attrelid = c.oid and t.attnum > 0
            cross join lateral aclexplode(t.attacl) as a
        ),
        lost as (
            select h.id, h.relkind, case when h.grantee = 0 then 'public' else h.grantee::regrole::text end as grantee,
                string_agg(distinct h.privilege_type || coalesce(' (' || quote_ident(h.column_name) || ')', ''), ', ')
                    as rights
            from held as h
            where (
                    h.id in (to_regclass('public.profiles'), to_regclass('public.user_daily_usage'))
                    or h.id in (select c.oid from pg_catalog.pg_class as c where c.relnamespace = to_regnamespace('tick'))
                    or h.relkind = 'S' and exists (
                        select from pg_catalog.pg_depend as d
                        where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = h.id and d.deptype in ('a', 'i')
                            and d.refobjid in (to_regclass('public.profiles'), to_regclass('public.user_daily_usage'))
                    )
                )
                and h.grantee = any (api_roles) and h.grantee <> h.relowner
                and not (
                    h.privilege_type = 'SELECT' and not h.is_grantable and h.column_name is null and h.relkind = 'r'
                    and h.grantee in ('authenticated'::regrole, 'service_role'::regrole)
                    and h.id in (to_regclass('public.profiles'), to_regclass('public.user_daily_usage'))
                )
            group by h.id, h.relkind, h.grantee
        )
        select 6.1, 'revoke', format('%s on %s from %s', l.rights, l.id::regclass,
                string_agg(l.grantee, ', ' order by l.grantee)),
            format('revoke all on %s %s from %s cascade', case l.relkind when 'S' then 'sequence' else 'table' end,
                l.id::regclass, string_agg(l.grantee, ', '))
        from lost as l
        group by l.id, l.relkind, l.rights
        order by l.id::regclass::text, l.rights;

    return query
        select 6.2, 'revoke', format('%s on %s from %s', held.rights, held.what, held.grantee),
            format('revoke %s on %s from %s cascade', held.rights, held.what, held.grantee)
        from (
            select a.privilege_type as rights, 'schema ' || n.nspname as what,
                case when a.grantee = 0 then 'public' else a.grantee::regrole::text end as grantee
            from pg_catalog.pg_namespace as n cross join lateral aclexplode(n.nspacl) as a
            where a.grantee = any (api_roles) and a.grantee <> n.nspowner and pg_has_role(n.nspowner, 'usage')
                and (
                    n.nspname in ('public', 'tick') and a.privilege_type = 'CREATE'
                    or n.nspname = 'tick' and (a.is_grantable
                        or a.grantee not in ('authenticated'::regrole, 'service_role'::regrole))
                )
            union all
            select a.privilege_type, 'database ' || quote_ident(d.datname),
                case when a.grantee = 0 then 'public' else a.grantee::regrole::text end
            from pg_catalog.pg_database as d cross join lateral aclexplode(d.datacl) as a
            where d.datname = current_database() and a.privilege_type = 'CREATE' and a.grantee = any (api_roles)
                and a.grantee <> d.datdba and pg_has_role(d.datdba, 'usage')
            union all
            -- The four roles that our own grants speak of are put right by those.
            select 'EXECUTE', 'function ' || f.id::regprocedure, a.grantee::regrole::text
            from pg_temp.tick_functions(files) as f
            join pg_catalog.pg_proc as p on p.oid = f.id
            cross join lateral aclexplode(p.proacl) as a
            where a.grantee = any (api_roles) and a.grantee <> p.proowner and pg_has_role(p.proowner, 'usage')
                and a.grantee not in (0, 'anon'::regrole, 'authenticated'::regrole, 'service_role'::regrole)
        ) as held
        order by held.what, held.grantee;
    return query
        select 6.2, 'revoke', format('what new %s of %s%s grant to %s', kind.name, d.defaclrole::regrole,
                case when d.defaclnamespace <> 0 then ' in schema tick' else '' end,
                string_agg(distinct case when a.grantee = 0 then 'public' else a.grantee::regrole::text end, ', ')),
            format('alter default privileges for role %s %s revoke all on %s from %s', d.defaclrole::regrole,
                case when d.defaclnamespace <> 0 then 'in schema tick' else '' end, kind.name,
                string_agg(distinct case when a.grantee = 0 then 'public' else a.grantee::regrole::text end, ', '))
        from pg_catalog.pg_default_acl as d
        cross join lateral aclexplode(d.defaclacl) as a
        join (values ('r', 'tables'), ('S', 'sequences'), ('f', 'functions')) as kind (code, name)
            on kind.code = d.defaclobjtype
        where d.defaclrole = to_regrole(current_user) and a.grantee <> d.defaclrole and a.grantee = any (api_roles)
            and (d.defaclnamespace = to_regnamespace('tick')
                or d.defaclnamespace = 0 and not (d.defaclobjtype = 'f' and a.grantee = 0))
        group by d.defaclrole, d.defaclnamespace, kind.name
        order by 2;
end
$$;

-- Ways around our tables' rights: views that read with their owner's, and functions that run with their owner's.
create or replace function pg_temp.tick_ways_around(files jsonb) returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    api_roles constant oid[] := pg_temp.tick_api_roles();
begin
    return query
        with recursive reading as (
            select c.oid as id
            from pg_catalog.pg_class as c
            where c.oid in (to_regclass('public.profiles'), to_regclass('public.user_daily_usage'))
                or c.oid = 'auth.users'::regclass
                or c.relnamespace = to_regnamespace('tick') and c.relkind in ('r', 'v')
            union
            select r.ev_class
            from reading as x
            join pg_catalog.pg_depend as d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = x.id
            join pg_catalog.pg_rewrite as r on d.classid = 'pg_catalog.pg_rewrite'::regclass and r.oid = d.objid
        )
        select 6.3,
            case when not pg_has_role(c.relowner, 'usage') then 'note' when c.relkind = 'v' then 'change'
                else 'revoke' end,
            case when not pg_has_role(c.relowner, 'usage') then format(
                    'the view %s shows users'' data with the rights of %s: as %2$s, make it security_invoker, or drop it',
                    c.oid::regclass, c.relowner::regrole)
                when c.relkind = 'v' then format('view %s shows what its reader may read (security_invoker)', c.oid::regclass)
                else format('everything on %s, a copy of users'' data, from those who use the API', c.oid::regclass)
                end,
            case when not pg_has_role(c.relowner, 'usage') then null
                when c.relkind = 'v' then format('alter view %s set (security_invoker = true)', c.oid::regclass)
                else format('revoke all on table %s from public, anon, authenticated, service_role, authenticator',
                    c.oid::regclass) end
        from reading as x
        join pg_catalog.pg_class as c on c.oid = x.id and c.relkind in ('v', 'm')
        join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
        where n.nspname not in ('tick', 'auth', 'pg_catalog', 'information_schema')
            and not (c.relkind = 'v' and exists (
                select from pg_options_to_table(c.reloptions) as o
                where o.option_name = 'security_invoker' and o.option_value::boolean
            ))
            and exists (
                select from pg_catalog.pg_roles as r
                where r.oid = any (api_roles) and has_schema_privilege(r.oid, n.oid, 'usage')
                    and (has_table_privilege(r.oid, c.oid, 'select, insert, update, delete')
                        or has_any_column_privilege(r.oid, c.oid, 'select, insert, update'))
            )
        order by c.oid::regclass::text;

    return query
        select 6.4, case when pg_has_role(p.proowner, 'usage') then 'revoke' else 'note' end,
            case when pg_has_role(p.proowner, 'usage') then format('EXECUTE on %s, which runs with the rights of %s and '
                    'mentions our tables, from those who use the API', p.oid::regprocedure, p.proowner::regrole)
                else format('%s runs with the rights of %s and mentions our tables: as %2$s, revoke EXECUTE on it from '
                    'those who use the API', p.oid::regprocedure, p.proowner::regrole) end,
            case when pg_has_role(p.proowner, 'usage') then format(
                'revoke execute on routine %s from public, anon, authenticated, service_role, authenticator',
                p.oid::regprocedure) end
        from pg_catalog.pg_proc as p
        join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
        where p.prosecdef and p.prokind in ('f', 'p')
            and n.nspname not in ('tick', 'auth', 'pg_catalog', 'information_schema')
            and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
            and pg_get_functiondef(p.oid) ~* '\m(profiles|user_daily_usage|daily_tick_limit|tick\s*\.|"tick"\s*\.)'
            -- Those that have a name of ours go, or are ours.
            and n.nspname || '.' || p.proname not in (select f.name from pg_temp.tick_functions(files) as f)
            and exists (
                select from pg_catalog.pg_roles as r
                where r.oid = any (api_roles) and has_schema_privilege(r.oid, n.oid, 'usage')
                    and has_function_privilege(r.oid, p.oid, 'execute')
            )
            and not exists (
                select from pg_catalog.pg_depend as d
                where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
        order by p.oid::regprocedure::text;
end
$$;
