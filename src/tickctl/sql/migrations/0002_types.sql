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
