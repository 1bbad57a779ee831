select p.pubname || ' publishes ' || t.name
from our_table as t
join pg_catalog.pg_publication_tables as p
    on p.schemaname = t.schema and p.tablename = t.relname
order by 1
