select p.relation || ': ' || p.name
from policy as p
where p.schema = 'tick' and p.permissive and not p.no_rows
order by 1
