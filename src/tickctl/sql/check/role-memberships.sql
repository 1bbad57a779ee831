select r.name || ' is a member of ' || p.name
from known_role as r
join pg_catalog.pg_roles as x on x.oid = r.oid
join powerful_role as p on p.oid <> r.oid and pg_catalog.pg_has_role(r.oid, p.oid, 'member')
where not x.rolsuper and r.name <> 'authenticator'
order by 1
