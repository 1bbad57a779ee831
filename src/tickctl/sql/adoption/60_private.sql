-- The private tables, and all indexes: what somebody has dropped since, made again from the text of the migrations.

create or replace function pg_temp.tick_private(files jsonb)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    definition record;
begin
    if to_regclass('tick.migration') is null then
        return;
    end if;
    for definition in
        select f.file, s.parts[1] as name, s.parts[2] as body, s.statement, to_regclass(s.parts[1])::oid as id
        from jsonb_array_elements(files) as f (file)
        cross join lateral (
            select m.parts, 'create table ' || m.parts[1] || ' (' || m.parts[2] as statement
            from regexp_matches(
                f.file ->> 'text', '^create table (?:if not exists )?([a-z_.]+) \(([^;]*;)', 'gw') as m (parts)
        ) as s
        where f.file ->> 'run' = 'once' and pg_temp.tick_digest(f.file ->> 'name') is not null
    loop
        if definition.id is null then
            return query select 6.8, 'create', definition.name || ' anew: somebody has dropped it',
                -- A file that can be run again also fills what it makes.
                case when definition.file ->> 'text' ~ 'create table if not exists' then definition.file ->> 'text'
                    else definition.statement end;
            continue;
        end if;
        continue when definition.name like 'public.%';
        return query
            select 6.9, 'change', format('%s: %s again', definition.name, c.parts[1]), format(
                'alter table %s drop constraint if exists %s; alter table %1$s add constraint %2$s %s',
                definition.name, c.parts[1], c.parts[2])
            from regexp_matches(definition.body, '^ +constraint ([a-z_]+) (check .*?),?$', 'gn') as c (parts)
            where not exists (
                select from pg_catalog.pg_constraint as k
                where k.conrelid = definition.id and k.conname = c.parts[1] and k.convalidated
                    and pg_get_constraintdef(k.oid) !~ 'NOT ENFORCED');
        return query
            select 6.9, 'change', format('%s: the primary key again', definition.name),
                format('alter table %s add primary key (%s)', definition.name, coalesce(k.parts[1], k.parts[2]))
            from regexp_matches(
                definition.body, '^ +(?:primary key \(([a-z_, ]+)\)|([a-z_]+) .*primary key.*)', 'gn') as k (parts)
            where not exists (
                select from pg_catalog.pg_constraint as p where p.conrelid = definition.id and p.contype = 'p');
        return query
            select 6.9, 'change', format('%s: rows go with their user again', definition.name),
                format('alter table %s add foreign key (user_id) references auth.users (id) on delete cascade',
                    definition.name)
            where definition.body ~ ' user_id [^,]*references auth\.users \(id\) on delete cascade'
                and not pg_temp.tick_has_constraint(
                    definition.id, 'FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE');
        return query
            select 6.9, 'change', format('%s.%s is never null again', definition.name, a.attname),
                format('alter table %s alter column %I set not null', definition.name, a.attname)
            from regexp_matches(definition.body, '^ *([a-z_]+) .*not null', 'gn') as c (parts)
            join pg_catalog.pg_attribute as a on a.attrelid = definition.id and a.attname = c.parts[1]
            where not a.attnotnull;
    end loop;

    return query
        select 6.95, 'create', format('index %s again', i.parts[2]), i.parts[1]
        from jsonb_array_elements(files) as f (file)
        cross join regexp_matches(
            f.file ->> 'text', '^(create (?:unique )?index (?:if not exists )?([a-z_]+) on ([a-z]+)\.[^;]*;)', 'gw'
        ) as i (parts)
        where f.file ->> 'run' = 'once' and pg_temp.tick_digest(f.file ->> 'name') is not null
            and to_regclass(i.parts[3] || '.' || i.parts[2]) is null;
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
