-- Both tables: whether they can be adopted at all, and what goes for either in the same way.

-- Whether a relation is a table that stands alone and that this role may alter.
create or replace function pg_temp.tick_is_adoptable(table_id oid) returns boolean
language sql stable set search_path = ''
as $$
    select c.relkind = 'r' and c.relpersistence <> 't' and pg_has_role(c.relowner, 'usage')
        and not exists (select from pg_catalog.pg_inherits as i where c.oid in (i.inhrelid, i.inhparent))
    from pg_catalog.pg_class as c where c.oid = table_id
$$;

-- Each function answers with steps. Steps run in the order of their phases:
-- 0 room for what is kept, 1 owner, 2 what stands in the way goes, 3 columns, 4 rows, 5 keys and checks, 6 rights.
create or replace function pg_temp.tick_table(table_id oid)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    named constant text := table_id::regclass::text;
    ours constant name[] := pg_temp.tick_columns(table_id);
    is_typed constant boolean := pg_temp.tick_is_typed(table_id);
    key_columns constant name[] := case named
        when 'public.profiles' then array['user_id'] else array['user_id', 'usage_date'] end;
    found record;
begin
    select c.relkind, c.relpersistence, c.relowner, o.rolname as owner_name,
        pg_has_role(c.relowner, 'usage') as is_mine,
        exists (select from pg_catalog.pg_inherits as i where c.oid in (i.inhrelid, i.inhparent)) as inherits
    into found
    from pg_catalog.pg_class as c join pg_catalog.pg_roles as o on o.oid = c.relowner where c.oid = table_id;
    if found.relkind <> 'r' or found.inherits or found.relpersistence = 't' then
        return query select 0.0, 'blocker', format(
            '%s is %s, not a plain table: rename it, and tickctl makes the table anew', named,
            case found.relkind when 'v' then 'a view' when 'm' then 'a materialized view' when 'f' then 'a foreign table'
                when 'p' then 'a partitioned table' when 'r' then 'a part or parent of other tables'
                else 'something else' end
        ), null;
        return;
    elsif not found.is_mine then
        return query select 0.0, 'blocker', format(
            '%s belongs to %s, and %s may not change it: as %s, run: alter table %s owner to %I',
            named, found.owner_name, current_user, found.owner_name, named, current_user
        ), null;
        return;
    end if;
    if found.owner_name <> current_user then
        return query select 1.0, 'change', format('%s belongs to %s from now on, no longer to %s',
            named, current_user, found.owner_name), format('alter table %s owner to %I', named, current_user);
    end if;
    if found.relpersistence = 'u' then
        return query select 3.9, 'change', format('%s survives a crash from now on: it was unlogged', named),
            format('alter table %s set logged', named);
    end if;

    -- Days are what is counted on, so they have to be made; profiles may be left to those whose columns these are.
    return query
        select 0.0, case named when 'public.profiles' then 'note' else 'blocker' end, format(
            'a new row of %s needs a value for %I, which tickctl does not know%s: give it a default, or run: '
            'alter table %1$s alter column %2$I drop not null', named, a.attname,
            case named when 'public.profiles' then ', so it can make no profiles' else '' end
        ), null
        from pg_catalog.pg_attribute as a
        where a.attrelid = table_id and a.attnum > 0 and not a.attisdropped and a.attnotnull and not a.atthasdef
            and a.attidentity = '' and a.attname <> all (ours || 'id'::name)
            and (named <> 'public.profiles' or to_regclass('tick.settings') is null);
    return query
        select 0.0, 'blocker', format('%s.%I is a computed column, and tickctl has to write it', named, a.attname), null
        from pg_catalog.pg_attribute as a
        where a.attrelid = table_id and a.attname = any (ours) and (a.attidentity <> '' or a.attgenerated <> '');

    -- Checks that are not ours could refuse a limit or a count that is fine.
    return query
        select 2.1, 'drop', format('%s: constraint %I, %s', named, c.conname, pg_get_constraintdef(c.oid)),
            format('alter table %s drop constraint %I', named, c.conname)
        from pg_catalog.pg_constraint as c
        where c.conrelid = table_id and c.contype in ('c', 'x')
            and (c.conname <> all (array['profiles_daily_tick_limit_in_range', 'user_daily_usage_ticks_not_negative'])
                or not c.convalidated or pg_get_constraintdef(c.oid) <> all (pg_temp.tick_checks(table_id)))
            and exists (
                select from pg_catalog.pg_attribute as a
                where a.attrelid = table_id and a.attnum = any (c.conkey) and a.attname = any (ours)
            );
    -- Unique keys over fewer of our columns would refuse a second day, or a second user with the address. Two texts may be
    -- the same date, so a key over columns that get another type is made anew after rows have been merged.
    return query
        select 2.2, 'drop', format('%s: %s', named, coalesce(
                'constraint ' || quote_ident(i.constraint_name) || ', ' || i.constraint_text, 'index ' || i.definition)),
            case when i.constraint_name is null then 'drop index ' || i.index_name
                else format('alter table %s drop constraint %I', named, i.constraint_name) end
        from pg_temp.tick_unique_indexes(table_id) as i
        where i.columns <@ ours and i.columns <> '{}'
            and not (i.columns @> key_columns and i.columns <@ key_columns and i.whole and is_typed);
    return query
        select 0.0, 'blocker', format(
            '%s of %s refers to a key of %s that tickctl has to drop: %s', k.conname, k.conrelid::regclass, named,
            i.definition), null
        from pg_temp.tick_unique_indexes(table_id) as i
        join pg_catalog.pg_constraint as k on k.conindid = i.index_id and k.contype = 'f'
        where i.columns <@ ours
            and not (i.columns @> key_columns and i.columns <@ key_columns and i.whole and is_typed);

    -- Keys to the accounts, or to profiles, that would forbid the deletion of a user or leave rows behind.
    return query
        select case when what.phase = 1 then 2.3 else 5.15 end, case when what.phase = 1 then 'drop' else 'change' end,
            format(case when what.phase = 1 then '%s: foreign key %I, which would keep users from being deleted'
                else '%s: foreign key %I again, with on delete cascade' end, named, c.conname),
            case when what.phase = 1 then format('alter table %s drop constraint %I', named, c.conname)
                else format('alter table %s add constraint %I %s', named, c.conname,
                    regexp_replace(pg_get_constraintdef(c.oid),
                        '( ON DELETE (NO ACTION|RESTRICT|SET NULL|SET DEFAULT)( \([^)]*\))?)?'
                        '( (NOT )?DEFERRABLE.*| INITIALLY.*| NOT VALID| NOT ENFORCED)?$', ' ON DELETE CASCADE')) end
        from pg_catalog.pg_constraint as c
        cross join (values (1), (2)) as what (phase)
        where c.conrelid = table_id and c.contype = 'f' and (c.confdeltype <> 'c' or not c.convalidated)
            and c.confrelid in ('auth.users'::regclass, to_regclass('public.profiles'))
            and c.confrelid <> c.conrelid and cardinality(c.conkey) = 1
            -- The key that tickctl itself wants is added anew under its own name.
            and not (what.phase = 2 and c.confrelid = 'auth.users'::regclass and exists (
                select from pg_catalog.pg_attribute as a
                where a.attrelid = table_id and a.attnum = c.conkey[1] and a.attname = 'user_id'))
            and exists (
                select from pg_catalog.pg_attribute as a
                where a.attrelid = table_id and a.attnum = c.conkey[1] and a.attname in ('user_id', 'id')
            );
