select g.name || ': ' || pg_catalog.string_agg(a.privilege_type, ', ' order by a.privilege_type) || ' on ' || t.name
from our_table as t
cross join lateral pg_catalog.aclexplode(t.relacl) as a
join api_grantee as g on g.oid = a.grantee
where t.schema = 'public' and a.privilege_type <> 'SELECT'
group by g.name, t.name
order by 1
