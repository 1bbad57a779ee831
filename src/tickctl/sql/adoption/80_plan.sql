-- The plan. `files` are those of tickctl/sql in the order in which they run, each with its name, digest, text, and when
-- it is to `run`: 'once', 'again' (whenever it or another has changed) or 'installed' (as 'again', but only where the
-- database has it already). Of the `release`, `version` is tickctl's, and `superseded` are the digests of migrations
-- that count as those of today.

create or replace function pg_temp.tick_plan(files jsonb, release jsonb)
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
    steps := (select jsonb_agg(to_jsonb(r)) from pg_temp.tick_refusals(files, release) as r);
    if steps is not null then
        return query select s.*
            from jsonb_to_recordset(steps) as s (phase numeric, kind text, message text, command text);
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
            select * from pg_temp.tick_policies()
            union all
            select * from pg_temp.tick_table_rights()
            union all
            select * from pg_temp.tick_other_rights(files)
            union all
            select * from pg_temp.tick_consequences()
            union all
            select * from pg_temp.tick_views()
            union all
            select * from pg_temp.tick_functions_around(files)
        ) as s
    ), '[]');

    -- What has never run, or ran with another text; an optional file is no reason to run all the others again.
    is_altered := installed and pg_temp.tick_fingerprint(files) is distinct from pg_temp.tick_digest('state');
    for file in select * from jsonb_array_elements(files) loop
        if file ->> 'run' = 'once' and pg_temp.tick_digest(file ->> 'name') is null then
            is_outdated := true;
            return query select 7.1, 'create', 'migration ' || (regexp_match(file ->> 'name', '/(.*)\.sql'))[1],
                file ->> 'text';
        elsif file ->> 'name' like 'optional/%' and pg_temp.tick_digest(file ->> 'name') is null then
            return query select 8.1, 'create',
                'the optional ' || translate((regexp_match(file ->> 'name', '/(.*)\.sql'))[1], '_', ' '),
                file ->> 'text'
                where file ->> 'run' = 'again';
        elsif file ->> 'run' <> 'once' then
            is_outdated := is_outdated or pg_temp.tick_digest(file ->> 'name') is distinct from file ->> 'digest';
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
            where f.file ->> 'run' <> 'once'
                and (f.file ->> 'name' not like 'optional/%' or pg_temp.tick_digest(f.file ->> 'name') is not null);
    end if;
end
$$;
