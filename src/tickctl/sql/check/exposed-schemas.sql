select distinct setting
from pg_catalog.pg_db_role_setting as s
cross join lateral pg_catalog.unnest(s.setconfig) as setting
where (s.setrole = 0 or s.setrole in (select r.oid from api_role as r))
    and (
        s.setdatabase = 0
        or s.setdatabase = (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
    )
    -- With the system's own schema exposed, a request can call set_config and be whoever it likes.
    and setting ~ '^pgrst\.db_schemas?=(.*,)?\s*"?(tick|pg_catalog)"?\s*(,|$)'
order by 1
