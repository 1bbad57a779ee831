-- Known by what they do, whatever they are called; they must fire for all that this version's do.
select wanted.relation || ': ' || case
    when exists (select from pg_catalog.pg_trigger as x where x.tgrelid = r.oid and x.tgfoid = f.oid)
        then 'the trigger of ' || wanted.function || ' is switched off, or fires for less'
    else 'no trigger calls ' || wanted.function
end
from (values
    -- The number is pg_trigger.tgtype: row 1, before 2, insert 4, delete 8, update 16, truncate 32. The columns are those
    -- whose updates matter; the last says whether there is a condition.
    (
        'auth', 'users', 'auth.users', 'tick.keep_profile', 1 + 4 + 16,
        array['email', 'email_confirmed_at', 'banned_until', 'deleted_at']::name[], false
    ),
    ('public', 'profiles', 'public.profiles', 'tick.limit_changed', 1 + 16, array['daily_tick_limit'], true),
    ('public', 'user_daily_usage', 'public.user_daily_usage', 'tick.forget_charges', 8, array[]::name[], false),
    ('tick', 'settings', 'tick.settings', 'tick.check_time_zone', 1 + 2 + 4 + 16, array['time_zone'], false),
    ('tick', 'audit', 'tick.audit', 'tick.refuse_change', 2 + 8 + 16 + 32, array[]::name[], false)
) as wanted (schema, table_name, relation, function, events, columns, conditional)
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
        and (wanted.conditional or x.tgqual is null)
        -- Without columns it fires for all of them.
        and (
            pg_catalog.cardinality(x.tgattr::smallint[]) = 0
            or wanted.columns operator(pg_catalog.<@) array(
                select a.attname from pg_catalog.pg_attribute as a
                where a.attrelid = r.oid and a.attnum = any (x.tgattr::smallint[])
            )
        )
)
