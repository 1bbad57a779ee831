-- The schema as the first databases got it, before tables could be adopted: for the test that they can be upgraded.

-- migrations/0001_tables.sql

-- The tables. `public` holds what users may read of their own; `tick` is private: it is never added to the
-- schemas that PostgREST serves, and everything in it is reached through functions.

create schema tick;
revoke all on schema tick from public;

-- The files of tickctl/sql that this database has run.
create table tick.migration (
    name text primary key,
    digest text not null,
    applied_at timestamptz not null
);

create table public.profiles (
    user_id uuid primary key references auth.users (id) on delete cascade,
    email text,
    daily_tick_limit integer default 32,
    constraint profiles_daily_tick_limit_in_range check (daily_tick_limit between 0 and 1000000000)
);
comment on table public.profiles is 'One row per user; users may read their own and change nothing.';
comment on column public.profiles.daily_tick_limit is 'Ticks per day; null is unlimited, 0 is blocked.';

create table public.user_daily_usage (
    user_id uuid not null references auth.users (id) on delete cascade,
    usage_date date not null,
    ticks_used bigint not null default 0,
    ticks_granted bigint not null default 0,
    primary key (user_id, usage_date),
    constraint user_daily_usage_ticks_not_negative check (ticks_used >= 0 and ticks_granted >= 0)
)
-- Room in each page, so that the counting updates stay in it and touch no index (heap-only tuples).
with (fillfactor = 70);
comment on table public.user_daily_usage is 'Ticks of one user on one day of the stored time zone.';
comment on column public.user_daily_usage.ticks_granted is 'Added by operators to the limit of this one day.';

-- A charge has no foreign key to its day on purpose. The key's check would lock the day's row for sharing before
-- it is counted on, which costs every request and can deadlock with the deletion of the user. Nothing is lost:
-- a charge stays only where counting on the day's row succeeded in the same transaction, and a trigger deletes
-- the charges together with that row.
create table tick.charge (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null,
    usage_date date not null,
    ticks integer not null,
    ticks_settled integer,
    request_key text,
    request_digest text,
    created_at timestamptz not null,
    settled_at timestamptz,
    constraint charge_ticks_in_range check (ticks > 0 and coalesce(ticks_settled, 0) between 0 and ticks)
);
comment on table tick.charge is
    'Each granted consumption. Per user and day, sum(coalesce(ticks_settled, ticks)) = user_daily_usage.ticks_used.';
create index charge_user_day on tick.charge (user_id, usage_date);
create unique index charge_user_request_key on tick.charge (user_id, request_key) where request_key is not null;

create table tick.settings (
    only_row boolean primary key default true,
    time_zone text not null default 'UTC',
    default_limit integer default 32,
    largest_cost integer not null default 1000000,
    retention_days integer not null default 400,
    constraint settings_only_row check (only_row),
    constraint settings_default_limit_in_range check (default_limit between 0 and 1000000000),
    constraint settings_largest_cost_in_range check (largest_cost between 1 and 1000000000),
    constraint settings_retention_days_in_range check (retention_days between 1 and 36500)
);
comment on column tick.settings.time_zone is 'The IANA zone whose midnight begins a new day for everybody.';
comment on column tick.settings.default_limit is 'daily_tick_limit of new users; null is unlimited.';
comment on column tick.settings.largest_cost is 'The most ticks that one request may ask for.';
comment on column tick.settings.retention_days is 'How long charges, and with them request keys, are meant to be kept.';
insert into tick.settings default values;

-- A table rather than a claim: whoever is removed here is no administrator from that moment on.
create table tick.admin (
    user_id uuid primary key references auth.users (id) on delete cascade,
    added_at timestamptz not null default now()
);

-- No foreign keys: the log outlives the users that it tells of.
create table tick.audit (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    action text not null,
    actor text not null,
    actor_id uuid,
    operator text,
    user_id uuid not null,
    email text,
    before jsonb not null,
    after jsonb not null,
    reason text,
    constraint audit_operator_length check (length(operator) <= 255),
    constraint audit_reason_length check (length(reason) <= 1000)
);
comment on column tick.audit.actor is 'Who the database knows it was: service_role, a user id, or a session user.';
comment on column tick.audit.operator is 'Who the caller said that they were; not verified.';
create index audit_user on tick.audit (user_id, id);
create index audit_email on tick.audit (lower(email), id);

insert into public.profiles (user_id, email)
select u.id, u.email from auth.users as u;
insert into tick.migration values ('migrations/0001_tables.sql', '5467818aa275669ec1a32bdd7615f0e424fd88b1f20114d4d02478eccae653a5', now());

-- migrations/0002_types.sql

-- The rows that functions answer with; the meaning of each column is in tickctl/core/quota/model.py.

create type tick.consumption as (
    decision text,
    charge_id uuid,
    daily_tick_limit integer,
    ticks_granted bigint,
    ticks_used bigint,
    ticks_remaining bigint,
    usage_date date,
    resets_at timestamptz,
    now timestamptz
);

create type tick.settlement as (
    outcome text,
    charge_id uuid,
    user_id uuid,
    usage_date date,
    ticks_charged integer,
    ticks_settled integer,
    settled_at timestamptz
);

create type tick.quota_state as (
    user_id uuid,
    email text,
    email_confirmed boolean,
    daily_tick_limit integer,
    usage_date date,
    ticks_used bigint,
    ticks_granted bigint,
    ticks_remaining bigint,
    resets_at timestamptz,
    time_zone text
);

create type tick.limit_change as (
    outcome text,
    previous_limit integer,
    user_id uuid,
    email text,
    email_confirmed boolean,
    daily_tick_limit integer,
    usage_date date,
    ticks_used bigint,
    ticks_granted bigint,
    ticks_remaining bigint,
    resets_at timestamptz,
    time_zone text
);

