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
