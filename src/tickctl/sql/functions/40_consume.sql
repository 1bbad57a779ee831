-- Counting: the calls that move ticks_used. A function with a search_path of its own costs as much as two joins, and each
-- expression of PL/pgSQL is prepared anew in every transaction, so there are few of both in the way of a consumption.

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

-- Says which argument of consume_ticks is out of range; to users alone.
create or replace function tick.refuse_arguments(charge uuid, key text, digest text) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    perform tick.require_user();
    if charge is null then
        raise exception 'charge_id must be a UUID of the caller''s own making' using errcode = '22023';
    elsif key = '' or octet_length(key) > 1020 or length(key) > 255 then
        raise exception 'request_key must have 1 to 255 characters' using errcode = '22023';
    elsif octet_length(digest) > 128 then
        raise exception 'request_digest must have at most 128 bytes' using errcode = '22023';
    end if;
    raise exception 'refund_digest must be a SHA-256 in hexadecimal' using errcode = '22023';
end
$$;

-- The decision about a request, for everything that decides, shows or explains one; with `carry_out`, a grant is counted
-- and its charge recorded. A refusal writes nothing. A cost of null asks for the day alone. With a `carry_out` of null, a
-- session is taken for granted: operators ask about users whose token they don't have.
--
-- A charge with this id is the caller's own lost answer, one with this key an earlier request; they are looked up only
-- where they can matter: at a refusal, and when a grant has met them.
--
-- Each round looks once, so that all it decides on is one snapshot. A grant then has to stand while counting: the guarded
-- UPDATE is the only statement that counts, and it sees the row as it is at that moment. When it finds that others were
-- quicker, the next round tells why.
--
-- Key and charge are inserted before counting, so that the unique indexes decide between simultaneous requests with one
-- key or one id: the second waits for the first and then meets its charge, or, if the first was refused, goes on alone.
-- What a refused request has inserted is taken back.
create or replace function tick.decide(
    cost integer, charge uuid, refund_digest text, key text, digest text, require_confirmed boolean, carry_out boolean
) returns tick.consumption
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    whose uuid;
    decision text;
    day_limit integer;
    granted bigint;
    used bigint;
    remaining bigint;
    day date;
    day_ends timestamptz;
    moment timestamptz;
    allowed bigint;
    is_open boolean;
    largest_cost integer;
    is_addressed boolean;
    earlier record;
    is_repeated boolean;
    rounds integer := 1;
