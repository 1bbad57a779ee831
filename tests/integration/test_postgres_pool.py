"""The port over shared connections on an event loop: everything that goes right."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from quota_support import Database, User
from tickctl.adapters.postgres import AsyncPostgresFunctions
from tickctl.core.quota import Anonymous, Caller, ServiceRole, my_ticks
from tickctl.core.quota.asynchronous import consume, settle
from tickctl.core.secret import Secret
from tickctl.errors import (
    ConfigurationError,
    ConflictError,
    CredentialsRefusedError,
    InvalidInputError,
    NotFoundError,
    TickctlError,
    UnreachableError,
)

T = TypeVar("T")

CONTEXT = """
create function public.echo_context(wait double precision default 0) returns table (answer json, more integer)
language sql volatile as $$
    select json_build_object(
        'current_user', current_user, 'session_user', session_user, 'role', current_setting('role'),
        'claims', current_setting('request.jwt.claims', true)::json, 'pid', pg_backend_pid(),
        'statement_timeout', current_setting('statement_timeout'), 'search_path', current_setting('search_path'),
        'encoding', current_setting('client_encoding'), 'prepared', (select count(*) from pg_prepared_statements),
        'waited', pg_sleep(wait)::text
    ), 1
$$;
create function public.raise_error(code text) returns void language plpgsql as $$
begin raise exception 'raised %', code using errcode = code, hint = 'a hint'; end $$;
grant execute on all functions in schema public to anon, authenticated, service_role;
"""


@pytest.fixture(scope="module")
def target(shared_database: Database) -> Database:
    """A database with functions that tell how they were called."""
    with shared_database.owner() as connection:
        connection.execute(CONTEXT)
    return shared_database


def using(target: Database, work: Callable[[AsyncPostgresFunctions], Awaitable[T]], **options: Any) -> T:
    """Run what uses the functions on an event loop, which must be idle in the end."""

    async def run() -> T:
        async with asyncio.timeout(60):
            async with AsyncPostgresFunctions(Secret(target.authenticator_url), **options) as functions:
                result = await work(functions)
            assert asyncio.all_tasks() == {asyncio.current_task()}, "something was left running"
            return result

    return asyncio.run(run())


async def context(functions: AsyncPostgresFunctions, caller: Caller, wait: float = 0) -> dict[str, Any]:
    """Return how a call was made."""
    (row,) = await functions.call("echo_context", {"wait": wait}, caller=caller)
    answer = row["answer"]
    assert isinstance(answer, dict)
    return answer


def test_a_call_is_made_in_postgrest_s_context(target: Database) -> None:
    """As over a connection of one's own."""
    user = target.add_user()

    async def work(functions: AsyncPostgresFunctions) -> None:
        for caller in (user.caller, ServiceRole(), Anonymous()):
            answer = await context(functions, caller)
            assert answer["current_user"] == answer["role"] == caller.role
            assert answer["claims"] == caller.claims
            assert answer["session_user"] == "authenticator"
            assert answer["search_path"] == '"public", "public"'
            assert answer["prepared"] == 0
            # The server gives up first: its word is better than silence.
            assert 1_700 <= int(answer["statement_timeout"].removesuffix("ms")) <= 1_800

    using(target, work, timeout=2.0)


def test_ticks_are_counted(target: Database) -> None:
    """Consume and settle, as the gate calls them."""
    user = target.add_user(limit=5)

    async def work(functions: AsyncPostgresFunctions) -> None:
        granted = await consume(functions, user.caller, 3, "key", "digest")
        assert granted.decision == "granted"
        assert granted.charge_id
        assert (await consume(functions, user.caller, 3, "key", "digest")).decision == "under_way"
        assert (await consume(functions, user.caller, 3)).decision == "quota_exhausted"
        await settle(functions, ServiceRole(), granted.charge_id, 0)
        assert (await consume(functions, user.caller, 3)).decision == "granted"

    using(target, work)
    assert list(target.ledger(user).values()) == [(3, 3)]


