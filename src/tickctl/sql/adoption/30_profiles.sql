-- public.profiles: one row per user, found by user_id. Its other columns, and a key `id`, stay.

-- Whether `id` is the user's id, as in Supabase's own tutorials, rather than an id of the row's own; null when nobody
-- can tell. Only asked where id and user_id are not tied together already.
create or replace function pg_temp.tick_profile_id_is_user() returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
    table_id constant oid := to_regclass('public.profiles');
    id constant record := pg_temp.tick_column(table_id, 'id');
    owner constant record := pg_temp.tick_column(table_id, 'user_id');
    reading constant text := pg_temp.tick_reading('user_id', owner.type, 'uuid');
begin
    if not id.found or id.type <> 'uuid' or id.computed then
        return false;
    elsif exists (
        select from pg_catalog.pg_constraint as c
        where c.conrelid = table_id and c.contype = 'f' and c.conkey = array[id.number]
            and c.confrelid = 'auth.users'::regclass
    ) then
        return true;
    elsif id.default_text is not null and owner.found then
        return false;
    elsif pg_temp.tick_count('select count(*) from (select from public.profiles limit 1) as first') = 0 then
        return case when not owner.found and id.default_text is null then true when owner.found then false end;
    elsif owner.found then
        return reading is not null and pg_temp.tick_count(format(
            'select count(*) from (select from public.profiles where id is distinct from %s limit 1) as first', reading
        )) = 0;
    end if;
    return case
        when pg_temp.tick_count(
            'select count(*) from public.profiles as p where exists (select from auth.users as u where u.id = p.id)'
        ) > 0 then true
    end;
end
$$;

create or replace function pg_temp.tick_profiles(mirror text)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    table_id constant oid := to_regclass('public.profiles');
    id constant record := pg_temp.tick_column(table_id, 'id');
    owner constant record := pg_temp.tick_column(table_id, 'user_id');
    email constant record := pg_temp.tick_column(table_id, 'email');
    per_day constant record := pg_temp.tick_column(table_id, 'daily_tick_limit');
    is_tied constant boolean := exists (
        select from pg_catalog.pg_trigger as t
        where t.tgrelid = table_id and t.tgname = 'tick_mirror_profile_id' and t.tgenabled = 'O');
    -- What a new row has by default, where that is a plain number.
    default_limit constant text := (regexp_match(per_day.default_text, '^''?(\d{1,10})''?(::[a-z ]+)?$'))[1];
    id_is_user boolean := is_tied;
    user_of text := pg_temp.tick_reading('user_id', owner.type, 'uuid');
    limit_of text := coalesce(pg_temp.tick_reading('daily_tick_limit', per_day.type, 'integer'), '32');
    number bigint;
begin
    if table_id is null then
        return;
    elsif not pg_temp.tick_is_adoptable(table_id) then
        return query select * from pg_temp.tick_table(table_id);
        return;
    end if;
    if not is_tied then
        id_is_user := pg_temp.tick_profile_id_is_user();
    end if;

    -- Whose row it is.
    if not owner.found then
        if not id.found or id.type <> 'uuid' then
            return query select 0.0, 'blocker', 'public.profiles has no column that holds the user''s id '
                '(auth.users.id): add user_id uuid and fill it, or rename the column that has it to user_id'
                || case when id.type in ('text', 'character varying') then ', or make id a uuid' else '' end, null;
            return;
        elsif id_is_user is null then
            return query select 0.0, 'blocker', 'public.profiles has no user_id, and whether its id is the user''s '
                'id can''t be told: no row''s id is in auth.users. Add user_id uuid and fill it', null;
            return;
        end if;
        user_of := 'id';
        return query select 3.0, 'change', 'public.profiles gets the column user_id, equal to id',
            'alter table public.profiles add column user_id uuid; '
            'alter table public.profiles alter column user_id type uuid using id';
    end if;
    if id_is_user and not is_tied then
        if owner.found then
            number := pg_temp.tick_count(format(
                'select count(*) from public.profiles where id is distinct from %s', user_of));
            if number > 0 then
                return query select 0.0, 'blocker', format('public.profiles: %s with an id that refers to another user '
                    'than user_id does: make them equal', pg_temp.tick_rows(number)), null;
                return;
            end if;
        end if;
        return query select 3.2, 'change',
            'public.profiles: id and user_id stay equal by a trigger, whichever of them is written',
            'alter table public.profiles alter column id drop default; ' || mirror
            || '; create or replace trigger tick_mirror_profile_id before insert or update on public.profiles '
            'for each row execute function tick.mirror_profile_id()';
    elsif not id_is_user then
        return query select * from pg_temp.tick_row_number(table_id);
    end if;

    return query select * from pg_temp.tick_table(table_id);
    return query select * from pg_temp.tick_column_type(table_id, 'user_id', 'uuid');
    return query select * from pg_temp.tick_column_type(table_id, 'email', 'text');
    return query select * from pg_temp.tick_column_type(table_id, 'daily_tick_limit', 'integer', 0, 1000000000,
        'set them to null (unlimited) or to 0 (blocked)', 'lower them, or set them to null (unlimited)');

    if not email.found then
        return query select 3.3, 'change', 'public.profiles gets the column email',
            'alter table public.profiles add column email text';
    elsif email.required then
        return query select 3.4, 'change', 'public.profiles.email may be null: not every user has one',
            'alter table public.profiles alter column email drop not null';
    end if;
    if not per_day.found then
        return query select 3.3, 'change', 'public.profiles gets the column daily_tick_limit, 32 in every row',
            'alter table public.profiles add column daily_tick_limit integer default 32';
    else
        if per_day.required then
            return query select 3.4, 'change', 'public.profiles.daily_tick_limit may be null: unlimited',
                'alter table public.profiles alter column daily_tick_limit drop not null';
        end if;
        if default_limit is null or default_limit::numeric > 1000000000 then
            return query select 3.5, 'change', 'public.profiles.daily_tick_limit is 32 by default'
                || coalesce(', no longer ' || per_day.default_text, ''),
                'alter table public.profiles alter column daily_tick_limit set default 32';
        elsif per_day.type <> 'integer' then
            return query select 3.5, 'change', format('public.profiles.daily_tick_limit stays %s by default',
                default_limit), format('alter table public.profiles alter column daily_tick_limit set default %s',
                default_limit);
        end if;
        if to_regclass('tick.settings') is null then
            return query
                select 9.0, 'note', format('public.profiles: %s with %s', pg_temp.tick_rows(n.number), n.meaning), null
                from (values
                    (
                        pg_temp.tick_count('select count(*) from public.profiles where daily_tick_limit is null'),
                        'a limit of null, which means unlimited here'
                    ),
                    (
                        pg_temp.tick_count(format('select count(*) from public.profiles where %s = 0', limit_of)),
                        'a limit of 0, which means blocked here'
                    )
                ) as n (number, meaning)
                where n.number > 0;
        end if;
    end if;

    return query select * from pg_temp.tick_profile_rows();
    if not coalesce(owner.required, false) then
        return query select 5.0, 'change', 'public.profiles.user_id is never null',
            'alter table public.profiles alter column user_id set not null';
    end if;
    return query select * from pg_temp.tick_key(table_id, array['user_id']);
    if not pg_temp.tick_has_constraint(table_id, (pg_temp.tick_checks(table_id))[1]) then
        return query select 5.3, 'change', 'public.profiles: limits are from 0 to 1000000000, or null',
            'alter table public.profiles add constraint profiles_daily_tick_limit_in_range '
            'check (daily_tick_limit between 0 and 1000000000)';
    end if;
