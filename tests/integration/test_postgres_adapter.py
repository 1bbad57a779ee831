"""The port over a direct connection: context, values, errors, and what happens when the connection breaks."""

import pickle
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from urllib.parse import quote

import psycopg
import pytest

from postgres_line import line_to
from quota_support import Database
from tickctl.adapters.postgres import PostgresFunctions, connect
from tickctl.adapters.postgres.failures import connection_failure
from tickctl.core.quota import (
    Anonymous,
    Decision,
    QuotaAdmin,
    ServiceRole,
    SettleOutcome,
    consume,
    refund_digest,
    settle,
)
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

CONTEXT = """
create function public.echo_context() returns table (answer json, more integer) language sql stable as $$
    select json_build_object(
        'current_user', current_user, 'session_user', session_user, 'role', current_setting('role'),
        'claims', current_setting('request.jwt.claims', true)::json,
        'statement_timeout', current_setting('statement_timeout'), 'search_path', current_setting('search_path'),
        'isolation', current_setting('transaction_isolation'), 'prepared', (select count(*) from pg_prepared_statements)
    ), 1
$$;
create function public.raise_error(code text) returns void language plpgsql as $$
begin raise exception 'raised %', code using errcode = code, hint = 'a hint'; end $$;
create function public.take_long() returns void language sql as 'select pg_sleep(60)';
create function public.values_of() returns table (
    big bigint, small numeric, yes boolean, nothing text, at timestamptz, nested jsonb
) language sql as $$
    select 9007199254740993, 1.50, true, null, '2026-11-23 12:00+00'::timestamptz, '{"a": [1, null]}'::jsonb
$$;
grant execute on all functions in schema public to anon, authenticated, service_role;
"""


@pytest.fixture(scope="module")
def target(shared_database: Database) -> Database:
    """A database with functions that tell how they were called."""
    with shared_database.owner() as connection:
        connection.execute(CONTEXT)
    return shared_database


@pytest.fixture
def functions(target: Database) -> Iterator[PostgresFunctions]:
    """The functions, called as PostgREST's login role."""
    with PostgresFunctions(Secret(target.authenticator_url)) as opened:
        yield opened


def test_a_call_is_made_in_postgrest_s_context(target: Database, functions: PostgresFunctions) -> None:
    """Role and claims of the caller, the schema that is served, the isolation level; nothing is prepared."""
    user = target.add_user()
    for caller in (user.caller, ServiceRole(), Anonymous()):
        (row,) = functions.call("echo_context", {}, caller=caller)
        answer = row["answer"]
        assert isinstance(answer, dict)
        assert answer["current_user"] == answer["role"] == caller.role
        assert answer["claims"] == caller.claims
        assert answer["session_user"] == "authenticator"
        assert answer["search_path"] == '"public", "public"'
        assert answer["statement_timeout"] == "10s"
        assert answer["isolation"] == "read committed"
        assert answer["prepared"] == 0


def test_nothing_of_a_call_is_left_on_the_connection(target: Database, functions: PostgresFunctions) -> None:
    """Behind a transaction pooler the next transaction may be somebody else's."""
    functions.call("echo_context", {}, caller=ServiceRole())
    with pytest.raises(NotFoundError):
        functions.call("raise_error", {"code": "P0002"}, caller=ServiceRole())
    connection = functions._connection
    assert connection is not None
    row = connection.execute(
        "select current_setting('role'), nullif(current_setting('request.jwt.claims', true), ''),"
        " current_setting('statement_timeout') = '10s'"
    ).fetchone()
    assert row == ("none", None, False)
    assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


def test_values_are_json(functions: PostgresFunctions) -> None:
    """As PostgREST would give them."""
    (row,) = functions.call("values_of", {}, caller=ServiceRole())
    assert row == {
        "big": 9007199254740993,
        "small": 1.5,
        "yes": True,
        "nothing": None,
        "at": "2026-11-23T12:00:00+00:00",
        "nested": {"a": [1, None]},
    }


@pytest.mark.parametrize("text", ["'", "\\", "%s", "%(x)s", "$1", "a\nb", "ü€😀", "'); drop table x; --", "{}", "null"])
def test_texts_arrive_as_they_are(target: Database, functions: PostgresFunctions, text: str) -> None:
    """Nothing in an argument is syntax."""
    user = target.add_user()
    assert consume(functions, user.caller, 1, text, text).decision == "granted"
    with target.owner() as connection:
        row = connection.execute(
            "select request_key, request_digest from tick.request where user_id = %s", [user.id]
        ).fetchone()
    assert row == {"request_key": text, "request_digest": text}


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_texts_that_postgresql_cannot_hold_are_refused(functions: PostgresFunctions, text: str) -> None:
    """And the connection goes on."""
    with pytest.raises(InvalidInputError):
        functions.call("tick_admin_show", {"user_ref": text}, caller=ServiceRole())
    assert functions.call("echo_context", {}, caller=ServiceRole())


