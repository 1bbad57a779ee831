-- public.profiles of a project that had it before: what is needed of the limit's column and of the user's key. Nothing
-- else in the table is touched.

-- name: profiles-key
-- title: public.profiles names the user of each row
-- kind: blocker
select t.name, case
    when tick.profile_key() is null and id.atttypid = 'uuid'::regtype then
        'public.profiles has no user_id, and whether its id is the user''s id can''t be told: no row''s id is in '
        'auth.users. Add user_id uuid and fill it'
    when tick.profile_key() is null then
        'public.profiles has no uuid column that holds the user''s id (auth.users.id): add user_id uuid and fill it, or '
        'change the type of the column that has it'
    else format('several rows of public.profiles have one %I: leave one row for each user', tick.profile_key())
end, null, false, null
from public_table as t
left join pg_catalog.pg_attribute as id on id.attrelid = t.oid and id.attname = 'id' and not id.attisdropped
where t.name = 'public.profiles' and t.is_adopted and (
    tick.profile_key() is null
    or not exists (
        select from pg_catalog.pg_index as i
        join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attname = tick.profile_key()
        where i.indrelid = t.oid and i.indisunique and i.indisvalid and i.indpred is null and i.indkey::text = a.attnum::text
    )
    and exists (
        select from public.profiles as p
        where to_jsonb(p) ->> tick.profile_key() is not null
        group by to_jsonb(p) ->> tick.profile_key()
        having count(*) > 1
    )
);

-- name: profiles-owner
-- title: no request can be the owner of public.profiles
-- kind: blocker
-- An owner may change limits, and take the guards off.
select t.name, format('public.profiles belongs to %s, whom %s can be: alter table public.profiles owner to postgres',
    t.relowner::regrole, string_agg(r.name, ', ' order by r.name)), null, false, null
from public_table as t
join api_role as r on pg_has_role(r.oid, t.relowner, 'member')
join pg_catalog.pg_roles as x on x.oid = r.oid and not x.rolsuper
where t.name = 'public.profiles' and t.is_adopted
group by t.name, t.relowner;

-- name: profiles-unique
-- title: each user has at most one profile
-- kind: change
select t.name, format('public.profiles: %I is unique', a.attname), tick.undoable(
    t.name,
    format('alter table public.profiles add constraint profiles_tickctl_key unique (%I)%s', a.attname, (
        -- A key that is checked at once breaks code that relies on one that is checked at the end.
        select max(' deferrable' || case when k.condeferred then ' initially deferred' else '' end)
        from pg_catalog.pg_constraint as k
        where k.conrelid = t.oid and k.conkey = array[a.attnum] and k.condeferrable
    )),
    'alter table public.profiles drop constraint profiles_tickctl_key'
), true, null
from public_table as t
join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attname = tick.profile_key()
where t.name = 'public.profiles' and t.is_adopted and not exists (
    select from pg_catalog.pg_index as i
    where i.indrelid = t.oid and i.indisunique and i.indisvalid and i.indpred is null and i.indkey::text = a.attnum::text
);

-- name: profiles-limit
-- title: public.profiles has a daily_tick_limit
-- kind: change
select t.name, format('public.profiles gets the column daily_tick_limit, %s in every row', s.default_limit),
    tick.undoable(
        t.name,
        format('alter table public.profiles add column daily_tick_limit integer default %s', s.default_limit),
        'alter table public.profiles drop column daily_tick_limit'
    ), true, null
from public_table as t
cross join tick.settings as s
where t.name = 'public.profiles' and t.is_adopted and not exists (
    select from pg_catalog.pg_attribute as a
    where a.attrelid = t.oid and a.attname = 'daily_tick_limit' and not a.attisdropped
);

-- name: profiles-limit-type
-- title: public.profiles.daily_tick_limit is an integer
-- kind: change
select t.name, format('public.profiles.daily_tick_limit is integer from now on, no longer %s',
        format_type(a.atttypid, a.atttypmod)),
    tick.undoable(t.name, format(
        'alter table public.profiles alter daily_tick_limit drop default, alter daily_tick_limit type integer using %s%s',
        case when a.atttypid in ('smallint'::regtype, 'bigint'::regtype) then 'daily_tick_limit::integer'
            else '(case when daily_tick_limit::text::numeric = trunc(daily_tick_limit::text::numeric)'
                ' then trunc(daily_tick_limit::text::numeric)::text else daily_tick_limit::text end)::integer' end,
        (
            select format(', alter daily_tick_limit set default %s', (m.parts)[1])
            from regexp_match(pg_get_expr(d.adbin, d.adrelid), '^''?(\d{1,9})''?(::[a-z ]+)?$') as m (parts)
            where m.parts is not null
        )
    ), format('alter table public.profiles alter daily_tick_limit drop default, alter daily_tick_limit type %s%s',
        format_type(a.atttypid, a.atttypmod), ', alter daily_tick_limit set default ' || pg_get_expr(d.adbin, d.adrelid))),
    u.names is null, u.names
