-- Who calls. Identity comes from request.jwt.claims, which PostgREST sets from a token whose signature it has checked,
-- and from the role that it has switched to; never from an argument.

-- A reference to a user may be an id or something else; no token's claims come through here.
create or replace function tick.uuid_or_null(value text) returns uuid
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
begin
    return case when value ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then value::uuid end;
end
$$;

-- Sessions that count: those of third-party OAuth clients don't. Older versions of Supabase Auth know no such clients.
do $$
begin
    execute format(
        'create or replace view tick.session with (security_invoker = true) as'
        ' select s.id, s.user_id, s.not_after, s.aal::text as aal from auth.sessions as s where %s',
        case when exists (
            select from pg_catalog.pg_attribute as a
            where a.attrelid = 'auth.sessions'::regclass and a.attname = 'oauth_client_id' and not a.attisdropped
        ) then 's.oauth_client_id is null' else 'true' end
    );
end
$$;

-- The user and session of the token, existing or not, by the rules of tickctl.core.tokens.claims: one row where a user is
-- signed in, and otherwise none. Ids that are no UUIDs, which Supabase Auth does not issue, are an error (22P02).
create or replace view tick.caller with (security_invoker = true) as
select
    (token.claims ->> 'sub')::uuid as user_id,
    (token.claims ->> 'session_id')::uuid as session_id,
    -- Whatever is not false is no user with an address.
    coalesce(token.claims -> 'is_anonymous' <> 'false', false) as is_anonymous,
    -- Supabase Auth writes a list of one into the first token after it has started.
    case jsonb_typeof(token.claims -> 'aud')
        when 'string' then token.claims ->> 'aud'
        when 'array' then case when jsonb_array_length(token.claims -> 'aud') = 1 then token.claims #>> '{aud,0}' end
    end as audience
from (select nullif(current_setting('request.jwt.claims', true), '')::jsonb as claims offset 0) as token
-- The session of a third-party OAuth client has a client_id.
where token.claims ->> 'role' = 'authenticated' and token.claims ->> 'sub' is not null and not token.claims ? 'client_id';

-- Raises where tick.caller has no row, or a token of another audience.
create or replace function tick.require_user() returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    audience text;
begin
    select c.audience into audience from tick.caller as c;
    if not found and nullif(current_setting('request.jwt.claims', true), '')::jsonb ? 'client_id' then
        raise exception 'the session belongs to a third-party OAuth client' using errcode = '42501';
    elsif not found then
        raise exception 'this needs a signed-in user' using errcode = '42501';
    elsif audience is distinct from (select s.audience from tick.settings as s) then
        raise exception 'the token is for another audience' using errcode = '42501',
            hint = 'Where SUPABASE_JWT_AUDIENCE is set, tick.settings.audience must be the same.';
    end if;
end
$$;

-- The name of the holder of the secret key, or of a direct connection as the owner of these functions; otherwise null.
-- PostgREST logs in as `authenticator` and becomes service_role for the secret key; whoever else becomes it came over a
-- direct connection of their own. To be called from a SECURITY DEFINER function: there current_user is the owner, while
-- the setting `role` still tells what the session switched to.
create or replace function tick.trusted_caller() returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    return case
        when current_setting('role') = 'service_role' and session_user = 'authenticator' then 'service_role'
        when current_setting('role') = 'service_role' then session_user::text
        when current_setting('role') = 'none' and session_user = current_user then session_user::text
    end;
end
$$;

-- Whether a caller who has enrolled a second factor has not shown it in this session: the password alone, perhaps
-- somebody else's by now, makes nobody an administrator then. Auth's older versions have no such table.
create or replace function tick.lacks_second_factor(whose uuid, session uuid) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    if to_regclass('auth.mfa_factors') is null then
        return false;
    end if;
    return exists (select from auth.mfa_factors as f where f.user_id = whose and f.status::text = 'verified')
        and not exists (
            select from tick.session as s
            where s.id = session and s.user_id = whose and s.aal in ('aal2', 'aal3')
        );
end
$$;

-- The administrator who calls, as the log will name them; 42501 for everybody else. Only the caller's own rows are
-- looked at, and no argument of the call is known here, so that a refusal tells nothing about anybody else. A token
-- outlives log-out, ban and deletion, so the rows decide.
create or replace function tick.require_admin() returns tick.actor
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    actor tick.actor;
    session uuid;
    refusal text;
begin
    actor.name := tick.trusted_caller();
    if actor.name is not null then
        return actor;
    end if;
    perform tick.require_user();
    select a.user_id, a.user_id::text, c.session_id, case
            when u.deleted_at is not null then 'this administrator''s account was deleted'
            when u.banned_until > now.moment then 'this administrator is banned'
            when s.id is null then 'this administrator''s session has ended'
            when u.is_anonymous or c.is_anonymous then 'this administrator is signed in anonymously'
        end
    into actor.user_id, actor.name, session, refusal
    from tick.caller as c
    join tick.admin as a on a.user_id = c.user_id
    join auth.users as u on u.id = c.user_id
    cross join tick.clock as now
    left join tick.session as s
        on s.id = c.session_id and s.user_id = u.id and (s.not_after is null or s.not_after > now.moment);
    if not found then
        raise exception 'this needs an administrator' using errcode = '42501';
    elsif refusal is not null then
        raise exception '%', refusal using errcode = '42501', hint = case
            when refusal like '%session%' then 'Sign in again with `tickctl login`.' else '' end;
    elsif tick.lacks_second_factor(actor.user_id, session) then
        raise exception 'this needs the administrator''s second factor' using errcode = '42501',
            hint = 'Sign in again with `tickctl login`, on a terminal.';
    end if;
    return actor;
end
$$;

-- The same, without the signed-in: for what a stolen token must not be enough.
create or replace function tick.require_operator() returns tick.actor
language plpgsql stable set search_path = pg_catalog, pg_temp
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
