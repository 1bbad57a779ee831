-- public.user_daily_usage of a project that had it before. The whole table becomes tickctl's: no row is lost, and each
-- change is remembered with what undoes it.

-- name: usage-columns
-- title: public.user_daily_usage has the columns that are counted with
-- kind: blocker
select t.name, format('public.user_daily_usage has no column %s: add it and fill it, or rename the column that has it', c.name),
    null, false, null
from public_table as t
cross join unnest(array['user_id', 'usage_date', 'ticks_used']) as c (name)
where t.name = 'public.user_daily_usage' and not exists (
    select from pg_catalog.pg_attribute as a where a.attrelid = t.oid and a.attname = c.name and not a.attisdropped)
union all
select t.name, format('public.user_daily_usage.%I is a computed column, and tickctl has to write it', a.attname), null, false, null
from public_table as t
join pg_catalog.pg_attribute as a on a.attrelid = t.oid
where t.name = 'public.user_daily_usage' and a.attname in ('user_id', 'usage_date', 'ticks_used', 'ticks_granted')
    and (a.attgenerated <> '' or a.attidentity <> '')
union all
select t.name, format('a new row of public.user_daily_usage needs a value for %I, which tickctl does not know: give it a default, '
    'or run: alter table public.user_daily_usage alter column %I drop not null', a.attname, a.attname), null, false, null
from public_table as t
join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
where t.name = 'public.user_daily_usage' and t.is_adopted and a.attnotnull and not a.atthasdef and a.attidentity = ''
    and a.attname not in ('user_id', 'usage_date', 'ticks_used', 'ticks_granted', 'refunds')
    and not (a.attname = 'id' and a.atttypid in ('uuid'::regtype, 'smallint'::regtype, 'integer'::regtype, 'bigint'::regtype))
union all
select t.name, format('%s of %s refers to public.user_daily_usage: drop it', k.conname, k.conrelid::regclass), null, false, null
from public_table as t
join pg_catalog.pg_constraint as k on k.confrelid = t.oid and k.contype = 'f'
where t.name = 'public.user_daily_usage' and t.is_adopted
union all
select t.name, format('public.user_daily_usage.user_id holds ids of public.profiles (%s), not of users: put the users'' ids '
    'into it', k.conname), null, false, null
from public_table as t
join pg_catalog.pg_constraint as k on k.conrelid = t.oid and k.contype = 'f' and k.confrelid = to_regclass('public.profiles')
where t.name = 'public.user_daily_usage' and t.is_adopted
    and k.conkey = array(select a.attnum from pg_catalog.pg_attribute as a where a.attrelid = t.oid and a.attname = 'user_id')
    and k.confkey <> array(select a.attnum from pg_catalog.pg_attribute as a
        where a.attrelid = k.confrelid and a.attname = tick.profile_key());

-- name: usage-policies
-- title: no policy of the project's opens public.user_daily_usage
-- kind: change
select t.name, format('policy %I on %s, for %s to %s, goes', p.policyname, t.name, lower(p.cmd), array_to_string(p.roles, ', ')),
    tick.undoable(t.name, format('drop policy %I on %s', p.policyname, t.name), format(
        'create policy %I on %s as %s for %s to %s%s%s', p.policyname, t.name, p.permissive, p.cmd,
        (select string_agg(case r.role when 'public' then 'public' else quote_ident(r.role) end, ', ')
            from unnest(p.roles) as r (role)),
        ' using (' || p.qual || ')', ' with check (' || p.with_check || ')')), true, null
from public_table as t
join pg_catalog.pg_policies as p on p.schemaname = 'public' and p.tablename = t.relname
where t.name = 'public.user_daily_usage' and t.is_adopted
    and not (p.policyname = 'user_daily_usage_read_own' and p.cmd = 'SELECT' and (
        exists (select from tick.installed)
        -- That of an older version, which `policies.sql` replaces.
        or exists (select from tick.migration as m where m.name like 'migrations/0001%')
    ))
order by p.policyname;

-- name: usage-grants
-- title: nobody writes to public.user_daily_usage past tickctl
-- kind: change
select t.name, format('%s on %s from %s: revoked', string_agg(a.privilege_type, ', ' order by a.privilege_type), t.name, g.name),
    tick.undoable(t.name, format('revoke all on %s from %s cascade', t.name, g.name), format('grant %s on %s to %s',
        string_agg(a.privilege_type, ', ' order by a.privilege_type), t.name, g.name)), true, null
