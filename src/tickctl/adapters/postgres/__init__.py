"""The SQL functions over direct connections to PostgreSQL: for those who wait, and for an event loop."""

from tickctl.adapters.postgres.asynchronous import AsyncPostgresFunctions
from tickctl.adapters.postgres.connecting import Connection, connect, login_role
from tickctl.adapters.postgres.functions import PostgresFunctions

__all__ = ["AsyncPostgresFunctions", "Connection", "PostgresFunctions", "connect", "login_role"]
