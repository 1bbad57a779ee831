-- What PostgREST serves as /rpc: one thin function for each working function, run with the caller's own rights. Named
-- arguments are the contract; there are no overloads, which PostgREST can't tell apart.

create or replace function public.consume_ticks(
    ticks integer, charge_id uuid, refund_digest text default null, request_key text default null,
    request_digest text default null, require_confirmed boolean default true, carry_out boolean default true
) returns tick.consumption
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
    return tick.decide(
        ticks, charge_id, refund_digest, request_key, request_digest, require_confirmed, carry_out is not false
    );
end
$$;

create or replace function public.settle_ticks(charge_id uuid, ticks_actual integer, refund_secret text default null)
returns tick.settlement
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$ begin return tick.settle_ticks(charge_id, ticks_actual, refund_secret); end $$;

create or replace function public.my_ticks() returns tick.quota_state
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$ begin return tick.my_ticks(); end $$;

create or replace function public.tick_admin_show(user_ref text) returns tick.quota_state
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$ begin return tick.admin_show(user_ref); end $$;

create or replace function public.tick_admin_overview(user_ref text) returns tick.user_overview
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$ begin return tick.admin_overview(user_ref); end $$;

create or replace function public.tick_admin_suggest(user_ref text) returns setof tick.user_match
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$ begin return query select * from tick.admin_suggest(user_ref); end $$;

create or replace function public.tick_admin_list(
    filter text default 'all', search text default null, page_size integer default 50,
    after_key text default null, after_id uuid default null
) returns setof tick.user_overview
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$ begin return query select * from tick.admin_list(filter, search, page_size, after_key, after_id); end $$;

create or replace function public.tick_admin_resolve(user_refs jsonb) returns setof tick.resolved_user
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$ begin return query select * from tick.admin_resolve(user_refs); end $$;

create or replace function public.tick_admin_history(user_ref text, days integer default 30)
returns setof tick.day_usage
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$ begin return query select * from tick.admin_history(user_ref, days); end $$;

create or replace function public.tick_admin_top(days integer default 1, how_many integer default 10)
returns setof tick.top_entry
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$ begin return query select * from tick.admin_top(days, how_many); end $$;

create or replace function public.tick_admin_audit(
    user_ref text default null, page_size integer default 50, before_id bigint default null
) returns setof tick.audit
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$ begin return query select * from tick.admin_audit(user_ref, page_size, before_id); end $$;

create or replace function public.tick_admin_user(user_ref text, session_id uuid default null)
returns tick.user_state
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$ begin return tick.admin_user(user_ref, session_id); end $$;

create or replace function public.tick_admin_explain(
    user_ref text, ticks integer, require_confirmed boolean default true
) returns tick.consumption
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$ begin return tick.admin_explain(user_ref, ticks, require_confirmed); end $$;

create or replace function public.tick_admin_members() returns setof tick.administrator
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$ begin return query select * from tick.admin_members(); end $$;

-- Each write can be tried: it is carried out, with all triggers and constraints, and taken back; the answer is as if it
-- stood.

create or replace function public.tick_admin_set_limit(
    user_ref text, new_limit integer, reason text default null, operator text default null,
    check_expected boolean default false, expected_limit integer default null,
    dry_run boolean default false
) returns tick.limit_change
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    answer tick.limit_change;
begin
    answer := tick.admin_set_limit(user_ref, new_limit, reason, operator, check_expected, expected_limit);
    if dry_run is not false then
        set constraints all immediate;
        raise exception 'not to be kept' using errcode = 'TICK0';
    end if;
    return answer;
exception
    when sqlstate 'TICK0' then
        return answer;
end
$$;

create or replace function public.tick_admin_set_limits(
    entries jsonb, reason text default null, operator text default null, dry_run boolean default false
) returns setof tick.limit_outcome
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    answers tick.limit_outcome[];
begin
    answers := array(select o from tick.admin_set_limits(entries, reason, operator) as o);
    if dry_run is not false then
        set constraints all immediate;
        raise exception 'not to be kept' using errcode = 'TICK0';
    end if;
    return query select * from unnest(answers);
exception
    when sqlstate 'TICK0' then
        return query select * from unnest(answers);
end
$$;

create or replace function public.tick_admin_grant(
    user_ref text, ticks integer, reason text default null, operator text default null,
    dry_run boolean default false
) returns tick.quota_state
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    answer tick.quota_state;
begin
    answer := tick.admin_grant(user_ref, ticks, reason, operator);
    if dry_run is not false then
        set constraints all immediate;
        raise exception 'not to be kept' using errcode = 'TICK0';
    end if;
    return answer;
exception
    when sqlstate 'TICK0' then
        return answer;
end
$$;

create or replace function public.tick_admin_reset(
    user_ref text, reason text default null, operator text default null,
    dry_run boolean default false
) returns tick.quota_state
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    answer tick.quota_state;
begin
    answer := tick.admin_reset(user_ref, reason, operator);
    if dry_run is not false then
        set constraints all immediate;
        raise exception 'not to be kept' using errcode = 'TICK0';
    end if;
    return answer;
exception
    when sqlstate 'TICK0' then
        return answer;
end
$$;

create or replace function public.tick_admin_add(
    user_ref text, reason text default null, operator text default null,
    dry_run boolean default false
) returns tick.admin_change
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    answer tick.admin_change;
begin
    answer := tick.admin_add(user_ref, reason, operator);
    if dry_run is not false then
        set constraints all immediate;
        raise exception 'not to be kept' using errcode = 'TICK0';
    end if;
    return answer;
exception
    when sqlstate 'TICK0' then
        return answer;
end
$$;

create or replace function public.tick_admin_remove(
    user_ref text, reason text default null, operator text default null,
    dry_run boolean default false
) returns tick.admin_change
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    answer tick.admin_change;
begin
    answer := tick.admin_remove(user_ref, reason, operator);
    if dry_run is not false then
        set constraints all immediate;
        raise exception 'not to be kept' using errcode = 'TICK0';
    end if;
    return answer;
exception
    when sqlstate 'TICK0' then
        return answer;
end
$$;