begin
    if carry_out is true and (
        charge is null or key = '' or octet_length(key) > 1020 or length(key) > 255 or octet_length(digest) > 128
        or octet_length(refund_digest) <> 64
    ) then
        perform tick.refuse_arguments(charge, key, digest);
    end if;
    loop
        select
            case
                when a.deleted_at is not null then 'user_deleted'
                when a.banned_until > a.moment then 'user_banned'
                when s.id is null and carry_out is not null then 'session_revoked'
                when a.is_anonymous or c.is_anonymous then 'anonymous'
                when a.email_confirmed_at is null and require_confirmed is not false then 'email_not_confirmed'
                when cost > a.allowance then 'cost_exceeds_limit'
                when a.ticks_used + cost > a.allowance then 'quota_exhausted'
                else 'granted'
            end,
            c.user_id, a.daily_tick_limit, a.ticks_granted, a.ticks_used, a.ticks_remaining, a.usage_date, a.resets_at,
            a.moment, a.allowance, a.day_is_open, a.largest_cost, a.audience = c.audience
        into decision, whose, day_limit, granted, used, remaining, day, day_ends, moment, allowed, is_open, largest_cost,
            is_addressed
        from tick.caller as c
        join tick.account as a on a.user_id = c.user_id
        left join tick.session as s
            on s.id = c.session_id and s.user_id = a.user_id and (s.not_after is null or s.not_after > a.moment);
        if is_addressed is not true then
            perform tick.require_user();
            select 'user_not_found', 0, 0, 0, 0, t.usage_date, t.resets_at, t.moment, t.largest_cost
            into decision, day_limit, granted, used, remaining, day, day_ends, moment, largest_cost
            from tick.today as t;
        end if;

        if (carry_out is true or cost is not null) and (cost between 1 and largest_cost) is not true then
            raise exception 'ticks must be from 1 to %', largest_cost using errcode = '22023';
        elsif decision in ('cost_exceeds_limit', 'quota_exhausted')
            or decision = 'granted' and (is_repeated or carry_out is not true and coalesce(key, charge::text) is not null)
        then
            select c.id, case
                    -- What was given back has no key any more.
                    when c.ticks <> cost or c.ticks_settled is distinct from 0 and (
                        r.request_key is distinct from key
                        or key is not null and r.request_digest is distinct from digest
                    ) then 'key_conflict'
                    when c.id = charge and c.settled_at is null then 'granted'
                    -- Its request may still fail, and the charge be refunded.
                    when c.settled_at is null and c.created_at > moment - interval '1 minute' then 'under_way'
                    else 'already_accepted'
                end as decision
            into earlier
            from tick.charge as c
            left join tick.request as r on r.user_id = c.user_id and r.charge_id = c.id and r.request_key = key
            where c.user_id = whose and c.id in (
                charge, (select x.charge_id from tick.request as x where x.user_id = whose and x.request_key = key)
            )
            order by c.id = charge desc
            limit 1;
            if found then
                return (earlier.decision, earlier.id, day_limit, granted, used, remaining, day, day_ends, moment);
            end if;
        end if;
        if decision <> 'granted' or carry_out is not true then
            return (decision, null::uuid, day_limit, granted, used, remaining, day, day_ends, moment);
        elsif not is_open then
            perform tick.open_day(whose, day);
        end if;

        is_repeated := false;
        if key is not null then
            insert into tick.request (user_id, request_key, request_digest, usage_date, charge_id)
            values (whose, key, digest, day, charge)
            on conflict do nothing;
            is_repeated := not found;
            if is_repeated then
                -- A key whose charge has been removed since, as old ones are, is free; looked at only now, so that a
                -- charge that has just been made is seen.
                delete from tick.request as r
                where r.user_id = whose and r.request_key = key
                    and not exists (select from tick.charge as c where c.id = r.charge_id);
            end if;
        end if;
        if not is_repeated then
            insert into tick.charge (id, user_id, usage_date, ticks, created_at, refund_digest)
            values (charge, whose, day, cost, moment, decode(refund_digest, 'hex'))
            on conflict do nothing;
            if found then
                update public.user_daily_usage as d
                set ticks_used = d.ticks_used + cost
                where d.user_id = whose
                    and d.usage_date = day
                    -- What was granted is a part of the allowance that was looked up.
                    and (allowed is null or d.ticks_granted = granted and d.ticks_used + cost <= allowed)
                returning d.ticks_used, d.ticks_granted into used, granted;
                if found then
                    return (decision, charge, day_limit, granted, used, allowed - used, day, day_ends, moment);
                end if;
                delete from tick.charge as c where c.id = charge;
            elsif exists (select from tick.charge as c where c.id = charge and c.user_id <> whose) then
                raise exception 'this charge_id is in use' using errcode = '22023';
            else
                is_repeated := true;
            end if;
            -- Taken by this round.
            delete from tick.request as r where r.user_id = whose and r.request_key = key;
        end if;
        rounds := rounds + 1;
        if rounds > 8 then
            -- Not 40001, which PostgREST would repeat by itself.
            raise exception 'too many requests of one user at once' using errcode = '55P03';
        end if;
    end loop;
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
        -- A key whose charge was given back is free again.
        delete from tick.request as r
        where ticks_actual = 0 and r.user_id = known.user_id and r.usage_date = known.usage_date and r.charge_id = charge;
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
    day constant tick.consumption := tick.decide(null, null, null, null, null, true, false);
begin
    if day.decision = 'user_not_found' then
        raise exception 'no such user' using errcode = 'P0002';
    end if;
    return (
        select (
            u.id, u.email, coalesce(u.email <> '' and u.email_confirmed_at is not null, false), day.daily_tick_limit,
            day.usage_date, day.ticks_used, day.ticks_granted, day.ticks_remaining, day.resets_at, s.time_zone
        )::tick.quota_state
        from tick.caller as c join auth.users as u on u.id = c.user_id cross join tick.settings as s
    );
end
$$;
