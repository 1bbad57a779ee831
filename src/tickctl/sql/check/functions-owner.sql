select f.name || ' belongs to ' || pg_catalog.pg_get_userbyid(f.proowner)
from our_function as f
join pg_catalog.pg_namespace as n on n.nspname = 'tick'
where f.proowner <> n.nspowner
order by 1
