select distinct setting || ' runs before each request, and can change what it may'
from pg_catalog.pg_db_role_setting as s
cross join lateral pg_catalog.unnest(s.setconfig) as setting
where setting ~ '^pgrst\.db_pre_request=.' and (s.setrole = 0 or s.setrole in (select k.oid from known_role as k))
order by 1