end
$$;

-- The definitions of the checks that a table is to have.
create or replace function pg_temp.tick_checks(table_id oid) returns text[]
language sql immutable set search_path = ''
as $$
    select case table_id::regclass::text
        when 'public.profiles' then array['CHECK (((daily_tick_limit >= 0) AND (daily_tick_limit <= 1000000000)))']
        else array['CHECK (((ticks_used >= 0) AND (ticks_granted >= 0)))']
    end
$$;

-- `columns` are all that the index depends on; `whole` is false for partial, expression, deferred and invalid ones.
create or replace function pg_temp.tick_unique_indexes(
    table_id oid, out index_id oid, out index_name text, out definition text, out constraint_name name,
    out constraint_text text, out columns name[], out whole boolean
) returns setof record
language sql stable set search_path = ''
as $$
    select i.indexrelid, i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid), k.conname,
        pg_get_constraintdef(k.oid), array(
            select a.attname
            from pg_catalog.pg_attribute as a
            where a.attrelid = i.indrelid and (a.attnum = any (i.indkey::smallint[]) or exists (
                select from pg_catalog.pg_depend as d
                where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = i.indexrelid
                    and d.refobjid = i.indrelid and d.refobjsubid = a.attnum and a.attnum > 0
            ))
            order by a.attnum
        ), i.indpred is null and i.indexprs is null and i.indimmediate and i.indisvalid
    from pg_catalog.pg_index as i
    left join pg_catalog.pg_constraint as k on k.conindid = i.indexrelid and k.contype in ('p', 'u')
    where i.indrelid = table_id and i.indisunique