create type tick.limit_outcome as (user_id uuid, outcome text, previous_limit integer);
create type tick.resolved_user as (user_ref text, user_id uuid, email text, daily_tick_limit integer);
create type tick.user_match as (user_id uuid, email text);
create type tick.day_usage as (usage_date date, ticks_used bigint, ticks_granted bigint, charges bigint);
create type tick.top_entry as (user_id uuid, email text, ticks_used bigint, daily_tick_limit integer);

create type tick.user_state as (
    user_id uuid,
    email text,
    email_confirmed_at timestamptz,
    banned_until timestamptz,
    deleted_at timestamptz,
    is_anonymous boolean,
    session_active boolean
);

-- Who calls: a signed-in user as the verified token says, and an operator as the log will name them.
create type tick.signed_in_user as (user_id uuid, session_id uuid);
create type tick.actor as (name text, user_id uuid);
insert into tick.migration values ('migrations/0002_types.sql', '2b6008fd998439341ae77e977d53800306ec512b6c116f25746716f5b28188de', now());

-- functions/10_time.sql

-- One clock and one calendar. Nothing that a client can set moves them: neither the session's time zone (PostgREST
-- takes it from a `Prefer: timezone=` header) nor current_date, which follows it.

-- Functions that are written as one `return` have their names resolved when they are created, so they need no search_path
-- of their own; and without one the planner puts their body in the place of the call.
create or replace function tick.clock() returns timestamptz
language sql stable
return now();
comment on function tick.clock() is 'The time of everything here; tests replace this function to move it.';

-- The first instant after `moment` whose date in `zone` differs from that of `moment`.
--
-- Midnight is not always there once: clocks go forward over it (America/Havana), back over it (America/St_Johns until
-- 2011: the date changes, changes back and changes again), or over a whole day (Pacific/Apia in 2011). So: where the
-- next midnight exists and as much time passes until then as the clocks show, that midnight is it. Otherwise there is
-- one change of offset in between; find its second by halving, then try midnight by the old offset, the change itself,
-- and midnight by the new offset. (PostgreSQL reads a midnight that is skipped by the offset before the change, and of
-- two takes the later.)
create or replace function tick.odd_day_ends(moment timestamptz, zone text) returns timestamptz
language plpgsql stable set search_path = ''
as $$
declare
    local_now constant timestamp := moment at time zone zone;
    midnight constant timestamp := local_now::date + 1;
    candidate constant timestamptz := midnight at time zone zone;
    by_old_offset timestamptz;
    before_change bigint;
    after_change bigint;
    middle bigint;
    change timestamptz;
begin
    -- Whole seconds since the epoch: all changes of offset fall on one.
    before_change := floor(extract(epoch from moment));
    after_change := ceil(extract(epoch from candidate));
    while after_change - before_change > 1 loop
        middle := (before_change + after_change) / 2;
        if to_timestamp(middle) at time zone zone - local_now = to_timestamp(middle) - moment then
            before_change := middle;
        else
            after_change := middle;
        end if;
    end loop;
    change := to_timestamp(after_change);
    by_old_offset := moment + (midnight - local_now);
    if by_old_offset < change then
        return by_old_offset;
    elsif (change at time zone zone)::date <> local_now::date then
        return change;
    end if;
    return change + (midnight - change at time zone zone);
end
$$;

-- The same, quick for nearly all days.
create or replace function tick.day_ends(moment timestamptz, zone text) returns timestamptz
language sql stable
return (
    select case
        when day.candidate at time zone zone = day.midnight
            and day.candidate - moment = day.midnight - moment at time zone zone
        then day.candidate
        else tick.odd_day_ends(moment, zone)
    end
    from (
        select next.midnight, next.midnight at time zone zone as candidate
        from (select ((moment at time zone zone)::date + 1)::timestamp as midnight) as next
    ) as day
);

create or replace function tick.check_time_zone() returns trigger
language plpgsql set search_path = ''
as $$
begin
    -- Not every text that `at time zone` takes: 'UTC+3' is a POSIX rule and lies west of Greenwich.
    if new.time_zone !~ '^[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$'
        or not exists (select from pg_catalog.pg_timezone_names as z where z.name = new.time_zone)
    then
        raise exception 'unknown time zone' using errcode = '22023', hint = 'Use an IANA name such as Europe/Paris.';
    end if;
    return new;
end
$$;

create or replace trigger check_time_zone before insert or update of time_zone on tick.settings
for each row execute function tick.check_time_zone();
insert into tick.migration values ('functions/10_time.sql', '1f4d2c9363970f4b55128e088ceec822c9a4f04d94c18c93d700380c9f027f32', now());

-- functions/20_callers.sql

-- Who calls. Identity comes from request.jwt.claims, which PostgREST sets from a token whose signature it has checked,
-- and from the role that it has switched to; never from an argument.

-- A reference to a user may be an id or something else; no token's claims come through here.
create or replace function tick.uuid_or_null(value text) returns uuid
language plpgsql immutable set search_path = ''
as $$
begin
    return case when value ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then value::uuid end;
end
$$;

-- The user and session of the token, existing or not; 42501 where no user is signed in, and 22P02 for a token whose
-- ids are no UUIDs, which Supabase Auth does not issue.
create or replace function tick.signed_in_user() returns tick.signed_in_user
language plpgsql stable set search_path = ''
as $$
declare
    claims constant jsonb := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
    caller tick.signed_in_user;
begin
    if claims ->> 'role' = 'authenticated' then
        caller.user_id := (claims ->> 'sub')::uuid;
        caller.session_id := (claims ->> 'session_id')::uuid;
    end if;
    if caller.user_id is null then
        raise exception 'this needs a signed-in user' using errcode = '42501';
    end if;
    return caller;
