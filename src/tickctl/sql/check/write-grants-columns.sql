select g.name || ': ' || a.privilege_type || ' (' || pg_catalog.string_agg(c.attname, ', ' order by c.attname)
    || ') on ' || t.name
from our_table as t
join pg_catalog.pg_attribute as c on c.attrelid = t.oid and c.attnum > 0 and not c.attisdropped
cross join lateral pg_catalog.aclexplode(c.attacl) as a
join api_grantee as g on g.oid = a.grantee
where t.schema = 'public' and a.privilege_type <> 'SELECT'
group by g.name, a.privilege_type, t.name
order by 1
