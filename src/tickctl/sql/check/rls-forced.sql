-- Row security does not concern a table's owner unless it is forced; it matters where a request can be the owner.
select t.name || ' belongs to ' || pg_catalog.pg_get_userbyid(t.relowner)
from our_table as t
where not t.relforcerowsecurity
    and exists (
        select from api_role as r
        join pg_catalog.pg_roles as x on x.oid = r.oid
        where not x.rolsuper and pg_catalog.pg_has_role(r.oid, t.relowner, 'member')
    )
