-- What is known of each user today, written once: consuming, showing and listing all read these.

-- The arithmetic. These two are written as one `return`: names in such a body are resolved when it is created, so they
-- need no search_path of their own, and without one the planner puts the body in the place of the call.

-- Ticks that one day allows; null is unlimited. A blocked user has none, whatever was granted.
create or replace function tick.allowance(daily_tick_limit integer, ticks_granted bigint) returns bigint
language sql immutable
return case when daily_tick_limit = 0 then 0 else daily_tick_limit + ticks_granted end;

-- Ticks left of an allowance; null is unlimited. A limit may have been lowered below what is used already.
create or replace function tick.remaining(daily_tick_limit integer, ticks_granted bigint, ticks_used bigint)
returns bigint
language sql immutable
return case
    when daily_tick_limit is not null then greatest(tick.allowance(daily_tick_limit, ticks_granted) - ticks_used, 0)
end;

drop view if exists tick.overview;
drop view if exists tick.quota;
drop view if exists tick.account;

-- Profile and day may be missing and then count as they would be created.
create view tick.account with (security_invoker = true) as
select
    u.id as user_id,
    u.email::text as email,
    u.email_confirmed_at,
    u.banned_until,
    u.deleted_at,
    u.is_anonymous,
    case when p.user_id is null then s.default_limit else p.daily_tick_limit end as daily_tick_limit,
    (tick.clock() at time zone s.time_zone)::date as usage_date,
    coalesce(d.ticks_used, 0) as ticks_used,
    coalesce(d.ticks_granted, 0) as ticks_granted,
    d.user_id is not null as day_is_open,
    s.time_zone,
    s.largest_cost
from tick.settings as s
cross join auth.users as u
left join public.profiles as p on p.user_id = u.id
left join public.user_daily_usage as d
    on d.user_id = u.id and d.usage_date = (tick.clock() at time zone s.time_zone)::date;

-- The columns of the type tick.quota_state, in its order.
create view tick.quota with (security_invoker = true) as
select
    a.user_id,
    a.email,
    a.email_confirmed_at is not null as email_confirmed,
    a.daily_tick_limit,
    a.usage_date,
    a.ticks_used,
    a.ticks_granted,
    tick.remaining(a.daily_tick_limit, a.ticks_granted, a.ticks_used) as ticks_remaining,
    (select tick.day_ends(tick.clock(), s.time_zone) from tick.settings as s) as resets_at,
    a.time_zone
from tick.account as a;

-- The columns of the type tick.user_overview, in its order. Lists are in the order of list_key and user_id.
create view tick.overview with (security_invoker = true) as
select
    q.*,
    u.email_confirmed_at,
    u.created_at,
    u.last_sign_in_at,
    -- 'infinity' is no time that JSON or its readers know.
    case when u.banned_until > '9999-12-31 00:00:00+00' then '9999-12-31 00:00:00+00' else u.banned_until end
        as banned_until,
    u.is_anonymous,
    (
        select count(*) from auth.sessions as s
        where s.user_id = u.id and (s.not_after is null or s.not_after > tick.clock())
    ) as sessions,
    coalesce(lower(u.email), '') collate "C" as list_key
from tick.quota as q
join auth.users as u on u.id = q.user_id;

-- Creates the user's profile and row of the day where they are missing. Nothing happens when the user has just been
-- deleted; whoever then counts on the row finds none.
create or replace function tick.open_day(whose uuid, day date) returns void
language plpgsql volatile set search_path = ''
as $$
begin
    insert into public.profiles (user_id, email, daily_tick_limit)
    select u.id, u.email, s.default_limit from auth.users as u cross join tick.settings as s where u.id = whose
    on conflict do nothing;
    insert into public.user_daily_usage (user_id, usage_date) values (whose, day) on conflict do nothing;
exception
    when foreign_key_violation then null;
end
$$;

-- Keeps the profile beside the user in auth.users. A sign-up must never fail or hang for it: whatever goes wrong is
-- logged and left to open_day, and a lock is not waited for.
create or replace function tick.keep_profile() returns trigger
language plpgsql security definer set search_path = '' set lock_timeout = '250ms'
as $$
begin
    insert into public.profiles (user_id, email, daily_tick_limit)
    select new.id, new.email, s.default_limit from tick.settings as s
    on conflict (user_id) do update set email = excluded.email;
    return null;
exception
    when others then
        raise warning 'no profile was written for user %: SQLSTATE %', new.id, sqlstate;
        return null;
end
$$;

create or replace trigger tick_keep_profile after insert or update of email on auth.users
for each row execute function tick.keep_profile();

-- Charges go with their day; see the table's comment in the first migration.
create or replace function tick.forget_charges() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    delete from tick.charge as c using gone where c.user_id = gone.user_id and c.usage_date = gone.usage_date;
    return null;
end
$$;

create or replace trigger forget_charges after delete on public.user_daily_usage
referencing old table as gone for each statement execute function tick.forget_charges();
