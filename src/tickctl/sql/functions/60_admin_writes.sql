-- What administrators change. Each change writes the log in the same transaction; what changes nothing, writes nothing.

create or replace function tick.refuse_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'the log is only ever added to' using errcode = '42501';
end
$$;

create or replace trigger append_only before update or delete or truncate on tick.audit
for each statement execute function tick.refuse_change();

create or replace function tick.record(
    actor tick.actor, operator_label text, action text, whose uuid, before jsonb, after jsonb, reason text
) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
    insert into tick.audit (at, action, actor, actor_id, operator, user_id, email, before, after, reason)
    select now.moment, record.action, actor.name, actor.user_id, operator_label, whose, u.email,
        record.before, record.after, record.reason
    from auth.users as u cross join tick.clock as now where u.id = whose;
end
$$;

create or replace function tick.check_labels(operator_label text, reason text) returns void
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
begin
    if length(operator_label) > 255 then
        raise exception 'operator must have at most 255 characters' using errcode = '22023';
    elsif length(reason) > 1000 then
        raise exception 'reason must have at most 1000 characters' using errcode = '22023';
    end if;
end
$$;

-- Raises again what code of the project raised, with its own message and hint, so that nobody takes it for tickctl's:
-- TICK1 where it refused, TICK3 where it is broken. The detail names it.
create or replace function tick.raise_for_project(state text, message text, hint text, context text, relation text)
returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    signature constant text := (regexp_match(context, '(?:PL/pgSQL|SQL) function ([^\n]+?\))'))[1];
begin
    raise exception using
        errcode = case when left(state, 2) in ('P0', '23', '22') or state = '42501' then 'TICK1' else 'TICK3' end,
        message = message,
        hint = coalesce(hint, ''),
        detail = case
            when signature is null or signature like 'tick.%' then relation
            when signature ~ '^[^(]+\.' then signature
            else 'public.' || signature
        end;
end
$$;

-- Stores a limit: in the profile; where there is none, in a new one; and where the project's table takes no row of ours,
-- in tick.override. The table and its triggers belong to the project, so those find names as they would anywhere else.
create or replace function tick.store_limit(whose uuid, new_limit integer) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    state text;
    said text;
    advice text;
    place text;
begin
    perform set_config('search_path', 'public, extensions, pg_temp', true);
    update tick.profile as p set daily_tick_limit = new_limit where p.user_id = whose;
    if not found then
        begin
            insert into tick.profile (user_id, daily_tick_limit) values (whose, new_limit);
        exception
            when integrity_constraint_violation then
                insert into tick.override (user_id, daily_tick_limit) values (whose, new_limit)
                on conflict (user_id) do update set daily_tick_limit = excluded.daily_tick_limit;
                return;
        end;
    end if;
    delete from tick.override as o where o.user_id = whose;
exception
    -- Trying again may help with these: locks, resources, time-outs.
    when transaction_rollback or insufficient_resources or object_not_in_prerequisite_state or operator_intervention
        or system_error
    then raise;
    when others then
        get stacked diagnostics state = returned_sqlstate, said = message_text, advice = pg_exception_hint,
            place = pg_exception_context;
        perform tick.raise_for_project(state, said, nullif(advice, ''), place, 'public.profiles');
end
$$;

-- Locks, compares and writes; the one place where tickctl changes a limit. The log is written by a trigger, which sees
-- everybody's changes.
create or replace function tick.change_limit(
    operator_label text, reason text, whose uuid, new_limit integer, check_expected boolean, expected_limit integer
) returns tick.limit_outcome
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    answer tick.limit_outcome;
begin
    if new_limit not between 0 and 1000000000 then
        raise exception 'a limit must be from 0 to 1000000000, or null' using errcode = '22023';
    end if;
    answer.user_id := whose;
    -- Of two that change one user's limit, the second waits here, whether there is a profile or not.
    perform pg_advisory_xact_lock(hashtextextended(whose::text, 0));
    perform from tick.profile as p where p.user_id = whose for no key update;
    select a.daily_tick_limit into answer.previous_limit
    from tick.account as a where a.user_id = whose and a.deleted_at is null;
    if not found then
        answer.outcome := 'not_found';
    elsif check_expected and answer.previous_limit is distinct from expected_limit then
        answer.outcome := 'conflict';
    elsif answer.previous_limit is not distinct from new_limit then
        answer.outcome := 'unchanged';
    else
        answer.outcome := 'changed';
        perform set_config(
            'tick.labels', jsonb_build_object(
                'operator', operator_label, 'reason', reason, 'previous', answer.previous_limit
            )::text, true
        );
        perform tick.store_limit(whose, new_limit);
        perform set_config('tick.labels', '', true);
    end if;
    return answer;
