-- Rights that everybody has are told elsewhere, and so are those on the hook.
select g.name || ' may execute ' || f.name
from our_function as f
cross join lateral pg_catalog.aclexplode(f.proacl) as a
join api_grantee as g on g.oid = a.grantee and g.name not in ('PUBLIC', 'anon', 'authenticator')
left join expected_function as e on e.schema = f.schema and e.name = f.proname
where not coalesce(g.name = any (e.callers), false) and f.proname <> 'access_token_hook'
union all
select caller || ' may not execute ' || f.name
from our_function as f
join expected_function as e on e.schema = f.schema and e.name = f.proname
cross join lateral pg_catalog.unnest(e.callers) as caller
join api_role as r on r.name = caller
where not pg_catalog.has_function_privilege(r.oid, f.oid, 'execute')
order by 1
