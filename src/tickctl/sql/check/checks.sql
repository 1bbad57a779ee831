-- The texts are as PostgreSQL writes them.
select wanted.relation || ': ' || wanted.name || case
    when c.oid is null then ' is missing'
    when not c.convalidated then ' was not validated'
    when pg_catalog.to_jsonb(c) ->> 'conenforced' = 'false' then ' is not enforced'
    else ' checks something else'
end
from (values
    (
        'public.profiles', 'profiles_daily_tick_limit_in_range',
        '((daily_tick_limit >= 0) AND (daily_tick_limit <= 1000000000))'
    ),
    (
        'public.user_daily_usage', 'user_daily_usage_ticks_not_negative',
        '((ticks_used >= 0) AND (ticks_granted >= 0))'
    ),
    (
        'tick.charge', 'charge_ticks_in_range',
        '((ticks > 0) AND ((COALESCE(ticks_settled, 0) >= 0) AND (COALESCE(ticks_settled, 0) <= ticks)))'
    ),
    ('tick.settings', 'settings_only_row', 'only_row'),
    (
        'tick.settings', 'settings_default_limit_in_range',
        '((default_limit >= 0) AND (default_limit <= 1000000000))'
    ),
    ('tick.settings', 'settings_largest_cost_in_range', '((largest_cost >= 1) AND (largest_cost <= 1000000000))'),
    ('tick.settings', 'settings_retention_days_in_range', '((retention_days >= 1) AND (retention_days <= 36500))'),
    ('tick.audit', 'audit_operator_length', '(length(operator) <= 255)'),
    ('tick.audit', 'audit_reason_length', '(length(reason) <= 1000)')
) as wanted (relation, name, condition)
join our_table as t on t.name = wanted.relation
left join pg_catalog.pg_constraint as c on c.conrelid = t.oid and c.conname = wanted.name and c.contype = 'c'
where c.oid is null
    or not c.convalidated
    -- Constraints that are not enforced came with PostgreSQL 18.
    or pg_catalog.to_jsonb(c) ->> 'conenforced' = 'false'
    or pg_catalog.pg_get_expr(c.conbin, c.conrelid) <> wanted.condition
