-- Whoever runs SQL of his own can become the secret key: PostgREST's login may switch to it at any time. Known by the
-- argument that is executed as it comes.
select f.oid::pg_catalog.regprocedure::text
from pg_catalog.pg_proc as f
join reachable_schema as s on s.oid = f.pronamespace and not s.supabase
where f.prokind in ('f', 'p')
    and exists (select from api_role as r where pg_catalog.has_function_privilege(r.oid, f.oid, 'execute'))
    and not exists (
        select from pg_catalog.pg_depend as d
        where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = f.oid and d.deptype = 'e'
    )
    and not exists (select from our_function as o where o.oid = f.oid)
    and exists (
        select
        from (
            select pg_catalog.regexp_replace(a.name, '(\W)', '\\\1', 'g')
            from pg_catalog.unnest(f.proargnames) as a (name)
            where a.name <> ''
            union all
            values ('\$[0-9]+')
        ) as argument (pattern)
        where f.prosrc ~* ('\m(execute|query_to_xml\s*\()\s*"?' || argument.pattern || '"?(\W|$)')
    )
order by 1
