"""The SQL that tickctl installs, and the requirements that a database is held to."""

from tickctl.sql.files import (
    Requirement,
    SqlFile,
    access_token_hook,
    migrations,
    record_installed,
    repeatables,
    requirements,
)

__all__ = [
    "Requirement",
    "SqlFile",
    "access_token_hook",
    "migrations",
    "record_installed",
    "repeatables",
    "requirements",
]