end
$$;

create or replace function tick.admin_set_limit(
    user_ref text, new_limit integer, reason text, operator_label text, check_expected boolean, expected_limit integer
) returns tick.limit_change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    change tick.limit_outcome;
    answer tick.limit_change;
begin
    perform tick.require_admin();
    perform tick.check_labels(operator_label, reason);
    change := tick.change_limit(
        operator_label, reason, tick.living_user(user_ref), new_limit, check_expected, expected_limit
    );
    select change.outcome, change.previous_limit, q.* into answer
    from tick.quota as q where q.user_id = change.user_id;
    if not found then
        raise exception 'no such user' using errcode = 'P0002';
    end if;
    return answer;
end
$$;

-- One chunk of an import: all of it or nothing. In the order of the ids, so that two imports can't lock crosswise.
create or replace function tick.admin_set_limits(entries jsonb, reason text, operator_label text)
returns setof tick.limit_outcome
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    entry record;
begin
    perform tick.require_admin();
    perform tick.check_labels(operator_label, reason);
    if jsonb_typeof(entries) is distinct from 'array' or jsonb_array_length(entries) > 1000 then
        raise exception 'entries must be an array of at most 1000' using errcode = '22023';
    elsif exists (
        select from jsonb_array_elements(entries) as e
        -- A missing limit must not pass for null, which is unlimited.
        where jsonb_typeof(e) <> 'object' or tick.uuid_or_null(e ->> 'user_id') is null or not e ? 'daily_tick_limit'
    ) then
        raise exception 'each entry must have a user_id and a daily_tick_limit' using errcode = '22023';
    elsif (select count(distinct (e ->> 'user_id')::uuid) < count(*) from jsonb_array_elements(entries) as e) then
        raise exception 'a user_id stands in more than one entry' using errcode = '22023';
    end if;
    for entry in
        select e.user_id, e.daily_tick_limit
        from jsonb_to_recordset(entries) as e (user_id uuid, daily_tick_limit integer)
        order by e.user_id
    loop
        return next tick.change_limit(
            operator_label, reason, entry.user_id, entry.daily_tick_limit, false, null
        );
    end loop;
end
$$;

create or replace function tick.admin_grant(user_ref text, ticks integer, reason text, operator_label text)
returns tick.quota_state
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    actor constant tick.actor := tick.require_admin();
    state tick.quota_state;
    granted bigint;
begin
    perform tick.check_labels(operator_label, reason);
    if ticks is null or ticks not between 1 and 1000000000 then
        raise exception 'ticks must be from 1 to 1000000000' using errcode = '22023';
    end if;
    state := tick.state_of(tick.living_user(user_ref));
    perform tick.open_day(state.user_id, state.usage_date);
    update public.user_daily_usage as d
    set ticks_granted = d.ticks_granted + ticks
    where d.user_id = state.user_id and d.usage_date = state.usage_date
    returning d.ticks_granted into granted;
    perform tick.record(
        actor, operator_label, 'grant', state.user_id,
        jsonb_build_object('usage_date', state.usage_date, 'ticks_granted', granted - ticks),
        jsonb_build_object('usage_date', state.usage_date, 'ticks_granted', granted),
        reason
    );
    return tick.state_of(state.user_id);
end
$$;

-- Today's use back to nothing. Today's charges are settled to 0, so that they still add up to the day's use and a
-- later settlement gives nothing back twice. What was granted stays.
create or replace function tick.admin_reset(user_ref text, reason text, operator_label text) returns tick.quota_state
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    actor constant tick.actor := tick.require_admin();
    state tick.quota_state;
    used bigint;
begin
    perform tick.check_labels(operator_label, reason);
    state := tick.state_of(tick.user_named(user_ref));
    select d.ticks_used into used
    from public.user_daily_usage as d
    where d.user_id = state.user_id and d.usage_date = state.usage_date for no key update;
    if used > 0 then
        update tick.charge as c
        set ticks_settled = 0, settled_at = coalesce(c.settled_at, now.moment)
        from tick.clock as now
        where c.user_id = state.user_id and c.usage_date = state.usage_date and c.ticks_settled is distinct from 0;
        delete from tick.request as r where r.user_id = state.user_id and r.usage_date = state.usage_date;
        update public.user_daily_usage as d
        set ticks_used = 0
        where d.user_id = state.user_id and d.usage_date = state.usage_date;
        perform tick.record(
            actor, operator_label, 'reset', state.user_id,
            jsonb_build_object('usage_date', state.usage_date, 'ticks_used', used),
            jsonb_build_object('usage_date', state.usage_date, 'ticks_used', 0),
            reason
        );
    end if;
    return tick.state_of(state.user_id);
end
$$;
