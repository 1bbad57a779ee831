-- Counting: the calls that move ticks_used.

-- The decision about a request, read by everything that decides or explains. A charge with this id is the caller's own
-- lost answer, one with this key an earlier request; they are looked up only where they can matter, which for the id is a
-- refusal, and a grant that is known to be repeated. A cost of null asks for the day alone.
create or replace function tick.decide(
    caller tick.signed_in_user, cost integer, charge uuid, key text, digest text, require_confirmed boolean,
    is_repeated boolean
) returns tick.decision
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    answer tick.consumption;
    decided tick.decision;
    known tick.charge;
    today record;
begin
    select
        case
            when a.deleted_at is not null then 'user_deleted'
            when a.banned_until > a.moment then 'user_banned'
            when s.id is null then 'session_revoked'
            when a.is_anonymous or caller.is_anonymous then 'anonymous'
            when a.email_confirmed_at is null and require_confirmed is not false then 'email_not_confirmed'
            when cost > a.allowance then 'cost_exceeds_limit'
            when a.ticks_used + cost > a.allowance then 'quota_exhausted'
            else 'granted'
        end,
        a.daily_tick_limit, a.ticks_granted, a.ticks_used, a.ticks_remaining, a.usage_date, a.resets_at, a.moment,
        a.allowance, a.day_is_open, a.largest_cost, a.email, a.email_confirmed_at is not null, a.time_zone
    into answer.decision, answer.daily_tick_limit, answer.ticks_granted, answer.ticks_used, answer.ticks_remaining,
        answer.usage_date, answer.resets_at, answer.now, decided.allowance, decided.day_is_open, decided.largest_cost,
        decided.email, decided.email_confirmed, decided.time_zone
    from tick.account as a
    left join tick.session as s
        on s.id = caller.session_id and s.user_id = a.user_id and (s.not_after is null or s.not_after > a.moment)
    where a.user_id = caller.user_id;
    if not found then
        select t.* into today from tick.today as t;
        answer := ('user_not_found', null, 0, 0, 0, 0, today.usage_date, today.resets_at, today.moment);
        decided.largest_cost := today.largest_cost;
    elsif answer.decision in ('cost_exceeds_limit', 'quota_exhausted')
        or answer.decision = 'granted' and (key is not null or is_repeated)
    then
        select c.* into known
        from tick.charge as c
        where c.user_id = caller.user_id
            and (c.id = charge or c.request_key = key and c.ticks_settled is distinct from 0)
        order by c.id = charge desc
        limit 1;
        if found then
            answer.charge_id := known.id;
            answer.decision := case
                when known.ticks <> cost
                    or (known.request_key, known.request_digest) is distinct from (key, digest) then 'key_conflict'
                when known.id = charge and known.settled_at is null then 'granted'
                else 'already_accepted'
            end;
        end if;
    end if;
    decided.answer := answer;
    return decided;
end
$$;

-- Creates the user's row of the day. Nothing happens when the user has just been deleted; whoever then counts on the
-- row finds none.
create or replace function tick.open_day(whose uuid, day date) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
    insert into public.user_daily_usage (user_id, usage_date) values (whose, day) on conflict do nothing;
exception
    when foreign_key_violation then null;
end
$$;

-- Decides, and when it grants, counts and records the charge; a refusal writes nothing. For an explicit user: who calls
-- is found out before.
--
-- Each round looks once, so that all it decides on is one snapshot. A grant then has to stand while counting: the guarded
-- UPDATE is the only statement that counts, and it sees the row as it is at that moment. When it finds that others were
-- quicker, the next round tells why.
--
-- The charge is inserted before counting, so that the unique indexes decide between simultaneous requests with one id or
-- one key: the second waits for the first and then meets its charge, or, if the first was refused, goes on alone. The
-- charge of a refused request is taken back.
create or replace function tick.consume(
    caller tick.signed_in_user, cost integer, charge uuid, refund_digest bytea, key text, digest text,
    require_confirmed boolean
) returns tick.consumption
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    decided tick.decision;
    answer tick.consumption;
    is_repeated boolean := false;
