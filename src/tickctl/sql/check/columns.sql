select
    wanted.relation || '.' || wanted.name || case
        when a.attname is null then ' is missing'
        when a.atttypid <> wanted.type::pg_catalog.regtype
            then ' is ' || pg_catalog.format_type(a.atttypid, a.atttypmod) || ', not ' || wanted.type
        when a.attgenerated <> '' then ' is generated'
        else ' may be null'
    end
from (values
    ('public.profiles', 'user_id', 'uuid', true),
    ('public.profiles', 'email', 'text', false),
    ('public.profiles', 'daily_tick_limit', 'integer', false),
    ('public.user_daily_usage', 'user_id', 'uuid', true),
    ('public.user_daily_usage', 'usage_date', 'date', true),
    ('public.user_daily_usage', 'ticks_used', 'bigint', true),
    ('public.user_daily_usage', 'ticks_granted', 'bigint', true),
    ('tick.charge', 'id', 'uuid', true),
    ('tick.charge', 'user_id', 'uuid', true),
    ('tick.charge', 'usage_date', 'date', true),
    ('tick.charge', 'ticks', 'integer', true),
    ('tick.charge', 'ticks_settled', 'integer', false),
    ('tick.charge', 'request_key', 'text', false),
    ('tick.charge', 'request_digest', 'text', false),
    ('tick.settings', 'time_zone', 'text', true),
    ('tick.settings', 'default_limit', 'integer', false),
    ('tick.settings', 'largest_cost', 'integer', true),
    ('tick.admin', 'user_id', 'uuid', true),
    ('tick.audit', 'actor', 'text', true),
    ('tick.audit', 'actor_id', 'uuid', false),
    ('tick.flagged_user', 'user_id', 'uuid', true),
    ('tick.exhaustion', 'user_id', 'uuid', true),
    ('tick.exhaustion', 'usage_date', 'date', true)
) as wanted (relation, name, type, required)
join our_table as t on t.name = wanted.relation
left join pg_catalog.pg_attribute as a
    on a.attrelid = t.oid and a.attname = wanted.name and a.attnum > 0 and not a.attisdropped
where a.attname is null
    or a.atttypid <> wanted.type::pg_catalog.regtype
    or a.attgenerated <> ''
    or wanted.required and not a.attnotnull
