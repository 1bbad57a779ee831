-- Both tables: whether they can be taken over at all, and what goes for either in the same way.
--
-- Each function from here on answers with steps. They run in the order of their phases: 0 what forbids all of it,
-- 1 owners, 2 what stands in the way goes, 3 columns, 4 rows, 5 keys and checks, 6 rights and what was dropped since,
-- 7 migrations, 8 functions and policies, 9 notes. A step without a command is done by another one.

create or replace function pg_temp.tick_table(table_id oid)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    named constant text := table_id::regclass::text;
    ours constant name[] := pg_temp.tick_columns(table_id);
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
            case found.relkind
                when 'v' then 'a view'
                when 'm' then 'a materialized view'
                when 'f' then 'a foreign table'
                when 'p' then 'a partitioned table'
                when 'r' then 'a part or parent of other tables'
                else 'something else'
            end
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
        select 0.0, 'blocker',
            format('%s.%I is a computed column, and tickctl has to write it', named, a.attname), null
        from pg_catalog.pg_attribute as a
        where a.attrelid = table_id and a.attname = any (ours) and (a.attidentity <> '' or a.attgenerated <> '');

    return query select * from pg_temp.tick_in_the_way(table_id);
    return query select * from pg_temp.tick_references(table_id);
end
$$;

-- Checks and unique keys that are not ours, and would refuse a limit, a count, a second day, or a second user with an
-- address. Two texts may be the same date, so a key over columns that get another type is made anew, too.
create or replace function pg_temp.tick_in_the_way(table_id oid)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    named constant text := table_id::regclass::text;
    ours constant name[] := pg_temp.tick_columns(table_id);
    key_columns constant name[] := case named
        when 'public.profiles' then array['user_id'] else array['user_id', 'usage_date'] end;
    is_typed constant boolean := pg_temp.tick_is_typed(table_id);
    unwanted record;
begin
    return query
        select 2.1, 'drop', format('%s: constraint %I, %s', named, c.conname, pg_get_constraintdef(c.oid)),
            format('alter table %s drop constraint %I', named, c.conname)
        from pg_catalog.pg_constraint as c
        where c.conrelid = table_id and c.contype in ('c', 'x')
            and (
                c.conname <> all (array['profiles_daily_tick_limit_in_range', 'user_daily_usage_ticks_not_negative'])
                or not c.convalidated or pg_get_constraintdef(c.oid) <> all (pg_temp.tick_checks(table_id))
            )
            and exists (
                select from pg_catalog.pg_attribute as a
                where a.attrelid = table_id and a.attnum = any (c.conkey) and a.attname = any (ours)
            );

    for unwanted in
        select i.*, coalesce('constraint ' || quote_ident(i.constraint_name) || ', ' || i.constraint_text,
            'index ' || i.definition) as told
        from pg_temp.tick_unique_indexes(table_id) as i
        where i.columns <@ ours and i.columns <> '{}'
            and not (i.columns @> key_columns and i.columns <@ key_columns and i.whole and is_typed)
    loop
        return query select 2.2, 'drop', format('%s: %s', named, unwanted.told),
            case when unwanted.constraint_name is null then 'drop index ' || unwanted.index_name
                else format('alter table %s drop constraint %I', named, unwanted.constraint_name) end;
        return query
            select 0.0, 'blocker', format('%s of %s refers to a key of %s that tickctl has to drop: %s',
                k.conname, k.conrelid::regclass, named, unwanted.told), null
            from pg_catalog.pg_constraint as k
            where k.conindid = unwanted.index_id and k.contype = 'f';
    end loop;
end
$$;

-- Foreign keys to the accounts, or to profiles, that would forbid the deletion of a user or leave rows behind. The one
-- that tickctl itself wants is made by tick_key.
create or replace function pg_temp.tick_references(table_id oid)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    named constant text := table_id::regclass::text;
    reference record;
begin
    for reference in
        select c.conname, pg_get_constraintdef(c.oid) as definition,
            c.confrelid = 'auth.users'::regclass and a.attname = 'user_id' as is_ours
        from pg_catalog.pg_constraint as c
        join pg_catalog.pg_attribute as a on a.attrelid = c.conrelid and c.conkey = array[a.attnum]
        where c.conrelid = table_id and c.contype = 'f' and (c.confdeltype <> 'c' or not c.convalidated)
            and c.confrelid in ('auth.users'::regclass, to_regclass('public.profiles')) and c.confrelid <> c.conrelid
            and a.attname in ('user_id', 'id')
    loop
        return query select 2.3, 'drop',
            format('%s: foreign key %I, which would keep users from being deleted', named, reference.conname),
            format('alter table %s drop constraint %I', named, reference.conname);
        if not reference.is_ours then
            return query select 5.15, 'change',
                format('%s: foreign key %I again, with on delete cascade', named, reference.conname),
                format('alter table %s add constraint %I %s', named, reference.conname, regexp_replace(
                    reference.definition,
                    '( ON DELETE (NO ACTION|RESTRICT|SET NULL|SET DEFAULT)( \([^)]*\))?)?'
                    '( (NOT )?DEFERRABLE.*| INITIALLY.*| NOT VALID| NOT ENFORCED)?$',
                    ' ON DELETE CASCADE'
                ));
        end if;
    end loop;
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
begin
    if not has_key then
        return query select 5.1, 'change', format('%s: (%s) is unique', named, listed),
            format('alter table %s add %s (%s)', named,
                case when has_primary then 'unique' else 'primary key' end, listed);
    end if;
    if not pg_temp.tick_has_constraint(table_id, reference) then
        return query select 5.2, 'change',
            format('%s: rows go with their user (foreign key, on delete cascade)', named),
            format('alter table %s add %s', named, lower(reference));
    end if;
end
$$;
