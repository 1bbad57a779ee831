"""Every hole that somebody may make into the schema is named by the check: that hole, and nothing that is whole."""

from contextlib import suppress
from dataclasses import dataclass

import psycopg
import pytest

from check_support import broken, by_id, connected
from quota_support import Database
from tickctl.adapters import schema
from tickctl.adapters.schema_check import Result, check
from tickctl.adapters.schema_check.catalogue import ASSERTIONS
from tickctl.adapters.schema_check.finding import APPLY
from tickctl.sql import access_token_hook


@dataclass(frozen=True)
class Hole:
    """What somebody does to the database as a superuser, and all that is broken then."""

    made_by: str
    broken: set[str]

    def __init__(self, made_by: str, *named: str) -> None:
        object.__setattr__(self, "made_by", made_by)
        object.__setattr__(self, "broken", set(named))


def _rewritten(function: str, old: str, new: str) -> str:
    """Return a statement that puts other words into a function's body, and fails where the old ones are not there."""
    return f"""
        do $mutate$
        declare
            old constant text := $old${old}$old$;
            definition constant text := pg_get_functiondef('{function}'::regproc);
        begin
            if position(old in definition) = 0 then
                raise exception 'nothing to rewrite in {function}';
            end if;
            execute replace(definition, old, $new${new}$new$);
        end
        $mutate$
    """


def _on_trigger(function: str, action: str) -> str:
    """Return a statement that does something to the trigger that calls a function, whatever its name."""
    return f"""
        do $mutate$
        declare
            t record;
        begin
            select tgname, tgrelid::regclass as relation into strict t
            from pg_trigger where tgfoid = '{function}'::regproc;
            execute format('{action}', t.relation, t.tgname);
        end
        $mutate$
    """


def _as_postgres(statements: str) -> str:
    """Return statements as they are carried out in a project's SQL editor."""
    return f"set local role postgres; {statements}; reset role"


_SWITCH_OFF = "alter table %s disable trigger %I"
_OWN = "using ((select auth.uid()) = user_id)"
_SOMEBODY = "insert into auth.users (id, email) values (gen_random_uuid(), 'somebody@example.com');"
# What fails where nobody is served.
_NO_SERVICE = ("consume-in-good-standing", "consume-session", "limit-exact", "request-keys")
_HOOK = f"set local role postgres; {access_token_hook().text} reset role;"

