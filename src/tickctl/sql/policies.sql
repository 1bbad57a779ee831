-- Who may what. Everything is taken away first and given back by name: Supabase's default privileges have granted new
-- objects to everybody in some years and to nobody in others.

alter table public.profiles enable row level security;
alter table public.user_daily_usage enable row level security;

-- Users read their own rows; the subselects make PostgreSQL ask once per query, not once per row, who calls. Whoever
-- signed in anonymously has no ticks, and nothing to read.
drop policy if exists profiles_read_own on public.profiles;
create policy profiles_read_own on public.profiles
for select to authenticated
using ((select auth.uid()) = user_id and ((select auth.jwt()) ->> 'is_anonymous') is distinct from 'true');

drop policy if exists user_daily_usage_read_own on public.user_daily_usage;
create policy user_daily_usage_read_own on public.user_daily_usage
for select to authenticated
using ((select auth.uid()) = user_id and ((select auth.jwt()) ->> 'is_anonymous') is distinct from 'true');

-- Nobody reads or writes the private tables but their owner. Without privileges, and with row security on, that is so
-- already; the policy says that it is meant, and still says no when somebody adds another.
do $$
declare
    private regclass;
begin
    for private in
        select c.oid from pg_catalog.pg_class as c
        where c.relnamespace = 'tick'::regnamespace and c.relkind in ('r', 'p')
    loop
        execute format('alter table %s enable row level security', private);
        execute format('drop policy if exists nobody on %s', private);
        execute format(
            'create policy nobody on %s as restrictive for all to anon, authenticated using (false)', private
        );
    end loop;
end
$$;

revoke all on public.profiles, public.user_daily_usage from public, anon, authenticated, service_role;
-- The secret key may read as well; it changes limits through functions only, so that the log is complete.
grant select on public.profiles, public.user_daily_usage to authenticated, service_role;

revoke all on schema tick from public, anon, authenticated, service_role;
revoke all on all tables in schema tick from public, anon, authenticated, service_role;
revoke all on all sequences in schema tick from public, anon, authenticated, service_role;
revoke all on all functions in schema tick from public, anon, authenticated, service_role;
revoke all on function
    public.consume_ticks,
    public.settle_ticks,
    public.my_ticks,
    public.tick_admin_show,
    public.tick_admin_overview,
    public.tick_admin_suggest,
    public.tick_admin_list,
    public.tick_admin_resolve,
    public.tick_admin_history,
    public.tick_admin_top,
    public.tick_admin_audit,
    public.tick_admin_user,
    public.tick_admin_set_limit,
    public.tick_admin_set_limits,
    public.tick_admin_grant,
    public.tick_admin_reset,
    public.tick_admin_members,
    public.tick_admin_add,
    public.tick_admin_remove
from public, anon, authenticated, service_role;

-- The functions in public run with the caller's rights, so the caller needs those that they call as well.
grant usage on schema tick to authenticated, service_role;
grant execute on function
    public.consume_ticks, tick.consume_ticks,
    public.my_ticks, tick.my_ticks
to authenticated;
grant execute on function
    public.settle_ticks, tick.settle_ticks,
    public.tick_admin_show, tick.admin_show,
    public.tick_admin_overview, tick.admin_overview,
    public.tick_admin_suggest, tick.admin_suggest,
    public.tick_admin_list, tick.admin_list,
    public.tick_admin_resolve, tick.admin_resolve,
    public.tick_admin_history, tick.admin_history,
    public.tick_admin_top, tick.admin_top,
    public.tick_admin_audit, tick.admin_audit,
    public.tick_admin_user, tick.admin_user,
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
