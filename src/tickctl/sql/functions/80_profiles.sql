-- What tickctl puts on public.profiles: triggers that keep the limit and the user's key from everybody who isn't trusted
-- with the table, and one that logs every change of a limit. Grants and policies stay the project's. The triggers come
-- after all others and look at what these made of a row; where neither limit nor key changes, they aren't called.

-- Runs with the rights of whoever writes, to see who that is. Trusted are the table's owner, its members, and roles that
-- row-level security doesn't concern: postgres, the dashboard, migrations and the secret key. The column's default is
-- nobody's choice. An update that names the limit and finds no row, since row-level security hides them, is refused as
-- well rather than ending as if it had worked; that is what the triggers with an argument are for.
create or replace function tick.guard_limit() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
    default_limit integer;
begin
    if exists (
        select
        from pg_catalog.pg_roles as r
        join pg_catalog.pg_class as c on c.oid = tg_relid
        where r.rolname = current_user and (r.rolsuper or r.rolbypassrls or pg_has_role(r.oid, c.relowner, 'member'))
    ) then
        return null;
    end if;
    default_limit := (
        select (regexp_match(pg_get_expr(d.adbin, d.adrelid), '^''?(\d{1,9})''?(::[a-z ]+)?$'))[1]
        from pg_catalog.pg_attrdef as d
        join pg_catalog.pg_attribute as a on a.attrelid = d.adrelid and a.attnum = d.adnum
        where d.adrelid = tg_relid and a.attname = 'daily_tick_limit'
    );
    if tg_nargs > 0 then
        if tg_level = 'ROW' then
            perform set_config('tick.row_seen', 'true', true);
            return null;
        elsif current_setting('tick.row_seen', true) = 'true' then
            return null;
        end if;
    elsif tg_op = 'INSERT' then
        if new.daily_tick_limit is not distinct from default_limit then
            return null;
        end if;
    elsif tg_op = 'DELETE' then
        if old.daily_tick_limit >= default_limit then
            return null;
        end if;
    end if;
    raise exception '% may not change a daily_tick_limit', current_user using errcode = '42501',
        hint = 'Operators use `tickctl quota set`; a server uses the secret key.';
end
$$;

-- Runs with its owner's rights, so that it can write the log. The argument is the column that names the user.
create or replace function tick.log_limit() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    labels constant jsonb := nullif(current_setting('tick.labels', true), '')::jsonb;
    default_limit constant integer := (select s.default_limit from tick.settings as s);
    former constant jsonb := case when tg_op = 'INSERT' then '{}' else to_jsonb(old) end;
    current constant jsonb := case when tg_op = 'DELETE' then '{}' else to_jsonb(new) end;
    before_limit constant jsonb := coalesce(labels -> 'previous', former -> 'daily_tick_limit', to_jsonb(default_limit), 'null');
    after_limit constant jsonb := coalesce(current -> 'daily_tick_limit', to_jsonb(default_limit), 'null');
    claims jsonb;
    actor tick.actor;
begin
    case current_setting('role')
        when 'none' then
            actor.name := session_user;
        when 'authenticated' then
            claims := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
            actor.user_id := tick.uuid_or_null(claims ->> 'sub');
            actor.name := coalesce(actor.user_id::text, 'authenticated');
        else
            actor.name := case
                when session_user = 'authenticator' then current_setting('role') else session_user end;
    end case;
    -- Of a row that has changed hands, the former user's limit is the default again.
    if former ? tg_argv[0] and current ? tg_argv[0] and former -> tg_argv[0] <> current -> tg_argv[0] then
        perform tick.record(
            actor, null, 'set_limit', tick.uuid_or_null(former ->> tg_argv[0]),
            jsonb_build_object('daily_tick_limit', before_limit),
            jsonb_build_object('daily_tick_limit', default_limit), null
        );
    end if;
    perform tick.record(
        actor, labels ->> 'operator', 'set_limit',
        tick.uuid_or_null(coalesce(current ->> tg_argv[0], former ->> tg_argv[0])),
        jsonb_build_object('daily_tick_limit', before_limit), jsonb_build_object('daily_tick_limit', after_limit),
        labels ->> 'reason'
    );
    return null;
end
$$;

-- In a table that tickctl has made, each new user gets a profile, for front ends to read. A sign-up must never fail or
-- hang for it: whatever goes wrong is logged, and a lock is not waited for.
create or replace function tick.make_profile() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '250ms'
as $$
begin
    insert into public.profiles (user_id, daily_tick_limit)
    select new.id, s.default_limit from tick.settings as s
    on conflict do nothing;
    return null;
exception
    when others then
        raise warning 'no profile was made for user %: SQLSTATE %', new.id, sqlstate;
        return null;
end
$$;

do $$
declare
    key constant name := tick.profile_key();
    standard constant text := coalesce(
        (
            select pg_get_expr(d.adbin, d.adrelid)
            from pg_catalog.pg_attrdef as d
            join pg_catalog.pg_attribute as a on a.attrelid = d.adrelid and a.attnum = d.adnum
            where d.adrelid = 'public.profiles'::regclass and a.attname = 'daily_tick_limit'
        ),
        'null'
    );
    changed record;
    task record;
begin
    for task in select t.* from (values ('guard', ''), ('log', format('%L', key))) as t (name, argument) loop
        for changed in
            select c.*
            from (values
                ('update', format(
                    'old.daily_tick_limit is distinct from new.daily_tick_limit or old.%1$I is distinct from new.%1$I',
                    key)),
                ('insert', format('new.daily_tick_limit is distinct from %s', standard)),
                ('delete', format('old.daily_tick_limit is distinct from %s', standard))
            ) as c (event, condition)
        loop
            execute format(
                'create or replace trigger zz_tick_%1$s_limit_%2$s after %2$s on public.profiles for each row'
                ' when (%3$s) execute function tick.%1$s_limit(%4$s)',
                task.name, changed.event, changed.condition, task.argument
            );
        end loop;
    end loop;
    -- Rows that are inserted count as well: an upsert fires the statement's trigger, whatever it did.
    create or replace trigger zz_tick_guard_limit_row after insert or update of daily_tick_limit on public.profiles
    for each row execute function tick.guard_limit('seen');
    create or replace trigger zz_tick_guard_limit_statement after update of daily_tick_limit on public.profiles
    for each statement execute function tick.guard_limit('seen');
    create or replace trigger zz_tick_guard_limit_truncate before truncate on public.profiles
    for each statement execute function tick.guard_limit();
    create or replace trigger log_limit after insert or update on tick.override
    for each row execute function tick.log_limit('user_id');

    if exists (select from tick.migration as m where m.name = 'public.profiles' and m.digest = 'made') then
        -- Triggers of one kind fire in the order of their names: the project's own come first.
        create or replace trigger zz_tick_make_profile after insert on auth.users
        for each row execute function tick.make_profile();
        insert into public.profiles (user_id, daily_tick_limit)
        select u.id, s.default_limit from auth.users as u cross join tick.settings as s
        on conflict do nothing;
    end if;
end
$$;