from public_table as t
join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attname = 'daily_tick_limit' and not a.attisdropped
left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
cross join lateral (
    select string_agg(distinct x.name, ', ' order by x.name) as names
    from dependant as x
    where x.refclassid = 'pg_catalog.pg_class'::regclass and x.refobjid = t.oid and x.refobjsubid = a.attnum
        and x.name !~ '^(constraint|default value) '
) as u
where t.name = 'public.profiles' and t.is_adopted and a.atttypid <> 'integer'::regtype;

-- name: profiles-limit-form
-- title: limits of public.profiles can be written, and be null (unlimited)
-- kind: change
select t.name, 'public.profiles.daily_tick_limit may be null: unlimited', tick.undoable(
    t.name, 'alter table public.profiles alter daily_tick_limit drop not null',
    'alter table public.profiles alter daily_tick_limit set not null'), true, null
from public_table as t
join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attname = 'daily_tick_limit'
where t.name = 'public.profiles' and t.is_adopted and a.attnotnull
union all
select t.name, format('public.profiles.daily_tick_limit is %s by default%s', s.default_limit,
        ', no longer ' || pg_get_expr(d.adbin, d.adrelid)),
    tick.undoable(t.name, format('alter table public.profiles alter daily_tick_limit set default %s', s.default_limit),
        coalesce('alter table public.profiles alter daily_tick_limit set default ' || pg_get_expr(d.adbin, d.adrelid),
            'alter table public.profiles alter daily_tick_limit drop default')), true, null
from public_table as t
cross join tick.settings as s
join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attname = 'daily_tick_limit'
left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
where t.name = 'public.profiles' and t.is_adopted and s.default_limit is not null
    and a.attgenerated = '' and coalesce(pg_get_expr(d.adbin, d.adrelid), '') !~ '^(''?\d{1,9}''?|NULL)(::[a-z ]+)?$';

-- name: profiles-default
-- title: users have the same default limit with a profile and without
-- kind: finding
-- Otherwise whoever may delete the own profile chooses between them.
select t.name, format('a new row of public.profiles gets a daily_tick_limit of %s, and users without a row have %s',
        coalesce(d.standard, 'null'), coalesce(s.default_limit::text, 'no limit')),
    format('update tick.settings set default_limit = %s', coalesce(d.standard, 'null')), false, null
from public_table as t
cross join tick.settings as s
join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attname = 'daily_tick_limit' and a.atthasdef
cross join lateral (
    select (regexp_match(pg_get_expr(x.adbin, x.adrelid), '^''?(\d{1,9})''?(::[a-z ]+)?$'))[1] as standard
    from pg_catalog.pg_attrdef as x where x.adrelid = a.attrelid and x.adnum = a.attnum
) as d
where t.name = 'public.profiles' and t.is_adopted and d.standard is distinct from s.default_limit::text;

-- name: profiles-limit-computed
-- title: tickctl can write daily_tick_limit
-- kind: blocker
select t.name, 'public.profiles.daily_tick_limit is a computed column, and tickctl has to write it', null, false, null
from public_table as t
join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attname = 'daily_tick_limit'
where t.name = 'public.profiles' and (a.attgenerated <> '' or a.attidentity <> '');

-- name: profiles-limit-range
-- title: limits are from 0 to 1000000000
-- kind: blocker
select 'public.profiles', format('public.profiles: %s of daily_tick_limit %s', case when count(*) = 1 then '1 value' else count(*) || ' values' end,
    case when p.daily_tick_limit < 0 then 'below 0: set them to null (unlimited) or to 0 (blocked)'
        else 'above 1000000000: lower them, or set them to null (unlimited)' end), null, false, null
from public.profiles as p
where p.daily_tick_limit not between 0 and 1000000000 and not exists (
    select from pg_catalog.pg_constraint as k
    where k.conrelid = to_regclass('public.profiles') and k.conname = 'profiles_daily_tick_limit_in_range' and k.convalidated
)
group by p.daily_tick_limit < 0;

-- name: profiles-limit-check
-- title: limits are checked where they are stored
-- kind: change
select t.name, 'public.profiles: limits are from 0 to 1000000000, or null', tick.undoable(
    t.name,
    'alter table public.profiles drop constraint if exists profiles_daily_tick_limit_in_range, '
    'add constraint profiles_daily_tick_limit_in_range check (daily_tick_limit between 0 and 1000000000)',
    'alter table public.profiles drop constraint profiles_daily_tick_limit_in_range'
        || coalesce(', add constraint profiles_daily_tick_limit_in_range ' || pg_get_constraintdef(k.oid), '')), true, null
from public_table as t
left join pg_catalog.pg_constraint as k on k.conrelid = t.oid and k.conname = 'profiles_daily_tick_limit_in_range'
where t.name = 'public.profiles' and t.is_adopted and not (
    coalesce(k.convalidated, false)
    and pg_get_constraintdef(k.oid) = 'CHECK (((daily_tick_limit >= 0) AND (daily_tick_limit <= 1000000000)))'
);

