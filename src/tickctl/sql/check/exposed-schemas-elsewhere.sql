select 'is set outside the database, in the project''s API settings: see that tick is not among them'
where not exists (
    select
    from pg_catalog.pg_db_role_setting as s
    cross join lateral pg_catalog.unnest(s.setconfig) as setting
    where setting ~ '^pgrst\.db_schemas?='
        and (s.setrole = 0 or s.setrole in (select r.oid from api_role as r))
)