end
$$;

-- The signed-in user, when the account is in good standing and the session has not ended; otherwise null.
-- A token outlives log-out, ban and deletion, so the rows decide.
create or replace function tick.live_user() returns uuid
language plpgsql stable set search_path = ''
as $$
declare
    caller constant tick.signed_in_user := tick.signed_in_user();
    moment constant timestamptz := tick.clock();
begin
    return (
        select u.id
        from auth.users as u
        join auth.sessions as s on s.user_id = u.id
        where u.id = caller.user_id
            and s.id = caller.session_id
            and u.deleted_at is null
            and (u.banned_until is null or u.banned_until <= moment)
            and (s.not_after is null or s.not_after > moment)
    );
end
$$;

-- The holder of the secret key, or of a direct connection as the owner of these functions; otherwise null. To be
-- called from a SECURITY DEFINER function: there current_user is the owner, while the setting `role` still tells what
-- the session switched to.
create or replace function tick.trusted_caller() returns text
language plpgsql stable set search_path = ''
as $$
begin
    return case
        when current_setting('role') = 'service_role' then 'service_role'
        when current_setting('role') = 'none' and session_user = current_user then session_user::text
    end;
end
$$;

-- Whether the caller is the gateway under its own identity: an Auth user, in good standing, whose app_metadata says so.
-- Users can't write app_metadata; the live row decides, not the token's copy of it.
create or replace function tick.is_gateway() returns boolean
language plpgsql stable set search_path = ''
as $$
declare
    -- A variable, not a call within the query: the planner runs stable functions for its estimates, too.
    whose constant uuid := tick.live_user();
begin
    return exists (
        select from auth.users as u where u.id = whose and u.raw_app_meta_data ->> 'role' = 'tick_gateway'
    );
end
$$;

-- The administrator who calls, as the log will name them; 42501 for everybody else.
create or replace function tick.require_admin() returns tick.actor
language plpgsql stable set search_path = ''
as $$
declare
    actor tick.actor;
begin
    actor.name := tick.trusted_caller();
    if actor.name is null then
        actor.user_id := tick.live_user();
        actor.name := (select a.user_id::text from tick.admin as a where a.user_id = actor.user_id);
    end if;
    if actor.name is null then
        raise exception 'this needs an administrator' using errcode = '42501';
    end if;
    return actor;
end
$$;
insert into tick.migration values ('functions/20_callers.sql', '45d92509e65d114f89a9352fdeacfb138a38e0abef97541e199057c597430e65', now());

-- functions/30_accounts.sql

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
insert into tick.migration values ('functions/30_accounts.sql', '0f059f734349e0574df01d95c0f8c70f49e82d031d130009d11c8cc2ce9c6d4e', now());

-- functions/40_consume.sql

-- Counting: the calls that move ticks_used.

-- Decides, and when it grants, counts and records the charge; a refusal writes nothing.
--
-- Each round looks once, so that all it decides on is one snapshot, and the first refusal that holds is the answer. A
-- grant then has to stand while counting: the guarded UPDATE is the only statement that counts, and it sees the row as
-- it is at that moment. When it finds that others were quicker, the next round tells why.
--
-- A request key is settled by the unique index on the charges: its charge is inserted before counting, so that of two
-- simultaneous requests with one key the second waits for the first and then meets the charge, or, if the first was
-- refused, goes on alone. The charge of a refused request is taken back.
create or replace function tick.consume_ticks(cost integer, key text, digest text, require_confirmed boolean)
returns tick.consumption
language plpgsql volatile security definer set search_path = ''
as $$
declare
    caller constant tick.signed_in_user := tick.signed_in_user();
    moment constant timestamptz := tick.clock();
    largest_cost integer;
    day_is_open boolean;
    answer tick.consumption;
begin
    if key = '' or length(key) > 255 then
        raise exception 'request_key must have 1 to 255 characters' using errcode = '22023';
    elsif length(digest) > 128 then
        raise exception 'request_digest must have at most 128 characters' using errcode = '22023';
    end if;
    answer.now := moment;

    for round in 1 .. 8 loop
        select
            case
                when u.id is null then 'user_not_found'
                when u.deleted_at is not null then 'user_deleted'
                when u.banned_until > moment then 'user_banned'
                when s.id is null then 'session_revoked'
                when u.is_anonymous then 'anonymous'
                when u.email_confirmed_at is null and require_confirmed is not false then 'email_not_confirmed'
                when c.ticks <> cost or c.id is not null and c.request_digest is distinct from digest
                    then 'key_conflict'
                when c.id is not null then 'already_accepted'
                when cost > tick.allowance(l.daily_tick_limit, n.granted) then 'cost_exceeds_limit'
                when n.used + cost > tick.allowance(l.daily_tick_limit, n.granted) then 'quota_exhausted'
                else 'granted'
            end,
            c.id, l.daily_tick_limit, n.granted, n.used, d.user_id is not null,
            today.day, tick.day_ends(moment, rules.time_zone), rules.largest_cost
        into answer.decision, answer.charge_id, answer.daily_tick_limit, answer.ticks_granted, answer.ticks_used,
            day_is_open, answer.usage_date, answer.resets_at, largest_cost
        from tick.settings as rules
        cross join lateral (select (moment at time zone rules.time_zone)::date as day) as today
        left join auth.users as u on u.id = caller.user_id
        left join auth.sessions as s
            on s.id = caller.session_id and s.user_id = u.id and (s.not_after is null or s.not_after > moment)
        left join public.profiles as p on p.user_id = u.id
        left join public.user_daily_usage as d on d.user_id = u.id and d.usage_date = today.day
        left join tick.charge as c on key is not null and c.user_id = u.id and c.request_key = key
        cross join lateral (
            select case
                when u.id is null then 0
                when p.user_id is null then rules.default_limit
                else p.daily_tick_limit
            end as daily_tick_limit
        ) as l
        cross join lateral (select coalesce(d.ticks_used, 0) as used, coalesce(d.ticks_granted, 0) as granted) as n;

        if cost is null or cost < 1 or cost > largest_cost then
            raise exception 'ticks must be from 1 to %', largest_cost using errcode = '22023';
        elsif answer.decision = 'granted' then
            if not day_is_open then
                perform tick.open_day(caller.user_id, answer.usage_date);
            end if;
            if key is not null then
                insert into tick.charge (user_id, usage_date, ticks, request_key, request_digest, created_at)
                values (caller.user_id, answer.usage_date, cost, key, digest, moment)
                on conflict do nothing
                returning id into answer.charge_id;
                continue when not found;
            end if;

            update public.user_daily_usage as d
            set ticks_used = d.ticks_used + cost
            where d.user_id = caller.user_id
                and d.usage_date = answer.usage_date
                and coalesce(d.ticks_used + cost <= tick.allowance(answer.daily_tick_limit, d.ticks_granted), true)
            returning d.ticks_used, d.ticks_granted into answer.ticks_used, answer.ticks_granted;
            if not found then
                delete from tick.charge as c where c.id = answer.charge_id;
                continue;
            end if;

            if key is null then
                insert into tick.charge (user_id, usage_date, ticks, created_at)
                values (caller.user_id, answer.usage_date, cost, moment)
                returning id into answer.charge_id;
            end if;
        end if;

        answer.ticks_remaining := tick.remaining(answer.daily_tick_limit, answer.ticks_granted, answer.ticks_used);
        return answer;
    end loop;

    -- Not 40001, which PostgREST would repeat by itself.
    raise exception 'too many requests of one user at once' using errcode = '55P03';
