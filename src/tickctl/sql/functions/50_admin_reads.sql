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
            where coalesce(lower(left(p.email, 255)), '') collate "C" = lower(user_ref)
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