def test_callers_at_once_are_never_mixed_up(target: Database) -> None:
    """Many users' calls interleave on few connections, and each sees its own claims and day."""
    users = [target.add_user() for _ in range(8)]

    async def one(functions: AsyncPostgresFunctions, user: User) -> None:
        assert (await context(functions, user.caller, 0.001))["claims"] == user.claims
        (row,) = await functions.call("my_ticks", {}, caller=user.caller)
        assert row["user_id"] == user.id

    async def work(functions: AsyncPostgresFunctions) -> None:
        await asyncio.gather(*(one(functions, user) for _ in range(25) for user in users))

    using(target, work, connections=3, timeout=30)


def test_there_are_never_more_connections_than_allowed(target: Database) -> None:
    """However many calls there are at once; all of them are answered."""

    async def work(functions: AsyncPostgresFunctions) -> set[int]:
        answers = await asyncio.gather(*(context(functions, ServiceRole(), 0.005) for _ in range(60)))
        return {answer["pid"] for answer in answers}

    assert len(using(target, work, connections=3, timeout=30)) == 3


def test_a_connection_is_opened_when_it_is_needed(target: Database) -> None:
    """One call after the other needs one only; closing ends it, and a later call opens another."""

    async def work(functions: AsyncPostgresFunctions) -> None:
        backends = {(await context(functions, ServiceRole()))["pid"] for _ in range(5)}
        assert len(backends) == 1
        await functions.aclose()
        (ended,) = backends
        await asyncio.to_thread(target.wait_for_end, ended)
        assert (await context(functions, ServiceRole()))["pid"] != ended

    using(target, work)