from public_table as t
cross join lateral aclexplode(t.relacl) as a
cross join lateral (select case when a.grantee = 0 then 'public' else a.grantee::regrole::text end as name) as g
where t.name = 'public.user_daily_usage' and t.is_adopted and a.grantee <> t.relowner and not (
    a.privilege_type = 'SELECT' and g.name in ('authenticated', 'service_role') and (
        exists (select from tick.installed)
        or exists (select from tick.migration as m where m.name like 'migrations/0001%')
    )
)
group by t.name, g.name
order by g.name;

-- name: usage-row-security
-- title: row-level security is on
-- kind: change
select t.name, t.name || ': row-level security is on', tick.undoable(t.name, 'alter table public.user_daily_usage enable row level security',
    'alter table public.user_daily_usage disable row level security'), true, null
from public_table as t where t.name = 'public.user_daily_usage' and t.is_adopted and not t.relrowsecurity
union all
select t.name, t.name || ' survives a crash from now on: it was unlogged', tick.undoable(t.name,
    'alter table public.user_daily_usage set logged', 'alter table public.user_daily_usage set unlogged'), true, null
from public_table as t where t.name = 'public.user_daily_usage' and t.is_adopted and t.relpersistence = 'u';

-- name: usage-in-the-way
-- title: nothing refuses a day or a count
-- kind: change
select t.name, format('%s: constraint %I, %s, goes', t.name, k.conname, pg_get_constraintdef(k.oid)), tick.undoable(t.name,
    format('alter table %s drop constraint %I', t.name, k.conname),
    format('alter table %s add constraint %I %s', t.name, k.conname, pg_get_constraintdef(k.oid))), true, null
