-- The roles of a Supabase project are there, and those that the tests of PostgREST add: `not_granted`, and for
-- `authenticated` a statement_timeout of one second.
grant usage on schema public to anon, authenticated, service_role;

create table public.items (
  id int primary key, owner text not null default coalesce(current_setting('request.jwt.claims', true)::json->>'sub','nobody'),
  name text not null check (length(name) <= 10), qty int default 1, slug text unique);
alter table public.items enable row level security;
grant select, insert, update, delete on public.items to anon, authenticated, service_role;
create policy own_select on public.items for select to authenticated using (owner = current_setting('request.jwt.claims', true)::json->>'sub');
create policy own_insert on public.items for insert to authenticated with check (owner = current_setting('request.jwt.claims', true)::json->>'sub');
create policy own_update on public.items for update to authenticated using (owner = current_setting('request.jwt.claims', true)::json->>'sub');
create policy own_delete on public.items for delete to authenticated using (owner = current_setting('request.jwt.claims', true)::json->>'sub');
insert into public.items values (1,'u1','a',1,'s1'),(2,'u1','b',2,'s2'),(3,'u2','c',3,'s3');

create table public.children (id int primary key, item_id int not null references public.items(id), n int not null);
grant all on public.children to service_role;
create table public.secret (id int primary key, v text);            -- no grants at all: 42501 on the table
create table public.nums (n int primary key);                       -- 25 rows, readable by anon, no RLS
insert into public.nums select generate_series(1,25); grant select on public.nums to anon, authenticated, service_role;
create schema private; create table private.t (a int);

create function public.echo_claims() returns json language sql stable as $$ select current_setting('request.jwt.claims', true)::json $$;
create function public.echo_claims_text() returns text language sql stable as $$ select current_setting('request.jwt.claims', true) $$;
create function public.echo_context() returns json language sql stable as $$ select json_build_object(
  'current_user', current_user, 'session_user', session_user, 'role', current_setting('role', true),
  'method', current_setting('request.method', true), 'path', current_setting('request.path', true),
  'claims', current_setting('request.jwt.claims', true)::json, 'headers', current_setting('request.headers', true)::json,
  'cookies', current_setting('request.cookies', true)::json, 'statement_timeout', current_setting('statement_timeout'),
  'isolation', current_setting('transaction_isolation'), 'read_only', current_setting('transaction_read_only'),
  'search_path', current_setting('search_path'), 'timezone', current_setting('timezone'), 'application_name', current_setting('application_name')) $$;
create function public.add(a int, b int) returns int language sql immutable as $$ select a + b $$;
create function public.greet(name text, greeting text default 'hello') returns text language sql immutable as $$ select greeting || ' ' || name $$;
create function public.overl(a int) returns text language sql immutable as $$ select 'int' $$;
create function public.overl(a text) returns text language sql immutable as $$ select 'text' $$;
create function public.obj(x int) returns json language sql immutable as $$ select json_build_object('x', x, 'ok', true) $$;
create function public.nothing() returns void language sql volatile as $$ $$;
create function public.null_scalar() returns int language sql stable as $$ select null::int $$;
create function public.table_row(p_id int) returns table(id int, label text, at timestamptz) language sql stable security invoker as $$
  select p_id, 'row ' || p_id, '2026-01-02 03:04:05.678901+00'::timestamptz $$;