HOLES = {
    # Tables.
    "a table is gone": Hole("drop table tick.admin cascade", "tables"),
    "a column may be null": Hole("alter table tick.audit alter actor drop not null", "columns"),
    "a day can be there twice": Hole(
        "alter table public.user_daily_usage drop constraint user_daily_usage_pkey",
        "keys",
        "indexes",
        "stored-values",
    ),
    "a request key can be there twice": Hole("drop index tick.charge_user_request_key", "keys", "indexes"),
    "limits are not checked": Hole(
        "alter table public.profiles drop constraint profiles_daily_tick_limit_in_range", "checks", "stored-values"
    ),
    "the check of limits checks less": Hole(
        "alter table public.profiles drop constraint profiles_daily_tick_limit_in_range,"
        " add constraint profiles_daily_tick_limit_in_range check (daily_tick_limit <= 2000000000)",
        "checks",
        "stored-values",
    ),
    "a check was never validated": Hole(
        "alter table tick.audit drop constraint audit_reason_length,"
        " add constraint audit_reason_length check (length(reason) <= 1000) not valid",
        "checks",
    ),
    "profiles outlive their users": Hole(
        "alter table public.profiles drop constraint profiles_user_id_fkey,"
        " add constraint profiles_user_id_fkey foreign key (user_id) references auth.users (id)",
        "foreign-keys",
    ),
    "foreign keys are switched off": Hole("alter table tick.admin disable trigger all", "foreign-keys-enforced"),
    "a table that a crash empties": Hole("alter table tick.audit set unlogged", "logged"),
    "an index is gone": Hole("drop index tick.charge_user_day", "indexes"),
    "no profiles are made": Hole(_on_trigger("tick.keep_profile", _SWITCH_OFF), "triggers", "profile-made"),
    "bans are not seen": Hole(
        "create or replace trigger zz_tick_keep_profile after insert or update of email on auth.users"
        " for each row execute function tick.keep_profile()",
        "triggers",
    ),
    "lowered limits are not seen": Hole(_on_trigger("tick.limit_changed", _SWITCH_OFF), "triggers"),
    "the log can be rewritten": Hole(_on_trigger("tick.refuse_change", _SWITCH_OFF), "triggers", "log-append-only"),
    "charges outlive their day": Hole(_on_trigger("tick.forget_charges", "drop trigger %2$I on %1$s"), "triggers"),
    "a rule rewrites statements": Hole("create rule nothing as on update to tick.migration do also nothing", "rules"),
    "an impossible time zone": Hole(
        "set local session_replication_role = replica; update tick.settings set time_zone = 'Mars/Olympus_Mons';"
        " set local session_replication_role = origin",
        "settings-row",
    ),
    "another e-mail in a profile": Hole(
        f"{_SOMEBODY} update public.profiles set email = 'other@example.com'", "emails-in-step"
    ),
    # Row-level security.
    "row-level security is off": Hole(
        "alter table public.profiles disable row level security", "rls", "read-others-rows"
    ),
    "row-level security is off in private": Hole("alter table tick.audit disable row level security", "rls"),
    "users own a table": Hole(
        "alter table tick.migration owner to authenticated",
        "owners",
        "rls-forced",
        "private-grants",
        "private-tables",
    ),
    "users own a table, with forced security": Hole(
        "alter table tick.migration owner to authenticated; alter table tick.migration force row level security",
        "owners",
        "private-grants",
        "private-tables",
    ),
    "users can't read": Hole("drop policy profiles_read_own on public.profiles", "policy-own-rows", "read-own-rows"),
    "the same policy twice": Hole(
        f"create policy again on public.profiles for select to authenticated {_OWN}", "policy-own-rows"
    ),
    "a policy that asks for each row": Hole(
        "alter policy profiles_read_own on public.profiles using (auth.uid() = user_id)",
        "policy-own-rows",
        "policy-initplan",
    ),
    "a policy that shows everything": Hole(
        "create policy p on public.profiles for select to authenticated using (true)",
        "policy-read",
        "read-others-rows",
    ),
    "a policy that shows everything to nobody": Hole(
        "create policy p on public.profiles for select using ((select auth.uid()) = user_id or auth.uid() is null)",
        "policy-read",
        "policy-initplan",
    ),
    "a for-all policy": Hole(f"create policy p on public.profiles for all to authenticated {_OWN}", "policy-write"),
    "a private policy": Hole("create policy p on tick.admin for select using (true)", "policy-private"),
    # Rights to write.
    "a write grant": Hole("grant update on public.profiles to authenticated", "write-grants"),
    "a write grant to PUBLIC": Hole(
        "grant insert on public.user_daily_usage to public", "write-grants", "secret-key-writes"
    ),
    "a write grant through a role": Hole(
        "create role staff; grant delete on public.profiles to staff; grant staff to authenticated", "write-grants"
    ),
    "a write grant to a role that tokens may name": Hole(
        "create role clerk; grant update on public.profiles to clerk; grant clerk to authenticator", "write-grants"
    ),
    "accounts can be written": Hole("grant update (raw_app_meta_data) on auth.users to authenticated", "auth-grants"),
    "sessions can be read": Hole(
        "grant select on auth.sessions to anon; alter table auth.sessions disable row level security", "auth-grants"
    ),
    "a write grant on a column": Hole(
        "grant update (daily_tick_limit) on public.profiles to authenticated", "write-grants-columns"
    ),
    "TRUNCATE": Hole("grant truncate on public.user_daily_usage to anon", "write-grants", "truncate"),
    "a for-all policy with the grant": Hole(
        f"grant update on public.profiles to authenticated; create policy p on public.profiles for all {_OWN}",
        "write-grants",
        "policy-write",
        "raise-own-limit",
        "change-own-email",
    ),
    "the own limit": Hole(
        f"grant update (daily_tick_limit) on public.profiles to authenticated;"
        f" create policy p on public.profiles for update {_OWN}",
        "write-grants-columns",
        "policy-write",
        "raise-own-limit",
    ),
    "the own e-mail": Hole(
        "grant update (email) on public.profiles to authenticated;"
        f" create policy p on public.profiles for update {_OWN}",
        "write-grants-columns",
        "policy-write",
        "change-own-email",
    ),
    "the own usage": Hole(
        f"grant update (ticks_used) on public.user_daily_usage to authenticated;"
        f" create policy p on public.user_daily_usage for update {_OWN}",
        "write-grants-columns",
        "policy-write",
        "lower-own-usage",
    ),
    "the own grant": Hole(
        f"grant update (ticks_granted) on public.user_daily_usage to authenticated;"
        f" create policy p on public.user_daily_usage for update {_OWN}",
        "write-grants-columns",
        "policy-write",
        "grant-oneself",
    ),
    "deleting the own rows": Hole(
        f"grant delete on public.user_daily_usage to authenticated;"
        f" create policy p on public.user_daily_usage for delete {_OWN}",
        "write-grants",
        "policy-write",
        "delete-own-rows",
    ),
    "inserting own rows": Hole(
        "grant insert on public.user_daily_usage to authenticated;"
        " create policy p on public.user_daily_usage for insert with check ((select auth.uid()) = user_id)",
        "write-grants",
        "policy-write",
        "insert-rows",
    ),
    "others' rows": Hole(
        "grant delete on public.user_daily_usage to authenticated;"
        " create policy p on public.user_daily_usage for delete using ((select auth.uid()) <> user_id);"
        " create policy q on public.user_daily_usage for select using ((select auth.uid()) <> user_id)",
        "write-grants",
        "policy-write",
        "policy-read",
        "read-others-rows",
        "write-others-rows",
    ),
    "the secret key writes": Hole(
        "grant update on public.profiles to service_role", "write-grants", "secret-key-writes"
    ),
    # Rights to read, and to reach.
    "anon reads": Hole("grant select on public.profiles to anon", "anon-reads"),
    "anon reads a column": Hole("grant select (email) on public.profiles to anon", "anon-reads"),
    "anon reads all rows": Hole(
        "grant select on public.profiles to anon; create policy p on public.profiles for select to anon using (true)",
        "anon-reads",
        "policy-read",
        "visitors",
    ),
    "users may not read": Hole("revoke select on public.profiles from authenticated", "read-grants", "read-own-rows"),
    "a private table is granted": Hole(
        "grant select on tick.admin to authenticated", "private-grants", "private-tables"
    ),
    "a private sequence is granted": Hole("grant usage on all sequences in schema tick to anon", "private-grants"),
    "anon reaches private functions": Hole("grant usage on schema tick to anon", "private-usage"),
    "users don't reach private functions": Hole(
        "revoke usage on schema tick from authenticated", "private-usage", *_NO_SERVICE
    ),
    "users create objects": Hole("grant create on schema public to authenticated", "create-grants"),
    "everybody creates schemas": Hole(
        "do $$ begin execute format('grant create on database %I to public', current_database()); end $$",
        "create-grants",
    ),
    "new private tables are granted": Hole(
        "alter default privileges for role postgres in schema tick grant select on tables to anon", "default-privileges"
    ),
    "new functions are granted everywhere": Hole(
        "alter default privileges for role postgres grant execute on functions to authenticated", "default-privileges"
    ),
    # Functions.
    "a function is gone": Hole("drop function public.tick_admin_top", "functions-present"),
    "a function has another text": Hole(
        _rewritten("tick.check_page_size", "page_size is null", "page_size is not null and false"), "functions-text"
    ),
    "a function takes the session's day": Hole(
        _rewritten("tick.check_page_size", "page_size is null", "page_size is null or current_date is null"),
        "functions-text",
        "functions-day",
    ),
    "a view takes the session's day": Hole(
        """
        do $mutate$
        declare
            old constant text := pg_get_viewdef('tick.today');
            new constant text := regexp_replace(
                old, 'largest_cost,.*? AS usage_date', 'largest_cost, CURRENT_DATE AS usage_date'
            );
        begin
            if old = new then
                raise exception 'nothing to rewrite: %', old;
            end if;
            execute 'create or replace view tick.today with (security_invoker = true) as ' || new;
        end
        $mutate$
        """,
        "views-text",
        "functions-day",
        "time-zone",
    ),
    "a search_path is missing": Hole("alter function tick.open_day reset search_path", "functions-search-path"),
    "a search_path with a schema": Hole(
        "alter function tick.open_day set search_path = public", "functions-search-path"
    ),
    "a definer function of ours in public": Hole(
        "alter function public.my_ticks security definer", "functions-definer", "functions-attributes"
    ),
    "a definer function of theirs in public": Hole(
        _as_postgres(
            "create function public.boost() returns void language sql security definer set search_path = ''"
            " as 'update public.profiles set daily_tick_limit = null'"
        ),
        "functions-definer",
    ),
    "a function that runs what it is given": Hole(
        "create function public.exec_sql(query text) returns void language plpgsql as 'begin execute query; end'",
        "functions-run-sql",
    ),
    "a procedure that runs its first argument": Hole(
        "create procedure public.run(text) language plpgsql as 'begin EXECUTE  $1; end'", "functions-run-sql"
    ),
    "a query that becomes XML": Hole(
        'create function public.xml_of("Any query" text) returns xml language sql'
        " as 'select query_to_xml(\"Any query\", true, true, null)'",
        "functions-run-sql",
    ),
    "PUBLIC executes": Hole("grant execute on function tick.open_day to public", "functions-public"),
    "a function as PostgreSQL grants it": Hole(
        "revoke all on function public.my_ticks from public; grant execute on function public.my_ticks to public",
        "functions-public",
    ),
    "anon executes": Hole("grant execute on function public.settle_ticks to anon", "functions-public"),
    "users execute what is for nobody": Hole(
        "grant execute on function tick.open_day to authenticated", "functions-grants"
    ),
    "users execute what is for the secret key": Hole(
        "grant execute on function public.tick_admin_add, tick.admin_add to authenticated", "functions-grants"
    ),
    "the secret key may not settle": Hole(
        "revoke execute on function public.settle_ticks from service_role", "functions-grants"
    ),
    "an overload": Hole(
        "create function public.my_ticks(a integer) returns integer language sql set search_path = '' as 'select a';"
        " alter function public.my_ticks(integer) owner to postgres;"
        " revoke all on function public.my_ticks(integer) from public, anon, authenticated, service_role",
        "functions-overloads",
        "functions-attributes",
        "functions-text",
        "functions-grants",
    ),
    "a function of another owner": Hole(
        "create role somebody; alter function tick.admin_top owner to somebody", "functions-owner"
    ),
    "a writing function that is stable": Hole("alter function tick.open_day stable", "functions-attributes"),
    "a function without its owner's rights": Hole(
        "alter function tick.consume_ticks security invoker", "functions-attributes", *_NO_SERVICE
    ),
    "a function that null switches off": Hole(
        "alter function tick.admin_show strict", "functions-attributes", "private-functions"
    ),
    "a function with a setting of its own": Hole(
        "alter function tick.open_day set statement_timeout = 1", "functions-attributes"
    ),
    # Views and other ways out.
    "a view without security_invoker": Hole(
        _as_postgres(
            "create view public.limits as select * from public.profiles;"
            " revoke all on public.limits from anon, authenticated, service_role;"
            " grant select on public.limits to authenticated"
        ),
        "views-readable",
    ),
    "a view with the option off": Hole(
        _as_postgres(
            "create view public.limits with (security_invoker = off) as select 1 from public.user_daily_usage;"
            " grant select on public.limits to anon"
        ),
        "views-readable",
    ),
    "a view over a view": Hole(
        _as_postgres(
            "create view public.inside with (security_invoker = on) as select * from public.profiles;"
            " create view public.outside as select * from public.inside;"
            " revoke all on public.inside, public.outside from anon, authenticated, service_role;"
            " grant select (email) on public.outside to authenticated"
        ),
        "views-readable",
    ),
    "a materialized view": Hole(
        _as_postgres(
            "create materialized view public.copied as select * from public.profiles;"
            " grant select on public.copied to authenticated"
        ),
        "views-readable",
    ),
    "auth.users in a view": Hole(
        _as_postgres(
            "create view public.people as select email from auth.users; grant select on public.people to anon"
        ),
        "views-readable",
    ),
    "a private view without security_invoker": Hole(
        """
        do $mutate$
        begin
            execute (
                select format('alter view %s reset (security_invoker)', c.oid::regclass) from pg_class as c
                where c.relnamespace = 'tick'::regnamespace and c.relkind = 'v' order by c.relname limit 1
            );
        end
        $mutate$
        """,
        "views-private",
    ),
    "the private schema is exposed": Hole(
        "alter role authenticator set pgrst.db_schemas = 'public, tick'", "exposed-schemas"
    ),
    "the system's schema is exposed": Hole(
        "alter role authenticator set pgrst.db_schemas = 'public,pg_catalog'", "exposed-schemas"
    ),
    "the private schema is exposed in this database": Hole(
        "do $$ begin execute format('alter role authenticator in database %I set pgrst.db_schemas = tick',"
        " current_database()); end $$",
        "exposed-schemas",
    ),
    # Roles and versions.
    "users bypass row-level security": Hole(
        "alter role authenticated bypassrls", "role-attributes", "read-others-rows"
    ),
    "users can make roles": Hole("alter role anon createrole", "role-attributes"),
    "users are the secret key": Hole("grant service_role to authenticated", "role-memberships"),
    "users read everything": Hole("grant pg_read_all_data to anon", "role-memberships", "private-tables"),
    "an older version": Hole("update tick.migration set digest = 'old' where name = 'policies.sql'", "version"),
    "a newer version with a migration": Hole(
        "insert into tick.migration values ('migrations/9999_later.sql', 'x', now())", "version-newer"
    ),
    "a newer version without one": Hole(
        "insert into tick.migration values ('tickctl', '999.0.1rc1', now())"
        " on conflict (name) do update set digest = excluded.digest",
        "version-newer",
    ),
    # What only shows when it is tried.
    "unconfirmed users consume": Hole(
        _rewritten("tick.consume_ticks", "a.email_confirmed_at is null", "false"),
        "functions-text",
        "consume-in-good-standing",
    ),
    "ended sessions consume": Hole(
        _rewritten("tick.consume_ticks", "s.id is null", "false"), "functions-text", "consume-session"
    ),
    "claims are believed": Hole(
        _rewritten("tick.signed_in_user", "claims ->> 'role' = 'authenticated'", "true"),
        "functions-text",
        "forged-claims",
    ),
    "everybody is an administrator": Hole(
        _rewritten("tick.trusted_caller", "current_setting('role') = 'service_role'", "true"),
        "functions-text",
        "admin-functions",
        "forged-claims",
        "private-functions",
        "settle-own-charge",
    ),
    "settling is open to every signed-in user": Hole(
        _rewritten("tick.settle_ticks", "not tick.is_gateway()", "false"),
        "functions-text",
        "settle-own-charge",
        "forged-claims",
        "private-functions",
    ),
    "any number of ticks": Hole(
        _rewritten("tick.consume_ticks", "cost is null or cost < 1 or cost > largest_cost", "false"),
        "functions-text",
        "consume-bad-ticks",
    ),
    "nothing is counted": Hole(
        "create function public.forgets() returns trigger language plpgsql as"
        " 'begin new.ticks_used := old.ticks_used; return new; end';"
        " create trigger forgets before update on public.user_daily_usage"
        " for each row execute function public.forgets()",
        "limit-exact",
        "request-keys",
        "stored-values",
    ),
    "request keys are forgotten": Hole(
        "create function public.forgets() returns trigger language plpgsql as"
        " 'begin new.request_key := null; return new; end';"
        " create trigger forgets before insert on tick.charge for each row execute function public.forgets()",
        "request-keys",
    ),
    # The hook.
    "users call the hook": Hole(
        f"{_HOOK} grant execute on function tick.access_token_hook to authenticated", "hook-grants", "private-functions"
    ),
    "Auth can't call the hook": Hole(f"{_HOOK} revoke usage on schema tick from supabase_auth_admin", "hook-grants"),
    "the hook believes claims": Hole(
        _HOOK + _rewritten("tick.access_token_hook", "confirmed_at > 'epoch'", "false"), "hook-text", "hook-claims"
    ),
}


