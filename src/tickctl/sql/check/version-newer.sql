select m.name || ' has run, which this version does not know'
from tick.migration as m
where m.name like 'migrations/%' and not exists (select from expected_file as f where f.name = m.name)
order by m.name