@pytest.mark.parametrize("name", ["", "x; drop table y", "public.x", "Ä", 'a"b', "a b"])
def test_only_plain_names_are_called(functions: PostgresFunctions, name: str) -> None:
    """Names are written by us; anything else is a mistake."""
    with pytest.raises(InvalidInputError):
        functions.call(name, {}, caller=ServiceRole())
    with pytest.raises(InvalidInputError):
        functions.call("echo_context", {name: 1}, caller=ServiceRole())


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("22023", InvalidInputError),
        ("42501", CredentialsRefusedError),
        ("P0002", NotFoundError),
        ("21000", ConflictError),
        ("23505", ConflictError),
        ("42883", ConfigurationError),
        ("40001", UnreachableError),
        ("XX000", UnreachableError),
    ],
)
def test_errors_of_the_server_become_ours(functions: PostgresFunctions, code: str, error: type[TickctlError]) -> None:
    """By their SQLSTATE; the server's error, which quotes statements, is not carried along."""
    with pytest.raises(error) as caught:
        functions.call("raise_error", {"code": code}, caller=ServiceRole())
    assert type(caught.value) is error
    assert caught.value.__context__ is None


@pytest.mark.parametrize(("name", "arguments"), [("no_such_function", {}), ("my_ticks", {"user_id": "x"})])
def test_a_function_that_is_not_there_means_no_schema(
    functions: PostgresFunctions, name: str, arguments: dict[str, str]
) -> None:
    """The hint says how to install it."""
    with pytest.raises(ConfigurationError) as caught:
        functions.call(name, arguments, caller=ServiceRole())
    assert "tickctl schema apply" in str(caught.value.hint)


def test_a_call_that_takes_too_long_is_interrupted(target: Database) -> None:
    """By the server, so that nothing goes on there; the connection is kept."""
    with PostgresFunctions(Secret(target.authenticator_url), statement_timeout=0.05) as functions:
        with pytest.raises(UnreachableError, match="too long"):
            functions.call("take_long", {}, caller=ServiceRole())
        kept = functions._connection
        functions.call("echo_context", {}, caller=ServiceRole())
        assert functions._connection is kept


def _end_connections(target: Database) -> None:
    with target.superuser() as connection:
        connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where usename = 'authenticator' and datname = current_database()"
        )


def test_an_idle_connection_that_was_ended_is_replaced(target: Database, functions: PostgresFunctions) -> None:
    """Poolers and restarts end idle connections; nothing was sent, so even a change is safe to send anew."""
    user = target.add_user()
    assert consume(functions, user.caller, 1).ticks_used == 1
    _end_connections(target)
    assert consume(functions, user.caller, 1).ticks_used == 2


