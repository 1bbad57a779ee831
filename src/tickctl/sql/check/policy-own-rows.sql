select t.name || case count(p.name)
    when 0 then ' has no policy `for select to authenticated using ((select auth.uid()) = user_id)`'
    else ' has more than one such policy'
end
from our_table as t
left join policy as p
    on p.relation = t.name and p.command = 'r' and p.permissive and p.own_rows
    and p.roles = array(select r.oid from pg_catalog.pg_roles as r where r.rolname = 'authenticated')
where t.schema = 'public'
group by t.name
having count(p.name) <> 1
order by 1
