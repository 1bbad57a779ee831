"""Measures what counting exactly costs, as throughput relative to a bare upsert on the same server.

Eight pgbench clients call for one of 10 000 users at random, whose rows of the day exist, each with a charge, so that
the planner knows a table in use. The two sides take turns of a few seconds; the median of the rounds' ratios is told.
Commits are flushed to disk, as in any database that is relied on; "unflushed" is the same without, which shows the
processor's part alone.

Both sides run in a transaction such as PostgREST opens for a request, with prepared statements sent one by one: begin,
one select that sets search_path, role and request.jwt.claims, the work, commit. The work is `public.consume_ticks` with
all that it looks at and its charge with a refund digest, or `insert … on conflict do update set used = used + 1` into
a table of two key columns and one counter. "Alone" is that upsert without role and claims, in autocommit: the least
that a counter costs.
"""

import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

from tickctl.adapters.embedded import EmbeddedDatabase, Server
from tickctl.adapters.embedded.binaries import find_binaries

USERS = 10_000
CLIENTS = 8
ROUNDS = 7
SECONDS = 2

SETUP = f"""
insert into auth.users (id, email, email_confirmed_at)
select ('00000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid, 'user' || i || '@example.com', now()
from generate_series(1, {USERS}) as i;
insert into auth.sessions (id, user_id)
select ('00000000-0000-4000-9000-' || lpad(i::text, 12, '0'))::uuid,
    ('00000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid
from generate_series(1, {USERS}) as i;
update public.profiles set daily_tick_limit = 1000000000;
insert into public.user_daily_usage (user_id, usage_date) select id, (now() at time zone 'UTC')::date from auth.users;
insert into tick.charge (id, user_id, usage_date, ticks, created_at)
select gen_random_uuid(), user_id, usage_date, 1, now() from public.user_daily_usage;
create table public.bare (user_id uuid, usage_date date, used bigint not null, primary key (user_id, usage_date))
with (fillfactor = 70);
insert into public.bare select id, (now() at time zone 'UTC')::date, 0 from auth.users;
grant all on public.bare to authenticated, authenticator;
"""  # noqa: S608 - a constant
# The user, and the two halves of an id that the caller makes.
USER = rf"""\set u random(1, {USERS})
\set a random(1, 9223372036854775807)
\set b random(1, 9223372036854775807)"""
ID = "(lpad(to_hex(:a::bigint), 16, '0') || lpad(to_hex(:b::bigint), 16, '0'))"
CONTEXT = (
    "select set_config('search_path', '\"public\", \"public\"', true), set_config('role', 'authenticated', true),"
    ' set_config(\'request.jwt.claims\', format(\'{"role":"authenticated","aud":"authenticated",'
    '"sub":"00000000-0000-4000-8000-%1$s","session_id":"00000000-0000-4000-9000-%1$s"}\', lpad(:u::text, 12, \'0\')),'
    " true);"
)
UPSERT = (
    "insert into public.bare values (('00000000-0000-4000-8000-' || lpad(:u::text, 12, '0'))::uuid, current_date, 1)"
    " on conflict (user_id, usage_date) do update set used = bare.used + 1 returning used;"
)
DIGEST = "0123456789abcdef" * 4
CONSUME = f"select * from public.consume_ticks(1, {ID}::uuid, '{DIGEST}'"  # noqa: S608 - a constant


def in_transaction(work: str) -> str:
    """Return a pgbench script that does the work as PostgREST would."""
    return f"{USER}\nbegin;\n{CONTEXT}\n{work}\ncommit;"


SCRIPTS = {
    "consume": in_transaction(f"{CONSUME});"),
    "keyed": in_transaction(f"{CONSUME}, {ID}, '{DIGEST}');"),
    "upsert": in_transaction(UPSERT),
    "alone": f"{USER}\n{UPSERT}",
}
PAIRS = (
    ("consume_ticks / bare upsert", "consume", "upsert", True, 0.6),
    ("consume_ticks with a request key / bare upsert", "keyed", "upsert", True, 0.55),
    ("consume_ticks / upsert alone", "consume", "alone", True, 0.2),
    ("consume_ticks / bare upsert, unflushed", "consume", "upsert", False, 0.4),
)


def measure() -> Iterator[tuple[str, float, str]]:
    """Yield the measurements."""
    with tempfile.TemporaryDirectory(prefix="tickctl-bench-") as folder:
        scripts = Path(folder)
        for name, text in SCRIPTS.items():
            (scripts / f"{name}.sql").write_text(text)
        for durable in (True, False):
            with EmbeddedDatabase(scripts / f"home-{durable}", durable=durable).use() as server:
                _set_up(server)
                for name, ours, known, is_durable, target in PAIRS:
                    if is_durable is durable:
                        measured = _ratio(server, scripts / f"{ours}.sql", scripts / f"{known}.sql")
                        yield name, measured, f">= {target}"


def _set_up(server: Server) -> None:
    with psycopg.connect(server.url("supabase_admin"), autocommit=True) as connection:
        connection.execute(SETUP.encode())
        for statement in (b"vacuum analyze", b"checkpoint"):
            connection.execute(statement)


def _ratio(server: Server, ours: Path, known: Path) -> float:
    return statistics.median(_throughput(server, ours) / _throughput(server, known) for _ in range(ROUNDS))


def _throughput(server: Server, script: Path) -> float:
    """Return transactions per second."""
    options = ["-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-T", str(SECONDS), "-f", str(script)]
    done = subprocess.run(  # noqa: S603 - our own arguments
        [find_binaries().path("pgbench"), *options, server.url("authenticator")],
        capture_output=True,
        text=True,
        check=True,
        cwd=script.parent,
    )
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("tps = "))
    return float(line.split()[2])
