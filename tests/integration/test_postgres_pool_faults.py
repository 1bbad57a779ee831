"""The port on an event loop when the database is in trouble: bounded in time and connections, and soon back."""

import asyncio
import os
import signal
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from http_support import serving
from postgres_line import Line, line_to
from quota_support import Database, User
from tickctl.adapters.embedded import EmbeddedDatabase
from tickctl.adapters.postgres import AsyncPostgresFunctions
from tickctl.adapters.postgres.connecting import AsyncConnection
from tickctl.adapters.postgres.connections import MOST_WAITING, PAUSE, _connected
from tickctl.core.quota import ServiceRole
from tickctl.core.quota.asynchronous import consume
from tickctl.core.secret import Secret
from tickctl.errors import ConfigurationError, CredentialsRefusedError, TickctlError, UnreachableError

PATIENT = 60.0
"""Seconds that no test waits: what is told sooner is told without waiting for the time-out."""
BRIEF = 0.4
"""Seconds after which a server is given up that would be silent for ever."""


@pytest.fixture
def line(shared_database: Database) -> Iterator[Line]:
    """A line to the database as PostgREST's login role."""
    with line_to(shared_database.authenticator_url) as made:
        yield made


def using(url: str, work: Callable[[AsyncPostgresFunctions], Awaitable[None]], **options: Any) -> None:
    """Run what uses the functions on an event loop, which must be idle in the end."""

    async def run() -> None:
        async with asyncio.timeout(30):
            async with AsyncPostgresFunctions(Secret(url), **options) as functions:
                await work(functions)
            assert asyncio.all_tasks() == {asyncio.current_task()}, "something was left running"

    asyncio.run(run())


async def fails(call: Awaitable[Any], match: str | None = None) -> UnreachableError:
    """Return the error of a call of which nobody can tell what it would have answered."""
    with pytest.raises(UnreachableError, match=match) as caught:
        await call
    return caught.value


async def asks(functions: AsyncPostgresFunctions, user: User) -> None:
    """Make a call that must be answered."""
    (row,) = await functions.call("my_ticks", {}, caller=user.caller)
    assert row["user_id"] == user.id


async def recovers(call: Callable[[], Awaitable[None]]) -> None:
    """Make a call until it is answered, which must be soon after the trouble is over."""
    async with asyncio.timeout(100 * PAUSE):
        while True:
            try:
                return await call()
            except UnreachableError:
                await asyncio.sleep(PAUSE / 4)


# No connection comes about.


