"""Every hole that somebody may make into the schema is named by the check: that hole, and nothing that is whole."""

from dataclasses import dataclass

import psycopg
import pytest

from adoption_support import GOOD_PROFILES, prepare
from check_support import by_id, connected
from quota_support import Database
from schema_support import apply
from tickctl.adapters import schema
from tickctl.adapters.schema_check import Result, check
from tickctl.sql import requirements


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


def _as_postgres(statements: str) -> str:
    """Return statements as they are carried out in a project's SQL editor."""
    return f"set local role postgres; {statements}; reset role"


INSTALLED = "as-installed"
_OF_ADOPTION = frozenset({"blocker", "change", "merge", "archive"})
_OWN = "using ((select auth.uid()) = user_id)"
# What fails where nobody is served.
_NO_SERVICE = ("consume-in-good-standing", "consume-session", "limit-exact", "request-keys", "settle-own-charge")

HOLES = {
    # What tickctl installed; test_schema_mending has each kind of object.
    "a table is gone": Hole("drop table public.user_daily_usage cascade", "installed", INSTALLED),
    "an object is not as it was installed": Hole("alter table tick.audit alter actor drop not null", INSTALLED),
    "a day can be there twice": Hole(
        "alter table public.user_daily_usage drop constraint user_daily_usage_pkey", INSTALLED, "stored-values"
    ),
    "limits are not checked": Hole(
        "alter table public.profiles drop constraint profiles_daily_tick_limit_in_range", INSTALLED, "stored-values"
    ),
    "foreign keys are switched off": Hole("alter table tick.admin disable trigger all", "foreign-keys-enforced"),
    "no profiles are made": Hole("alter table auth.users disable trigger zz_tick_make_profile", INSTALLED),
    "the log can be rewritten": Hole(
        "alter table tick.audit disable trigger append_only", INSTALLED, "log-append-only"
    ),
    "an impossible time zone": Hole(
        "set local session_replication_role = replica; update tick.settings set time_zone = 'Mars/Olympus_Mons';"
        " set local session_replication_role = origin",
        "settings",
        # The rules can't be read without it.
        "forged-claims",
    ),
    # Row-level security.
    "row-level security is off": Hole(
        "alter table public.profiles disable row level security", INSTALLED, "read-others-rows"
    ),
    "users own a table": Hole(
        "alter table tick.migration owner to authenticated", INSTALLED, "owners", "private-tables"
    ),
    "users can't read": Hole("drop policy profiles_read_own on public.profiles", INSTALLED, "read-own-rows"),
    "a policy that shows everything": Hole(
        "create policy p on public.profiles for select to authenticated using (true)", INSTALLED, "read-others-rows"
    ),
    # Rights to write.
    "accounts can be written": Hole("grant update (raw_app_meta_data) on auth.users to authenticated", "auth-grants"),
    "sessions can be read": Hole(
        "grant select on auth.sessions to anon; alter table auth.sessions disable row level security", "auth-grants"
    ),
    "a write grant": Hole("grant update on public.profiles to authenticated", INSTALLED),
    "a write grant to PUBLIC": Hole(
        "grant insert on public.user_daily_usage to public", INSTALLED, "secret-key-writes"
    ),
    "TRUNCATE": Hole("grant truncate on public.user_daily_usage to anon", INSTALLED, "truncate"),
    "the own limit, without its guard": Hole(
        f"grant update (daily_tick_limit) on public.profiles to authenticated;"
        f" create policy p on public.profiles for update {_OWN};"
        " alter table public.profiles disable trigger user",
        INSTALLED,
        "raise-own-limit",
    ),
    "the own usage": Hole(
        f"grant update (ticks_used) on public.user_daily_usage to authenticated;"
        f" create policy p on public.user_daily_usage for update {_OWN}",
        INSTALLED,
        "lower-own-usage",
    ),
    "the own grant": Hole(
        f"grant update (ticks_granted) on public.user_daily_usage to authenticated;"
        f" create policy p on public.user_daily_usage for update {_OWN}",
        INSTALLED,
        "grant-oneself",
    ),
    "deleting the own rows": Hole(
        f"grant delete on public.user_daily_usage to authenticated;"
        f" create policy p on public.user_daily_usage for delete {_OWN}",
        INSTALLED,
        "delete-own-rows",
    ),
    "inserting own rows": Hole(
        "grant insert on public.user_daily_usage to authenticated;"
        " create policy p on public.user_daily_usage for insert with check ((select auth.uid()) = user_id)",
        INSTALLED,
        "insert-rows",
    ),
    "others' rows": Hole(
        "grant delete on public.user_daily_usage to authenticated;"
        " create policy p on public.user_daily_usage for delete using ((select auth.uid()) <> user_id);"
        " create policy q on public.user_daily_usage for select using ((select auth.uid()) <> user_id)",
        INSTALLED,
        "read-others-rows",
        "write-others-rows",
    ),
    "the secret key writes": Hole("grant update on public.profiles to service_role", INSTALLED, "secret-key-writes"),
    # Rights to read, and to reach.
    "anon reads all rows": Hole(
        "grant select on public.profiles to anon; create policy p on public.profiles for select to anon using (true)",
        INSTALLED,
        "visitors",
    ),
    "a private table is granted": Hole("grant select on tick.admin to authenticated", INSTALLED, "private-tables"),
    "users don't reach private functions": Hole(
        "revoke usage on schema tick from authenticated", INSTALLED, *_NO_SERVICE
    ),
    "users create objects": Hole("grant create on schema public to authenticated", "create-grants"),
    "everybody creates schemas": Hole(
        "do $$ begin execute format('grant create on database %I to public', current_database()); end $$",
        "create-grants",
    ),
    # Functions.
    "a definer function of theirs in public": Hole(
        _as_postgres(
            "create function public.boost() returns void language sql security definer set search_path = ''"
            " as 'update public.profiles set daily_tick_limit = null'"
        ),
        "limit-functions",
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
    "an overload": Hole(
        "create function public.my_ticks(a integer) returns integer language sql set search_path = '' as 'select a';"
        " alter function public.my_ticks(integer) owner to postgres;"
        " revoke all on function public.my_ticks(integer) from public, anon, authenticated, service_role",
        INSTALLED,
        "namesakes",
    ),
    "a function without its owner's rights": Hole(
        "alter function tick.decide security invoker", INSTALLED, *_NO_SERVICE
    ),
    "a function that null switches off": Hole("alter function tick.admin_show strict", INSTALLED, "private-functions"),
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
            " grant select (daily_tick_limit) on public.outside to authenticated"
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
        _rewritten("tick.decide", "a.email_confirmed_at is null", "false"), INSTALLED, "consume-in-good-standing"
    ),
    "ended sessions consume": Hole(_rewritten("tick.decide", "s.id is null", "false"), INSTALLED, "consume-session"),
    "claims are believed": Hole(
        _rewritten("tick.decide", "is_addressed is not true", "decision is null"), INSTALLED, "forged-claims"
    ),
    "everybody is an administrator": Hole(
        _rewritten("tick.trusted_caller", "current_setting('role') = 'service_role'", "true"),
        INSTALLED,
        "admin-functions",
        "forged-claims",
        "private-functions",
        "settle-own-charge",
    ),
    "settling needs no secret": Hole(
        _rewritten(
            "tick.settle_ticks", "known.refund_digest is distinct from", "known.refund_digest is null and null ="
        ),
        INSTALLED,
        "settle-own-charge",
    ),
    "any number of ticks": Hole(
        _rewritten("tick.decide", "(cost between 1 and largest_cost) is not true", "false"),
        INSTALLED,
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
        " 'begin new.request_key := gen_random_uuid()::text; return new; end';"
        " create trigger forgets before insert on tick.request for each row execute function public.forgets()",
        "request-keys",
    ),
    "the day of the session": Hole(
        _rewritten("tick.decide", "a.ticks_remaining, a.usage_date,", "a.ticks_remaining, current_date,"),
        INSTALLED,
        "time-zone",
    ),
    "a trigger that gives new users more": Hole(
        "create function public.more() returns trigger language plpgsql as"
        " 'begin new.daily_tick_limit := 1000; return new; end';"
        " create trigger more before insert on public.profiles for each row execute function public.more()",
        "new-user",
    ),
    "nobody can sign up": Hole(
        "create or replace function tick.make_profile() returns trigger language plpgsql as"
        " 'begin raise exception ''not today''; end'",
        INSTALLED,
        "sign-up",
    ),
    # The hook.
    "users call the hook": Hole(
        "grant execute on function tick.access_token_hook to authenticated",
        INSTALLED,
        "hook-grants",
        "private-functions",
    ),
    "Auth can't call the hook": Hole("revoke usage on schema tick from supabase_auth_admin", "hook-grants"),
    "the hook believes claims": Hole(
        _rewritten("tick.access_token_hook", "confirmed_at > 'epoch'", "false"), INSTALLED, "hook-claims"
    ),
}

