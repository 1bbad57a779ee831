select v.name
from our_relation as v
where v.schema = 'tick'
    and v.relkind in ('v', 'm')
    and not exists (
        select from pg_catalog.unnest(v.reloptions) as option
        where option in ('security_invoker=true', 'security_invoker=on', 'security_invoker=yes', 'security_invoker=1')
    )
order by 1
