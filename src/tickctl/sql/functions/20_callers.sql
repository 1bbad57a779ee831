-- Who calls. Identity comes from request.jwt.claims, which PostgREST sets from a token whose signature it has checked,
-- and from the role that it has switched to; never from an argument.

-- A reference to a user may be an id or something else; no token's claims come through here.
create or replace function tick.uuid_or_null(value text) returns uuid
language plpgsql immutable set search_path = ''
as $$
begin
    return case when value ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then value::uuid end;
end
$$;

-- The user and session of the token, existing or not; 42501 where no user is signed in, and 22P02 for a token whose
-- ids are no UUIDs, which Supabase Auth does not issue.
create or replace function tick.signed_in_user() returns tick.signed_in_user
language plpgsql stable set search_path = ''
as $$
declare
    claims constant jsonb := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
    caller tick.signed_in_user;
begin
    if claims ->> 'role' = 'authenticated' then
        caller.user_id := (claims ->> 'sub')::uuid;
        caller.session_id := (claims ->> 'session_id')::uuid;
    end if;
    if caller.user_id is null then
        raise exception 'this needs a signed-in user' using errcode = '42501';
    end if;
    return caller;
end
$$;

-- The signed-in user, when the account is in good standing and the session has not ended; otherwise null.
-- A token outlives log-out, ban and deletion, so the rows decide.
create or replace function tick.live_user() returns uuid
language plpgsql stable set search_path = ''
as $$
declare
    caller constant tick.signed_in_user := tick.signed_in_user();
    moment constant timestamptz := (select now.moment from tick.clock as now);
begin
    return (
        select u.id
        from auth.users as u
        join auth.sessions as s on s.user_id = u.id
        where u.id = caller.user_id
            and s.id = caller.session_id
            and u.deleted_at is null
            and (u.banned_until is null or u.banned_until <= moment)
            and (s.not_after is null or s.not_after > moment)
    );
end
$$;

-- The name of the holder of the secret key, or of a direct connection as the owner of these functions; otherwise null.
-- PostgREST logs in as `authenticator` and becomes service_role for the secret key; whoever else becomes it came over a
-- direct connection of their own. To be called from a SECURITY DEFINER function: there current_user is the owner, while
-- the setting `role` still tells what the session switched to.
create or replace function tick.trusted_caller() returns text
language plpgsql stable set search_path = ''
as $$
begin
    return case
        when current_setting('role') = 'service_role' and session_user = 'authenticator' then 'service_role'
        when current_setting('role') = 'service_role' then session_user::text
        when current_setting('role') = 'none' and session_user = current_user then session_user::text
    end;
end
$$;

-- Whether the caller is the gateway under its own identity: an Auth user, in good standing, whose app_metadata says so.
-- Users can't write app_metadata; the live row decides, not the token's copy of it.
create or replace function tick.is_gateway() returns boolean
language plpgsql stable set search_path = ''
as $$
declare
    -- A variable, not a call within the query: the planner runs stable functions for its estimates, too.
    whose constant uuid := tick.live_user();
begin
    return exists (
        select from auth.users as u where u.id = whose and u.raw_app_meta_data ->> 'role' = 'tick_gateway'
    );
end
$$;

-- Whether a caller who has enrolled a second factor has not shown it in this session: the password alone, perhaps
-- somebody else's by now, makes nobody an administrator then. Auth's older versions have no such table.
create or replace function tick.lacks_second_factor(whose uuid) returns boolean
language plpgsql stable set search_path = ''
as $$
declare
    caller constant tick.signed_in_user := tick.signed_in_user();
begin
    if to_regclass('auth.mfa_factors') is null then
        return false;
    end if;
    return exists (select from auth.mfa_factors as f where f.user_id = whose and f.status::text = 'verified')
        and not exists (
            select from auth.sessions as s
            where s.id = caller.session_id and s.user_id = whose and s.aal::text in ('aal2', 'aal3')
        );
end
$$;

-- The administrator who calls, as the log will name them; 42501 for everybody else.
create or replace function tick.require_admin() returns tick.actor
language plpgsql stable set search_path = ''
as $$
declare
    actor tick.actor;
begin
    actor.name := tick.trusted_caller();
    if actor.name is null then
        actor.user_id := tick.live_user();
        actor.name := (select a.user_id::text from tick.admin as a where a.user_id = actor.user_id);
    end if;
    if actor.name is null then
        raise exception 'this needs an administrator' using errcode = '42501';
    elsif actor.user_id is not null and tick.lacks_second_factor(actor.user_id) then
        raise exception 'this needs the administrator''s second factor' using errcode = '42501',
            hint = 'Sign in again with `tickctl login`, on a terminal.';
    end if;
    return actor;
end
$$;

-- The same, without the signed-in: for what a stolen token must not be enough.
create or replace function tick.require_operator() returns tick.actor
language plpgsql stable set search_path = ''
as $$
declare
    actor tick.actor;
begin
    actor.name := tick.trusted_caller();
    if actor.name is null then
        raise exception 'this needs the secret key or a direct connection' using errcode = '42501';
    end if;
    return actor;
end
$$;
