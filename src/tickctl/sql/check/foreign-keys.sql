select wanted.relation || '.user_id does not refer to auth.users with ON DELETE CASCADE'
from (values
    ('public.profiles'), ('public.user_daily_usage'), ('tick.admin'), ('tick.flagged_user')
) as wanted (relation)
join our_table as t on t.name = wanted.relation
where not exists (
    select
    from pg_catalog.pg_constraint as c
    join pg_catalog.pg_class as users on users.oid = c.confrelid
    join pg_catalog.pg_namespace as n on n.oid = users.relnamespace
    join pg_catalog.pg_attribute as a on a.attrelid = t.oid and c.conkey = array[a.attnum]
    join pg_catalog.pg_attribute as f on f.attrelid = users.oid and c.confkey = array[f.attnum]
    where c.conrelid = t.oid
        and c.contype = 'f'
        and c.confdeltype = 'c'
        and c.convalidated
        and coalesce(pg_catalog.to_jsonb(c) ->> 'conenforced', 'true') = 'true'
        and (n.nspname, users.relname, a.attname, f.attname) = ('auth', 'users', 'user_id', 'id')
)
