-- What is known of each user today, written once: consuming, showing and listing all read these.

-- Limits as the project stores them, by whatever column of public.profiles names the user.
do $$
begin
    execute format(
        'create or replace view tick.profile with (security_invoker = true) as'
        ' select p.%I as user_id, p.daily_tick_limit from public.profiles as p', tick.profile_key()
    );
end
$$;

-- Profile and day may be missing and then count as they would be created. The arithmetic stands here and nowhere else:
-- the allowance is null for unlimited and 0 for a blocked user, whatever was granted; a limit may have been lowered
-- below what is used already.
create or replace view tick.account with (security_invoker = true) as
select
    u.id as user_id,
    u.email::text as email,
    -- Of an address that there is.
    case when u.email <> '' then u.email_confirmed_at end as email_confirmed_at,
    u.banned_until,
    u.created_at,
    u.last_sign_in_at,
    u.deleted_at,
    u.is_anonymous,
    known.daily_tick_limit,
    known.ticks_used,
    known.ticks_granted,
    sum.allowance,
    case when sum.allowance is not null then greatest(sum.allowance - known.ticks_used, 0) end as ticks_remaining,
    d.user_id is not null as day_is_open,
    t.moment,
    t.usage_date,
    t.resets_at,
    t.time_zone,
    t.largest_cost,
    t.audience
from tick.today as t
cross join auth.users as u
left join tick.profile as p on p.user_id = u.id
left join tick.override as o on o.user_id = u.id
left join public.user_daily_usage as d on d.user_id = u.id and d.usage_date = t.usage_date
cross join lateral (
    select
        case
            when o.user_id is not null then o.daily_tick_limit
            when p.user_id is not null then p.daily_tick_limit
            else t.default_limit
        end as daily_tick_limit,
        coalesce(d.ticks_used, 0) as ticks_used,
        coalesce(d.ticks_granted, 0) as ticks_granted
) as known
cross join lateral (
    select
        case when known.daily_tick_limit = 0 then 0 else known.daily_tick_limit + known.ticks_granted end as allowance
) as sum;

-- The columns of the type tick.quota_state, in its order.
create or replace view tick.quota with (security_invoker = true) as
select
    a.user_id,
    a.email,
    a.email_confirmed_at is not null as email_confirmed,
    a.daily_tick_limit,
    a.usage_date,
    a.ticks_used,
    a.ticks_granted,
    a.ticks_remaining,
    a.resets_at,
    a.time_zone
from tick.account as a;

-- The columns of the type tick.user_overview, in its order, but for the last.
create or replace view tick.overview with (security_invoker = true) as
select
    a.user_id,
    a.email,
    a.email_confirmed_at is not null as email_confirmed,
    a.daily_tick_limit,
    a.usage_date,
    a.ticks_used,
    a.ticks_granted,
    a.ticks_remaining,
    a.resets_at,
    a.time_zone,
    a.email_confirmed_at,
    a.created_at,
    a.last_sign_in_at,
    -- 'infinity' is no time that JSON or its readers know.
    case when a.banned_until > '9999-12-31 00:00:00+00' then '9999-12-31 00:00:00+00' else a.banned_until end
        as banned_until,
    a.is_anonymous,
    (
        select count(*) from auth.sessions as s
        where s.user_id = a.user_id and (s.not_after is null or s.not_after > a.moment)
    ) as sessions
from tick.account as a;

-- Charges and request keys go with their day; see the table's comment in the migration.
create or replace function tick.forget_charges() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    delete from tick.request as r using gone where r.user_id = gone.user_id and r.usage_date = gone.usage_date;
    delete from tick.charge as c using gone where c.user_id = gone.user_id and c.usage_date = gone.usage_date;
    return null;
end
$$;

create or replace trigger forget_charges after delete on public.user_daily_usage
referencing old table as gone for each statement execute function tick.forget_charges();
