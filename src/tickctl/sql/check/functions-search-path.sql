select f.name
from our_function as f
where not exists (
    select from pg_catalog.unnest(f.proconfig) as setting where setting in ('search_path=', 'search_path=""')
)
order by 1
