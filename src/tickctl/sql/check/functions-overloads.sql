select f.schema || '.' || f.proname
from our_function as f
group by f.schema, f.proname
having count(*) > 1
order by 1
