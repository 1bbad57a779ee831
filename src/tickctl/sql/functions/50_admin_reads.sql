-- What administrators read. Each function first asks require_admin.

-- One more than a thousand, so that a full page can show whether another follows.
create or replace function tick.check_page_size(page_size integer) returns void
language plpgsql immutable set search_path = pg_catalog, pg_temp
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
-- Both indexes are Supabase Auth's own. It stores e-mails in lower case and gives all users one instance_id; users whom a
-- script has added may have neither.
create or replace function tick.users_named(user_ref text) returns setof uuid
language plpgsql stable rows 1 set search_path = pg_catalog, pg_temp
as $$
declare
    given_id constant uuid := tick.uuid_or_null(user_ref);
begin
    if given_id is not null then
        return query select u.id from auth.users as u where u.id = given_id;
    -- No address is longer than the column.
    elsif length(user_ref) between 1 and 255 then
        return query
            select u.id from auth.users as u
            where u.email in (user_ref, lower(user_ref)) and u.is_sso_user = false and u.deleted_at is null
            union
            select u.id from auth.users as u
            where u.instance_id = '00000000-0000-0000-0000-000000000000' and lower(u.email::text) = lower(user_ref)
                and u.deleted_at is null;
    end if;
end
$$;

-- The one user that a reference names; P0002 when there is none, 21000 when there are several.
create or replace function tick.user_named(user_ref text) returns uuid
language plpgsql stable set search_path = pg_catalog, pg_temp
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

-- The same for what changes: P0002 also for a user who was deleted.
create or replace function tick.living_user(user_ref text) returns uuid
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    whose constant uuid := tick.user_named(user_ref);
begin
    if exists (select from auth.users as u where u.id = whose and u.deleted_at is not null) then
        raise exception 'this user was deleted' using errcode = 'P0002', hint = 'Nothing was changed.';
    end if;
    return whose;
end
$$;

create or replace function tick.state_of(whose uuid) returns tick.quota_state
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    state tick.quota_state;
begin
    select q.* into state from tick.quota as q where q.user_id = whose;
    return state;
end
$$;

create or replace function tick.admin_show(user_ref text) returns tick.quota_state
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform tick.require_admin();
    return tick.state_of(tick.user_named(user_ref));
end
$$;

create or replace function tick.admin_overview(user_ref text) returns tick.user_overview
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
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
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
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
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
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
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    last constant bigint := coalesce(before_id, 9223372036854775807);
    ids uuid[];
begin
    perform tick.require_admin();
    perform tick.check_page_size(page_size);
    ids := array(select tick.users_named(user_ref)) || tick.uuid_or_null(user_ref);
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
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
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
            select from tick.session as s
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

-- The decision about a request of a user who is signed in.
create or replace function tick.admin_explain(user_ref text, ticks integer, require_confirmed boolean)
returns tick.consumption
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    operator constant text := current_setting('request.jwt.claims', true);
    whose uuid;
    answer tick.consumption;
begin
    perform tick.require_admin();
    whose := tick.user_named(user_ref);
    -- tick.decide decides about the caller.
    perform set_config('request.jwt.claims', jsonb_build_object(
        'role', 'authenticated', 'sub', whose, 'aud', s.audience
    )::text, true)
    from tick.settings as s;
    answer := tick.decide(ticks, null, null, null, null, require_confirmed, null);
    perform set_config('request.jwt.claims', coalesce(operator, ''), true);
    return answer;
end
$$;
