-- public.user_daily_usage: one row per user and day.

create or replace function pg_temp.tick_usage() returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    table_id constant oid := to_regclass('public.user_daily_usage');
    owner constant record := pg_temp.tick_column(table_id, 'user_id');
    day constant record := pg_temp.tick_column(table_id, 'usage_date');
    used constant record := pg_temp.tick_column(table_id, 'ticks_used');
    granted constant record := pg_temp.tick_column(table_id, 'ticks_granted');
    largest constant numeric := 9223372036854775807;
    number bigint;
    column_name name;
    counted record;
begin
    if table_id is null then
        return;
    elsif not pg_temp.tick_is_adoptable(table_id) then
        return query select * from pg_temp.tick_table(table_id);
        return;
    end if;
    if not (owner.found and day.found and used.found) then
        return query select 0.0, 'blocker', format('public.user_daily_usage has no column %s: add it and fill it, or '
                'rename the column that has it', missing.name), null
            from (values ('user_id', owner.found), ('usage_date', day.found), ('ticks_used', used.found))
                as missing (name, found)
            where not missing.found;
        return;
    end if;
    return query select * from pg_temp.tick_table(table_id);
    return query select * from pg_temp.tick_row_number(table_id);
    return query select * from pg_temp.tick_column_type(table_id, 'user_id', 'uuid');
    return query select * from pg_temp.tick_column_type(table_id, 'usage_date', 'date');
    return query select * from pg_temp.tick_column_type(
        table_id, 'ticks_used', 'bigint', 0, largest, 'set them to what was used', 'lower them');
    return query select * from pg_temp.tick_column_type(
        table_id, 'ticks_granted', 'bigint', 0, largest, 'set them to 0', 'lower them');
    if to_regclass('public.profiles') is not null and exists (
        select from pg_catalog.pg_constraint as c
        join pg_catalog.pg_attribute as a on a.attrelid = c.confrelid and c.confkey = array[a.attnum]
        where c.conrelid = table_id and c.contype = 'f' and c.conkey = array[owner.number]
            and c.confrelid = to_regclass('public.profiles') and a.attname = 'id'
    ) and pg_temp.tick_profile_id_is_user() is not true then
        return query select 0.0, 'blocker',
            'public.user_daily_usage.user_id holds ids of public.profiles, not of users: '
            'replace them by the users'' ids, and drop the foreign key', null;
        return;
    end if;

    if not granted.found then
        return query select 3.3, 'change', 'public.user_daily_usage gets the column ticks_granted',
            'alter table public.user_daily_usage add column ticks_granted bigint not null default 0';
    end if;
    for column_name in select unnest(array['ticks_used', 'ticks_granted']) loop
        counted := pg_temp.tick_column(table_id, column_name);
        if counted.found and (counted.default_text is distinct from '0' or counted.type <> 'bigint') then
            return query select 3.5, 'change', format('public.user_daily_usage.%I is 0 by default', column_name),
                format('alter table public.user_daily_usage alter column %I set default 0', column_name);
        end if;
        if counted.found and not counted.required then
            number := pg_temp.tick_count(format(
                'select count(*) from public.user_daily_usage where %I is null', column_name));
            return query select 4.0, 'change', format('public.user_daily_usage: %s with no %I count 0',
                    pg_temp.tick_rows(number), column_name),
                format('update public.user_daily_usage set %1$I = 0 where %1$I is null', column_name)
                where number > 0;
            return query select 5.0, 'change', format('public.user_daily_usage.%I is never null', column_name),
                format('alter table public.user_daily_usage alter column %I set not null', column_name);
        end if;
    end loop;

    return query select * from pg_temp.tick_usage_rows();
    return query
        select 5.0, 'change', format('public.user_daily_usage.%I is never null', c.name),
            format('alter table public.user_daily_usage alter column %I set not null', c.name)
        from (values ('user_id', owner.required), ('usage_date', day.required)) as c (name, required)
        where not c.required;
    return query select * from pg_temp.tick_key(table_id, array['user_id', 'usage_date']);
    if not pg_temp.tick_has_constraint(table_id, (pg_temp.tick_checks(table_id))[1]) then
        return query select 5.3, 'change', 'public.user_daily_usage: counts are never negative',
            'alter table public.user_daily_usage add constraint user_daily_usage_ticks_not_negative '
            'check (ticks_used >= 0 and ticks_granted >= 0)';
    end if;
    return query
        select 5.4, 'change', 'public.user_daily_usage leaves room in its pages, for updates in place',
            'alter table public.user_daily_usage set (fillfactor = 70)'
        from pg_catalog.pg_class as c
        where c.oid = table_id and coalesce(array_to_string(c.reloptions, ','), '') !~ 'fillfactor=';
