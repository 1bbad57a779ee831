"""Env files, read as Docker Compose reads them and without the operator's shell; and written so that they read back."""

from tickctl.core.secrets.env_files.model import Entry, EnvFile, Refusal, RefusalKind
from tickctl.core.secrets.env_files.reader import effective, read, values

__all__ = ["Entry", "EnvFile", "Refusal", "RefusalKind", "effective", "read", "values"]
