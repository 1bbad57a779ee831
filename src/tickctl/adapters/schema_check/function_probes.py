"""Calling the functions as requests can."""

from collections.abc import Iterator, Sequence
from typing import Final, LiteralString

from psycopg import sql

from tickctl.adapters.schema_check.expected import callers
from tickctl.adapters.schema_check.finding import Finding
from tickctl.adapters.schema_check.judging import (
    Judge,
    Verdict,
    answers,
    call_denied,
    concluded,
    denied,
    invalid,
    no_answer,
)
from tickctl.adapters.schema_check.people import World
from tickctl.adapters.schema_check.probe import Attempt, Probe
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
    or n.nspname = 'public' and (p.proname like 'tick\\_admin\\_%' or p.proname = 'settle_ticks')
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
_CONSUME: Final = "select c.decision from public.consume_ticks(ticks => {ticks}) as c"
_FRESH: Final = (
    "delete from public.user_daily_usage where user_id in ({user}, {other})",
    "update public.profiles set daily_tick_limit = 3 where user_id in ({user}, {other})",
)
_LEDGER: Final = """
select coalesce(sum(d.ticks_used), 0)::bigint,
    (
        select coalesce(sum(coalesce(c.ticks_settled, c.ticks)), 0)::bigint from tick.charge as c
        where c.user_id = {user}
    )
from public.user_daily_usage as d where d.user_id = {user}
"""


def private_probes(trial: Trial, world: World) -> Iterator[Finding]:
    """Call every private and every administrative function, and touch every private table, as who must not."""
    who = {
        "a signed-in user": ("authenticated", world.people.user.acts()),
        "who is not signed in": ("anon", become("anon")),
        "the secret key": ("service_role", become("service_role")),
    }
    calls = [(str(name), str(statement)) for name, statement in trial.ask(sql.SQL(_CALLS))]
    verdicts: list[tuple[str, Verdict]] = []
    for person, (role, acts) in who.items():
        # A signed-in user may reach what administrators call, and must be turned away inside.
        barred = [call for call in calls if role not in callers(call[0]) or _is_inside(role, call[0])]
        verdicts += _each(trial, person, acts, barred)
    yield concluded("private-functions", "nobody can call what is for operators or for nobody", verdicts)

    touches = [(str(name), str(statement)) for name, statement in trial.ask(sql.SQL(_TOUCHES))]
    verdicts = [v for person, (_, acts) in who.items() for v in _each(trial, person, acts, touches)]
    yield concluded("private-tables", "nobody can touch the private tables", verdicts)


def _is_inside(role: str, function: str) -> bool:
    return role == "authenticated" and not function.endswith((".consume_ticks", ".my_ticks"))


def _each(
    trial: Trial, person: str, acts: Statement, statements: Sequence[tuple[str, str]]
) -> list[tuple[str, Verdict]]:
    states = trial.attempt_each(acts, [statement for _, statement in statements])
    if isinstance(states, Outcome):
        return [(f"{person}, all of it,", no_answer(states))]
    return [(f"{name} for {person}", call_denied(state)) for (name, _), state in zip(statements, states, strict=True)]


def function_probes(world: World) -> Iterator[Probe]:
    """Yield the probes of counting, settling and administration."""
    yield from _identity_probes(world)
    yield from _counting_probes(world)
    yield from _other_probes(world)


