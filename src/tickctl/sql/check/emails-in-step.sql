select count(*) || ' profiles have another e-mail than their user in auth.users'
from public.profiles as p
join auth.users as u on u.id = p.user_id
where p.email is distinct from u.email
having count(*) > 0
