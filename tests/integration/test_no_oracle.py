"""Who may not administer learns nothing by asking: the functions decide who calls before they look at anything else."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg.rows import tuple_row

from quota_support import Database, User

FUNCTIONS = """
select p.proname::text as name, has_function_privilege('authenticated', p.oid, 'execute') as for_users, array(
    select array[coalesce(p.proargnames[t.place], ''), format_type(t.type, null)]
    from unnest(p.proargtypes) with ordinality as t (type, place) order by t.place
) as parameters
from pg_proc as p
where p.pronamespace = 'public'::regnamespace and p.proname like 'tick\\_admin\\_%' order by 1
"""
READS = """
select relid::regclass::text, seq_scan, seq_tup_read, coalesce(idx_scan, 0), coalesce(idx_tup_fetch, 0)
from pg_stat_xact_user_tables
"""
ADDRESS = "somebody@example.com"
NOT_AN_ADMINISTRATOR = ("42501", "this needs an administrator")


@dataclass(frozen=True)
class Function:
    """An administrative function of the API: name, and name and type of each parameter."""

    name: str
    for_users: bool
    parameters: list[tuple[str, str]]

    def call(self, value: Callable[[str, str], Any]) -> tuple[bytes, list[Any]]:
        """Return the call with such values, and these as parameters of the statement."""
        places = ", ".join(f"%s::{kind}" for _, kind in self.parameters)
        return f"select public.{self.name}({places})".encode(), [value(*each) for each in self.parameters]

    @property
    def refusal(self) -> tuple[str, str]:
        """What becomes of a call by somebody who is signed in and no administrator."""
        return NOT_AN_ADMINISTRATOR if self.for_users else ("42501", f"permission denied for function {self.name}")


def about(reference: str) -> Callable[[str, str], Any]:
    """Return arguments with which an administrator would learn or change something about a user."""

    def value(name: str, kind: str) -> Any:
        match kind:
            case "text":
                return {"filter": "all"}.get(name, reference)
            case "jsonb":
                entry = {"user_id": reference, "daily_tick_limit": 1} if name == "entries" else reference
                return json.dumps([entry])
            case "uuid":
                return str(uuid.UUID(int=1))
            case "integer" | "bigint":
                return 1
            case "boolean":
                return True
        raise AssertionError(f"no value for {name} {kind}")

    return value


# What no function can do anything with.
SENSELESS = {
    "nothing": lambda _name, _kind: None,
    "rubbish": lambda _name, kind: {"text": "", "jsonb": '[[{"user_id": 1}]]', "uuid": None, "boolean": None}.get(
        kind, -1
    ),
    "a megabyte": lambda _name, kind: {"text": "a" * 10**6, "jsonb": json.dumps("a" * 10**6)}.get(kind),
}


@pytest.fixture(scope="module")
def functions(shared_database: Database) -> list[Function]:
    """All of them, so that a new one is among them."""
    with shared_database.owner() as connection:
        rows = connection.execute(FUNCTIONS.encode()).fetchall()
    found = [
        Function(row["name"], row["for_users"], [(name, kind) for name, kind in row["parameters"]]) for row in rows
    ]
    assert {function.for_users for function in found} == {True, False}
    return found


@pytest.fixture(scope="module")
def user(shared_database: Database) -> User:
    """Somebody signed in."""
    return shared_database.add_user()


@pytest.fixture(scope="module")
def references(shared_database: Database) -> list[str]:
    """Users that there are and users that there aren't, by address and by id."""
    somebody = shared_database.add_user(ADDRESS)
    return [ADDRESS, somebody.id, "nobody@example.com", str(uuid.uuid4())]


@pytest.fixture
def reading(shared_database: Database) -> Iterator["psycopg.Connection[Any]"]:
    """A connection that may see what is read."""
    with psycopg.connect(shared_database.superuser_url, row_factory=tuple_row) as connection:
        # A scan of a small table reads the same of it whatever it looks for.
        connection.execute("set enable_seqscan = off")
        yield connection
        connection.rollback()


def attempt(connection: "psycopg.Connection[Any]", statement: tuple[bytes, list[Any]]) -> tuple[str | None, ...]:
    """Call a function and return all that PostgREST would tell of the error."""
    with pytest.raises(psycopg.Error) as caught, connection.transaction():
        connection.execute(*statement)
    said = caught.value.diag
    return (said.sqlstate, said.message_primary, said.message_detail, said.message_hint)


