-- Known by what they do, whatever they are called; they must fire, and fire for all rows and columns.
select wanted.relation || ': ' || case
    when exists (
        select
        from pg_catalog.pg_trigger as x
        where x.tgrelid = r.oid and x.tgfoid = f.oid
    ) then 'the trigger of ' || wanted.function || ' is switched off, or fires for other events'
    else 'no trigger calls ' || wanted.function
end
from (values
    -- The last number is pg_trigger.tgtype: row 1, before 2, insert 4, delete 8, update 16, truncate 32.
    ('auth', 'users', 'auth.users', 'tick.keep_profile', 1 + 4 + 16),
    ('public', 'user_daily_usage', 'public.user_daily_usage', 'tick.forget_charges', 8),
    ('tick', 'settings', 'tick.settings', 'tick.check_time_zone', 1 + 2 + 4 + 16),
    ('tick', 'audit', 'tick.audit', 'tick.refuse_change', 2 + 8 + 16 + 32)
) as wanted (schema, table_name, relation, function, events)
join pg_catalog.pg_namespace as n on n.nspname = wanted.schema
join pg_catalog.pg_class as r on r.relnamespace = n.oid and r.relname = wanted.table_name
left join our_function as f on f.schema || '.' || f.proname = wanted.function
where not exists (
    select
    from pg_catalog.pg_trigger as x
    where x.tgrelid = r.oid
        and x.tgfoid = f.oid
        and x.tgenabled in ('O', 'A')
        and x.tgtype = wanted.events
        and x.tgqual is null
)
