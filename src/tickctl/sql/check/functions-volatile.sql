select f.name
from our_function as f
where f.provolatile <> 'v'
    and f.prosrc ~* '\m(insert\s+into|delete\s+from|truncate|merge\s+into|for\s+(no\s+key\s+)?update)\M|(^|;)\s*update\s'
order by 1
