select v.oid::pg_catalog.regclass || case v.relkind
    when 'm' then ' holds rows that no policy guards'
    else ' reads with the rights of ' || pg_catalog.pg_get_userbyid(v.relowner)
end
from reading
join pg_catalog.pg_class as v on v.oid = reading.relation and v.relkind in ('v', 'm')
join reachable_schema as s on s.oid = v.relnamespace
where (
        v.relkind = 'm'
        or not exists (
            select from pg_catalog.unnest(v.reloptions) as option
            where option in ('security_invoker=true', 'security_invoker=on', 'security_invoker=yes', 'security_invoker=1')
        )
    )
    and exists (
        select from api_role as r
        where pg_catalog.has_table_privilege(r.oid, v.oid, 'select, insert, update, delete')
            or pg_catalog.has_any_column_privilege(r.oid, v.oid, 'select, insert, update')
    )
order by 1