$$;

-- Rows that are to leave a table and that other tables refer to; `doomed` selects the rows' ctid.
create or replace function pg_temp.tick_referenced(table_id oid, doomed text, why text)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    reference record;
    number bigint;
begin
    for reference in
        select c.conname, c.conrelid::regclass::text as referring, string_agg(
                format('r.%I = x.%I', f.attname, t.attname), ' and ') as condition
        from pg_catalog.pg_constraint as c
        cross join unnest(c.conkey, c.confkey) as pair (from_number, to_number)
        join pg_catalog.pg_attribute as f on f.attrelid = c.conrelid and f.attnum = pair.from_number
        join pg_catalog.pg_attribute as t on t.attrelid = c.confrelid and t.attnum = pair.to_number
        where c.confrelid = table_id and c.contype = 'f'
            and c.conrelid::regclass::text not in ('public.profiles', 'public.user_daily_usage')
        group by c.conname, c.conrelid
        order by 2, 1
    loop
        number := pg_temp.tick_count(format(
            'select count(*) from %s as r where exists (select from %s as x where %s and x.ctid in (%s))',
            reference.referring, table_id::regclass, reference.condition, doomed
        ));
        if number > 0 then
            return query select 0.0, 'blocker', format(
                '%s of %s refer (by %I) to rows of %s that have to leave it, %s: point them elsewhere or delete them',
                pg_temp.tick_rows(number), reference.referring, reference.conname, table_id::regclass, why
            ), null;
        end if;
    end loop;
end
$$;

-- A column with another type than ours, and values in it that can't become ours. Numbers have bounds.
create or replace function pg_temp.tick_column_type(
    table_id oid, column_name name, target text, lowest numeric default null, highest numeric default null,
    if_too_low text default null, if_too_high text default null
) returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    named constant text := format('%s.%I', table_id::regclass, column_name);
    have constant record := pg_temp.tick_column(table_id, column_name);
    reading constant text := pg_temp.tick_reading(column_name, have.type, target);
    used_by text;
    bad record;
