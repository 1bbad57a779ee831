-- Rows that left their table when tickctl took it over: nothing that somebody has stored is thrown away.
create table if not exists tick.adopted (
    id bigint generated always as identity primary key,
    table_name text not null,
    "row" jsonb not null,
    reason text not null,
    at timestamptz not null default now()
);
comment on table tick.adopted is 'Rows as they were before they were merged into others or taken out, and why.';
alter table tick.adopted enable row level security;
revoke all on tick.adopted from public, anon, authenticated, service_role;
