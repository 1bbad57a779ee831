-- Who may what: policies and rights on what is ours, which may exist before and beside ours.

create or replace function pg_temp.tick_policies()
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
begin
    return query
        select 2.5, 'drop', format('policy %I on %s, for %s to %s%s%s', p.policyname, t.id, lower(p.cmd),
                array_to_string(p.roles, ', '), ' using ' || p.qual, ' with check ' || p.with_check),
            format('drop policy %I on %s', p.policyname, t.id)
        from pg_catalog.pg_policies as p
        cross join lateral (select format('%I.%I', p.schemaname, p.tablename)) as t (id)
        where t.id in ('public.profiles', 'public.user_daily_usage')
            and (p.policyname <> p.tablename || '_read_own' or to_regclass('tick.migration') is null)
            -- In the private schema only those may stay that admit nobody.
            or p.schemaname = 'tick' and p.permissive = 'PERMISSIVE'
            and (coalesce(p.qual, 'false') <> 'false' or coalesce(p.with_check, 'false') <> 'false')
        order by t.id, p.policyname;
    return query
        select 2.5, 'drop', format('rule %I on %s: %s', r.rulename, r.ev_class::regclass, pg_get_ruledef(r.oid)),
            format('drop rule %I on %s', r.rulename, r.ev_class::regclass)
        from pg_catalog.pg_rewrite as r
        join pg_catalog.pg_class as c on c.oid = r.ev_class
        where c.relkind = 'r' and (c.relnamespace = to_regnamespace('tick')
            or c.oid = any (pg_temp.tick_public_tables()));
    return query
        select 6.0, 'change', format('%s: row-level security is on', c.oid::regclass),
            format('alter table %s enable row level security', c.oid::regclass)
        from pg_catalog.pg_class as c
        where c.oid = any (pg_temp.tick_public_tables()) and not c.relrowsecurity;
end
$$;

-- Rights on tables, columns and sequences.
create or replace function pg_temp.tick_table_rights()
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    api_roles constant oid[] := pg_temp.tick_api_roles();
begin
    return query
        with held as (
            select c.oid as id, c.relkind, c.relowner, a.*, null::name as column_name
            from pg_catalog.pg_class as c cross join lateral aclexplode(c.relacl) as a
            union all
            select c.oid, c.relkind, c.relowner, a.*, t.attname
            from pg_catalog.pg_class as c
            join pg_catalog.pg_attribute as t on t.attrelid = c.oid and t.attnum > 0
            cross join lateral aclexplode(t.attacl) as a
        ),
        lost as (
            select h.id, h.relkind, case when h.grantee = 0 then 'public' else h.grantee::regrole::text end as grantee,
                string_agg(distinct h.privilege_type || coalesce(' (' || quote_ident(h.column_name) || ')', ''), ', ')
                    as rights
            from held as h
            where (
                    h.id = any (pg_temp.tick_public_tables())
                    or h.id in (
                        select c.oid from pg_catalog.pg_class as c where c.relnamespace = to_regnamespace('tick'))
                    or h.relkind = 'S' and exists (
                        select from pg_catalog.pg_depend as d
                        where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = h.id and d.deptype in ('a', 'i')
                            and d.refobjid = any (pg_temp.tick_public_tables())
                    )
                )
                and h.grantee = any (api_roles) and h.grantee <> h.relowner
                and not (
                    h.privilege_type = 'SELECT' and not h.is_grantable and h.column_name is null and h.relkind = 'r'
                    and h.grantee in ('authenticated'::regrole, 'service_role'::regrole)
                    and h.id = any (pg_temp.tick_public_tables())
                )
            group by h.id, h.relkind, h.grantee
        )
        select 6.1, 'revoke', format('%s on %s from %s', l.rights, l.id::regclass,
                string_agg(l.grantee, ', ' order by l.grantee)),
            format('revoke all on %s %s from %s cascade', case l.relkind when 'S' then 'sequence' else 'table' end,
                l.id::regclass, string_agg(l.grantee, ', '))
        from lost as l
        group by l.id, l.relkind, l.rights
        order by l.id::regclass::text, l.rights;
end
$$;

-- Rights on schemas, on the database, and on functions; and those that new objects would get.
create or replace function pg_temp.tick_other_rights(files jsonb)
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
declare
    api_roles constant oid[] := pg_temp.tick_api_roles();
