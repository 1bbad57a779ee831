-- What profiles copy from the accounts.

-- The user's id of each row of profiles, as an expression; null where it can't be read.
create or replace function pg_temp.tick_profile_user() returns text
language plpgsql stable set search_path = ''
as $$
declare
    owner constant record := pg_temp.tick_column(to_regclass('public.profiles'), 'user_id');
begin
    return case when owner.found then pg_temp.tick_reading('user_id', owner.type, 'uuid') else 'id' end;
end
$$;

-- E-mail addresses in profiles are copies; the account's own wins. The old ones are kept where they say something else.
create or replace function pg_temp.tick_emails() returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    email constant record := pg_temp.tick_column(to_regclass('public.profiles'), 'email');
    pairs constant text := format(
        'from (select %s as whose, %s as email from public.profiles) as p join auth.users as u on u.id = p.whose',
        pg_temp.tick_profile_user(), case when email.found then 'email::text' else 'null::text' end);
    number bigint;
begin
    number := pg_temp.tick_count(format('select count(*) %s where p.email is distinct from u.email', pairs));
    if number = 0 then
        return;
    end if;
    return query select 4.6, 'change',
        format('the e-mail address of auth.users is written into %s of public.profiles', pg_temp.tick_rows(number)),
        $command$
            update public.profiles as p set email = u.email
            from auth.users as u where u.id = p.user_id and p.email is distinct from u.email
        $command$;
    number := pg_temp.tick_count(format('select count(*) %s where lower(p.email) <> lower(u.email)', pairs));
    if number > 0 then
        return query select 4.5, 'archive',
            format('%s of public.profiles with another e-mail address than auth.users are copied first',
                pg_temp.tick_rows(number)),
            $command$
                insert into tick.adopted (table_name, "row", reason)
                select 'public.profiles', to_jsonb(p), 'the e-mail address was replaced by that of auth.users'
                from public.profiles as p
                join auth.users as u on u.id = p.user_id
                where lower(p.email) <> lower(u.email)
            $command$;
    end if;
end
$$;

-- Profiles of users who have none; functions/30_accounts.sql makes them, where it can.
create or replace function pg_temp.tick_missing_profiles()
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    table_id constant oid := to_regclass('public.profiles');
    number bigint;
begin
    if table_id is null then
        number := pg_temp.tick_count('select count(*) from auth.users');
    else
        number := pg_temp.tick_count(format(
            'select count(*) from auth.users as u where not exists (select from public.profiles where %s = u.id)',
            pg_temp.tick_profile_user()));
    end if;
    return query
        select 7.5, 'create', format('%s of public.profiles, for users who have none', pg_temp.tick_rows(number)), null
        where number > 0 and not exists (
            select from pg_catalog.pg_attribute as a
            where a.attrelid = table_id and a.attnum > 0 and not a.attisdropped and a.attnotnull and not a.atthasdef
                and a.attidentity = '' and a.attname not in ('id', 'user_id', 'email', 'daily_tick_limit')
        );
end
$$;
