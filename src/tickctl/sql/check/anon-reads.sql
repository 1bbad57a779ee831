select distinct g.name || ' may read ' || t.name
from our_table as t
cross join lateral (
    select a.grantee, a.privilege_type from pg_catalog.aclexplode(t.relacl) as a
    union
    select a.grantee, a.privilege_type
    from pg_catalog.pg_attribute as c
    cross join lateral pg_catalog.aclexplode(c.attacl) as a
    where c.attrelid = t.oid
) as a
join api_grantee as g on g.oid = a.grantee
where t.schema = 'public' and g.name in ('anon', 'PUBLIC') and a.privilege_type = 'SELECT'
order by 1
