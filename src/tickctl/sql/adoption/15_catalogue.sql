-- What the plan asks the catalogue.

-- `type` is without its length; `computed` is an identity or generated column.
create or replace function pg_temp.tick_column(
    table_id oid, column_name name, out found boolean, out number smallint, out type text, out required boolean,
    out default_text text, out computed boolean
)
language sql stable set search_path = ''
as $$
    select a.attnum is not null, a.attnum, format_type(a.atttypid, null), a.attnotnull,
        pg_get_expr(d.adbin, d.adrelid), a.attidentity <> '' or a.attgenerated <> ''
    from (values (table_id, column_name)) as wanted (table_id, column_name)
    left join pg_catalog.pg_attribute as a
        on a.attrelid = wanted.table_id and a.attname = wanted.column_name and a.attnum > 0 and not a.attisdropped
    left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
$$;

-- The columns of ours in one of the two tables.
create or replace function pg_temp.tick_columns(table_id oid) returns name[]
language sql stable set search_path = ''
as $$
    select case table_id::regclass::text
        when 'public.profiles' then array['user_id', 'email', 'daily_tick_limit']::name[]
        else array['user_id', 'usage_date', 'ticks_used', 'ticks_granted']::name[]
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

-- Those of the two tables that are there.
create or replace function pg_temp.tick_public_tables() returns oid[]
language sql stable set search_path = ''
as $$
    select array_agg(t.id) from unnest(array[
        to_regclass('public.profiles')::oid, to_regclass('public.user_daily_usage')::oid
    ]) as t (id) where t.id is not null
$$;

-- Whether the columns of a table's key have the types that they are to have.
create or replace function pg_temp.tick_is_typed(table_id oid) returns boolean
language sql stable set search_path = ''
as $$
    select bool_and(a.atttypid = case a.attname when 'user_id' then 'uuid'::regtype else 'date'::regtype end)
    from pg_catalog.pg_attribute as a
    where a.attrelid = table_id and not a.attisdropped and (
        a.attname = 'user_id' or a.attname = 'usage_date' and table_id::regclass::text = 'public.user_daily_usage')
$$;

-- Whether a relation is a table that stands alone and that this role may alter.
create or replace function pg_temp.tick_is_adoptable(table_id oid) returns boolean
language sql stable set search_path = ''
as $$
    select c.relkind = 'r' and c.relpersistence <> 't' and pg_has_role(c.relowner, 'usage')
        and not exists (select from pg_catalog.pg_inherits as i where c.oid in (i.inhrelid, i.inhparent))
    from pg_catalog.pg_class as c where c.oid = table_id
$$;

-- Whether a valid index, whole and immediate, keeps these columns, in this order, unique.
create or replace function pg_temp.tick_is_key(table_id oid, columns name[]) returns boolean
language sql stable set search_path = ''
as $$
    select exists (
        select from pg_catalog.pg_index as i
        where i.indrelid = table_id and i.indisunique and i.indimmediate and i.indisvalid
            and i.indpred is null and i.indexprs is null and i.indnkeyatts = cardinality(columns)
            and columns = array(
                select a.attname
                from unnest(i.indkey::smallint[]) with ordinality as k (number, place)
                join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.number
                where k.place <= i.indnkeyatts
                order by k.place
            )
    )
$$;

-- Whether a constraint says exactly this, and holds (not "NOT VALID").
create or replace function pg_temp.tick_has_constraint(table_id oid, definition text) returns boolean
language sql stable set search_path = ''
as $$
    select exists (
        select from pg_catalog.pg_constraint as c
        where c.conrelid = table_id and c.convalidated and pg_get_constraintdef(c.oid) = definition
    )
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

-- Everything that forbids changing the type of a column: views, triggers, rules, functions, generated columns, other
-- tables' policies and keys.
create or replace function pg_temp.tick_users_of_column(table_id oid, number smallint) returns text
language sql stable set search_path = ''
as $$
    select string_agg(distinct d.description, ', ' order by d.description)
    from (
        select case when p.classid = 'pg_catalog.pg_rewrite'::regclass
            then (select c.oid::regclass::text from pg_catalog.pg_rewrite as r
                join pg_catalog.pg_class as c on c.oid = r.ev_class where r.oid = p.objid)
            else pg_describe_object(p.classid, p.objid, p.objsubid) end as description
        from pg_catalog.pg_depend as p
        where p.refclassid = 'pg_catalog.pg_class'::regclass and p.refobjid = table_id and p.refobjsubid = number
            and (
                p.classid in (
                    'pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_trigger'::regclass, 'pg_catalog.pg_proc'::regclass
                )
                or p.classid = 'pg_catalog.pg_policy'::regclass and not exists (
                    select from pg_catalog.pg_policy as own where own.oid = p.objid and own.polrelid = table_id
                )
                or p.classid = 'pg_catalog.pg_constraint'::regclass and exists (
                    select from pg_catalog.pg_constraint as k
                    where k.oid = p.objid and k.contype = 'f' and k.confrelid = table_id
                )
                or p.classid = 'pg_catalog.pg_attrdef'::regclass and exists (
                    select from pg_catalog.pg_attrdef as def
                    where def.oid = p.objid and (def.adrelid, def.adnum) <> (table_id, number)
                )
            )
    ) as d
$$;

-- Everybody (0), the roles that requests run as, those whose rights these inherit, and whichever a token may name besides:
-- PostgREST becomes any role that its login may switch to.
create or replace function pg_temp.tick_api_roles() returns oid[]
language sql stable set search_path = ''
as $$
    select array_agg(r.oid) || 0::oid
    from pg_catalog.pg_roles as r
    where not r.rolsuper and exists (
        select from pg_catalog.pg_roles as api
        where api.rolname in ('anon', 'authenticated', 'service_role', 'authenticator')
            and pg_has_role(api.oid, r.oid, case when api.rolname = 'authenticator' then 'member' else 'usage' end)
    )
$$;

-- The function with a signature, null where there is none. Before PostgreSQL 16 a type that is unknown is an error.
create or replace function pg_temp.tick_function_id(signature text) returns oid
language plpgsql stable set search_path = ''
as $$
begin
    return to_regprocedure(signature)::oid;
exception
    when undefined_object or invalid_schema_name then return null;
end
$$;

-- The signatures of the functions in our files; null where the database has no such function.
create or replace function pg_temp.tick_functions(files jsonb, out name text, out id oid) returns setof record
language sql stable set search_path = ''
as $$
    select definition[1], pg_temp.tick_function_id(format('%s(%s)', definition[1], (
        -- Of "name type default value", the type.
        select string_agg(
            regexp_replace(btrim(argument, E' \n'), '^\S+\s+|\s+default\s.*$', '', 'g'), ',' order by place)
        from regexp_split_to_table(definition[2], ',') with ordinality as a (argument, place)
        where btrim(argument, E' \n') <> ''
    )))
    from jsonb_array_elements(files) as f (file)
    cross join regexp_matches(
        f.file ->> 'text', 'create or replace function ([a-z_]+\.[a-z_]+)\(([^)]*)\)', 'g') as m (definition)
    where f.file ->> 'run' <> 'once'
$$;

-- The digest that the database has of a file; null if it did not run it.
create or replace function pg_temp.tick_digest(file_name text) returns text
language plpgsql volatile set search_path = ''
as $$
declare
    digest text;
begin
    if to_regclass('tick.migration') is not null then
        execute 'select m.digest from tick.migration as m where m.name = $1' into digest using file_name;
    end if;
    return digest;
end
$$;
