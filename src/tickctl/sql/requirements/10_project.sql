-- name: project
-- title: this is the database of a Supabase project
-- kind: refused
select 'auth', 'this is not the database of a Supabase project: it lacks auth.users, auth.sessions, auth.uid() or auth.jwt()',
    null, false, null
where to_regclass('auth.users') is null or to_regclass('auth.sessions') is null or to_regprocedure('auth.uid()') is null
    or to_regprocedure('auth.jwt()') is null
union all
select r.name, 'this is not the database of a Supabase project: it has no role ' || r.name, null, false, null
from unnest(array['anon', 'authenticated', 'service_role']) as r (name)
where to_regrole(r.name) is null;

-- name: auth-columns
-- title: Supabase Auth is recent enough
-- kind: refused
select 'auth.users', 'Supabase Auth is too old, or of another kind: auth.users has no ' || string_agg(c.name, ', '), null, false, null
from unnest(array[
    'id', 'email', 'email_confirmed_at', 'banned_until', 'deleted_at', 'is_anonymous', 'is_sso_user', 'created_at',
    'last_sign_in_at', 'instance_id', 'phone'
]) as c (name)
where to_regclass('auth.users') is not null and not exists (
    select from pg_catalog.pg_attribute as a
    where a.attrelid = to_regclass('auth.users') and a.attname = c.name and a.attnum > 0 and not a.attisdropped
)
having count(*) > 0;

-- name: foreign-schema
-- title: the schema tick is tickctl's
-- kind: refused
select 'schema tick', 'there is a schema tick that tickctl did not make', null, false, null
from pg_catalog.pg_namespace as n
where n.nspname = 'tick' and to_regclass('tick.migration') is null and (
    exists (select from pg_catalog.pg_class as c where c.relnamespace = n.oid)
    or exists (select from pg_catalog.pg_proc as p where p.pronamespace = n.oid)
);

-- name: privileges
-- title: this role may install the schema
-- kind: denied
select r.object, current_user || ' ' || r.lacks, null, false, null
from (
    select 'schema tick', n.nspowner = to_regrole(current_user), 'is not the owner of the schema tick: ' || n.nspowner::regrole
    from pg_catalog.pg_namespace as n where n.nspname = 'tick'
    union all
    select 'database', has_database_privilege(current_database(), 'create'), 'may not create schemas'
    where to_regnamespace('tick') is null
    union all
    select 'schema public', has_schema_privilege('public', 'create'), 'may not create tables in schema public'
    union all
    select 'auth.users', has_table_privilege('auth.users', p.name), 'may not ' || p.meaning
    from (values ('references', 'refer to auth.users'), ('trigger', 'put triggers on auth.users'),
        ('select', 'read auth.users')) as p (name, meaning)
    where to_regclass('auth.users') is not null
    union all
    select c.oid::regclass::text, pg_has_role(c.relowner, 'usage'), format('may not change public.%1$s, which belongs to %2$s: '
        'as %2$s, run: alter table public.%1$s owner to %3$s', c.relname, c.relowner::regrole, current_user)
    from pg_catalog.pg_class as c
    where c.relnamespace = 'public'::regnamespace and c.relname in ('profiles', 'user_daily_usage')
) as r (object, allowed, lacks)
where not r.allowed;

-- name: installed
-- title: nothing of tickctl is missing
-- kind: install
select 'schema tick', 'tables, functions and policies of tickctl', null, true, null where to_regclass('tick.migration') is null
union all
select 'public.' || t.name, 'table public.' || t.name, null, true, null
from unnest(array['profiles', 'user_daily_usage']) as t (name)
where to_regclass('public.' || t.name) is null;

-- name: version-newer
-- title: no newer version of tickctl has set it up
-- kind: newer
select m.name, 'the database was set up by a newer version of tickctl, which ran ' || m.name, null, false, null
from tick.migration as m
where m.name like 'migrations/%' and m.name collate "C" > (
    select max(f.name) from jsonb_to_recordset(:files) as f (name text) where f.name like 'migrations/%') collate "C"
