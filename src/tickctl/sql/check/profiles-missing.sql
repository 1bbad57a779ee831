select 'lists leave out ' || count(*) || ' until the next request of each makes one'
from auth.users as u
where u.deleted_at is null and not exists (select from public.profiles as p where p.user_id = u.id)
having count(*) > 0
