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
