"""The SQL that tickctl installs: migrations run once, in order; the rest again whenever its text changes."""

from tickctl.sql.files import (
    SUPERSEDED,
    SqlFile,
    access_token_hook,
    adoption,
    function_sources,
    migrations,
    repeatables,
)

__all__ = ["SUPERSEDED", "SqlFile", "access_token_hook", "adoption", "function_sources", "migrations", "repeatables"]
