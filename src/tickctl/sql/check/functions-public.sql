select distinct g.name || ' may execute ' || f.name
from our_function as f
cross join lateral pg_catalog.aclexplode(
    coalesce(f.proacl, pg_catalog.acldefault('f', f.proowner))
) as a
join api_grantee as g on g.oid = a.grantee
where g.name in ('PUBLIC', 'anon', 'authenticator') and f.proname <> 'access_token_hook'
order by 1
