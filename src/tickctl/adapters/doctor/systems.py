"""Reads databases, the embedded one among them, and AWS for doctor; names only, and changes nothing."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg

from tickctl.adapters import schema
from tickctl.adapters.embedded import EmbeddedDatabase, Server
from tickctl.adapters.embedded.binaries import MAJOR_VERSION, find_binaries
from tickctl.adapters.embedded.failures import reported
from tickctl.adapters.embedded.home import FORMAT, Home
from tickctl.adapters.embedded.postmaster import read_small
from tickctl.adapters.embedded.sockets import socket_folder
from tickctl.adapters.postgres import connect
from tickctl.core.doctor.facts import AwsIdentity, Database, Embedded, Problem, Schema, StoredSecret, Unread
from tickctl.core.secret import Secret
from tickctl.core.secrets.payload import decode
from tickctl.core.secrets.plan import compare
from tickctl.core.secrets.store import CURRENT, Phase
from tickctl.errors import (
    ConfigurationError,
    ConflictError,
    CredentialsRefusedError,
    NotFoundError,
    TickctlError,
    UnreachableError,
)

if TYPE_CHECKING:
    from tickctl.adapters.aws import Aws

_HOOK: Final = """
select from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
where n.nspname = 'tick' and p.proname = 'access_token_hook'
"""


def read_database(url: Secret, place: str) -> Database:
    """Return what a database says.

    Args:
        url: of the connection.
        place: what to call it.

    Raises:
        ConfigurationError: the URL can't be read, or names a database that does not exist.
        CredentialsRefusedError: the server refused the user or the password.
        UnreachableError: no connection came about.
    """
    with closing(connect(url)) as connection:
        try:
            hook: bool | Unread = connection.execute(_HOOK).fetchone() is not None
        except psycopg.Error as error:
            hook = Unread(f"the database didn't say whether the hook is installed (SQLSTATE {error.sqlstate})")
        return Database(f"{place} as {connection.info.user}", _schema(connection), hook)


def _schema(connection: schema.Connection) -> Schema | Problem | Unread:
    try:
        plan = schema.outstanding(connection)
    except (UnreachableError, CredentialsRefusedError) as error:  # who may not look can't tell
        return Unread(error.message, error.hint)
    except TickctlError as error:
        return Problem(error.message, error.hint)
    steps = tuple(step.text for step in plan.steps) if plan.changes else ()
    return Schema(steps, plan.blockers)


def read_embedded(path: Path) -> Embedded | None:
    """Return how the embedded database is; None where there is none yet.

    Raises:
        ConfigurationError: the folder can't be used, or its programs aren't installed.
        UnreachableError: the system didn't let us look.
    """
    home = Home.at(path)
    with reported(home.path):
        if not home.is_claimed():
            return None
        form = read_small(home.marker).strip()
    if form not in {"", FORMAT}:
        raise ConfigurationError(
            f"{home.path} has the format {form[:20]!r}, which this tickctl does not know",
            hint="install a newer tickctl",
        )
    find_binaries()
    status = EmbeddedDatabase(path).status()
    return Embedded(str(status.home), status.running, status.version, MAJOR_VERSION)


def url_of_running(path: Path) -> Secret | None:
    """Return where the embedded database can be connected to; None while it doesn't run.

    Raises:
        ConfigurationError: the folder can't be used.
        UnreachableError: the system didn't let us look.
    """
    database = EmbeddedDatabase(path)
    status = database.status()
    if status.pid is None:
        return None
    with reported(database.home):
        folder = socket_folder(Home.at(path))
    return Secret(Server(folder, status.pid, find_binaries().path("psql")).url())


def identity(aws: "Aws", wanted: str | None) -> AwsIdentity:
    """Return where the credentials lead.

    Raises:
        TickctlError: AWS refuses them, or can't be reached.
    """
    return AwsIdentity(aws.account(), aws.region, wanted)


def stored(aws: "Aws", name: str, in_files: Mapping[str, Secret] | None) -> StoredSecret:
    """Return in which keys a secret and the env files differ; keys that only AWS has are left there by a push.

    Raises:
        NotFoundError: there is no such secret, or it has no value.
        ConflictError: it is scheduled for deletion.
        ConfigurationError: it holds something else than names and values.
        UnreachableError: AWS can't be reached, or doesn't let us look.
    """
    try:
        return _compared(aws, name, in_files)
    except CredentialsRefusedError as error:  # who may not look can't tell
        raise UnreachableError(error.message, hint=error.hint) from None


def _compared(aws: "Aws", name: str, in_files: Mapping[str, Secret] | None) -> StoredSecret:
    state = aws.secrets.describe(name)
    if state.phase is Phase.SCHEDULED_FOR_DELETION:
        raise ConflictError("it is to be deleted", hint="'tickctl secrets push --restore' takes the deletion back")
    if state.phase is Phase.ABSENT or state.arn is None or state.version_of(CURRENT) is None:
        raise NotFoundError(f"{name} isn't there, or has no value yet", hint="'tickctl secrets push' makes it")
    stored = decode(aws.secrets.get(state.arn, version_id=None).text)
    if in_files is None:
        return StoredSecret(name, None)
    changes = compare(in_files, stored, prune=False)
    return StoredSecret(name, tuple(sorted((*changes.added, *changes.changed))))
