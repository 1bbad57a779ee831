-- Not that it is the primary key: a table that was adopted may have one of its own besides.
select wanted.relation || ' may hold two rows for one ' || wanted.meaning
from (values
    ('public.profiles', '{user_id}'::text[], 'user'),
    ('public.user_daily_usage', '{usage_date,user_id}', 'user and day'),
    ('tick.charge', '{id}', 'charge'),
    ('tick.charge', '{request_key,user_id}', 'user and request key'),
    ('tick.settings', '{only_row}', 'project'),
    ('tick.admin', '{user_id}', 'administrator'),
    ('tick.audit', '{id}', 'entry'),
    ('tick.migration', '{name}', 'file'),
    ('tick.flagged_user', '{user_id}', 'user'),
    ('tick.exhaustion', '{usage_date,user_id}', 'user and day')
) as wanted (relation, columns, meaning)
join our_table as t on t.name = wanted.relation
where not exists (
    select
    from pg_catalog.pg_index as i
    where i.indrelid = t.oid
        and i.indisunique and i.indimmediate and i.indisvalid and i.indisready
        and i.indexprs is null
        -- Rows without a request key need no uniqueness; any other condition would leave rows out.
        and (
            i.indpred is null
            or wanted.relation = 'tick.charge'
            and pg_catalog.pg_get_expr(i.indpred, i.indrelid) = '(request_key IS NOT NULL)'
        )
        and wanted.columns = array(
            select a.attname::text
            from pg_catalog.unnest(i.indkey[0:i.indnkeyatts - 1]) as k (attnum)
            join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
            order by 1
        )
)
