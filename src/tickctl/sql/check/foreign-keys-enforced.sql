-- A key's own triggers can be switched off; the key then says what is no longer so.
select distinct t.name || ': ' || k.conname
from pg_catalog.pg_trigger as x
join pg_catalog.pg_constraint as k on k.oid = x.tgconstraint and k.contype = 'f'
join our_table as t on t.oid = k.conrelid
where x.tgenabled not in ('O', 'A')
order by 1
