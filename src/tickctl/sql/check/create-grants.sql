select g.name || ' may create objects in schema ' || n.nspname
from pg_catalog.pg_namespace as n
cross join lateral pg_catalog.aclexplode(n.nspacl) as a
join api_grantee as g on g.oid = a.grantee
where n.nspname in ('tick', 'public') and a.privilege_type = 'CREATE'
union all
select g.name || ' may create schemas'
from pg_catalog.pg_database as d
cross join lateral pg_catalog.aclexplode(d.datacl) as a
join api_grantee as g on g.oid = a.grantee
where d.datname = pg_catalog.current_database() and a.privilege_type = 'CREATE'
