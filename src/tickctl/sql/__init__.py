"""The SQL that tickctl installs: migrations run once, in order; the rest again whenever its text changes."""

from tickctl.sql.files import SqlFile, access_token_hook, function_sources, migrations, repeatables

__all__ = ["SqlFile", "access_token_hook", "function_sources", "migrations", "repeatables"]
