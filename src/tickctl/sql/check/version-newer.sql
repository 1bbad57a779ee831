select m.name || ' has run, which this version does not know'
from tick.migration as m
where m.name like 'migrations/%' and not exists (select from expected_file as f where f.name = m.name)
union all
select 'tickctl ' || m.digest || ' has set it up, and this is ' || :version
from tick.migration as m
where m.name = 'tickctl'
    and pg_catalog.string_to_array(substring(m.digest from '^[0-9.]*[0-9]'), '.')::integer[]
        operator(pg_catalog.>) pg_catalog.string_to_array(substring(:version from '^[0-9.]*[0-9]'), '.')::integer[]
order by 1
