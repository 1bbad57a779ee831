"""A running server, as those see it who connect to it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from tickctl.adapters.embedded.configuration import PORT

# The `iss` of the tokens that `accounts` makes.
LOCAL_ISSUER: Final = "http://127.0.0.1/auth/v1"


@dataclass(frozen=True, slots=True)
class Server:
    """Where to connect to. There are no passwords: the server asks the kernel who is at the other end.

    Attributes:
        socket_dir: the folder of its Unix-domain socket.
        pid: its process.
        psql_path: the `psql` that goes with it.
    """

    socket_dir: Path
    pid: int
    psql_path: Path

    def url(self, user: str = "postgres", database: str = "postgres") -> str:
        """Return the libpq URL for a role of the database; `supabase_admin` is the superuser."""
        # What is given here, even if empty, can't be overridden by PGHOSTADDR and the like.
        query = f"host={quote(str(self.socket_dir), safe='')}&port={PORT}&hostaddr="
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?{query}"

    def environment(self, *, user: str = "postgres", database: str = "postgres") -> dict[str, str]:
        """Return the variables that lead a child `psql` here, to be laid over the environment it has."""
        return {
            "PGHOST": str(self.socket_dir),
            "PGHOSTADDR": "",
            "PGPORT": str(PORT),
            "PGUSER": user,
            "PGDATABASE": database,
            "PGOPTIONS": "",
        }
