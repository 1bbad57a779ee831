-- What of ours the database has, and whether it is as we left it.

-- A digest of everything of ours but the rows and the two public tables, which the plan looks at one by one. It tells
-- that something was changed; installing functions, views, triggers, rights and policies again then mends it.
create or replace function pg_temp.tick_fingerprint(files jsonb) returns text
language sql stable set search_path = ''
as $$
    with ours as (
        select p.oid
        from pg_catalog.pg_proc as p
        where p.pronamespace = to_regnamespace('tick')
            or p.oid in (select f.id from pg_temp.tick_functions(files) as f where f.id is not null)
    ),
    relations as (
        select c.*
        from pg_catalog.pg_class as c
        where c.relnamespace = to_regnamespace('tick') and c.relkind in ('r', 'v', 'S')
            or c.oid = any (pg_temp.tick_public_tables())
    ),
    privileges as (
        select 'function ' || p.oid::regprocedure as what, p.proacl as acl
        from pg_catalog.pg_proc as p join ours as o on o.oid = p.oid
        union all
        select 'relation ' || r.oid::regclass, r.relacl from relations as r
        union all
        select 'schema tick', n.nspacl from pg_catalog.pg_namespace as n where n.nspname = 'tick'
    ),
    lines (line) as (
        select pg_get_functiondef(p.oid) || p.proowner::regrole
        from pg_catalog.pg_proc as p join ours as o on o.oid = p.oid where p.prokind = 'f'
        union all
        select concat_ws(
            ' ', p.what, coalesce(a.grantee::regrole::text, 'nobody said'), a.privilege_type, a.is_grantable)
        from privileges as p left join lateral aclexplode(p.acl) as a on true
        union all
        select concat_ws(' ', r.oid::regclass, r.relkind, r.relowner::regrole, r.relrowsecurity,
            case r.relkind when 'v' then r.reloptions::text || pg_get_viewdef(r.oid) end)
        from relations as r
        union all
        select concat_ws(' ', a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull)
        from pg_catalog.pg_attribute as a join relations as r on r.oid = a.attrelid
        where r.relnamespace = to_regnamespace('tick') and r.relkind = 'r' and a.attnum > 0
        union all
        select concat_ws(' ', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
        from pg_catalog.pg_constraint as c where c.connamespace = to_regnamespace('tick')
        union all
        select pg_get_indexdef(i.indexrelid)
        from pg_catalog.pg_index as i join relations as r on r.oid = i.indrelid
        where r.relnamespace = to_regnamespace('tick')
        union all
        select concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled)
        from pg_catalog.pg_trigger as t join ours as o on o.oid = t.tgfoid where not t.tgisinternal
        union all
        select concat_ws(' ', r.oid::regclass, p.polname, p.polpermissive, p.polroles::regrole[], p.polcmd,
            pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
        from pg_catalog.pg_policy as p join relations as r on r.oid = p.polrelid
    )
    select current_setting('server_version_num')::integer / 10000 || ' ' || md5(string_agg(line, E'\n' order by line))
    from lines
$$;

-- Why tickctl must not touch this database at all; nothing else is looked at then.
create or replace function pg_temp.tick_refusals(files jsonb, release jsonb)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    role_name name;
    owner_name name;
    contents bigint;
    unknown text;
begin
    if to_regclass('auth.users') is null or to_regclass('auth.sessions') is null
        or to_regprocedure('auth.uid()') is null or to_regprocedure('auth.jwt()') is null
    then
        return query select 0.0, 'refused', 'this is not the database of a Supabase project: it lacks auth.users, '
            'auth.sessions, auth.uid() or auth.jwt()', null;
        return;
    end if;
    unknown := (
        select string_agg(c.name, ', ')
        from unnest(array[
            'id', 'email', 'email_confirmed_at', 'banned_until', 'deleted_at', 'is_anonymous', 'is_sso_user',
            'created_at', 'last_sign_in_at', 'raw_app_meta_data'
        ]) as c (name)
        where (pg_temp.tick_column('auth.users'::regclass, c.name)).found is not true
    );
    if unknown is not null then
        return query select 0.0, 'refused',
            'Supabase Auth is too old, or of another kind: auth.users has no ' || unknown, null;
        return;
    end if;
    foreach role_name in array array['anon', 'authenticated', 'service_role']::name[] loop
        if to_regrole(role_name) is null then
            return query select 0.0, 'refused',
                format('this is not the database of a Supabase project: it has no role %s', role_name), null;
            return;
        end if;
    end loop;

    select n.nspowner::regrole, (select count(*) from pg_catalog.pg_class as c where c.relnamespace = n.oid)
        + (select count(*) from pg_catalog.pg_proc as p where p.pronamespace = n.oid)
        into owner_name, contents from pg_catalog.pg_namespace as n where n.nspname = 'tick';
    if owner_name <> current_user then
        return query select 0.0, 'denied',
            format('the schema tick belongs to %s, and this connection is %s', owner_name, current_user), null;
        return;
    elsif contents > 0 and to_regclass('tick.migration') is null then
        return query select 0.0, 'refused', 'there is a schema tick that tickctl did not make', null;
        return;
    elsif to_regclass('tick.migration') is not null then
        if string_to_array(substring(pg_temp.tick_digest('tickctl') from '^[0-9.]*[0-9]'), '.')::integer[]
            > string_to_array(substring(release ->> 'version' from '^[0-9.]*[0-9]'), '.')::integer[]
        then
            return query select 0.0, 'newer', format('the database was set up by tickctl %s, and this is %s',
                pg_temp.tick_digest('tickctl'), release ->> 'version'), null;
            return;
        end if;
        execute 'select min(m.name) from tick.migration as m where m.name like ''migrations/%'' and m.name not in ('
            'select f.file ->> ''name'' from jsonb_array_elements($1) as f (file))' into unknown using files;
        if unknown is not null then
            return query select 0.0, 'newer',
                'the database was set up by a newer version of tickctl, which ran ' || unknown, null;
            return;
        end if;
        execute 'select min(m.name) from tick.migration as m join jsonb_array_elements($1) as f (file)'
            ' on f.file ->> ''name'' = m.name where m.name like ''migrations/%'''
            ' and m.digest <> f.file ->> ''digest'' and not $2 -> ''superseded'' ? m.digest' into unknown
            using files, release;
        if unknown is not null then
            return query select 0.0, 'refused', 'the database ran another text of ' || unknown, null;
            return;
        end if;
    end if;

    return query
        select 0.0, 'denied', format('%s %s', current_user, r.lacks), null
        from (values
            (owner_name is not null or has_database_privilege(current_database(), 'create'), 'may not create schemas'),
            (has_schema_privilege('public', 'create'), 'may not create tables in schema public'),
            (has_table_privilege('auth.users', 'references'), 'may not refer to auth.users'),
            (has_table_privilege('auth.users', 'trigger'), 'may not put triggers on auth.users'),
            (has_table_privilege('auth.users', 'select'), 'may not read auth.users')
        ) as r (allowed, lacks)
        where not r.allowed;
end
$$;
