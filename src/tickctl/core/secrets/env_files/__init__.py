"""Env files, read as Docker Compose reads them and without the operator's shell; and written so that they read back."""

from tickctl.core.secrets.env_files.model import Entry, EnvFile, Reading, Refusal, RefusalKind
from tickctl.core.secrets.env_files.reader import effective, read, values
from tickctl.core.secrets.env_files.refusals import describe
from tickctl.core.secrets.env_files.writer import line, write

__all__ = [
    "Entry",
    "EnvFile",
    "Reading",
    "Refusal",
    "RefusalKind",
    "describe",
    "effective",
    "line",
    "read",
    "values",
    "write",
]
