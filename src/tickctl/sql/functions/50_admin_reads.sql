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

create or replace function tick.admin_overview(user_ref text) returns tick.user_overview
language plpgsql stable security definer set search_path = ''
as $$
declare
    whose uuid;
    answer tick.user_overview;
begin
    perform tick.require_admin();
    whose := tick.user_named(user_ref);
    select o.* into answer from tick.overview as o where o.user_id = whose;
    return answer;
end
$$;

-- One page in the order of e-mail and id, beginning after the given place; users without an e-mail come first.
create or replace function tick.admin_list(kind text, search text, page_size integer, after_key text, after_id uuid)
returns setof tick.user_overview
language plpgsql stable security definer set search_path = ''
as $$
declare
    moment constant timestamptz := tick.clock();
begin
    perform tick.require_admin();
    perform tick.check_page_size(page_size);
    if kind is null or kind not in ('all', 'exhausted', 'unlimited', 'blocked', 'unconfirmed', 'banned') then
        raise exception 'unknown filter' using errcode = '22023',
            hint = 'One of all, exhausted, unlimited, blocked, unconfirmed, banned.';
    end if;
    return query
        select o.*
        from tick.overview as o
        join auth.users as u on u.id = o.user_id
        where u.deleted_at is null
            and (search is null or position(lower(search) in lower(o.email)) > 0)
            and (after_id is null or (o.list_key, o.user_id) > (coalesce(after_key, ''), after_id))
            and case kind
                when 'exhausted' then o.ticks_remaining = 0
                when 'unlimited' then o.daily_tick_limit is null
                when 'blocked' then o.daily_tick_limit = 0
                when 'unconfirmed' then o.email_confirmed_at is null
                when 'banned' then o.banned_until > moment
                else true
            end
        order by o.list_key, o.user_id
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
    select u.id, u.email, u.email_confirmed_at, o.banned_until, u.deleted_at, u.is_anonymous,
        case when admin_user.session_id is not null then exists (
            select from auth.sessions as s
            where s.id = admin_user.session_id and s.user_id = u.id and (s.not_after is null or s.not_after > moment)
        ) end
    into state
    from auth.users as u join tick.overview as o on o.user_id = u.id where u.id = whose;
    return state;
end
$$;
