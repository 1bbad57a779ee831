"""Measures what grows with every request and every day: rows and their indexes, one busy user, removing old days.

100 000 charges are made by `consume_ticks` itself, called as the gateway does it (always with a charge id and a refund
digest, and every second time with a client's request key), by eight pgbench clients for 5000 users at random; then the
bytes of tables and indexes are divided by the rows. Commits are not flushed to disk, but where told. The busy user's
requests compete for one row; that is compared with as many clients for different users.

Seven past days of the same users, with ten charges each, are then removed by the statements of docs/SCALING.md, and
`consume_ticks` on a table of the days that is partitioned by month is compared with the table as it is.
"""

import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
from bench_quota import CLIENTS, CONSUME, CONTEXT, DIGEST, ID, USER, in_transaction

from tickctl.adapters.embedded import EmbeddedDatabase, Server
from tickctl.adapters.embedded.binaries import find_binaries

USERS = 5_000
CHARGES = 100_000
ROUNDS = 5
SECONDS = 3
PAGE = Path(__file__).parents[1] / "docs" / "SCALING.md"

SETUP = f"""
insert into auth.users (id, email, email_confirmed_at)
select ('00000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid, 'user' || i || '@example.com', now()
from generate_series(1, {USERS}) as i;
insert into auth.sessions (id, user_id)
select ('00000000-0000-4000-9000-' || lpad(i::text, 12, '0'))::uuid,
    ('00000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid
from generate_series(1, {USERS}) as i;
update public.profiles set daily_tick_limit = 1000000000;
"""  # noqa: S608 - a constant
PAST = """
insert into public.user_daily_usage (user_id, usage_date, ticks_used)
select p.user_id, t.usage_date - back, 10
from public.profiles as p cross join tick.today as t cross join generate_series(401, 407) as back;
insert into tick.charge (id, user_id, usage_date, ticks, created_at, refund_digest)
select gen_random_uuid(), d.user_id, d.usage_date, 1, d.usage_date, sha256(d.user_id::text::bytea)
from public.user_daily_usage as d cross join tick.today as t cross join generate_series(1, 10)
where d.usage_date < t.usage_date;
"""
PARTITIONED = """
alter table public.user_daily_usage rename to whole;
create table public.user_daily_usage (like public.whole including defaults including constraints)
partition by range (usage_date);
alter table public.user_daily_usage add primary key (user_id, usage_date);
create index on public.user_daily_usage (usage_date);
select format(
    'create table public.usage_%s partition of public.user_daily_usage for values from (%L) to (%L)'
    ' with (fillfactor = 70)', to_char(month, 'YYYY_MM'), month::date, (month + interval '1 month')::date)
from generate_series(date_trunc('month', now() - interval '13 months'), now() + interval '1 month', interval '1 month')
    as month \\gexec
insert into public.user_daily_usage select * from public.whole;
grant select on public.user_daily_usage to authenticated;
"""
HALF_KEYED = f"{CONSUME}, case when random() < 0.5 then {ID} end, '{DIGEST}');"
MANY = in_transaction(HALF_KEYED).replace("random(1, 10000)", f"random(1, {USERS})")
ONE = f"{USER}\n\\set u 1\nbegin;\n{CONTEXT}\n{HALF_KEYED}\ncommit;"
TABLES = {
    "a user's day": "public.user_daily_usage",
    "a charge": "tick.charge",
    "a client's request key": "tick.request",
}


