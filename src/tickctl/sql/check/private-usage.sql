select g.name || ' has USAGE on schema tick'
from pg_catalog.pg_namespace as n
cross join lateral pg_catalog.aclexplode(n.nspacl) as a
join api_grantee as g on g.oid = a.grantee
where n.nspname = 'tick' and a.privilege_type = 'USAGE' and g.name not in ('authenticated', 'service_role')
union all
select r.name || ' has no USAGE on schema tick, which its functions need'
from pg_catalog.pg_namespace as n
cross join api_role as r
where n.nspname = 'tick'
    and r.name in ('authenticated', 'service_role')
    and not pg_catalog.has_schema_privilege(r.oid, n.oid, 'usage')