def test_a_closed_port_is_told_at_once() -> None:
    """To one who asks, and to all of many."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]

    async def work(functions: AsyncPostgresFunctions) -> None:
        await fails(functions.call("my_ticks", {}, caller=ServiceRole()), "nothing listens")
        calls = [fails(functions.call("my_ticks", {}, caller=ServiceRole()), "nothing listens") for _ in range(200)]
        await asyncio.gather(*calls)

    using(f"postgresql://u@127.0.0.1:{port}/d", work, timeout=PATIENT)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (("authenticator", "nobody-of-that-name"), CredentialsRefusedError),
        (("dbname", "no-such-database"), ConfigurationError),
    ],
)
def test_refusals_are_told_at_once(
    shared_database: Database, change: tuple[str, str], error: type[TickctlError]
) -> None:
    """With their reason, for each call anew."""
    old, new = change
    url = shared_database.authenticator_url.replace(shared_database.name if old == "dbname" else old, new, 1)

    async def work(functions: AsyncPostgresFunctions) -> None:
        for _ in range(3):
            with pytest.raises(error) as caught:
                await functions.call("my_ticks", {}, caller=ServiceRole())
            assert type(caught.value) is error

    using(url, work, timeout=PATIENT)


def _fatal(sqlstate: bytes, message: bytes) -> bytes:
    fields = b"SFATAL\0VFATAL\0C" + sqlstate + b"\0M" + message + b"\0\0"
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


@pytest.mark.parametrize(
    ("greeting", "told"),
    [
        (_fatal(b"57P03", b"the database system is starting up"), "starting or stopping"),
        (_fatal(b"53300", b"sorry, too many clients already"), "no connection left"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no connection to the database came about"),
        (b"\0" * 4096, "no"),
    ],
)
def test_a_server_that_cannot_is_told_at_once(greeting: bytes, told: str) -> None:
    """It starts up, is full, or is none."""
    with serving(lambda *_: None) as server:
        server.greeting = greeting

        async def work(functions: AsyncPostgresFunctions) -> None:
            calls = [fails(functions.call("my_ticks", {}, caller=ServiceRole()), told) for _ in range(20)]
            await asyncio.gather(*calls)

        using(f"postgresql://u@127.0.0.1:{server.port}/d?sslmode=disable", work, timeout=PATIENT)


def test_an_outage_is_no_storm_of_connections(line: Line) -> None:
    """However many calls there are, few attempts are made while nothing answers as it should."""
    line.say(_fatal(b"57P03", b"the database system is starting up"))

    async def work(functions: AsyncPostgresFunctions) -> None:
        for _ in range(300):
            line.say(_fatal(b"57P03", b"the database system is starting up"))
            await fails(functions.call("my_ticks", {}, caller=ServiceRole()))

    using(line.url, work, timeout=PATIENT)
    assert line.accepted < 150


def test_a_server_that_is_silent_from_the_beginning_is_given_up(line: Line, shared_database: Database) -> None:
    """All calls within their time; once it speaks again, so do we."""
    user = shared_database.add_user()
    line.hold()

    async def work(functions: AsyncPostgresFunctions) -> None:
        await asyncio.gather(*(fails(asks(functions, user), "in time") for _ in range(20)))
        assert line.accepted < 6
        line.release()
        await recovers(lambda: asks(functions, user))

    using(line.url, work, timeout=BRIEF, connections=2)


def test_whoever_gives_up_while_connecting_leaves_the_place_to_others(line: Line, shared_database: Database) -> None:
    """The attempt is ended with it."""
    user = shared_database.add_user()
    line.hold()

    async def work(functions: AsyncPostgresFunctions) -> None:
        gone = asyncio.create_task(asks(functions, user))
        await asyncio.to_thread(line.swallowed.wait, 10)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        line.release()
        await asks(functions, user)

    using(line.url, work, timeout=PATIENT, connections=1)


def test_an_attempt_that_fails_waits_for_one_that_may_not(
    shared_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the beginning, when a server gives fewer connections than we would make."""
    user = shared_database.add_user()
    failed = asyncio.Event()
    attempts = 0

    async def connected(url: Secret) -> AsyncConnection:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            await failed.wait()
            return await _connected(url)
        failed.set()
        raise UnreachableError("no connection left")

    monkeypatch.setattr("tickctl.adapters.postgres.connections._connected", connected)

    async def work(functions: AsyncPostgresFunctions) -> None:
        await asyncio.gather(asks(functions, user), asks(functions, user))

    using(shared_database.authenticator_url, work, timeout=PATIENT)
    assert attempts == 2


# Connections that were there break or fall silent.


def test_a_server_that_falls_silent_is_given_up(line: Line, shared_database: Database) -> None:
    """Whoever waits for an answer or for a connection; none of them is kept, and there are no more than before."""
    user = shared_database.add_user()

    async def work(functions: AsyncPostgresFunctions) -> None:
        await asks(functions, user)
        line.hold()
        errors = await asyncio.gather(*(fails(asks(functions, user)) for _ in range(20)))
        assert {"the database did not answer in time"} < {error.message for error in errors}
        assert line.lines <= 2
        line.release()
        await recovers(lambda: asks(functions, user))
        assert line.lines <= 2

    using(line.url, work, timeout=BRIEF, connections=2)


