-- Each of these follows the session's time zone, which a client can choose, or a clock that tests can't replace.
select f.name || ' uses ' || used.words[1]
from our_function as f
cross join lateral pg_catalog.regexp_matches(
    pg_catalog.regexp_replace(
        case when f.prokind in ('f', 'p') then pg_catalog.pg_get_functiondef(f.oid) else f.prosrc end,
        '--[^\n]*', '', 'g'
    ),
    '(\m(?:current_date|localtimestamp|localtime)\M'
    '|\m(?:now\(\)|current_timestamp|clock_timestamp\(\)|statement_timestamp\(\)|transaction_timestamp\(\))\s*::\s*date\M'
    '|''(?:now|today|tomorrow|yesterday)''\s*::)',
    'i'
) as used (words)
order by 1
