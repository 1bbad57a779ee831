-- Who administers. Adding and removing needs the secret key or a direct connection: whoever steals the token of an
-- administrator must not become one for good, nor shut the others out.

-- Everybody in tick.admin, the oldest entry first.
create or replace function tick.admin_members() returns setof tick.administrator
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform tick.require_admin();
    return query
        select a.user_id, u.email::text, a.added_at
        from tick.admin as a join auth.users as u on u.id = a.user_id
        order by a.added_at, a.user_id;
end
$$;

-- An address that nobody has confirmed may be another person's, who only typed it in when signing up.
create or replace function tick.admin_add(user_ref text, reason text, operator_label text) returns tick.admin_change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    actor constant tick.actor := tick.require_operator();
    answer tick.admin_change;
    problem text;
begin
    perform tick.check_labels(operator_label, reason);
    select u.id, u.email,
        case
            when u.deleted_at is not null then 'a deleted user can''t be an administrator'
            when u.is_anonymous then 'an anonymous user can''t be an administrator'
            when u.email is not null and u.email_confirmed_at is null
                then 'a user whose e-mail is not confirmed can''t be an administrator'
        end
    into answer.user_id, answer.email, problem
    from auth.users as u where u.id = tick.user_named(user_ref);
    if problem is not null then
        raise exception '%', problem using errcode = '22023', hint = case
            when problem like '%anonymous%' then 'Let them sign up by e-mail.'
            when problem like '%e-mail%' then 'The address may be another person''s; `tickctl users resend-confirmation`'
                ' sends the mail again.'
            else '' end;
    end if;
    insert into tick.admin (user_id, added_at)
    select answer.user_id, now.moment from tick.clock as now
    on conflict do nothing;
    answer.changed := found;
    if answer.changed then
        perform tick.record(
            actor, operator_label, 'admin_add', answer.user_id,
            '{"administrator": false}', '{"administrator": true}', reason
        );
    end if;
    return answer;
end
$$;

create or replace function tick.admin_remove(user_ref text, reason text, operator_label text)
returns tick.admin_change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    actor constant tick.actor := tick.require_operator();
    answer tick.admin_change;
begin
    perform tick.check_labels(operator_label, reason);
    select u.id, u.email into answer.user_id, answer.email
    from auth.users as u where u.id = tick.user_named(user_ref);
    delete from tick.admin as a where a.user_id = answer.user_id;
    answer.changed := found;
    if answer.changed then
        perform tick.record(
            actor, operator_label, 'admin_remove', answer.user_id,
            '{"administrator": true}', '{"administrator": false}', reason
        );
    end if;
    return answer;
end
$$;