end
$$;

-- Gives back what a charge did not use, once, into the day of the charge. Only the gateway and operators may: with a
-- user's own token this would be free ticks.
create or replace function tick.settle_ticks(whose_charge uuid, ticks_actual integer) returns tick.settlement
language plpgsql volatile security definer set search_path = ''
as $$
declare
    charge tick.charge;
    answer tick.settlement;
begin
    if tick.trusted_caller() is null and not tick.is_gateway() then
        raise exception 'this needs the gateway''s own identity' using errcode = '42501';
    end if;

    select c.* into charge from tick.charge as c where c.id = whose_charge;
    if not found then
        answer.outcome := 'not_found';
        return answer;
    end if;
    if ticks_actual is null or ticks_actual not between 0 and charge.ticks then
        raise exception 'ticks_actual must be from 0 to the ticks charged' using errcode = '22023';
    end if;

    -- The day first, then the charge: the order in which everything locks.
    perform from public.user_daily_usage as d
    where d.user_id = charge.user_id and d.usage_date = charge.usage_date for no key update;
    update tick.charge as c
    set ticks_settled = ticks_actual, settled_at = tick.clock()
    where c.id = whose_charge and c.settled_at is null
    returning c.* into charge;
    if found then
        answer.outcome := 'settled';
        update public.user_daily_usage as d
        set ticks_used = d.ticks_used - (charge.ticks - ticks_actual)
        where d.user_id = charge.user_id and d.usage_date = charge.usage_date and charge.ticks > ticks_actual;
    else
        answer.outcome := 'already_settled';
        select c.* into charge from tick.charge as c where c.id = whose_charge;
    end if;
    answer.charge_id := charge.id;
    answer.user_id := charge.user_id;
    answer.usage_date := charge.usage_date;
    answer.ticks_charged := charge.ticks;
    answer.ticks_settled := charge.ticks_settled;
    answer.settled_at := charge.settled_at;
    return answer;
end
$$;

-- The state of the caller; nothing is consumed and nothing written.
create or replace function tick.my_ticks() returns tick.quota_state
language plpgsql stable security definer set search_path = ''
as $$
declare
    caller constant tick.signed_in_user := tick.signed_in_user();
    state tick.quota_state;
begin
    select q.* into state from tick.quota as q where q.user_id = caller.user_id;
    if not found then
        raise exception 'no such user' using errcode = 'P0002';
    end if;
    return state;
end
$$;
insert into tick.migration values ('functions/40_consume.sql', 'ef1fc7ebdee260f30d321208fbf1854e18fd47fce7d637c029161c9a38b82fa5', now());

-- functions/50_admin_reads.sql

-- What administrators read. Each function first asks require_admin.

-- One more than a thousand, so that a full page can show whether another follows.
create or replace function tick.check_page_size(page_size integer) returns void
language plpgsql immutable set search_path = ''
as $$
begin
    if page_size is null or page_size not between 1 and 1001 then
        raise exception 'the page size must be from 1 to 1001' using errcode = '22023';
    end if;
end
$$;

-- The ids of the users that a reference names: a user id, or an e-mail in any case. More than one only for an e-mail
-- that single sign-on has given to several users; soft-deleted users are found by id alone.
create or replace function tick.users_named(user_ref text) returns setof uuid
language plpgsql stable set search_path = ''
as $$
declare
    given_id constant uuid := tick.uuid_or_null(user_ref);
begin
    if given_id is not null then
        return query select u.id from auth.users as u where u.id = given_id;
    else
        return query select u.id from auth.users as u
            where lower(u.email) = lower(user_ref) and u.deleted_at is null;
    end if;
end
$$;

-- The one user that a reference names; P0002 when there is none, 21000 when there are several.
create or replace function tick.user_named(user_ref text) returns uuid
language plpgsql stable set search_path = ''
as $$
declare
    ids constant uuid[] := array(select tick.users_named(user_ref));