-- name: profiles-meaning
-- title: limits that were there before
-- kind: note
select 'public.profiles', format('public.profiles: %s with a limit of %s',
    case when count(*) = 1 then '1 row' else count(*) || ' rows' end,
    case when p.daily_tick_limit is null then 'null, which means unlimited here' else '0, which means blocked here' end),
    null, false, null
from public.profiles as p
where coalesce(p.daily_tick_limit, 0) = 0 and not exists (select from tick.installed)
    and exists (select from public_table as t where t.name = 'public.profiles' and t.is_adopted)
group by p.daily_tick_limit is null
union all
select t.name, format('public.profiles: constraint %I decides which limits can be set: %s', k.conname, pg_get_constraintdef(k.oid)),
    null, false, null
from public_table as t
join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attname = 'daily_tick_limit'
join pg_catalog.pg_constraint as k on k.conrelid = t.oid and k.contype = 'c' and a.attnum = any (k.conkey)
where t.name = 'public.profiles' and t.is_adopted and k.conname <> 'profiles_daily_tick_limit_in_range';

-- name: leftovers
-- title: nothing of an older tickctl is left in public.profiles
-- kind: offer
select t.name, case a.attname
        when 'email' then 'public.profiles.email holds copies of addresses that an older tickctl wrote'
        else 'public.profiles.user_id is a copy of id, for an older tickctl'
    end,
    concat_ws('; ',
        (
            select format('alter policy %I on public.profiles using ((select auth.uid()) = id)', p.polname)
            from pg_catalog.pg_policy as p
            where p.polrelid = t.oid and p.polname = 'profiles_read_own' and a.attname = 'user_id'
        ),
        case a.attname when 'user_id' then 'drop function if exists tick.mirror_profile_id() cascade' end,
        'alter table public.profiles drop column ' || a.attname),
    u.names is null, u.names
from public_table as t
-- The trigger keeps user_id equal to id. What it added, it added one after the other.
join pg_catalog.pg_trigger as x on x.tgrelid = t.oid and x.tgname = 'tick_mirror_profile_id'
join pg_catalog.pg_attribute as k on k.attrelid = t.oid and k.attname = 'user_id'
join pg_catalog.pg_attribute as a on a.attrelid = t.oid
    and (a.attnum = k.attnum or a.attname = 'email' and a.attnum = k.attnum + 1)
cross join lateral (
    select string_agg(distinct y.name, ', ' order by y.name) as names
    from (
        select d.name from dependant as d
        where d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = t.oid and d.refobjsubid = a.attnum
            and d.name !~ '^(default value|trigger tick_mirror|trigger zz_tick|policy profiles_read_own|view tick\.)'
            and d.name !~ '^constraint profiles_(user_id|tick)'
        union all
        select f.name from foreign_function as f
        where f.text ~ '\mprofiles\M' and f.text ~ ('\m' || a.attname || '\M')
    ) as y
) as u
where t.name = 'public.profiles' and t.is_adopted;

-- name: leftover-key
-- title: no key of an older tickctl refuses what the project's own keys allow
-- kind: change
select t.name, format('constraint %s on public.profiles goes: an older tickctl added it beside the key of id', k.conname),
    format('alter table public.profiles drop constraint %I', k.conname), true, null
from public_table as t
join pg_catalog.pg_trigger as x on x.tgrelid = t.oid and x.tgname = 'tick_mirror_profile_id'
join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attname = 'user_id'
join pg_catalog.pg_constraint as k
    on k.conrelid = t.oid and k.conname = 'profiles_user_id_fkey' and k.conkey = array[a.attnum]
where t.name = 'public.profiles' and t.is_adopted;

-- name: taken
-- title: what an older tickctl took
-- kind: note
select t.name, 'an older tickctl dropped the policies of public.profiles, switched row-level security on, and revoked all rights on it '
    'but to read, and EXECUTE on functions that mention it: give back what the project needs, from its own migrations'
    || case when exists (
        select from pg_catalog.pg_attribute as a where a.attrelid = t.oid and a.attname = 'email' and not a.attisdropped
    ) then '. It also kept the column email equal to auth.users.email; nothing does so any more' else '' end, null, false, null
from public_table as t
where t.name = 'public.profiles' and t.is_adopted
    and exists (select from tick.migration as m where m.name like 'migrations/0001%')
    and not exists (select from tick.installed)
union all
select 'tick.adopted', format('tick.adopted keeps %s of %s: %s', case when count(*) = 1 then '1 row' else count(*) || ' rows' end,
    a.table_name, a.reason), format('select "row" from tick.adopted where table_name = %L and reason = %L', a.table_name, a.reason),
    false, null
from tick.adopted as a
where a.undo is null and not exists (select from tick.installed)
group by a.table_name, a.reason;
