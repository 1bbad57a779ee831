select p.relation || ': ' || p.name || ' is for ' || case p.command
    when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all'
end
from policy as p
where p.schema = 'public' and p.command <> 'r' and p.permissive and not p.no_rows
order by 1
