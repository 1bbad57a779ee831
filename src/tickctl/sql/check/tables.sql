select wanted.name || case
    when c.oid is null then ' is missing'
    else ' is no ordinary table'
end
from (values
    ('public', 'profiles', 'public.profiles'),
    ('public', 'user_daily_usage', 'public.user_daily_usage'),
    ('tick', 'charge', 'tick.charge'),
    ('tick', 'settings', 'tick.settings'),
    ('tick', 'admin', 'tick.admin'),
    ('tick', 'audit', 'tick.audit'),
    ('tick', 'migration', 'tick.migration'),
    ('tick', 'flagged_user', 'tick.flagged_user'),
    ('tick', 'exhaustion', 'tick.exhaustion'),
    ('tick', 'adopted', 'tick.adopted')
) as wanted (schema, relation, name)
left join our_relation as c on c.name = wanted.name
where c.relkind is distinct from 'r'