def reads_of(
    connection: "psycopg.Connection[Any]", user: User, statement: tuple[bytes, list[Any]]
) -> tuple[dict[str, tuple[int, ...]], tuple[str | None, ...] | None]:
    """Return what a call by this user reads of each table, by table, and how it is refused, if it is."""

    def counted() -> dict[str, tuple[int, ...]]:
        return {table: tuple(counts) for table, *counts in connection.execute(READS.encode())}

    refusal: tuple[str | None, ...] | None = None
    with connection.transaction(force_rollback=True):
        before = counted()
        connection.execute(
            "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', %s, true)",
            [json.dumps(user.claims)],
        )
        # What was counted outlives the savepoint.
        try:
            with connection.transaction():
                connection.execute(*statement)
        except psycopg.Error as error:
            refusal = (error.diag.sqlstate, error.diag.message_primary)
        after = counted()
    nothing = (0, 0, 0, 0)
    return {
        table: difference
        for table, counts in after.items()
        if any(difference := tuple(new - old for new, old in zip(counts, before.get(table, nothing), strict=True)))
    }, refusal


@pytest.mark.parametrize("role", ["authenticated", "anon"])
def test_a_refusal_says_the_same_of_everybody(
    shared_database: Database, functions: list[Function], user: User, references: list[str], role: str
) -> None:
    """Down to its hint, whether there is such a user or not."""
    with shared_database.acting_as(role, user.claims if role == "authenticated" else None) as connection:
        for function in functions:
            refusals = {attempt(connection, function.call(about(reference))) for reference in references}
            assert len(refusals) == 1, function.name
            if role == "authenticated":
                assert refusals.pop()[:2] == function.refusal


@pytest.mark.parametrize("arguments", SENSELESS)
def test_a_refusal_comes_before_a_look_at_the_arguments(
    shared_database: Database, functions: list[Function], user: User, arguments: str
) -> None:
    """Even where nothing could be done with them."""
    with shared_database.acting_as("authenticated", user.claims) as connection:
        for function in functions:
            assert attempt(connection, function.call(SENSELESS[arguments]))[:2] == function.refusal, function.name


def test_a_refusal_reads_the_same_whoever_is_asked_for(
    reading: "psycopg.Connection[Any]", functions: list[Function], user: User, references: list[str]
) -> None:
    """So the time that it takes tells nothing about a user."""
    for function in functions:
        reads = []
        for reference in references:
            read, refusal = reads_of(reading, user, function.call(about(reference)))
            assert refusal == function.refusal
            reads.append(read)
        assert reads == [reads[0]] * len(references), function.name
        assert reads[0].keys() <= {"tick.admin", "tick.settings", "auth.users", "auth.sessions"}


def test_reads_are_counted(
    shared_database: Database, reading: "psycopg.Connection[Any]", references: list[str]
) -> None:
    """An administrator's call reads more for users that there are, which the test above would notice."""
    administrator = shared_database.add_user()
    shared_database.run(f"insert into tick.admin (user_id) values ('{administrator.id}')")
    reads = [
        reads_of(reading, administrator, (b"select public.tick_admin_show(%s)", [reference]))[0]
        for reference in references
    ]
    assert "auth.users" in reads[2]
    assert reads[0] != reads[2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("update auth.users set banned_until = 'infinity' where id = '{user}'", "this administrator is banned"),
        ("delete from auth.sessions where user_id = '{user}'", "this administrator's session has ended"),
    ],
)
def test_an_administrator_out_of_standing_is_told_so(
    shared_database: Database, functions: list[Function], references: list[str], change: str, message: str
) -> None:
    """By every function; they would not sign in again on hearing that they are no administrator."""
    administrator = shared_database.add_user()
    shared_database.run(f"insert into tick.admin (user_id) values ('{administrator.id}')")
    with shared_database.superuser() as connection:
        connection.execute(change.format(user=administrator.id).encode())
    with shared_database.acting_as("authenticated", administrator.claims) as connection:
        for function in functions:
            expected = ("42501", message) if function.for_users else function.refusal
            assert attempt(connection, function.call(about(references[0])))[:2] == expected, function.name
