select t.name || ' belongs to ' || pg_catalog.pg_get_userbyid(t.relowner) || ', whom '
    || pg_catalog.string_agg(r.name, ', ' order by r.name) || ' can be'
from our_relation as t
join api_role as r on pg_catalog.pg_has_role(r.oid, t.relowner, 'member')
join pg_catalog.pg_roles as x on x.oid = r.oid
where not x.rolsuper
group by t.name, t.relowner