begin
    if cardinality(ids) = 0 then
        raise exception 'no such user' using errcode = 'P0002';
    elsif cardinality(ids) > 1 then
        raise exception 'several users have this e-mail' using errcode = '21000', hint = 'Use the user id.';
    end if;
    return ids[1];
end
$$;

create or replace function tick.state_of(whose uuid) returns tick.quota_state
language plpgsql stable set search_path = ''
as $$
declare
    state tick.quota_state;
begin
    select q.* into state from tick.quota as q where q.user_id = whose;
    return state;
end
$$;

create or replace function tick.admin_show(user_ref text) returns tick.quota_state
language plpgsql stable security definer set search_path = ''
as $$
begin
    perform tick.require_admin();
    return tick.state_of(tick.user_named(user_ref));
end
$$;

-- At most 200 users whose e-mail shares most pairs of letters with a mistyped one; the caller ranks them.
create or replace function tick.admin_suggest(user_ref text) returns setof tick.user_match
language plpgsql stable security definer set search_path = ''
as $$
declare
    wanted constant text := lower(left(user_ref, 255));
    pairs constant text[] := array(
        select distinct substr(split_part(wanted, '@', 1), i, 2) from generate_series(1, length(wanted) - 1) as i
    );
begin
    perform tick.require_admin();
    return query
        select u.id, u.email::text
        from auth.users as u
        cross join lateral (
            select count(*) as shared from unnest(pairs) as pair where position(pair in lower(u.email)) > 0
        ) as likeness
        where u.email is not null and u.deleted_at is null and likeness.shared > 0
        order by likeness.shared desc, abs(length(u.email) - length(wanted)), u.email, u.id
        limit 200;
end
$$;

-- One page in the order of e-mail and id, beginning after the given ones; users without an e-mail come first.
create or replace function tick.admin_list(
    kind text, search text, page_size integer, after_email text, after_id uuid
) returns setof tick.quota_state
language plpgsql stable security definer set search_path = ''
as $$
begin
    perform tick.require_admin();
    perform tick.check_page_size(page_size);
    if kind is null or kind not in ('all', 'exhausted', 'unlimited', 'blocked') then
        raise exception 'unknown filter' using errcode = '22023',
            hint = 'One of all, exhausted, unlimited, blocked.';
    end if;
    return query
        select q.*
        from tick.quota as q
        join auth.users as u on u.id = q.user_id
        where u.deleted_at is null
            and (search is null or position(lower(search) in lower(q.email)) > 0)
            and (
                after_id is null
                or (coalesce(lower(q.email), '') collate "C", q.user_id)
                    > (coalesce(lower(after_email), '') collate "C", after_id)
            )
            and case kind
                when 'exhausted' then q.ticks_remaining = 0
                when 'unlimited' then q.daily_tick_limit is null
                when 'blocked' then q.daily_tick_limit = 0
                else true
            end
        order by coalesce(lower(q.email), '') collate "C", q.user_id
        limit page_size;
end
$$;

-- Whom an import names, in its order; nulls where nobody, or more than one user, is meant.
create or replace function tick.admin_resolve(user_refs jsonb) returns setof tick.resolved_user
language plpgsql stable security definer set search_path = ''
as $$
begin
    perform tick.require_admin();
    if jsonb_typeof(user_refs) is distinct from 'array' or jsonb_array_length(user_refs) > 1000 then
        raise exception 'user_refs must be an array of at most 1000' using errcode = '22023';
    end if;
    return query
        with given as (
            select g.ref, tick.uuid_or_null(g.ref) as id, g.position
            from jsonb_array_elements_text(user_refs) with ordinality as g (ref, position)
        ),
        named as (
            select g.position, a.user_id, a.email, a.daily_tick_limit
            from given as g join tick.account as a on a.user_id = g.id
            union all
            select g.position, a.user_id, a.email, a.daily_tick_limit
            from given as g
            join tick.account as a on lower(a.email) = lower(g.ref) and a.deleted_at is null
            where g.id is null
        ),
        once as (
            select n.*, count(*) over (partition by n.position) as meant from named as n
        )
        select g.ref, o.user_id, o.email, o.daily_tick_limit
        from given as g left join once as o on o.position = g.position and o.meant = 1
        order by g.position;
end
$$;

-- Every one of the last days up to today, oldest first.
create or replace function tick.admin_history(user_ref text, days integer) returns setof tick.day_usage
language plpgsql stable security definer set search_path = ''
as $$
declare
    whose uuid;
begin
    perform tick.require_admin();
    if days is null or days not between 1 and 366 then
        raise exception 'days must be from 1 to 366' using errcode = '22023';
    end if;
    whose := tick.user_named(user_ref);
    return query
        select day.day, coalesce(d.ticks_used, 0), coalesce(d.ticks_granted, 0),
            (select count(*) from tick.charge as c where c.user_id = whose and c.usage_date = day.day)
        from tick.account as a
        cross join lateral (select a.usage_date - back as day from generate_series(0, days - 1) as back) as day
        left join public.user_daily_usage as d on d.user_id = whose and d.usage_date = day.day
        where a.user_id = whose
        order by day.day;
end
$$;

-- Who used most over the last days up to today; users who used nothing are left out.
create or replace function tick.admin_top(days integer, how_many integer) returns setof tick.top_entry
language plpgsql stable security definer set search_path = ''
as $$
begin
    perform tick.require_admin();
    perform tick.check_page_size(how_many);
    if days is null or days not between 1 and 366 then
        raise exception 'days must be from 1 to 366' using errcode = '22023';
    end if;
    return query
        select a.user_id, a.email, total.used, a.daily_tick_limit
        from (
            select d.user_id, sum(d.ticks_used)::bigint as used
            from public.user_daily_usage as d
            cross join tick.settings as s
            where d.usage_date > (tick.clock() at time zone s.time_zone)::date - days
            group by d.user_id
        ) as total
        join tick.account as a on a.user_id = total.user_id
        where total.used > 0
        order by total.used desc, a.user_id
        limit how_many;
