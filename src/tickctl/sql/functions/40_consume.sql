-- Counting: the calls that move ticks_used.

-- Decides, and when it grants, counts and records the charge; a refusal writes nothing.
--
-- Each round looks once, so that all it decides on is one snapshot, and the first refusal that holds is the answer. A
-- grant then has to stand while counting: the guarded UPDATE is the only statement that counts, and it sees the row as
-- it is at that moment. When it finds that others were quicker, the next round tells why.
--
-- A request key is settled by the unique index on the charges: its charge is inserted before counting, so that of two
-- simultaneous requests with one key the second waits for the first and then meets the charge, or, if the first was
-- refused, goes on alone. The charge of a refused request is taken back.
create or replace function tick.consume_ticks(cost integer, key text, digest text, require_confirmed boolean)
returns tick.consumption
language plpgsql volatile security definer set search_path = ''
as $$
declare
    caller constant tick.signed_in_user := tick.signed_in_user();
    largest_cost integer;
    allowance bigint;
    day_is_open boolean;
    answer tick.consumption;
begin
    if key = '' or length(key) > 255 then
        raise exception 'request_key must have 1 to 255 characters' using errcode = '22023';
    elsif length(digest) > 128 then
        raise exception 'request_digest must have at most 128 characters' using errcode = '22023';
    end if;

    for round in 1 .. 8 loop
        select
            case
                when a.deleted_at is not null then 'user_deleted'
                when a.banned_until > a.moment then 'user_banned'
                when s.id is null then 'session_revoked'
                when a.is_anonymous then 'anonymous'
                when a.email_confirmed_at is null and require_confirmed is not false then 'email_not_confirmed'
                when c.ticks <> cost or c.id is not null and c.request_digest is distinct from digest
                    then 'key_conflict'
                when c.id is not null then 'already_accepted'
                when cost > a.allowance then 'cost_exceeds_limit'
                when a.ticks_used + cost > a.allowance then 'quota_exhausted'
                else 'granted'
            end,
            c.id, a.daily_tick_limit, a.ticks_granted, a.ticks_used, a.ticks_remaining, a.usage_date, a.resets_at,
            a.moment, a.allowance, a.day_is_open, a.largest_cost
        into answer.decision, answer.charge_id, answer.daily_tick_limit, answer.ticks_granted, answer.ticks_used,
            answer.ticks_remaining, answer.usage_date, answer.resets_at,
            answer.now, allowance, day_is_open, largest_cost
        from tick.account as a
        left join auth.sessions as s
            on s.id = caller.session_id and s.user_id = a.user_id and (s.not_after is null or s.not_after > a.moment)
        left join tick.charge as c on key is not null and c.user_id = a.user_id and c.request_key = key
        where a.user_id = caller.user_id;
        if not found then
            answer := (
                select ('user_not_found', null, 0, 0, 0, 0, t.usage_date, t.resets_at, t.moment)::tick.consumption
                from tick.today as t
            );
            largest_cost := (select t.largest_cost from tick.today as t);
        end if;

        if cost is null or cost < 1 or cost > largest_cost then
            raise exception 'ticks must be from 1 to %', largest_cost using errcode = '22023';
        elsif answer.decision <> 'granted' then
            return answer;
        end if;

        if not day_is_open then
            perform tick.open_day(caller.user_id, answer.usage_date);
        end if;
        if key is not null then
            insert into tick.charge (user_id, usage_date, ticks, request_key, request_digest, created_at)
            values (caller.user_id, answer.usage_date, cost, key, digest, answer.now)
            on conflict do nothing
            returning id into answer.charge_id;
            continue when not found;
        end if;

        update public.user_daily_usage as d
        set ticks_used = d.ticks_used + cost
        where d.user_id = caller.user_id
            and d.usage_date = answer.usage_date
            -- What was granted is a part of the allowance that was looked up.
            and (allowance is null or d.ticks_granted = answer.ticks_granted and d.ticks_used + cost <= allowance)
        returning d.ticks_used, d.ticks_granted into answer.ticks_used, answer.ticks_granted;
        if not found then
            delete from tick.charge as c where c.id = answer.charge_id;
            continue;
        end if;

        if key is null then
            insert into tick.charge (user_id, usage_date, ticks, created_at)
            values (caller.user_id, answer.usage_date, cost, answer.now)
            returning id into answer.charge_id;
        end if;
        answer.ticks_remaining := allowance - answer.ticks_used;
        if answer.ticks_remaining = 0 then
            perform tick.note_exhaustion(caller.user_id);
        end if;
        return answer;
    end loop;

    -- Not 40001, which PostgREST would repeat by itself.
    raise exception 'too many requests of one user at once' using errcode = '55P03';
end
$$;

-- Gives back what a charge did not use, once, into the day of the charge. Only the gateway and operators may: with a
-- user's own token this would be free ticks.
create or replace function tick.settle_ticks(whose_charge uuid, ticks_actual integer) returns tick.settlement
language plpgsql volatile security definer set search_path = ''
as $$
declare
    charge tick.charge;
    answer tick.settlement;
begin
    if tick.trusted_caller() is null and not tick.is_gateway() then
        raise exception 'this needs the gateway''s own identity' using errcode = '42501';
    end if;

    select c.* into charge from tick.charge as c where c.id = whose_charge;
    if not found then
        answer.outcome := 'not_found';
        return answer;
    end if;
    if ticks_actual is null or ticks_actual not between 0 and charge.ticks then
        raise exception 'ticks_actual must be from 0 to the ticks charged' using errcode = '22023';
    end if;

    -- The day first, then the charge: the order in which everything locks.
    perform from public.user_daily_usage as d
    where d.user_id = charge.user_id and d.usage_date = charge.usage_date for no key update;
    update tick.charge as c
    set ticks_settled = ticks_actual, settled_at = now.moment
    from tick.clock as now
    where c.id = whose_charge and c.settled_at is null
    returning c.* into charge;
    if found then
        answer.outcome := 'settled';
        update public.user_daily_usage as d
        set ticks_used = d.ticks_used - (charge.ticks - ticks_actual)
        where d.user_id = charge.user_id and d.usage_date = charge.usage_date and charge.ticks > ticks_actual;
    else
        answer.outcome := 'already_settled';
        select c.* into charge from tick.charge as c where c.id = whose_charge;
    end if;
    answer.charge_id := charge.id;
    answer.user_id := charge.user_id;
    answer.usage_date := charge.usage_date;
    answer.ticks_charged := charge.ticks;
    answer.ticks_settled := charge.ticks_settled;
    answer.settled_at := charge.settled_at;
    return answer;
end
$$;

-- The state of the caller; nothing is consumed and nothing written.
create or replace function tick.my_ticks() returns tick.quota_state
language plpgsql stable security definer set search_path = ''
as $$
declare
    caller constant tick.signed_in_user := tick.signed_in_user();
    state tick.quota_state;
begin
    select q.* into state from tick.quota as q where q.user_id = caller.user_id;
    if not found then
        raise exception 'no such user' using errcode = 'P0002';
    end if;
    return state;
end
$$;
