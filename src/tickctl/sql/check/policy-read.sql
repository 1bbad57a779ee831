select p.relation || ': ' || p.name
from policy as p
where p.schema = 'public' and p.command = 'r' and p.permissive and not p.own_rows and not p.no_rows
    -- The same, asked once for each row, shows no more; it is told elsewhere.
    and p.condition not in ('(auth.uid() = user_id)', '(user_id = auth.uid())')
order by 1