# The same in a table of profiles that belongs to the project.
HOLES_OF_THEIRS = {
    "everybody's rows can be written": Hole(
        "grant update on public.profiles to authenticated;"
        " create policy p on public.profiles for update to authenticated using (true)",
        "profiles-policies",
    ),
    "row-level security is off": Hole(
        "alter table public.profiles disable row level security", "profiles-row-security"
    ),
    "another default": Hole("alter table public.profiles alter daily_tick_limit set default 5", "profiles-default"),
}


@pytest.fixture(scope="module")
def hooked(shared_database: Database) -> Database:
    """A database with all of our schema, the hook included."""
    with connected(shared_database.postgres_url) as connection:
        schema.apply(connection, hook=True)
    return shared_database


@pytest.mark.parametrize("name", HOLES)
def test_a_hole_is_named(hooked: Database, name: str) -> None:
    """Exactly what is broken by it is reported as broken, with what to do about it."""
    with psycopg.connect(hooked.superuser_url) as connection, connection.transaction(force_rollback=True):
        connection.execute(HOLES[name].made_by.encode())
        connection.execute("set local session authorization postgres")
        found = by_id(check(connection))
        details = {i: f.detail for i, f in found.items() if f.result is Result.BROKEN}
        assert set(details) == HOLES[name].broken, details
        assert all(found[i].mend and details[i] for i in details)


