-- The plan, and its carrying out. `files` are those of tickctl/sql in the order in which they run, each with its name,
-- digest, text, and when it is to `run`: 'once', 'again' (whenever it or another has changed) or 'installed' (as
-- 'again', but only where the database has it already).

create or replace function pg_temp.tick_plan(files jsonb, superseded jsonb)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    installed constant boolean := to_regclass('tick.migration') is not null;
    steps jsonb;
    file jsonb;
    is_altered boolean := false;
    is_outdated boolean := false;
begin
    steps := (select jsonb_agg(to_jsonb(r)) from pg_temp.tick_refusals(files, superseded) as r);
    if steps is not null then
        return query select s.* from jsonb_to_recordset(steps) as s (phase numeric, kind text, message text, command text);
        return;
    end if;

    steps := coalesce((
        select jsonb_agg(to_jsonb(s))
        from (
            select * from pg_temp.tick_profiles((
                select f.file ->> 'text' from jsonb_array_elements(files) as f (file)
                where f.file ->> 'name' = 'functions/05_profile_id.sql'
            ))
            union all
            select * from pg_temp.tick_usage()
            union all
            select * from pg_temp.tick_namesakes(files)
            union all
            select * from pg_temp.tick_owners(files)
            union all
            select * from pg_temp.tick_private(files)
            union all
            select * from pg_temp.tick_rights(files)
            union all
            select * from pg_temp.tick_ways_around(files)
        ) as s
    ), '[]');

    is_altered := installed and pg_temp.tick_fingerprint(files) is distinct from pg_temp.tick_digest('state');
    for file in select * from jsonb_array_elements(files) loop
        if file ->> 'run' = 'once' and pg_temp.tick_digest(file ->> 'name') is null then
            is_outdated := true;
            return query select 7.1, 'create', 'migration ' || (regexp_match(file ->> 'name', '/(.*)\.sql'))[1], file ->> 'text';
        elsif file ->> 'run' = 'again' or pg_temp.tick_digest(file ->> 'name') is not null then
            is_outdated := is_outdated or file ->> 'run' <> 'once'
                and pg_temp.tick_digest(file ->> 'name') is distinct from file ->> 'digest';
        end if;
    end loop;
    return query select s.*
        from jsonb_to_recordset(steps) as s (phase numeric, kind text, message text, command text);

    if steps @? '$[*] ? (@.kind == "blocker")' then
        return;
    elsif is_altered or is_outdated or steps @? '$[*] ? (@.kind != "note")' then
        if to_regclass('public.profiles') is not null then
            return query select * from pg_temp.tick_emails();
        end if;
        return query select * from pg_temp.tick_missing_profiles();
        return query
            select 8.0,
                case when not installed then 'create' when is_outdated then 'update' else 'change' end,
                case when not installed then 'functions, views, triggers, rights and policies'
                    when is_outdated then 'functions, views, triggers, rights and policies of this version'
                    when split_part(pg_temp.tick_digest('state'), ' ', 1)
                        <> split_part(pg_temp.tick_fingerprint(files), ' ', 1)
                        then 'functions, views, triggers, rights and policies again, after the upgrade of PostgreSQL'
                    else 'functions, views, triggers, rights and policies as they were: they were altered since' end,
                string_agg(f.file ->> 'text', E'\n' order by f.place)
            from jsonb_array_elements(files) with ordinality as f (file, place)
            where f.file ->> 'run' = 'again'
                or f.file ->> 'run' = 'installed' and pg_temp.tick_digest(f.file ->> 'name') is not null;
    end if;
end
$$;

-- Profiles of users who have none; functions/30_accounts.sql makes them, where it can.
create or replace function pg_temp.tick_missing_profiles()
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    owner constant record := pg_temp.tick_column(to_regclass('public.profiles'), 'user_id');
    user_of constant text := case when owner.found then pg_temp.tick_reading('user_id', owner.type, 'uuid') else 'id' end;
    number constant bigint := pg_temp.tick_count('select count(*) from auth.users as u' || case
        when to_regclass('public.profiles') is null then ''
        else format(' where not exists (select from public.profiles as p where %s = u.id)', user_of) end);
begin
    return query select 7.5, 'create', format('%s of public.profiles, for users who have none',
            pg_temp.tick_rows(number)), null
        where number > 0 and not exists (
            select from pg_catalog.pg_attribute as a
            where a.attrelid = to_regclass('public.profiles') and a.attnum > 0 and not a.attisdropped and a.attnotnull
                and not a.atthasdef and a.attidentity = '' and a.attname not in ('id', 'user_id', 'email', 'daily_tick_limit')
        );
end
$$;

