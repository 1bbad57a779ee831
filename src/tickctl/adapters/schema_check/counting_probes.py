"""What is counted: limits, amounts, repeated requests and days, tried out; and what keeps the books."""

from collections.abc import Iterator, Sequence
from typing import Final, LiteralString

from psycopg import sql

from tickctl.adapters.schema_check.outcomes import answers, denied, invalid, serves
from tickctl.adapters.schema_check.principals import World
from tickctl.adapters.schema_check.probe import Attempt, Probe, consume
from tickctl.adapters.schema_check.trial import become

_LEDGER: Final = """
select coalesce(sum(d.ticks_used), 0)::bigint,
    (
        select coalesce(sum(coalesce(c.ticks_settled, c.ticks)), 0)::bigint from tick.charge as c
        where c.user_id = {user}
    )
from public.user_daily_usage as d where d.user_id = {user}
"""


def counting_probes(world: World) -> Iterator[Probe]:
    """Yield the probes."""
    user = world.people.user
    beginning, own_role = world.fresh(), become("none")

    def consuming(tried: str, text: LiteralString, *rows: Sequence[object]) -> Attempt:
        return Attempt(tried, (*beginning, user.acts(), world.sql(text)), serves(*rows))

    bad = ("null", "0", "-1", "-2147483648", "2147483647", "'1000000000000'", "'1e3'", "'NaN'")
    yield Probe(
        "consume-bad-ticks",
        "impossible numbers of ticks are refused",
        tuple(Attempt(f"consuming {ticks} ticks", (*beginning, user.acts(), consume(ticks)), invalid) for ticks in bad),
    )
    four_times = (
        "select c.decision from generate_series(1, 4) as n, public.consume_ticks(least(n, 1), gen_random_uuid()) as c"
    )
    yield Probe(
        "limit-exact",
        "a limit of 3 grants 3 ticks and no more",
        (
            consuming(
                "consuming 1 tick 4 times", four_times, ("granted",), ("granted",), ("granted",), ("quota_exhausted",)
            ),
            Attempt(
                "the ledger after that",
                (*beginning, user.acts(), world.sql(four_times), own_role, world.sql(_LEDGER)),
                answers((3, 3)),
            ),
            Attempt("consuming 4 ticks", (*beginning, user.acts(), consume("4")), serves(("cost_exceeds_limit",))),
            Attempt(
                "consuming at a limit of 0",
                (user.acts(), consume("1")),
                serves(("cost_exceeds_limit",)),
                prepared=(world.sql("update public.profiles set daily_tick_limit = 0 where {profile_owner} = {user}"),),
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
                " public.consume_ticks(least(n, 1), gen_random_uuid(), null, 'tickctl check', 'digest') as c",
                ("granted", 1),
                ("under_way", 1),
            ),
            consuming(
                "consuming another number of ticks with the same key",
                "select c.decision from generate_series(1, 2) as n,"
                " public.consume_ticks(n, gen_random_uuid(), null, 'tickctl check', 'digest') as c",
                ("granted",),
                ("key_conflict",),
            ),
            Attempt(
                "consuming with another user's key",
                (
                    *beginning,
                    user.acts(),
                    world.sql("select public.consume_ticks(1, gen_random_uuid(), null, 'tickctl check')"),
                    world.people.other.acts(),
                    world.sql(
                        "select c.decision, c.ticks_used"
                        " from public.consume_ticks(1, gen_random_uuid(), null, 'tickctl check') as c"
                    ),
                ),
                serves(("granted", 1)),
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
                    *beginning,
                    sql.SQL("set local timezone = {zone}").format(zone=sql.Literal(zone)),
                    user.acts(),
                    world.sql(
                        "select pg_catalog.set_config('tickctl.day', c.usage_date || ' ' || c.resets_at, true)"
                        " from public.consume_ticks(1, gen_random_uuid()) as c"
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
    yield Probe(
        "new-user",
        "a new user has the default limit",
        (
            Attempt(
                "adding a user",
                (
                    world.sql(
                        "select a.daily_tick_limit is not distinct from s.default_limit from tick.settings as s"
                        " cross join tick.account as a where a.user_id = {unconfirmed}"
                    ),
                ),
                answers((True,)),
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