@pytest.mark.parametrize("name", HOLES_OF_THEIRS)
def test_a_hole_in_a_table_of_theirs_is_named(bare_database: Database, name: str) -> None:
    """It is theirs to close, by the statement that is shown."""
    prepare(bare_database, GOOD_PROFILES + "alter table public.profiles enable row level security")
    apply(bare_database)
    with bare_database.superuser() as connection:
        connection.execute(HOLES_OF_THEIRS[name].made_by.encode())
    with connected(bare_database.postgres_url) as connection:
        found = check(connection)
    assert {f.id: f.detail for f in found if f.result is Result.BROKEN}.keys() == HOLES_OF_THEIRS[name].broken
    assert all(f.mend for f in found if f.result is Result.BROKEN)


def test_every_finding_has_its_hole(hooked: Database) -> None:
    """A requirement that nothing breaks would prove nothing; tests of adoption break those of adopted tables."""
    with connected(hooked.postgres_url) as connection:
        found = {f.id for f in check(connection) if f.result is Result.OK}
    found -= {requirement.id for requirement in requirements() if requirement.kind in _OF_ADOPTION}
    assert found - set().union(*(hole.broken for hole in (HOLES | HOLES_OF_THEIRS).values())) == set()


@dataclass(frozen=True)
class Note:
    """What is no hole, but worth knowing: what somebody did, the note's id, and a part of what it says."""

    made_by: str
    id: str
    said: str


NOTES = {
    "a trigger of theirs": Note(
        "create function public.logs() returns trigger language plpgsql as 'begin return new; end';"
        " create trigger logs after update on public.profiles for each row execute function public.logs()",
        "foreign-triggers",
        "public.profiles: logs calls public.logs()",
    ),
    "a trigger that writes limits": Note(
        "create table public.plan (user_id uuid, ticks integer);"
        "create function public.follows() returns trigger language plpgsql security definer as"
        " 'begin update public.profiles set daily_tick_limit = new.ticks where user_id = new.user_id; return new; end';"
        " create trigger follows after insert on public.plan for each row execute function public.follows()",
        "limit-triggers",
        "trigger follows on public.plan (public.follows()) writes daily_tick_limit with the rights of",
    ),
    "a view of accounts": Note(
        _as_postgres(
            "create view public.people as select email from auth.users; grant select on public.people to anon"
        ),
        "views-of-accounts",
        "public.people shows rows of auth.users to users",
    ),
    "a function before each request": Note(
        "alter role authenticator set pgrst.db_pre_request = 'public.before'",
        "pre-request",
        "pgrst.db_pre_request=public.before",
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
    "a list of schemas elsewhere": Note("select 1", "exposed-schemas-elsewhere", "tick must not be among them"),
    "a hook": Note(
        "select 1", "hook-installed", "whether Supabase Auth calls it, only the project's Auth settings tell"
    ),
}


@pytest.mark.parametrize("name", NOTES)
def test_what_is_worth_knowing_is_no_hole(hooked: Database, name: str) -> None:
    """A note, and nothing is broken or unknown for it."""
    note = NOTES[name]
    with psycopg.connect(hooked.superuser_url) as connection, connection.transaction(force_rollback=True):
        connection.execute(note.made_by.encode())
        found = by_id(check(connection))
    assert found[note.id].result is Result.NOTE
    assert note.said in found[note.id].detail
    assert {f.result for f in found.values()} == {Result.OK, Result.NOTE}


def test_a_list_of_schemas_in_the_database_is_believed(hooked: Database) -> None:
    """There is nothing to note where PostgREST's own setting shows that the private schema is not served."""
    with psycopg.connect(hooked.superuser_url) as connection, connection.transaction(force_rollback=True):
        connection.execute("alter role authenticator set pgrst.db_schemas = 'public, sticky, tick_tock'")
        found = by_id(check(connection))
    assert "exposed-schemas-elsewhere" not in found
    assert found["exposed-schemas"].result is Result.OK