-- What of ours belongs to somebody else by now.
create or replace function pg_temp.tick_owners(files jsonb)
returns table (phase numeric, kind text, message text, command text)
language sql volatile set search_path = ''
as $$
    select case when o.is_mine then 1.0 else 0.0 end, case when o.is_mine then 'change' else 'blocker' end,
        case when o.is_mine then format('%s belongs to %s again, no longer to %s', o.what, current_user, o.owner_name)
            else format('%s belongs to %s, and %s may not change it', o.what, o.owner_name, current_user) end,
        format('alter %s owner to %I', o.what, current_user)
    from (
        select 'function ' || p.oid::regprocedure as what, p.proowner::regrole as owner_name,
            pg_has_role(p.proowner, 'usage') as is_mine
        from pg_catalog.pg_proc as p
        where p.proowner <> to_regrole(current_user)
            and (to_regclass('tick.migration') is not null
                and p.oid in (select f.id from pg_temp.tick_functions(files) as f where f.id is not null))
        union all
        select case c.relkind when 'v' then 'view ' else 'table ' end || c.oid::regclass, c.relowner::regrole,
            pg_has_role(c.relowner, 'usage')
        from pg_catalog.pg_class as c
        where c.relnamespace = to_regnamespace('tick') and c.relkind in ('r', 'v')
            and c.relowner <> to_regrole(current_user)
    ) as o
$$;

-- Carries the plan out and returns its steps; with a blocker or a refusal among them, nothing is done.
create or replace function pg_temp.tick_apply(files jsonb, superseded jsonb)
returns table (kind text, message text)
language plpgsql volatile set search_path = ''
as $$
declare
    steps jsonb;
    step record;
    resume text := '';
    pausing boolean := false;
begin
    steps := (select jsonb_agg(to_jsonb(p)) from pg_temp.tick_plan(files, superseded) as p);
    if steps @? '$[*] ? (@.phase > 0 && @.phase < 7)' then
        -- Nothing may move between looking and doing. Accounts first, as who signs up does.
        begin
            lock table auth.users in share row exclusive mode;
        exception
            when insufficient_privilege then null;
        end;
        if to_regclass('public.profiles') is not null then
            lock table public.profiles in access exclusive mode;
        end if;
        if to_regclass('public.user_daily_usage') is not null then
            lock table public.user_daily_usage in access exclusive mode;
        end if;
        steps := (select jsonb_agg(to_jsonb(p)) from pg_temp.tick_plan(files, superseded) as p);
    end if;
    if steps is null or steps @? '$[*] ? (@.kind like_regex "^(blocker|refused|denied|newer)$")' then
        return query select s.kind, s.message from jsonb_to_recordset(steps) as s (phase numeric, kind text, message text)
            order by s.phase;
        return;
    end if;

    set constraints all immediate;
    execute 'create schema if not exists tick; revoke all on schema tick from public';
    execute (select f.file ->> 'text' from jsonb_array_elements(files) as f (file)
        where f.file ->> 'name' = 'migrations/0005_adopted.sql');
    for step in
        select s.*
        from rows from (jsonb_to_recordset(steps) as (phase numeric, kind text, message text, command text))
            with ordinality as s (phase, kind, message, command, place)
        order by s.phase, s.place
    loop
        -- Other people's triggers are not meant for this: they would log it, stamp it, or refuse it.
        if step.phase >= 4 and step.phase < 5 and not pausing then
            pausing := true;
            resume := pg_temp.tick_pause_triggers();
        elsif step.phase >= 5 and resume <> '' then
            execute resume;
            resume := '';
        end if;
        if step.command is not null then
            execute step.command;
        end if;
        kind := step.kind;
        message := step.message;
        return next;
    end loop;
    execute 'insert into tick.migration (name, digest, applied_at)'
        ' select f.file ->> ''name'', f.file ->> ''digest'', now() from jsonb_array_elements($1) as f (file)'
        ' where f.file ->> ''run'' <> ''installed'' or exists (select from tick.migration as m where m.name = f.file ->> ''name'')'
        ' union all select ''state'', pg_temp.tick_fingerprint($1), now()'
        ' on conflict (name) do update set digest = excluded.digest, applied_at = excluded.applied_at'
        ' where migration.digest <> excluded.digest' using files;
    notify pgrst, 'reload schema';
end
$$;

-- Pauses the triggers of our two tables; returns what brings each back to how it was.
create or replace function pg_temp.tick_pause_triggers() returns text
language plpgsql volatile set search_path = ''
as $$
declare
    found record;
    resume text := '';
begin
    for found in
        select t.tgrelid::regclass as named, t.tgname, t.tgenabled
        from pg_catalog.pg_trigger as t
        where t.tgrelid in (to_regclass('public.profiles'), to_regclass('public.user_daily_usage'))
            and not t.tgisinternal and t.tgenabled <> 'D'
    loop
        execute format('alter table %s disable trigger %I', found.named, found.tgname);
        resume := resume || format('alter table %s enable %s trigger %I; ', found.named,
            case found.tgenabled when 'A' then 'always' when 'R' then 'replica' else '' end, found.tgname);
    end loop;
    return resume;
end
$$;
