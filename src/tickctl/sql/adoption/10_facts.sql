-- What the plan asks the catalogue and the rows. Everything in this folder lies in pg_temp, where it is gone with the
-- transaction or the session; planning reads only.

-- A whole or broken number written out in digits; null for any other text.
create or replace function pg_temp.tick_number(value text) returns numeric
language sql immutable set search_path = ''
as $$ select case when value ~ '^\s*[+-]?\d{1,30}(\.\d{1,30})?\s*$' then value::numeric end $$;

create or replace function pg_temp.tick_whole(value numeric) returns numeric
language sql immutable set search_path = ''
as $$ select case when value = trunc(value) then value end $$;

create or replace function pg_temp.tick_uuid(value text) returns uuid
language sql immutable set search_path = ''
as $$
    select case
        when value ~* '^\s*[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\s*$' then trim(value)::uuid
    end
$$;

create or replace function pg_temp.tick_date(value text) returns date
language plpgsql immutable set search_path = ''
as $$
begin
    return case when value ~ '^\s*\d{4}-\d\d-\d\d\s*$' then value::date end;
exception
    when datetime_field_overflow or invalid_datetime_format then return null;
end
$$;

-- How to read a column as another type: an expression that is null where a value can't be read exactly. Null when the
-- types have nothing in common.
create or replace function pg_temp.tick_reading(column_name name, type text, target text) returns text
language plpgsql stable set search_path = ''
as $$
declare
    given constant text := format('%I', column_name);
    zone text := 'UTC';
begin
    if type = target then
        return given;
    end if;
    if to_regclass('tick.settings') is not null then
        execute 'select time_zone from tick.settings' into zone;
    end if;
    return case
        when type in ('text', 'character varying', 'character', 'citext', 'public.citext', 'extensions.citext') then
            case target
                when 'text' then given || '::text'
                when 'uuid' then format('pg_temp.tick_uuid(%s::text)', given)
                when 'date' then format('pg_temp.tick_date(%s::text)', given)
                else format('pg_temp.tick_whole(pg_temp.tick_number(%s::text))', given)
            end
        when target in ('integer', 'bigint') and type in ('smallint', 'integer', 'bigint') then given
        when target in ('integer', 'bigint') and type in ('numeric', 'real', 'double precision') then
            format('pg_temp.tick_whole(%s::numeric)', given)
        when target = 'date' and type = 'timestamp without time zone' then given || '::date'
        when target = 'date' and type = 'timestamp with time zone' then
            format('(%s at time zone %L)::date', given, zone)
    end;
end
$$;

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

create or replace function pg_temp.tick_count(query text) returns bigint
language plpgsql volatile set search_path = ''
as $$
declare
    number bigint;
begin
    execute query into number;
    return number;
end
$$;

-- "1 row", "3 rows".
create or replace function pg_temp.tick_rows(number bigint) returns text
language sql immutable set search_path = ''
as $$ select number || case when number = 1 then ' row' else ' rows' end $$;

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

-- Whether the columns of a table's key have the types that they are to have.
create or replace function pg_temp.tick_is_typed(table_id oid) returns boolean
language sql stable set search_path = ''
as $$
    select bool_and(a.atttypid = case a.attname when 'user_id' then 'uuid'::regtype else 'date'::regtype end)
    from pg_catalog.pg_attribute as a
    where a.attrelid = table_id and not a.attisdropped and (
        a.attname = 'user_id' or a.attname = 'usage_date' and table_id::regclass::text = 'public.user_daily_usage')
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
