-- The tables and types. `public` holds what users may read of their own; `tick` is private: it is never added to the
-- schemas that PostgREST serves, and everything in it is reached through functions.
--
-- Every statement can run again: on an empty database, on one that an older version of tickctl set up, and on one from
-- which somebody has dropped a table. Numbers below 0006 belong to older versions.

create schema if not exists tick;
revoke all on schema tick from public;

-- The files of tickctl/sql that this database has run, and whether public.profiles and public.user_daily_usage were
-- made by tickctl ('made') or were there before ('adopted').
create table if not exists tick.migration (
    name text not null,
    digest text not null,
    applied_at timestamptz not null
);

-- Each object of ours as it was installed: what differs from it later was changed by somebody else.
create table if not exists tick.installed (object text not null, digest text not null);

-- What was taken out of tables that were there before, and the statement that undoes each change to them.
create table if not exists tick.adopted (
    id bigint generated always as identity,
    table_name text not null,
    "row" jsonb not null,
    reason text not null,
    at timestamptz not null default now()
);
alter table tick.adopted add column if not exists undo text;
comment on table tick.adopted is
    'Rows as they were before they were merged or taken out, and how to undo changes to tables of the project.';

-- Functions, views and types are made anew by the files that follow. Functions of older versions go, and with them
-- their triggers; to drop a trigger on auth.users itself would take Supabase Auth's own role.
do $$
declare
    statement text;
begin
    for statement in
        select format('drop %s %s %s', kind.name, string_agg(o.identity, ', '), kind.reach)
        from (
            select 1 as place, c.oid::regclass::text as identity
            from pg_catalog.pg_class as c where c.relnamespace = 'tick'::regnamespace and c.relkind = 'v'
            union all
            select case when p.prorettype = 'trigger'::regtype then 2 else 3 end, p.oid::regprocedure::text
            from pg_catalog.pg_proc as p
            where p.pronamespace = 'tick'::regnamespace and p.prokind = 'f'
                and p.proname <> 'access_token_hook'
                and not (
                    p.proname = 'mirror_profile_id' and exists (select from pg_catalog.pg_trigger as x where x.tgfoid = p.oid)
                )
            union all
            -- In public those of these names are ours once tickctl has been installed; before, they stop the installation.
            select 4, p.oid::regprocedure::text
            from pg_catalog.pg_proc as p
            where p.pronamespace = 'public'::regnamespace and p.prokind = 'f' and p.prosrc ~ '\mtick\.'
                and exists (select from tick.migration) and (p.proname in ('consume_ticks', 'settle_ticks', 'my_ticks') or p.proname like 'tick\_admin\_%')
            union all
            select 5, t.oid::regtype::text
            from pg_catalog.pg_type as t join pg_catalog.pg_class as c on c.oid = t.typrelid and c.relkind = 'c'
            where t.typnamespace = 'tick'::regnamespace
        ) as o
        join (values
            (1, 'view', ''), (2, 'function', 'cascade'), (3, 'function', ''), (4, 'function', ''), (5, 'type', '')
        ) as kind (place, name, reach) on kind.place = o.place
        group by kind.place, kind.name, kind.reach
        order by kind.place
    loop
        execute statement;
    end loop;
end
$$;

-- Older versions kept lists of their own.
drop table if exists tick.flagged_user, tick.exhaustion;
drop index if exists public.profiles_list, public.profiles_list_unlimited, public.profiles_list_blocked;

