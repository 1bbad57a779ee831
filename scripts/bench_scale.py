"""Measures whether what concerns a few users stays as quick when there are many: 1000, 100 000 and 1 000 000.

Each number of users gets a database of its own with thirty days of usage, a session for everybody, charges of today
and an audit log; one user in ten has no limit, is blocked, has used up the day, has not confirmed the e-mail, or is
banned. Calls go over a connection as PostgREST makes them, to one database after the other. What is told is how many
times as long a call takes as with the smallest number of users, and how long that is for orientation.

The largest needs about 8 GB of disk for a while, and a quarter of an hour. BENCH_USERS="1000 20000" asks for other
numbers of users.
"""

import hashlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from uuid import UUID, uuid4

import psycopg
from psycopg import sql

from tickctl.adapters import schema
from tickctl.adapters.embedded import EmbeddedDatabase, Server
from tickctl.adapters.postgres import PostgresFunctions
from tickctl.core.json import JsonObject
from tickctl.core.quota import ServiceRole, SignedInUser
from tickctl.core.secret import Secret

SIZES = (1_000, 100_000, 1_000_000)
ROUNDS = 51
FEWEST_ROUNDS = 3
PATIENCE = 20.0
"""Seconds for the calls of one kind."""

FILTERS = ("exhausted", "unlimited", "blocked", "unconfirmed", "banned")
UPGRADE = "schema apply, new functions"
SEARCH = "quota list --search, nobody found"
TOP_DAY = "quota top --days 1"
TOP_MONTH = "quota top --days 30"
GROWING = {UPGRADE, SEARCH, TOP_DAY, TOP_MONTH}
FLAT = "<= 1.5"
GROWS = "grows"

# Triggers and the keys' checks would only find that the rows are as the triggers would have made them.
CROWD = """
set session_replication_role = replica;
set synchronous_commit = off;
set maintenance_work_mem = '512MB';
create table public.crowd as
select i, md5('user' || i)::uuid as user_id, left(md5('mail' || i), 12) || '@example.com' as email, i % 10 as kind
from generate_series(1, {users}) as i;
insert into auth.users (id, email, email_confirmed_at, banned_until, created_at, last_sign_in_at)
select user_id, email, case when kind <> 1 then now() end, case when kind = 2 then now() + interval '1 year' end,
    now(), now()
from public.crowd;
insert into auth.sessions (id, user_id) select md5('session' || i)::uuid, user_id from public.crowd;
insert into public.profiles (user_id, daily_tick_limit)
select user_id, case kind when 3 then null when 4 then 0 else 1000000 end from public.crowd;
alter table public.user_daily_usage drop constraint user_daily_usage_pkey;
insert into public.user_daily_usage (user_id, usage_date, ticks_used)
select c.user_id, t.usage_date - back, case c.kind when 5 then 1000000 else c.i % 20 + 1 end
from generate_series(29, 0, -1) as back cross join tick.today as t cross join public.crowd as c;
alter table public.user_daily_usage add primary key (user_id, usage_date);
insert into tick.charge (id, user_id, usage_date, ticks, created_at)
select gen_random_uuid(), d.user_id, d.usage_date, d.ticks_used, now()
from public.user_daily_usage as d join tick.today as t using (usage_date);
insert into tick.audit (at, action, actor, user_id, email, before, after)
select now(), 'grant', 'postgres', user_id, email, '{{"ticks_granted": 0}}', '{{"ticks_granted": 1}}'
from public.crowd where i % 10 < 3;
drop table public.crowd;
"""

Call: TypeAlias = Callable[[int], object]
"""Does the same for one of the users, by number."""


@dataclass(frozen=True)
class Project:
    """A database with so many users, and what is done with it, by name."""

    name: str
    users: int
    calls: Mapping[str, Call]


def measure() -> Iterator[tuple[str, float, str]]:
    """Yield the measurements; what isn't a ratio goes to stderr."""
    sizes = [int(size) for size in os.environ.get("BENCH_USERS", "").split()] or SIZES
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tickctl-bench-"))
        server = stack.enter_context(EmbeddedDatabase(Path(folder) / "home", durable=False).use())
        projects = []
        for users in sizes:
            name = _build(server, users)
            url = Secret(server.url("authenticator", name))
            functions = stack.enter_context(PostgresFunctions(url, statement_timeout=120))
            owner = stack.enter_context(psycopg.connect(server.url("postgres", name), autocommit=True))
            projects.append(Project(name, users, _calls(functions, owner)))
        for what in projects[0].calls:
            target = GROWS if what in GROWING else FLAT
            for project, (ratio, median) in zip(projects, _compare(what, projects), strict=True):
                yield f"{what}: {project.users:,} users, {median * 1000:.2f} ms", ratio, target
        for project in projects:
            yield from _storage(server, project)


