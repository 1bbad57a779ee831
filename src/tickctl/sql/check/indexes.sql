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
select 'tick.charge: no index begins with user and day'
from our_table as t
where t.name = 'tick.charge'
    and not exists (
        select
        from pg_catalog.pg_index as i
        where i.indrelid = t.oid and i.indisvalid and i.indpred is null
            and array['user_id', 'usage_date']::name[] = array(
                select a.attname
                from pg_catalog.unnest((i.indkey::smallint[])[0:1]) with ordinality as k (attnum, position)
                join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
                order by k.position
            )
    )