end
$$;

-- Newest first. Deleted users are found by their id, and by the e-mail that they had when they were changed.
create or replace function tick.admin_audit(user_ref text, page_size integer, before_id bigint)
returns setof tick.audit
language plpgsql stable security definer set search_path = ''
as $$
declare
    ids constant uuid[] := array(select tick.users_named(user_ref)) || tick.uuid_or_null(user_ref);
begin
    perform tick.require_admin();
    perform tick.check_page_size(page_size);
    return query
        select a.*
        from tick.audit as a
        where (user_ref is null or a.user_id = any (ids) or lower(a.email) = lower(user_ref))
            and (before_id is null or a.id < before_id)
        order by a.id desc
        limit page_size;
    if not found and before_id is null and user_ref is not null
        and not exists (select from tick.users_named(user_ref))
    then
        raise exception 'no such user' using errcode = 'P0002';
    end if;
end
$$;

-- What verify-token and explain need to know of a user and, where given, of a session.
create or replace function tick.admin_user(user_ref text, session_id uuid) returns tick.user_state
language plpgsql stable security definer set search_path = ''
as $$
declare
    moment constant timestamptz := tick.clock();
    whose uuid;
    state tick.user_state;
begin
    perform tick.require_admin();
    whose := tick.user_named(user_ref);
    select u.id, u.email, u.email_confirmed_at, u.banned_until, u.deleted_at, u.is_anonymous,
        case when admin_user.session_id is not null then exists (
            select from auth.sessions as s
            where s.id = admin_user.session_id and s.user_id = u.id and (s.not_after is null or s.not_after > moment)
        ) end
    into state
    from auth.users as u where u.id = whose;
    return state;
end
$$;
insert into tick.migration values ('functions/50_admin_reads.sql', '08155511e450234b8dddb72947a6ddbe9d5ca4b0a3fb6683f48031ddbc64fe12', now());

-- functions/60_admin_writes.sql

-- What administrators change. Each change writes the log in the same transaction; what changes nothing, writes nothing.

create or replace function tick.refuse_change() returns trigger
language plpgsql set search_path = ''
as $$
begin
    raise exception 'the log is only ever added to' using errcode = '42501';
end
$$;

create or replace trigger append_only before update or delete or truncate on tick.audit
for each statement execute function tick.refuse_change();

create or replace function tick.record(
    actor tick.actor, operator_label text, action text, whose uuid, before jsonb, after jsonb, reason text
) returns void
language plpgsql volatile set search_path = ''
as $$
begin
    insert into tick.audit (at, action, actor, actor_id, operator, user_id, email, before, after, reason)
    select tick.clock(), record.action, actor.name, actor.user_id, operator_label, whose, u.email,
        record.before, record.after, record.reason
    from auth.users as u where u.id = whose;
end
$$;

create or replace function tick.check_labels(operator_label text, reason text) returns void
language plpgsql immutable set search_path = ''
as $$
begin
    if length(operator_label) > 255 then
        raise exception 'operator must have at most 255 characters' using errcode = '22023';
    elsif length(reason) > 1000 then
        raise exception 'reason must have at most 1000 characters' using errcode = '22023';
    end if;
end
$$;

-- Locks the profile, compares, writes and logs; the one place where a limit changes.
create or replace function tick.change_limit(
    actor tick.actor, operator_label text, reason text, whose uuid, new_limit integer,
    check_expected boolean, expected_limit integer
) returns tick.limit_outcome
language plpgsql volatile set search_path = ''
as $$
declare
    answer tick.limit_outcome;
begin
    if new_limit not between 0 and 1000000000 then
        raise exception 'a limit must be from 0 to 1000000000, or null' using errcode = '22023';
    end if;
    answer.user_id := whose;
    insert into public.profiles (user_id, email, daily_tick_limit)
    select u.id, u.email, s.default_limit from auth.users as u cross join tick.settings as s where u.id = whose
    on conflict do nothing;
    select p.daily_tick_limit into answer.previous_limit
    from public.profiles as p where p.user_id = whose for no key update;
    if not found then
        answer.outcome := 'not_found';
    elsif check_expected and answer.previous_limit is distinct from expected_limit then
        answer.outcome := 'conflict';
    elsif answer.previous_limit is not distinct from new_limit then
        answer.outcome := 'unchanged';
    else
        answer.outcome := 'changed';
        update public.profiles as p set daily_tick_limit = new_limit where p.user_id = whose;
        perform tick.record(
            actor, operator_label, 'set_limit', whose,
            jsonb_build_object('daily_tick_limit', answer.previous_limit),
            jsonb_build_object('daily_tick_limit', new_limit),
            reason
        );
    end if;
    return answer;
end
$$;

create or replace function tick.admin_set_limit(
    user_ref text, new_limit integer, reason text, operator_label text, check_expected boolean, expected_limit integer
) returns tick.limit_change
language plpgsql volatile security definer set search_path = ''
as $$
declare
    actor constant tick.actor := tick.require_admin();
    change tick.limit_outcome;
    answer tick.limit_change;
begin
    perform tick.check_labels(operator_label, reason);
    change := tick.change_limit(
        actor, operator_label, reason, tick.user_named(user_ref), new_limit, check_expected, expected_limit
    );
    select change.outcome, change.previous_limit, q.* into answer
    from tick.quota as q where q.user_id = change.user_id;
    if not found then
        raise exception 'no such user' using errcode = 'P0002';
    end if;
    return answer;
