"""Calling every private and administrative function, and touching every private table, as who must not."""

from collections.abc import Iterator, Sequence
from typing import Final

from psycopg import sql

from tickctl.adapters.schema_check.finding import Finding
from tickctl.adapters.schema_check.outcomes import Verdict, call_denied, concluded, no_answer
from tickctl.adapters.schema_check.principals import World
from tickctl.adapters.schema_check.trial import Outcome, Statement, Trial, become

# Every function of ours with nulls of the right types. Each asks who calls before it looks at anything else.
_CALLS: Final = """
select n.nspname || '.' || p.proname, pg_catalog.format(
    'select %I.%I(%s)', n.nspname, p.proname,
    (
        select pg_catalog.string_agg('null::' || pg_catalog.format_type(a.type, null), ', ' order by a.position)
        from pg_catalog.unnest(p.proargtypes) with ordinality as a (type, position)
    )
)
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
where p.prokind = 'f' and (
    n.nspname = 'tick'
    or n.nspname = 'public' and p.proname like 'tick\\_admin\\_%'
)
order by 1, 2
"""
# What the private tables must deny, without touching a row that is there.
_TOUCHES: Final = """
select name || ': ' || action, pg_catalog.format(statement, name)
from (
    select pg_catalog.format('%I.%I', n.nspname, c.relname) as name, c.relkind
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = 'tick' and c.relkind in ('r', 'p', 'v', 'm')
) as t
cross join (values
    ('reading', 'select from %s limit 0', array['r', 'p', 'v', 'm']),
    ('deleting', 'delete from %s where false', array['r', 'p']),
    ('inserting', 'insert into %s default values', array['r', 'p'])
) as a (action, statement, kinds)
where t.relkind = any (a.kinds)
order by 1
"""


def callers(function: str) -> tuple[str, ...]:
    """Return the roles that may call a function, by its qualified name; apart from the grants, so that a mistake shows.

    A signed-in user may be an administrator, which only the functions themselves can find out, and anybody may know a
    charge's secret. Adding administrators takes the secret key: a stolen token could otherwise make itself permanent.
    """
    schema, _, name = function.partition(".")
    if name in {"consume_ticks", "decide", "my_ticks"}:
        return ("authenticated",)
    if name == "settle_ticks":
        return ("anon", "authenticated", "service_role")
    name = name.removeprefix("tick_") if schema == "public" else name
    if name in {"admin_add", "admin_remove"}:
        return ("service_role",)
    return ("authenticated", "service_role") if name.startswith("admin_") else ()


def private_probes(trial: Trial, world: World) -> Iterator[Finding]:
    """Yield the two findings."""
    callers_by_name = {
        "a signed-in user": ("authenticated", world.people.user.acts()),
        "who is not signed in": ("anon", become("anon")),
        "the secret key": ("service_role", become("service_role")),
    }
    calls = [(str(name), str(statement)) for name, statement in trial.ask(sql.SQL(_CALLS))]
    verdicts: list[tuple[str, Verdict]] = []
    for person, (role, acts) in callers_by_name.items():
        # A signed-in user may reach what administrators call, and must be turned away inside.
        barred = [call for call in calls if role not in callers(call[0]) or _is_inside(role, call[0])]
        verdicts += _each(trial, person, acts, barred)
    yield concluded("private-functions", "nobody can call what is for operators or for nobody", verdicts)

    touches = [(str(name), str(statement)) for name, statement in trial.ask(sql.SQL(_TOUCHES))]
    verdicts = [v for person, (_, acts) in callers_by_name.items() for v in _each(trial, person, acts, touches)]
    yield concluded("private-tables", "nobody can touch the private tables", verdicts)


def _is_inside(role: str, function: str) -> bool:
    return role == "authenticated" and not function.endswith(
        (".consume_ticks", ".decide", ".my_ticks", ".settle_ticks")
    )


def _each(
    trial: Trial, person: str, acts: Statement, statements: Sequence[tuple[str, str]]
) -> list[tuple[str, Verdict]]:
    states = trial.attempt_each(acts, [statement for _, statement in statements])
    if isinstance(states, Outcome):
        return [(f"{person}, all of it,", no_answer(states))]
    return [(f"{name} for {person}", call_denied(state)) for (name, _), state in zip(statements, states, strict=True)]
