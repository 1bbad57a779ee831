select p.relation || ': ' || p.name
from policy as p
-- A call within a subselect of its own is made once.
where coalesce(p.condition, '') || coalesce(p.new_row, '')
    ~ '(?<!SELECT )(?<!SELECT \()\m(auth\.\w+|current_setting)\('
order by 1