insert into tick.migration (name, digest, applied_at)
select t.name, case
    when to_regclass(t.name) is null then 'made'
    -- Older than tickctl in this database, whatever form an older version has given it since. (A restored dump has all of
    -- its tables in the order of their names: then none of them passes for tickctl's.)
    when to_regclass(t.name)::oid < 'tick.migration'::regclass::oid then 'adopted'
    -- As an older version made it for itself; all other tables belong to the project.
    when t.name = 'public.profiles' and exists (select from tick.migration as m where m.name like 'migrations/0001%')
        and (
            select string_agg(a.attname, ' ' order by a.attnum) = 'user_id email daily_tick_limit' and max(a.attnum) = 3
            from pg_catalog.pg_attribute as a where a.attrelid = to_regclass(t.name) and a.attnum > 0
        ) then 'made'
    when t.name = 'public.user_daily_usage'
        and exists (select from tick.migration as m where m.name like 'migrations/0001%')
        and (
            select string_agg(a.attname, ' ' order by a.attnum) = 'user_id usage_date ticks_used ticks_granted'
            from pg_catalog.pg_attribute as a where a.attrelid = to_regclass(t.name) and a.attnum > 0
        ) then 'made'
    else 'adopted'
end, now()
from (values ('public.profiles'), ('public.user_daily_usage')) as t (name)
where not exists (select from tick.migration as m where m.name = t.name);

create table if not exists public.profiles (user_id uuid not null, daily_tick_limit integer default 32);
create table if not exists public.user_daily_usage (
    user_id uuid not null,
    usage_date date not null,
    ticks_used bigint not null default 0,
    ticks_granted bigint not null default 0,
    refunds integer not null default 0
)
-- Room in each page, so that the counting updates stay in it and touch no index (heap-only tuples).
with (fillfactor = 70);

do $$
begin
    if exists (select from tick.migration as m where m.name = 'public.profiles' and m.digest = 'made') then
        drop policy if exists profiles_read_own on public.profiles;
        -- Copies of addresses that older versions kept; a column that the project adds later is its own.
        if exists (select from tick.migration as m where m.name like 'migrations/0001%')
            and not exists (select from tick.migration as m where m.name like 'migrations/0006%')
        then
            alter table public.profiles drop column if exists email;
        end if;
        comment on table public.profiles is 'One row per user; users may read their own and change nothing.';
        comment on column public.profiles.daily_tick_limit is 'Ticks per day; null is unlimited, 0 is blocked.';
    end if;
    if exists (select from tick.migration as m where m.name = 'public.user_daily_usage' and m.digest = 'made') then
        alter table public.user_daily_usage add column if not exists refunds integer not null default 0;
        alter table public.user_daily_usage
            alter ticks_used set not null, alter ticks_used set default 0,
            alter ticks_granted set not null, alter ticks_granted set default 0,
            alter refunds set not null, alter refunds set default 0;
        comment on table public.user_daily_usage is 'Ticks of one user on one day of the stored time zone.';
        comment on column public.user_daily_usage.ticks_granted is 'Added by operators to the limit of this one day.';
        comment on column public.user_daily_usage.refunds is 'Charges of this day that a gateway has settled to 0.';
        create index if not exists user_daily_usage_day on public.user_daily_usage (usage_date);
    end if;
end
$$;

-- A charge has no foreign key to its day on purpose. The key's check would lock the day's row for sharing before
-- it is counted on, which costs every request and can deadlock with the deletion of the user. Nothing is lost:
-- a charge stays only where counting on the day's row succeeded in the same transaction, and a trigger deletes
-- the charges together with that row.
create table if not exists tick.charge (
    id uuid not null,
    user_id uuid not null,
    usage_date date not null,
    ticks integer not null,
    ticks_settled integer,
    created_at timestamptz not null,
    settled_at timestamptz,
    refund_digest bytea
);
alter table tick.charge add column if not exists refund_digest bytea, alter column id drop default;
comment on table tick.charge is
    'Each granted consumption. Per user and day, sum(coalesce(ticks_settled, ticks)) = user_daily_usage.ticks_used.';
comment on column tick.charge.refund_digest is 'SHA-256 of the secret with which the gateway gives ticks back.';

-- Requests that brought a key, apart from the charges, most of which have none: an index with a condition costs every
-- charge that doesn't fulfil it. A request goes when its charge is given back, and with its day.
create table if not exists tick.request (
    user_id uuid not null,
    request_key text not null,
    request_digest text,
    usage_date date not null,
    charge_id uuid not null
);
do $$
begin
    if exists (
        select from pg_catalog.pg_attribute as a
        where a.attrelid = 'tick.charge'::regclass and a.attname = 'request_key' and not a.attisdropped
    ) then
        insert into tick.request (user_id, request_key, request_digest, usage_date, charge_id)
        select c.user_id, c.request_key, c.request_digest, c.usage_date, c.id
        from tick.charge as c where c.request_key is not null and c.ticks_settled is distinct from 0;
        alter table tick.charge drop column request_key, drop column request_digest;
    end if;
end
$$;

create table if not exists tick.settings (
    only_row boolean not null default true,
    time_zone text not null default 'UTC',
    default_limit integer default 32,
    largest_cost integer not null default 1000000,
    retention_days integer not null default 400
);
alter table tick.settings
    add column if not exists most_refunds integer not null default 100,
    add column if not exists audience text not null default 'authenticated';
comment on column tick.settings.time_zone is 'The IANA zone whose midnight begins a new day for everybody.';
comment on column tick.settings.default_limit is 'daily_tick_limit of users without a profile; null is unlimited.';
comment on column tick.settings.largest_cost is 'The most ticks that one request may ask for.';
comment on column tick.settings.retention_days is 'How long charges, and with them request keys, are meant to be kept.';
comment on column tick.settings.most_refunds is 'Charges per user and day that a gateway may settle to 0.';
comment on column tick.settings.audience is 'The aud that tokens must have, as in SUPABASE_JWT_AUDIENCE.';
-- New users go on getting what they got before.
insert into tick.settings (default_limit)
select coalesce((regexp_match(pg_get_expr(d.adbin, d.adrelid), '^''?(\d{1,9})''?(::[a-z ]+)?$'))[1]::integer, 32)
from (select to_regclass('public.profiles') as id) as p
left join pg_catalog.pg_attribute as a on a.attrelid = p.id and a.attname = 'daily_tick_limit'
left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
where not exists (select from tick.settings);

-- A limit that profiles can't keep: of a user for whom no profile can be made.
create table if not exists tick.override (user_id uuid not null, daily_tick_limit integer);

-- A table rather than a claim: a user who is removed here is no administrator from that moment on.
create table if not exists tick.admin (user_id uuid not null, added_at timestamptz not null default now());

-- No foreign keys: the log outlives the users that it tells of.
create table if not exists tick.audit (
    id bigint generated always as identity,
    at timestamptz not null,
    action text not null,
    actor text not null,
    actor_id uuid,
    operator text,
    user_id uuid not null,
    email text,
    before jsonb not null,
    after jsonb not null,
    reason text
);
comment on column tick.audit.actor is 'Who the database knows it was: service_role, a user id, or a role.';
comment on column tick.audit.operator is 'Who the caller said that they were; not verified.';

-- Keys and checks, by name or by what they say; one that was dropped or changed is made again.
do $$
declare
    statements text[];
    statement text;
begin
    statements := array(
        select format('alter table %1$s drop constraint if exists %2$I; alter table %1$s add constraint %2$I %3$s',
            r.relation, r.name, r.definition)
        from (values
            ('public.profiles', 'profiles_pkey', 'PRIMARY KEY (user_id)'),
            ('public.profiles', 'profiles_user_id_fkey',
                'FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE'),
            ('public.profiles', 'profiles_daily_tick_limit_in_range',
                'CHECK (((daily_tick_limit >= 0) AND (daily_tick_limit <= 1000000000)))'),
            ('public.user_daily_usage', 'user_daily_usage_pkey', 'PRIMARY KEY (user_id, usage_date)'),
            ('public.user_daily_usage', 'user_daily_usage_user_id_fkey',
                'FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE'),
            ('public.user_daily_usage', 'user_daily_usage_ticks_not_negative',
                'CHECK (((ticks_used >= 0) AND (ticks_granted >= 0)))'),
            ('tick.migration', 'migration_pkey', 'PRIMARY KEY (name)'),
            ('tick.installed', 'installed_pkey', 'PRIMARY KEY (object)'),
            ('tick.adopted', 'adopted_pkey', 'PRIMARY KEY (id)'),
            ('tick.charge', 'charge_pkey', 'PRIMARY KEY (id)'),
            ('tick.request', 'request_pkey', 'PRIMARY KEY (user_id, request_key)'),
            ('tick.settings', 'settings_pkey', 'PRIMARY KEY (only_row)'),
            ('tick.settings', 'settings_only_row', 'CHECK (only_row)'),
            ('tick.settings', 'settings_default_limit_in_range',
                'CHECK (((default_limit >= 0) AND (default_limit <= 1000000000)))'),
            ('tick.settings', 'settings_largest_cost_in_range',
                'CHECK (((largest_cost >= 1) AND (largest_cost <= 1000000000)))'),
            ('tick.settings', 'settings_retention_days_in_range',
                'CHECK (((retention_days >= 1) AND (retention_days <= 36500)))'),
            ('tick.settings', 'settings_most_refunds_in_range', 'CHECK ((most_refunds >= 0))'),
            ('tick.override', 'override_pkey', 'PRIMARY KEY (user_id)'),
            ('tick.override', 'override_user_id_fkey',
                'FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE'),
            ('tick.override', 'override_daily_tick_limit_in_range',
                'CHECK (((daily_tick_limit >= 0) AND (daily_tick_limit <= 1000000000)))'),
            ('tick.admin', 'admin_pkey', 'PRIMARY KEY (user_id)'),
            ('tick.admin', 'admin_user_id_fkey', 'FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE'),
            ('tick.audit', 'audit_pkey', 'PRIMARY KEY (id)'),
            ('tick.audit', 'audit_operator_length', 'CHECK ((length(operator) <= 255))'),
            ('tick.audit', 'audit_reason_length', 'CHECK ((length(reason) <= 1000))')
        ) as r (relation, name, definition)
        cross join lateral (select r.relation::regclass::oid) as t (id)
        -- Tables that were there before are brought into shape step by step (requirements/).
        where not exists (select from tick.migration as m where m.name = r.relation and m.digest = 'adopted')
            and not exists (
                select from pg_catalog.pg_constraint as k
                where k.conrelid = t.id and k.convalidated and pg_get_constraintdef(k.oid) = r.definition
            )
    );
    foreach statement in array statements loop
        execute statement;
    end loop;
end
$$;
-- Each CHECK is read anew by every statement that writes; these amounts come from functions alone.
alter table tick.charge drop constraint if exists charge_ticks_in_range;
alter table tick.charge alter user_id set not null, alter usage_date set not null, alter ticks set not null;
alter table tick.admin alter user_id set not null;
alter table tick.audit alter actor set not null, alter user_id set not null;

create index if not exists charge_user_day on tick.charge (user_id, usage_date);
create index if not exists audit_user on tick.audit (user_id, id);
create index if not exists audit_email on tick.audit (lower(email), id);

-- The column of public.profiles that names the user, null where it can't be told: user_id, id, or one that is unique,
-- with a foreign key to auth.users; or else user_id; or id, where it holds ids of users; or what refers to auth.users.
create or replace function tick.profile_key() returns name
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    profiles constant oid := to_regclass('public.profiles');
    key name;
    is_certain boolean;
    has_default boolean;
    holds_users boolean;
begin
    select a.attname, a.attname = 'user_id' or a.attname = 'id' or c.is_unique into key, is_certain
    from pg_catalog.pg_attribute as a
    cross join lateral (
        select exists (
            select from pg_catalog.pg_constraint as k
            where k.conrelid = a.attrelid and k.contype = 'f' and k.conkey = array[a.attnum]
                and k.confrelid = to_regclass('auth.users')
        ) as refers, exists (
            select from pg_catalog.pg_index as i
            where i.indrelid = a.attrelid and i.indisunique and i.indpred is null and i.indkey::text = a.attnum::text
        ) as is_unique
    ) as c
    where a.attrelid = profiles and a.attnum > 0 and not a.attisdropped and a.atttypid = 'uuid'::regtype
        and (c.refers or a.attname = 'user_id')
    order by c.refers and a.attname in ('user_id', 'id') desc, c.refers and c.is_unique desc,
        a.attname = 'user_id' desc, a.attnum
    limit 1;
    if is_certain then
        return key;
    end if;
    has_default := (
        select a.atthasdef from pg_catalog.pg_attribute as a
        where a.attrelid = profiles and a.attname = 'id' and a.atttypid = 'uuid'::regtype and not a.attisdropped
    );
    if has_default is not null then
        execute 'select coalesce(bool_or(exists (select from auth.users as u where u.id = p.id)), $1)'
            ' from (select id from public.profiles limit 1000) as p' into holds_users using key is null or not has_default;
        key := case when holds_users then 'id' else key end;
    end if;
    return key;
end
$$;

-- A statement that changes a table of the project, with the note of how to undo it.
create or replace function tick.undoable(relation text, statement text, undo text) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
begin
    return format(
        '%s; insert into tick.adopted (table_name, "row", reason, undo) values (%L, ''{}'', %L, %L)',
        statement, relation, statement, undo
    );
end
$$;

-- The rows that functions answer with; the meaning of each column is in tickctl/core/quota/model.py.
create type tick.consumption as (
    decision text, charge_id uuid, daily_tick_limit integer, ticks_granted bigint, ticks_used bigint,
    ticks_remaining bigint, usage_date date, resets_at timestamptz, now timestamptz
);
create type tick.settlement as (
    outcome text, charge_id uuid, user_id uuid, usage_date date, ticks_charged integer, ticks_settled integer,
    settled_at timestamptz
);
create type tick.quota_state as (
    user_id uuid, email text, email_confirmed boolean, daily_tick_limit integer, usage_date date, ticks_used bigint,
    ticks_granted bigint, ticks_remaining bigint, resets_at timestamptz, time_zone text
);
create type tick.limit_change as (
    outcome text, previous_limit integer, user_id uuid, email text, email_confirmed boolean, daily_tick_limit integer,
    usage_date date, ticks_used bigint, ticks_granted bigint, ticks_remaining bigint, resets_at timestamptz,
    time_zone text
);
create type tick.limit_outcome as (user_id uuid, outcome text, previous_limit integer);
create type tick.resolved_user as (user_ref text, user_id uuid, email text, daily_tick_limit integer);
create type tick.user_match as (user_id uuid, email text);
create type tick.day_usage as (usage_date date, ticks_used bigint, ticks_granted bigint, charges bigint);
create type tick.top_entry as (user_id uuid, email text, ticks_used bigint, daily_tick_limit integer);
create type tick.user_state as (
    user_id uuid, email text, email_confirmed_at timestamptz, banned_until timestamptz, deleted_at timestamptz,
    is_anonymous boolean, session_active boolean
);
create type tick.user_overview as (
    user_id uuid, email text, email_confirmed boolean, daily_tick_limit integer, usage_date date, ticks_used bigint,
    ticks_granted bigint, ticks_remaining bigint, resets_at timestamptz, time_zone text,
    email_confirmed_at timestamptz, created_at timestamptz, last_sign_in_at timestamptz, banned_until timestamptz,
    is_anonymous boolean, sessions bigint, list_key text
);
create type tick.administrator as (user_id uuid, email text, added_at timestamptz);
create type tick.admin_change as (user_id uuid, email text, changed boolean);
-- Who calls, as the log will name them.
create type tick.actor as (name text, user_id uuid);