@pytest.mark.parametrize("name", HOLES)
def test_a_hole_is_named(shared_database: Database, name: str) -> None:
    """Exactly what is broken by it is reported as broken, with what to do about it."""
    with psycopg.connect(shared_database.superuser_url) as connection, connection.transaction(force_rollback=True):
        connection.execute(HOLES[name].made_by.encode())
        connection.execute("set local session authorization postgres")
        found = by_id(check(connection))
        details = {i: f.detail for i, f in found.items() if f.result is Result.BROKEN}
        assert set(details) == HOLES[name].broken, details
        assert all(found[i].mend and details[i] for i in details)


def test_every_finding_has_its_hole(shared_database: Database) -> None:
    """A requirement that nothing breaks would prove nothing."""
    with connected(shared_database.postgres_url) as connection:
        found = {f.id for f in check(connection) if f.result is Result.OK}
    assert found - set().union(*(hole.broken for hole in HOLES.values())) == set()


def test_apply_mends_what_it_is_said_to_mend(shared_database: Database) -> None:
    """All holes at once of which the check says so: afterwards nothing is broken."""
    mended = {assertion.id for assertion in ASSERTIONS if (assertion.mend or "").startswith(APPLY)}
    others = {assertion.id for assertion in ASSERTIONS} - mended
    made = 0
    with psycopg.connect(shared_database.superuser_url) as connection, connection.transaction(force_rollback=True):
        for hole in HOLES.values():
            if hole.broken & mended and not hole.broken & others:
                # Some holes leave no room for others: what is dropped can't be altered.
                with suppress(psycopg.Error), connection.transaction():
                    connection.execute(hole.made_by.encode())
                    made += 1
        connection.execute("set local session authorization postgres")
        assert len(broken(check(connection))) > 20
        schema.apply(connection)
        assert {f.id: f.detail for f in check(connection) if f.result is Result.BROKEN} == {}
    assert made > 40


