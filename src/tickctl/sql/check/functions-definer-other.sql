select f.oid::pg_catalog.regprocedure::text
from pg_catalog.pg_proc as f
join reachable_schema as s on s.oid = f.pronamespace and not s.supabase
where f.prosecdef
    and f.prokind in ('f', 'p')
    and f.prorettype not in ('trigger'::pg_catalog.regtype, 'event_trigger'::pg_catalog.regtype)
    and exists (
        select from api_role as r
        where r.name in ('anon', 'authenticated') and pg_catalog.has_function_privilege(r.oid, f.oid, 'execute')
    )
    and not exists (
        select from pg_catalog.pg_depend as d
        where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = f.oid and d.deptype = 'e'
    )
    and not exists (select from our_function as o where o.oid = f.oid)
    and pg_catalog.pg_get_functiondef(f.oid) !~* '\m(profiles|user_daily_usage|daily_tick_limit|tick\s*\.|"tick"\s*\.)'
order by 1
