-- Some projects had a profiles table whose `id` is the user's id, and have code that knows it by that name. Where tickctl
-- has taken over such a table, a trigger keeps id and user_id equal, whichever of them is written.
create or replace function tick.mirror_profile_id() returns trigger
language plpgsql set search_path = ''
as $$
begin
    if tg_op = 'INSERT' then
        new.user_id := coalesce(new.user_id, new.id);
        new.id := coalesce(new.id, new.user_id);
    elsif new.user_id is distinct from old.user_id then
        new.id := new.user_id;
    else
        new.user_id := new.id;
    end if;
    if new.id is distinct from new.user_id then
        raise exception 'id and user_id of a profile are the same' using errcode = '23514';
    end if;
    return new;
end
$$;
