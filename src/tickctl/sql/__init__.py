"""The SQL that tickctl installs: migrations run once, in order; the rest again whenever its text changes."""

from tickctl.sql.files import SqlFile, migrations, repeatables

__all__ = ["SqlFile", "migrations", "repeatables"]