end
$$;

-- Rows of nobody, and several of one user. They are looked at only while no key vouches for them.
create or replace function pg_temp.tick_profile_rows()
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    table_id constant oid := to_regclass('public.profiles');
    owner constant record := pg_temp.tick_column(table_id, 'user_id');
    per_day constant record := pg_temp.tick_column(table_id, 'daily_tick_limit');
    whose constant text := case
        when owner.found then pg_temp.tick_reading('user_id', owner.type, 'uuid') else 'id' end;
    limits constant text := coalesce(pg_temp.tick_reading('daily_tick_limit', per_day.type, 'integer'), '32');
    rows_read constant text := format('(select t.ctid as row_id, %s as whose, %s as per_day from public.profiles as t)',
        whose, limits);
    orphans constant text := format(
        'select o.row_id from %s as o where o.whose is null'
        ' or not exists (select from auth.users as u where u.id = o.whose)', rows_read);
    doubles constant text := format(
        'select d.row_id from (select o.row_id, row_number() over ('
        'partition by o.whose order by o.per_day desc nulls first, o.row_id) as place from %s as o'
        ' where exists (select from auth.users as u where u.id = o.whose)) as d where d.place > 1', rows_read);
    number bigint;
begin
    if whose is null then
        return;
    end if;
    if not (owner.type is not distinct from 'uuid' and pg_temp.tick_has_constraint(
        table_id, 'FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE'
    )) then
        number := pg_temp.tick_count(format('select count(*) from (%s) as o', orphans));
        if number > 0 then
            return query select * from pg_temp.tick_referenced(table_id, orphans, 'having no user');
            return query select 4.2, 'archive',
                format('%s of public.profiles without a user in auth.users', pg_temp.tick_rows(number)),
                $command$
                    with gone as (
                        delete from public.profiles as o
                        where o.user_id is null or not exists (select from auth.users as u where u.id = o.user_id)
                        returning o.*
                    )
                    insert into tick.adopted (table_name, "row", reason)
                    select 'public.profiles', to_jsonb(gone), 'no such user' from gone
                $command$;
        end if;
    end if;
    if not (owner.type is not distinct from 'uuid' and pg_temp.tick_is_key(table_id, array['user_id'])) then
        number := pg_temp.tick_count(format('select count(*) from (%s) as d', doubles));
        if number > 0 then
            return query select * from pg_temp.tick_referenced(table_id, doubles, 'being one of several of one user');
            return query select 4.4, 'merge',
                format('%s of public.profiles into that of the same user with the highest limit (null, unlimited, is '
                    'highest)', pg_temp.tick_rows(number)),
                $command$
                    with places as (
                        select o.ctid as row_id, row_number() over (
                            partition by o.user_id order by o.daily_tick_limit desc nulls first, o.ctid) as place
                        from public.profiles as o
                    ),
                    gone as (
                        delete from public.profiles as o using places as p
                        where o.ctid = p.row_id and p.place > 1 returning o.*
                    )
                    insert into tick.adopted (table_name, "row", reason)
                    select 'public.profiles', to_jsonb(gone), 'another row of this user had a limit as high' from gone
                $command$;
        end if;
    end if;
end
$$;
