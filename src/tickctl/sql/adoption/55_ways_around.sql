-- Ways around our tables' rights: views that read with their owner's, functions that run with their owner's, and
-- functions that could be taken for ours.

-- Views and copies of our tables and of the accounts, also those of other views.
create or replace function pg_temp.tick_views()
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    api_roles constant oid[] := pg_temp.tick_api_roles();
begin
    return query
        with recursive reading as (
            select c.oid as id
            from pg_catalog.pg_class as c
            where c.oid = any (pg_temp.tick_public_tables()) or c.oid = 'auth.users'::regclass
                or c.relnamespace = to_regnamespace('tick') and c.relkind in ('r', 'v')
            union
            select r.ev_class
            from reading as x
            join pg_catalog.pg_depend as d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = x.id
            join pg_catalog.pg_rewrite as r on d.classid = 'pg_catalog.pg_rewrite'::regclass and r.oid = d.objid
        )
        select 6.3, way.kind, format(way.message, c.oid::regclass, c.relowner::regrole),
            format(way.command, c.oid::regclass)
        from reading as x
        join pg_catalog.pg_class as c on c.oid = x.id and c.relkind in ('v', 'm')
        join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
        join (values
            (
                'v', true, 'change', 'view %1$s shows what its reader may read (security_invoker)',
                'alter view %1$s set (security_invoker = true)'
            ),
            (
                'm', true, 'revoke', 'everything on %1$s, a copy of users'' data, from those who use the API',
                'revoke all on table %1$s from public, anon, authenticated, service_role, authenticator'
            ),
            (
                'v', false, 'note', 'the view %1$s shows users'' data with the rights of %2$s: as %2$s, make it '
                'security_invoker, or drop it', null
            ),
            (
                'm', false, 'note', 'the materialized view %1$s is a copy of users'' data: as %2$s, revoke everything '
                'on it from those who use the API', null
            )
        ) as way (relkind, is_mine, kind, message, command)
            on way.relkind = c.relkind and way.is_mine = pg_has_role(c.relowner, 'usage')
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
end
$$;

-- Functions that may be called through the API, run with their owner's rights and speak of our tables. Triggers can't
-- be called; functions that have a name of ours are ours, or go.
create or replace function pg_temp.tick_functions_around(files jsonb)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    api_roles constant oid[] := pg_temp.tick_api_roles();
begin
    return query
        select 6.4, way.kind, format(way.message, p.oid::regprocedure, p.proowner::regrole),
            format(way.command, p.oid::regprocedure)
        from pg_catalog.pg_proc as p
        join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
        join (values
            (
                true, 'revoke',
                'EXECUTE on %1$s, which runs with the rights of %2$s and mentions our tables, from those who use the '
                'API',
                'revoke execute on routine %1$s from public, anon, authenticated, service_role, authenticator'
            ),
            (
                false, 'note',
                '%1$s runs with the rights of %2$s and mentions our tables: as %2$s, revoke EXECUTE on it from those '
                'who use the API',
                null
            )
        ) as way (is_mine, kind, message, command) on way.is_mine = pg_has_role(p.proowner, 'usage')
        where p.prosecdef and p.prokind in ('f', 'p')
            and n.nspname not in ('tick', 'auth', 'pg_catalog', 'information_schema')
            and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
            and pg_get_functiondef(p.oid) ~* '\m(profiles|user_daily_usage|daily_tick_limit|tick\s*\.|"tick"\s*\.)'
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
            and not (installed and p.oid in (
                select f.id from pg_temp.tick_functions(files) as f where f.id is not null
            ))
    loop
        if namesake.used_by is not null or not namesake.is_mine then
            return query select 0.0, 'blocker',
                format('a function of that name is in the way: %s, %s; rename or drop it', namesake.signature,
                    coalesce('used by ' || namesake.used_by, 'which belongs to ' || namesake.owner_name)),
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
