select c.conrelid::pg_catalog.regclass || ': no index begins with the columns of the foreign key ' || c.conname
from pg_catalog.pg_constraint as c
join our_table as t on t.oid = c.conrelid
where c.contype = 'f'
    and not exists (
        select
        from pg_catalog.pg_index as i
        where i.indrelid = c.conrelid and i.indisvalid and i.indpred is null
            and (i.indkey::smallint[])[0:pg_catalog.cardinality(c.conkey) - 1] operator(pg_catalog.@>) c.conkey
    )
union all
select i.indexrelid::pg_catalog.regclass || ' is not valid: it was left half built'
from pg_catalog.pg_index as i
join our_table as t on t.oid = i.indrelid
where not (i.indisvalid and i.indisready)
union all
select e.schema || '.' || e.name || ' is missing'
from expected_index as e
join our_table as t on t.name = e.schema || '.' || e.relation
where not exists (
    select from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = e.schema and c.relname = e.name and c.relkind = 'i'
)
order by 1
