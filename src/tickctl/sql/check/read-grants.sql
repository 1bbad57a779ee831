select r.name || ' may not read ' || t.name
from our_table as t
cross join api_role as r
where t.schema = 'public'
    and r.name in ('authenticated', 'service_role')
    and not pg_catalog.has_table_privilege(r.oid, t.oid, 'select')
order by 1
