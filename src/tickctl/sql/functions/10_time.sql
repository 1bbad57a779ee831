-- One clock and one calendar. Nothing that a client can set moves them: neither the session's time zone (PostgREST
-- takes it from a `Prefer: timezone=` header) nor current_date, which follows it.

create or replace view tick.clock with (security_invoker = true) as select now() as moment;
comment on view tick.clock is 'The time of everything here; tests replace this view to move it.';

-- The first instant after `moment` whose date in `zone` differs from that of `moment`.
--
-- Midnight is not always there once: clocks go forward over it (America/Havana), back over it (America/St_Johns until
-- 2011: the date changes, changes back and changes again), or over a whole day (Pacific/Apia in 2011). So: where the
-- next midnight exists and as much time passes until then as the clocks show, that midnight is it. Otherwise there is
-- one change of offset in between; find its second by halving, then try midnight by the old offset, the change itself,
-- and midnight by the new offset. (PostgreSQL reads a midnight that is skipped by the offset before the change, and of
-- two takes the later.)
create or replace function tick.day_ends(moment timestamptz, zone text) returns timestamptz
language plpgsql stable parallel safe set search_path = pg_catalog, pg_temp
as $$
declare
    local_now constant timestamp := moment at time zone zone;
    midnight constant timestamp := local_now::date + 1;
    candidate constant timestamptz := midnight at time zone zone;
    by_old_offset timestamptz;
    before_change bigint;
    after_change bigint;
    middle bigint;
    change timestamptz;
begin
    -- Whole seconds since the epoch: all changes of offset fall on one.
    before_change := floor(extract(epoch from moment));
    after_change := ceil(extract(epoch from candidate));
    while after_change - before_change > 1 loop
        middle := (before_change + after_change) / 2;
        if to_timestamp(middle) at time zone zone - local_now = to_timestamp(middle) - moment then
            before_change := middle;
        else
            after_change := middle;
        end if;
    end loop;
    change := to_timestamp(after_change);
    by_old_offset := moment + (midnight - local_now);
    if by_old_offset < change then
        return by_old_offset;
    elsif (change at time zone zone)::date <> local_now::date then
        return change;
    end if;
    return change + (midnight - change at time zone zone);
end
$$;

-- One row: the rules, the day that it is by them, and when it ends, which needs no function on nearly all days: each with
-- a search_path of its own costs a consumption more than a join. OFFSET 0 lets each midnight be computed once.
create or replace view tick.today with (security_invoker = true) as
select
    day.moment,
    day.time_zone,
    day.default_limit,
    day.largest_cost,
    day.audience,
    day.usage_date,
    case
        when day.ends at time zone day.time_zone = day.midnight
            and day.ends - day.moment = day.midnight - day.local_now then day.ends
        else tick.day_ends(day.moment, day.time_zone)
    end as resets_at
from (
    select local.*, local.midnight at time zone local.time_zone as ends
    from (
        select rules.*, now.moment, now.moment at time zone rules.time_zone as local_now,
            (now.moment at time zone rules.time_zone)::date as usage_date,
            ((now.moment at time zone rules.time_zone)::date + 1)::timestamp as midnight
        from tick.settings as rules
        cross join tick.clock as now
        offset 0
    ) as local
    offset 0
) as day;

create or replace function tick.check_time_zone() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    -- Not every text that `at time zone` takes: 'UTC+3' is a POSIX rule and lies west of Greenwich.
    if new.time_zone !~ '^[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$'
        or not exists (select from pg_catalog.pg_timezone_names as z where z.name = new.time_zone)
    then
        raise exception 'unknown time zone' using errcode = '22023', hint = 'Use an IANA name such as Europe/Paris.';
    end if;
    return new;
end
$$;

create or replace trigger check_time_zone before insert or update of time_zone on tick.settings
for each row execute function tick.check_time_zone();
