-- The roles of a hosted Supabase project, with the rights they have there. Run by the superuser `supabase_admin`,
-- which is made by initdb; every statement can be run again.

do $$
declare
    wanted name;
begin
    foreach wanted in array array[
        'postgres', 'anon', 'authenticated', 'service_role', 'authenticator', 'supabase_auth_admin'
    ]::name[] loop
        if not exists (select from pg_catalog.pg_roles where rolname = wanted) then
            execute pg_catalog.format('create role %I', wanted);
        end if;
    end loop;
end;
$$;

-- What migrations run as: much, but not superuser.
alter role postgres with login nosuperuser createdb createrole bypassrls noreplication inherit;
-- What PostgREST makes of a request.
alter role anon with nologin inherit;
alter role authenticated with nologin inherit;
alter role service_role with nologin inherit bypassrls;
-- What PostgREST connects as: nobody, until it becomes one of them.
alter role authenticator with login noinherit;
-- What Supabase Auth works as.
alter role supabase_auth_admin with nologin noinherit createrole;

grant anon, authenticated, service_role to authenticator with inherit false, set true;
grant anon, authenticated, service_role to postgres with inherit true, set true;

alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';

alter database postgres owner to postgres;

-- The schema `public` belongs to the database's owner (PostgreSQL 15). Objects in it are granted one by one.
revoke create on schema public from public;
grant usage on schema public to postgres, anon, authenticated, service_role;
