-- What administrators read of many users at once. The order is that of Supabase Auth's own unique index on e-mails, then
-- that of ids for users without an e-mail of their own (single sign-on brings the same one from several places). Without
-- a filter a page is read off these indexes; filters look at all users.

-- The users of one kind as a query of id and e-mail; $1 is what is searched for, in lower case, and $4 today's date, so that
-- the planner looks at no other day.
create or replace function tick.list_source(kind text) returns text
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    select 'select u.id, u.email, u.is_sso_user from auth.users as u where u.deleted_at is null and ($1 is null'
        ' or position($1 in lower(u.email::text)) > 0 or starts_with(u.id::text, $1)'
        ' or position(ltrim($1, ''+'') in u.phone) > 0 and $1 ~ ''^\+?\d+$'') and ' || case kind
            when 'all' then 'true'
            when 'unconfirmed' then '(u.email_confirmed_at is null or coalesce(u.email, '''') = '''')'
            when 'banned' then 'u.banned_until > (select now.moment from tick.clock as now)'
            else 'u.id in (select a.user_id from tick.account as a where a.usage_date = $4 and ' || case kind
                when 'unlimited' then 'a.daily_tick_limit is null'
                when 'blocked' then 'a.daily_tick_limit = 0'
                when 'exhausted' then 'a.ticks_remaining = 0'
            end || ' offset 0)'
        end
$$;

-- One page, beginning after the given place: the key is the e-mail, or nothing for users without one of their own.
create or replace function tick.admin_list(kind text, search text, page_size integer, after_key text, after_id uuid)
returns setof tick.user_overview
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    page constant text := $query$
        with source as not materialized (%s),
        place as materialized (%s)
        select o.*, place.list_key
        from place cross join lateral (select x.* from tick.overview as x where x.user_id = place.id offset 0) as o
        order by place.list_key collate "default", place.id
    $query$;
    first_id constant uuid := '00000000-0000-0000-0000-000000000000';
    source text;
    is_first_part boolean;
    listed integer := 0;
    today date;
begin
    perform tick.require_admin();
    perform tick.check_page_size(page_size);
    if kind is null or kind not in ('all', 'exhausted', 'unlimited', 'blocked', 'unconfirmed', 'banned') then
        raise exception 'unknown filter' using errcode = '22023',
            hint = 'One of all, exhausted, unlimited, blocked, unconfirmed, banned.';
    end if;
    source := tick.list_source(kind);
    today := (select t.usage_date from tick.today as t);
    is_first_part := after_id is null or after_key <> '';
    if is_first_part then
        return query execute format(
            page, source,
            'select s.id, s.email::text as list_key from source as s'
            ' where s.is_sso_user = false and s.email > $2 order by s.email limit $3'
        ) using lower(search), coalesce(after_key, ''), page_size, today;
        get diagnostics listed = row_count;
    end if;
    if listed < page_size then
        return query execute format(
            page, source,
            'select s.id, ''''::text as list_key from source as s'
            ' where (s.is_sso_user or s.email is null or s.email = '''') and s.id > $2 order by s.id limit $3'
        ) using lower(search), case when is_first_part then first_id else coalesce(after_id, first_id) end,
            page_size - listed, today;
    end if;
end
$$;

-- Who used most over the last days up to today; users who used nothing are left out. It looks at all usage of those
-- days, with memory to add it up in one pass, and with several processors where there are.
create or replace function tick.admin_top(days integer, how_many integer) returns setof tick.top_entry
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan set work_mem = '32MB'
as $$
declare
    today date;
begin
    perform tick.require_admin();
    perform tick.check_page_size(how_many);
    if days is null or days not between 1 and 366 then
        raise exception 'days must be from 1 to 366' using errcode = '22023';
    end if;
    today := (select t.usage_date from tick.today as t);
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
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    given text;
    letters constant text[] := string_to_array('abcdefghijklmnopqrstuvwxyz0123456789._-+', null) || array[''];
begin
    perform tick.require_admin();
    given := lower(left(user_ref, 255));
    return query
        with variant as (
            -- A letter more or less, and another letter; after that, two swapped.
            select left(given, at) || letter || substr(given, at + 1 + skipped) as email
            from generate_series(0, 11) as at, generate_series(0, 1) as skipped, unnest(letters) as letter
            union
            select left(given, at) || substr(given, at + 2, 1) || substr(given, at + 1, 1) || substr(given, at + 3)
            from generate_series(0, 11) as at
        ),
        near as (
            (
                select u.id from auth.users as u
                where u.is_sso_user = false and u.email >= given order by u.email limit 100
            )
            union
            (
                select u.id from auth.users as u
                where u.is_sso_user = false and u.email < given order by u.email desc limit 100
            )
            union
            select same.id
            from variant
            cross join lateral (
                select u.id from auth.users as u where u.is_sso_user = false and u.email = variant.email limit 2
            ) as same
        )
        select live.id, live.email::text
        from near
        cross join lateral (
            select u.id, u.email from auth.users as u
            where u.id = near.id and u.email is not null and u.deleted_at is null
            offset 0
        ) as live;
end
$$;
