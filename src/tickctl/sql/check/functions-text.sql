select f.name
from our_function as f
join expected_function as e on e.schema = f.schema and e.name = f.proname
where not e.optional
    and pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(f.prosrc, 'UTF8')), 'hex') <> e.digest
order by 1
