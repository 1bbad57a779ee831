-- Optional: Supabase Auth's custom access-token hook. It writes into each token when the user's e-mail was confirmed, so
-- that whoever sets SUPABASE_CONFIRMED_CLAIM=email_confirmed_at can tell offline. Installing it switches nothing on: that
-- is done in the project's Auth settings, which the database does not know.
-- https://supabase.com/docs/guides/auth/auth-hooks/custom-access-token-hook
--
-- Auth calls the function as supabase_auth_admin inside the transaction that signs the user in, with 2 seconds of time.
-- An error there is an error to the user who signs in, so this one has none: what it can't find out it leaves out, and a
-- token without the claim confirms nothing. A project that has a hook already calls this one from it.

-- A claim of that name which comes in is nobody's word to rely on: it is replaced, or taken away. Users without a
-- confirmed e-mail get null. It runs with its caller's rights: Auth may read its own table, and nobody else gains by it.
create or replace function tick.access_token_hook(event jsonb) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    claim constant text := 'email_confirmed_at';
    confirmed_at timestamptz;
begin
    if jsonb_typeof(event -> 'claims') is distinct from 'object' then
        return event;
    end if;
    begin
        select case when u.email <> '' then u.email_confirmed_at end into strict confirmed_at
        from auth.users as u where u.id = (event ->> 'user_id')::uuid;
        return jsonb_build_object('claims', event -> 'claims' || jsonb_build_object(
            claim,
            -- RFC 3339 in UTC. "Never" is null, but also the year 1 (a zero time in Go) and the infinities.
            case when confirmed_at > 'epoch' and isfinite(confirmed_at) then
                to_char(confirmed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
            end
        ));
    exception
        when others then
            return jsonb_build_object('claims', (event -> 'claims') - claim);
    end;
end
$$;
comment on function tick.access_token_hook is
    'For Authentication > Hooks > Customize Access Token: writes the claim email_confirmed_at.';

revoke all on function tick.access_token_hook from public, anon, authenticated, service_role;
grant usage on schema tick to supabase_auth_admin;
grant execute on function tick.access_token_hook to supabase_auth_admin;
