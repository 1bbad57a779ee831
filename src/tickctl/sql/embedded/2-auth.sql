-- The part of Supabase Auth's schema that a database can rely on, with the types and names it has in a hosted project.

create schema if not exists auth authorization supabase_auth_admin;
grant usage on schema auth to postgres, anon, authenticated, service_role;

set local role supabase_auth_admin;

create table if not exists auth.users (
    id uuid primary key,
    aud varchar(255),
    role varchar(255),
    email varchar(255),
    encrypted_password varchar(255),
    email_confirmed_at timestamptz,
    last_sign_in_at timestamptz,
    raw_app_meta_data jsonb,
    raw_user_meta_data jsonb,
    created_at timestamptz,
    updated_at timestamptz,
    phone text default null unique,
    phone_confirmed_at timestamptz,
    confirmed_at timestamptz generated always as (least(email_confirmed_at, phone_confirmed_at)) stored,
    banned_until timestamptz,
    is_sso_user boolean not null default false,
    deleted_at timestamptz,
    is_anonymous boolean not null default false
);

-- One account for each address, except that single sign-on may bring the same address from several places.
create unique index if not exists users_email_partial_key on auth.users (email) where (is_sso_user = false);
create index if not exists users_is_anonymous_idx on auth.users (is_anonymous);
alter table auth.users add column if not exists instance_id uuid;
create index if not exists users_instance_id_email_idx on auth.users (instance_id, lower(email::text));

do $$
begin
    if pg_catalog.to_regtype('auth.aal_level') is null then
        create type auth.aal_level as enum ('aal1', 'aal2', 'aal3');
    end if;
end;
$$;

create table if not exists auth.sessions (
    id uuid primary key,
    user_id uuid not null references auth.users (id) on delete cascade,
    created_at timestamptz,
    updated_at timestamptz,
    aal auth.aal_level,
    not_after timestamptz
);

alter table auth.sessions add column if not exists oauth_client_id uuid;
create index if not exists sessions_user_id_idx on auth.sessions (user_id);
create index if not exists sessions_not_after_idx on auth.sessions (not_after desc);

do $$
begin
    if pg_catalog.to_regtype('auth.factor_status') is null then
        create type auth.factor_type as enum ('totp', 'webauthn', 'phone');
        create type auth.factor_status as enum ('unverified', 'verified');
    end if;
end;
$$;

create table if not exists auth.mfa_factors (
    id uuid primary key,
    user_id uuid not null references auth.users (id) on delete cascade,
    factor_type auth.factor_type not null,
    status auth.factor_status not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);

create index if not exists mfa_factors_user_id_idx on auth.mfa_factors (user_id);

-- On, and without policies: only those pass whom row security does not concern.
alter table auth.users enable row level security;
alter table auth.sessions enable row level security;
alter table auth.mfa_factors enable row level security;

-- Who is calling, from the claims that PostgREST leaves in the transaction; older ones left each claim in its own setting.
create or replace function auth.jwt() returns jsonb
    language sql stable
    as $$
        select coalesce(
            nullif(pg_catalog.current_setting('request.jwt.claim', true), ''),
            nullif(pg_catalog.current_setting('request.jwt.claims', true), '')
        )::jsonb
    $$;

create or replace function auth.uid() returns uuid
    language sql stable
    as $$
        select coalesce(
            nullif(pg_catalog.current_setting('request.jwt.claim.sub', true), ''),
            nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
        )::uuid
    $$;

create or replace function auth.role() returns text
    language sql stable
    as $$
        select coalesce(
            nullif(pg_catalog.current_setting('request.jwt.claim.role', true), ''),
            nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
        )
    $$;

create or replace function auth.email() returns text
    language sql stable
    as $$
        select coalesce(
            nullif(pg_catalog.current_setting('request.jwt.claim.email', true), ''),
            nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'
        )
    $$;

-- Migrations may read and write accounts, refer to them and put triggers on them; the schema stays Auth's.
grant all on all tables in schema auth to postgres;

reset role;
