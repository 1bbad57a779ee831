-- What accounts and sessions say decides who may consume; who can write there needs nothing else.
select distinct g.name || ': ' || a.privilege_type || ' on auth.' || t.relname
from pg_catalog.pg_class as t
join pg_catalog.pg_namespace as n on n.oid = t.relnamespace
cross join lateral (
    select a.grantee, a.privilege_type from pg_catalog.aclexplode(t.relacl) as a
    union
    select a.grantee, a.privilege_type
    from pg_catalog.pg_attribute as c
    cross join lateral pg_catalog.aclexplode(c.attacl) as a
    where c.attrelid = t.oid
) as a
join api_grantee as g on g.oid = a.grantee
where n.nspname = 'auth' and t.relname in ('users', 'sessions')
    -- Reading is for the project to decide, where row-level security has a say in it.
    and (a.privilege_type <> 'SELECT' or not t.relrowsecurity)
order by 1
