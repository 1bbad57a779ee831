-- Each of these follows the session's time zone, which a client can choose.
select source.name || ' uses ' || used.words[1]
from (
    select f.name, case when f.prokind in ('f', 'p') then pg_catalog.pg_get_functiondef(f.oid) else f.prosrc end as text
    from our_function as f
    union all
    select v.name, pg_catalog.pg_get_viewdef(v.oid)
    from our_relation as v
    where v.relkind in ('v', 'm')
) as source
cross join lateral pg_catalog.regexp_matches(
    pg_catalog.regexp_replace(source.text, '--[^\n]*', '', 'g'),
    '(\m(?:current_date|localtimestamp|localtime)\M'
    '|(?:\mnow\(\)|\mcurrent_timestamp|\w+_timestamp\(\)|\mclock\(\))\)*\s*::\s*date\M'
    '|''(?:now|today|tomorrow|yesterday)''\s*::)',
    'i'
) as used (words)
order by 1