end
$$;

-- One chunk of an import: all of it or nothing. In the order of the ids, so that two imports can't lock crosswise.
create or replace function tick.admin_set_limits(entries jsonb, reason text, operator_label text)
returns setof tick.limit_outcome
language plpgsql volatile security definer set search_path = ''
as $$
declare
    actor constant tick.actor := tick.require_admin();
    entry record;
begin
    perform tick.check_labels(operator_label, reason);
    if jsonb_typeof(entries) is distinct from 'array' or jsonb_array_length(entries) > 1000 then
        raise exception 'entries must be an array of at most 1000' using errcode = '22023';
    elsif exists (
        select from jsonb_array_elements(entries) as e
        -- A missing limit must not pass for null, which is unlimited.
        where jsonb_typeof(e) <> 'object' or tick.uuid_or_null(e ->> 'user_id') is null or not e ? 'daily_tick_limit'
    ) then
        raise exception 'each entry must have a user_id and a daily_tick_limit' using errcode = '22023';
    elsif (select count(distinct (e ->> 'user_id')::uuid) < count(*) from jsonb_array_elements(entries) as e) then
        raise exception 'a user_id stands in more than one entry' using errcode = '22023';
    end if;
    for entry in
        select e.user_id, e.daily_tick_limit
        from jsonb_to_recordset(entries) as e (user_id uuid, daily_tick_limit integer)
        order by e.user_id
    loop
        return next tick.change_limit(
            actor, operator_label, reason, entry.user_id, entry.daily_tick_limit, false, null
        );
    end loop;
end
$$;

create or replace function tick.admin_grant(user_ref text, ticks integer, reason text, operator_label text)
returns tick.quota_state
language plpgsql volatile security definer set search_path = ''
as $$
declare
    actor constant tick.actor := tick.require_admin();
    state tick.quota_state;
    granted bigint;
begin
    perform tick.check_labels(operator_label, reason);
    if ticks is null or ticks not between 1 and 1000000000 then
        raise exception 'ticks must be from 1 to 1000000000' using errcode = '22023';
    end if;
    state := tick.state_of(tick.user_named(user_ref));
    perform tick.open_day(state.user_id, state.usage_date);
    update public.user_daily_usage as d
    set ticks_granted = d.ticks_granted + ticks
    where d.user_id = state.user_id and d.usage_date = state.usage_date
    returning d.ticks_granted into granted;
    perform tick.record(
        actor, operator_label, 'grant', state.user_id,
        jsonb_build_object('usage_date', state.usage_date, 'ticks_granted', granted - ticks),
        jsonb_build_object('usage_date', state.usage_date, 'ticks_granted', granted),
        reason
    );
    return tick.state_of(state.user_id);
end
$$;

-- Today's use back to nothing. Today's charges are settled to 0, so that they still add up to the day's use and a
-- later settlement gives nothing back twice. What was granted stays.
create or replace function tick.admin_reset(user_ref text, reason text, operator_label text) returns tick.quota_state
language plpgsql volatile security definer set search_path = ''
as $$
declare
    actor constant tick.actor := tick.require_admin();
    state tick.quota_state;
    used bigint;
begin
    perform tick.check_labels(operator_label, reason);
    state := tick.state_of(tick.user_named(user_ref));
    select d.ticks_used into used
    from public.user_daily_usage as d
    where d.user_id = state.user_id and d.usage_date = state.usage_date for no key update;
    if used > 0 then
        update tick.charge as c
        set ticks_settled = 0, settled_at = coalesce(c.settled_at, tick.clock())
        where c.user_id = state.user_id and c.usage_date = state.usage_date and c.ticks_settled is distinct from 0;
        update public.user_daily_usage as d
        set ticks_used = 0
        where d.user_id = state.user_id and d.usage_date = state.usage_date;
        perform tick.record(
            actor, operator_label, 'reset', state.user_id,
            jsonb_build_object('usage_date', state.usage_date, 'ticks_used', used),
            jsonb_build_object('usage_date', state.usage_date, 'ticks_used', 0),
            reason
        );
    end if;
    return tick.state_of(state.user_id);
end
$$;
insert into tick.migration values ('functions/60_admin_writes.sql', '44dfff0861a5f81c80adf7994301cb73097d49d484d97dd08d58df359ef04cdf', now());

-- functions/90_api.sql

-- What PostgREST serves as /rpc: one thin function for each working function, run with the caller's own rights. Named
-- arguments are the contract; there are no overloads, which PostgREST can't tell apart.

create or replace function public.consume_ticks(
    ticks integer, request_key text default null, request_digest text default null, require_confirmed boolean default true
) returns tick.consumption
language plpgsql volatile set search_path = ''
as $$ begin return tick.consume_ticks(ticks, request_key, request_digest, require_confirmed); end $$;

create or replace function public.settle_ticks(charge_id uuid, ticks_actual integer) returns tick.settlement
language plpgsql volatile set search_path = ''
as $$ begin return tick.settle_ticks(charge_id, ticks_actual); end $$;

create or replace function public.my_ticks() returns tick.quota_state
language plpgsql stable set search_path = ''
as $$ begin return tick.my_ticks(); end $$;

create or replace function public.tick_admin_show(user_ref text) returns tick.quota_state
language plpgsql stable set search_path = ''
as $$ begin return tick.admin_show(user_ref); end $$;

create or replace function public.tick_admin_suggest(user_ref text) returns setof tick.user_match
language plpgsql stable set search_path = ''
as $$ begin return query select * from tick.admin_suggest(user_ref); end $$;

create or replace function public.tick_admin_list(
    filter text default 'all', search text default null, page_size integer default 50,
    after_email text default null, after_id uuid default null
) returns setof tick.quota_state
language plpgsql stable set search_path = ''
as $$ begin return query select * from tick.admin_list(filter, search, page_size, after_email, after_id); end $$;

