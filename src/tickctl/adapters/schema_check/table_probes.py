"""Writing to the tables and reading them as requests can: works on hand-made tables as well."""

from collections.abc import Iterator
from typing import LiteralString

from psycopg import sql

from tickctl.adapters.schema_check.outcomes import (
    Judge,
    constrained,
    denied,
    reads_nothing,
    serves,
    writes_nothing,
)
from tickctl.adapters.schema_check.principals import World
from tickctl.adapters.schema_check.probe import Attempt, Probe
from tickctl.adapters.schema_check.trial import CARRIED_OUT, Statement, become

_RAISE: LiteralString = "update public.profiles set daily_tick_limit = 11 where {profile_owner} = "
_LOWER: LiteralString = "update public.user_daily_usage set ticks_used = 0 where {usage_owner} = "
_DELETE: LiteralString = "delete from public.user_daily_usage where {usage_owner} = "
_READ_LIMIT: LiteralString = "select daily_tick_limit from public.profiles where {profile_owner} = "
_READ_USAGE: LiteralString = "select ticks_used from public.user_daily_usage where {usage_owner} = "
_INSERT_DAY: LiteralString = (
    "insert into public.user_daily_usage ({usage_owner}, usage_date, ticks_used) select u, current_date + 1, 0 from "
)


def table_probes(world: World) -> Iterator[Probe]:
    """Yield the probes; `world`'s rows must be there."""
    user = world.people.user.acts()
    tables = ("user_daily_usage",) if world.tables.is_adopted else ("profiles", "user_daily_usage")

    def as_user(tried: str, text: LiteralString, judge: Judge = writes_nothing) -> Attempt:
        return Attempt(tried, (user, world.sql(text)), judge)

    yield Probe(
        "raise-own-limit",
        "users can't raise their own limit",
        (
            as_user("raising the own daily_tick_limit", _RAISE + "{user}"),
            as_user(
                "making oneself unlimited",
                "update public.profiles set daily_tick_limit = null where {profile_owner} = {user}",
            ),
        ),
    )
    yield Probe(
        "lower-own-usage",
        "users can't lower what they have used",
        (as_user("setting the own ticks_used to 0", _LOWER + "{user}"),),
    )
    if world.tables.has_grants:
        yield Probe(
            "grant-oneself",
            "users can't grant themselves ticks",
            (
                as_user(
                    "setting the own ticks_granted",
                    "update public.user_daily_usage set ticks_granted = 1000000 where {usage_owner} = {user}",
                ),
            ),
        )
    blocked = Attempt(
        "deleting the own profile of a user who is blocked",
        (user, world.sql("delete from public.profiles where {profile_owner} = {user}")),
        writes_nothing,
        prepared=(world.sql("update public.profiles set daily_tick_limit = 0 where {profile_owner} = {user}"),),
    )
    yield Probe(
        "delete-own-rows",
        "users can't delete their rows",
        (
            as_user("deleting the own usage", _DELETE + "{user}"),
            # Whoever is as blocked without a profile gains nothing by it.
            *([] if world.tables.is_blocked else [blocked]),
        ),
    )
    yield Probe(
        "insert-rows",
        "users can't insert rows",
        (
            as_user("inserting a day for oneself", _INSERT_DAY + "(values ({user}::uuid)) as v (u)"),
            as_user("inserting a day for somebody else", _INSERT_DAY + "(values ({other}::uuid)) as v (u)"),
            Attempt("inserting an own profile", (user, _inserted(world)), writes_nothing, prepared=_copied(world)),
        ),
    )
    yield Probe(
        "write-others-rows",
        "users can't change other users' rows",
        (
            as_user("changing another user's limit", _RAISE + "{other}"),
            as_user("changing another user's usage", _LOWER + "{other}"),
            as_user("deleting another user's usage", _DELETE + "{other}"),
        ),
    )
    yield Probe(
        "read-others-rows",
        "users can't read other users' rows",
        (
            *(
                []
                if world.tables.is_adopted
                else [as_user("reading another user's profile", _READ_LIMIT + "{other}", reads_nothing)]
            ),
            as_user("reading another user's usage", _READ_USAGE + "{other}", reads_nothing),
        ),
    )
    yield Probe(
        "read-own-rows",
        "users can read their own rows",
        (
            *(
                []
                if world.tables.is_adopted
                else [as_user("reading the own limit", _READ_LIMIT + "{user}", serves((10,)))]
            ),
            as_user("reading the own usage", _READ_USAGE + "{user}", serves((7,))),
        ),
    )
    yield Probe(
        "truncate",
        "nobody can empty the tables through the API",
        tuple(_truncate(world, who, table) for who in _WHO for table in tables),
    )
    visitor = become("anon")
    yield Probe(
        "visitors",
        "who is not signed in can neither read nor write",
        tuple(
            Attempt(f"{tried} without signing in", (visitor, world.sql(text)), judge)
            for tried, text, judge in (
                *([] if world.tables.is_adopted else [("reading a profile", _READ_LIMIT + "{user}", reads_nothing)]),
                ("reading a usage", _READ_USAGE + "{user}", reads_nothing),
                ("raising a limit", _RAISE + "{user}", writes_nothing),
                ("lowering a usage", _LOWER + "{user}", writes_nothing),
                ("deleting a usage", _DELETE + "{user}", writes_nothing),
                ("inserting a day", _INSERT_DAY + "(values ({user}::uuid)) as v (u)", writes_nothing),
            )
        ),
    )
    secret_key = become("service_role")
    yield Probe(
        "secret-key-writes",
        "the secret key can't write past the log",
        tuple(
            Attempt(f"{tried} with the secret key", (secret_key, world.sql(text)), writes_nothing)
            for tried, text in (
                *([] if world.tables.is_adopted else [("raising a limit", _RAISE + "{user}")]),
                ("lowering a usage", _LOWER + "{user}"),
                ("deleting a usage", _DELETE + "{user}"),
                ("inserting a day", _INSERT_DAY + "(values ({user}::uuid)) as v (u)"),
            )
        ),
    )


