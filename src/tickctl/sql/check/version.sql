select f.name || case when m.name is null then ' has not run' else ' ran with another text' end
from expected_file as f
left join tick.migration as m on m.name = f.name
where m.name is null or m.digest <> all (f.digests)
order by f.name
