-- How values are read, and how numbers are told. Everything in this folder lies in pg_temp, where it is gone with the
-- transaction or the session. Planning reads only.

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
        when value ~* '^\s*[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\s*$'
            then btrim(value, E' \t\n\r\f\v')::uuid
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
