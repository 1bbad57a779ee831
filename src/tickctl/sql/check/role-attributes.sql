select r.rolname || ' has ' || attribute.name
from pg_catalog.pg_roles as r
join known_role as a on a.oid = r.oid
cross join lateral (values
    ('SUPERUSER', r.rolsuper),
    ('BYPASSRLS', r.rolbypassrls and r.rolname <> 'service_role'),
    ('CREATEROLE', r.rolcreaterole),
    ('CREATEDB', r.rolcreatedb),
    ('REPLICATION', r.rolreplication)
) as attribute (name, held)
where attribute.held
order by 1
