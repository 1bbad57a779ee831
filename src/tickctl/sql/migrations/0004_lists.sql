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
