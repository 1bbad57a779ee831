select e.schema || '.' || e.name || ' is missing'
from expected_function as e
where not e.optional
    and not exists (select from our_function as f where f.schema = e.schema and f.proname = e.name)
order by 1