@pytest.mark.parametrize("after", [1, 5, 60, 200])
def test_half_an_answer_is_none(line: Line, shared_database: Database, after: int) -> None:
    """The server falls silent in the middle of it."""
    user = shared_database.add_user()

    async def work(functions: AsyncPostgresFunctions) -> None:
        await asks(functions, user)
        line.hold(after=after)
        error = await fails(asks(functions, user), "did not answer in time")
        assert "look before repeating" in str(error.hint)
        line.release()
        await asks(functions, user)

    using(line.url, work, timeout=BRIEF, connections=1)


@pytest.mark.parametrize("after", [0, 1, 60, 200])
def test_a_charge_with_a_key_is_made_once_when_its_answer_is_lost(
    line: Line, shared_database: Database, after: int
) -> None:
    """It is asked for again under the same charge id, and the database answers as it did."""
    user = shared_database.add_user()

    async def work(functions: AsyncPostgresFunctions) -> None:
        await asks(functions, user)
        line.cut(after=after)
        assert (await consume(functions, user.caller, 3, "key")).decision == "granted"

    using(line.url, work, timeout=PATIENT)
    assert list(shared_database.ledger(user).values()) == [(3, 3)]


def test_a_change_is_never_asked_for_again(line: Line, shared_database: Database) -> None:
    """Nobody can tell whether it was made; here it was."""
    user = shared_database.add_user()

    async def work(functions: AsyncPostgresFunctions) -> None:
        await asks(functions, user)
        line.cut()
        grant = functions.call("tick_admin_grant", {"user_ref": user.id, "ticks": 3}, caller=ServiceRole())
        error = await fails(grant, "was lost")
        assert "look before repeating" in str(error.hint)

    using(line.url, work, timeout=PATIENT)
    assert shared_database.admin().show(user.id).ticks_granted == 3


def test_a_call_is_repeated_once_and_not_for_ever(line: Line, shared_database: Database) -> None:
    """A server that hangs up on every call is in trouble."""
    user = shared_database.add_user()

    async def work(functions: AsyncPostgresFunctions) -> None:
        await asks(functions, user)
        line.hold()
        call = asyncio.create_task(asks(functions, user))
        await asyncio.to_thread(line.swallowed.wait, 10)
        line.close()  # before it hangs up, so that the repetition finds nobody
        await fails(call)
        line.release()
        line.listen()
        await recovers(lambda: asks(functions, user))

    using(line.url, work, timeout=PATIENT)


RUBBISH = [
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"\0" * 1000,
    b"G\0\0\0\x07\0\0\0" + b"Z\0\0\0\x05I",
    b"H\0\0\0\x07\0\0\0",
    b"Z\0\0\0\x05I" * 3,
    b"2\0\0\0\x04" * 500,
    b"D\0\0\0\x0a\0\x01\xff\xff\xff\xff",
    _fatal(b"57P01", b"terminating connection due to administrator command"),
]


@pytest.mark.parametrize("rubbish", RUBBISH, ids=lambda rubbish: repr(rubbish[:8]))
def test_rubbish_is_no_answer(line: Line, shared_database: Database, rubbish: bytes) -> None:
    """Neither a no nor a yes; the next call goes over another connection."""
    user = shared_database.add_user()

    async def work(functions: AsyncPostgresFunctions) -> None:
        await asks(functions, user)
        line.say(rubbish)
        await fails(functions.call("tick_admin_reset", {"user_ref": user.id}, caller=ServiceRole()))
        line.release()
        await asks(functions, user)

    using(line.url, work, timeout=BRIEF, connections=1)


def test_idle_connections_that_were_ended_are_not_used(line: Line, shared_database: Database) -> None:
    """All of them at once, as by a restart: the next call is answered, even one that must not be sent twice."""
    user = shared_database.add_user()

    async def work(functions: AsyncPostgresFunctions) -> None:
        await asyncio.gather(*(asks(functions, user) for _ in range(100)))
        assert line.lines > 1
        line.hang_up()
        assert (await consume(functions, user.caller, 1)).decision == "granted"

    using(line.url, work, timeout=PATIENT, connections=4)
    assert list(shared_database.ledger(user).values()) == [(1, 1)]


