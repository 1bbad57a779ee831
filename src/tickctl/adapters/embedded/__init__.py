"""A PostgreSQL of our own, for those who have none: no installation, no port, no password, no daemon.

`accounts`, which loads psycopg, is imported by who needs it.
"""

from tickctl.adapters.embedded.database import EmbeddedDatabase, Status
from tickctl.adapters.embedded.home import default_home
from tickctl.adapters.embedded.server import LOCAL_ISSUER, Server

__all__ = ["LOCAL_ISSUER", "EmbeddedDatabase", "Server", "Status", "default_home"]