create function public.table_rows(p_n int) returns table(id int, label text) language sql stable security invoker as $$ select g, 'row '||g from generate_series(1,p_n) g $$;
create function public.setof_items() returns setof public.items language sql stable security invoker as $$ select * from public.items order by id $$;
create function public.one_item(p_id int) returns public.items language sql stable security invoker as $$ select * from public.items where id = p_id $$;
create function public.ints() returns setof int language sql stable as $$ select generate_series(1,3) $$;
create function public.int_array() returns int[] language sql stable as $$ select array[1,2,3] $$;
create function public.types() returns json language sql stable as $$ select json_build_object('n', 12345678901234567890.123456789::numeric,'b', 9007199254740993::bigint,'f','NaN'::float8,'ts','2026-01-02 03:04:05+00'::timestamptz,'d','2026-01-02'::date,'u','6f1e0f4e-0000-4000-8000-000000000001'::uuid,'j','{"a":1}'::jsonb,'bytea','\xdeadbeef'::bytea, 'iv','1 day 02:03:04'::interval,'inf','infinity'::timestamptz) $$;
create function public.json_body(json) returns json language sql immutable as $$ select $1 $$;
create function public.pt429() returns void language plpgsql as $$ begin raise sqlstate 'PT429' using message = 'rate limited', detail = 'bucket=rpc', hint = 'retry in 7 seconds'; end $$;
create function public.pt402() returns void language plpgsql as $$ begin raise sqlstate 'PT402' using message = 'Payment Required', detail = 'Quota exceeded', hint = 'Upgrade your plan'; end $$;
create function public.pt_bad() returns void language plpgsql as $$ begin raise sqlstate 'PTXYZ' using message = 'odd code'; end $$;
create function public.pgrst_custom() returns void language plpgsql as $$ begin
  raise sqlstate 'PGRST' using message = '{"code":"RATE_LIMITED","message":"too many","details":"bucket=rpc","hint":"slow down"}',
    detail = '{"status":429,"status_text":"Slow Down","headers":{"Retry-After":"7","X-RateLimit-Remaining":"0"}}'; end $$;
create function public.pgrst_bad() returns void language plpgsql as $$ begin raise sqlstate 'PGRST' using message = 'not json', detail = 'not json'; end $$;
create function public.pgrst_bad_detail() returns void language plpgsql as $$ begin raise sqlstate 'PGRST' using message = '{"code":"X","message":"m"}'; end $$;
create function public.plain_raise() returns void language plpgsql as $$ begin raise exception 'plain failure' using detail='d', hint='h'; end $$;
create function public.raise_code(code text) returns void language plpgsql as $$ begin raise exception using errcode = code, message = 'raised ' || code; end $$;
create function public.gucs() returns json language plpgsql as $$ begin
  perform set_config('response.status','418',true);
  perform set_config('response.headers','[{"X-Lab":"1"},{"Cache-Control":"no-store"}]',true); return '{"tea":true}'; end $$;
create function public.guc_then_raise() returns void language plpgsql as $$ begin
  perform set_config('response.headers','[{"Retry-After":"9"}]',true); raise sqlstate 'PT429' using message='rate limited'; end $$;
create function public.guc_bad() returns void language plpgsql as $$ begin perform set_config('response.status','abc',true); end $$;
create function public.check_violation() returns void language sql as $$ insert into public.items(id,owner,name) values (900,'u1','name far too long') $$;
create function public.touch_secret() returns setof public.secret language sql security invoker as $$ select * from public.secret $$;
create function public.div0() returns int language sql as $$ select 1/0 $$;
create function public.slow(s float8) returns text language plpgsql as $$ begin perform pg_sleep(s); return 'woke'; end $$;
create function public.slow_fn(s float8) returns text language plpgsql set statement_timeout = '300ms' as $$ begin perform pg_sleep(s); return 'woke'; end $$;
create function public.not_executable() returns int language sql as $$ select 1 $$; revoke execute on function public.not_executable() from public; 
create function public.sec_def() returns text language sql security definer as $$ select current_user::text $$;
create function public.write_in_get() returns int language sql stable as $$ select 1 $$;
create function public.volatile_write() returns void language sql volatile as $$ insert into public.items(id,owner,name) values (901,'u1','w') on conflict do nothing $$;
create function public.pre_request() returns void language plpgsql as $$ declare h json := current_setting('request.headers', true)::json; begin
  if h->>'x-lab-block' = 'pt429' then raise sqlstate 'PT429' using message='rate limited (pre-request)', detail='k', hint='7'; end if;
  if h->>'x-lab-block' = 'pgrst' then raise sqlstate 'PGRST' using message='{"code":"PRE","message":"blocked","details":null,"hint":null}', detail='{"status":429,"headers":{"Retry-After":"7"}}'; end if;
  if h->>'x-lab-block' = 'headers' then perform set_config('response.headers','[{"X-From-Pre":"yes"}]',true); end if; end $$;
