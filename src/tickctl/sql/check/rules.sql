select t.name || ': ' || r.rulename
from pg_catalog.pg_rewrite as r
join our_table as t on t.oid = r.ev_class