begin
    if not have.found or have.computed then
        return;
    elsif reading is null then
        return query select 0.0, 'blocker',
            format('%s is %s, which can''t become %s: change it by hand', named, have.type, target), null;
        return;
    end if;
    -- A column of the right type has its values read only where no check of ours vouches for them.
    if have.type <> target or lowest is not null
        and not pg_temp.tick_has_constraint(table_id, (pg_temp.tick_checks(table_id))[1])
    then
        execute format(
            'select count(*) filter (where %1$s is null) as unreadable, %2$s as low, %3$s as high'
            ' from %4$s where %5$I is not null',
            reading,
            case when lowest is null then '0::bigint' else format('count(*) filter (where %s < %s)', reading, lowest) end,
            case when highest is null then '0::bigint' else format('count(*) filter (where %s > %s)', reading, highest) end,
            table_id::regclass, column_name
        ) into bad;
        return query
            select 0.0, 'blocker', format('%s: %s %s: %s', named, pg_temp.tick_rows(b.number), b.what, b.advice), null
            from (values
                (
                    bad.unreadable,
                    format('can''t be read as %s', case when lowest is null then target else 'a whole number' end),
                    'change them by hand'
                ),
                (bad.low, 'below ' || lowest, if_too_low),
                (bad.high, 'above ' || highest, if_too_high)
            ) as b (number, what, advice)
            where b.number > 0;
    end if;
    if have.type <> target then
        used_by := pg_temp.tick_users_of_column(table_id, have.number);
        if used_by is not null then
            return query select 0.0, 'blocker', format(
                '%s is %s and has to become %s, but is used by %s: drop that first, and make it anew afterwards',
                named, have.type, target, used_by), null;
        end if;
        return query select 3.1, 'change', format('%s is %s from now on, no longer %s%s', named, target, have.type,
                case when have.type like 'timestamp%' then '; the time of day goes' else '' end),
            format('alter table %s alter column %I drop default, alter column %I type %s using (%s)::%s',
                table_id::regclass, column_name, column_name, target, reading, target);
    end if;
end
$$;

-- A key `id` of the row's own that new rows have to bring along: tickctl's rows don't.
create or replace function pg_temp.tick_row_number(table_id oid)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    named constant text := table_id::regclass;
    id constant record := pg_temp.tick_column(table_id, 'id');
begin
    if not id.found or not id.required or id.computed or id.default_text is not null then
        return;
    end if;
    return query
        select case when id.type = 'uuid' or id.type like '%int%' then 3.2 else 0.0 end,
            case when id.type = 'uuid' or id.type like '%int%' then 'change' else 'blocker' end,
            case when id.type = 'uuid' or id.type like '%int%' then format('%s.id gets a value by itself', named)
                else format('a new row of %s needs an id (%s), which tickctl does not know: give it a default',
                    named, id.type) end,
            case when id.type = 'uuid' then format('alter table %s alter column id set default gen_random_uuid()', named)
                when id.type like '%int%' then format(
                    'alter table %1$s alter column id add generated by default as identity; '
                    'select setval(pg_get_serial_sequence(%1$L, ''id''), (select coalesce(max(id), 0) + 1 from %1$s), false); '
                    'do $do$ begin execute format(''revoke all on sequence %%s from public, anon, authenticated, '
                    'service_role'', pg_get_serial_sequence(%1$L, ''id'')); end $do$', named) end;
end
$$;

-- The unique key and the key to the accounts. Where the table has a primary key already, that stays.
create or replace function pg_temp.tick_key(table_id oid, columns name[])
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    named constant text := table_id::regclass;
    listed constant text := array_to_string(columns, ', ');
    has_key constant boolean := pg_temp.tick_is_typed(table_id) and pg_temp.tick_is_key(table_id, columns);
    -- A key that is dropped for being in the way does not count.
    has_primary constant boolean := exists (
        select from pg_catalog.pg_constraint as c
        where c.conrelid = table_id and c.contype = 'p' and exists (
            select from pg_catalog.pg_attribute as a
            where a.attrelid = table_id and a.attnum = any (c.conkey)
                and (a.attname <> all (pg_temp.tick_columns(table_id)) or has_key)
        )
    );
    reference constant text := 'FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE';
    standing text;
begin
    if not has_key then
        return query select 5.1, 'change', format('%s: (%s) is unique', named, listed),
            format('alter table %s add %s (%s)', named,
                case when has_primary then 'unique' else 'primary key' end, listed);
    end if;
    if not pg_temp.tick_has_constraint(table_id, reference) then
        return query select 5.2, 'change', format('%s: rows go with their user (foreign key, on delete cascade)', named),
            format('alter table %s add %s', named, lower(reference));
    end if;
end
$$;