def _identity_probes(world: World) -> Iterator[Probe]:
    people = world.people
    user = people.user

    def consuming(tried: str, acts: Statement, judge: Judge) -> Attempt:
        return Attempt(f"consuming {tried}", (*_fresh(world), acts, _consume("1")), judge)

    yield Probe(
        "consume-in-good-standing",
        "only users in good standing can consume",
        (
            consuming("with a confirmed e-mail", user.acts(), answers(("granted",))),
            consuming("without a confirmed e-mail", people.unconfirmed.acts(), answers(("email_not_confirmed",))),
            consuming("as an anonymous user", people.anonymous.acts(), answers(("anonymous",))),
            consuming("as a banned user", people.banned.acts(), answers(("user_banned",))),
            consuming("as a deleted user", people.deleted.acts(), answers(("user_deleted",))),
            consuming(
                "as a user who never was",
                user.acts(sub=user.session_id),
                answers(("user_not_found",)),
            ),
            consuming("without signing in", become("anon"), denied),
        ),
    )
    ended = world.sql("update auth.sessions set not_after = now() - interval '1 second' where user_id = {user}")
    yield Probe(
        "consume-session",
        "tokens of ended and foreign sessions consume nothing",
        (
            consuming(
                "in another user's session",
                user.acts(session_id=people.other.session_id),
                answers(("session_revoked",)),
            ),
            Attempt(
                "consuming in an ended session", (ended, user.acts(), _consume("1")), answers(("session_revoked",))
            ),
        ),
    )
    forged = (
        ("claims of the secret key", become("authenticated", {"role": "service_role", "sub": user.id})),
        ("no claims", become("authenticated", "")),
        ("claims without a user", become("authenticated", {"role": "authenticated"})),
        ("a user's claims", become("anon", user.claims())),
    )
    yield Probe(
        "forged-claims",
        "claims give nothing that the role does not have",
        tuple(
            Attempt(f"{call} with {tried}", (acts, world.sql(text)), denied)
            for tried, acts in forged
            for call, text in (
                ("consuming", "select public.consume_ticks(1)"),
                ("showing a user", "select public.tick_admin_show({other}::text)"),
                ("settling", "select public.settle_ticks({user}, 0)"),
            )
        ),
    )
    wishes: tuple[tuple[str, LiteralString], ...] = (
        ("raising the own limit", "select public.tick_admin_set_limit({user}::text, 1000000)"),
        ("granting oneself ticks", "select public.tick_admin_grant({user}::text, 1000000)"),
        ("resetting the own usage", "select public.tick_admin_reset({user}::text)"),
        ("making oneself an administrator", "select public.tick_admin_add({user}::text)"),
        ("listing users", "select public.tick_admin_list()"),
        ("showing another user", "select public.tick_admin_show({other}::text)"),
    )
    yield Probe(
        "admin-functions",
        "users are no administrators",
        tuple(
            Attempt(f"{tried} {kind}", (acts, world.sql(text)), denied)
            for kind, acts in (
                ("as a user", user.acts()),
                ("as an anonymous user", people.anonymous.acts()),
                ("with user_metadata", user.acts(user_metadata={"role": "service_role", "admin": True})),
            )
            for tried, text in wishes
        ),
    )


