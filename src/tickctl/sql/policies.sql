-- Who may what, of everything that is ours. It is taken away from everybody first and given back by name: Supabase's
-- default privileges have granted new objects to everybody in some years and to nobody in others. Of public.profiles only
-- a table that tickctl has made is meant; one that was there keeps its own grants and policies.

do $$
declare
    statements text[];
    statement text;
begin
    statements := array(
        with relation as (
            select c.oid, c.oid::regclass::text as name, c.relkind, c.relowner, c.relacl, c.relnamespace
            from pg_catalog.pg_class as c
            where c.relkind in ('r', 'v', 'S') and c.relnamespace = 'tick'::regnamespace
                or c.oid = 'public.user_daily_usage'::regclass
                or c.oid = 'public.profiles'::regclass
                    and exists (select from tick.migration as m where m.name = 'public.profiles' and m.digest = 'made')
        ),
        granted (kind, name, grantee) as (
            select case r.relkind when 'S' then 'sequence' else 'table' end, r.name, a.grantee
            from relation as r cross join lateral aclexplode(r.relacl) as a where a.grantee <> r.relowner
            union
            select 'table', r.name, a.grantee
            from relation as r
            join pg_catalog.pg_attribute as t on t.attrelid = r.oid
            cross join lateral aclexplode(t.attacl) as a
            where a.grantee <> r.relowner
            union
            select 'function', p.oid::regprocedure::text, a.grantee
            from pg_catalog.pg_proc as p
            cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
            where a.grantee <> p.proowner and p.proname <> 'access_token_hook' and (
                p.pronamespace = 'tick'::regnamespace
                or p.pronamespace = 'public'::regnamespace and (
                    p.proname in ('consume_ticks', 'settle_ticks', 'my_ticks') or p.proname like 'tick\_admin\_%'))
            union
            select 'schema', 'tick', a.grantee
            from pg_catalog.pg_namespace as n cross join lateral aclexplode(n.nspacl) as a
            where n.nspname = 'tick' and a.grantee not in (n.nspowner, coalesce(to_regrole('supabase_auth_admin'), 0))
        )
        -- Row-level security doesn't bind owners.
        select format('alter table %s owner to %I', r.name, current_user)
        from relation as r where r.relkind = 'r' and r.relowner <> current_user::regrole
        union all
        select format('revoke all on %s %s from %s cascade', g.kind, g.name,
            case when g.grantee = 0 then 'public' else g.grantee::regrole::text end)
        from granted as g
        union all
        select format('drop policy %I on %s', p.polname, r.name)
        from pg_catalog.pg_policy as p join relation as r on r.oid = p.polrelid
        union all
        select format('drop rule %I on %s', w.rulename, r.name)
        from pg_catalog.pg_rewrite as w join relation as r on r.oid = w.ev_class and r.relkind = 'r'
        union all
        -- Nobody reads or writes the private tables but their owner. Without privileges, and with row security on, that
        -- is so already; the policy says that it is meant, and still says no when somebody adds another.
        select format('alter table %1$s enable row level security; create policy nobody on %1$s as restrictive'
            ' for all to anon, authenticated using (false)', r.name)
        from relation as r where r.relkind = 'r' and r.relnamespace = 'tick'::regnamespace
        union all
        -- Users read their own rows; the subselects make PostgreSQL ask once per query, not once per row, who calls.
        -- Whoever signed in anonymously, or through another party's application, has no ticks and nothing to read. The
        -- secret key may read as well.
        select format('alter table %1$s enable row level security; create policy %2$I on %1$s for select to authenticated'
            ' using ((select auth.uid()) = user_id and ((select auth.jwt()) ->> %3$L) is distinct from %4$L'
            ' and ((select auth.jwt()) ->> %5$L) is null);'
            ' grant select on %1$s to authenticated, service_role',
            r.name, substr(r.name, 8) || '_read_own', 'is_anonymous', 'true', 'client_id')
        from relation as r where r.relnamespace <> 'tick'::regnamespace
    );
    foreach statement in array statements loop
        execute statement;
    end loop;
end
$$;

-- The functions in public run with the caller's rights, so the caller needs those that they call as well.
grant usage on schema tick to anon, authenticated, service_role;
grant execute on function
    public.consume_ticks, tick.decide,
    public.my_ticks, tick.my_ticks
to authenticated;
-- Whoever knows a charge's secret.
grant execute on function public.settle_ticks, tick.settle_ticks to anon, authenticated, service_role;
grant execute on function
    public.tick_admin_show, tick.admin_show,
    public.tick_admin_overview, tick.admin_overview,
    public.tick_admin_suggest, tick.admin_suggest,
    public.tick_admin_list, tick.admin_list,
    public.tick_admin_resolve, tick.admin_resolve,
    public.tick_admin_history, tick.admin_history,
    public.tick_admin_top, tick.admin_top,
    public.tick_admin_audit, tick.admin_audit,
    public.tick_admin_user, tick.admin_user,
    public.tick_admin_explain, tick.admin_explain,
    public.tick_admin_set_limit, tick.admin_set_limit,
    public.tick_admin_set_limits, tick.admin_set_limits,
    public.tick_admin_grant, tick.admin_grant,
    public.tick_admin_reset, tick.admin_reset,
    public.tick_admin_members, tick.admin_members
to authenticated, service_role;
-- Not for the signed-in; the functions themselves refuse them as well.
grant execute on function
    public.tick_admin_add, tick.admin_add,
    public.tick_admin_remove, tick.admin_remove
to service_role;
