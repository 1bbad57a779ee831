-- The carrying out.

-- Carries the plan out and returns its steps; with a blocker or a refusal among them, nothing is done.
create or replace function pg_temp.tick_apply(files jsonb, release jsonb)
returns table (kind text, message text)
language plpgsql volatile set search_path = ''
as $$
declare
    steps jsonb;
    step record;
    resume text := '';
    pausing boolean := false;
begin
    steps := (select jsonb_agg(to_jsonb(p)) from pg_temp.tick_plan(files, release) as p);
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
        steps := (select jsonb_agg(to_jsonb(p)) from pg_temp.tick_plan(files, release) as p);
    end if;
    if steps is null or steps @? '$[*] ? (@.kind like_regex "^(blocker|refused|denied|newer)$")' then
        return query select s.kind, s.message
            from jsonb_to_recordset(steps) as s (phase numeric, kind text, message text)
            order by s.phase;
        return;
    end if;

    -- A table with checks that are put off can't be altered. What is kept needs a place before anything is taken out.
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
    execute $command$
        insert into tick.migration (name, digest, applied_at)
        select f.file ->> 'name', f.file ->> 'digest', now()
        from jsonb_array_elements($1) as f (file)
        where f.file ->> 'run' <> 'installed'
            or exists (select from tick.migration as m where m.name = f.file ->> 'name')
        union all
        select 'state', pg_temp.tick_fingerprint($1), now()
        union all
        select 'tickctl', $2, now()
        on conflict (name) do update set digest = excluded.digest, applied_at = excluded.applied_at
        where migration.digest <> excluded.digest
    $command$ using files, release ->> 'version';
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
        where t.tgrelid = any (pg_temp.tick_public_tables()) and not t.tgisinternal and t.tgenabled <> 'D'
    loop
        execute format('alter table %s disable trigger %I', found.named, found.tgname);
        resume := resume || format('alter table %s enable %s trigger %I; ', found.named,
            case found.tgenabled when 'A' then 'always' when 'R' then 'replica' else '' end, found.tgname);
    end loop;
    return resume;
end
$$;

-- Leaves nothing of this behind in a session that goes on.
create or replace function pg_temp.tick_forget() returns void
language plpgsql volatile
as $$
declare
    signature text;
begin
    for signature in
        select p.oid::regprocedure from pg_catalog.pg_proc as p
        where p.pronamespace = pg_my_temp_schema() and p.proname like 'tick\_%'
    loop
        execute 'drop function ' || signature;
    end loop;
end
$$;
