select 'tick.settings has ' || count(*) || ' rows' from tick.settings having count(*) <> 1
union all
select 'the time zone ' || s.time_zone || ' is not known to this server'
from tick.settings as s
where not exists (select from pg_catalog.pg_timezone_names as z where z.name = s.time_zone)