def _compare(what: str, projects: Sequence[Project]) -> list[tuple[float, float]]:
    """Return for each project how many times as long as in the first a call takes, and the seconds; medians.

    They take turns, so that a change of the machine's speed meets all.
    """
    for project in projects:
        project.calls[what](6)  # the first plans, and loads what it needs
    rounds: list[list[float]] = []
    ends = time.monotonic() + PATIENCE
    while len(rounds) < ROUNDS and (time.monotonic() < ends or len(rounds) < FEWEST_ROUNDS):
        times = []
        for project in projects:
            number = len(rounds) * 7919 % project.users // 10 * 10 + 6  # of those with an ordinary account
            began = time.perf_counter()
            project.calls[what](number)
            times.append(time.perf_counter() - began)
        rounds.append(times)
    return [
        (statistics.median(times[place] / times[0] for times in rounds), statistics.median(t[place] for t in rounds))
        for place in range(len(projects))
    ]


def _build(server: Server, users: int) -> str:
    """Make a database with so many users, and return its name."""
    name, began = f"crowd_{users}", time.monotonic()
    with psycopg.connect(server.url("supabase_admin", "template1"), autocommit=True) as connection:
        create = sql.SQL("create database {} owner postgres template postgres")
        connection.execute(create.format(sql.Identifier(name)))
    with psycopg.connect(server.url("supabase_admin", name), autocommit=True) as connection:
        for statement in CROWD.format(users=users).split(";\n"):
            if statement.strip():
                connection.execute(statement.encode())
        connection.execute("vacuum analyze")
        connection.execute("checkpoint")
    _note(f"built {users:,} users in {time.monotonic() - began:.0f} s")
    return name


def _calls(functions: PostgresFunctions, owner: schema.Connection) -> Mapping[str, Call]:
    """Return what to measure."""

    def operator(function: str, argument: Callable[[int], JsonObject]) -> Call:
        return lambda number: functions.call(function, argument(number), caller=ServiceRole())

    def page(**arguments: str) -> Call:
        return operator("tick_admin_list", lambda _number: {"page_size": 51, **arguments})

    def by_email(number: int) -> JsonObject:
        return {"user_ref": f"{_md5(f'mail{number}')[:12]}@example.com"}

    return {
        "consume_ticks": lambda n: functions.call(
            "consume_ticks", {"ticks": 1, "charge_id": str(uuid4())}, caller=_user(n)
        ),
        "quota show, by e-mail": operator("tick_admin_show", by_email),
        "quota show, by id": operator("tick_admin_show", lambda n: {"user_ref": _uuid(f"user{n}")}),
        "users show": operator("tick_admin_overview", by_email),
        "quota list": page(),
        "quota list --after (the middle)": page(after_key="8", after_id="00000000-0000-0000-0000-000000000000"),
        **{f"quota list --{kind}": page(filter=kind) for kind in FILTERS},
        "quota audit-log": operator("tick_admin_audit", lambda _number: {}),
        "quota audit-log --user": operator("tick_admin_audit", by_email),
        "near matches of a mistyped e-mail": operator("tick_admin_suggest", lambda n: {"user_ref": f"{n}@example.co"}),
        "schema apply, nothing to do": lambda _number: schema.apply(owner),
        UPGRADE: lambda _number: _upgrade(owner),
        SEARCH: page(search="nobody at all"),
        TOP_DAY: operator("tick_admin_top", lambda _number: {"days": 1}),
        TOP_MONTH: operator("tick_admin_top", lambda _number: {"days": 30}),
    }


def _upgrade(owner: schema.Connection) -> None:
    owner.execute("update tick.migration set digest = 'of another version' where name = 'policies.sql'")
    schema.apply(owner)


def _user(number: int) -> SignedInUser:
    claims = {
        "role": "authenticated",
        "aud": "authenticated",
        "sub": _uuid(f"user{number}"),
        "session_id": _uuid(f"session{number}"),
    }
    return SignedInUser(claims=claims, token=Secret("none is needed here"))


def _storage(server: Server, project: Project) -> Iterator[tuple[str, float, str]]:
    """Yield the share of counting updates that touched no index; tell what the tables and indexes take."""
    with psycopg.connect(server.url("supabase_admin", project.name), autocommit=True) as connection:
        row = connection.execute(
            "select n_tup_hot_upd::float / nullif(n_tup_upd, 0) from pg_stat_user_tables"
            " where relname = 'user_daily_usage'"
        ).fetchone()
        if row and row[0] is not None:
            yield f"counting updates that touch no index: {project.users:,} users", row[0], ">= 0.95"
        sizes = connection.execute(
            "select relname::text, pg_relation_size(oid) / 1e6 from pg_class"
            " where relnamespace in ('public'::regnamespace, 'tick'::regnamespace) and relkind in ('r', 'i')"
            " and pg_relation_size(oid) > 1e6 order by 2 desc"
        ).fetchall()
    _note(f"{project.users:,} users: " + ", ".join(f"{relation} {size:.0f} MB" for relation, size in sizes))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _uuid(text: str) -> str:
    return str(UUID(_md5(text)))


def _note(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)
