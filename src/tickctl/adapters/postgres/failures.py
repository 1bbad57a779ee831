"""Why no connection to PostgreSQL came about, told without a word of libpq's own message."""

from typing import Final

from tickctl.errors import ConfigurationError, CredentialsRefusedError, TickctlError, UnreachableError

# libpq gives no SQLSTATE for a connection that failed, only text: its own, the operating system's, the server's or a
# pooler's, in English where nobody has changed the language. The first that occurs in it, in this order, decides.
_SIGNS: Final[tuple[tuple[tuple[str, ...], type[TickctlError], str, str], ...]] = (
    (
        (
            "password authentication failed",
            "authentication failed for user",
            "no password supplied",
            "no pg_hba.conf entry",
            "tenant or user not found",
            "wrong password",
            "is not permitted to log in",
            "permission denied for database",
        ),
        CredentialsRefusedError,
        "the database refused the user or the password",
        "check user and password in the URL; a password's special characters must be percent-encoded",
    ),
    (
        ('fatal:  role "', 'fatal: role "'),
        CredentialsRefusedError,
        "the database does not know the user that the URL names",
        "copy the connection string from the project's Connect dialog",
    ),
    (
        ("is not currently accepting connections", "too many connections for database"),
        UnreachableError,
        "the database takes no more connections at the moment",
        "try again later",
    ),
    (
        ('database "',),
        ConfigurationError,
        "the database that the URL names does not exist",
        "Supabase's is called postgres",
    ),
    (
        ("invalid integer value", "invalid port number", "invalid sslmode", "invalid connection option"),
        ConfigurationError,
        "the database's URL holds an option that is not valid",
        "copy the connection string from the project's Connect dialog",
    ),
    (
        ("could not translate host name", "name or service not known", "getaddrinfo", "resolve host"),
        UnreachableError,
        "the database's host has no address",
        "check the host in the URL; a password's special characters must be percent-encoded",
    ),
    (
        ("timeout expired", "timed out"),
        UnreachableError,
        "the database did not answer in time",
        "check the host and the network; Supabase's direct connection needs IPv6, its pooler does not",
    ),
    (
        ("connection refused", "no such file or directory"),
        UnreachableError,
        "nothing listens where the URL points to",
        "check host and port, and whether the database runs",
    ),
    (
        ("network is unreachable", "no route to host"),
        UnreachableError,
        "there is no way to the database's host from here",
        "Supabase's direct connection needs IPv6; use the pooler's URL without it",
    ),
    (
        ("ssl", "certificate"),
        UnreachableError,
        "no encrypted connection to the database came about",
        "check sslmode and sslrootcert in the URL",
    ),
    (
        ("too many clients", "too many connections", "remaining connection slots", "max client connections"),
        UnreachableError,
        "the database has no connection left",
        "try again later, or use the pooler's URL",
    ),
    (
        ("starting up", "shutting down", "in recovery mode"),
        UnreachableError,
        "the database is starting or stopping",
        "try again in a moment",
    ),
)


def connection_failure(text: str) -> TickctlError:
    """Return the error for a failed connection.

    Args:
        text: libpq's message. It may quote the URL, so it decides and is not passed on.
    """
    text = text.lower()
    for signs, error, message, hint in _SIGNS:
        if any(sign in text for sign in signs):
            return error(message, hint=hint)
    return UnreachableError("no connection to the database came about", hint="check the URL")