begin
    for round in 1 .. 8 loop
        decided := tick.decide(caller, cost, charge, key, digest, require_confirmed, is_repeated);
        answer := decided.answer;
        if cost is null or cost < 1 or cost > decided.largest_cost then
            raise exception 'ticks must be from 1 to %', decided.largest_cost using errcode = '22023';
        elsif answer.decision <> 'granted' or answer.charge_id is not null then
            return answer;
        end if;

        if not decided.day_is_open then
            perform tick.open_day(caller.user_id, answer.usage_date);
        end if;
        insert into tick.charge (
            id, user_id, usage_date, ticks, created_at, refund_digest, request_key, request_digest
        )
        values (charge, caller.user_id, answer.usage_date, cost, answer.now, refund_digest, key, digest)
        on conflict do nothing;
        if not found then
            if exists (select from tick.charge as c where c.id = charge and c.user_id <> caller.user_id) then
                raise exception 'this charge_id is in use' using errcode = '22023';
            end if;
            is_repeated := true;
            continue;
        end if;

        update public.user_daily_usage as d
        set ticks_used = d.ticks_used + cost
        where d.user_id = caller.user_id
            and d.usage_date = answer.usage_date
            -- What was granted is a part of the allowance that was looked up.
            and (
                decided.allowance is null
                or d.ticks_granted = answer.ticks_granted and d.ticks_used + cost <= decided.allowance
            )
        returning d.ticks_used, d.ticks_granted into answer.ticks_used, answer.ticks_granted;
        if found then
            answer.charge_id := charge;
            answer.ticks_remaining := decided.allowance - answer.ticks_used;
            return answer;
        end if;
        delete from tick.charge as c where c.id = charge;
    end loop;

    -- Not 40001, which PostgREST would repeat by itself.
    raise exception 'too many requests of one user at once' using errcode = '55P03';
end
$$;

create or replace function tick.consume_ticks(
    cost integer, charge uuid, refund_digest text, key text, digest text, require_confirmed boolean
) returns tick.consumption
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    caller constant tick.signed_in_user := tick.signed_in_user();
begin
    if charge is null then
        raise exception 'charge_id must be a UUID of the caller''s own making' using errcode = '22023';
    elsif key = '' or length(key) > 255 then
        raise exception 'request_key must have 1 to 255 characters' using errcode = '22023';
    elsif length(digest) > 128 then
        raise exception 'request_digest must have at most 128 characters' using errcode = '22023';
    elsif refund_digest !~ '^[0-9a-f]{64}$' then
        raise exception 'refund_digest must be a SHA-256 in hexadecimal' using errcode = '22023';
    end if;
    return tick.consume(
        caller, cost, charge, decode(refund_digest, 'hex'), key, case when key is not null then digest end,
        require_confirmed
    );
end
$$;

-- Gives back what a charge did not use, once, into the day of the charge. For operators, and for whoever knows the secret
-- whose digest came with the charge: that is the gateway. A charge that isn't there and a wrong secret look the same.
create or replace function tick.settle_ticks(charge uuid, ticks_actual integer, refund_secret text)
returns tick.settlement
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    is_operator constant boolean := tick.trusted_caller() is not null;
    known tick.charge;
    answer tick.settlement;
    refunds integer;
begin
    select c.* into known from tick.charge as c where c.id = charge;
    if known.id is null
        or not is_operator and known.refund_digest is distinct from sha256(convert_to(refund_secret, 'UTF8'))
        or not is_operator and refund_secret is null
    then
        answer.outcome := 'not_found';
        return answer;
    end if;
    if ticks_actual is null or ticks_actual not between 0 and known.ticks then
        raise exception 'ticks_actual must be from 0 to the ticks charged' using errcode = '22023';
    end if;

    -- The day first, then the charge: the order in which everything locks.
    select d.refunds into refunds
    from public.user_daily_usage as d
    where d.user_id = known.user_id and d.usage_date = known.usage_date for no key update;
    if ticks_actual = 0 and not is_operator and known.settled_at is null
        and refunds >= (select s.most_refunds from tick.settings as s)
    then
        answer.outcome := 'too_many_refunds';
        return answer;
    end if;
    update tick.charge as c
    set ticks_settled = ticks_actual, settled_at = now.moment
    from tick.clock as now
    where c.id = charge and c.user_id = known.user_id and c.settled_at is null
    returning c.* into known;
    if found then
        answer.outcome := 'settled';
        update public.user_daily_usage as d
        set ticks_used = d.ticks_used - (known.ticks - ticks_actual),
            refunds = d.refunds + case when ticks_actual = 0 and not is_operator then 1 else 0 end
        where d.user_id = known.user_id and d.usage_date = known.usage_date and known.ticks > ticks_actual;
    else
        answer.outcome := 'already_settled';
        select c.* into known from tick.charge as c where c.id = charge;
    end if;
    answer.charge_id := known.id;
    answer.user_id := known.user_id;
    answer.usage_date := known.usage_date;
    answer.ticks_charged := known.ticks;
    answer.ticks_settled := known.ticks_settled;
    answer.settled_at := known.settled_at;
    return answer;
end
$$;

-- The state of the caller; nothing is consumed and nothing written.
create or replace function tick.my_ticks() returns tick.quota_state
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    caller constant tick.signed_in_user := tick.signed_in_user();
    decided constant tick.decision := tick.decide(caller, null, null, null, null, true, false);
    day constant tick.consumption := decided.answer;
begin
    if day.decision = 'user_not_found' then
        raise exception 'no such user' using errcode = 'P0002';
    end if;
    return (
        caller.user_id, decided.email, decided.email_confirmed, day.daily_tick_limit, day.usage_date, day.ticks_used,
        day.ticks_granted, day.ticks_remaining, day.resets_at, decided.time_zone
    )::tick.quota_state;
end
$$;