def test_a_connection_that_has_lived_long_makes_room_for_another(
    target: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a database that moves to another host is followed."""

    async def work(functions: AsyncPostgresFunctions) -> None:
        first = await context(functions, ServiceRole())
        monkeypatch.setattr("tickctl.adapters.postgres.connections.LIFETIME", 0.0)
        assert (await context(functions, ServiceRole()))["pid"] == first["pid"]
        assert (await context(functions, ServiceRole()))["pid"] != first["pid"]

    using(target, work)


def test_what_is_lent_while_all_is_closed_is_closed_when_it_comes_back(target: Database) -> None:
    """Until then it can be used."""

    async def work(functions: AsyncPostgresFunctions) -> None:
        before = await context(functions, ServiceRole())
        lent = await functions._connections.take(asyncio.get_running_loop().time() + 5)
        await functions.aclose()
        assert not lent.closed
        functions._connections.give_back(lent)
        assert lent.closed
        assert (await context(functions, ServiceRole()))["pid"] != before["pid"]

    using(target, work)


def test_nothing_of_a_call_is_left_on_its_connection(target: Database) -> None:
    """Neither of one that succeeds nor of one that fails."""
    seen = "select current_setting('role'), nullif(current_setting('request.jwt.claims', true), '')"

    async def work(functions: AsyncPostgresFunctions) -> None:
        await context(functions, ServiceRole())
        with pytest.raises(NotFoundError):
            await functions.call("raise_error", {"code": "P0002"}, caller=ServiceRole())
        connection = await functions._connections.take(asyncio.get_running_loop().time() + 5)
        row = await (await connection.execute(seen)).fetchone()
        functions._connections.give_back(connection)
        assert row == ("none", None)

    using(target, work, connections=1)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("22023", InvalidInputError),
        ("42501", CredentialsRefusedError),
        ("P0002", NotFoundError),
        ("23505", ConflictError),
        ("42883", ConfigurationError),
        ("40001", UnreachableError),
        ("XX000", UnreachableError),
    ],
)
def test_errors_of_the_server_become_ours(target: Database, code: str, error: type[TickctlError]) -> None:
    """By their SQLSTATE, and the connection is kept."""

    async def work(functions: AsyncPostgresFunctions) -> None:
        before = await context(functions, ServiceRole())
        with pytest.raises(error) as caught:
            await functions.call("raise_error", {"code": code}, caller=ServiceRole())
        assert type(caught.value) is error
        assert caught.value.__context__ is None
        assert (await context(functions, ServiceRole()))["pid"] == before["pid"]

    using(target, work)


def test_statements_are_prepared_once_on_each_connection(target: Database) -> None:
    """Where that is asked for; what fails first leaves the statement prepared all the same."""

    async def work(functions: AsyncPostgresFunctions) -> None:
        for _ in range(3):
            with pytest.raises(NotFoundError):
                await functions.call("raise_error", {"code": "P0002"}, caller=ServiceRole())
            with pytest.raises(ConfigurationError):
                await functions.call("no_such_function", {}, caller=ServiceRole())
            # The context, the function that fails, and this one.
            assert (await context(functions, ServiceRole()))["prepared"] == 3
        assert functions._prepared is not None

    using(target, work, prepare=True, connections=1)


@pytest.mark.parametrize(
    "disturb",
    [
        "deallocate all",
        "deallocate tickctl_{context}",
        "deallocate tickctl_{call}",
        "deallocate all; prepare tickctl_{context} as select 1",
        "deallocate all; prepare tickctl_{call} as select 1",
    ],
)
def test_statements_that_a_pooler_has_mixed_up_are_done_without(target: Database, disturb: str) -> None:
    """The call is made all the same, once, and no statement is prepared after that."""
    user = target.add_user()

    async def work(functions: AsyncPostgresFunctions) -> None:
        assert (await consume(functions, user.caller, 1)).decision == "granted"
        connection = await functions._connections.take(asyncio.get_running_loop().time() + 5)
        names = await (await connection.execute("select name, statement from pg_prepared_statements")).fetchall()
        named = {("call" if "consume" in statement else "context"): name.split("_")[1] for name, statement in names}
        await connection.execute(disturb.format(**named).encode())
        if disturb.startswith("deallocate all; "):
            assert functions._prepared is not None
            functions._prepared.clear()
        functions._connections.give_back(connection)
        assert (await consume(functions, user.caller, 1)).ticks_used == 2
        assert functions._prepared is None
        assert (await consume(functions, user.caller, 1)).ticks_used == 3

    using(target, work, prepare=True, connections=1)
    assert list(target.ledger(user).values()) == [(3, 3)]


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_texts_that_postgresql_cannot_hold_are_refused(target: Database, text: str) -> None:
    """Before anything is sent."""

    async def work(functions: AsyncPostgresFunctions) -> None:
        with pytest.raises(InvalidInputError):
            await functions.call("tick_admin_show", {"user_ref": text}, caller=ServiceRole())
        assert not functions._connections._made_at

    using(target, work)


@pytest.mark.parametrize("text", ["'", "\\", "$1", "%s", "a\nb", "ü€😀", "'); drop table x; --"])
def test_texts_arrive_as_they_are(target: Database, text: str) -> None:
    """In UTF-8, even where the URL asks for something else."""
    user = target.add_user()

    async def work(functions: AsyncPostgresFunctions) -> None:
        assert (await context(functions, ServiceRole()))["encoding"] == "UTF8"
        assert (await consume(functions, user.caller, 1, text, text)).decision == "granted"

    url = target.authenticator_url
    odd = Database(target.name, "", "", f"{url}{'&' if '?' in url else '?'}client_encoding=latin1")
    using(odd, work)
    with target.owner() as connection:
        row = connection.execute("select request_key from tick.request where user_id = %s", [user.id]).fetchone()
    assert row == {"request_key": text}


def test_it_agrees_with_the_functions_that_are_waited_for(target: Database) -> None:
    """One implementation of the exchange, so one answer."""
    user = target.add_user()
    waited = my_ticks(target.functions(), user.caller)

    async def work(functions: AsyncPostgresFunctions) -> None:
        (row,) = await functions.call("my_ticks", {}, caller=user.caller)
        assert row["ticks_remaining"] == waited.ticks_remaining

    using(target, work)


def test_the_url_is_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Neither by the functions nor in psycopg's log, at any level."""
    caplog.set_level(logging.DEBUG)
    functions = AsyncPostgresFunctions(Secret("postgresql://u:hunter2@127.0.0.1:1/d"))

    async def work() -> None:
        async with functions:
            with pytest.raises(UnreachableError):
                await functions.call("my_ticks", {}, caller=ServiceRole())
            assert "hunter2" not in f"{functions!r} {vars(functions)} {vars(functions._connections)}"

    asyncio.run(work())
    assert "hunter2" not in caplog.text
    assert "127.0.0.1" not in caplog.text
