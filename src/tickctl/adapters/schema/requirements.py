"""Asks a database which requirements it breaks; plan, apply and check all ask here."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Final, TypeAlias

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow, tuple_row

from tickctl.sql import Requirement, SqlFile, access_token_hook, migrations, repeatables, requirements

Connection: TypeAlias = psycopg.Connection[TupleRow]

# Asked of the catalogue, which shows it to roles that may not use the schema, too.
_HOOK_INSTALLED: Final = """
select exists (
    select from pg_catalog.pg_proc as p join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    where n.nspname = 'tick' and p.proname = 'access_token_hook'
)
"""
# What a requirement speaks of isn't there, or not yet.
_ABSENT: Final = frozenset({"42P01", "42703", "42883", "3F000", "42704"})


@dataclass(frozen=True, slots=True)
class Violation:
    """An object that breaks a requirement; the columns of the requirement's query."""

    object: str
    message: str
    fix: str | None
    ours: bool
    dependants: str | None


@dataclass(frozen=True, slots=True)
class Absent:
    """The requirement could not be asked: what it speaks of is missing."""

    message: str


def files(connection: Connection, *, hook: bool) -> tuple[SqlFile, ...]:
    """Return the files that the database is to have run; the hook's where it is wanted or installed."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(_HOOK_INSTALLED).fetchone()
    optional = (access_token_hook(),) if hook or (row is not None and row[0]) else ()
    return (*migrations(), *repeatables(), *optional)


def as_json(sources: Iterable[SqlFile]) -> str:
    """Return names and digests of files, as the requirements want them."""
    return json.dumps([{"name": file.name, "digest": file.digest} for file in sources])


@cache
def all_requirements() -> tuple[Requirement, ...]:
    """Return the requirements, read once."""
    return requirements()


def query(requirement: Requirement, file_list: str) -> str:
    """Return the requirement's query with this version's facts filled in."""
    facts = {":files": sql.Literal(file_list).as_string(), ":version": sql.Literal(version("tickctl")).as_string()}
    text = requirement.query
    for name, value in facts.items():
        text = text.replace(name, value)
    return text


def ask(connection: Connection, requirement: Requirement, file_list: str) -> Sequence[Violation] | Absent:
    """Return what breaks a requirement, in a savepoint of its own.

    Raises:
        psycopg.Error: other than that what it speaks of is missing.
    """
    try:
        with connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
            rows = cursor.execute(query(requirement, file_list).encode()).fetchall()
    except psycopg.Error as error:
        if error.sqlstate in _ABSENT:
            return Absent(error.diag.message_primary or "")
        raise
    return [Violation(*row) for row in rows]
