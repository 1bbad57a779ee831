"""Connections to PostgreSQL: how they are made, and whether one that was kept still waits for us."""

import logging
import select
from typing import Final, TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from tickctl.adapters.postgres.failures import connection_failure
from tickctl.core.secret import Secret
from tickctl.errors import ConfigurationError

Connection: TypeAlias = psycopg.Connection[TupleRow]
AsyncConnection: TypeAlias = psycopg.AsyncConnection[TupleRow]

CONNECT_TIMEOUT: Final = 5
"""Seconds, for each address that the host's name has."""


def connect(url: Secret) -> Connection:
    """Open a connection in autocommit mode that prepares no statements, as poolers want it.

    Raises:
        ConfigurationError: the URL can't be read, or names a database that does not exist.
        CredentialsRefusedError: the server refused the user or the password.
        UnreachableError: no connection came about.
    """
    parameters = connection_parameters(url, CONNECT_TIMEOUT)
    keep_quiet()
    try:
        return psycopg.connect(parameters.reveal(), autocommit=True, prepare_threshold=None)
    except (psycopg.Error, UnicodeError, ValueError) as error:
        raise connection_failure(str(error)) from None


def connection_parameters(url: Secret, connect_timeout: int) -> Secret:
    """Return a connection string for libpq with what the URL leaves open.

    Args:
        url: a libpq URL or connection string.
        connect_timeout: seconds for each address, unless the URL has its own.

    Raises:
        ConfigurationError: the URL can't be read.
    """
    # Neither the URL nor what libpq says of it leaves this function: a password with an unescaped "@" or "/" is read
    # as a part of the host's name, and is then quoted in the message.
    try:
        parameters_given = conninfo_to_dict(url.reveal())
        defaults: dict[str, str | int] = {
            "connect_timeout": connect_timeout,
            "application_name": "tickctl",
            "tcp_user_timeout": 15_000,
        }
        # Texts are written and read as UTF-8, whatever the URL or the environment says.
        return Secret(make_conninfo("", **(defaults | parameters_given | {"client_encoding": "UTF8"})))
    except (psycopg.Error, UnicodeEncodeError, ValueError):
        raise ConfigurationError(
            "the database's URL can't be read",
            hint="write postgresql://user:password@host:port/database, with special characters percent-encoded",
        ) from None


def keep_quiet() -> None:
    """Hold psycopg's log at INFO, unless somebody has set its level.

    At level DEBUG it shows host and port, which with an unescaped "@" or "/" are parts of the password.
    """
    logger = logging.getLogger("psycopg")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


def login_role(url: Secret) -> str | None:
    """Return the role that a URL names, for telling people as whom we act; `None` where libpq decides."""
    try:
        user = conninfo_to_dict(url.reveal()).get("user")
    except (psycopg.Error, UnicodeEncodeError, ValueError):
        return None
    return str(user) if user else None


def is_idle(connection: Connection | AsyncConnection) -> bool:
    """Tell whether a kept connection waits for us; nothing is sent.

    A server or pooler that has hung up has left something to read: its farewell or the end of the stream.
    """
    if connection.closed:
        return False
    waiting = select.poll()  # select() can't watch a descriptor above 1023, as a busy gateway has
    waiting.register(connection.fileno(), select.POLLIN)
    return not waiting.poll(0)
