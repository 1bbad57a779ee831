-- What `tickctl schema show` of the version before printed: for the tests that its databases can be upgraded.

-- The schema of tickctl for a Supabase project, whether empty or with tables of its own.
--
-- One statement, so all or nothing wherever it is run: in the SQL editor, by psql, as a migration. It can be run
-- again, and then changes nothing. Run it as postgres. `tickctl schema apply` does the same, and first shows its plan.
do $tickctl$
declare
    lock_timeout constant text := current_setting('lock_timeout');
    messages constant text := current_setting('client_min_messages');
    release constant jsonb := '{"version": "0.1.0", "superseded": ["5467818aa275669ec1a32bdd7615f0e424fd88b1f20114d4d02478eccae653a5"]}';
    files constant jsonb := jsonb_build_array(
    jsonb_build_object('name', 'migrations/0001_tables.sql', 'digest', '76f2e84e56c6cb18a4378e0f83c00d782301ccd1a1678a98a223d1f7a41132b0', 'run', 'once', 'text', $tickctl_file$
-- The tables. `public` holds what users may read of their own; `tick` is private: it is never added to the schemas that
-- PostgREST serves, and everything in it is reached through functions.
--
-- Each is made unless it is there. Tables that were there before tickctl have been brought to this form when this runs
-- (adoption/), and it runs again where somebody has dropped one.

create schema if not exists tick;
revoke all on schema tick from public;

-- The files of tickctl/sql that this database has run.
create table if not exists tick.migration (
    name text primary key,
    digest text not null,
    applied_at timestamptz not null
);

create table if not exists public.profiles (
    user_id uuid primary key references auth.users (id) on delete cascade,
    email text,
    daily_tick_limit integer default 32,
    constraint profiles_daily_tick_limit_in_range check (daily_tick_limit between 0 and 1000000000)
);
comment on table public.profiles is 'One row per user; users may read their own and change nothing.';
comment on column public.profiles.daily_tick_limit is 'Ticks per day; null is unlimited, 0 is blocked.';

create table if not exists public.user_daily_usage (
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
create table if not exists tick.charge (
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
create index if not exists charge_user_day on tick.charge (user_id, usage_date);
create unique index if not exists charge_user_request_key on tick.charge (user_id, request_key) where request_key is not null;

create table if not exists tick.settings (
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
-- New users go on getting what they got before.
insert into tick.settings (default_limit)
select coalesce(
    (regexp_match(pg_get_expr(d.adbin, d.adrelid), '^\d+$'))[1]::integer, 32)
from pg_catalog.pg_attribute as a
left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = 'public.profiles'::regclass and a.attname = 'daily_tick_limit'
on conflict do nothing;

-- A table rather than a claim: whoever is removed here is no administrator from that moment on.
create table if not exists tick.admin (
    user_id uuid primary key references auth.users (id) on delete cascade,
    added_at timestamptz not null default now()
);

-- No foreign keys: the log outlives the users that it tells of.
create table if not exists tick.audit (
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
create index if not exists audit_user on tick.audit (user_id, id);
create index if not exists audit_email on tick.audit (lower(email), id);
$tickctl_file$),
    jsonb_build_object('name', 'migrations/0002_types.sql', 'digest', '2b6008fd998439341ae77e977d53800306ec512b6c116f25746716f5b28188de', 'run', 'once', 'text', $tickctl_file$
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
$tickctl_file$),
    jsonb_build_object('name', 'migrations/0003_overview.sql', 'digest', 'c461743469f1fde6d7e7d4c90375ffd71af8362c3fe919d416fab2e4e6201cfe', 'run', 'once', 'text', $tickctl_file$
-- More than the quota: what lists of users show, and who administers.

create type tick.user_overview as (
    user_id uuid,
    email text,
    email_confirmed boolean,
    daily_tick_limit integer,
    usage_date date,
    ticks_used bigint,
    ticks_granted bigint,
    ticks_remaining bigint,
    resets_at timestamptz,
    time_zone text,
    email_confirmed_at timestamptz,
    created_at timestamptz,
    last_sign_in_at timestamptz,
    banned_until timestamptz,
    is_anonymous boolean,
    sessions bigint,
    list_key text
);

create type tick.administrator as (user_id uuid, email text, added_at timestamptz);
create type tick.admin_change as (user_id uuid, email text, changed boolean);

-- A function can't be replaced by one with another answer or other parameters.
drop function if exists public.tick_admin_list(text, text, integer, text, uuid);
drop function if exists tick.admin_list(text, text, integer, text, uuid);
$tickctl_file$),
    jsonb_build_object('name', 'migrations/0004_lists.sql', 'digest', '718adc451a694516f1e6173721eec04b0965d34e1af27836cad33161c6176c9d', 'run', 'once', 'text', $tickctl_file$
-- What keeps lists quick at any number of users: an order to read them in, for each filter.

-- Users in the order of list_key and id. Supabase Auth's own table can't be given an index, but the profile has the
-- e-mail; cut off, since in a table that users could write to once it may be longer than an index takes.
create index if not exists profiles_list
on public.profiles ((coalesce(lower(left(email, 255)), '') collate "C"), user_id);
create index if not exists profiles_list_unlimited
on public.profiles ((coalesce(lower(left(email, 255)), '') collate "C"), user_id) where daily_tick_limit is null;
create index if not exists profiles_list_blocked
on public.profiles ((coalesce(lower(left(email, 255)), '') collate "C"), user_id) where daily_tick_limit = 0;

-- Who is unconfirmed or banned, as a trigger on auth.users tells.
create table tick.flagged_user (
    user_id uuid primary key references auth.users (id) on delete cascade,
    list_key text collate "C" not null,
    unconfirmed boolean not null,
    banned boolean not null
);
comment on table tick.flagged_user is 'Where to look for the unconfirmed and the banned; auth.users decides.';
create index flagged_user_unconfirmed on tick.flagged_user (list_key, user_id) where unconfirmed;
create index flagged_user_banned on tick.flagged_user (list_key, user_id) where banned;

-- No foreign key, as tick.charge: rows are written while the day's row is locked, and deleted with it.
create table tick.exhaustion (
    user_id uuid,
    usage_date date,
    list_key text collate "C" not null,
    primary key (user_id, usage_date)
);
comment on table tick.exhaustion is
    'Who came to the end of a day''s ticks; grants may have followed, so the usage decides.';
create index exhaustion_day on tick.exhaustion (usage_date, list_key, user_id);

-- For `top`. Counting changes no column of it, so it goes on without touching any index.
create index if not exists user_daily_usage_day on public.user_daily_usage (usage_date);

-- Became views and columns of views: planners look into those, and not into functions that have a search_path of their
-- own, as they should.
drop view if exists tick.overview, tick.quota, tick.account;
drop function if exists tick.day_ends(timestamptz, text);
drop function if exists tick.remaining(integer, bigint, bigint);
drop function if exists tick.allowance(integer, bigint);
drop function if exists tick.clock();

-- Its trigger on auth.users has another name now. To drop a trigger takes the table's owner, which is Supabase Auth's
-- role; to drop the function that it calls, with all that hangs on it, takes the function's.
drop function if exists tick.keep_profile() cascade;
$tickctl_file$),
    jsonb_build_object('name', 'migrations/0005_adopted.sql', 'digest', '6dd85e0cb8fcf6b76ba135764ce4aabc472c7b4302e11fbb787cbe91486d5df7', 'run', 'once', 'text', $tickctl_file$
-- Rows that left their table when tickctl took it over: nothing that somebody has stored is thrown away.
create table if not exists tick.adopted (
    id bigint generated always as identity primary key,
    table_name text not null,
    "row" jsonb not null,
    reason text not null,
    at timestamptz not null default now()
);
comment on table tick.adopted is 'Rows as they were before they were merged into others or taken out, and why.';
alter table tick.adopted enable row level security;
revoke all on tick.adopted from public, anon, authenticated, service_role;
$tickctl_file$),
    jsonb_build_object('name', 'functions/05_profile_id.sql', 'digest', 'a348477ba5e2b79fb21cd14db4d157c6abb05ffa504a3c4c40ffa202c72b65bd', 'run', 'again', 'text', $tickctl_file$
-- Some projects had a profiles table whose `id` is the user's id, and have code that knows it by that name. Where tickctl
-- has taken over such a table, a trigger keeps id and user_id equal, whichever of them is written.
create or replace function tick.mirror_profile_id() returns trigger
language plpgsql set search_path = ''
as $$
begin
    if tg_op = 'INSERT' then
        new.user_id := coalesce(new.user_id, new.id);
        new.id := coalesce(new.id, new.user_id);
    elsif new.user_id is distinct from old.user_id then
        new.id := new.user_id;
    else
        new.user_id := new.id;
    end if;
    if new.id is distinct from new.user_id then
        raise exception 'id and user_id of a profile are the same' using errcode = '23514';
    end if;
    return new;
end
$$;
$tickctl_file$),
    jsonb_build_object('name', 'functions/10_time.sql', 'digest', 'c65af5f0db9d0b6c9676a7dd1f506d9215e5c330685e171d594b2722641226b1', 'run', 'again', 'text', $tickctl_file$
-- One clock and one calendar. Nothing that a client can set moves them: neither the session's time zone (PostgREST
-- takes it from a `Prefer: timezone=` header) nor current_date, which follows it.
--
-- They are views rather than functions. A function needs a search_path of its own to be safe, and a function with one
-- is called anew for each row; what a view computes is planned as a part of the query that reads it.

drop view if exists tick.overview;
drop view if exists tick.quota;
drop view if exists tick.account;
drop view if exists tick.today;
drop view if exists tick.clock;

create view tick.clock with (security_invoker = true) as select now() as moment;
comment on view tick.clock is 'The time of everything here; tests replace this view to move it.';

-- The first instant after `moment` whose date in `zone` differs from that of `moment`.
--
-- Midnight is not always there once: clocks go forward over it (America/Havana), back over it (America/St_Johns until
-- 2011: the date changes, changes back and changes again), or over a whole day (Pacific/Apia in 2011). So: where the
-- next midnight exists and as much time passes until then as the clocks show, that midnight is it. Otherwise there is
-- one change of offset in between; find its second by halving, then try midnight by the old offset, the change itself,
-- and midnight by the new offset. (PostgreSQL reads a midnight that is skipped by the offset before the change, and of
-- two takes the later.)
create or replace function tick.odd_day_ends(moment timestamptz, zone text) returns timestamptz
language plpgsql stable parallel safe set search_path = ''
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

-- One row: the rules, the day that it is by them, and when it ends; the latter is quick for nearly all days. OFFSET 0
-- lets each midnight be computed once rather than wherever it is named.
create view tick.today with (security_invoker = true) as
select
    now.moment,
    rules.time_zone,
    rules.default_limit,
    rules.largest_cost,
    (now.moment at time zone rules.time_zone)::date as usage_date,
    (
        select case
            when day.candidate at time zone rules.time_zone = day.midnight
                and day.candidate - now.moment = day.midnight - now.moment at time zone rules.time_zone
            then day.candidate
            else tick.odd_day_ends(now.moment, rules.time_zone)
        end
        from (
            select next.midnight, next.midnight at time zone rules.time_zone as candidate
            from (
                select ((now.moment at time zone rules.time_zone)::date + 1)::timestamp as midnight offset 0
            ) as next
            offset 0
        ) as day
    ) as resets_at
from tick.settings as rules
cross join tick.clock as now;

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
$tickctl_file$),
    jsonb_build_object('name', 'functions/20_callers.sql', 'digest', 'c34ed9ea89276d902b7b96375d3b54d7e130c950a717481d92d16d19ebe3aa0d', 'run', 'again', 'text', $tickctl_file$
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
    moment constant timestamptz := (select now.moment from tick.clock as now);
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

-- The name of the holder of the secret key, or of a direct connection as the owner of these functions; otherwise null.
-- PostgREST logs in as `authenticator` and becomes service_role for the secret key; whoever else becomes it came over a
-- direct connection of their own. To be called from a SECURITY DEFINER function: there current_user is the owner, while
-- the setting `role` still tells what the session switched to.
create or replace function tick.trusted_caller() returns text
language plpgsql stable set search_path = ''
as $$
begin
    return case
        when current_setting('role') = 'service_role' and session_user = 'authenticator' then 'service_role'
        when current_setting('role') = 'service_role' then session_user::text
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

-- Whether a caller who has enrolled a second factor has not shown it in this session: the password alone, perhaps
-- somebody else's by now, makes nobody an administrator then. Auth's older versions have no such table.
create or replace function tick.lacks_second_factor(whose uuid) returns boolean
language plpgsql stable set search_path = ''
as $$
declare
    caller constant tick.signed_in_user := tick.signed_in_user();
begin
    if to_regclass('auth.mfa_factors') is null then
        return false;
    end if;
    return exists (select from auth.mfa_factors as f where f.user_id = whose and f.status::text = 'verified')
        and not exists (
            select from auth.sessions as s
            where s.id = caller.session_id and s.user_id = whose and s.aal::text in ('aal2', 'aal3')
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
    elsif actor.user_id is not null and tick.lacks_second_factor(actor.user_id) then
        raise exception 'this needs the administrator''s second factor' using errcode = '42501',
            hint = 'Sign in again with `tickctl login`, on a terminal.';
    end if;
    return actor;
end
$$;

-- The same, without the signed-in: for what a stolen token must not be enough.
create or replace function tick.require_operator() returns tick.actor
language plpgsql stable set search_path = ''
as $$
declare
    actor tick.actor;
begin
    actor.name := tick.trusted_caller();
    if actor.name is null then
        raise exception 'this needs the secret key or a direct connection' using errcode = '42501';
    end if;
    return actor;
end
$$;
$tickctl_file$),
    jsonb_build_object('name', 'functions/30_accounts.sql', 'digest', '0911ae4701fe94873f32140b97098f4aea5db85efa55b7db575d2289e9c0b6eb', 'run', 'again', 'text', $tickctl_file$
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
$tickctl_file$),
    jsonb_build_object('name', 'functions/40_consume.sql', 'digest', 'ef1b4b702b0e9e119b37c4f825e74435a6256448e5a2e7171c094c104c3a55d4', 'run', 'again', 'text', $tickctl_file$
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
    largest_cost integer;
    allowance bigint;
    day_is_open boolean;
    answer tick.consumption;
begin
    if key = '' or length(key) > 255 then
        raise exception 'request_key must have 1 to 255 characters' using errcode = '22023';
    elsif length(digest) > 128 then
        raise exception 'request_digest must have at most 128 characters' using errcode = '22023';
    end if;

    for round in 1 .. 8 loop
        select
            case
                when a.deleted_at is not null then 'user_deleted'
                when a.banned_until > a.moment then 'user_banned'
                when s.id is null then 'session_revoked'
                when a.is_anonymous then 'anonymous'
                when a.email_confirmed_at is null and require_confirmed is not false then 'email_not_confirmed'
                when c.ticks <> cost or c.id is not null and c.request_digest is distinct from digest
                    then 'key_conflict'
                when c.id is not null then 'already_accepted'
                when cost > a.allowance then 'cost_exceeds_limit'
                when a.ticks_used + cost > a.allowance then 'quota_exhausted'
                else 'granted'
            end,
            c.id, a.daily_tick_limit, a.ticks_granted, a.ticks_used, a.ticks_remaining, a.usage_date, a.resets_at,
            a.moment, a.allowance, a.day_is_open, a.largest_cost
        into answer.decision, answer.charge_id, answer.daily_tick_limit, answer.ticks_granted, answer.ticks_used,
            answer.ticks_remaining, answer.usage_date, answer.resets_at,
            answer.now, allowance, day_is_open, largest_cost
        from tick.account as a
        left join auth.sessions as s
            on s.id = caller.session_id and s.user_id = a.user_id and (s.not_after is null or s.not_after > a.moment)
        left join tick.charge as c on key is not null and c.user_id = a.user_id and c.request_key = key
        where a.user_id = caller.user_id;
        if not found then
            answer := (
                select ('user_not_found', null, 0, 0, 0, 0, t.usage_date, t.resets_at, t.moment)::tick.consumption
                from tick.today as t
            );
            largest_cost := (select t.largest_cost from tick.today as t);
        end if;

        if cost is null or cost < 1 or cost > largest_cost then
            raise exception 'ticks must be from 1 to %', largest_cost using errcode = '22023';
        elsif answer.decision <> 'granted' then
            return answer;
        end if;

        if not day_is_open then
            perform tick.open_day(caller.user_id, answer.usage_date);
        end if;
        if key is not null then
            insert into tick.charge (user_id, usage_date, ticks, request_key, request_digest, created_at)
            values (caller.user_id, answer.usage_date, cost, key, digest, answer.now)
            on conflict do nothing
            returning id into answer.charge_id;
            continue when not found;
        end if;

        update public.user_daily_usage as d
        set ticks_used = d.ticks_used + cost
        where d.user_id = caller.user_id
            and d.usage_date = answer.usage_date
            -- What was granted is a part of the allowance that was looked up.
            and (allowance is null or d.ticks_granted = answer.ticks_granted and d.ticks_used + cost <= allowance)
        returning d.ticks_used, d.ticks_granted into answer.ticks_used, answer.ticks_granted;
        if not found then
            delete from tick.charge as c where c.id = answer.charge_id;
            continue;
        end if;

        if key is null then
            insert into tick.charge (user_id, usage_date, ticks, created_at)
            values (caller.user_id, answer.usage_date, cost, answer.now)
            returning id into answer.charge_id;
        end if;
        answer.ticks_remaining := allowance - answer.ticks_used;
        if answer.ticks_remaining = 0 then
            perform tick.note_exhaustion(caller.user_id);
        end if;
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
    set ticks_settled = ticks_actual, settled_at = now.moment
    from tick.clock as now
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
$tickctl_file$),
    jsonb_build_object('name', 'functions/50_admin_reads.sql', 'digest', 'f4a44e78229b17198a5182dbc1f62d475cfe96c01be4aa3362c2ca438218f26f', 'run', 'again', 'text', $tickctl_file$
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
--
-- Supabase Auth stores e-mails in lower case, and has an index on those that are not from single sign-on. All others,
-- the capital letters of an import among them, are found through their profile.
create or replace function tick.users_named(user_ref text) returns setof uuid
language plpgsql stable rows 1 set search_path = ''
as $$
declare
    given_id constant uuid := tick.uuid_or_null(user_ref);
begin
    if given_id is not null then
        return query select u.id from auth.users as u where u.id = given_id;
    else
        return query
            select u.id from auth.users as u
            where u.email in (user_ref, lower(user_ref)) and not u.is_sso_user and u.deleted_at is null
            union
            select u.id from public.profiles as p join auth.users as u on u.id = p.user_id
            -- Without an e-mail is no e-mail.
            where user_ref <> '' and coalesce(lower(left(p.email, 255)), '') collate "C" = lower(user_ref)
                and lower(u.email) = lower(user_ref) and u.deleted_at is null;
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

create or replace function tick.admin_overview(user_ref text) returns tick.user_overview
language plpgsql stable security definer set search_path = ''
as $$
declare
    whose uuid;
    answer tick.user_overview;
begin
    perform tick.require_admin();
    whose := tick.user_named(user_ref);
    select o.*, coalesce(lower(o.email), '') into answer from tick.overview as o where o.user_id = whose;
    return answer;
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
        select given.ref, a.user_id, a.email, a.daily_tick_limit
        from jsonb_array_elements_text(user_refs) with ordinality as given (ref, position)
        cross join lateral (select array(select tick.users_named(given.ref)) as ids) as named
        left join lateral (
            select x.user_id, x.email, x.daily_tick_limit
            from tick.account as x where cardinality(named.ids) = 1 and x.user_id = named.ids[1]
            offset 0
        ) as a on true
        order by given.position;
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

-- Newest first. Deleted users are found by their id, and by the e-mail that they had when they were changed.
create or replace function tick.admin_audit(user_ref text, page_size integer, before_id bigint)
returns setof tick.audit
language plpgsql stable security definer set search_path = ''
as $$
declare
    ids constant uuid[] := array(select tick.users_named(user_ref)) || tick.uuid_or_null(user_ref);
    last constant bigint := coalesce(before_id, 9223372036854775807);
begin
    perform tick.require_admin();
    perform tick.check_page_size(page_size);
    if user_ref is null then
        return query select a.* from tick.audit as a where a.id < last order by a.id desc limit page_size;
        return;
    end if;
    return query
        select a.*
        from tick.audit as a
        where a.id in (
            select entry.id
            from unnest(ids) as whose (id)
            cross join lateral (
                select x.id from tick.audit as x
                where x.user_id = whose.id and x.id < last order by x.id desc limit page_size
            ) as entry
            union all
            (
                select x.id from tick.audit as x
                where lower(x.email) = lower(user_ref) and x.id < last order by x.id desc limit page_size
            )
        )
        order by a.id desc
        limit page_size;
    if not found and before_id is null and not exists (select from tick.users_named(user_ref)) then
        raise exception 'no such user' using errcode = 'P0002';
    end if;
end
$$;

-- What verify-token and explain need to know of a user and, where given, of a session.
create or replace function tick.admin_user(user_ref text, session_id uuid) returns tick.user_state
language plpgsql stable security definer set search_path = ''
as $$
declare
    moment constant timestamptz := (select now.moment from tick.clock as now);
    whose uuid;
    state tick.user_state;
begin
    perform tick.require_admin();
    whose := tick.user_named(user_ref);
    select u.id, u.email, u.email_confirmed_at, o.banned_until, u.deleted_at, u.is_anonymous,
        case when admin_user.session_id is not null then exists (
            select from auth.sessions as s
            where s.id = admin_user.session_id and s.user_id = u.id and (s.not_after is null or s.not_after > moment)
        ) end
    into state
    from auth.users as u
    cross join lateral (
        -- As in tick.overview.
        select case when u.banned_until > '9999-12-31 00:00:00+00' then '9999-12-31 00:00:00+00' else u.banned_until end
    ) as o (banned_until)
    where u.id = whose;
    return state;
end
$$;
$tickctl_file$),
    jsonb_build_object('name', 'functions/55_lists.sql', 'digest', 'bfa2b63fa3bd4bcd8e109d9ade4bebcc397b03c751c0cae795217919d1ed69ad', 'run', 'again', 'text', $tickctl_file$
-- What administrators read of many users at once, however many there are.

-- The query for a page of one kind of users: $1 is what their e-mail contains, $2 and $3 the place after which to
-- begin, $4 how many. Each kind has an index that gives its users, and perhaps some more, in the order of the list; the
-- live rows then decide who belongs on it. OFFSET 0 keeps the planner from any other way than one user after the other
-- until there are enough, so only a search looks at more users than it shows.
create or replace function tick.list_query(kind text) returns text
language sql immutable set search_path = ''
as $$
    with profiles as (
        select $from$
            select coalesce(lower(left(p.email, 255)), '') collate "C", p.user_id from public.profiles as p
        $from$ as source
    ),
    known (kind, source, condition) as (
        select v.* from profiles as p cross join lateral (
            values
            ('all', p.source, 'true'),
            ('unlimited', p.source || ' where p.daily_tick_limit is null', 'o.daily_tick_limit is null'),
            ('blocked', p.source || ' where p.daily_tick_limit = 0', 'o.daily_tick_limit = 0'),
            (
                'spent',
                'select e.list_key, e.user_id from tick.exhaustion as e'
                ' where e.usage_date = (select t.usage_date from tick.today as t)',
                'o.daily_tick_limit > 0 and o.ticks_remaining = 0'
            ),
            (
                'unconfirmed',
                'select f.list_key, f.user_id from tick.flagged_user as f where f.unconfirmed',
                'not o.email_confirmed'
            ),
            (
                'banned',
                'select f.list_key, f.user_id from tick.flagged_user as f where f.banned',
                'o.banned_until > (select now.moment from tick.clock as now)'
            )
        ) as v
    )
    select format(
        $query$
        select live.*, place.list_key::text as list_key
        from (%s) as place (list_key, user_id)
        cross join lateral (
            select o.*
            from tick.overview as o join auth.users as u on u.id = o.user_id
            where o.user_id = place.user_id and u.deleted_at is null and %s
            offset 0
        ) as live
        where ($1 is null or position($1 in place.list_key) > 0) and (place.list_key, place.user_id) > ($2, $3)
        order by place.list_key, place.user_id
        limit $4
        $query$,
        k.source,
        k.condition
    )
    from known as k where k.kind = list_query.kind
$$;

-- One page in the order of e-mail and id, beginning after the given place; users without an e-mail come first.
create or replace function tick.admin_list(kind text, search text, page_size integer, after_key text, after_id uuid)
returns setof tick.user_overview
language plpgsql stable security definer set search_path = ''
as $$
declare
    query text;
begin
    perform tick.require_admin();
    perform tick.check_page_size(page_size);
    if kind is null or kind not in ('all', 'exhausted', 'unlimited', 'blocked', 'unconfirmed', 'banned') then
        raise exception 'unknown filter' using errcode = '22023',
            hint = 'One of all, exhausted, unlimited, blocked, unconfirmed, banned.';
    elsif kind = 'exhausted' then
        -- The blocked have nothing left, either.
        query := format(
            'select * from ((%s) union all (%s)) as either order by list_key collate "C", user_id limit $4',
            tick.list_query('spent'), tick.list_query('blocked')
        );
    else
        query := tick.list_query(kind);
    end if;
    -- Nobody has the least of all ids.
    return query execute query
        using
            lower(search), coalesce(after_key, ''), coalesce(after_id, '00000000-0000-0000-0000-000000000000'),
            page_size;
end
$$;

-- Who used most over the last days up to today; users who used nothing are left out. It looks at all usage of those
-- days, with memory to add it up in one pass, and with several processors where there are.
create or replace function tick.admin_top(days integer, how_many integer) returns setof tick.top_entry
language plpgsql stable security definer
set search_path = '' set plan_cache_mode = force_custom_plan set work_mem = '32MB'
as $$
declare
    today constant date := (select t.usage_date from tick.today as t);
begin
    perform tick.require_admin();
    perform tick.check_page_size(how_many);
    if days is null or days not between 1 and 366 then
        raise exception 'days must be from 1 to 366' using errcode = '22023';
    end if;
    return query
        with total as materialized (
            select d.user_id, sum(d.ticks_used)::bigint as used
            from public.user_daily_usage as d
            where d.usage_date > today - days and d.ticks_used > 0
            group by d.user_id
            order by used desc, d.user_id
            limit how_many
        )
        select a.user_id, a.email, total.used, a.daily_tick_limit
        from total
        cross join lateral (
            select x.user_id, x.email, x.daily_tick_limit
            from tick.account as x where x.user_id = total.user_id
            offset 0
        ) as a
        order by total.used desc, a.user_id;
end
$$;

-- Users whose e-mail resembles a mistyped one; the caller ranks them. However many users there are, it looks at those
-- whose e-mail comes next in either direction, which finds what went wrong late in it, and at those that one letter too
-- many, too few, wrong or swapped among the first would explain.
create or replace function tick.admin_suggest(user_ref text) returns setof tick.user_match
language plpgsql stable security definer set search_path = ''
as $$
declare
    given constant text := lower(left(user_ref, 255));
    letters constant text[] := string_to_array('abcdefghijklmnopqrstuvwxyz0123456789._-+', null) || array[''];
begin
    perform tick.require_admin();
    return query
        with variant as (
            -- A letter more or less, and another letter; after that, two swapped.
            select left(given, at) || letter || substr(given, at + 1 + skipped) as list_key
            from generate_series(0, 11) as at, generate_series(0, 1) as skipped, unnest(letters) as letter
            union
            select left(given, at) || substr(given, at + 2, 1) || substr(given, at + 1, 1) || substr(given, at + 3)
            from generate_series(0, 11) as at
        ),
        near as (
            (
                select p.user_id from public.profiles as p
                where coalesce(lower(left(p.email, 255)), '') collate "C" >= given
                order by coalesce(lower(left(p.email, 255)), '') collate "C", p.user_id limit 100
            )
            union
            (
                select p.user_id from public.profiles as p
                where coalesce(lower(left(p.email, 255)), '') collate "C" < given
                order by coalesce(lower(left(p.email, 255)), '') collate "C" desc, p.user_id desc limit 100
            )
            union
            select same.user_id
            from variant
            cross join lateral (
                select p.user_id from public.profiles as p
                where coalesce(lower(left(p.email, 255)), '') collate "C" = variant.list_key limit 2
            ) as same
        )
        select live.id, live.email::text
        from near
        cross join lateral (
            select u.id, u.email from auth.users as u
            where u.id = near.user_id and u.email is not null and u.deleted_at is null
            offset 0
        ) as live;
end
$$;
$tickctl_file$),
    jsonb_build_object('name', 'functions/60_admin_writes.sql', 'digest', '397908c4dbe644de9dd420a631f754e8c92b3dc7121f0a1afba6e4fecc80f634', 'run', 'again', 'text', $tickctl_file$
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
    select now.moment, record.action, actor.name, actor.user_id, operator_label, whose, u.email,
        record.before, record.after, record.reason
    from auth.users as u cross join tick.clock as now where u.id = whose;
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
        set ticks_settled = 0, settled_at = coalesce(c.settled_at, now.moment)
        from tick.clock as now
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
$tickctl_file$),
    jsonb_build_object('name', 'functions/70_administrators.sql', 'digest', '1e044d8dc4647a8b78c0bb0c3aaecc461f60af99d44d4ccb0a6330c12e9e86f4', 'run', 'again', 'text', $tickctl_file$
-- Who administers. Adding and removing needs the secret key or a direct connection: whoever steals the token of an
-- administrator must not become one for good, nor shut the others out.

-- Everybody in tick.admin, the oldest entry first.
create or replace function tick.admin_members() returns setof tick.administrator
language plpgsql stable security definer set search_path = ''
as $$
begin
    perform tick.require_admin();
    return query
        select a.user_id, u.email::text, a.added_at
        from tick.admin as a join auth.users as u on u.id = a.user_id
        order by a.added_at, a.user_id;
end
$$;

-- An address that nobody has confirmed may be another person's, who only typed it in when signing up.
create or replace function tick.admin_add(user_ref text, reason text, operator_label text) returns tick.admin_change
language plpgsql volatile security definer set search_path = ''
as $$
declare
    actor constant tick.actor := tick.require_operator();
    answer tick.admin_change;
    problem text;
begin
    perform tick.check_labels(operator_label, reason);
    select u.id, u.email,
        case
            when u.deleted_at is not null then 'a deleted user can''t be an administrator'
            when u.is_anonymous then 'an anonymous user can''t be an administrator'
            when u.email is not null and u.email_confirmed_at is null
                then 'a user whose e-mail is not confirmed can''t be an administrator'
        end
    into answer.user_id, answer.email, problem
    from auth.users as u where u.id = tick.user_named(user_ref);
    if problem is not null then
        raise exception '%', problem using errcode = '22023';
    end if;
    insert into tick.admin (user_id, added_at)
    select answer.user_id, now.moment from tick.clock as now
    on conflict do nothing;
    answer.changed := found;
    if answer.changed then
        perform tick.record(
            actor, operator_label, 'admin_add', answer.user_id,
            '{"administrator": false}', '{"administrator": true}', reason
        );
    end if;
    return answer;
end
$$;

create or replace function tick.admin_remove(user_ref text, reason text, operator_label text)
returns tick.admin_change
language plpgsql volatile security definer set search_path = ''
as $$
declare
    actor constant tick.actor := tick.require_operator();
    answer tick.admin_change;
begin
    perform tick.check_labels(operator_label, reason);
    select u.id, u.email into answer.user_id, answer.email
    from auth.users as u where u.id = tick.user_named(user_ref);
    delete from tick.admin as a where a.user_id = answer.user_id;
    answer.changed := found;
    if answer.changed then
        perform tick.record(
            actor, operator_label, 'admin_remove', answer.user_id,
            '{"administrator": true}', '{"administrator": false}', reason
        );
    end if;
    return answer;
end
$$;
$tickctl_file$),
    jsonb_build_object('name', 'functions/90_api.sql', 'digest', 'a2a2dc46c1093f1959dd8851d981a286cabaa1159829f72a10c1c2b983202c1f', 'run', 'again', 'text', $tickctl_file$
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

create or replace function public.tick_admin_overview(user_ref text) returns tick.user_overview
language plpgsql stable set search_path = ''
as $$ begin return tick.admin_overview(user_ref); end $$;

create or replace function public.tick_admin_suggest(user_ref text) returns setof tick.user_match
language plpgsql stable set search_path = ''
as $$ begin return query select * from tick.admin_suggest(user_ref); end $$;

create or replace function public.tick_admin_list(
    filter text default 'all', search text default null, page_size integer default 50,
    after_key text default null, after_id uuid default null
) returns setof tick.user_overview
language plpgsql stable set search_path = ''
as $$ begin return query select * from tick.admin_list(filter, search, page_size, after_key, after_id); end $$;

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

create or replace function public.tick_admin_members() returns setof tick.administrator
language plpgsql stable set search_path = ''
as $$ begin return query select * from tick.admin_members(); end $$;

create or replace function public.tick_admin_add(
    user_ref text, reason text default null, operator text default null
) returns tick.admin_change
language plpgsql volatile set search_path = ''
as $$ begin return tick.admin_add(user_ref, reason, operator); end $$;

create or replace function public.tick_admin_remove(
    user_ref text, reason text default null, operator text default null
) returns tick.admin_change
language plpgsql volatile set search_path = ''
as $$ begin return tick.admin_remove(user_ref, reason, operator); end $$;
$tickctl_file$),
    jsonb_build_object('name', 'policies.sql', 'digest', 'bbabf898144f48ec015467735c928ca3143a6f1f27b937fd202a5d07cf9f4bde', 'run', 'again', 'text', $tickctl_file$
-- Who may what. Everything is taken away first and given back by name: Supabase's default privileges have granted new
-- objects to everybody in some years and to nobody in others.

alter table public.profiles enable row level security;
alter table public.user_daily_usage enable row level security;

-- Users read their own rows; the subselects make PostgreSQL ask once per query, not once per row, who calls. Whoever
-- signed in anonymously has no ticks, and nothing to read.
drop policy if exists profiles_read_own on public.profiles;
create policy profiles_read_own on public.profiles
for select to authenticated
using ((select auth.uid()) = user_id and ((select auth.jwt()) ->> 'is_anonymous') is distinct from 'true');

drop policy if exists user_daily_usage_read_own on public.user_daily_usage;
create policy user_daily_usage_read_own on public.user_daily_usage
for select to authenticated
using ((select auth.uid()) = user_id and ((select auth.jwt()) ->> 'is_anonymous') is distinct from 'true');

-- Nobody reads or writes the private tables but their owner. Without privileges, and with row security on, that is so
-- already; the policy says that it is meant, and still says no when somebody adds another.
do $$
declare
    private regclass;
begin
    for private in
        select c.oid from pg_catalog.pg_class as c
        where c.relnamespace = 'tick'::regnamespace and c.relkind in ('r', 'p')
    loop
        execute format('alter table %s enable row level security', private);
        execute format('drop policy if exists nobody on %s', private);
        execute format(
            'create policy nobody on %s as restrictive for all to anon, authenticated using (false)', private
        );
    end loop;
end
$$;

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
    public.tick_admin_overview,
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
    public.tick_admin_reset,
    public.tick_admin_members,
    public.tick_admin_add,
    public.tick_admin_remove
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
    public.tick_admin_overview, tick.admin_overview,
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
    public.tick_admin_reset, tick.admin_reset,
    public.tick_admin_members, tick.admin_members
to authenticated, service_role;
-- Not for the signed-in; the functions themselves refuse them as well.
grant execute on function
    public.tick_admin_add, tick.admin_add,
    public.tick_admin_remove, tick.admin_remove
to service_role;
$tickctl_file$),
    jsonb_build_object('name', 'optional/access_token_hook.sql', 'digest', '996ea6d95e43e5a5f2f762e8a008f9bcd1420e17f3e441bbc5144511c24863b5', 'run', 'installed', 'text', $tickctl_file$
-- Optional: Supabase Auth's custom access-token hook. It writes into each token when the user's e-mail was confirmed, so
-- that whoever sets SUPABASE_CONFIRMED_CLAIM=email_confirmed_at can tell offline. Installing it switches nothing on: that
-- is done in the project's Auth settings, which the database does not know.
-- https://supabase.com/docs/guides/auth/auth-hooks/custom-access-token-hook
--
-- Auth calls the function as supabase_auth_admin inside the transaction that signs the user in, with 2 seconds of time.
-- An error there is an error to the user who signs in, so this one has none: what it can't find out it leaves out, and a
-- token without the claim confirms nothing. A project that has a hook already calls this one from it.

-- A claim of that name which comes in is nobody's word to rely on: it is replaced, or taken away. Users without a
-- confirmed e-mail get null. It runs with its caller's rights: Auth may read its own table, and nobody else gains by it.
create or replace function tick.access_token_hook(event jsonb) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
    claim constant text := 'email_confirmed_at';
    confirmed_at timestamptz;
begin
    if jsonb_typeof(event -> 'claims') is distinct from 'object' then
        return event;
    end if;
    begin
        select u.email_confirmed_at into strict confirmed_at
        from auth.users as u where u.id = (event ->> 'user_id')::uuid;
        return jsonb_build_object('claims', event -> 'claims' || jsonb_build_object(
            claim,
            -- RFC 3339 in UTC. "Never" is null, but also the year 1 (a zero time in Go) and the infinities.
            case when confirmed_at > 'epoch' and isfinite(confirmed_at) then
                to_char(confirmed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
            end
        ));
    exception
        when others then
            return jsonb_build_object('claims', (event -> 'claims') - claim);
    end;
end
$$;
comment on function tick.access_token_hook is
    'For Authentication > Hooks > Customize Access Token: writes the claim email_confirmed_at.';

revoke all on function tick.access_token_hook from public, anon, authenticated, service_role;
grant usage on schema tick to supabase_auth_admin;
grant execute on function tick.access_token_hook to supabase_auth_admin;
$tickctl_file$));
    step record;
    in_the_way text := '';
begin
    perform set_config('client_min_messages', 'error', true), set_config('lock_timeout', '0', true);
    perform pg_advisory_xact_lock(7413091865526040);
    perform set_config('lock_timeout', '10s', true);
    execute $tickctl_planner$
-- How values are read, and how numbers are told. Everything in this folder lies in pg_temp, where it is gone with the
-- transaction or the session. Planning reads only.

-- A whole or broken number written out in digits; null for any other text.
create or replace function pg_temp.tick_number(value text) returns numeric
language sql immutable set search_path = ''
as $$ select case when value ~ '^\s*[+-]?\d{1,30}(\.\d{1,30})?\s*$' then value::numeric end $$;

create or replace function pg_temp.tick_whole(value numeric) returns numeric
language sql immutable set search_path = ''
as $$ select case when value = trunc(value) then value end $$;

create or replace function pg_temp.tick_uuid(value text) returns uuid
language sql immutable set search_path = ''
as $$
    select case
        when value ~* '^\s*[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\s*$'
            then btrim(value, E' \t\n\r\f\v')::uuid
    end
$$;

create or replace function pg_temp.tick_date(value text) returns date
language plpgsql immutable set search_path = ''
as $$
begin
    return case when value ~ '^\s*\d{4}-\d\d-\d\d\s*$' then value::date end;
exception
    when datetime_field_overflow or invalid_datetime_format then return null;
end
$$;

-- How to read a column as another type: an expression that is null where a value can't be read exactly. Null when the
-- types have nothing in common.
create or replace function pg_temp.tick_reading(column_name name, type text, target text) returns text
language plpgsql stable set search_path = ''
as $$
declare
    given constant text := format('%I', column_name);
    zone text := 'UTC';
begin
    if type = target then
        return given;
    end if;
    if to_regclass('tick.settings') is not null then
        execute 'select time_zone from tick.settings' into zone;
    end if;
    return case
        when type in ('text', 'character varying', 'character', 'citext', 'public.citext', 'extensions.citext') then
            case target
                when 'text' then given || '::text'
                when 'uuid' then format('pg_temp.tick_uuid(%s::text)', given)
                when 'date' then format('pg_temp.tick_date(%s::text)', given)
                else format('pg_temp.tick_whole(pg_temp.tick_number(%s::text))', given)
            end
        when target in ('integer', 'bigint') and type in ('smallint', 'integer', 'bigint') then given
        when target in ('integer', 'bigint') and type in ('numeric', 'real', 'double precision') then
            format('pg_temp.tick_whole(%s::numeric)', given)
        when target = 'date' and type = 'timestamp without time zone' then given || '::date'
        when target = 'date' and type = 'timestamp with time zone' then
            format('(%s at time zone %L)::date', given, zone)
    end;
end
$$;

create or replace function pg_temp.tick_count(query text) returns bigint
language plpgsql volatile set search_path = ''
as $$
declare
    number bigint;
begin
    execute query into number;
    return number;
end
$$;

-- "1 row", "3 rows".
create or replace function pg_temp.tick_rows(number bigint) returns text
language sql immutable set search_path = ''
as $$ select number || case when number = 1 then ' row' else ' rows' end $$;

-- What the plan asks the catalogue.

-- `type` is without its length; `computed` is an identity or generated column.
create or replace function pg_temp.tick_column(
    table_id oid, column_name name, out found boolean, out number smallint, out type text, out required boolean,
    out default_text text, out computed boolean
)
language sql stable set search_path = ''
as $$
    select a.attnum is not null, a.attnum, format_type(a.atttypid, null), a.attnotnull,
        pg_get_expr(d.adbin, d.adrelid), a.attidentity <> '' or a.attgenerated <> ''
    from (values (table_id, column_name)) as wanted (table_id, column_name)
    left join pg_catalog.pg_attribute as a
        on a.attrelid = wanted.table_id and a.attname = wanted.column_name and a.attnum > 0 and not a.attisdropped
    left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
$$;

-- The columns of ours in one of the two tables.
create or replace function pg_temp.tick_columns(table_id oid) returns name[]
language sql stable set search_path = ''
as $$
    select case table_id::regclass::text
        when 'public.profiles' then array['user_id', 'email', 'daily_tick_limit']::name[]
        else array['user_id', 'usage_date', 'ticks_used', 'ticks_granted']::name[]
    end
$$;

-- The definitions of the checks that a table is to have.
create or replace function pg_temp.tick_checks(table_id oid) returns text[]
language sql immutable set search_path = ''
as $$
    select case table_id::regclass::text
        when 'public.profiles' then array['CHECK (((daily_tick_limit >= 0) AND (daily_tick_limit <= 1000000000)))']
        else array['CHECK (((ticks_used >= 0) AND (ticks_granted >= 0)))']
    end
$$;

-- Those of the two tables that are there.
create or replace function pg_temp.tick_public_tables() returns oid[]
language sql stable set search_path = ''
as $$
    select array_agg(t.id) from unnest(array[
        to_regclass('public.profiles')::oid, to_regclass('public.user_daily_usage')::oid
    ]) as t (id) where t.id is not null
$$;

-- Whether the columns of a table's key have the types that they are to have.
create or replace function pg_temp.tick_is_typed(table_id oid) returns boolean
language sql stable set search_path = ''
as $$
    select bool_and(a.atttypid = case a.attname when 'user_id' then 'uuid'::regtype else 'date'::regtype end)
    from pg_catalog.pg_attribute as a
    where a.attrelid = table_id and not a.attisdropped and (
        a.attname = 'user_id' or a.attname = 'usage_date' and table_id::regclass::text = 'public.user_daily_usage')
$$;

-- Whether a relation is a table that stands alone and that this role may alter.
create or replace function pg_temp.tick_is_adoptable(table_id oid) returns boolean
language sql stable set search_path = ''
as $$
    select c.relkind = 'r' and c.relpersistence <> 't' and pg_has_role(c.relowner, 'usage')
        and not exists (select from pg_catalog.pg_inherits as i where c.oid in (i.inhrelid, i.inhparent))
    from pg_catalog.pg_class as c where c.oid = table_id
$$;

-- Whether a valid index, whole and immediate, keeps these columns, in this order, unique.
create or replace function pg_temp.tick_is_key(table_id oid, columns name[]) returns boolean
language sql stable set search_path = ''
as $$
    select exists (
        select from pg_catalog.pg_index as i
        where i.indrelid = table_id and i.indisunique and i.indimmediate and i.indisvalid
            and i.indpred is null and i.indexprs is null and i.indnkeyatts = cardinality(columns)
            and columns = array(
                select a.attname
                from unnest(i.indkey::smallint[]) with ordinality as k (number, place)
                join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.number
                where k.place <= i.indnkeyatts
                order by k.place
            )
    )
$$;

-- Whether a constraint says exactly this, and holds (not "NOT VALID").
create or replace function pg_temp.tick_has_constraint(table_id oid, definition text) returns boolean
language sql stable set search_path = ''
as $$
    select exists (
        select from pg_catalog.pg_constraint as c
        where c.conrelid = table_id and c.convalidated and pg_get_constraintdef(c.oid) = definition
    )
$$;

-- `columns` are all that the index depends on; `whole` is false for partial, expression, deferred and invalid ones.
create or replace function pg_temp.tick_unique_indexes(
    table_id oid, out index_id oid, out index_name text, out definition text, out constraint_name name,
    out constraint_text text, out columns name[], out whole boolean
) returns setof record
language sql stable set search_path = ''
as $$
    select i.indexrelid, i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid), k.conname,
        pg_get_constraintdef(k.oid), array(
            select a.attname
            from pg_catalog.pg_attribute as a
            where a.attrelid = i.indrelid and (a.attnum = any (i.indkey::smallint[]) or exists (
                select from pg_catalog.pg_depend as d
                where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = i.indexrelid
                    and d.refobjid = i.indrelid and d.refobjsubid = a.attnum and a.attnum > 0
            ))
            order by a.attnum
        ), i.indpred is null and i.indexprs is null and i.indimmediate and i.indisvalid
    from pg_catalog.pg_index as i
    left join pg_catalog.pg_constraint as k on k.conindid = i.indexrelid and k.contype in ('p', 'u')
    where i.indrelid = table_id and i.indisunique
$$;

-- Everything that forbids changing the type of a column: views, triggers, rules, functions, generated columns, other
-- tables' policies and keys.
create or replace function pg_temp.tick_users_of_column(table_id oid, number smallint) returns text
language sql stable set search_path = ''
as $$
    select string_agg(distinct d.description, ', ' order by d.description)
    from (
        select case when p.classid = 'pg_catalog.pg_rewrite'::regclass
            then (select c.oid::regclass::text from pg_catalog.pg_rewrite as r
                join pg_catalog.pg_class as c on c.oid = r.ev_class where r.oid = p.objid)
            else pg_describe_object(p.classid, p.objid, p.objsubid) end as description
        from pg_catalog.pg_depend as p
        where p.refclassid = 'pg_catalog.pg_class'::regclass and p.refobjid = table_id and p.refobjsubid = number
            and (
                p.classid in (
                    'pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_trigger'::regclass, 'pg_catalog.pg_proc'::regclass
                )
                or p.classid = 'pg_catalog.pg_policy'::regclass and not exists (
                    select from pg_catalog.pg_policy as own where own.oid = p.objid and own.polrelid = table_id
                )
                or p.classid = 'pg_catalog.pg_constraint'::regclass and exists (
                    select from pg_catalog.pg_constraint as k
                    where k.oid = p.objid and k.contype = 'f' and k.confrelid = table_id
                )
                or p.classid = 'pg_catalog.pg_attrdef'::regclass and exists (
                    select from pg_catalog.pg_attrdef as def
                    where def.oid = p.objid and (def.adrelid, def.adnum) <> (table_id, number)
                )
            )
    ) as d
$$;

-- Everybody (0), the roles that requests run as, those whose rights these inherit, and whichever a token may name besides:
-- PostgREST becomes any role that its login may switch to.
create or replace function pg_temp.tick_api_roles() returns oid[]
language sql stable set search_path = ''
as $$
    select array_agg(r.oid) || 0::oid
    from pg_catalog.pg_roles as r
    where not r.rolsuper and exists (
        select from pg_catalog.pg_roles as api
        where api.rolname in ('anon', 'authenticated', 'service_role', 'authenticator')
            and pg_has_role(api.oid, r.oid, case when api.rolname = 'authenticator' then 'member' else 'usage' end)
    )
$$;

-- The function with a signature, null where there is none. Before PostgreSQL 16 a type that is unknown is an error.
create or replace function pg_temp.tick_function_id(signature text) returns oid
language plpgsql stable set search_path = ''
as $$
begin
    return to_regprocedure(signature)::oid;
exception
    when undefined_object or invalid_schema_name then return null;
end
$$;

-- The signatures of the functions in our files; null where the database has no such function.
create or replace function pg_temp.tick_functions(files jsonb, out name text, out id oid) returns setof record
language sql stable set search_path = ''
as $$
    select definition[1], pg_temp.tick_function_id(format('%s(%s)', definition[1], (
        -- Of "name type default value", the type.
        select string_agg(
            regexp_replace(btrim(argument, E' \n'), '^\S+\s+|\s+default\s.*$', '', 'g'), ',' order by place)
        from regexp_split_to_table(definition[2], ',') with ordinality as a (argument, place)
        where btrim(argument, E' \n') <> ''
    )))
    from jsonb_array_elements(files) as f (file)
    cross join regexp_matches(
        f.file ->> 'text', 'create or replace function ([a-z_]+\.[a-z_]+)\(([^)]*)\)', 'g') as m (definition)
    where f.file ->> 'run' <> 'once'
$$;

-- The digest that the database has of a file; null if it did not run it.
create or replace function pg_temp.tick_digest(file_name text) returns text
language plpgsql volatile set search_path = ''
as $$
declare
    digest text;
begin
    if to_regclass('tick.migration') is not null then
        execute 'select m.digest from tick.migration as m where m.name = $1' into digest using file_name;
    end if;
    return digest;
end
$$;

-- Both tables: whether they can be taken over at all, and what goes for either in the same way.
--
-- Each function from here on answers with steps. They run in the order of their phases: 0 what forbids all of it,
-- 1 owners, 2 what stands in the way goes, 3 columns, 4 rows, 5 keys and checks, 6 rights and what was dropped since,
-- 7 migrations, 8 functions and policies, 9 notes. A step without a command is done by another one.

create or replace function pg_temp.tick_table(table_id oid)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    named constant text := table_id::regclass::text;
    ours constant name[] := pg_temp.tick_columns(table_id);
    found record;
begin
    select c.relkind, c.relpersistence, c.relowner, o.rolname as owner_name,
        pg_has_role(c.relowner, 'usage') as is_mine,
        exists (select from pg_catalog.pg_inherits as i where c.oid in (i.inhrelid, i.inhparent)) as inherits
    into found
    from pg_catalog.pg_class as c join pg_catalog.pg_roles as o on o.oid = c.relowner where c.oid = table_id;
    if found.relkind <> 'r' or found.inherits or found.relpersistence = 't' then
        return query select 0.0, 'blocker', format(
            '%s is %s, not a plain table: rename it, and tickctl makes the table anew', named,
            case found.relkind
                when 'v' then 'a view'
                when 'm' then 'a materialized view'
                when 'f' then 'a foreign table'
                when 'p' then 'a partitioned table'
                when 'r' then 'a part or parent of other tables'
                else 'something else'
            end
        ), null;
        return;
    elsif not found.is_mine then
        return query select 0.0, 'blocker', format(
            '%s belongs to %s, and %s may not change it: as %s, run: alter table %s owner to %I',
            named, found.owner_name, current_user, found.owner_name, named, current_user
        ), null;
        return;
    end if;
    if found.owner_name <> current_user then
        return query select 1.0, 'change', format('%s belongs to %s from now on, no longer to %s',
            named, current_user, found.owner_name), format('alter table %s owner to %I', named, current_user);
    end if;
    if found.relpersistence = 'u' then
        return query select 3.9, 'change', format('%s survives a crash from now on: it was unlogged', named),
            format('alter table %s set logged', named);
    end if;

    -- Days are what is counted on, so they have to be made; profiles may be left to those whose columns these are.
    return query
        select 0.0, case named when 'public.profiles' then 'note' else 'blocker' end, format(
            'a new row of %s needs a value for %I, which tickctl does not know%s: give it a default, or run: '
            'alter table %1$s alter column %2$I drop not null', named, a.attname,
            case named when 'public.profiles' then ', so it can make no profiles' else '' end
        ), null
        from pg_catalog.pg_attribute as a
        where a.attrelid = table_id and a.attnum > 0 and not a.attisdropped and a.attnotnull and not a.atthasdef
            and a.attidentity = '' and a.attname <> all (ours || 'id'::name)
            and (named <> 'public.profiles' or to_regclass('tick.settings') is null);
    return query
        select 0.0, 'blocker',
            format('%s.%I is a computed column, and tickctl has to write it', named, a.attname), null
        from pg_catalog.pg_attribute as a
        where a.attrelid = table_id and a.attname = any (ours) and (a.attidentity <> '' or a.attgenerated <> '');

    return query select * from pg_temp.tick_in_the_way(table_id);
    return query select * from pg_temp.tick_references(table_id);
end
$$;

-- Checks and unique keys that are not ours, and would refuse a limit, a count, a second day, or a second user with an
-- address. Two texts may be the same date, so a key over columns that get another type is made anew, too.
create or replace function pg_temp.tick_in_the_way(table_id oid)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    named constant text := table_id::regclass::text;
    ours constant name[] := pg_temp.tick_columns(table_id);
    key_columns constant name[] := case named
        when 'public.profiles' then array['user_id'] else array['user_id', 'usage_date'] end;
    is_typed constant boolean := pg_temp.tick_is_typed(table_id);
    unwanted record;
begin
    return query
        select 2.1, 'drop', format('%s: constraint %I, %s', named, c.conname, pg_get_constraintdef(c.oid)),
            format('alter table %s drop constraint %I', named, c.conname)
        from pg_catalog.pg_constraint as c
        where c.conrelid = table_id and c.contype in ('c', 'x')
            and (
                c.conname <> all (array['profiles_daily_tick_limit_in_range', 'user_daily_usage_ticks_not_negative'])
                or not c.convalidated or pg_get_constraintdef(c.oid) <> all (pg_temp.tick_checks(table_id))
            )
            and exists (
                select from pg_catalog.pg_attribute as a
                where a.attrelid = table_id and a.attnum = any (c.conkey) and a.attname = any (ours)
            );

    for unwanted in
        select i.*, coalesce('constraint ' || quote_ident(i.constraint_name) || ', ' || i.constraint_text,
            'index ' || i.definition) as told
        from pg_temp.tick_unique_indexes(table_id) as i
        where i.columns <@ ours and i.columns <> '{}'
            and not (i.columns @> key_columns and i.columns <@ key_columns and i.whole and is_typed)
    loop
        return query select 2.2, 'drop', format('%s: %s', named, unwanted.told),
            case when unwanted.constraint_name is null then 'drop index ' || unwanted.index_name
                else format('alter table %s drop constraint %I', named, unwanted.constraint_name) end;
        return query
            select 0.0, 'blocker', format('%s of %s refers to a key of %s that tickctl has to drop: %s',
                k.conname, k.conrelid::regclass, named, unwanted.told), null
            from pg_catalog.pg_constraint as k
            where k.conindid = unwanted.index_id and k.contype = 'f';
    end loop;
end
$$;

-- Foreign keys to the accounts, or to profiles, that would forbid the deletion of a user or leave rows behind. The one
-- that tickctl itself wants is made by tick_key.
create or replace function pg_temp.tick_references(table_id oid)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    named constant text := table_id::regclass::text;
    reference record;
begin
    for reference in
        select c.conname, pg_get_constraintdef(c.oid) as definition,
            c.confrelid = 'auth.users'::regclass and a.attname = 'user_id' as is_ours
        from pg_catalog.pg_constraint as c
        join pg_catalog.pg_attribute as a on a.attrelid = c.conrelid and c.conkey = array[a.attnum]
        where c.conrelid = table_id and c.contype = 'f' and (c.confdeltype <> 'c' or not c.convalidated)
            and c.confrelid in ('auth.users'::regclass, to_regclass('public.profiles')) and c.confrelid <> c.conrelid
            and a.attname in ('user_id', 'id')
    loop
        return query select 2.3, 'drop',
            format('%s: foreign key %I, which would keep users from being deleted', named, reference.conname),
            format('alter table %s drop constraint %I', named, reference.conname);
        if not reference.is_ours then
            return query select 5.15, 'change',
                format('%s: foreign key %I again, with on delete cascade', named, reference.conname),
                format('alter table %s add constraint %I %s', named, reference.conname, regexp_replace(
                    reference.definition,
                    '( ON DELETE (NO ACTION|RESTRICT|SET NULL|SET DEFAULT)( \([^)]*\))?)?'
                    '( (NOT )?DEFERRABLE.*| INITIALLY.*| NOT VALID| NOT ENFORCED)?$',
                    ' ON DELETE CASCADE'
                ));
        end if;
    end loop;
end
$$;

-- The unique key and the key to the accounts. Where the table has a primary key already, that stays.
create or replace function pg_temp.tick_key(table_id oid, columns name[])
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    named constant text := table_id::regclass;
    listed constant text := array_to_string(columns, ', ');
    has_key constant boolean := pg_temp.tick_is_typed(table_id) and pg_temp.tick_is_key(table_id, columns);
    -- A key that is dropped for being in the way does not count.
    has_primary constant boolean := exists (
        select from pg_catalog.pg_constraint as c
        where c.conrelid = table_id and c.contype = 'p' and exists (
            select from pg_catalog.pg_attribute as a
            where a.attrelid = table_id and a.attnum = any (c.conkey)
                and (a.attname <> all (pg_temp.tick_columns(table_id)) or has_key)
        )
    );
    reference constant text := 'FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE';
begin
    if not has_key then
        return query select 5.1, 'change', format('%s: (%s) is unique', named, listed),
            format('alter table %s add %s (%s)', named,
                case when has_primary then 'unique' else 'primary key' end, listed);
    end if;
    if not pg_temp.tick_has_constraint(table_id, reference) then
        return query select 5.2, 'change',
            format('%s: rows go with their user (foreign key, on delete cascade)', named),
            format('alter table %s add %s', named, lower(reference));
    end if;
end
$$;

-- Columns and rows of either table.

-- A column with another type than ours, and values in it that can't become ours. Numbers have bounds.
create or replace function pg_temp.tick_column_type(
    table_id oid, column_name name, target text, lowest numeric default null, highest numeric default null,
    if_too_low text default null, if_too_high text default null
) returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    named constant text := format('%s.%I', table_id::regclass, column_name);
    have constant record := pg_temp.tick_column(table_id, column_name);
    reading constant text := pg_temp.tick_reading(column_name, have.type, target);
    used_by text;
    bad record;
begin
    if not have.found or have.computed then
        return;
    elsif reading is null then
        return query select 0.0, 'blocker',
            format('%s is %s, which can''t become %s: change it by hand', named, have.type, target), null;
        return;
    end if;
    -- A column of the right type has its values read only where no check of ours vouches for them.
    if have.type <> target or lowest is not null
        and not pg_temp.tick_has_constraint(table_id, (pg_temp.tick_checks(table_id))[1])
    then
        execute format(
            'select count(*) filter (where %1$s is null) as unreadable, %2$s as low, %3$s as high'
            ' from %4$s where %5$I is not null',
            reading,
            case when lowest is null then '0::bigint'
                else format('count(*) filter (where %s < %s)', reading, lowest) end,
            case when highest is null then '0::bigint'
                else format('count(*) filter (where %s > %s)', reading, highest) end,
            table_id::regclass, column_name
        ) into bad;
        return query
            select 0.0, 'blocker', format('%s: %s %s: %s', named, pg_temp.tick_rows(b.number), b.what, b.advice), null
            from (values
                (
                    bad.unreadable,
                    format('can''t be read as %s', case when lowest is null then target else 'a whole number' end),
                    'change them by hand'
                ),
                (bad.low, 'below ' || lowest, if_too_low),
                (bad.high, 'above ' || highest, if_too_high)
            ) as b (number, what, advice)
            where b.number > 0;
    end if;
    if have.type <> target then
        used_by := pg_temp.tick_users_of_column(table_id, have.number);
        if used_by is not null then
            return query select 0.0, 'blocker', format(
                '%s is %s and has to become %s, but is used by %s: drop that first, and make it anew afterwards',
                named, have.type, target, used_by), null;
        end if;
        return query select 3.1, 'change',
            format('%s is %s from now on, no longer %s%s', named, target, have.type,
                case when have.type like 'timestamp%' then '; the time of day goes' else '' end),
            format('alter table %s alter column %I drop default, alter column %I type %s using (%s)::%s',
                table_id::regclass, column_name, column_name, target, reading, target);
    end if;
end
$$;

-- A key `id` of the row's own that new rows have to bring along: tickctl's rows don't.
create or replace function pg_temp.tick_row_number(table_id oid)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    named constant text := table_id::regclass;
    id constant record := pg_temp.tick_column(table_id, 'id');
begin
    if not id.found or not id.required or id.computed or id.default_text is not null then
        return;
    end if;
    if id.type = 'uuid' then
        return query select 3.2, 'change', format('%s.id gets a value by itself', named),
            format('alter table %s alter column id set default gen_random_uuid()', named);
    elsif id.type in ('smallint', 'integer', 'bigint') then
        return query select 3.2, 'change', format('%s.id gets a value by itself', named), format($command$
                alter table %1$s alter column id add generated by default as identity;
                select setval(
                    pg_get_serial_sequence(%1$L, 'id'), (select coalesce(max(id), 0) + 1 from %1$s), false);
                do $do$ begin
                    execute format('revoke all on sequence %%s from public, anon, authenticated, service_role',
                        pg_get_serial_sequence(%1$L, 'id'));
                end $do$
            $command$, named);
    else
        return query select 0.0, 'blocker', format('a new row of %s needs an id (%s), which tickctl does not know: '
            'give it a default', named, id.type), null;
    end if;
end
$$;

-- Rows that are to leave a table and that other tables refer to; `doomed` selects the rows' ctid.
create or replace function pg_temp.tick_referenced(table_id oid, doomed text, why text)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    reference record;
    number bigint;
begin
    for reference in
        select c.conname, c.conrelid::regclass::text as referring, string_agg(
                format('r.%I = x.%I', f.attname, t.attname), ' and ') as condition
        from pg_catalog.pg_constraint as c
        cross join unnest(c.conkey, c.confkey) as pair (from_number, to_number)
        join pg_catalog.pg_attribute as f on f.attrelid = c.conrelid and f.attnum = pair.from_number
        join pg_catalog.pg_attribute as t on t.attrelid = c.confrelid and t.attnum = pair.to_number
        where c.confrelid = table_id and c.contype = 'f'
            and c.conrelid::regclass::text not in ('public.profiles', 'public.user_daily_usage')
        group by c.conname, c.conrelid
        order by 2, 1
    loop
        number := pg_temp.tick_count(format(
            'select count(*) from %s as r where exists (select from %s as x where %s and x.ctid in (%s))',
            reference.referring, table_id::regclass, reference.condition, doomed
        ));
        if number > 0 then
            return query select 0.0, 'blocker', format(
                '%s of %s refer (by %I) to rows of %s that have to leave it, %s: point them elsewhere or delete them',
                pg_temp.tick_rows(number), reference.referring, reference.conname, table_id::regclass, why
            ), null;
        end if;
    end loop;
end
$$;

-- public.profiles: one row per user, found by user_id. Its other columns, and a key `id`, stay.

-- Whether `id` is the user's id, as in Supabase's own tutorials, rather than an id of the row's own; null when nobody
-- can tell. Only asked where id and user_id are not tied together already.
create or replace function pg_temp.tick_profile_id_is_user() returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
    table_id constant oid := to_regclass('public.profiles');
    id constant record := pg_temp.tick_column(table_id, 'id');
    owner constant record := pg_temp.tick_column(table_id, 'user_id');
    reading constant text := pg_temp.tick_reading('user_id', owner.type, 'uuid');
begin
    if not id.found or id.type <> 'uuid' or id.computed then
        return false;
    elsif exists (
        select from pg_catalog.pg_constraint as c
        where c.conrelid = table_id and c.contype = 'f' and c.conkey = array[id.number]
            and c.confrelid = 'auth.users'::regclass
    ) then
        return true;
    elsif id.default_text is not null and owner.found then
        return false;
    elsif pg_temp.tick_count('select count(*) from (select from public.profiles limit 1) as first') = 0 then
        return case when not owner.found and id.default_text is null then true when owner.found then false end;
    elsif owner.found then
        return reading is not null and pg_temp.tick_count(format(
            'select count(*) from (select from public.profiles where id is distinct from %s limit 1) as first', reading
        )) = 0;
    end if;
    return case
        when pg_temp.tick_count(
            'select count(*) from public.profiles as p where exists (select from auth.users as u where u.id = p.id)'
        ) > 0 then true
    end;
end
$$;

create or replace function pg_temp.tick_profiles(mirror text)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    table_id constant oid := to_regclass('public.profiles');
    id constant record := pg_temp.tick_column(table_id, 'id');
    owner constant record := pg_temp.tick_column(table_id, 'user_id');
    email constant record := pg_temp.tick_column(table_id, 'email');
    per_day constant record := pg_temp.tick_column(table_id, 'daily_tick_limit');
    is_tied constant boolean := exists (
        select from pg_catalog.pg_trigger as t
        where t.tgrelid = table_id and t.tgname = 'tick_mirror_profile_id' and t.tgenabled = 'O');
    -- What a new row has by default, where that is a plain number.
    default_limit constant text := (regexp_match(per_day.default_text, '^''?(\d{1,10})''?(::[a-z ]+)?$'))[1];
    id_is_user boolean := is_tied;
    user_of text := pg_temp.tick_reading('user_id', owner.type, 'uuid');
    limit_of text := coalesce(pg_temp.tick_reading('daily_tick_limit', per_day.type, 'integer'), '32');
    number bigint;
begin
    if table_id is null then
        return;
    elsif not pg_temp.tick_is_adoptable(table_id) then
        return query select * from pg_temp.tick_table(table_id);
        return;
    end if;
    if not is_tied then
        id_is_user := pg_temp.tick_profile_id_is_user();
    end if;

    -- Whose row it is.
    if not owner.found then
        if not id.found or id.type <> 'uuid' then
            return query select 0.0, 'blocker', 'public.profiles has no column that holds the user''s id '
                '(auth.users.id): add user_id uuid and fill it, or rename the column that has it to user_id'
                || case when id.type in ('text', 'character varying') then ', or make id a uuid' else '' end, null;
            return;
        elsif id_is_user is null then
            return query select 0.0, 'blocker', 'public.profiles has no user_id, and whether its id is the user''s '
                'id can''t be told: no row''s id is in auth.users. Add user_id uuid and fill it', null;
            return;
        end if;
        user_of := 'id';
        return query select 3.0, 'change', 'public.profiles gets the column user_id, equal to id',
            'alter table public.profiles add column user_id uuid; '
            'alter table public.profiles alter column user_id type uuid using id';
    end if;
    if id_is_user and not is_tied then
        if owner.found then
            number := pg_temp.tick_count(format(
                'select count(*) from public.profiles where id is distinct from %s', user_of));
            if number > 0 then
                return query select 0.0, 'blocker', format('public.profiles: %s with an id that refers to another user '
                    'than user_id does: make them equal', pg_temp.tick_rows(number)), null;
                return;
            end if;
        end if;
        return query select 3.2, 'change',
            'public.profiles: id and user_id stay equal by a trigger, whichever of them is written',
            'alter table public.profiles alter column id drop default; ' || mirror
            || '; create or replace trigger tick_mirror_profile_id before insert or update on public.profiles '
            'for each row execute function tick.mirror_profile_id()';
    elsif not id_is_user then
        return query select * from pg_temp.tick_row_number(table_id);
    end if;

    return query select * from pg_temp.tick_table(table_id);
    return query select * from pg_temp.tick_column_type(table_id, 'user_id', 'uuid');
    return query select * from pg_temp.tick_column_type(table_id, 'email', 'text');
    return query select * from pg_temp.tick_column_type(table_id, 'daily_tick_limit', 'integer', 0, 1000000000,
        'set them to null (unlimited) or to 0 (blocked)', 'lower them, or set them to null (unlimited)');

    if not email.found then
        return query select 3.3, 'change', 'public.profiles gets the column email',
            'alter table public.profiles add column email text';
    elsif email.required then
        return query select 3.4, 'change', 'public.profiles.email may be null: not every user has one',
            'alter table public.profiles alter column email drop not null';
    end if;
    if not per_day.found then
        return query select 3.3, 'change', 'public.profiles gets the column daily_tick_limit, 32 in every row',
            'alter table public.profiles add column daily_tick_limit integer default 32';
    else
        if per_day.required then
            return query select 3.4, 'change', 'public.profiles.daily_tick_limit may be null: unlimited',
                'alter table public.profiles alter column daily_tick_limit drop not null';
        end if;
        if default_limit is null or default_limit::numeric > 1000000000 then
            return query select 3.5, 'change', 'public.profiles.daily_tick_limit is 32 by default'
                || coalesce(', no longer ' || per_day.default_text, ''),
                'alter table public.profiles alter column daily_tick_limit set default 32';
        elsif per_day.type <> 'integer' then
            return query select 3.5, 'change', format('public.profiles.daily_tick_limit stays %s by default',
                default_limit), format('alter table public.profiles alter column daily_tick_limit set default %s',
                default_limit);
        end if;
        if to_regclass('tick.settings') is null then
            return query
                select 9.0, 'note', format('public.profiles: %s with %s', pg_temp.tick_rows(n.number), n.meaning), null
                from (values
                    (
                        pg_temp.tick_count('select count(*) from public.profiles where daily_tick_limit is null'),
                        'a limit of null, which means unlimited here'
                    ),
                    (
                        pg_temp.tick_count(format('select count(*) from public.profiles where %s = 0', limit_of)),
                        'a limit of 0, which means blocked here'
                    )
                ) as n (number, meaning)
                where n.number > 0;
        end if;
    end if;

    return query select * from pg_temp.tick_profile_rows();
    if not coalesce(owner.required, false) then
        return query select 5.0, 'change', 'public.profiles.user_id is never null',
            'alter table public.profiles alter column user_id set not null';
    end if;
    return query select * from pg_temp.tick_key(table_id, array['user_id']);
    if not pg_temp.tick_has_constraint(table_id, (pg_temp.tick_checks(table_id))[1]) then
        return query select 5.3, 'change', 'public.profiles: limits are from 0 to 1000000000, or null',
            'alter table public.profiles add constraint profiles_daily_tick_limit_in_range '
            'check (daily_tick_limit between 0 and 1000000000)';
    end if;
end
$$;

-- Rows of nobody, and several of one user. They are looked at only while no key vouches for them.
create or replace function pg_temp.tick_profile_rows()
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    table_id constant oid := to_regclass('public.profiles');
    owner constant record := pg_temp.tick_column(table_id, 'user_id');
    per_day constant record := pg_temp.tick_column(table_id, 'daily_tick_limit');
    whose constant text := case
        when owner.found then pg_temp.tick_reading('user_id', owner.type, 'uuid') else 'id' end;
    limits constant text := coalesce(pg_temp.tick_reading('daily_tick_limit', per_day.type, 'integer'), '32');
    rows_read constant text := format('(select t.ctid as row_id, %s as whose, %s as per_day from public.profiles as t)',
        whose, limits);
    orphans constant text := format(
        'select o.row_id from %s as o where o.whose is null'
        ' or not exists (select from auth.users as u where u.id = o.whose)', rows_read);
    doubles constant text := format(
        'select d.row_id from (select o.row_id, row_number() over ('
        'partition by o.whose order by o.per_day desc nulls first, o.row_id) as place from %s as o'
        ' where exists (select from auth.users as u where u.id = o.whose)) as d where d.place > 1', rows_read);
    number bigint;
begin
    if whose is null then
        return;
    end if;
    if not (owner.type is not distinct from 'uuid' and pg_temp.tick_has_constraint(
        table_id, 'FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE'
    )) then
        number := pg_temp.tick_count(format('select count(*) from (%s) as o', orphans));
        if number > 0 then
            return query select * from pg_temp.tick_referenced(table_id, orphans, 'having no user');
            return query select 4.2, 'archive',
                format('%s of public.profiles without a user in auth.users', pg_temp.tick_rows(number)),
                $command$
                    with gone as (
                        delete from public.profiles as o
                        where o.user_id is null or not exists (select from auth.users as u where u.id = o.user_id)
                        returning o.*
                    )
                    insert into tick.adopted (table_name, "row", reason)
                    select 'public.profiles', to_jsonb(gone), 'no such user' from gone
                $command$;
        end if;
    end if;
    if not (owner.type is not distinct from 'uuid' and pg_temp.tick_is_key(table_id, array['user_id'])) then
        number := pg_temp.tick_count(format('select count(*) from (%s) as d', doubles));
        if number > 0 then
            return query select * from pg_temp.tick_referenced(table_id, doubles, 'being one of several of one user');
            return query select 4.4, 'merge',
                format('%s of public.profiles into that of the same user with the highest limit (null, unlimited, is '
                    'highest)', pg_temp.tick_rows(number)),
                $command$
                    with places as (
                        select o.ctid as row_id, row_number() over (
                            partition by o.user_id order by o.daily_tick_limit desc nulls first, o.ctid) as place
                        from public.profiles as o
                    ),
                    gone as (
                        delete from public.profiles as o using places as p
                        where o.ctid = p.row_id and p.place > 1 returning o.*
                    )
                    insert into tick.adopted (table_name, "row", reason)
                    select 'public.profiles', to_jsonb(gone), 'another row of this user had a limit as high' from gone
                $command$;
        end if;
    end if;
end
$$;

-- What profiles copy from the accounts.

-- The user's id of each row of profiles, as an expression; null where it can't be read.
create or replace function pg_temp.tick_profile_user() returns text
language plpgsql stable set search_path = ''
as $$
declare
    owner constant record := pg_temp.tick_column(to_regclass('public.profiles'), 'user_id');
begin
    return case when owner.found then pg_temp.tick_reading('user_id', owner.type, 'uuid') else 'id' end;
end
$$;

-- E-mail addresses in profiles are copies; the account's own wins. The old ones are kept where they say something else.
create or replace function pg_temp.tick_emails() returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    email constant record := pg_temp.tick_column(to_regclass('public.profiles'), 'email');
    pairs constant text := format(
        'from (select %s as whose, %s as email from public.profiles) as p join auth.users as u on u.id = p.whose',
        pg_temp.tick_profile_user(), case when email.found then 'email::text' else 'null::text' end);
    number bigint;
begin
    number := pg_temp.tick_count(format('select count(*) %s where p.email is distinct from u.email', pairs));
    if number = 0 then
        return;
    end if;
    return query select 4.6, 'change',
        format('the e-mail address of auth.users is written into %s of public.profiles', pg_temp.tick_rows(number)),
        $command$
            update public.profiles as p set email = u.email
            from auth.users as u where u.id = p.user_id and p.email is distinct from u.email
        $command$;
    number := pg_temp.tick_count(format('select count(*) %s where lower(p.email) <> lower(u.email)', pairs));
    if number > 0 then
        return query select 4.5, 'archive',
            format('%s of public.profiles with another e-mail address than auth.users are copied first',
                pg_temp.tick_rows(number)),
            $command$
                insert into tick.adopted (table_name, "row", reason)
                select 'public.profiles', to_jsonb(p), 'the e-mail address was replaced by that of auth.users'
                from public.profiles as p
                join auth.users as u on u.id = p.user_id
                where lower(p.email) <> lower(u.email)
            $command$;
    end if;
end
$$;

-- Profiles of users who have none; functions/30_accounts.sql makes them, where it can.
create or replace function pg_temp.tick_missing_profiles()
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    table_id constant oid := to_regclass('public.profiles');
    number bigint;
begin
    if table_id is null then
        number := pg_temp.tick_count('select count(*) from auth.users');
    else
        number := pg_temp.tick_count(format(
            'select count(*) from auth.users as u where not exists (select from public.profiles where %s = u.id)',
            pg_temp.tick_profile_user()));
    end if;
    return query
        select 7.5, 'create', format('%s of public.profiles, for users who have none', pg_temp.tick_rows(number)), null
        where number > 0 and not exists (
            select from pg_catalog.pg_attribute as a
            where a.attrelid = table_id and a.attnum > 0 and not a.attisdropped and a.attnotnull and not a.atthasdef
                and a.attidentity = '' and a.attname not in ('id', 'user_id', 'email', 'daily_tick_limit')
        );
end
$$;

-- public.user_daily_usage: one row per user and day.

create or replace function pg_temp.tick_usage() returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    table_id constant oid := to_regclass('public.user_daily_usage');
    owner constant record := pg_temp.tick_column(table_id, 'user_id');
    day constant record := pg_temp.tick_column(table_id, 'usage_date');
    used constant record := pg_temp.tick_column(table_id, 'ticks_used');
    granted constant record := pg_temp.tick_column(table_id, 'ticks_granted');
    largest constant numeric := 9223372036854775807;
    number bigint;
    column_name name;
    counted record;
begin
    if table_id is null then
        return;
    elsif not pg_temp.tick_is_adoptable(table_id) then
        return query select * from pg_temp.tick_table(table_id);
        return;
    end if;
    if not (owner.found and day.found and used.found) then
        return query select 0.0, 'blocker', format('public.user_daily_usage has no column %s: add it and fill it, or '
                'rename the column that has it', missing.name), null
            from (values ('user_id', owner.found), ('usage_date', day.found), ('ticks_used', used.found))
                as missing (name, found)
            where not missing.found;
        return;
    end if;
    return query select * from pg_temp.tick_table(table_id);
    return query select * from pg_temp.tick_row_number(table_id);
    return query select * from pg_temp.tick_column_type(table_id, 'user_id', 'uuid');
    return query select * from pg_temp.tick_column_type(table_id, 'usage_date', 'date');
    return query select * from pg_temp.tick_column_type(
        table_id, 'ticks_used', 'bigint', 0, largest, 'set them to what was used', 'lower them');
    return query select * from pg_temp.tick_column_type(
        table_id, 'ticks_granted', 'bigint', 0, largest, 'set them to 0', 'lower them');
    if to_regclass('public.profiles') is not null and exists (
        select from pg_catalog.pg_constraint as c
        join pg_catalog.pg_attribute as a on a.attrelid = c.confrelid and c.confkey = array[a.attnum]
        where c.conrelid = table_id and c.contype = 'f' and c.conkey = array[owner.number]
            and c.confrelid = to_regclass('public.profiles') and a.attname = 'id'
    ) and pg_temp.tick_profile_id_is_user() is not true then
        return query select 0.0, 'blocker',
            'public.user_daily_usage.user_id holds ids of public.profiles, not of users: '
            'replace them by the users'' ids, and drop the foreign key', null;
        return;
    end if;

    if not granted.found then
        return query select 3.3, 'change', 'public.user_daily_usage gets the column ticks_granted',
            'alter table public.user_daily_usage add column ticks_granted bigint not null default 0';
    end if;
    for column_name in select unnest(array['ticks_used', 'ticks_granted']) loop
        counted := pg_temp.tick_column(table_id, column_name);
        if counted.found and (counted.default_text is distinct from '0' or counted.type <> 'bigint') then
            return query select 3.5, 'change', format('public.user_daily_usage.%I is 0 by default', column_name),
                format('alter table public.user_daily_usage alter column %I set default 0', column_name);
        end if;
        if counted.found and not counted.required then
            number := pg_temp.tick_count(format(
                'select count(*) from public.user_daily_usage where %I is null', column_name));
            return query select 4.0, 'change', format('public.user_daily_usage: %s with no %I count 0',
                    pg_temp.tick_rows(number), column_name),
                format('update public.user_daily_usage set %1$I = 0 where %1$I is null', column_name)
                where number > 0;
            return query select 5.0, 'change', format('public.user_daily_usage.%I is never null', column_name),
                format('alter table public.user_daily_usage alter column %I set not null', column_name);
        end if;
    end loop;

    return query select * from pg_temp.tick_usage_rows();
    return query
        select 5.0, 'change', format('public.user_daily_usage.%I is never null', c.name),
            format('alter table public.user_daily_usage alter column %I set not null', c.name)
        from (values ('user_id', owner.required), ('usage_date', day.required)) as c (name, required)
        where not c.required;
    return query select * from pg_temp.tick_key(table_id, array['user_id', 'usage_date']);
    if not pg_temp.tick_has_constraint(table_id, (pg_temp.tick_checks(table_id))[1]) then
        return query select 5.3, 'change', 'public.user_daily_usage: counts are never negative',
            'alter table public.user_daily_usage add constraint user_daily_usage_ticks_not_negative '
            'check (ticks_used >= 0 and ticks_granted >= 0)';
    end if;
    return query
        select 5.4, 'change', 'public.user_daily_usage leaves room in its pages, for updates in place',
            'alter table public.user_daily_usage set (fillfactor = 70)'
        from pg_catalog.pg_class as c
        where c.oid = table_id and coalesce(array_to_string(c.reloptions, ','), '') !~ 'fillfactor=';
end
$$;

-- Rows of nobody or of no day, and several of one day. They are looked at only while no key vouches for them.
create or replace function pg_temp.tick_usage_rows()
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    table_id constant oid := to_regclass('public.user_daily_usage');
    owner constant record := pg_temp.tick_column(table_id, 'user_id');
    day constant record := pg_temp.tick_column(table_id, 'usage_date');
    is_typed constant boolean := pg_temp.tick_is_typed(table_id);
    rows_read constant text := format(
        '(select t.ctid as row_id, %s as whose, %s as day from public.user_daily_usage as t)',
        pg_temp.tick_reading('user_id', owner.type, 'uuid'), pg_temp.tick_reading('usage_date', day.type, 'date'));
    homeless constant text := format(
        'select o.row_id from %s as o where o.day is null or o.whose is null'
        ' or not exists (select from auth.users as u where u.id = o.whose)', rows_read);
    doubles constant text := format(
        'select d.row_id from (select o.row_id, row_number() over (partition by o.whose, o.day order by o.row_id)'
        ' as place from %s as o where o.day is not null'
        ' and exists (select from auth.users as u where u.id = o.whose)) as d where d.place > 1', rows_read);
    number bigint;
begin
    if pg_temp.tick_reading('user_id', owner.type, 'uuid') is null
        or pg_temp.tick_reading('usage_date', day.type, 'date') is null
    then
        return;
    end if;
    if not (is_typed and day.required and pg_temp.tick_has_constraint(
        table_id, 'FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE'
    )) then
        number := pg_temp.tick_count(format('select count(*) from (%s) as o', homeless));
        if number > 0 then
            return query select * from pg_temp.tick_referenced(table_id, homeless, 'having no user or day');
            return query select 4.1, 'archive',
                format('%s of public.user_daily_usage without a user in auth.users, or without a day',
                    pg_temp.tick_rows(number)),
                $command$
                    with gone as (
                        delete from public.user_daily_usage as o
                        where o.usage_date is null or o.user_id is null
                            or not exists (select from auth.users as u where u.id = o.user_id)
                        returning o.*
                    )
                    insert into tick.adopted (table_name, "row", reason)
                    select 'public.user_daily_usage', to_jsonb(gone), 'no such user, or no day' from gone
                $command$;
        end if;
    end if;
    if not (is_typed and pg_temp.tick_is_key(table_id, array['user_id', 'usage_date'])) then
        number := pg_temp.tick_count(format('select count(*) from (%s) as d', doubles));
        if number > 0 then
            return query select * from pg_temp.tick_referenced(table_id, doubles, 'being one of several of one day');
            return query select 4.3, 'merge',
                format('%s of public.user_daily_usage into others of the same user and day; the ticks are summed',
                    pg_temp.tick_rows(number)),
                $command$
                    with places as (
                        select o.ctid as row_id, row_number() over days as place,
                            sum(o.ticks_used) over all_of_day as used, sum(o.ticks_granted) over all_of_day as granted
                        from public.user_daily_usage as o
                        window days as (partition by o.user_id, o.usage_date order by o.ctid),
                            all_of_day as (partition by o.user_id, o.usage_date)
                    ),
                    gone as (
                        delete from public.user_daily_usage as o using places as p
                        where o.ctid = p.row_id and p.place > 1 returning o.*
                    ),
                    kept as (
                        insert into tick.adopted (table_name, "row", reason)
                        select 'public.user_daily_usage', to_jsonb(gone), 'added to another row of this day' from gone
                    )
                    update public.user_daily_usage as o set ticks_used = p.used, ticks_granted = p.granted
                    from places as p
                    where o.ctid = p.row_id and p.place = 1
                        and (o.ticks_used, o.ticks_granted) is distinct from (p.used::bigint, p.granted::bigint)
                $command$;
        end if;
    end if;
end
$$;

-- Who may what: policies and rights on what is ours, which may exist before and beside ours.

create or replace function pg_temp.tick_policies()
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
begin
    return query
        select 2.5, 'drop', format('policy %I on %s, for %s to %s%s%s', p.policyname, t.id, lower(p.cmd),
                array_to_string(p.roles, ', '), ' using ' || p.qual, ' with check ' || p.with_check),
            format('drop policy %I on %s', p.policyname, t.id)
        from pg_catalog.pg_policies as p
        cross join lateral (select format('%I.%I', p.schemaname, p.tablename)) as t (id)
        where t.id in ('public.profiles', 'public.user_daily_usage')
            and (p.policyname <> p.tablename || '_read_own' or to_regclass('tick.migration') is null)
            -- In the private schema only those may stay that admit nobody.
            or p.schemaname = 'tick' and p.permissive = 'PERMISSIVE'
            and (coalesce(p.qual, 'false') <> 'false' or coalesce(p.with_check, 'false') <> 'false')
        order by t.id, p.policyname;
    return query
        select 2.5, 'drop', format('rule %I on %s: %s', r.rulename, r.ev_class::regclass, pg_get_ruledef(r.oid)),
            format('drop rule %I on %s', r.rulename, r.ev_class::regclass)
        from pg_catalog.pg_rewrite as r
        join pg_catalog.pg_class as c on c.oid = r.ev_class
        where c.relkind = 'r' and (c.relnamespace = to_regnamespace('tick')
            or c.oid = any (pg_temp.tick_public_tables()));
    return query
        select 6.0, 'change', format('%s: row-level security is on', c.oid::regclass),
            format('alter table %s enable row level security', c.oid::regclass)
        from pg_catalog.pg_class as c
        where c.oid = any (pg_temp.tick_public_tables()) and not c.relrowsecurity;
end
$$;

-- Rights on tables, columns and sequences.
create or replace function pg_temp.tick_table_rights()
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    api_roles constant oid[] := pg_temp.tick_api_roles();
begin
    return query
        with held as (
            select c.oid as id, c.relkind, c.relowner, a.*, null::name as column_name
            from pg_catalog.pg_class as c cross join lateral aclexplode(c.relacl) as a
            union all
            select c.oid, c.relkind, c.relowner, a.*, t.attname
            from pg_catalog.pg_class as c
            join pg_catalog.pg_attribute as t on t.attrelid = c.oid and t.attnum > 0
            cross join lateral aclexplode(t.attacl) as a
        ),
        lost as (
            select h.id, h.relkind, case when h.grantee = 0 then 'public' else h.grantee::regrole::text end as grantee,
                string_agg(distinct h.privilege_type || coalesce(' (' || quote_ident(h.column_name) || ')', ''), ', ')
                    as rights
            from held as h
            where (
                    h.id = any (pg_temp.tick_public_tables())
                    or h.id in (
                        select c.oid from pg_catalog.pg_class as c where c.relnamespace = to_regnamespace('tick'))
                    or h.relkind = 'S' and exists (
                        select from pg_catalog.pg_depend as d
                        where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = h.id and d.deptype in ('a', 'i')
                            and d.refobjid = any (pg_temp.tick_public_tables())
                    )
                )
                and h.grantee = any (api_roles) and h.grantee <> h.relowner
                and not (
                    h.privilege_type = 'SELECT' and not h.is_grantable and h.column_name is null and h.relkind = 'r'
                    and h.grantee in ('authenticated'::regrole, 'service_role'::regrole)
                    and h.id = any (pg_temp.tick_public_tables())
                )
            group by h.id, h.relkind, h.grantee
        )
        select 6.1, 'revoke', format('%s on %s from %s', l.rights, l.id::regclass,
                string_agg(l.grantee, ', ' order by l.grantee)),
            format('revoke all on %s %s from %s cascade', case l.relkind when 'S' then 'sequence' else 'table' end,
                l.id::regclass, string_agg(l.grantee, ', '))
        from lost as l
        group by l.id, l.relkind, l.rights
        order by l.id::regclass::text, l.rights;
end
$$;

-- Rights on schemas, on the database, and on functions; and those that new objects would get.
create or replace function pg_temp.tick_other_rights(files jsonb)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    api_roles constant oid[] := pg_temp.tick_api_roles();
begin
    return query
        select 6.2, 'revoke', format('%s on %s from %s', held.rights, held.what, held.grantee),
            format('revoke %s on %s from %s cascade', held.rights, held.what, held.grantee)
        from (
            select a.privilege_type as rights, 'schema ' || n.nspname as what,
                case when a.grantee = 0 then 'public' else a.grantee::regrole::text end as grantee
            from pg_catalog.pg_namespace as n cross join lateral aclexplode(n.nspacl) as a
            where a.grantee = any (api_roles) and a.grantee <> n.nspowner and pg_has_role(n.nspowner, 'usage')
                and (
                    n.nspname in ('public', 'tick') and a.privilege_type = 'CREATE'
                    or n.nspname = 'tick' and (a.is_grantable
                        or a.grantee not in ('authenticated'::regrole, 'service_role'::regrole))
                )
            union all
            select a.privilege_type, 'database ' || quote_ident(d.datname),
                case when a.grantee = 0 then 'public' else a.grantee::regrole::text end
            from pg_catalog.pg_database as d cross join lateral aclexplode(d.datacl) as a
            where d.datname = current_database() and a.privilege_type = 'CREATE' and a.grantee = any (api_roles)
                and a.grantee <> d.datdba and pg_has_role(d.datdba, 'usage')
            union all
            -- The four roles that our own grants speak of are put right by those.
            select 'EXECUTE', 'function ' || f.id::regprocedure, a.grantee::regrole::text
            from pg_temp.tick_functions(files) as f
            join pg_catalog.pg_proc as p on p.oid = f.id
            cross join lateral aclexplode(p.proacl) as a
            where a.grantee = any (api_roles) and a.grantee <> p.proowner and pg_has_role(p.proowner, 'usage')
                and a.grantee not in (0, 'anon'::regrole, 'authenticated'::regrole, 'service_role'::regrole)
        ) as held
        order by held.what, held.grantee;
    return query
        select 6.2, 'revoke', format('what new %s of %s%s grant to %s', kind.name, d.defaclrole::regrole,
                case when d.defaclnamespace <> 0 then ' in schema tick' else '' end,
                string_agg(distinct case when a.grantee = 0 then 'public' else a.grantee::regrole::text end, ', ')),
            format('alter default privileges for role %s %s revoke all on %s from %s', d.defaclrole::regrole,
                case when d.defaclnamespace <> 0 then 'in schema tick' else '' end, kind.name,
                string_agg(distinct case when a.grantee = 0 then 'public' else a.grantee::regrole::text end, ', '))
        from pg_catalog.pg_default_acl as d
        cross join lateral aclexplode(d.defaclacl) as a
        join (values ('r', 'tables'), ('S', 'sequences'), ('f', 'functions')) as kind (code, name)
            on kind.code = d.defaclobjtype
        where d.defaclrole = to_regrole(current_user) and a.grantee <> d.defaclrole and a.grantee = any (api_roles)
            and (d.defaclnamespace = to_regnamespace('tick')
                or d.defaclnamespace = 0 and not (d.defaclobjtype = 'f' and a.grantee = 0))
        group by d.defaclrole, d.defaclnamespace, kind.name
        order by 2;
end
$$;

-- What the project's own code will notice of all this.
create or replace function pg_temp.tick_consequences()
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
begin
    if to_regclass('tick.migration') is not null then
        return;
    end if;
    return query
        select 9.0, 'note', format(
            '%s: users read their own row and write none from now on; what they are to write, or show to others (%s), '
            'needs a table of its own', c.oid::regclass, string_agg(quote_ident(a.attname), ', ' order by a.attnum)
        ), null
        from pg_catalog.pg_class as c
        join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.oid = any (pg_temp.tick_public_tables())
            and a.attname <> all (pg_temp.tick_columns(c.oid) || array['id', 'created_at', 'updated_at']::name[])
        group by c.oid
        order by c.oid::regclass::text;
    return query
        select distinct 9.0, 'note', format(
            'policy %I on %s reads %s, of which users see only their own row from now on, and visitors none',
            p.polname, p.polrelid::regclass, d.refobjid::regclass
        ), null
        from pg_catalog.pg_depend as d
        join pg_catalog.pg_policy as p on d.classid = 'pg_catalog.pg_policy'::regclass and p.oid = d.objid
        where d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = any (pg_temp.tick_public_tables())
            and p.polrelid <> all (pg_temp.tick_public_tables())
        order by 3;
end
$$;

-- Ways around our tables' rights: views that read with their owner's, functions that run with their owner's, and
-- functions that could be taken for ours.

-- Views and copies of our tables and of the accounts, also those of other views.
create or replace function pg_temp.tick_views()
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    api_roles constant oid[] := pg_temp.tick_api_roles();
begin
    return query
        with recursive reading as (
            select c.oid as id
            from pg_catalog.pg_class as c
            where c.oid = any (pg_temp.tick_public_tables()) or c.oid = 'auth.users'::regclass
                or c.relnamespace = to_regnamespace('tick') and c.relkind in ('r', 'v')
            union
            select r.ev_class
            from reading as x
            join pg_catalog.pg_depend as d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = x.id
            join pg_catalog.pg_rewrite as r on d.classid = 'pg_catalog.pg_rewrite'::regclass and r.oid = d.objid
        )
        select 6.3, way.kind, format(way.message, c.oid::regclass, c.relowner::regrole),
            format(way.command, c.oid::regclass)
        from reading as x
        join pg_catalog.pg_class as c on c.oid = x.id and c.relkind in ('v', 'm')
        join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
        join (values
            (
                'v', true, 'change', 'view %1$s shows what its reader may read (security_invoker)',
                'alter view %1$s set (security_invoker = true)'
            ),
            (
                'm', true, 'revoke', 'everything on %1$s, a copy of users'' data, from those who use the API',
                'revoke all on table %1$s from public, anon, authenticated, service_role, authenticator'
            ),
            (
                'v', false, 'note', 'the view %1$s shows users'' data with the rights of %2$s: as %2$s, make it '
                'security_invoker, or drop it', null
            ),
            (
                'm', false, 'note', 'the materialized view %1$s is a copy of users'' data: as %2$s, revoke everything '
                'on it from those who use the API', null
            )
        ) as way (relkind, is_mine, kind, message, command)
            on way.relkind = c.relkind and way.is_mine = pg_has_role(c.relowner, 'usage')
        where n.nspname not in ('tick', 'auth', 'pg_catalog', 'information_schema')
            and not (c.relkind = 'v' and exists (
                select from pg_options_to_table(c.reloptions) as o
                where o.option_name = 'security_invoker' and o.option_value::boolean
            ))
            and exists (
                select from pg_catalog.pg_roles as r
                where r.oid = any (api_roles) and has_schema_privilege(r.oid, n.oid, 'usage')
                    and (has_table_privilege(r.oid, c.oid, 'select, insert, update, delete')
                        or has_any_column_privilege(r.oid, c.oid, 'select, insert, update'))
            )
        order by c.oid::regclass::text;
end
$$;

-- Functions that may be called through the API, run with their owner's rights and speak of our tables. Triggers can't
-- be called; functions that have a name of ours are ours, or go.
create or replace function pg_temp.tick_functions_around(files jsonb)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    api_roles constant oid[] := pg_temp.tick_api_roles();
begin
    return query
        select 6.4, way.kind, format(way.message, p.oid::regprocedure, p.proowner::regrole),
            format(way.command, p.oid::regprocedure)
        from pg_catalog.pg_proc as p
        join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
        join (values
            (
                true, 'revoke',
                'EXECUTE on %1$s, which runs with the rights of %2$s and mentions our tables, from those who use the '
                'API',
                'revoke execute on routine %1$s from public, anon, authenticated, service_role, authenticator'
            ),
            (
                false, 'note',
                '%1$s runs with the rights of %2$s and mentions our tables: as %2$s, revoke EXECUTE on it from those '
                'who use the API',
                null
            )
        ) as way (is_mine, kind, message, command) on way.is_mine = pg_has_role(p.proowner, 'usage')
        where p.prosecdef and p.prokind in ('f', 'p')
            and n.nspname not in ('tick', 'auth', 'pg_catalog', 'information_schema')
            and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
            and pg_get_functiondef(p.oid) ~* '\m(profiles|user_daily_usage|daily_tick_limit|tick\s*\.|"tick"\s*\.)'
            and n.nspname || '.' || p.proname not in (select f.name from pg_temp.tick_functions(files) as f)
            and exists (
                select from pg_catalog.pg_roles as r
                where r.oid = any (api_roles) and has_schema_privilege(r.oid, n.oid, 'usage')
                    and has_function_privilege(r.oid, p.oid, 'execute')
            )
            and not exists (
                select from pg_catalog.pg_depend as d
                where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
        order by p.oid::regprocedure::text;
end
$$;

-- Functions that PostgREST could take for ours. What they were is kept.
create or replace function pg_temp.tick_namesakes(files jsonb)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    installed constant boolean := to_regclass('tick.migration') is not null;
    namesake record;
begin
    for namesake in
        select p.oid, p.oid::regprocedure::text as signature, p.prokind, (
                select string_agg(pg_describe_object(d.classid, d.objid, d.objsubid), ', ')
                from pg_catalog.pg_depend as d
                where d.refclassid = 'pg_catalog.pg_proc'::regclass and d.refobjid = p.oid and d.deptype <> 'i'
            ) as used_by,
            pg_has_role(p.proowner, 'usage') as is_mine, p.proowner::regrole as owner_name
        from pg_catalog.pg_proc as p
        join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
        where n.nspname in ('public', 'tick')
            and n.nspname || '.' || p.proname in (select f.name from pg_temp.tick_functions(files) as f)
            and not (installed and p.oid in (
                select f.id from pg_temp.tick_functions(files) as f where f.id is not null
            ))
    loop
        if namesake.used_by is not null or not namesake.is_mine then
            return query select 0.0, 'blocker',
                format('a function of that name is in the way: %s, %s; rename or drop it', namesake.signature,
                    coalesce('used by ' || namesake.used_by, 'which belongs to ' || namesake.owner_name)),
                null;
        else
            return query select 2.0, 'drop', format('function %s', namesake.signature), format(
                'insert into tick.adopted (table_name, "row", reason) values (%L, %L, %L); drop routine %s',
                'pg_proc', jsonb_build_object('signature', namesake.signature, 'definition',
                    case when namesake.prokind in ('f', 'p') then pg_get_functiondef(namesake.oid) end),
                'it had the name of a function of tickctl', namesake.signature);
        end if;
    end loop;
end
$$;

-- The private tables, and all indexes: what somebody has dropped since, made again from the text of the migrations.

create or replace function pg_temp.tick_private(files jsonb)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    definition record;
begin
    if to_regclass('tick.migration') is null then
        return;
    end if;
    for definition in
        select f.file, s.parts[1] as name, s.parts[2] as body, s.statement, to_regclass(s.parts[1])::oid as id
        from jsonb_array_elements(files) as f (file)
        cross join lateral (
            select m.parts, 'create table ' || m.parts[1] || ' (' || m.parts[2] as statement
            from regexp_matches(
                f.file ->> 'text', '^create table (?:if not exists )?([a-z_.]+) \(([^;]*;)', 'gw') as m (parts)
        ) as s
        where f.file ->> 'run' = 'once' and pg_temp.tick_digest(f.file ->> 'name') is not null
    loop
        if definition.id is null then
            return query select 6.8, 'create', definition.name || ' anew: somebody has dropped it',
                -- A file that can be run again also fills what it makes.
                case when definition.file ->> 'text' ~ 'create table if not exists' then definition.file ->> 'text'
                    else definition.statement end;
            continue;
        end if;
        continue when definition.name like 'public.%';
        return query
            select 6.9, 'change', format('%s: %s again', definition.name, c.parts[1]), format(
                'alter table %s drop constraint if exists %s; alter table %1$s add constraint %2$s %s',
                definition.name, c.parts[1], c.parts[2])
            from regexp_matches(definition.body, '^ +constraint ([a-z_]+) (check .*?),?$', 'gn') as c (parts)
            where not exists (
                select from pg_catalog.pg_constraint as k
                where k.conrelid = definition.id and k.conname = c.parts[1] and k.convalidated
                    and pg_get_constraintdef(k.oid) !~ 'NOT ENFORCED');
        return query
            select 6.9, 'change', format('%s: the primary key again', definition.name),
                format('alter table %s add primary key (%s)', definition.name, coalesce(k.parts[1], k.parts[2]))
            from regexp_matches(
                definition.body, '^ +(?:primary key \(([a-z_, ]+)\)|([a-z_]+) .*primary key.*)', 'gn') as k (parts)
            where not exists (
                select from pg_catalog.pg_constraint as p where p.conrelid = definition.id and p.contype = 'p');
        return query
            select 6.9, 'change', format('%s: rows go with their user again', definition.name),
                format('alter table %s add foreign key (user_id) references auth.users (id) on delete cascade',
                    definition.name)
            where definition.body ~ ' user_id [^,]*references auth\.users \(id\) on delete cascade'
                and not pg_temp.tick_has_constraint(
                    definition.id, 'FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE');
        return query
            select 6.9, 'change', format('%s.%s is never null again', definition.name, a.attname),
                format('alter table %s alter column %I set not null', definition.name, a.attname)
            from regexp_matches(definition.body, '^ *([a-z_]+) .*not null', 'gn') as c (parts)
            join pg_catalog.pg_attribute as a on a.attrelid = definition.id and a.attname = c.parts[1]
            where not a.attnotnull;
    end loop;

    return query
        select 6.95, 'create', format('index %s again', i.parts[2]), i.parts[1]
        from jsonb_array_elements(files) as f (file)
        cross join regexp_matches(
            f.file ->> 'text', '^(create (?:unique )?index (?:if not exists )?([a-z_]+) on ([a-z]+)\.[^;]*;)', 'gw'
        ) as i (parts)
        where f.file ->> 'run' = 'once' and pg_temp.tick_digest(f.file ->> 'name') is not null
            and to_regclass(i.parts[3] || '.' || i.parts[2]) is null;
end
$$;

-- What of ours belongs to somebody else by now.
create or replace function pg_temp.tick_owners(files jsonb)
returns table (phase numeric, kind text, message text, command text)
language sql volatile set search_path = ''
as $$
    select case when o.is_mine then 1.0 else 0.0 end, case when o.is_mine then 'change' else 'blocker' end,
        case when o.is_mine then format('%s belongs to %s again, no longer to %s', o.what, current_user, o.owner_name)
            else format('%s belongs to %s, and %s may not change it', o.what, o.owner_name, current_user) end,
        format('alter %s owner to %I', o.what, current_user)
    from (
        select 'function ' || p.oid::regprocedure as what, p.proowner::regrole as owner_name,
            pg_has_role(p.proowner, 'usage') as is_mine
        from pg_catalog.pg_proc as p
        where p.proowner <> to_regrole(current_user)
            and (to_regclass('tick.migration') is not null
                and p.oid in (select f.id from pg_temp.tick_functions(files) as f where f.id is not null))
        union all
        select case c.relkind when 'v' then 'view ' else 'table ' end || c.oid::regclass, c.relowner::regrole,
            pg_has_role(c.relowner, 'usage')
        from pg_catalog.pg_class as c
        where c.relnamespace = to_regnamespace('tick') and c.relkind in ('r', 'v')
            and c.relowner <> to_regrole(current_user)
    ) as o
$$;

-- What of ours the database has, and whether it is as we left it.

-- A digest of everything of ours but the rows and the two public tables, which the plan looks at one by one. It tells
-- that something was changed; installing functions, views, triggers, rights and policies again then mends it.
create or replace function pg_temp.tick_fingerprint(files jsonb) returns text
language sql stable set search_path = ''
as $$
    with ours as (
        select p.oid
        from pg_catalog.pg_proc as p
        where p.pronamespace = to_regnamespace('tick')
            or p.oid in (select f.id from pg_temp.tick_functions(files) as f where f.id is not null)
    ),
    relations as (
        select c.*
        from pg_catalog.pg_class as c
        where c.relnamespace = to_regnamespace('tick') and c.relkind in ('r', 'v', 'S')
            or c.oid = any (pg_temp.tick_public_tables())
    ),
    privileges as (
        select 'function ' || p.oid::regprocedure as what, p.proacl as acl
        from pg_catalog.pg_proc as p join ours as o on o.oid = p.oid
        union all
        select 'relation ' || r.oid::regclass, r.relacl from relations as r
        union all
        select 'schema tick', n.nspacl from pg_catalog.pg_namespace as n where n.nspname = 'tick'
    ),
    lines (line) as (
        select pg_get_functiondef(p.oid) || p.proowner::regrole
        from pg_catalog.pg_proc as p join ours as o on o.oid = p.oid where p.prokind = 'f'
        union all
        select concat_ws(
            ' ', p.what, coalesce(a.grantee::regrole::text, 'nobody said'), a.privilege_type, a.is_grantable)
        from privileges as p left join lateral aclexplode(p.acl) as a on true
        union all
        select concat_ws(' ', r.oid::regclass, r.relkind, r.relowner::regrole, r.relrowsecurity,
            case r.relkind when 'v' then r.reloptions::text || pg_get_viewdef(r.oid) end)
        from relations as r
        union all
        select concat_ws(' ', a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull)
        from pg_catalog.pg_attribute as a join relations as r on r.oid = a.attrelid
        where r.relnamespace = to_regnamespace('tick') and r.relkind = 'r' and a.attnum > 0
        union all
        select concat_ws(' ', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
        from pg_catalog.pg_constraint as c where c.connamespace = to_regnamespace('tick')
        union all
        select pg_get_indexdef(i.indexrelid)
        from pg_catalog.pg_index as i join relations as r on r.oid = i.indrelid
        where r.relnamespace = to_regnamespace('tick')
        union all
        select concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled)
        from pg_catalog.pg_trigger as t join ours as o on o.oid = t.tgfoid where not t.tgisinternal
        union all
        select concat_ws(' ', r.oid::regclass, p.polname, p.polpermissive, p.polroles::regrole[], p.polcmd,
            pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
        from pg_catalog.pg_policy as p join relations as r on r.oid = p.polrelid
    )
    select current_setting('server_version_num')::integer / 10000 || ' ' || md5(string_agg(line, E'\n' order by line))
    from lines
$$;

-- Why tickctl must not touch this database at all; nothing else is looked at then.
create or replace function pg_temp.tick_refusals(files jsonb, release jsonb)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    role_name name;
    owner_name name;
    contents bigint;
    unknown text;
begin
    if to_regclass('auth.users') is null or to_regclass('auth.sessions') is null
        or to_regprocedure('auth.uid()') is null or to_regprocedure('auth.jwt()') is null
    then
        return query select 0.0, 'refused', 'this is not the database of a Supabase project: it lacks auth.users, '
            'auth.sessions, auth.uid() or auth.jwt()', null;
        return;
    end if;
    unknown := (
        select string_agg(c.name, ', ')
        from unnest(array[
            'id', 'email', 'email_confirmed_at', 'banned_until', 'deleted_at', 'is_anonymous', 'is_sso_user',
            'created_at', 'last_sign_in_at', 'raw_app_meta_data'
        ]) as c (name)
        where (pg_temp.tick_column('auth.users'::regclass, c.name)).found is not true
    );
    if unknown is not null then
        return query select 0.0, 'refused',
            'Supabase Auth is too old, or of another kind: auth.users has no ' || unknown, null;
        return;
    end if;
    foreach role_name in array array['anon', 'authenticated', 'service_role']::name[] loop
        if to_regrole(role_name) is null then
            return query select 0.0, 'refused',
                format('this is not the database of a Supabase project: it has no role %s', role_name), null;
            return;
        end if;
    end loop;

    select n.nspowner::regrole, (select count(*) from pg_catalog.pg_class as c where c.relnamespace = n.oid)
        + (select count(*) from pg_catalog.pg_proc as p where p.pronamespace = n.oid)
        into owner_name, contents from pg_catalog.pg_namespace as n where n.nspname = 'tick';
    if owner_name <> current_user then
        return query select 0.0, 'denied',
            format('the schema tick belongs to %s, and this connection is %s', owner_name, current_user), null;
        return;
    elsif contents > 0 and to_regclass('tick.migration') is null then
        return query select 0.0, 'refused', 'there is a schema tick that tickctl did not make', null;
        return;
    elsif to_regclass('tick.migration') is not null then
        if string_to_array(substring(pg_temp.tick_digest('tickctl') from '^[0-9.]*[0-9]'), '.')::integer[]
            > string_to_array(substring(release ->> 'version' from '^[0-9.]*[0-9]'), '.')::integer[]
        then
            return query select 0.0, 'newer', format('the database was set up by tickctl %s, and this is %s',
                pg_temp.tick_digest('tickctl'), release ->> 'version'), null;
            return;
        end if;
        execute 'select min(m.name) from tick.migration as m where m.name like ''migrations/%'' and m.name not in ('
            'select f.file ->> ''name'' from jsonb_array_elements($1) as f (file))' into unknown using files;
        if unknown is not null then
            return query select 0.0, 'newer',
                'the database was set up by a newer version of tickctl, which ran ' || unknown, null;
            return;
        end if;
        execute 'select min(m.name) from tick.migration as m join jsonb_array_elements($1) as f (file)'
            ' on f.file ->> ''name'' = m.name where m.name like ''migrations/%'''
            ' and m.digest <> f.file ->> ''digest'' and not $2 -> ''superseded'' ? m.digest' into unknown
            using files, release;
        if unknown is not null then
            return query select 0.0, 'refused', 'the database ran another text of ' || unknown, null;
            return;
        end if;
    end if;

    return query
        select 0.0, 'denied', format('%s %s', current_user, r.lacks), null
        from (values
            (owner_name is not null or has_database_privilege(current_database(), 'create'), 'may not create schemas'),
            (has_schema_privilege('public', 'create'), 'may not create tables in schema public'),
            (has_table_privilege('auth.users', 'references'), 'may not refer to auth.users'),
            (has_table_privilege('auth.users', 'trigger'), 'may not put triggers on auth.users'),
            (has_table_privilege('auth.users', 'select'), 'may not read auth.users')
        ) as r (allowed, lacks)
        where not r.allowed;
end
$$;

-- The plan. `files` are those of tickctl/sql in the order in which they run, each with its name, digest, text, and when
-- it is to `run`: 'once', 'again' (whenever it or another has changed) or 'installed' (as 'again', but only where the
-- database has it already). Of the `release`, `version` is tickctl's, and `superseded` are the digests of migrations
-- that count as those of today.

create or replace function pg_temp.tick_plan(files jsonb, release jsonb)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    installed constant boolean := to_regclass('tick.migration') is not null;
    steps jsonb;
    file jsonb;
    is_altered boolean := false;
    is_outdated boolean := false;
begin
    steps := (select jsonb_agg(to_jsonb(r)) from pg_temp.tick_refusals(files, release) as r);
    if steps is not null then
        return query select s.*
            from jsonb_to_recordset(steps) as s (phase numeric, kind text, message text, command text);
        return;
    end if;

    steps := coalesce((
        select jsonb_agg(to_jsonb(s))
        from (
            select * from pg_temp.tick_profiles((
                select f.file ->> 'text' from jsonb_array_elements(files) as f (file)
                where f.file ->> 'name' = 'functions/05_profile_id.sql'
            ))
            union all
            select * from pg_temp.tick_usage()
            union all
            select * from pg_temp.tick_namesakes(files)
            union all
            select * from pg_temp.tick_owners(files)
            union all
            select * from pg_temp.tick_private(files)
            union all
            select * from pg_temp.tick_policies()
            union all
            select * from pg_temp.tick_table_rights()
            union all
            select * from pg_temp.tick_other_rights(files)
            union all
            select * from pg_temp.tick_consequences()
            union all
            select * from pg_temp.tick_views()
            union all
            select * from pg_temp.tick_functions_around(files)
        ) as s
    ), '[]');

    -- What has never run, or ran with another text; an optional file is no reason to run all the others again.
    is_altered := installed and pg_temp.tick_fingerprint(files) is distinct from pg_temp.tick_digest('state');
    for file in select * from jsonb_array_elements(files) loop
        if file ->> 'run' = 'once' and pg_temp.tick_digest(file ->> 'name') is null then
            is_outdated := true;
            return query select 7.1, 'create', 'migration ' || (regexp_match(file ->> 'name', '/(.*)\.sql'))[1],
                file ->> 'text';
        elsif file ->> 'name' like 'optional/%' and pg_temp.tick_digest(file ->> 'name') is null then
            return query select 8.1, 'create',
                'the optional ' || translate((regexp_match(file ->> 'name', '/(.*)\.sql'))[1], '_', ' '),
                file ->> 'text'
                where file ->> 'run' = 'again';
        elsif file ->> 'run' <> 'once' then
            is_outdated := is_outdated or pg_temp.tick_digest(file ->> 'name') is distinct from file ->> 'digest';
        end if;
    end loop;
    return query select s.*
        from jsonb_to_recordset(steps) as s (phase numeric, kind text, message text, command text);

    if steps @? '$[*] ? (@.kind == "blocker")' then
        return;
    elsif is_altered or is_outdated or steps @? '$[*] ? (@.kind != "note")' then
        if to_regclass('public.profiles') is not null then
            return query select * from pg_temp.tick_emails();
        end if;
        return query select * from pg_temp.tick_missing_profiles();
        return query
            select 8.0,
                case when not installed then 'create' when is_outdated then 'update' else 'change' end,
                case when not installed then 'functions, views, triggers, rights and policies'
                    when is_outdated then 'functions, views, triggers, rights and policies of this version'
                    when split_part(pg_temp.tick_digest('state'), ' ', 1)
                        <> split_part(pg_temp.tick_fingerprint(files), ' ', 1)
                        then 'functions, views, triggers, rights and policies again, after the upgrade of PostgreSQL'
                    else 'functions, views, triggers, rights and policies as they were: they were altered since' end,
                string_agg(f.file ->> 'text', E'\n' order by f.place)
            from jsonb_array_elements(files) with ordinality as f (file, place)
            where f.file ->> 'run' <> 'once'
                and (f.file ->> 'name' not like 'optional/%' or pg_temp.tick_digest(f.file ->> 'name') is not null);
    end if;
end
$$;

-- The carrying out.

-- Carries the plan out and returns its steps; with a blocker or a refusal among them, nothing is done.
create or replace function pg_temp.tick_apply(files jsonb, release jsonb)
returns table (kind text, message text)
language plpgsql volatile set search_path = ''
as $$
declare
    steps jsonb;
    step record;
    resume text := '';
    pausing boolean := false;
begin
    steps := (select jsonb_agg(to_jsonb(p)) from pg_temp.tick_plan(files, release) as p);
    if steps @? '$[*] ? (@.phase > 0 && @.phase < 7)' then
        -- Nothing may move between looking and doing. Accounts first, as who signs up does.
        begin
            lock table auth.users in share row exclusive mode;
        exception
            when insufficient_privilege then null;
        end;
        if to_regclass('public.profiles') is not null then
            lock table public.profiles in access exclusive mode;
        end if;
        if to_regclass('public.user_daily_usage') is not null then
            lock table public.user_daily_usage in access exclusive mode;
        end if;
        steps := (select jsonb_agg(to_jsonb(p)) from pg_temp.tick_plan(files, release) as p);
    end if;
    if steps is null or steps @? '$[*] ? (@.kind like_regex "^(blocker|refused|denied|newer)$")' then
        return query select s.kind, s.message
            from jsonb_to_recordset(steps) as s (phase numeric, kind text, message text)
            order by s.phase;
        return;
    end if;

    -- A table with checks that are put off can't be altered. What is kept needs a place before anything is taken out.
    set constraints all immediate;
    execute 'create schema if not exists tick; revoke all on schema tick from public';
    execute (select f.file ->> 'text' from jsonb_array_elements(files) as f (file)
        where f.file ->> 'name' = 'migrations/0005_adopted.sql');
    for step in
        select s.*
        from rows from (jsonb_to_recordset(steps) as (phase numeric, kind text, message text, command text))
            with ordinality as s (phase, kind, message, command, place)
        order by s.phase, s.place
    loop
        -- Other people's triggers are not meant for this: they would log it, stamp it, or refuse it.
        if step.phase >= 4 and step.phase < 5 and not pausing then
            pausing := true;
            resume := pg_temp.tick_pause_triggers();
        elsif step.phase >= 5 and resume <> '' then
            execute resume;
            resume := '';
        end if;
        if step.command is not null then
            execute step.command;
        end if;
        kind := step.kind;
        message := step.message;
        return next;
    end loop;
    execute $command$
        insert into tick.migration (name, digest, applied_at)
        select f.file ->> 'name', f.file ->> 'digest', now()
        from jsonb_array_elements($1) as f (file)
        where f.file ->> 'run' <> 'installed'
            or exists (select from tick.migration as m where m.name = f.file ->> 'name')
        union all
        select 'state', pg_temp.tick_fingerprint($1), now()
        union all
        select 'tickctl', $2, now()
        on conflict (name) do update set digest = excluded.digest, applied_at = excluded.applied_at
        where migration.digest <> excluded.digest
    $command$ using files, release ->> 'version';
    notify pgrst, 'reload schema';
end
$$;

-- Pauses the triggers of our two tables; returns what brings each back to how it was.
create or replace function pg_temp.tick_pause_triggers() returns text
language plpgsql volatile set search_path = ''
as $$
declare
    found record;
    resume text := '';
begin
    for found in
        select t.tgrelid::regclass as named, t.tgname, t.tgenabled
        from pg_catalog.pg_trigger as t
        where t.tgrelid = any (pg_temp.tick_public_tables()) and not t.tgisinternal and t.tgenabled <> 'D'
    loop
        execute format('alter table %s disable trigger %I', found.named, found.tgname);
        resume := resume || format('alter table %s enable %s trigger %I; ', found.named,
            case found.tgenabled when 'A' then 'always' when 'R' then 'replica' else '' end, found.tgname);
    end loop;
    return resume;
end
$$;

-- Leaves nothing of this behind in a session that goes on.
create or replace function pg_temp.tick_forget() returns void
language plpgsql volatile
as $$
declare
    signature text;
begin
    for signature in
        select p.oid::regprocedure from pg_catalog.pg_proc as p
        where p.pronamespace = pg_my_temp_schema() and p.proname like 'tick\_%'
    loop
        execute 'drop function ' || signature;
    end loop;
end
$$;
$tickctl_planner$;
    for step in execute 'select kind, message from pg_temp.tick_apply($1, $2)' using files, release loop
        if step.kind in ('blocker', 'refused', 'denied', 'newer') then
            in_the_way := in_the_way || E'\n' || step.message;
        end if;
    end loop;
    execute 'select pg_temp.tick_forget()';
    perform set_config('lock_timeout', lock_timeout, true), set_config('client_min_messages', messages, true);
    if in_the_way <> '' then
        raise exception 'tickctl can''t install its schema:%', in_the_way using errcode = '55000';
    end if;
end
$tickctl$;