@dataclass(frozen=True)
class Note:
    """What is no hole, but worth knowing: what somebody did, the note's id, and a part of what it says."""

    made_by: str
    id: str
    said: str


NOTES = {
    "a user without a profile": Note(
        "insert into auth.users (id, email) select gen_random_uuid(), 'new' || i || '@example.com'"
        " from generate_series(1, 2) as i;"
        " delete from public.profiles where email like 'new%'",
        "profiles-missing",
        "lists leave out 2 until",
    ),
    "a trigger of theirs": Note(
        "create function public.logs() returns trigger language plpgsql as 'begin return new; end';"
        " create trigger logs after update on public.profiles for each row execute function public.logs()",
        "foreign-triggers",
        "public.profiles: logs calls public.logs()",
    ),
    "a definer function of theirs": Note(
        "create function public.other() returns int language sql security definer as 'select 1'",
        "functions-definer-other",
        "public.other()",
    ),
    "a function before each request": Note(
        "alter role authenticator set pgrst.db_pre_request = 'public.before'",
        "pre-request",
        "public.before runs before each request",
    ),
    "a function that makes SQL of its own": Note(
        "create function public.tidy(days int) returns void language plpgsql security definer set search_path = '' as"
        " 'begin execute format(''select %s'', days); execute ''select days''; end'",
        "functions-definer-other",
        "public.tidy(integer)",
    ),
    "a publication": Note(
        "create publication changes for table public.profiles",
        "publications",
        "changes publishes public.profiles",
    ),
    "pg_graphql": Note(
        "set local allow_system_table_mods = on; insert into pg_extension"
        " values (99999, 'pg_graphql', 10, 'public'::regnamespace, false, '1.5.9', null, null)",
        "graphql",
        "no rows of others",
    ),
    "a list of schemas elsewhere": Note("select 1", "exposed-schemas-elsewhere", "see that tick is not among them"),
    "no hook": Note("select 1", "hook-installed", "not installed"),
    "a hook": Note(_HOOK, "hook-installed", "whether Supabase Auth calls it, only the project's Auth settings tell"),
}


@pytest.mark.parametrize("name", NOTES)
def test_what_is_worth_knowing_is_no_hole(shared_database: Database, name: str) -> None:
    """A note, and nothing is broken or unknown for it."""
    note = NOTES[name]
    with psycopg.connect(shared_database.superuser_url) as connection, connection.transaction(force_rollback=True):
        connection.execute(note.made_by.encode())
        found = by_id(check(connection))
    assert found[note.id].result is Result.NOTE
    assert note.said in found[note.id].detail
    assert {f.result for f in found.values()} == {Result.OK, Result.NOTE}


def test_a_list_of_schemas_in_the_database_is_believed(shared_database: Database) -> None:
    """There is nothing to note where PostgREST's own setting shows that the private schema is not served."""
    with psycopg.connect(shared_database.superuser_url) as connection, connection.transaction(force_rollback=True):
        connection.execute("alter role authenticator set pgrst.db_schemas = 'public, sticky, tick_tock'")
        found = by_id(check(connection))
    assert "exposed-schemas-elsewhere" not in found
    assert found["exposed-schemas"].result is Result.OK