def test_many_calls_survive_connections_that_end_all_the_time(line: Line, shared_database: Database) -> None:
    """Each is counted once if it was granted; nothing is left behind."""
    users = [shared_database.add_user(limit=None) for _ in range(10)]
    granted: list[int] = []

    async def one(functions: AsyncPostgresFunctions, user: User, key: str) -> None:
        try:
            found = await consume(functions, user.caller, 1, key)
        except UnreachableError:
            return
        assert found.decision in {"granted", "under_way"}
        granted.append(1)

    async def work(functions: AsyncPostgresFunctions) -> None:
        for turn in range(10):
            calls = [one(functions, user, f"{turn}-{number}") for number in range(4) for user in users]
            tasks = [asyncio.create_task(call) for call in calls]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            line.hang_up()
            await asyncio.gather(*tasks)
            await recovers(lambda: asks(functions, users[0]))

    using(line.url, work, timeout=PATIENT, connections=4)
    counted = sum(used for user in users for used, _ in shared_database.ledger(user).values())
    assert len(granted) <= counted <= 400
    assert len(granted) > 100


# Locks, cancellation, floods.


def test_a_lock_ends_with_the_server_s_word(shared_database: Database) -> None:
    """It has interrupted the call, so nothing of it stays, and the connection is as good as before."""
    user = shared_database.add_user()

    async def work(functions: AsyncPostgresFunctions) -> None:
        await consume(functions, user.caller, 1)
        with shared_database.owner() as holder, holder.transaction():
            holder.execute("update public.user_daily_usage set ticks_used = ticks_used where user_id = %s", [user.id])
            error = await fails(consume(functions, user.caller, 1), "too long")
            assert error.hint is None
        assert (await consume(functions, user.caller, 1)).ticks_used == 2

    using(shared_database.authenticator_url, work, timeout=BRIEF, connections=1)


def test_a_call_whose_caller_has_gone_is_heard_out(shared_database: Database) -> None:
    """The connection goes on to the next one, and there is never a second one."""
    user = shared_database.add_user()

    async def work(functions: AsyncPostgresFunctions) -> None:
        await consume(functions, user.caller, 1)
        with shared_database.owner() as holder:
            with holder.transaction():
                holder.execute(
                    "update public.user_daily_usage set ticks_used = ticks_used where user_id = %s", [user.id]
                )
                gone = asyncio.create_task(consume(functions, user.caller, 1))
                (backend,) = await asyncio.to_thread(shared_database.wait_for_lock)
                gone.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await gone
                waiting = asyncio.create_task(consume(functions, user.caller, 1))
                await asyncio.sleep(0)
                assert not waiting.done()
            assert (await waiting).ticks_used == 3
        (row,) = await functions.call("echo_backend", {}, caller=ServiceRole())
        assert row["pid"] == backend

    shared_database.run(
        "create or replace function public.echo_backend() returns table (pid integer, more integer) language sql"
        " as 'select pg_backend_pid(), 1'"
    )
    using(shared_database.authenticator_url, work, timeout=PATIENT, connections=1)


def test_whoever_gives_up_while_waiting_for_a_connection_has_sent_nothing(shared_database: Database) -> None:
    """And takes no connection away."""
    user = shared_database.add_user()

    async def work(functions: AsyncPostgresFunctions) -> None:
        held = await functions._connections.take(asyncio.get_running_loop().time() + 5)
        waiting = [asyncio.create_task(consume(functions, user.caller, 1)) for _ in range(50)]
        await asyncio.sleep(0)
        for task in waiting[::2]:
            task.cancel()
        functions._connections.give_back(held)
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes) == 25

    using(shared_database.authenticator_url, work, timeout=PATIENT, connections=1)
    assert list(shared_database.ledger(user).values()) == [(25, 25)]


