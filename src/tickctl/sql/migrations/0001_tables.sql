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