end
$$;

-- Rows of nobody or of no day, and several of one day. They are looked at only while no key vouches for them.
create or replace function pg_temp.tick_usage_rows()
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    table_id constant oid := to_regclass('public.user_daily_usage');
    owner constant record := pg_temp.tick_column(table_id, 'user_id');
    day constant record := pg_temp.tick_column(table_id, 'usage_date');
    is_typed constant boolean := pg_temp.tick_is_typed(table_id);
    rows_read constant text := format(
        '(select t.ctid as row_id, %s as whose, %s as day from public.user_daily_usage as t)',
        pg_temp.tick_reading('user_id', owner.type, 'uuid'), pg_temp.tick_reading('usage_date', day.type, 'date'));
    homeless constant text := format(
        'select o.row_id from %s as o where o.day is null or o.whose is null'
        ' or not exists (select from auth.users as u where u.id = o.whose)', rows_read);
    doubles constant text := format(
        'select d.row_id from (select o.row_id, row_number() over (partition by o.whose, o.day order by o.row_id)'
        ' as place from %s as o where o.day is not null'
        ' and exists (select from auth.users as u where u.id = o.whose)) as d where d.place > 1', rows_read);
    number bigint;
begin
    if pg_temp.tick_reading('user_id', owner.type, 'uuid') is null
        or pg_temp.tick_reading('usage_date', day.type, 'date') is null
    then
        return;
    end if;
    if not (is_typed and day.required and pg_temp.tick_has_constraint(
        table_id, 'FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE'
    )) then
        number := pg_temp.tick_count(format('select count(*) from (%s) as o', homeless));
        if number > 0 then
            return query select * from pg_temp.tick_referenced(table_id, homeless, 'having no user or day');
            return query select 4.1, 'archive',
                format('%s of public.user_daily_usage without a user in auth.users, or without a day',
                    pg_temp.tick_rows(number)),
                $command$
                    with gone as (
                        delete from public.user_daily_usage as o
                        where o.usage_date is null or o.user_id is null
                            or not exists (select from auth.users as u where u.id = o.user_id)
                        returning o.*
                    )
                    insert into tick.adopted (table_name, "row", reason)
                    select 'public.user_daily_usage', to_jsonb(gone), 'no such user, or no day' from gone
                $command$;
        end if;
    end if;
    if not (is_typed and pg_temp.tick_is_key(table_id, array['user_id', 'usage_date'])) then
        number := pg_temp.tick_count(format('select count(*) from (%s) as d', doubles));
        if number > 0 then
            return query select * from pg_temp.tick_referenced(table_id, doubles, 'being one of several of one day');
            return query select 4.3, 'merge',
                format('%s of public.user_daily_usage into others of the same user and day; the ticks are summed',
                    pg_temp.tick_rows(number)),
                $command$
                    with places as (
                        select o.ctid as row_id, row_number() over days as place,
                            sum(o.ticks_used) over all_of_day as used, sum(o.ticks_granted) over all_of_day as granted
                        from public.user_daily_usage as o
                        window days as (partition by o.user_id, o.usage_date order by o.ctid),
                            all_of_day as (partition by o.user_id, o.usage_date)
                    ),
                    gone as (
                        delete from public.user_daily_usage as o using places as p
                        where o.ctid = p.row_id and p.place > 1 returning o.*
                    ),
                    kept as (
                        insert into tick.adopted (table_name, "row", reason)
                        select 'public.user_daily_usage', to_jsonb(gone), 'added to another row of this day' from gone
                    )
                    update public.user_daily_usage as o set ticks_used = p.used, ticks_granted = p.granted
                    from places as p
                    where o.ctid = p.row_id and p.place = 1
                        and (o.ticks_used, o.ticks_granted) is distinct from (p.used::bigint, p.granted::bigint)
                $command$;
        end if;
    end if;
end
$$;
