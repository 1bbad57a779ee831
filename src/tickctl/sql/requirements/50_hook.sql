-- The optional access-token hook, where it is installed. Its text is one of the objects as installed.

-- name: hook-grants
-- title: Supabase Auth may call the access-token hook, and nobody else
-- kind: hook
select g.name, g.name || ' may execute tick.access_token_hook', 'tickctl schema apply --with-hook', false, null
from our_function as f
cross join lateral aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) as a
left join pg_catalog.pg_roles as x on x.oid = a.grantee
cross join lateral (select coalesce(x.rolname::text, 'PUBLIC') as name) as g
where f.schema = 'tick' and f.proname = 'access_token_hook' and a.grantee <> f.proowner and g.name <> 'supabase_auth_admin'
union all
select r.rolname, 'supabase_auth_admin may not execute tick.access_token_hook', 'tickctl schema apply --with-hook', false, null
from our_function as f
join pg_catalog.pg_roles as r on r.rolname = 'supabase_auth_admin'
where f.schema = 'tick' and f.proname = 'access_token_hook'
    and not (has_function_privilege(r.oid, f.oid, 'execute') and has_schema_privilege(r.oid, f.pronamespace, 'usage'));