def test_a_flood_is_refused_at_once(shared_database: Database) -> None:
    """Those who wait for a connection are counted; one too many doesn't wait."""
    user = shared_database.add_user()

    async def work(functions: AsyncPostgresFunctions) -> None:
        held = await functions._connections.take(asyncio.get_running_loop().time() + 5)
        waiting = [asyncio.create_task(asks(functions, user)) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        await fails(asks(functions, user), "too many")
        functions._connections.give_back(held)
        await asyncio.gather(*waiting)

    using(shared_database.authenticator_url, work, timeout=PATIENT, connections=1)


def test_a_server_without_a_further_connection_is_used_with_those_it_gave(shared_database: Database) -> None:
    """A role's limit is below ours; nobody is turned away for it."""
    role = f"test_few_{os.getpid()}"
    user = shared_database.add_user()
    with shared_database.superuser() as connection:
        connection.execute(
            f"create role {role} login noinherit connection limit 2; grant authenticated to {role}".encode()
        )

    async def work(functions: AsyncPostgresFunctions) -> None:
        await asyncio.gather(*(asks(functions, user) for _ in range(100)))

    url = shared_database.authenticator_url.replace("authenticator", role, 1)
    try:
        using(url, work, timeout=PATIENT, connections=6)
    finally:
        with shared_database.superuser() as connection:
            connection.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = %s", [role]
            )
            connection.execute(f"drop role {role}".encode())


def test_closing_waits_for_nobody_who_is_silent(line: Line, shared_database: Database) -> None:
    """Longer than the time-out; attempts to connect are given up."""
    user = shared_database.add_user()

    async def work(functions: AsyncPostgresFunctions) -> None:
        await asks(functions, user)
        line.hold()
        calls = [asyncio.create_task(fails(asks(functions, user))) for _ in range(4)]
        await asyncio.to_thread(line.swallowed.wait, 10)
        await functions.aclose()
        await asyncio.gather(*calls)
        line.release()
        await recovers(lambda: asks(functions, user))

    using(line.url, work, timeout=BRIEF, connections=2)


# The whole server.


@pytest.fixture
def own_server() -> Iterator[EmbeddedDatabase]:
    """A server of the test's own, to be stopped and started; its socket's folder must have a short name."""
    with tempfile.TemporaryDirectory(prefix="tickctl-") as folder:
        Path(folder).chmod(0o755)
        database = EmbeddedDatabase(Path(folder) / "home", durable=False)
        try:
            yield database
        finally:
            database.stop()


def test_a_restart_is_survived(own_server: EmbeddedDatabase) -> None:
    """While the server is down calls fail at once, and when it is back they are answered again."""
    server = own_server.start()

    async def work(functions: AsyncPostgresFunctions) -> None:
        async def lists() -> None:
            await functions.call("tick_admin_members", {}, caller=ServiceRole())

        for _ in range(2):
            await asyncio.gather(*(lists() for _ in range(50)))
            await asyncio.to_thread(own_server.stop)
            await asyncio.gather(*(fails(lists()) for _ in range(50)))
            await asyncio.to_thread(own_server.start)
            await recovers(lists)

    using(server.url("authenticator"), work, timeout=PATIENT)


def test_a_server_that_is_stopped_in_its_tracks_is_given_up(own_server: EmbeddedDatabase) -> None:
    """Its processes live but do nothing, as behind a network that swallows everything."""
    server = own_server.start()

    async def work(functions: AsyncPostgresFunctions) -> None:
        async def backend() -> int:
            (row,) = await functions.call("echo_backend", {}, caller=ServiceRole())
            assert isinstance(row["pid"], int)
            return row["pid"]

        pid = await backend()
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.gather(*(fails(backend(), "in time") for _ in range(10)))
        finally:
            os.kill(pid, signal.SIGCONT)
        assert await backend() != pid

    Database("postgres", "", server.url("supabase_admin"), "").run(
        "create function public.echo_backend() returns table (pid integer, more integer) language sql"
        " as 'select pg_backend_pid(), 1'"
    )
    using(server.url("authenticator"), work, timeout=BRIEF, connections=1)