from public_table as t
join pg_catalog.pg_constraint as k on k.conrelid = t.oid
cross join lateral (
    select array_agg(a.attname order by a.attname) as names, bool_or(a.attname in ('user_id', 'usage_date', 'ticks_used', 'ticks_granted')) as ours,
        -- Texts that differ may be one user or one day.
        bool_and(a.atttypid in ('uuid'::regtype, 'date'::regtype)) as typed
    from pg_catalog.pg_attribute as a where a.attrelid = t.oid and a.attnum = any (k.conkey)
) as c
where t.name = 'public.user_daily_usage' and t.is_adopted and c.ours and (
    k.contype in ('c', 'x') and k.conname <> 'user_daily_usage_ticks_not_negative'
    or k.contype in ('p', 'u')
        and (not c.names @> array['usage_date', 'user_id']::name[] or k.condeferrable or not c.typed)
    or k.contype = 'f' and (k.confrelid <> 'auth.users'::regclass or k.confdeltype <> 'c' or not k.convalidated)
)
union all
select t.name, format('%s: index %s goes', t.name, i.indexrelid::regclass), tick.undoable(t.name,
    format('drop index %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)), true, null
from public_table as t
join pg_catalog.pg_index as i on i.indrelid = t.oid and i.indisunique
where t.name = 'public.user_daily_usage' and t.is_adopted
    and not exists (select from pg_catalog.pg_constraint as k where k.conindid = i.indexrelid)
order by 2;

-- name: usage-types
-- title: public.user_daily_usage counts in the right types
-- kind: change
select t.name, format('%s.%I is %s from now on, no longer %s%s', t.name, a.attname, w.type, format_type(a.atttypid, a.atttypmod),
        case when a.atttypid in ('timestamp'::regtype, 'timestamptz'::regtype) then '; the time of day goes' else '' end),
    tick.undoable(t.name, format('alter table %1$s alter %2$I drop default, alter %2$I type %3$s using %4$s', t.name, a.attname, w.type,
        format(case
            when w.type = 'bigint' and a.atttypid in ('smallint'::regtype, 'integer'::regtype) then '%1$I::bigint'
            when w.type = 'bigint' then '(case when %1$I::text::numeric = trunc(%1$I::text::numeric)'
                ' then trunc(%1$I::text::numeric)::text else %1$I::text end)::bigint'
            when w.type = 'date' and a.atttypid = 'timestamptz'::regtype then '(%1$I at time zone %2$L)::date'
            when w.type = 'date' and a.atttypid = 'timestamp'::regtype then '%1$I::date'
            else 'btrim(%1$I::text, E'' \t\n\r'')::' || w.type
        end, a.attname, s.time_zone)
    ), format('alter table %1$s alter %2$I drop default, alter %2$I type %3$s using %2$I::text::%3$s', t.name, a.attname,
        format_type(a.atttypid, a.atttypmod))
        || coalesce(format(', alter %I set default ', a.attname) || pg_get_expr(d.adbin, d.adrelid), '')),
    u.names is null, u.names
from public_table as t
cross join tick.settings as s
join (values ('user_id', 'uuid'), ('usage_date', 'date'), ('ticks_used', 'bigint'), ('ticks_granted', 'bigint')) as w (name, type) on true
join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attname = w.name and a.atttypid <> w.type::regtype
left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
cross join lateral (
    select string_agg(distinct x.name, ', ' order by x.name) as names
    from dependant as x
    where x.refclassid = 'pg_catalog.pg_class'::regclass and x.refobjid = t.oid and x.refobjsubid = a.attnum
        and x.name !~ '^(constraint|default value) '
) as u
where t.name = 'public.user_daily_usage' and t.is_adopted;

-- name: usage-new-columns
-- title: public.user_daily_usage has all columns
-- kind: change
select t.name, format('%s gets the column %s', t.name, c.name), tick.undoable(t.name,
    format('alter table %s add column %s %s not null default 0', t.name, c.name, c.type),
    format('alter table %s drop column %s', t.name, c.name)), true, null
from public_table as t
cross join (values ('ticks_granted', 'bigint'), ('refunds', 'integer')) as c (name, type)
where t.name = 'public.user_daily_usage' and t.is_adopted and not exists (
    select from pg_catalog.pg_attribute as a where a.attrelid = t.oid and a.attname = c.name and not a.attisdropped)
union all
select t.name, t.name || '.id gets a value by itself', tick.undoable(t.name, case
    when a.atttypid = 'uuid'::regtype then format('alter table %s alter id set default gen_random_uuid()', t.name)
    else format('alter table %1$s alter id add generated by default as identity; '
        'select setval(pg_get_serial_sequence(%1$L, ''id''), (select coalesce(max(id), 0) + 1 from %1$s), false)', t.name)
end, format('alter table %s alter id drop %s', t.name, case when a.atttypid = 'uuid'::regtype then 'default' else 'identity' end)), true, null
from public_table as t
join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attname = 'id' and not a.attisdropped
where t.name = 'public.user_daily_usage' and t.is_adopted and a.attnotnull and not a.atthasdef and a.attidentity = ''
    and a.atttypid in ('uuid'::regtype, 'smallint'::regtype, 'integer'::regtype, 'bigint'::regtype);

-- name: usage-negative
-- title: counts are not negative
-- kind: blocker
select 'public.user_daily_usage', format('public.user_daily_usage: %s below 0: set them to what was used, or to 0',
    case when count(*) = 1 then '1 row has a count' else count(*) || ' rows have counts' end), null, false, null
from public.user_daily_usage as d
where least(d.ticks_used, d.ticks_granted) < 0
    and exists (select from public_table as t where t.name = 'public.user_daily_usage' and t.is_adopted)
having count(*) > 0;

-- name: usage-nulls
-- title: counts are never null
-- kind: change
select t.name, format('%s: empty %s count 0, and are 0 by default', t.name, a.attname), tick.undoable(t.name, format(
    'update %1$s set %2$I = 0 where %2$I is null; alter table %1$s alter %2$I set default 0, alter %2$I set not null',
    t.name, a.attname), format('alter table %1$s alter %2$I ', t.name, a.attname)
        || coalesce('set default ' || pg_get_expr(d.adbin, d.adrelid), 'drop default')
        || case when a.attnotnull then '' else format(', alter %I drop not null', a.attname) end), true, null
from public_table as t
join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attname in ('ticks_used', 'ticks_granted')
left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
where t.name = 'public.user_daily_usage' and t.is_adopted
    and (not a.attnotnull or pg_get_expr(d.adbin, d.adrelid) is distinct from '0');

-- name: usage-orphans
-- title: each row of public.user_daily_usage has a user and a day
-- kind: archive
select 'public.user_daily_usage', format('%s of public.user_daily_usage without a user in auth.users, or without a day, to tick.adopted',
    case when count(*) = 1 then '1 row' else count(*) || ' rows' end), $fix$
        with gone as (
            delete from public.user_daily_usage as o
            where o.usage_date is null or o.user_id is null or not exists (select from auth.users as u where u.id = o.user_id)
            returning o.*
        )
        insert into tick.adopted (table_name, "row", reason)
        select 'public.user_daily_usage', to_jsonb(gone), 'no such user, or no day' from gone
    $fix$, true, null
from public.user_daily_usage as d
where exists (select from public_table as t where t.name = 'public.user_daily_usage' and t.is_adopted)
    and not exists (
        select from pg_catalog.pg_constraint as k
        where k.conrelid = to_regclass('public.user_daily_usage') and k.convalidated
            and pg_get_constraintdef(k.oid) = 'FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE'
    )
    and (d.usage_date is null or d.user_id is null or not exists (select from auth.users as u where u.id = d.user_id))
having count(*) > 0;

-- name: usage-doubles
-- title: a user has one row for each day
-- kind: merge
select 'public.user_daily_usage', format('%s of public.user_daily_usage into others of the same user and day; the ticks are summed',
    case when sum(d.number - 1) = 1 then '1 row' else sum(d.number - 1) || ' rows' end), $fix$
        with place as (
            select o.ctid as row_id, row_number() over day as number, sum(o.ticks_used) over whole as used,
                sum(o.ticks_granted) over whole as granted
            from public.user_daily_usage as o
            window day as (partition by o.user_id, o.usage_date order by o.ctid),
                whole as (partition by o.user_id, o.usage_date)
        ),
        gone as (
            delete from public.user_daily_usage as o using place as p
            where o.ctid = p.row_id and p.number > 1 returning o.*
        ),
        kept as (
            insert into tick.adopted (table_name, "row", reason)
            select 'public.user_daily_usage', to_jsonb(gone), 'added to another row of this day' from gone
        )
        update public.user_daily_usage as o set ticks_used = p.used, ticks_granted = p.granted
        from place as p
        where o.ctid = p.row_id and p.number = 1
            and (o.ticks_used, o.ticks_granted) is distinct from (p.used::bigint, p.granted::bigint)
    $fix$, true, null
from (
    select count(*) as number from public.user_daily_usage as o
    where exists (select from public_table as t where t.name = 'public.user_daily_usage' and t.is_adopted)
    group by o.user_id, o.usage_date having count(*) > 1
) as d
having count(*) > 0;

-- name: usage-keys
-- title: rows of public.user_daily_usage belong to a user and a day
-- kind: change
select t.name, format('%s: %s', t.name, w.meaning), tick.undoable(t.name, w.statement, w.undo), true, null
from public_table as t
cross join lateral (
    -- First, so that it is undone last: a key needs it.
    select format('%I is never null', a.attname) as meaning,
        format('alter table %s alter %I set not null', t.name, a.attname) as statement,
        format('alter table %s alter %I drop not null', t.name, a.attname) as undo
    from pg_catalog.pg_attribute as a
    where a.attrelid = t.oid and a.attname in ('user_id', 'usage_date') and not a.attnotnull
    union all
    select '(user_id, usage_date) is unique', format('alter table %s add constraint user_daily_usage_tickctl_key %s (user_id, usage_date)',
        t.name, case when exists (select from pg_catalog.pg_constraint as k where k.conrelid = t.oid and k.contype = 'p')
            then 'unique' else 'primary key' end), format('alter table %s drop constraint user_daily_usage_tickctl_key', t.name)
    where not exists (
        select from pg_catalog.pg_constraint as k
        where k.conrelid = t.oid and k.contype in ('p', 'u') and not k.condeferrable and array(
            select a.attname::text from pg_catalog.pg_attribute as a
            where a.attrelid = t.oid and a.attnum = any (k.conkey) order by 1) = array['usage_date', 'user_id'])
    union all
    select 'rows go with their user', format('alter table %s add constraint user_daily_usage_tickctl_user foreign key (user_id)'
        ' references auth.users (id) on delete cascade', t.name), format('alter table %s drop constraint user_daily_usage_tickctl_user', t.name)
    where not exists (
        select from pg_catalog.pg_constraint as k where k.conrelid = t.oid and k.convalidated
            and pg_get_constraintdef(k.oid) = 'FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE')
    union all
    select 'counts are never negative', format('alter table %1$s drop constraint if exists user_daily_usage_ticks_not_negative, '
        'add constraint user_daily_usage_ticks_not_negative check (ticks_used >= 0 and ticks_granted >= 0)', t.name),
        format('alter table %s drop constraint user_daily_usage_ticks_not_negative', t.name)
    where not exists (
        select from pg_catalog.pg_constraint as k where k.conrelid = t.oid and k.convalidated
            and pg_get_constraintdef(k.oid) = 'CHECK (((ticks_used >= 0) AND (ticks_granted >= 0)))')
    union all
    select 'an index by day', format('create index user_daily_usage_day on %s (usage_date)', t.name), 'drop index public.user_daily_usage_day'
    where not exists (
        select from pg_catalog.pg_index as i where i.indrelid = t.oid and i.indpred is null and pg_get_indexdef(i.indexrelid) ~ 'USING btree \(usage_date\)')
) as w
where t.name = 'public.user_daily_usage' and t.is_adopted;
