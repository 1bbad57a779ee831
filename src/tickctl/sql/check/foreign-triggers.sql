select t.name || ': ' || x.tgname || ' calls ' || x.tgfoid::pg_catalog.regprocedure
from pg_catalog.pg_trigger as x
join our_table as t on t.oid = x.tgrelid
where not x.tgisinternal
    and x.tgenabled <> 'D'
    and not exists (select from our_function as f where f.oid = x.tgfoid)
