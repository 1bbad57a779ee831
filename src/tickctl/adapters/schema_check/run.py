"""The whole check, in one transaction that is always rolled back."""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace

from psycopg import sql

from tickctl.adapters.schema.failures import reported
from tickctl.adapters.schema_check import catalogue, hook
from tickctl.adapters.schema_check.counting_probes import counting_probes
from tickctl.adapters.schema_check.finding import APPLY, Finding, Part, Result
from tickctl.adapters.schema_check.identity_probes import identity_probes
from tickctl.adapters.schema_check.principals import People, World, existing_users, find_tables
from tickctl.adapters.schema_check.private_probes import private_probes
from tickctl.adapters.schema_check.sign_up import sign_up
from tickctl.adapters.schema_check.table_probes import stored_value_probes, table_probes
from tickctl.adapters.schema_check.trial import Connection, Outcome, Trial, become, opened
from tickctl.errors import ConfigurationError

_MISSING = """
select 'role ' || wanted from pg_catalog.unnest(array['anon', 'authenticated', 'service_role']) as wanted
where not exists (select from pg_catalog.pg_roles as r where r.rolname = wanted)
union all
select 'table auth.' || wanted from pg_catalog.unnest(array['users', 'sessions']) as wanted
where not exists (
    select from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = 'auth' and c.relname = wanted
)
"""
_MISSING_FUNCTIONS = """
select wanted from pg_catalog.unnest(array['consume_ticks', 'settle_ticks', 'my_ticks']) as wanted
where not exists (
    select from pg_catalog.pg_proc as p join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname = wanted
)
"""

_ADDING = "connect as postgres, and let triggers of yours on auth.users pass addresses that end in @example.invalid"
_TWO = 2


def check(connection: Connection, *, advance: Callable[[], object] = lambda: None) -> tuple[Finding, ...]:
    """Check a database: what its catalogue says, and what happens when users that exist for the moment try everything.

    All of it is one transaction that is rolled back, also when it is interrupted. Nothing that is there is touched
    but by reading; nobody else waits for it.

    Args:
        connection: as who may add users and switch to the API's roles: `postgres` on Supabase. Others are told of
            less.
        advance: called after each finding, to show progress.

    Raises:
        ConfigurationError: this is no database of a Supabase project.
        UnreachableError: the connection was lost.
    """
    with reported(), opened(connection) as trial:
        missing = [str(row[0]) for row in trial.ask(sql.SQL(_MISSING))]
        if missing:
            raise ConfigurationError(
                f"this is no database of a Supabase project: there is no {missing[0]}",
                hint="check the URL; Supabase's database is called postgres",
            )
        findings = []
        for finding in _all(trial):
            findings.append(finding)
            advance()
    return tuple(_mended(findings))


def _all(trial: Trial) -> Iterator[Finding]:
    yield from catalogue.look(trial)
    count = sql.Literal(2 * len(fields(People)))
    ids = trial.ask(sql.SQL("select gen_random_uuid() from generate_series(1, {count})").format(count=count))
    people = People.of([str(row[0]) for row in ids])
    yield from sign_up(trial, str(trial.ask(sql.SQL("select gen_random_uuid()"))[0][0]))
    added = trial.keep(become("none"), *people.additions())
    if added.sqlstate:
        existing = existing_users(trial)
        if len(existing) == _TWO:
            people, sessions = people.in_place_of(existing)
            added = trial.keep(become("none"), *sessions)
    if added.sqlstate:
        yield _not_tried("throw-away-users", "users can be had, to try things out", added, _ADDING)
        yield from hook.look(trial, None)
        return
    yield from hook.look(trial, people)
    yield from _behaviour(trial, people)


def _behaviour(trial: Trial, people: People) -> Iterator[Finding]:
    tables = find_tables(trial)
    if tables is None:
        outcome = Outcome("42P01", "public.profiles or public.user_daily_usage is missing, or names no user")
        yield _not_tried("throw-away-rows", "rows can be added for them", outcome)
        return
    world = World(people, tables)
    added = trial.keep(*world.rows())
    if added.sqlstate:
        yield _not_tried("throw-away-rows", "rows can be added for them", added)
        return
    for probe in table_probes(world):
        yield probe.run(trial)
    missing = trial.ask(sql.SQL(_MISSING_FUNCTIONS))
    if missing:
        outcome = Outcome("42883", f"public.{missing[0][0]} is missing")
        yield _not_tried("functions-to-try", "the functions can be tried", outcome)
        return
    for probe in (*stored_value_probes(world), *identity_probes(world), *counting_probes(world)):
        yield probe.run(trial)
    yield from private_probes(trial, world)


def _mended(findings: list[Finding]) -> Iterator[Finding]:
    """Say what mends the behaviour: what mends the catalogue, or else something that is not ours stands in the way.

    Where a newer version has been at work, this one can mend nothing.
    """
    broken = [finding for finding in findings if finding.result is Result.BROKEN]
    in_catalogue = [finding for finding in broken if finding.part is Part.CATALOGUE]
    newer = next((finding for finding in broken if finding.id == "version-newer"), None)
    mend: str | None = "mend what the catalogue's part names"
    if any(finding.mend == APPLY for finding in in_catalogue):
        mend = APPLY
    elif not in_catalogue:
        mend = "look for what is not tickctl's: a trigger on these tables or on auth.users"
    for finding in findings:
        if finding in broken and newer and (finding.mend or APPLY).startswith(APPLY):
            yield replace(finding, mend=newer.mend)  # the newer version may have other ideas of what is whole
        elif finding in broken and finding.part is Part.BEHAVIOUR:
            yield replace(finding, mend=mend)
        else:
            yield finding


def _not_tried(name: str, title: str, outcome: Outcome, mend: str | None = None) -> Finding:
    detail = f"{outcome.message} (SQLSTATE {outcome.sqlstate})"
    return Finding(name, Part.BEHAVIOUR, title, Result.UNKNOWN, f"nothing could be tried: {detail}", mend)
