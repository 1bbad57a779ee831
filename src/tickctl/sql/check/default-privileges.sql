-- Only the owner of the schema makes new objects in it, so only that role's default privileges count.
select distinct 'new ' || case d.defaclobjtype
    when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' when 'T' then 'types' else 'objects'
end || ' of ' || pg_catalog.pg_get_userbyid(d.defaclrole) || ' are granted to ' || g.name
from pg_catalog.pg_default_acl as d
join pg_catalog.pg_namespace as n on n.nspname = 'tick' and n.nspowner = d.defaclrole
cross join lateral pg_catalog.aclexplode(d.defaclacl) as a
join api_grantee as g on g.oid = a.grantee
where d.defaclobjtype in ('r', 'S', 'f')
    and (
        d.defaclnamespace = n.oid
        -- PostgreSQL itself lets PUBLIC execute new functions; where defaults are stored, they repeat that.
        or d.defaclnamespace = 0 and not (d.defaclobjtype = 'f' and a.grantee = 0)
    )
order by 1
