"""The server's configuration files, as text.

Nothing comes over the network: there is no TCP listener, and the one socket admits the one operating system's user that
owns the folder, whom it asks the kernel for ("peer" authentication). That user may be any database role.
"""

from pathlib import Path
from typing import Final

PORT: Final = 5432
_MAP: Final = "tickctl"

HOST_BASED_AUTHENTICATION: Final = f"local all all peer map={_MAP}\n"


def user_map(client: str) -> str:
    """Return the text of pg_ident.conf: the client may be every role (pg_ident.conf, "User Name Maps")."""
    return f"{_MAP} {_double_quoted(client)} all\n"


def server_settings(*, data: Path, files: Path, sockets: Path, durable: bool) -> str:
    """Return the text of postgresql.conf.

    Args:
        data: the data folder, whose own postgresql.conf holds what initdb found out about this machine.
        files: the folder of these configuration files.
        sockets: the folder for the socket.
        durable: False trades the data's safety in a power cut for speed. Killed processes lose nothing, either way.
    """
    settings: dict[str, str | int | bool] = {
        "hba_file": str(files / "pg_hba.conf"),
        "ident_file": str(files / "pg_ident.conf"),
        "listen_addresses": "",
        "port": PORT,
        "unix_socket_directories": _double_quoted(str(sockets)),
        "unix_socket_permissions": "0700",
        "cluster_name": "tickctl",
        # PostgreSQL's own defaults: enough for one developer, or a test run.
        "max_connections": 100,
        "shared_buffers": "128MB",
        "huge_pages": False,
        "io_method": "sync",
        "wal_level": "minimal",
        "max_wal_senders": 0,
        "max_logical_replication_workers": 0,
        "min_wal_size": "32MB",
        "max_wal_size": "256MB",
        "jit": False,
        # Commits are written before they are answered, either way: a killed server loses nothing.
        "fsync": durable,
        "full_page_writes": durable,
        "timezone": "UTC",
        # LOG ranks above ERROR here: clients' errors go to the clients only. Statements may hold what is nobody else's
        # business, and are never logged.
        "log_timezone": "UTC",
        "log_min_messages": "log",
        "log_min_error_statement": "panic",
        "log_checkpoints": False,
        "log_destination": "stderr",
        "logging_collector": False,
        # What is said here holds, whatever ALTER SYSTEM left in the data folder.
        "allow_alter_system": False,
    }
    lines = [f"include {_single_quoted(str(data / 'postgresql.conf'))}"]
    lines += [f"{name} = {_value(value)}" for name, value in settings.items()]
    return "\n".join(lines) + "\n"


def _value(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value) if isinstance(value, int) else _single_quoted(value)


def _single_quoted(text: str) -> str:
    """Quote for postgresql.conf, where a backslash escapes too."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _double_quoted(text: str) -> str:
    """Quote an item of a comma-separated list, or a word of pg_ident.conf."""
    return '"' + text.replace('"', '""') + '"'