def _counting_probes(world: World) -> Iterator[Probe]:
    user = world.people.user
    fresh, own_role = _fresh(world), become("none")

    def consuming(tried: str, text: LiteralString, *rows: Sequence[object]) -> Attempt:
        return Attempt(tried, (*fresh, user.acts(), world.sql(text)), answers(*rows))

    bad = ("null", "0", "-1", "-2147483648", "2147483647", "'1000000000000'", "'1e3'", "'NaN'")
    yield Probe(
        "consume-bad-ticks",
        "impossible numbers of ticks are refused",
        tuple(Attempt(f"consuming {ticks} ticks", (*fresh, user.acts(), _consume(ticks)), invalid) for ticks in bad),
    )
    four_times = "select c.decision from generate_series(1, 4) as n, public.consume_ticks(ticks => least(n, 1)) as c"
    yield Probe(
        "limit-exact",
        "a limit of 3 grants 3 ticks and no more",
        (
            consuming(
                "consuming 1 tick 4 times", four_times, ("granted",), ("granted",), ("granted",), ("quota_exhausted",)
            ),
            Attempt(
                "the ledger after that",
                (*fresh, user.acts(), world.sql(four_times), own_role, world.sql(_LEDGER)),
                answers((3, 3)),
            ),
            Attempt("consuming 4 ticks", (*fresh, user.acts(), _consume("4")), answers(("cost_exceeds_limit",))),
            Attempt(
                "consuming at a limit of 0",
                (
                    world.sql("update public.profiles set daily_tick_limit = 0 where user_id = {user}"),
                    user.acts(),
                    _consume("1"),
                ),
                answers(("cost_exceeds_limit",)),
            ),
        ),
    )
    yield Probe(
        "request-keys",
        "a request that is repeated counts once",
        (
            consuming(
                "consuming twice with one request key",
                "select c.decision, c.ticks_used from generate_series(1, 2) as n,"
                " public.consume_ticks(least(n, 1), 'tickctl check', 'digest') as c",
                ("granted", 1),
                ("already_accepted", 1),
            ),
            consuming(
                "consuming another number of ticks with the same key",
                "select c.decision from generate_series(1, 2) as n,"
                " public.consume_ticks(n, 'tickctl check', 'digest') as c",
                ("granted",),
                ("key_conflict",),
            ),
            Attempt(
                "consuming with another user's key",
                (
                    *fresh,
                    user.acts(),
                    world.sql("select public.consume_ticks(1, 'tickctl check')"),
                    world.people.other.acts(),
                    world.sql("select c.decision, c.ticks_used from public.consume_ticks(1, 'tickctl check') as c"),
                ),
                answers(("granted", 1)),
            ),
        ),
    )
    yield Probe(
        "time-zone",
        "no time zone of a client moves the day",
        # One of these is always at another date than UTC, whatever the time.
        tuple(
            Attempt(
                f"consuming in {zone}",
                (
                    *fresh,
                    sql.SQL("set local timezone = {zone}").format(zone=sql.Literal(zone)),
                    user.acts(),
                    world.sql(
                        "select pg_catalog.set_config('tickctl.day', c.usage_date || ' ' || c.resets_at, true)"
                        " from public.consume_ticks(1) as c"
                    ),
                    world.sql(
                        "select pg_catalog.set_config('tickctl.my', c.usage_date || ' ' || c.resets_at, true)"
                        " from public.my_ticks() as c"
                    ),
                    own_role,
                    world.sql(
                        "select d.day = (now() at time zone s.time_zone)::date, d.ends > now(),"
                        " d.ends <= now() + interval '49 hours', (d.ends at time zone s.time_zone)::date > d.day,"
                        " pg_catalog.current_setting('tickctl.my') = pg_catalog.current_setting('tickctl.day')"
                        " from tick.settings as s cross join lateral (select"
                        " pg_catalog.split_part(pg_catalog.current_setting('tickctl.day'), ' ', 1)::date as day,"
                        " pg_catalog.substr(pg_catalog.current_setting('tickctl.day'), 12)::timestamptz as ends) as d"
                    ),
                ),
                answers((True, True, True, True, True)),
            )
            for zone in ("Pacific/Kiritimati", "Etc/GMT+12")
        ),
    )


def _other_probes(world: World) -> Iterator[Probe]:
    user = world.people.user
    settle: LiteralString = (
        "select s.outcome from public.consume_ticks(3) as c, public.settle_ticks(c.charge_id, 0) as s"
    )
    yield Probe(
        "settle-own-charge",
        "users can't give themselves ticks back",
        tuple(
            Attempt(f"settling the own charge {tried}", (*_fresh(world), acts, world.sql(settle)), denied)
            for tried, acts in (
                ("as a user", user.acts()),
                ("with app_metadata that the row does not have", user.acts(app_metadata={"role": "tick_gateway"})),
                ("with user_metadata", user.acts(user_metadata={"role": "tick_gateway"})),
            )
        ),
    )
    yield Probe(
        "profile-made",
        "a new user gets a profile with the default limit",
        (
            Attempt(
                "adding a user",
                (
                    world.sql(
                        "select p.daily_tick_limit is not distinct from s.default_limit, p.email = u.email"
                        " from tick.settings as s cross join auth.users as u"
                        " left join public.profiles as p on p.user_id = u.id where u.id = {unconfirmed}"
                    ),
                ),
                answers((True, True)),
            ),
        ),
    )
    yield Probe(
        "log-append-only",
        "the log can't be rewritten, not even by its owner",
        tuple(
            Attempt(f"{tried} the log", (world.sql(text),), denied)
            for tried, text in (
                ("changing", "update tick.audit set reason = null where false"),
                ("deleting from", "delete from tick.audit where false"),
            )
        ),
    )


def _fresh(world: World) -> tuple[Statement, ...]:
    """Let `user` and `other` have a limit of 3 and nothing used."""
    return tuple(world.sql(text) for text in _FRESH)


def _consume(ticks: str) -> Statement:
    return sql.SQL(_CONSUME).format(ticks=sql.SQL(ticks))