union all
select 'tickctl', 'the database was set up by tickctl ' || m.digest || ', and this is ' || :version, null, false, null
from tick.migration as m
where m.name = 'tickctl'
    and string_to_array(substring(m.digest from '^[0-9.]*[0-9]'), '.')::integer[]
        > string_to_array(substring(:version from '^[0-9.]*[0-9]'), '.')::integer[];

-- name: namesakes
-- title: nothing else has the names of tickctl's functions
-- kind: blocker
select f.name, 'a function of that name is in the way: ' || f.name || '; rename or drop it', null, false, null
from our_function as f
where f.schema = 'public' and not (to_regclass('tick.migration') is not null and f.prosrc ~ '\mtick\.');

-- name: plain-tables
-- title: the tables are ordinary ones
-- kind: blocker
select t.name, format('%s is %s, not a plain table: rename it, and tickctl makes the table anew', t.name, case t.relkind
        when 'v' then 'a view' when 'm' then 'a materialized view' when 'f' then 'a foreign table'
        when 'p' then 'a partitioned table' when 'r' then 'a part or parent of other tables' else 'something else'
    end), null, false, null
from (
    select c.*, n.nspname || '.' || c.relname as name
    from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = 'public' and c.relname in ('profiles', 'user_daily_usage')
) as t
where t.relkind <> 'r' or t.relpersistence = 't'
    or exists (select from pg_catalog.pg_inherits as i where t.oid in (i.inhrelid, i.inhparent));

-- name: version
-- title: the schema is that of this version of tickctl
-- kind: install
select f.name, case when m.name is null then f.name || ' has not run' else f.name || ' ran with another text' end, null, true, null
from jsonb_to_recordset(:files) as f (name text, digest text)
left join tick.migration as m on m.name = f.name
where m.digest is distinct from f.digest
union all
-- In a table that an older version made, as 0006_tables.sql knows it.
select 'public.profiles.email', 'public.profiles.email, a copy of auth.users.email that older versions kept, goes', null, true, null
from pg_catalog.pg_attribute as a
where a.attrelid = to_regclass('public.profiles') and a.attnum > 0
    and a.attrelid > to_regclass('tick.migration')::oid
    and exists (select from tick.migration as m where m.name like 'migrations/0001%')
    and not exists (select from tick.migration as m where m.name like 'migrations/0006%')
having string_agg(a.attname, ' ' order by a.attnum) = 'user_id email daily_tick_limit' and max(a.attnum) = 3
order by 1;

-- name: as-installed
-- title: nobody has changed what tickctl installed
-- kind: install
select coalesce(i.object, o.object), coalesce(i.object, o.object) || case
        when i.object is null then ', which tickctl did not make'
        when o.object is null then ' is missing'
        else ' was changed'
    end,
    null, true, null
from tick.installed as i
full join our_object as o on o.object = i.object
where i.object is null and o.object ~ '^(function|view|policy|trigger|rule) ' and exists (select from tick.installed)
    or i.object <> 'PostgreSQL' and i.digest is distinct from md5(o.text)
union all
select 'PostgreSQL', 'PostgreSQL was upgraded since', null, true, null
from tick.installed as i
where i.object = 'PostgreSQL' and i.digest <> (current_setting('server_version_num')::integer / 10000)::text
order by 1;

-- name: foreign-keys-enforced
-- title: foreign keys are switched on
-- kind: finding
select distinct r.name, r.name || ': ' || k.conname || ' is switched off',
    format('alter table %s enable trigger all', r.name), false, null
from pg_catalog.pg_trigger as x
join pg_catalog.pg_constraint as k on k.oid = x.tgconstraint and k.contype = 'f'
join our_relation as r on r.oid = k.conrelid
where x.tgenabled not in ('O', 'A');

-- name: settings
-- title: the time zone of the settings exists
-- kind: finding
select 'tick.settings', 'the time zone ' || s.time_zone || ' is not known to this server',
    'update tick.settings set time_zone = ''UTC''', false, null
from tick.settings as s
where not exists (select from pg_catalog.pg_timezone_names as z where z.name = s.time_zone);