def measure() -> Iterator[tuple[str, float, str]]:
    """Yield the measurements; what isn't a ratio goes to stderr."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tickctl-bench-")))
        server = stack.enter_context(EmbeddedDatabase(folder / "home", durable=False).use())
        many, one = folder / "many.sql", folder / "one.sql"
        many.write_text(MANY)
        one.write_text(ONE)
        _run(server, SETUP, "vacuum analyze")
        _pgbench(server, many, "-t", str(CHARGES // CLIENTS))
        yield from _sizes(server)
        yield _busy(server, one, many, "unflushed")
        flushed = stack.enter_context(EmbeddedDatabase(folder / "flushed").use())
        _run(flushed, SETUP, "vacuum analyze")
        _pgbench(flushed, many, "-t", "1000")
        yield _busy(flushed, one, many, "flushed")
        yield from _removal(server)
        yield _partitions(server, many)


def _busy(server: Server, one: Path, many: Path, words: str) -> tuple[str, float, str]:
    """Return the throughput of all clients for one user by that for many; tell both."""
    rounds = [(_seconds(server, one), _seconds(server, many)) for _ in range(ROUNDS)]
    alone, together = (statistics.median(column) for column in zip(*rounds, strict=True))
    _note(f"{words}: one user {alone:.0f} a second, many users {together:.0f} a second")
    return f"one busy user / many users, {words}", statistics.median(a / b for a, b in rounds), "(known)"


def _sizes(server: Server) -> Iterator[tuple[str, float, str]]:
    """Yield the bytes of a row of each table, as it lies on disk, and of what its indexes have for it."""
    _run(server, "vacuum analyze")
    with psycopg.connect(server.url()) as connection:
        for what, table in TABLES.items():
            row = connection.execute(
                f"select count(*), pg_relation_size('{table}'), pg_indexes_size('{table}'),"  # noqa: S608 - a constant
                f" avg(pg_column_size(r.*)) from {table} as r"
            ).fetchone()
            assert row  # noqa: S101
            rows, heap, indexes, tuple_size = row
            _note(f"{what}: {rows} rows, {tuple_size:.0f} bytes by pg_column_size")
            yield f"{what}: bytes in the table", heap / rows, "(known)"
            yield f"{what}: bytes in its indexes", indexes / rows, "(known)"


def _removal(server: Server) -> Iterator[tuple[str, float, str]]:
    """Yield how many charges a second the statements of the page remove."""
    charges, days = statements()
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for what, statement in (("charges alone", charges), ("days with their charges", days)):
            _run(server, PAST, "vacuum analyze")
            began, rows = time.perf_counter(), 0
            while (removed := connection.execute(statement.encode()).rowcount) > 0:
                rows += removed
            seconds = time.perf_counter() - began
            _note(f"{what}: {rows} rows named, {seconds:.1f} s")
            yield f"{what}: charges removed in a millisecond", USERS * 70 / seconds / 1000, "(known)"
            _run(server, "delete from public.user_daily_usage where usage_date < now() - interval '2 days'", "vacuum")


def statements() -> list[str]:
    """Return the SQL statements of the page that remove what is old."""
    found = re.findall(r"```sql\n(delete .*?)\n```", PAGE.read_text(), re.DOTALL)
    assert len(found) == 2, "docs/SCALING.md has other statements"  # noqa: S101, PLR2004
    return found


def _partitions(server: Server, script: Path) -> tuple[str, float, str]:
    """Return the throughput on a partitioned table of days by that on the plain one, in two copies of the database."""
    plain, split = "plain", "split"
    for name in (plain, split):
        _run(server, f"create database {name} owner postgres template postgres", database="template1")
    subprocess.run(  # noqa: S603 - our own arguments
        [find_binaries().path("psql"), "-qtX", "-v", "ON_ERROR_STOP=1", server.url("postgres", split)],
        input=PARTITIONED,
        capture_output=True,
        text=True,
        check=True,
    )
    _run(server, "vacuum analyze", database=split)
    rounds = [(_seconds(server, script, split), _seconds(server, script, plain)) for _ in range(ROUNDS)]
    return "days partitioned by month / in one table", statistics.median(a / b for a, b in rounds), "(known)"


def _run(server: Server, *statements: str, database: str = "postgres") -> None:
    with psycopg.connect(server.url("supabase_admin", database), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def _seconds(server: Server, script: Path, database: str = "postgres") -> float:
    return _pgbench(server, script, "-T", str(SECONDS), database=database)


def _pgbench(server: Server, script: Path, *until: str, database: str = "postgres") -> float:
    """Return transactions per second."""
    options = ["-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", *until, "-f", str(script)]
    done = subprocess.run(  # noqa: S603 - our own arguments
        [find_binaries().path("pgbench"), *options, server.url("authenticator", database)],
        capture_output=True,
        text=True,
        check=True,
        cwd=script.parent,
    )
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("tps = "))
    return float(line.split()[2])


def _note(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)