create or replace function public.tick_admin_resolve(user_refs jsonb) returns setof tick.resolved_user
language plpgsql stable set search_path = ''
as $$ begin return query select * from tick.admin_resolve(user_refs); end $$;

create or replace function public.tick_admin_history(user_ref text, days integer default 30)
returns setof tick.day_usage
language plpgsql stable set search_path = ''
as $$ begin return query select * from tick.admin_history(user_ref, days); end $$;

create or replace function public.tick_admin_top(days integer default 1, how_many integer default 10)
returns setof tick.top_entry
language plpgsql stable set search_path = ''
as $$ begin return query select * from tick.admin_top(days, how_many); end $$;

create or replace function public.tick_admin_audit(
    user_ref text default null, page_size integer default 50, before_id bigint default null
) returns setof tick.audit
language plpgsql stable set search_path = ''
as $$ begin return query select * from tick.admin_audit(user_ref, page_size, before_id); end $$;

create or replace function public.tick_admin_user(user_ref text, session_id uuid default null)
returns tick.user_state
language plpgsql stable set search_path = ''
as $$ begin return tick.admin_user(user_ref, session_id); end $$;

create or replace function public.tick_admin_set_limit(
    user_ref text, new_limit integer, reason text default null, operator text default null,
    check_expected boolean default false, expected_limit integer default null
) returns tick.limit_change
language plpgsql volatile set search_path = ''
as $$
begin
    return tick.admin_set_limit(user_ref, new_limit, reason, operator, check_expected, expected_limit);
end
$$;

create or replace function public.tick_admin_set_limits(
    entries jsonb, reason text default null, operator text default null
) returns setof tick.limit_outcome
language plpgsql volatile set search_path = ''
as $$ begin return query select * from tick.admin_set_limits(entries, reason, operator); end $$;

create or replace function public.tick_admin_grant(
    user_ref text, ticks integer, reason text default null, operator text default null
) returns tick.quota_state
language plpgsql volatile set search_path = ''
as $$ begin return tick.admin_grant(user_ref, ticks, reason, operator); end $$;

create or replace function public.tick_admin_reset(
    user_ref text, reason text default null, operator text default null
) returns tick.quota_state
language plpgsql volatile set search_path = ''
as $$ begin return tick.admin_reset(user_ref, reason, operator); end $$;
insert into tick.migration values ('functions/90_api.sql', '257bf21e5b3e8102b815499104cb99e95f2e05045448357dc10806ccedca5f74', now());

-- policies.sql

-- Who may what. Everything is taken away first and given back by name: Supabase's default privileges have granted new
-- objects to everybody in some years and to nobody in others.

alter table public.profiles enable row level security;
alter table public.user_daily_usage enable row level security;
alter table tick.charge enable row level security;
alter table tick.settings enable row level security;
alter table tick.admin enable row level security;
alter table tick.audit enable row level security;
alter table tick.migration enable row level security;

-- Users read their own rows; the subselect makes PostgreSQL evaluate auth.uid() once per query, not once per row.
drop policy if exists profiles_read_own on public.profiles;
create policy profiles_read_own on public.profiles
for select to authenticated using ((select auth.uid()) = user_id);

drop policy if exists user_daily_usage_read_own on public.user_daily_usage;
create policy user_daily_usage_read_own on public.user_daily_usage
for select to authenticated using ((select auth.uid()) = user_id);

revoke all on public.profiles, public.user_daily_usage from public, anon, authenticated, service_role;
-- The secret key may read as well; it changes limits through functions only, so that the log is complete.
grant select on public.profiles, public.user_daily_usage to authenticated, service_role;

revoke all on schema tick from public, anon, authenticated, service_role;
revoke all on all tables in schema tick from public, anon, authenticated, service_role;
revoke all on all sequences in schema tick from public, anon, authenticated, service_role;
revoke all on all functions in schema tick from public, anon, authenticated, service_role;
revoke all on function
    public.consume_ticks,
    public.settle_ticks,
    public.my_ticks,
    public.tick_admin_show,
    public.tick_admin_suggest,
    public.tick_admin_list,
    public.tick_admin_resolve,
    public.tick_admin_history,
    public.tick_admin_top,
    public.tick_admin_audit,
    public.tick_admin_user,
    public.tick_admin_set_limit,
    public.tick_admin_set_limits,
    public.tick_admin_grant,
    public.tick_admin_reset
from public, anon, authenticated, service_role;

-- The functions in public run with the caller's rights, so the caller needs those that they call as well.
grant usage on schema tick to authenticated, service_role;
grant execute on function
    public.consume_ticks, tick.consume_ticks,
    public.my_ticks, tick.my_ticks
to authenticated;
grant execute on function
    public.settle_ticks, tick.settle_ticks,
    public.tick_admin_show, tick.admin_show,
    public.tick_admin_suggest, tick.admin_suggest,
    public.tick_admin_list, tick.admin_list,
    public.tick_admin_resolve, tick.admin_resolve,
    public.tick_admin_history, tick.admin_history,
    public.tick_admin_top, tick.admin_top,
    public.tick_admin_audit, tick.admin_audit,
    public.tick_admin_user, tick.admin_user,
    public.tick_admin_set_limit, tick.admin_set_limit,
    public.tick_admin_set_limits, tick.admin_set_limits,
    public.tick_admin_grant, tick.admin_grant,
    public.tick_admin_reset, tick.admin_reset
to authenticated, service_role;
insert into tick.migration values ('policies.sql', 'a055ce049c77198f185f21b751c01b6705f764121439ae4ae9a183fffe4a3ee3', now());