begin
    return query
        select 6.2, 'revoke', format('%s on %s from %s', held.rights, held.what, held.grantee),
            format('revoke %s on %s from %s cascade', held.rights, held.what, held.grantee)
        from (
            select a.privilege_type as rights, 'schema ' || n.nspname as what,
                case when a.grantee = 0 then 'public' else a.grantee::regrole::text end as grantee
            from pg_catalog.pg_namespace as n cross join lateral aclexplode(n.nspacl) as a
            where a.grantee = any (api_roles) and a.grantee <> n.nspowner and pg_has_role(n.nspowner, 'usage')
                and (
                    n.nspname in ('public', 'tick') and a.privilege_type = 'CREATE'
                    or n.nspname = 'tick' and (a.is_grantable
                        or a.grantee not in ('authenticated'::regrole, 'service_role'::regrole))
                )
            union all
            select a.privilege_type, 'database ' || quote_ident(d.datname),
                case when a.grantee = 0 then 'public' else a.grantee::regrole::text end
            from pg_catalog.pg_database as d cross join lateral aclexplode(d.datacl) as a
            where d.datname = current_database() and a.privilege_type = 'CREATE' and a.grantee = any (api_roles)
                and a.grantee <> d.datdba and pg_has_role(d.datdba, 'usage')
            union all
            -- The four roles that our own grants speak of are put right by those.
            select 'EXECUTE', 'function ' || f.id::regprocedure, a.grantee::regrole::text
            from pg_temp.tick_functions(files) as f
            join pg_catalog.pg_proc as p on p.oid = f.id
            cross join lateral aclexplode(p.proacl) as a
            where a.grantee = any (api_roles) and a.grantee <> p.proowner and pg_has_role(p.proowner, 'usage')
                and a.grantee not in (0, 'anon'::regrole, 'authenticated'::regrole, 'service_role'::regrole)
        ) as held
        order by held.what, held.grantee;
    return query
        select 6.2, 'revoke', format('what new %s of %s%s grant to %s', kind.name, d.defaclrole::regrole,
                case when d.defaclnamespace <> 0 then ' in schema tick' else '' end,
                string_agg(distinct case when a.grantee = 0 then 'public' else a.grantee::regrole::text end, ', ')),
            format('alter default privileges for role %s %s revoke all on %s from %s', d.defaclrole::regrole,
                case when d.defaclnamespace <> 0 then 'in schema tick' else '' end, kind.name,
                string_agg(distinct case when a.grantee = 0 then 'public' else a.grantee::regrole::text end, ', '))
        from pg_catalog.pg_default_acl as d
        cross join lateral aclexplode(d.defaclacl) as a
        join (values ('r', 'tables'), ('S', 'sequences'), ('f', 'functions')) as kind (code, name)
            on kind.code = d.defaclobjtype
        where d.defaclrole = to_regrole(current_user) and a.grantee <> d.defaclrole and a.grantee = any (api_roles)
            and (d.defaclnamespace = to_regnamespace('tick')
                or d.defaclnamespace = 0 and not (d.defaclobjtype = 'f' and a.grantee = 0))
        group by d.defaclrole, d.defaclnamespace, kind.name
        order by 2;
end
$$;

-- What the project's own code will notice of all this.
create or replace function pg_temp.tick_consequences()
returns table (phase numeric, kind text, message text, command text)
language plpgsql volatile set search_path = ''
as $$
begin
    if to_regclass('tick.migration') is not null then
        return;
    end if;
    return query
        select 9.0, 'note', format(
            '%s: users read their own row and write none from now on; what they are to write, or show to others (%s), '
            'needs a table of its own', c.oid::regclass, string_agg(quote_ident(a.attname), ', ' order by a.attnum)
        ), null
        from pg_catalog.pg_class as c
        join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.oid = any (pg_temp.tick_public_tables())
            and a.attname <> all (pg_temp.tick_columns(c.oid) || array['id', 'created_at', 'updated_at']::name[])
        group by c.oid
        order by c.oid::regclass::text;
    return query
        select distinct 9.0, 'note', format(
            'policy %I on %s reads %s, of which users see only their own row from now on, and visitors none',
            p.polname, p.polrelid::regclass, d.refobjid::regclass
        ), null
        from pg_catalog.pg_depend as d
        join pg_catalog.pg_policy as p on d.classid = 'pg_catalog.pg_policy'::regclass and p.oid = d.objid
        where d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = any (pg_temp.tick_public_tables())
            and p.polrelid <> all (pg_temp.tick_public_tables())
        order by 3;
end
$$;
