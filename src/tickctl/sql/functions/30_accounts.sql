-- What is known of each user today, written once: consuming, showing and listing all read these.

-- Profile and day may be missing and then count as they would be created. The arithmetic stands here and nowhere else:
-- the allowance is null for unlimited and 0 for a blocked user, whatever was granted; a limit may have been lowered
-- below what is used already.
create view tick.account with (security_invoker = true) as
select
    u.id as user_id,
    u.email::text as email,
    u.email_confirmed_at,
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
    t.largest_cost
from tick.today as t
cross join auth.users as u
left join public.profiles as p on p.user_id = u.id
left join public.user_daily_usage as d on d.user_id = u.id and d.usage_date = t.usage_date
cross join lateral (
    select
        case when p.user_id is null then t.default_limit else p.daily_tick_limit end as daily_tick_limit,
        coalesce(d.ticks_used, 0) as ticks_used,
        coalesce(d.ticks_granted, 0) as ticks_granted
) as known
cross join lateral (
    select
        case when known.daily_tick_limit = 0 then 0 else known.daily_tick_limit + known.ticks_granted end as allowance
) as sum;

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
    a.ticks_remaining,
    a.resets_at,
    a.time_zone
from tick.account as a;

-- The columns of the type tick.user_overview, in its order, but for the last.
create view tick.overview with (security_invoker = true) as
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

-- Creates the user's profile and row of the day where they are missing. Nothing happens when the user has just been
-- deleted; whoever then counts on the row finds none. A profile that can't be made, since the table wants more of it
-- than we know, is not needed for counting.
create or replace function tick.open_day(whose uuid, day date) returns void
language plpgsql volatile set search_path = ''
as $$
begin
    insert into public.user_daily_usage (user_id, usage_date) values (whose, day) on conflict do nothing;
    if not exists (select from public.profiles as p where p.user_id = whose) then
        begin
            insert into public.profiles (user_id, email, daily_tick_limit)
            select u.id, u.email, t.default_limit from auth.users as u cross join tick.today as t where u.id = whose
            on conflict do nothing;
        exception
            when not_null_violation or check_violation then null;
        end;
    end if;
exception
    when foreign_key_violation then null;
end
$$;

-- Keeps the profile and the flags beside the user in auth.users. A sign-up must never fail or hang for it: whatever
-- goes wrong is logged, and a lock is not waited for. A profile that is missing is made by open_day.
create or replace function tick.keep_profile() returns trigger
language plpgsql security definer set search_path = '' set lock_timeout = '250ms'
as $$
begin
    begin
        insert into public.profiles (user_id, email, daily_tick_limit)
        select new.id, new.email, s.default_limit from tick.settings as s
        on conflict (user_id) do update set email = excluded.email
        where profiles.email is distinct from excluded.email;
    exception
        when others then
            raise warning 'no profile was written for user %: SQLSTATE %', new.id, sqlstate;
    end;
    if new.deleted_at is null and (new.email_confirmed_at is null or new.banned_until is not null) then
        insert into tick.flagged_user (user_id, list_key, unconfirmed, banned)
        values (
            new.id, coalesce(lower(new.email), ''), new.email_confirmed_at is null, new.banned_until is not null
        )
        on conflict (user_id) do update
        set list_key = excluded.list_key, unconfirmed = excluded.unconfirmed, banned = excluded.banned;
    else
        delete from tick.flagged_user as f where f.user_id = new.id;
    end if;
    return null;
exception
    when others then
        raise warning 'lists may lack user %: SQLSTATE %', new.id, sqlstate;
        return null;
end
$$;

-- Triggers of one kind fire in the order of their names. This one comes last, so that a trigger that inserts the
-- profile and knows of no other doesn't find it there and make the sign-up fail.
create or replace trigger zz_tick_keep_profile
after insert or update of email, email_confirmed_at, banned_until, deleted_at on auth.users
for each row execute function tick.keep_profile();

-- What the trigger missed, if it was not there for a while.
insert into tick.flagged_user (user_id, list_key, unconfirmed, banned)
select u.id, coalesce(lower(u.email), ''), u.email_confirmed_at is null, u.banned_until is not null
from auth.users as u
where u.deleted_at is null and (u.email_confirmed_at is null or u.banned_until is not null)
on conflict (user_id) do update
set list_key = excluded.list_key, unconfirmed = excluded.unconfirmed, banned = excluded.banned
where (flagged_user.list_key, flagged_user.unconfirmed, flagged_user.banned)
    is distinct from (excluded.list_key, excluded.unconfirmed, excluded.banned);

do $$
begin
    insert into public.profiles (user_id, email, daily_tick_limit)
    select u.id, u.email, s.default_limit
    from auth.users as u cross join tick.settings as s
    where not exists (select from public.profiles as p where p.user_id = u.id)
    on conflict do nothing;
exception
    when not_null_violation or check_violation then
        raise warning 'some users have no profile: SQLSTATE %', sqlstate;
end
$$;

-- Remembers who has nothing left of the day; who is blocked has an index of their own.
create or replace function tick.note_exhaustion(whose uuid) returns void
language sql volatile set search_path = ''
as $$
    insert into tick.exhaustion (user_id, usage_date, list_key)
    select a.user_id, a.usage_date, coalesce(lower(a.email), '')
    from tick.account as a where a.user_id = whose and a.ticks_remaining = 0 and a.daily_tick_limit > 0
    on conflict do nothing
$$;

create or replace function tick.limit_changed() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    perform tick.note_exhaustion(new.user_id);
    return null;
end
$$;

-- A limit that rises, but for that of the blocked, leaves nobody with less.
create or replace trigger limit_changed after update of daily_tick_limit on public.profiles
for each row
when (
    new.daily_tick_limit > 0
    and (old.daily_tick_limit is null or old.daily_tick_limit = 0 or new.daily_tick_limit < old.daily_tick_limit)
)
execute function tick.limit_changed();

-- Charges go with their day, and so does the note that nothing is left; see the tables' comments in the migrations.
create or replace function tick.forget_charges() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    delete from tick.charge as c using gone where c.user_id = gone.user_id and c.usage_date = gone.usage_date;
    delete from tick.exhaustion as e using gone where e.user_id = gone.user_id and e.usage_date = gone.usage_date;
    return null;
end
$$;

create or replace trigger forget_charges after delete on public.user_daily_usage
referencing old table as gone for each statement execute function tick.forget_charges();