def test_what_does_nothing_twice_is_repeated_once_and_changes_never(
    target: Database, functions: PostgresFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it breaks during a call, the server may have done it; only what then does no harm is asked again."""
    user = target.add_user()
    monkeypatch.setattr("tickctl.adapters.postgres.functions.is_idle", lambda _connection: True)
    functions.call("my_ticks", {}, caller=user.caller)
    _end_connections(target)
    assert functions.call("my_ticks", {}, caller=user.caller)
    _end_connections(target)
    assert consume(functions, user.caller, 1).ticks_used == 1
    admin = QuotaAdmin(functions, "op")
    _end_connections(target)
    with pytest.raises(UnreachableError) as caught:
        admin.grant(user.id, 1)
    assert "look before repeating" in str(caught.value.hint)
    assert admin.grant(user.id, 1).ticks_granted == 1


def test_a_change_that_is_lost_in_the_middle_cannot_tell(target: Database, functions: PostgresFunctions) -> None:
    """The call waits for a lock when its backend is ended; nothing of it stays."""
    user, admin = target.add_user(), QuotaAdmin(functions, "op")
    consume(functions, user.caller, 1)
    with ThreadPoolExecutor(1) as pool, target.owner() as holder:
        with holder.transaction():
            holder.execute("update public.user_daily_usage set ticks_used = ticks_used where user_id = %s", [user.id])
            change = pool.submit(admin.grant, user.id, 5)
            _end_waiting(target)
            with pytest.raises(UnreachableError):
                change.result(10)
        assert admin.show(user.id).ticks_granted == 0


def test_a_charge_that_is_lost_in_the_middle_is_asked_for_again(target: Database, functions: PostgresFunctions) -> None:
    """Its backend is ended while it waits for a lock; the second call is granted, and all is counted once."""
    user = target.add_user()
    consume(functions, user.caller, 1)
    with ThreadPoolExecutor(1) as pool, target.owner() as holder:
        with holder.transaction():
            holder.execute("update public.user_daily_usage set ticks_used = ticks_used where user_id = %s", [user.id])
            charge = pool.submit(consume, functions, user.caller, 5)
            ended = _end_waiting(target)
            target.wait_for_end(ended)
            target.wait_for_lock()
        assert charge.result(10).ticks_used == 6
    assert list(target.ledger(user).values()) == [(6, 6)]


@pytest.mark.parametrize("key", [None, "key"])
def test_an_answer_that_is_lost_on_the_way_is_asked_for_again(target: Database, key: str | None) -> None:
    """The charge stands already, and uses up the day; the second call finds it."""
    user, secret = target.add_user(limit=6), Secret("of the charge")
    with line_to(target.authenticator_url) as line, PostgresFunctions(Secret(line.url)) as functions:
        consume(functions, user.caller, 1)
        line.cut()
        answer = consume(functions, user.caller, 5, key, refund=refund_digest(secret))
        assert (answer.decision, answer.ticks_used) == (Decision.GRANTED, 6)
        assert answer.charge_id is not None
        assert line.accepted == 2
        line.cut()
        settled = settle(functions, Anonymous(), answer.charge_id, 2, secret)
    assert (settled.outcome, settled.ticks_settled) == (SettleOutcome.ALREADY_SETTLED, 2)
    assert list(target.ledger(user).values()) == [(3, 3)]


def _end_waiting(target: Database) -> int:
    (backend,) = target.wait_for_lock()
    with target.superuser() as connection:
        connection.execute("select pg_terminate_backend(%s)", [backend])
    return backend


def test_threads_take_turns(target: Database, functions: PostgresFunctions) -> None:
    """One connection, many threads, no mixed-up answers."""
    users = [target.add_user() for _ in range(4)]
    seen: list[bool] = []

    def work(user_id: str, caller: object) -> None:
        for _ in range(20):
            (row,) = functions.call("my_ticks", {}, caller=caller)
            seen.append(row["user_id"] == user_id)

    threads = [threading.Thread(target=work, args=(user.id, user.caller)) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 80


PASSWORD = "hunter2/with@odd#quirks"
BAD_URLS = [
    f"postgresql://postgres:{PASSWORD}@db.example.invalid:5432/postgres",
    f"postgresql://postgres:{PASSWORD}@[::1/postgres",
    f"postgresql://postgres:{PASSWORD}@127.0.0.1:{PASSWORD}/postgres",
    f"postgresql://postgres@127.0.0.1:1/postgres?password={PASSWORD}&nosuchoption={PASSWORD}",
    f"host=127.0.0.1 port=1 password='{PASSWORD}",
    f"host=127.0.0.1 port={PASSWORD}",
    f"host=127.0.0.1 port=1 sslmode={PASSWORD}",
    f"host=127.0.0.1 port=1 connect_timeout={PASSWORD}",
    f"postgresql://postgres:{quote(PASSWORD, safe='')}@127.0.0.1:1/postgres",
    f"postgresql://postgres:{quote(PASSWORD, safe='')}@127.0.0.1:1/postgres?sslrootcert=/{PASSWORD}&sslmode=verify-ca",
    f"{PASSWORD}",
    f"postgresql://postgres:{PASSWORD}%zz@127.0.0.1/postgres",
    f"postgresql://postgres:{PASSWORD}\0@127.0.0.1/postgres",
    f"postgresql://postgres:{PASSWORD}\ud800@127.0.0.1/postgres",
    f"host={'a' * 300}.{PASSWORD}.invalid port=1",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_no_error_quotes_the_url(url: str) -> None:
    """Libpq repeats what it could not make sense of, which may be half of a password."""
    with pytest.raises(TickctlError) as caught:
        PostgresFunctions(Secret(url)).call("my_ticks", {}, caller=ServiceRole())
    assert isinstance(caught.value, ConfigurationError | UnreachableError)
    told = f"{caught.value!r} {caught.value.message} {caught.value.hint} {caught.value.__cause__}"
    for fragment in ("hunter2", "odd#", "quirks", "example.invalid"):
        assert fragment not in told
    assert caught.value.__suppress_context__


def test_the_functions_do_not_show_their_url() -> None:
    """Nor can they be carried away."""
    functions = PostgresFunctions(Secret(f"postgresql://u:{PASSWORD}@h/d"))
    assert "hunter2" not in f"{functions!r} {vars(functions)}"
    with pytest.raises(TypeError):
        pickle.dumps(functions)


def test_the_server_s_refusals_are_told_apart(target: Database) -> None:
    """An unknown user or database is no outage."""
    unknown_user = target.authenticator_url.replace("authenticator@", "nobody-of-that-name@")
    with pytest.raises(CredentialsRefusedError):
        connect(Secret(unknown_user))
    unknown_database = target.authenticator_url.replace(target.name, "no-such-database")
    with pytest.raises(ConfigurationError, match="does not exist"):
        connect(Secret(unknown_database))


def test_a_role_that_may_not_act_for_callers_is_refused(target: Database) -> None:
    """The URL must be that of a user who may switch roles."""
    with target.superuser() as connection:
        connection.execute("drop role if exists test_loner; create role test_loner login")
    loner = PostgresFunctions(Secret(target.authenticator_url.replace("authenticator@", "test_loner@")))
    with loner, pytest.raises((CredentialsRefusedError, InvalidInputError)):
        loner.call("echo_context", {}, caller=ServiceRole())


@contextmanager
def _silent_server() -> Iterator[int]:
    """Accept connections and never say a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield listener.getsockname()[1]


def test_a_server_that_says_nothing_is_given_up() -> None:
    """The time to connect is bounded; the URL may shorten it."""
    with _silent_server() as port, pytest.raises(UnreachableError, match="in time"):
        connect(Secret(f"postgresql://u@127.0.0.1:{port}/d?connect_timeout=2&sslmode=disable"))


def test_a_server_that_falls_silent_is_given_up(target: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A little later than it should have given up itself; the call isn't repeated, and the next one is answered."""
    monkeypatch.setattr("tickctl.adapters.postgres.functions._SLACK", 0.2)
    with (
        line_to(target.authenticator_url) as line,
        PostgresFunctions(Secret(line.url), statement_timeout=0.2) as functions,
    ):
        functions.call("echo_context", {}, caller=ServiceRole())
        line.hold()
        with pytest.raises(UnreachableError, match="in time") as caught:
            functions.call("tick_admin_members", {}, caller=ServiceRole())
        assert "look before repeating" in str(caught.value.hint)
        line.release()
        assert functions.call("echo_context", {}, caller=ServiceRole())
        assert line.accepted == 2


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('FATAL:  password authentication failed for user "postgres"', CredentialsRefusedError),
        ("fe_sendauth: no password supplied", CredentialsRefusedError),
        ('FATAL:  no pg_hba.conf entry for host "x"', CredentialsRefusedError),
        ("FATAL:  Tenant or user not found", CredentialsRefusedError),
        ('FATAL:  role "x" is not permitted to log in', CredentialsRefusedError),
        ('FATAL:  role "x" does not exist', CredentialsRefusedError),
        ('FATAL:  permission denied for database "x"', CredentialsRefusedError),
        ('FATAL:  database "x" does not exist', ConfigurationError),
        ('FATAL:  database "x" is not currently accepting connections', UnreachableError),
        ('FATAL:  too many connections for database "x"', UnreachableError),
        ('invalid sslmode value: "x"', ConfigurationError),
        ("could not translate host name", UnreachableError),
        ("failed to resolve host 'x': [Errno -2] Name or service not known", UnreachableError),
        ("connection timeout expired", UnreachableError),
        ("connection refused", UnreachableError),
        ("Network is unreachable", UnreachableError),
        ("SSL error: certificate verify failed", UnreachableError),
        ("FATAL:  sorry, too many clients already", UnreachableError),
        ('FATAL:  too many connections for role "x"', UnreachableError),
        ("FATAL:  the database system is starting up", UnreachableError),
        ("something new", UnreachableError),
    ],
)
def test_why_no_connection_came_about_is_told_in_our_words(text: str, error: type[TickctlError]) -> None:
    """And in none of libpq's."""
    told = connection_failure(text)
    assert type(told) is error
    assert text not in told.message