def stored_value_probes(world: World) -> Iterator[Probe]:
    """Yield what even the owner of the tables can't store; the names are those of our own tables."""
    yield Probe(
        "stored-values",
        "impossible limits and counts can't be stored by anybody",
        tuple(
            Attempt(tried, (world.sql(text),), constrained)
            for tried, text in (
                ("a negative limit", "update public.profiles set daily_tick_limit = -1 where {profile_owner} = {user}"),
                (
                    "a limit above 1000000000",
                    "update public.profiles set daily_tick_limit = 1000000001 where {profile_owner} = {user}",
                ),
                ("a negative usage", "update public.user_daily_usage set ticks_used = -1 where user_id = {user}"),
                ("a negative grant", "update public.user_daily_usage set ticks_granted = -1 where user_id = {user}"),
                (
                    "a second row for a day",
                    "insert into public.user_daily_usage (user_id, usage_date) values ({user}, current_date)",
                ),
                ("a second profile", "insert into public.profiles ({profile_owner}) values ({user})"),
            )
        ),
    )


def _copied(world: World) -> tuple[Statement, ...]:
    """Take the user's profile away, and keep a copy with a higher limit where the user can read it."""
    columns = sql.SQL(", ").join(map(sql.Identifier, world.tables.columns))
    copy = sql.SQL(
        "create temporary table tickctl_copy as select {columns} from public.profiles where {owner} = {user}"
    )
    owner, user = sql.Identifier(world.tables.profile_owner), sql.Literal(world.people.user.id)
    return (
        copy.format(columns=columns, owner=owner, user=user),
        sql.SQL("update pg_temp.tickctl_copy set daily_tick_limit = 11"),
        sql.SQL("grant select on pg_temp.tickctl_copy to authenticated"),
        sql.SQL("delete from public.profiles where {owner} = {user}").format(owner=owner, user=user),
    )


def _inserted(world: World) -> Statement:
    columns = sql.SQL(", ").join(map(sql.Identifier, world.tables.columns))
    insert = (
        "insert into public.profiles ({columns}) overriding system value select {columns} from pg_temp.tickctl_copy"
    )
    return sql.SQL(insert).format(columns=columns)


_WHO = ("authenticated", "anon", "service_role")


def _truncate(world: World, role: str, table: str) -> Attempt:
    """Try TRUNCATE, but only where it will be denied: it would take the whole table and keep the gateway waiting."""
    guard = sql.SQL(
        "do $tickctl$ begin if pg_catalog.has_table_privilege({role}, {table}, 'truncate')"
        " then raise exception using errcode = {carried_out}; end if; end $tickctl$"
    ).format(role=sql.Literal(role), table=sql.Literal(f"public.{table}"), carried_out=sql.Literal(CARRIED_OUT))
    act: Statement = world.people.user.acts() if role == "authenticated" else become(role)
    truncate = sql.SQL("truncate {table}").format(table=sql.Identifier("public", table))
    return Attempt(f"TRUNCATE of public.{table} as {role}", (guard, act, truncate), denied)
