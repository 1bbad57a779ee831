-- Whether they still mean what they should is tried out by the behaviour's part.
select wanted.relation || ': ' || wanted.name || case
    when c.oid is null then ' is missing'
    when not c.convalidated then ' was not validated'
    else ' is not enforced'
end
from (values
    ('public.profiles', 'profiles_daily_tick_limit_in_range'),
    ('public.user_daily_usage', 'user_daily_usage_ticks_not_negative'),
    ('tick.charge', 'charge_ticks_in_range'),
    ('tick.settings', 'settings_only_row'),
    ('tick.settings', 'settings_default_limit_in_range'),
    ('tick.settings', 'settings_largest_cost_in_range'),
    ('tick.settings', 'settings_retention_days_in_range'),
    ('tick.audit', 'audit_operator_length'),
    ('tick.audit', 'audit_reason_length')
) as wanted (relation, name)
join our_table as t on t.name = wanted.relation
left join pg_catalog.pg_constraint as c on c.conrelid = t.oid and c.conname = wanted.name and c.contype = 'c'
where c.oid is null
    or not c.convalidated
    -- Constraints that are not enforced came with PostgreSQL 18.
    or pg_catalog.to_jsonb(c) ->> 'conenforced' = 'false'
