select g.name || ' may execute tick.access_token_hook'
from our_function as f
cross join lateral pg_catalog.aclexplode(
    coalesce(f.proacl, pg_catalog.acldefault('f', f.proowner))
) as a
left join pg_catalog.pg_roles as x on x.oid = a.grantee
cross join lateral (select coalesce(x.rolname::text, 'PUBLIC') as name) as g
where f.schema = 'tick' and f.proname = 'access_token_hook'
    and a.grantee <> f.proowner
    and g.name <> 'supabase_auth_admin'
union all
select 'supabase_auth_admin may not execute tick.access_token_hook'
from our_function as f
join pg_catalog.pg_roles as r on r.rolname = 'supabase_auth_admin'
where f.schema = 'tick' and f.proname = 'access_token_hook'
    and not (
        pg_catalog.has_function_privilege(r.oid, f.oid, 'execute')
        and pg_catalog.has_schema_privilege(r.oid, f.pronamespace, 'usage')
    )
order by 1
